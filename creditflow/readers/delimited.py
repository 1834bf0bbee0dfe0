"""CSV: comma, semicolon or tab, quoted line breaks, one physical line number per row.

Promises
- Streams: one block of lines in memory. A line longer than 16 million bytes is refused.
- A stray quotation mark spoils its own line only: when quoting swallows following lines and the row has a number of
  cells that no row above had, those lines are read again one by one.
- The same rows come in two ways: as text (`Section.rows`), or, for whoever is in a hurry, as runs of lines without
  quotation marks, still as UTF-8 bytes (`Section.pieces`); a property test proves that both say the same.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from creditflow.readers.encoding import VISIBLE, Encoding
from creditflow.readers.errors import ReadError
from creditflow.readers.table import ROW_NUMBER, PlainLines, Row, Section, section_of
from creditflow.registry import Feed

BLOCK = 1 << 19
MAX_LINE = 16_000_000
MAX_FIELD = 1_000_000
_FIRST_LINES = 200


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
    """Physical lines, one by one as text or in runs as UTF-8 bytes. number: of the last line given out."""

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
        self._at = 0
        self._ended = False
        self.number = 0

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

    def run(self, heading: bytes) -> PlainLines | None:
        """The next lines as bytes, as far as they hold no quotation mark in the present block; None when the next line
        needs to be read as text (or there is none). heading: a line that holds this does too."""
        if not self._more():
            return None
        block = self._block
        if self._at or b'"' in block:
            some = []
            for line in self._split()[self._at :]:
                if b'"' in line:
                    break
                some.append(line)
            block = b"".join(some)
        if _has_lone_return(block):
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        count = _ends(block) + (not block.endswith(b"\n"))
        if not block or heading in block or not _is_utf8(block):
            return None
        found = PlainLines(self.number + 1, block)
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
                self._lines = None
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


def _has_lone_return(block: bytes) -> bool:
    """Whether a line of these ends in \\r alone."""
    signs = np.frombuffer(block, dtype=np.uint8)
    returns = np.flatnonzero(signs == ord("\r"))
    return len(returns) > 0 and (block.endswith(b"\r") or bool((signs[returns + 1] != ord("\n")).any()))


def _ends(block: bytes) -> int:
    """How many lines end in it; bytes.count takes five times as long."""
    return int(np.count_nonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n")))


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Pieces:
    """The rows of a section as runs of plain lines, and single rows where quoting needs a closer look."""

    def __init__(self, lines: _Lines, rows: Iterator[Row], heading: tuple[str, ...], delimiter: str) -> None:
        self._lines, self._rows = lines, rows
        self._heading = delimiter.join(heading).encode("utf-8", "surrogateescape")
        self.delimiter = delimiter.encode()

    def __iter__(self) -> Iterator[PlainLines | Row]:
        while True:
            plain = self._lines.run(self._heading)
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
                    again, pending[:] = list(pending), []
                    yield from _one_by_one(again, number, delimiter)
            return
        except csv.Error:
            again, pending[:] = list(pending), []
            yield from _one_by_one(again, lines.number - len(again) + 1, delimiter)


def _blank(cells: list[str]) -> bool:
    first = cells[0]
    return (not first or first.isspace()) and not any(cell and not cell.isspace() for cell in cells)


def _recorded(lines: _Lines, pending: list[str]) -> Iterator[str]:
    for line in lines:
        pending.append(line)
        yield line


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
