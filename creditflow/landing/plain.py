"""The short way for ordinary rows of a CSV: lines without quoting, as bytes from the file to COPY.

Promises
- A row takes this way only when nothing at all has to be done to it but be put in order: every code in its written
  form, every looked-up value meaning itself, operation and change time in the forms already seen, no character that
  COPY or text gives a meaning, no word of the feed that stands for nothing. Every other row is handed back and goes
  the way of all rows.
- The line is byte for byte the one that the long way makes; a property test proves it.
- Where cells begin and end is found for a whole block at once; only cells that somebody looks at become objects, and
  columns that stand side by side in file and table are copied together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from creditflow.identity.many import uscc_ok_many
from creditflow.landing.amend import Meaning, Notes, meanings, only_lookups
from creditflow.landing.delivered import CACHE_LIMIT, Controls, Delivered
from creditflow.landing.keys import hashes, keys_maker
from creditflow.landing.layout import Layout
from creditflow.landing.tables import DEFECTS, NOTES

_MAY_BE_BLANK = np.zeros(256, dtype=bool)
"""By first byte: white space, control characters and invisible ones in UTF-8 (and some that are not)."""
_MAY_BE_BLANK[[*range(0x21), 0x7F, 0xC2, 0xE1, 0xE2, 0xE3, 0xEF]] = True

_NARROW = 64
"""Bytes of the widest column whose cells are gathered at once."""

_clocks = re.compile(rb"(?:[^\0]{10}[ T](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?\0)*").fullmatch
_written = re.compile(rb"[0-9A-Z]+").fullmatch

Column = Sequence[bytes]
Numbers = NDArray[np.intp]


class _Grid:
    """Where the cells of some lines lie. at: which lines they are, those with as many cells as headings and nothing that
    needs a closer look (so no NUL); count: of all lines; tail: the layout's; nothing: words that need a closer look."""

    def __init__(
        self, block: bytes, delimiter: bytes, width: int, tail: list[bytes], nothing: Sequence[bytes] = ()
    ) -> None:
        self._text = text = block if block.endswith(b"\n") else block + b"\n"
        self._width, self._tail = width, tail
        signs = np.frombuffer(text, dtype=np.uint8)
        stops = np.flatnonzero((signs == delimiter[0]) | (signs == ord("\n")))
        tabbed = signs.copy()
        tabbed[stops] = ord("\t")
        self._tabbed = tabbed.tobytes()
        last = np.flatnonzero(signs[stops] == ord("\n"))
        ends, cells = stops[last], np.diff(last, prepend=-1)
        starts = np.concatenate(([0], ends[:-1] + 1))
        stops[last] -= signs[ends - 1] == ord("\r")
        first = signs[starts]
        fit = (cells == width) & ~_MAY_BE_BLANK[first] & (first != delimiter[0])
        for sign in {b"\\", b"\0", b"\t"} - {delimiter}:
            if sign in text:
                fit[np.searchsorted(ends, np.flatnonzero(signs == sign[0]))] = False
        for word in nothing:
            if word in text:
                fit[np.searchsorted(ends, [found.start() for found in re.finditer(re.escape(word), text)])] = False
        self.count = len(ends)
        self.at = np.flatnonzero(fit)
        self._first: Numbers = starts[fit]
        self._stops = (stops if len(self.at) == self.count else stops[np.repeat(fit, cells)]).reshape(-1, width)
        self._columns: dict[int, Column] = {}

    def column(self, cell: int) -> Column:
        """The values of one cell, or of one of the tail's, of every line."""
        found = self._columns.get(cell)
        if found is None:
            found = self._columns[cell] = self._cells(cell)
        return found

    def cell(self, cell: int, line: int) -> bytes:
        """The value of one cell of one line."""
        column = self._columns.get(cell)
        if column is not None:
            return column[line]
        if cell >= self._width:
            return self._tail[cell - self._width]
        start = self._stops.item(line, cell - 1) + 1 if cell else self._first.item(line)
        return self._text[start : self._stops.item(line, cell)]

    def filled(self, cell: int) -> list[int]:
        """In which lines a cell holds something."""
        if cell >= self._width:
            return list(range(len(self.at))) if self._tail[cell - self._width] else []
        return list(np.flatnonzero(self._starts(cell) != self._stops[:, cell]).tolist())

    def values(self, cell: int) -> Column:
        """What a cell holds in any line, in no order; a cell that is mostly blank costs only what it holds."""
        if cell >= self._width:
            return self._tail[cell - self._width : cell - self._width + 1]
        if cell not in self._columns:
            starts, stops = self._starts(cell), self._stops[:, cell]
            filled = np.flatnonzero(starts != stops)
            if 2 * len(filled) < len(stops):
                return self._gathered(starts[filled], stops[filled])
        return self.column(cell)

    def _starts(self, cell: int) -> Numbers:
        if cell == 0:
            return self._first
        behind: Numbers = self._stops[:, cell - 1] + 1
        return behind

    def _cells(self, cell: int) -> Column:
        if cell >= self._width:
            return [self._tail[cell - self._width]] * len(self.at)
        return self._gathered(self._starts(cell), self._stops[:, cell])

    def _gathered(self, starts: Numbers, stops: Numbers) -> Column:
        """What stands between the places. Narrow cells at once, as NumPy's byte strings, which end where their NULs begin."""
        text, lengths = self._text, stops - starts
        longest = int(lengths.max(initial=0))
        if longest == 0:
            return [b""] * len(lengths)
        if longest > _NARROW or starts[-1] + longest > len(text):
            return [text[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
        found = np.ndarray(len(text) - longest + 1, f"S{longest}", text, strides=(1,))[starts]
        if int(lengths.min()) < longest:
            found.view(np.uint8).reshape(-1, longest)[np.arange(longest) >= lengths[:, None]] = 0
        return list(found.tolist())

    def tabbed(self, first: int, last: int) -> Column:
        """Cells that stand side by side, from the first to the last, with tabs between them."""
        if first == last:
            return self.column(first)
        text, starts, stops = self._tabbed, self._starts(first).tolist(), self._stops[:, last].tolist()
        return [text[start:stop] for start, stop in zip(starts, stops, strict=True)]

    def leave(self, leaving: set[int]) -> None:
        """Forget some of the lines, numbered as in `at`."""
        if leaving:
            staying = np.ones(len(self.at), dtype=bool)
            staying[list(leaving)] = False
            self.at, self._first, self._stops = self.at[staying], self._first[staying], self._stops[staying]
            self._columns.clear()


class PlainLane:
    """The short way through one section. codes, persons: as the long way's, indexes in picked rows."""

    def __init__(
        self,
        layout: Layout,
        delivered: Delivered,
        codes: list[int],
        persons: list[tuple[int, int | None]],
        controls: Controls | None,
    ) -> None:
        self._layout, self._delivered = layout, delivered
        self._controls = controls
        cell = [layout.cell_of[name] for name in layout.names]
        self._runs = _side_by_side(cell[: layout.plain], layout.width)
        self._tail = [value.encode() for value in layout.tail]
        self._nothing = sorted(word.encode() for word in layout.feed.blank)
        self._codes = [cell[at] for at in codes]
        self._persons = [(cell[at], None if type_at is None else cell[type_at]) for at, type_at in persons]
        self._identifying: set[bytes] = set()
        self._lookups: list[tuple[int, set[bytes], Meaning]] = [
            (cell[at], set(), meaning) for at, meaning in meanings(layout)
        ]
        self._operations: dict[bytes, bytes] = {}
        self._days: set[bytes] = set()
        position = {name: cell[at] for name, at in layout.position.items() if at < layout.plain}
        self._keys_of = keys_maker(
            delivered.kind, delivered.feed.department, position, self._identifying, delivered.codes.valid
        )

    @classmethod
    def suits(cls, layout: Layout) -> bool:
        """Whether rows of this layout may take it at all."""
        return only_lookups(layout) and layout.plain > 1

    def lines(self, first: int, block: bytes, delimiter: bytes) -> list[bytes | None]:
        """The COPY line of each line of a block, None for those that must go the long way. first: number of the first."""
        grid = _Grid(block, delimiter, self._layout.width, self._tail, self._nothing)
        grid.leave(self._leaving(grid))
        lines = self._made(first, grid)
        if len(lines) == grid.count:
            return list(lines)
        made: list[bytes | None] = [None] * grid.count
        for place, line in zip(grid.at.tolist(), lines, strict=True):
            made[place] = line
        return made

    def _leaving(self, grid: _Grid) -> set[int]:
        """Which rows must go the long way for what one of their cells holds."""
        leaving: set[int] = set()

        def leave(column: Column, values: set[bytes]) -> None:
            if values:
                leaving.update(number for number, value in enumerate(column) if value in values)

        bad = self._not_good(set().union(*map(grid.values, self._codes)))
        for at in self._codes if bad else ():
            leave(grid.column(at), bad)
        for at, same, meaning in self._lookups:
            column = grid.column(at)
            leave(column, {raw for raw in set(column) - same if not _means_itself(raw, same, meaning)})
        controls = self._controls
        if controls is not None and controls.op_at is not None:
            column = grid.column(controls.op_at)
            words = set(column)
            if len(self._operations) > CACHE_LIMIT:
                self._operations.clear()
            for raw in words - self._operations.keys():
                self._operations[raw] = self._learn_operation(raw)
            leave(column, {raw for raw in words if not self._operations[raw]})
        if controls is not None and controls.time_at is not None:
            column = grid.column(controls.time_at)
            days = {moment[:10] for moment in column}
            if not days <= self._days:
                for moment in column:
                    if moment[:10] not in self._days:
                        self._learn_day(moment)
            if not _clocks(b"\0".join((*column, b""))) or not days <= self._days:
                leave(
                    column,
                    {moment for moment in column if moment[:10] not in self._days or not _clocks(moment + b"\0")},
                )
        return leaving

    def _not_good(self, found: set[bytes]) -> set[bytes]:
        """Of a block's codes, those that are not in their written form, or are personal numbers. A block's are judged without
        regard to those before: a set of so many codes that some come again is slower to ask."""
        long = [raw for raw in found if len(raw) == 18]
        self._identifying.clear()
        self._identifying.update(compress(long, uscc_ok_many(long)))
        codes, bad = self._delivered.codes, set()
        for raw in found - self._identifying:
            if not raw or (len(raw) not in (15, 18, 20) and _written(raw)):
                continue
            code = raw.decode()
            if not (len(code) == 15 and codes.valid(code)) and codes.normal(code) != code:
                bad.add(raw)
        return bad

    def _made(self, first: int, grid: _Grid) -> list[bytes]:
        """The lines of ordinary rows."""
        count, controls = len(grid.at), self._controls
        data = self._data(grid)
        nobody = b"\0" + b"-" * len(self._persons)
        marked = [text + nobody for text in data]
        people = [b"\t" * (3 * len(self._persons) - 1)] * count
        for at in {line for column, _ in self._persons for line in grid.filled(column)}:
            people[at], marks = self._protect(grid, at)
            marked[at] = data[at] + marks
        contents = hashes(marked)
        keys = self._keys_of(grid, contents)
        sequences = written = [b"%d" % number for number in (grid.at + first).tolist()]
        fields: list[Sequence[bytes]] = []
        if controls is not None:
            if controls.seq_at is not None:
                sequences = [
                    b"%d" % int(text) if text.isdigit() and len(text) <= 18 else number
                    for text, number in zip(grid.column(controls.seq_at), written, strict=True)
                ]
            operations = self._operations
            fields.append(
                [b"I"] * count if controls.op_at is None else [operations[raw] for raw in grid.column(controls.op_at)]
            )
            fields.append(
                [controls.delivered_at] * count if controls.time_at is None else grid.column(controls.time_at)
            )
        fields.append([b"\t" * (len(DEFECTS) + len(NOTES) - 1)] * count)
        if self._persons:
            fields.append(people)
        return list(
            map(
                b"\t".join,
                zip(written, sequences, keys, contents, *fields, data, strict=True),
            )
        )

    def _data(self, grid: _Grid) -> Column:
        """The plain columns of each row, with tabs between them."""
        runs = [
            grid.tabbed(first, last) if last < self._layout.width else grid.column(first) for first, last in self._runs
        ]
        return runs[0] if len(runs) == 1 else list(map(b"\t".join, zip(*runs, strict=True)))

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

    def _protect(self, grid: _Grid, at: int) -> tuple[bytes, bytes]:
        """(a row's person columns as COPY text, the marks for the content hash)."""
        keys = self._delivered.keys
        fields: list[str] = []
        marks = b"\0"
        for column, type_column in self._persons:
            number = grid.cell(column, at)
            if number:
                kept = keys.protect(
                    number.decode(), None if type_column is None else grid.cell(type_column, at).decode()
                )
                fields += (kept.hash or "", kept.cipher or "", kept.check)
                marks += b"%c" % kept.mark
            else:
                fields += ("", "", "")
                marks += b"-"
        return "\t".join(fields).encode(), marks


def _side_by_side(cells: list[int], width: int) -> list[tuple[int, int]]:
    """(first, last) of each stretch of cells that stand side by side in the file; what is no cell stands alone."""
    runs: list[tuple[int, int]] = []
    for cell in cells:
        if runs and cell < width and cell == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], cell)
        else:
            runs.append((cell, cell))
    return runs


def _means_itself(raw: bytes, same: set[bytes], meaning: Meaning) -> bool:
    """Whether a looked-up value stays as it is; such values are remembered."""
    value = raw.decode()
    if meaning(value) != (value, ""):
        return False
    if len(same) < CACHE_LIMIT:
        same.add(raw)
    return True
