"""Readers: bytes -> rows of text under recognised headings, with row numbers; never a silent guess.

Promises
- `read` streams: what a reader holds does not grow with the file (a workbook's sheet lies in calamine's memory).
- Every fault of a delivery is a `ReadError` that says what, where and what the department must do; no reader lets
  another exception out because of what the bytes contain.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from creditflow.readers.delimited import read_csv
from creditflow.readers.detect import HEAD_BYTES, detect_format
from creditflow.readers.encoding import Encoding, choose_encoding
from creditflow.readers.errors import ReadError, reason
from creditflow.readers.excel import read_excel
from creditflow.readers.html_table import read_html
from creditflow.readers.json_records import read_json
from creditflow.readers.table import ROW_NUMBER, Pieces, PlainLines, Row, Section
from creditflow.readers.xml_records import read_xml
from creditflow.registry import Feed

__all__ = [
    "HEAD_BYTES",
    "ROW_NUMBER",
    "Encoding",
    "Pieces",
    "PlainLines",
    "ReadError",
    "Row",
    "Section",
    "binding_encoding",
    "buffered",
    "choose_encoding",
    "detect_format",
    "read",
    "reason",
]


def read(stream: BinaryIO, feed: Feed, form: str, encoding: str | None) -> Iterator[Section]:
    """Sections of a delivery.

    form: as `detect_format` found it. encoding: the declared one where it binds (`binding_encoding`), else None.
    Raises ReadError, from the first section or while its rows are consumed.
    """
    source = buffered(stream)
    if form in ("xlsx", "xls"):
        return read_excel(source, feed, form)
    if form == "xml":
        return read_xml(source, feed)
    chosen = choose_encoding(source, encoding)
    if form == "csv":
        return read_csv(source, feed, chosen)
    if form == "json":
        return read_json(source, feed, chosen)
    return read_html(source, feed, chosen)


def binding_encoding(feed: Feed, form: str) -> str | None:
    """The encoding the feed declared, where this format is the one it declared it for."""
    expected = "csv" if feed.format == "table" else feed.format
    return feed.encoding if form == expected else None


def buffered(stream: BinaryIO) -> io.BufferedReader:
    """The stream with a large buffer, to look ahead without moving; closing it leaves the stream open."""
    return io.BufferedReader(_Lent(stream), 1 << 20)


class _Lent(io.RawIOBase):
    """A stream on loan: whoever wraps it (and is garbage collected) does not close it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._seekable = stream.seekable()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()
