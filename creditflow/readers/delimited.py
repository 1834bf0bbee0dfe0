"""CSV: comma, semicolon or tab, quoted line breaks, one physical line number per row.

Promises
- Streams: one line and one row in memory. A line longer than 16 million characters is refused.
- A stray quotation mark spoils its own line only: when quoting swallows following lines and the row has a number of
  cells that no row above had, those lines are read again one by one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from creditflow.readers.encoding import Encoding, decoded
from creditflow.readers.errors import ReadError
from creditflow.readers.table import ROW_NUMBER, Row, Section, section_of
from creditflow.registry import Feed

MAX_LINE = 16_000_000
MAX_FIELD = 1_000_000
_FIRST_LINES = 200


def read_csv(stream: io.BufferedReader, feed: Feed, encoding: Encoding) -> Iterator[Section]:
    """The one section of a CSV. Raises ReadError at once for headings, while iterating for lines."""
    text = decoded(stream, encoding)
    first = text.readline(MAX_LINE)
    lines = _lines(text, first)
    rows = _rows(lines, _delimiter(first))
    if first.startswith(ROW_NUMBER):
        yield section_of(_numbered(rows), feed)
        return
    yield section_of(rows, feed)


def _delimiter(line: str) -> str:
    """The one of , ; tab that stands most often in the first line."""
    return max(",;\t", key=lambda mark: (line.count(mark), mark == ","))


def _lines(text: io.TextIOWrapper, line: str) -> Iterator[str]:
    readline = text.readline
    number = 1
    while line:
        if len(line) >= MAX_LINE:
            raise ReadError(
                "line_too_long",
                f"第 {number} 行超过 {MAX_LINE // 1_000_000} 百万字符，文件可能已损坏，请重新导出",
                f"line {number} is longer than {MAX_LINE} characters: the file is damaged, export it again",
                row=number,
            )
        yield line
        line = readline(MAX_LINE)
        number += 1


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_FIELD)
    pending: list[str] = []
    source = _recorded(lines, pending)
    widths: set[int] = set()
    number = 1
    while True:
        reader = csv.reader(source, delimiter=delimiter)
        try:
            for cells in reader:
                taken = len(pending)
                if taken == 1 or len(cells) in widths:
                    if cells and (cells[0] or any(cells)) and not _blank(cells):
                        if number <= _FIRST_LINES and len(cells) > 1:
                            widths.add(len(cells))
                        yield number, cells
                else:
                    yield from _one_by_one(pending, number, delimiter)
                number += taken
                pending.clear()
            return
        except csv.Error:
            yield from _one_by_one(pending, number, delimiter)
            number += len(pending)
            pending.clear()


def _blank(cells: list[str]) -> bool:
    first = cells[0]
    return (not first or first.isspace()) and not any(cell and not cell.isspace() for cell in cells)


def _recorded(lines: Iterator[str], pending: list[str]) -> Iterator[str]:
    for line in lines:
        pending.append(line)
        yield line


def _one_by_one(lines: list[str], number: int, delimiter: str) -> Iterator[Row]:
    for offset, line in enumerate(list(lines)):
        try:
            cells = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            cells = [line[:MAX_FIELD]]
        if cells and not _blank(cells):
            yield number + offset, cells


def _numbered(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows of a table that the archive rewrote: the first column is the physical row number."""
    first = True
    for number, cells in rows:
        if first:
            yield number, cells[1:]
            first = False
        else:
            yield int(cells[0]), cells[1:]
