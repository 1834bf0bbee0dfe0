"""CSV: comma, semicolon or tab, quoted line breaks, one physical line number per row.

Promises
- Streams: one block of lines in memory. A line longer than 16 million bytes is refused.
- A stray quotation mark spoils its own line only: when quoting swallows following lines and the row has a number of
  cells that no row above had, those lines are read again one by one.
- The same rows come in two ways: as text (`Section.rows`), or, for whoever is in a hurry, as runs of plain lines, still as
  UTF-8 bytes (`Section.pieces`); a property test proves that both say the same. Quotation marks around whole cells are
  taken off for it; a line that quotes in any other way is read as text.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from creditflow.readers.encoding import VISIBLE, Encoding
from creditflow.readers.errors import ReadError
from creditflow.readers.table import ROW_NUMBER, PlainLines, Row, Section, section_of
from creditflow.registry import Feed

BLOCK = 1 << 19
_PART = 1 << 15
MAX_LINE = 16_000_000
MAX_FIELD = 1_000_000
_FIRST_LINES = 200
"""Read as text: from them is learned how many cells rows have, which tells a row over several lines from a stray mark."""

_WORTH_IT = 6
"""Fewer lines between untidy ones are sooner read as text than all at once."""

_BETWEEN = b"\x1f"
"""Stands between the cells of lines whose quotation marks were taken off: a unit separator, which no such line holds."""


def read_csv(stream: io.BufferedReader, feed: Feed, encoding: Encoding) -> Iterator[Section]:
    """The one section of a CSV. Raises ReadError at once for headings, while iterating for lines."""
    lines = _Lines(stream, encoding)
    first = lines.peek()
    delimiter = _delimiter(first)
    rows = _rows(lines, delimiter)
    if first.startswith(ROW_NUMBER):
        yield section_of(_numbered(rows), feed)
        return
    section = section_of(rows, feed)
    yield replace(section, pieces=_Pieces(lines, section.rows, section.cells, delimiter))


def _delimiter(line: str) -> str:
    """The one of , ; tab that stands most often in the first line."""
    return max(",;\t", key=lambda mark: (line.count(mark), mark == ","))


class _Lines:
    """Physical lines, one by one as text or in runs as UTF-8 bytes. number: of the last line given out; owed: rows that
    whoever reads them as text has yet to yield before the next line may be given out."""

    def __init__(self, stream: io.BufferedReader, encoding: Encoding) -> None:
        self._stream = stream
        self._decoder = (
            None if encoding.codec in ("utf-8", "utf-8-sig") else codecs.getincrementaldecoder(encoding.codec)
        )
        self._decode = self._decoder(VISIBLE).decode if self._decoder else None
        self._signed = encoding.codec == "utf-8-sig"
        self._rest = b""
        self._block = b""
        self._lines: list[bytes] | None = None
        self._unquoted: _Unquoted | None = None
        self._at = 0
        self._ended = False
        self.number = 0
        self.owed = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._more():
            raise StopIteration
        line = self._split()[self._at]
        self._at += 1
        self.number += 1
        return line.decode("utf-8", "surrogateescape")

    def peek(self) -> str:
        """The next line, not consumed; '' at the end."""
        return self._split()[self._at].decode("utf-8", "surrogateescape") if self._more() else ""

    def run(self, heading: Sequence[str], delimiter: str) -> PlainLines | None:
        """The next lines of the present block as bytes, as far as they are plain; None when the next line needs to be read as
        text (or there is none). heading: cells that a line may repeat, which is no row then."""
        if self.owed or self.number < _FIRST_LINES or not self._more():
            return None
        block, count, between = self._block, 0, delimiter.encode()
        if b'"' in block:
            if self._unquoted is None:
                self._unquoted = _without_quotes(_plain_ends(block), between)
                self._split()  # what is not taken here is read as text
            block, count = self._unquoted.run(self._at)
            between = self._unquoted.delimiter
            if count < _WORTH_IT:
                return None
        else:
            block = _plain_ends(b"".join(self._split()[self._at :]) if self._at else block)
            count = _ends(block) + (not block.endswith(b"\n"))
        repeated = between.join(cell.encode("utf-8", "surrogateescape") for cell in heading)
        if not block or len(block) > MAX_FIELD or repeated in block or not _is_utf8(block):
            return None
        found = PlainLines(self.number + 1, block, between)
        self._at += count
        self.number += count
        return found

    def _more(self) -> bool:
        """Whether there is a next line; reads the next block when the present one is used up."""
        if self._lines is None:
            return (self._at == 0 and bool(self._block)) or self._fill()
        return self._at < len(self._lines) or self._fill()

    def _split(self) -> list[bytes]:
        """The present block's lines with their ends."""
        if self._lines is None:
            self._lines = self._block.splitlines(keepends=True)
        return self._lines

    def _fill(self) -> bool:
        """Read the next block of whole lines; False at the end."""
        while not self._ended:
            chunk = self._stream.read(BLOCK)
            if chunk and self._decode is not None:
                chunk = self._decode(chunk).encode("utf-8", "surrogateescape")
                if not chunk:
                    continue
            elif not chunk:
                self._ended = True
                if self._decode is not None:
                    chunk = self._decode(b"", True).encode("utf-8", "surrogateescape")
            block = self._rest + chunk
            if self._signed and block:
                block, self._signed = block.removeprefix(codecs.BOM_UTF8), False
            cut = len(block) if self._ended else max(block.rfind(b"\n"), block.rfind(b"\r", 0, -1)) + 1
            self._block, self._rest = block[:cut], block[cut:]
            if len(self._rest) >= MAX_LINE:
                raise self._too_long(self.number + len(self._block.splitlines()) + 1)
            if self._block:
                self._lines = self._unquoted = None
                self._at = 0
                return True
        return False

    def _too_long(self, line: int) -> ReadError:
        return ReadError(
            "line_too_long",
            f"第 {line} 行超过 {MAX_LINE // 1_000_000} 百万字节，文件可能已损坏，请重新导出",
            f"line {line} is longer than {MAX_LINE} bytes: the file is damaged, export it again",
            row=line,
        )


@dataclass(frozen=True, slots=True)
class _Unquoted:
    """The lines of a block, the quotation marks around whole cells taken off. starts: where each line begins in text, and
    where the last ends; untidy: which lines quote in another way and must be read as text, ascending."""

    text: bytes
    delimiter: bytes
    starts: NDArray[np.intp]
    untidy: NDArray[np.intp]

    def run(self, first: int) -> tuple[bytes, int]:
        """The lines from `first` up to the next that is untidy, and how many."""
        place = int(np.searchsorted(self.untidy, first))
        last = int(self.untidy[place]) if place < len(self.untidy) else len(self.starts) - 1
        return self.text[self.starts[first] : self.starts[last]], last - first


def _without_quotes(block: bytes, delimiter: bytes) -> _Unquoted:
    """A line is tidy when each of its quotation marks opens a cell or closes the one opened before, and none stands within
    a cell: such a line is one row, and what it says is what stands between the marks. block: ends lines by \\n or \\r\\n."""
    signs = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", dtype=np.uint8)
    ends, marks = np.flatnonzero(signs == ord("\n")), np.flatnonzero(signs == ord('"'))
    starts = np.concatenate(([0], ends + 1))
    line = np.searchsorted(ends, marks)
    opens = (np.arange(len(marks)) - np.searchsorted(marks, starts)[line]) % 2 == 0
    before, behind = signs[marks - 1], signs[marks + 1]  # before the first stands, in a circle, the last line's end
    fits = np.where(
        opens,
        (before == delimiter[0]) | (before == ord("\n")),
        (behind == delimiter[0]) | (behind == ord("\n")) | (behind == ord("\r")),
    )
    odd = np.bincount(line, minlength=len(ends)) % 2 == 1
    odd[line[~fits]] = True
    if _BETWEEN in block:
        odd[line] = True
    untidy = np.flatnonzero(odd)
    marks = marks[~odd[line]]
    if len(marks) == 0:
        return _Unquoted(block, delimiter, np.minimum(starts, len(block)), untidy)
    quoted = np.zeros(len(signs), dtype=np.uint8)
    quoted[marks] = 1
    within = np.cumsum(quoted, dtype=np.uint8) % 2 == 1
    text = np.where((signs == delimiter[0]) & ~within, np.uint8(ord(_BETWEEN)), signs)[quoted == 0]
    return _Unquoted(text.tobytes(), _BETWEEN, starts - np.searchsorted(marks, starts), untidy)


def _plain_ends(block: bytes) -> bytes:
    """The block with line ends \\n where a line of it ends in \\r alone."""
    signs = np.frombuffer(block, dtype=np.uint8)
    returns = np.flatnonzero(signs == ord("\r"))
    lone = len(returns) > 0 and (block.endswith(b"\r") or bool((signs[returns + 1] != ord("\n")).any()))
    return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if lone else block


def _ends(block: bytes) -> int:
    """How many lines end in it; bytes.count takes five times as long."""
    return int(np.count_nonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n")))


def _is_utf8(block: bytes) -> bool:
    """Read by parts that stay in the processor's caches: the text itself is not wanted."""
    whole, at = memoryview(block), 0
    try:
        while at < len(block):
            part = whole[at : at + _PART]
            at += codecs.utf_8_decode(part, "strict", at + _PART >= len(block))[1]
    except UnicodeDecodeError:
        return False
    return True


class _Pieces:
    """The rows of a section as runs of plain lines, and single rows where quoting needs a closer look."""

    def __init__(self, lines: _Lines, rows: Iterator[Row], heading: tuple[str, ...], delimiter: str) -> None:
        self._lines, self._rows = lines, rows
        self._heading, self._delimiter = heading, delimiter

    def __iter__(self) -> Iterator[PlainLines | Row]:
        while True:
            plain = self._lines.run(self._heading, self._delimiter)
            if plain is not None:
                yield plain
                continue
            row = next(self._rows, None)
            if row is None:
                return
            yield row


def _rows(lines: _Lines, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_FIELD)
    pending: list[str] = []
    source = _recorded(lines, pending)
    widths: set[int] = set()
    while True:
        reader = csv.reader(source, delimiter=delimiter)
        try:
            for cells in reader:
                taken = len(pending)
                number = lines.number - taken + 1
                if taken == 1 or len(cells) in widths:
                    pending.clear()
                    if cells and (cells[0] or any(cells)) and not _blank(cells):
                        if number <= _FIRST_LINES and len(cells) > 1:
                            widths.add(len(cells))
                        yield number, cells
                else:
                    yield from _again(lines, pending, delimiter)
            return
        except csv.Error:
            yield from _again(lines, pending, delimiter)


def _blank(cells: list[str]) -> bool:
    first = cells[0]
    return (not first or first.isspace()) and not any(cell and not cell.isspace() for cell in cells)


def _recorded(lines: _Lines, pending: list[str]) -> Iterator[str]:
    for line in lines:
        pending.append(line)
        yield line


def _again(lines: _Lines, pending: list[str], delimiter: str) -> Iterator[Row]:
    """The lines taken last, each as a row of its own."""
    found = list(_one_by_one(pending, lines.number - len(pending) + 1, delimiter))
    pending.clear()
    for lines.owed, row in zip(reversed(range(len(found))), found, strict=True):
        yield row


def _one_by_one(lines: list[str], number: int, delimiter: str) -> Iterator[Row]:
    for offset, line in enumerate(lines):
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
