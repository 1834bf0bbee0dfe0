"""Corrected return workbooks: the lines that answer one returned row are one row again.

Promises
- A return workbook has one line for each fault; the lines of one row carry the same batch and row number and a mark of
  every cell as it was written (`cell_marks`). A cell whose mark is not there was corrected.
- Corrections in any of the lines count, wherever they were made; the merged row stands at the number of its first line.
- Two different corrections of one cell are never chosen between: every line of that row comes as it is, with the
  headings in question under DISPUTED.
- Every other delivery passes through untouched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from creditflow.readers.table import Row, Section
from creditflow.registry import normal_heading

BATCH_HEADING = "退回批次"
ROW_HEADING = "退回行号"
MARKS_HEADING = "核对码"
DISPUTED = "@disputed"
"""Heading under which a line names what its row's lines contradict each other about; blank where they do not."""

_MARK = 8


def cell_marks(headings: Sequence[str], cells: Sequence[str]) -> str:
    """The marks of a line's data cells, to be written beside them: what was written is known again without its text."""
    return "".join(_mark(heading, cell) for heading, cell in zip(headings, cells, strict=True))


def _mark(heading: str, cell: str) -> str:
    return hashlib.sha256(f"{normal_heading(heading)}\0{cell.strip()}".encode()).hexdigest()[:_MARK]


def answered(section: Section) -> tuple[Section, list[int]]:
    """(the section with the lines of each returned row merged, the numbers of lines that went into an earlier one).

    The list is complete when the section's rows are consumed. A section that is no corrected workbook comes back as it is.
    """
    place = {normal_heading(cell): at for at, cell in enumerate(section.cells)}
    merged: list[int] = []
    if BATCH_HEADING not in place or ROW_HEADING not in place:
        return section, merged
    width, found = len(section.cells), section.headings
    marks = place.get(MARKS_HEADING)
    headings = replace(
        found,
        targets=(*found.targets, None),
        kept=(*((at, name) for at, name in found.kept if at != marks), (width, DISPUTED)),
    )
    rows = _Lines(section, place[BATCH_HEADING], place[ROW_HEADING], marks, merged).rows()
    return Section((*section.cells, DISPUTED), headings, section.header_row, rows), merged


class _Lines:
    """The lines of one corrected workbook."""

    def __init__(self, section: Section, batch: int, row: int, marks: int | None, merged: list[int]) -> None:
        self._section, self._batch, self._row, self._marks, self._merged = section, batch, row, marks, merged
        guide = {*section.headings.ignored, batch, row, marks}
        self._data = [at for at, heading in enumerate(section.cells) if at not in guide and heading.strip()]
        self._added = {at for at, _ in section.headings.unknown}

    def rows(self) -> Iterator[Row]:
        """One row for each returned row; lines that name none, or do not fit the headings, as they are."""
        width = len(self._section.cells)
        groups: dict[tuple[str, ...], list[Row]] = {}
        for number, cells in self._section.rows:
            if len(cells) != width:
                groups[str(number), "", ""] = [(number, cells)]
                continue
            answers = (cells[self._batch].strip(), cells[self._row].strip())
            key = answers if all(answers) else (str(number), "", "")
            groups.setdefault(key, []).append((number, cells))
        for lines in groups.values():
            yield from self._one(lines) if len(lines) > 1 else self._plain(lines[0])

    def _plain(self, line: Row) -> Iterator[Row]:
        number, cells = line
        yield number, [*cells, ""] if len(cells) == len(self._section.cells) else cells

    def _one(self, lines: list[Row]) -> Iterator[Row]:
        number, first = lines[0]
        row, disputed = list(first), []
        for at in self._data:
            values = {cells[at].strip(): cells[at] for _, cells in lines}
            if len(values) == 1:
                continue
            corrected = {cells[at].strip(): cells[at] for _, cells in lines if not self._as_written(at, cells)}
            if len(corrected) == 1:
                row[at] = next(iter(corrected.values()))
            else:
                disputed.append(self._section.cells[at].strip())
        if disputed:
            yield from ((number, [*cells, "、".join(disputed)]) for number, cells in lines)
            return
        self._merged += [number for number, _ in lines[1:]]
        yield number, [*row, ""]

    def _as_written(self, at: int, cells: list[str]) -> bool:
        if at in self._added:  # a column of the department's own has no marks: what is blank in it says nothing
            return not cells[at].strip()
        if self._marks is None:
            return False
        marks, mark = cells[self._marks].strip(), _mark(self._section.cells[at], cells[at])
        return any(marks[start : start + _MARK] == mark for start in range(0, len(marks), _MARK))
