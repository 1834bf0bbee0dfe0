"""The short way for ordinary rows of a CSV: lines without quotation marks, as bytes from the file to COPY.

Promises
- A row takes this way only when nothing at all has to be done to it but be put in order: every code in its written
  form, every looked-up value meaning itself, operation and change time in the forms already seen, no character that
  COPY or text gives a meaning. Every other row is handed back and goes the way of all rows.
- The line is byte for byte the one that the long way makes; a property test proves it.
"""

from __future__ import annotations

import re
from binascii import hexlify
from collections.abc import Sequence
from hashlib import sha256
from itertools import compress

from creditflow.identity.many import uscc_ok_many
from creditflow.landing.amend import Meaning, Notes, meanings, only_lookups
from creditflow.landing.delivered import CACHE_LIMIT, Controls, Delivered
from creditflow.landing.keys import keys_maker
from creditflow.landing.layout import Layout
from creditflow.landing.tables import DEFECTS, NOTES

_MAY_BE_BLANK = frozenset((*range(0x21), 0x7F, 0xC2, 0xE1, 0xE2, 0xE3, 0xEF))
"""First bytes of white space, control characters and invisible ones in UTF-8 (and of some that are not)."""

_clocks = re.compile(rb"(?:[^\0]{10}[ T](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?\0)*").fullmatch
_written = re.compile(rb"[0-9A-Z]+").fullmatch

Cells = list[bytes]
Column = Sequence[bytes]


class PlainLane:
    """The short way through one section. codes, persons: as the long way's, indexes in picked rows."""

    def __init__(
        self,
        layout: Layout,
        delivered: Delivered,
        delimiter: bytes,
        codes: list[int],
        persons: list[tuple[int, int | None]],
        controls: Controls | None,
    ) -> None:
        self._layout, self._delivered, self._delimiter = layout, delivered, delimiter
        self._controls = controls
        cell = [layout.cell_of[name] for name in layout.names]
        self._picked = cell[: layout.plain]
        self._codes = [cell[at] for at in codes]
        self._persons = [(cell[at], None if type_at is None else cell[type_at]) for at, type_at in persons]
        self._good: set[bytes] = set()
        self._identifying: set[bytes] = set()
        self._lookups: list[tuple[int, set[bytes], Meaning]] = [
            (cell[at], set(), meaning) for at, meaning in meanings(layout)
        ]
        self._operations: dict[bytes, bytes] = {}
        self._days: set[bytes] = set()
        position = {name: at for name, at in layout.position.items() if at < layout.plain}
        self._keys_of = keys_maker(delivered.kind, delivered.feed.department, position, self._identifies)

    @classmethod
    def suits(cls, layout: Layout) -> bool:
        """Whether rows of this layout may take it at all."""
        return only_lookups(layout) and layout.plain > 1

    def lines(self, first: int, some: list[bytes]) -> list[bytes | None]:
        """The COPY line of each line, None for those that must go the long way. first: number of the first."""
        made: list[bytes | None] = [None] * len(some)
        at, rows = self._shapely(some)
        columns = self._columns(rows)
        leaving = self._leaving(columns) if rows else set()
        if leaving:
            at = [place for number, place in enumerate(at) if number not in leaving]
            rows = [row for number, row in enumerate(rows) if number not in leaving]
            columns = self._columns(rows)
        if rows:
            for place, line in zip(at, self._made([first + place for place in at], columns), strict=True):
                made[place] = line
        return made

    def _shapely(self, some: list[bytes]) -> tuple[Sequence[int], list[Cells]]:
        """(which lines, their cells): those with as many cells as headings and nothing that needs a closer look."""
        delimiter, width = self._delimiter, self._layout.width
        rows = [line.split(delimiter) for line in some]
        blank = {b"", *(bytes((byte,)) for byte in {*_MAY_BE_BLANK, delimiter[0]})}
        odd = _odd(b"\n".join(some), delimiter)
        if not odd and set(map(len, rows)) == {width} and blank.isdisjoint({line[:1] for line in some}):
            return range(len(some)), rows
        at = [
            place
            for place, line in enumerate(some)
            if len(rows[place]) == width and line[:1] not in blank and not (odd and _odd(line, delimiter))
        ]
        return at, [rows[place] for place in at]

    def _columns(self, rows: list[Cells]) -> list[Column]:
        """The columns of some rows, the layout's tail among them."""
        if not rows:
            return []
        tail = ([value.encode()] * len(rows) for value in self._layout.tail)
        return [*zip(*rows, strict=True), *tail]

    def _leaving(self, columns: list[Column]) -> set[int]:
        """Which rows must go the long way for what one of their cells holds."""
        leaving: set[int] = set()

        def leave(column: Column, values: set[bytes]) -> None:
            if values:
                leaving.update(number for number, value in enumerate(column) if value in values)

        if len(self._good) > CACHE_LIMIT:
            self._good.clear()
            self._identifying.clear()
        bad = self._not_good(set().union(*(columns[at] for at in self._codes)) - self._good)
        for at in self._codes:
            leave(columns[at], bad)
        for at, same, meaning in self._lookups:
            leave(columns[at], {raw for raw in set(columns[at]) - same if not _means_itself(raw, same, meaning)})
        controls = self._controls
        if controls is not None and controls.op_at is not None:
            column = columns[controls.op_at]
            words = set(column)
            if len(self._operations) > CACHE_LIMIT:
                self._operations.clear()
            for raw in words - self._operations.keys():
                self._operations[raw] = self._learn_operation(raw)
            leave(column, {raw for raw in words if not self._operations[raw]})
        if controls is not None and controls.time_at is not None:
            column = columns[controls.time_at]
            for moment in column:
                if moment[:10] not in self._days:
                    self._learn_day(moment)
            if not _clocks(b"\0".join((*column, b""))) or not {moment[:10] for moment in column} <= self._days:
                leave(
                    column,
                    {moment for moment in column if moment[:10] not in self._days or not _clocks(moment + b"\0")},
                )
        return leaving

    def _not_good(self, unseen: set[bytes]) -> set[bytes]:
        """Of codes not met before, those that are not in their written form, or are personal numbers."""
        long = [raw for raw in unseen if len(raw) == 18]
        identifying = set(compress(long, uscc_ok_many(long)))
        self._identifying |= identifying
        self._good |= identifying
        codes, bad = self._delivered.codes, set()
        for raw in unseen - identifying:
            if not raw or (len(raw) not in (15, 18, 20) and _written(raw)):
                self._good.add(raw)
                continue
            code = raw.decode()
            if (len(code) == 15 and codes.valid(code)) or codes.normal(code) == code:
                self._good.add(raw)
            else:
                bad.add(raw)
        return bad

    def _identifies(self, raw: bytes) -> bool:
        return raw in self._identifying or self._delivered.codes.valid(raw.decode())

    def _made(self, numbers: list[int], columns: list[Column]) -> list[bytes]:
        """The lines of ordinary rows."""
        count, controls = len(numbers), self._controls
        picked = [columns[at] for at in self._picked]
        values = list(zip(*picked, strict=True))
        data = list(map(b"\t".join, values))
        marked = [text + b"\0" + b"-" * len(self._persons) for text in data]
        people = [b"\t" * (3 * len(self._persons) - 1)] * count
        for at in {place for column, _ in self._persons for place in compress(range(count), columns[column])}:
            people[at], marks = self._protect([column[at] for column in columns])
            marked[at] = data[at] + marks
        hashed = [sha256(text).digest()[:16] for text in marked]
        contents = _hexadecimal(hashed)
        keys = _hexadecimal(self._keys_of(picked, values, contents))
        sequences = written = [b"%d" % number for number in numbers]
        fields: list[Sequence[bytes]] = []
        if controls is not None:
            if controls.seq_at is not None:
                sequences = [
                    b"%d" % int(text) if text.isdigit() and len(text) <= 18 else number
                    for text, number in zip(columns[controls.seq_at], written, strict=True)
                ]
            fields.append(
                [b"I"] * count if controls.op_at is None else [self._operations[raw] for raw in columns[controls.op_at]]
            )
            fields.append([controls.delivered_at] * count if controls.time_at is None else columns[controls.time_at])
        fields.append([b"\t" * (len(DEFECTS) + len(NOTES) - 1)] * count)
        if self._persons:
            fields.append(people)
        return list(
            map(
                b"\t".join,
                zip(written, sequences, keys, contents, *fields, [text + b"\n" for text in data], strict=True),
            )
        )

    def _learn_operation(self, raw: bytes) -> bytes:
        """The operation a word stands for, b'' when it is not an ordinary one."""
        assert self._controls is not None
        word, note = self._controls.operation(raw.decode())
        return b"" if note or word in "DWR" else word.encode()

    def _learn_day(self, raw: bytes) -> None:
        """Remember the day of a change time that the long way takes as it stands."""
        assert self._controls is not None
        text = raw.decode()
        notes = Notes()
        if text and self._controls.moment(text, notes) == text and not notes.any() and len(self._days) < CACHE_LIMIT:
            self._days.add(raw[:10])

    def _protect(self, cells: Cells) -> tuple[bytes, bytes]:
        """cells: with the layout's tail. (the person columns as COPY text, the marks for the content hash)."""
        keys = self._delivered.keys
        fields: list[str] = []
        marks = b"\0"
        for at, type_at in self._persons:
            if cells[at]:
                kept = keys.protect(cells[at].decode(), cells[type_at].decode() if type_at is not None else None)
                fields += (kept.hash or "", kept.cipher or "", kept.check)
                marks += b"%c" % kept.mark
            else:
                fields += ("", "", "")
                marks += b"-"
        return "\t".join(fields).encode(), marks


def _hexadecimal(hashes: list[bytes]) -> list[bytes]:
    """16 bytes each as 32 digits."""
    digits = hexlify(b"".join(hashes))
    return [digits[at : at + 32] for at in range(0, len(digits), 32)]


def _odd(line: bytes, delimiter: bytes) -> bool:
    """Whether a text holds a character that COPY gives a meaning, or NUL."""
    return b"\\" in line or b"\0" in line or (delimiter != b"\t" and b"\t" in line)


def _means_itself(raw: bytes, same: set[bytes], meaning: Meaning) -> bool:
    """Whether a looked-up value stays as it is; such values are remembered."""
    value = raw.decode()
    if meaning(value) != (value, ""):
        return False
    if len(same) < CACHE_LIMIT:
        same.add(raw)
    return True
