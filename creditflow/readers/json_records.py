"""JSON: records under a declared path, a top-level list, or one object per line; streamed, exact about where it breaks.

Promises
- Memory holds one buffer and the records in it. Numbers keep the digits they were written with; true, false and null become
  'true', 'false' and blank; lists and objects inside a record stay JSON text.
- Broken JSON is an error that names the line of the file; the records before it have been yielded.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from creditflow.readers.encoding import VISIBLE, Encoding
from creditflow.readers.errors import ReadError
from creditflow.readers.records import Record, sections_of
from creditflow.readers.table import ROW_NUMBER, Section
from creditflow.registry import Feed

CHUNK = 1 << 16
MAX_RECORD = 16_000_000
MISSED_BATCHES = 3
"""After so many wrong guesses where a record ends (a list of objects is its last value) no more are made."""

_space = re.compile(r"[ \t\n\r]*")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_decode = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_constant).raw_decode


def read_json(stream: io.BufferedReader, feed: Feed, encoding: Encoding) -> Iterator[Section]:
    """Sections of a JSON document. Raises ReadError 'json_broken' with the line, or 'records_not_found'."""
    return sections_of(_records(_Text(stream, encoding), feed), feed)


class _Text:
    """A window on the document that grows while a value needs it and forgets what was read."""

    def __init__(self, stream: io.BufferedReader, encoding: Encoding) -> None:
        self._stream = stream
        self._text_of = codecs.getincrementaldecoder(encoding.codec)(VISIBLE).decode
        self._buffer = ""
        self._at = 0
        self._lines_before = 0
        self._ended = False
        self._batches_missed = 0

    def _more(self) -> bool:
        """Read on; False at the end. Forgets the part that was consumed."""
        if self._ended:
            return False
        if self._at:
            self._lines_before += self._buffer.count("\n", 0, self._at)
            self._buffer = self._buffer[self._at :]
            self._at = 0
        chunk = self._stream.read(max(CHUNK, len(self._buffer)))
        self._ended = not chunk
        text = self._text_of(chunk, self._ended)
        self._buffer += text
        return bool(text) or not self._ended

    def peek(self) -> str:
        """The next character that is no white space, not consumed; '' at the end."""
        while True:
            found = _space.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def take(self, expected: str) -> None:
        """Consume one of the characters in `expected`, or fail."""
        if self.peek() not in expected or not self.peek():
            raise self.broken(f"应为 {expected}", f"expected one of {expected}")
        self._at += 1

    def batch(self) -> list[Any]:
        """Consume the values of a list that lie whole in the window, up to the last that ends like an object before a
        comma; none where that guess does not hold: then they are to be taken one by one."""
        end = self._buffer.rfind("},", self._at) + 1
        if end == 0 or self._batches_missed >= MISSED_BATCHES:
            return []
        text = f"[{self._buffer[self._at : end]}]"
        try:
            values, length = _decode(text)
        except (ValueError, RecursionError):
            length = 0
        if length != len(text):
            self._batches_missed += 1
            return []
        self._at = end
        return list(values)

    def value(self) -> Any:
        """Consume one value."""
        if not self.peek():
            raise self.broken("文件在此处中断", "the document ends here")
        while True:
            try:
                value, end = _decode(self._buffer, self._at)
            except json.JSONDecodeError as problem:
                near_end = problem.msg.startswith("Unterminated") or len(self._buffer) - problem.pos < 64
                failure = self.broken("语法错误", "syntax error", problem.pos)
                if near_end and len(self._buffer) - self._at <= MAX_RECORD and self._more():
                    continue
                raise failure from None
            except RecursionError:
                raise self.broken("嵌套层次过深", "nested too deeply") from None
            except ValueError:
                raise self.broken("含有非法数值", "holds an illegal number") from None
            if end < len(self._buffer):
                self._at = end
                return value
            if not self._more():
                self._at = len(self._buffer)
                return value

    def broken(self, zh: str, en: str, place: int | None = None) -> ReadError:
        """The error for this place in the file."""
        line = self._lines_before + self._buffer.count("\n", 0, self._at if place is None else place) + 1
        return ReadError(
            "json_broken",
            f"JSON 第 {line} 行有误（{zh}），其后的内容无法读取；请修正后重新报送整批数据",
            f"broken JSON at line {line} ({en}), nothing after it can be read: correct it and send the whole batch again",
            row=line,
        )

    def rest_is_blank(self) -> bool:
        """Whether nothing follows."""
        return self.peek() == ""


def _records(text: _Text, feed: Feed) -> Iterator[Record]:
    for number, value in enumerate(_values(text, feed), 1):
        if not isinstance(value, dict):
            raise ReadError(
                "record_not_object",
                f"第 {number} 条记录不是对象，请按接口约定报送",
                f"record {number} is not an object: send the agreed structure",
                row=number,
            )
        yield int(value.pop(ROW_NUMBER, number)), value


def _values(text: _Text, feed: Feed) -> Iterator[Any]:
    start = text.peek()
    if start == "":
        raise ReadError(
            "empty", "文件中没有任何内容，请重新导出并报送", "the file holds nothing: export it again and send it"
        )
    paths = [tuple(part for part in path.split(".") if part) for path in feed.record_paths if "/" not in path]
    if start == "[":
        yield from _elements(text, [path for path in paths if not path] or [()])
    elif start == "{":
        while text.peek() == "{":
            yield from _document(text, paths, feed)
    else:
        raise text.broken("应为对象或数组", "expected an object or a list")
    if not text.rest_is_blank():
        raise text.broken("数据之后还有多余内容", "something follows the data")


def _elements(text: _Text, tails: list[tuple[str, ...]]) -> Iterator[Any]:
    """Every record in the list that starts here; lists on the way are flattened."""
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return
    deep = [tail for tail in tails if tail]
    while True:
        if deep and () in tails:
            value = text.value()
            yield from _below(value, deep) or [value]
        elif deep and text.peek() in "{[":
            yield from _member(text, deep)
        else:
            yield from text.batch() or [text.value()]
        if text.peek() == "]":
            text.take("]")
            return
        text.take(",")


def _below(value: Any, tails: list[tuple[str, ...]]) -> list[Any]:
    """The records below a value already read: where one of the tails leads to a list, its elements."""
    for tail in tails:
        found = value
        for name in tail:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, list):
            return found
    return []


def _member(text: _Text, tails: list[tuple[str, ...]]) -> Iterator[Any]:
    """The records below the value that starts here."""
    if text.peek() == "[":
        yield from _elements(text, tails)
        return
    if text.peek() != "{":
        text.value()
        return
    for name in _names(text):
        below = [tail[1:] for tail in tails if tail and tail[0] == name]
        if below:
            yield from _member(text, below)
        else:
            text.value()


def _names(text: _Text) -> Iterator[str]:
    """The names of the object that starts here; the caller consumes each value."""
    text.take("{")
    if text.peek() == "}":
        text.take("}")
        return
    while True:
        if text.peek() != '"':
            raise text.broken("应为名称", "expected a name")
        name = text.value()
        text.take(":")
        yield name
        if text.peek() == "}":
            text.take("}")
            return
        text.take(",")


def _document(text: _Text, paths: list[tuple[str, ...]], feed: Feed) -> Iterator[Any]:
    """A top-level object: an envelope around the records, or records one after the other (JSON lines)."""
    single: dict[str, Any] = {}
    found = False
    for name in _names(text):
        tails = [path[1:] for path in paths if path and path[0] == name]
        if not found and tails and text.peek() in "[{":
            found = True
            yield from _member(text, tails) if text.peek() == "{" else _elements(text, tails)
        else:
            single[name] = text.value()
    if found:
        return
    meaning = feed.recognise([name for name in single if name != ROW_NUMBER])
    if 2 * meaning.score < meaning.filled:
        expected = "、".join(path for path in feed.record_paths if path and "/" not in path)
        raise ReadError(
            "records_not_found",
            f"未找到数据记录（约定位置：{expected}），请按接口约定报送",
            f"no records found (agreed places: {expected}): send the agreed structure",
        )
    yield single
    while text.peek() == "{":
        yield text.value()
