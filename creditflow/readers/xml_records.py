"""XML: one record per ROW element, its values in child elements or attributes.

Promises
- Streams through expat and keeps the records of one chunk at a time. Nothing is fetched and nothing is expanded: a document type
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
MOST_PATTERNS = 5
MOST_NAMES = 5_000
"""Characters in the names of a record's fields, beyond which no pattern is made of them."""
SPARE_MISSES = 100
"""How many more records may be unlike the one before than like it, before no more are compared."""

_SPACE = r"[ \t\r\n]*+"
_PLAIN = r"[^<>&\x00-\x08\x0b-\x1f\ufffe\uffff]*+"
"""Text that stands for itself: without markup, references, line ends to be made one, and what XML forbids."""
_declared = re.compile(rb"""^(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


def read_xml(stream: io.BufferedReader, feed: Feed) -> Iterator[Section]:
    """Sections of an XML document. Raises ReadError 'xml_broken', 'xml_doctype', 'wrong_encoding', 'xml_too_large'."""
    return sections_of(_records(stream, feed), feed)


def _records(stream: io.BufferedReader, feed: Feed) -> Iterator[Record]:
    names = {path.rsplit("/", 1)[-1] for path in feed.record_paths if "/" in path or path.isupper()} or {"ROW"}
    rows = _Rows(names)
    number = 0
    held = b""
    try:
        for chunk in _utf8(stream):
            held += chunk
            whole, text = rows.whole(held)
            if not whole:
                whole = held.rfind(b">") + 1 or len(held)
                rows.parse(held[:whole])
            at = 0
            while at < len(text):
                at = rows.take(text, at)
            held = held[whole:]
            for record in rows.taken():
                number += 1
                yield number, record
        rows.parse(held, last=True)
    except expat.ExpatError as problem:
        for record in rows.taken():
            number += 1
            yield number, record
        raise _broken(problem.lineno) from None
    for record in rows.taken():
        number += 1
        yield number, record


class _Rows:
    """Collects the records of the elements called `names`, wherever they stand.

    A record that follows another and has the same fields, in the same order, with nothing in them but text, is found by one
    pattern made from the other; expat sees an empty line for every line of it, so that it still names the right one.
    """

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._found: list[dict[str, str]] = []
        self._record: dict[str, str] | None = None
        self._element = self._field = ""
        self._around = self._depth = 0
        self._text: list[str] = []
        self._size = 0
        self._fed = self._record_ended = 0
        self._alike: re.Pattern[str] | None = None
        self._fields: tuple[str, ...] = ()
        self._patterns = self._matched = self._missed = 0
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        self._parser = parser

    def parse(self, chunk: bytes, *, last: bool = False) -> None:
        """Read on. Raises expat.ExpatError and ReadError."""
        self._fed += len(chunk)
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

    def whole(self, held: bytes) -> tuple[int, str]:
        """(length of the part of `held` up to the end of its last record, that part as text) for `take`; (0, "") where
        all of it is better read on by `parse`."""
        if not self._element or self._missed > SPARE_MISSES + self._matched:
            return 0, ""
        tag = f"</{self._element}>".encode()
        length = held.rfind(tag) + len(tag)
        try:
            return (length, held[:length].decode()) if length >= len(tag) else (0, "")
        except UnicodeDecodeError:
            return 0, ""

    def take(self, text: str, at: int) -> int:
        """Read on from a place in a text that ends with a record: the records there that are like the last one, or one by
        expat. The place where they end. Raises expat.ExpatError and ReadError."""
        start = at
        if self._alike is not None and self._around and self._record_ended == self._fed:
            while (one := self._alike.match(text, at)) is not None:
                self._found.append(dict(zip(self._fields, one.groups(""), strict=True)))
                self._matched += 1
                at = one.end()
            self._missed += at == start
        if at > start:
            returns = text.count("\r", start, at) - text.count("\r\n", start, at) if "\r" in text else 0
            self.parse(b"\n" * (text.count("\n", start, at) + returns))
            self._record_ended = self._fed
            return at
        tag = f"</{self._element}>"
        end = text.find(tag, at) + len(tag)
        if end < len(tag):
            end = len(text)
        self.parse(text[at:end].encode())
        return end

    def _learn(self, record: dict[str, str]) -> None:
        """Make the pattern for records like this one, if there is none that fits its fields."""
        if record.keys() <= set(self._fields) or self._patterns >= MOST_PATTERNS or sum(map(len, record)) > MOST_NAMES:
            return
        self._patterns += 1
        self._fields = tuple(record)
        fields = (f"(?:<{name}>({_PLAIN})</{name}>|<{name}/>)?+{_SPACE}" for name in map(re.escape, self._fields))
        tag = re.escape(self._element)
        self._alike = re.compile(f"{_SPACE}<{tag}>{_SPACE}{''.join(fields)}</{tag}>")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._record is None:
            if name.rpartition(":")[2] in self._names:
                self._record = dict(attributes)
                self._element = name
                self._depth = self._size = 0
            else:
                self._around += 1
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
            self._learn(self._record)
            self._record = None
            self._record_ended = self._parser.CurrentByteIndex + len(f"</{name}>".encode())
        else:
            self._around -= 1

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
