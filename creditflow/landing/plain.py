"""The short way for ordinary rows of a CSV: lines without quotation marks, as bytes from the file to COPY.

Promises
- A row takes this way only when nothing at all has to be done to it but be put in order: every code in its written
  form, every looked-up value meaning itself, operation and change time in the forms already seen, no character that
  COPY or text gives a meaning. Every other row is handed back and goes the way of all rows.
- The line is byte for byte the one that the long way makes; a property test proves it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from operator import itemgetter
from typing import cast

from creditflow.landing.amend import Meaning, Notes, meanings, only_lookups
from creditflow.landing.delivered import CACHE_LIMIT, Controls, Delivered
from creditflow.landing.keys import key_maker
from creditflow.landing.layout import Layout

_MAY_BE_BLANK = frozenset((*range(0x21), 0x7F, 0xC2, 0xE1, 0xE2, 0xE3, 0xEF))
"""First bytes of white space, control characters and invisible ones in UTF-8 (and of some that are not)."""

_clock = re.compile(rb"[ T](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?").fullmatch


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
        self._codes, self._controls = codes, controls
        cell = [layout.cell_of[name] for name in layout.names]
        self._pick = cast("Callable[[list[bytes]], tuple[bytes, ...]]", itemgetter(*cell[: layout.plain]))
        self._persons = [(cell[at], None if type_at is None else cell[type_at]) for at, type_at in persons]
        self._good: set[bytes] = set()
        self._lookups: list[tuple[int, set[bytes], Meaning]] = [
            (at, set(), meaning) for at, meaning in meanings(layout)
        ]
        self._operations: dict[bytes, bytes] = {}
        self._days: set[bytes] = set()
        position = {name: at for name, at in layout.position.items() if at < layout.plain}
        self._key_of = key_maker(
            delivered.kind,
            delivered.feed.department,
            position,
            delivered.codes.valid,
            reg_ok=delivered.codes.valid,
            read=bytes.decode,
        )

    @classmethod
    def suits(cls, layout: Layout) -> bool:
        """Whether rows of this layout may take it at all."""
        return only_lookups(layout) and layout.plain > 1

    def lines(self, first: int, some: list[bytes]) -> list[bytes | None]:
        """The COPY line of each line, None for those that must go the long way. first: number of the first."""
        delimiter, width, pick = self._delimiter, self._layout.width, self._pick
        tail = [value.encode() for value in self._layout.tail]
        good, lookups, codes, key_of = self._good, self._lookups, self._codes, self._key_of
        persons = [at for at, _ in self._persons]
        people_of, controls, control_of = self._protect, self._controls, self._control
        nobody, no_marks = b"\t\t\t" * len(persons), b"\0" + b"-" * len(persons)
        blank = {*_MAY_BE_BLANK, delimiter[0]}
        odd = _odd(b"\n".join(some), delimiter)
        made: list[bytes | None] = []
        append = made.append
        number = first - 1
        for line in some:
            number += 1
            cells = line.split(delimiter)
            if len(cells) != width or not line or line[0] in blank or (odd and _odd(line, delimiter)):
                append(None)
                continue
            control = b""
            sequence = number
            if controls is not None:
                found = control_of(cells)
                if not found:
                    append(None)
                    continue
                control = found
                if controls.seq_at is not None:
                    text = cells[controls.seq_at]
                    if text.isdigit() and len(text) <= 18:
                        sequence = int(text)
            cells += tail
            row = pick(cells)
            for at in codes:
                code = row[at]
                if code and code not in good and not self._is_good(code):
                    append(None)
                    break
            else:
                for at, same, meaning in lookups:
                    if row[at] not in same and not _means_itself(row[at], same, meaning):
                        append(None)
                        break
                else:
                    people, marks = nobody, no_marks
                    for at in persons:
                        if cells[at]:
                            people, marks = people_of(cells)
                            break
                    data = b"\t".join(row)
                    content = sha256(data + marks).hexdigest()[:32]
                    head = f"{number}\t{sequence}\t{key_of(row, content)}\t{content}\t"
                    append(b"%b%b\t\t\t\t%b%b\n" % (head.encode(), control, people, data))
        return made

    def _is_good(self, raw: bytes) -> bool:
        """Whether a code stands in its written form, and is no personal number."""
        code, codes = raw.decode(), self._delivered.codes
        if not (len(code) in (15, 18) and codes.valid(code)) and codes.normal(code) != code:
            return False
        if len(self._good) > CACHE_LIMIT:
            self._good.clear()
        self._good.add(raw)
        return True

    def _control(self, cells: list[bytes]) -> bytes | None:
        """Operation and change time as COPY text; None when a row must go the long way to have them read."""
        controls = self._controls
        assert controls is not None
        operation, moment = b"I", controls.delivered_at
        if controls.op_at is not None:
            raw = cells[controls.op_at]
            known = self._operations.get(raw)
            if known is None:
                known = self._learn_operation(raw)
            if not known:
                return None
            operation = known
        if controls.time_at is not None:
            moment = cells[controls.time_at]
            if moment[:10] not in self._days:
                self._learn_day(moment)
                return None
            if not _clock(moment, 10):
                return None
        return b"%b\t%b\t" % (operation, moment)

    def _learn_operation(self, raw: bytes) -> bytes:
        """The operation a word stands for, b'' when it is not an ordinary one."""
        assert self._controls is not None
        word, note = self._controls.operation(raw.decode())
        known = b"" if note or word in "DWR" else word.encode()
        if len(self._operations) < 1000:
            self._operations[raw] = known
        return known

    def _learn_day(self, raw: bytes) -> None:
        """Remember the day of a change time that the long way takes as it stands."""
        assert self._controls is not None
        text = raw.decode()
        notes = Notes()
        if text and self._controls.moment(text, notes) == text and not notes.any() and len(self._days) < CACHE_LIMIT:
            self._days.add(raw[:10])

    def _protect(self, cells: list[bytes]) -> tuple[bytes, bytes]:
        """(the person columns as COPY text, the marks for the content hash)."""
        keys = self._delivered.keys
        text, marks = b"", b"\0"
        for at, type_at in self._persons:
            if cells[at]:
                kept = keys.protect(cells[at].decode(), cells[type_at].decode() if type_at is not None else None)
                text += f"{kept.hash or ''}\t{kept.cipher or ''}\t{kept.check}\t".encode()
                marks += b"%c" % kept.mark
            else:
                text += b"\t\t\t"
                marks += b"-"
        return text, marks


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
