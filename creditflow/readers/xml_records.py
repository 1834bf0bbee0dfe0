"""XML: one record per ROW element, its values in child elements or attributes.

Promises
- Streams through expat and keeps one record at a time. Nothing is fetched and nothing is expanded: a document type
  declaration is refused where it stands.
- The document's own declaration names its encoding (GB18030 and its subsets included); a byte order mark goes before.
- Broken XML names the line.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from xml.parsers import expat

from creditflow.readers.errors import ReadError
from creditflow.readers.records import Record, sections_of
from creditflow.readers.table import Section
from creditflow.registry import Feed

CHUNK = 1 << 16
MAX_RECORD = 16_000_000

_declared = re.compile(rb"""^(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


def read_xml(stream: io.BufferedReader, feed: Feed) -> Iterator[Section]:
    """Sections of an XML document. Raises ReadError 'xml_broken', 'xml_doctype', 'wrong_encoding', 'xml_too_large'."""
    return sections_of(_records(stream, feed), feed)


def _records(stream: io.BufferedReader, feed: Feed) -> Iterator[Record]:
    names = {path.rsplit("/", 1)[-1] for path in feed.record_paths if "/" in path or path.isupper()} or {"ROW"}
    rows = _Rows(names)
    number = 0
    try:
        for chunk in _utf8(stream):
            rows.parse(chunk)
            for record in rows.taken():
                number += 1
                yield number, record
        rows.parse(b"", last=True)
    except expat.ExpatError as problem:
        for record in rows.taken():
            number += 1
            yield number, record
        raise _broken(problem.lineno) from None
    for record in rows.taken():
        number += 1
        yield number, record


class _Rows:
    """Collects the records of the elements called `names`, wherever they stand."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._found: list[dict[str, str]] = []
        self._record: dict[str, str] | None = None
        self._field = ""
        self._depth = 0
        self._text: list[str] = []
        self._size = 0
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        self._parser = parser

    def parse(self, chunk: bytes, *, last: bool = False) -> None:
        """Read on. Raises expat.ExpatError and ReadError."""
        self._parser.Parse(chunk, last)
        if self._record is not None and self._size > MAX_RECORD:
            raise ReadError(
                "xml_too_large",
                f"第 {self._parser.CurrentLineNumber} 行附近的记录超过 {MAX_RECORD // 1_000_000} 百万字符，请检查导出程序",
                f"the record near line {self._parser.CurrentLineNumber} has more than {MAX_RECORD} characters",
                row=self._parser.CurrentLineNumber,
            )

    def taken(self) -> list[dict[str, str]]:
        """The records completed since the last call."""
        found, self._found = self._found, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._record is None:
            if name.rpartition(":")[2] in self._names:
                self._record = dict(attributes)
                self._depth = self._size = 0
            return
        self._depth += 1
        if self._depth == 1:
            self._field = name
            self._text = []

    def _characters(self, text: str) -> None:
        if self._depth:
            self._text.append(text)
            self._size += len(text)

    def _end(self, name: str) -> None:
        if self._depth > 1:
            self._depth -= 1
        elif self._depth == 1:
            self._depth = 0
            text = self._text
            field = self._field if ":" not in self._field else self._field.rpartition(":")[2]
            assert self._record is not None
            self._record[field] = text[0] if len(text) == 1 else "".join(text)
        elif self._record is not None:
            self._found.append(self._record)
            self._record = None

    def _doctype(self, *_: object) -> None:
        raise ReadError(
            "xml_doctype",
            "XML 含有文档类型声明或实体，出于安全原因不予读取；请去除后重新报送",
            "the XML holds a document type declaration or entities, which are refused: remove them and send again",
        )


def _utf8(stream: io.BufferedReader) -> Iterator[bytes]:
    """The document as UTF-8, whatever encoding it declares."""
    head = stream.read(CHUNK)
    codec = _codec(head)
    if codec == "utf-8":
        chunk = head
        while chunk:
            yield chunk
            chunk = stream.read(CHUNK)
        return
    decoder = codecs.getincrementaldecoder(codec)()
    chunk = head
    try:
        while chunk:
            yield decoder.decode(chunk).encode("utf-8")
            chunk = stream.read(CHUNK)
        yield decoder.decode(b"", final=True).encode("utf-8")
    except UnicodeError:
        raise _undecodable(codec) from None


def _codec(head: bytes) -> str:
    for mark, codec in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if head.startswith(mark):
            return codec
    found = _declared.match(head)
    if found is None:
        return "utf-8"
    name = found[1].decode("ascii")
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        raise _undecodable(name) from None
    return "gb18030" if codec in ("gb2312", "gbk", "cp936") else codec


def _undecodable(name: str) -> ReadError:
    return ReadError(
        "wrong_encoding",
        f"XML 声明编码为 {name}，内容无法按此解码；请按声明的编码重新导出",
        f"the XML declares {name}, but does not decode so: export it again in the encoding it declares",
    )


def _broken(line: int) -> ReadError:
    return ReadError(
        "xml_broken",
        f"XML 第 {line} 行有误，其后的内容无法读取；请修正后重新报送整批数据",
        f"broken XML at line {line}, nothing after it can be read: correct it and send the whole batch again",
        row=line,
    )
