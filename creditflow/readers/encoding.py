"""Which encoding a text file is in: what was declared, what the bytes say, never a silent guess.

Promises
- A byte order mark decides. Otherwise a declared encoding is taken at its word, and refused when the bytes contradict it.
- Only where nothing binding was declared (a hand delivery in another format than the feed's own) the bytes decide
  between UTF-8 and GB18030, and the answer says so.
- Text is decoded so that an undecodable byte stays visible: it becomes a lone surrogate (U+DC80-U+DCFF), which no
  correct text contains, and the row that holds it is marked by whoever writes it on.
"""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass

from creditflow.readers.errors import ReadError

SAMPLE_BYTES = 1 << 20

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {"utf-8": "UTF-8", "gb18030": "GB18030"}


@dataclass(frozen=True)
class Encoding:
    """codec: Python's name. declared: whether the registry or a byte order mark named it (False: the bytes decided)."""

    codec: str
    declared: bool = True


def choose_encoding(stream: io.BufferedReader, declared: str | None) -> Encoding:
    """Decide from the first megabyte; the stream is not moved.

    declared: the feed's encoding where it binds, else None. Raises ReadError 'wrong_encoding'.
    """
    sample = _peek(stream, SAMPLE_BYTES)
    for mark, codec in _MARKS:
        if sample.startswith(mark):
            return Encoding(codec)
    bad_utf8, foreign = _faults(sample, "utf-8")
    utf8 = bad_utf8 * 10 <= foreign
    if declared is None:
        if utf8 or not foreign:
            return Encoding("utf-8", declared=False)
        bad_gb, foreign = _faults(sample, "gb18030")
        if bad_gb * 10 > foreign:
            raise ReadError(
                "wrong_encoding",
                "文件既不是 UTF-8 也不是 GB18030 编码，请另存为 UTF-8 后重新报送",
                "the text is neither UTF-8 nor GB18030: save it as UTF-8 and send it again",
            )
        return Encoding("gb18030", declared=False)
    codec = _canonical(declared)
    if codec == "utf-8" and not utf8:
        raise _contradiction("utf-8", "gb18030")
    if codec == "gb18030" and foreign and bad_utf8 == 0:
        raise _contradiction("gb18030", "utf-8")
    return Encoding(codec)


VISIBLE = "creditflow.visible"
"""How to decode. Python's surrogateescape gives up on bytes below 0x80, which UTF-16 and UTF-32 can leave over as well."""


def _visible(problem: UnicodeError) -> tuple[str, int]:
    if not isinstance(problem, UnicodeDecodeError):
        raise problem
    left = problem.object[problem.start : problem.end]
    return "".join(chr(0xDC80 | byte) for byte in left), problem.end


codecs.register_error(VISIBLE, _visible)


def has_undecodable(text: str) -> bool:
    """True when the text holds a byte that could not be decoded (or a lone surrogate from a JSON escape)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _contradiction(declared: str, seen: str) -> ReadError:
    return ReadError(
        "wrong_encoding",
        f"约定编码为 {_NAMES[declared]}，文件内容不是（像是 {_NAMES[seen]}）；请按约定编码重新导出并报送",
        f"declared as {_NAMES[declared]}, but the bytes are not (they look like {_NAMES[seen]}): export it again in the declared encoding",
    )


def _canonical(name: str) -> str:
    codec = codecs.lookup(name).name
    return "gb18030" if codec in ("gb2312", "gbk", "cp936", "gb18030") else codec


def _peek(stream: io.BufferedReader, size: int) -> bytes:
    if stream.seekable():
        start = stream.tell()
        sample = stream.read(size)
        stream.seek(start)
        return sample
    return stream.peek(size)


def _faults(sample: bytes, codec: str) -> tuple[int, int]:
    """(bytes that do not decode, bytes outside ASCII); a character cut off at the end of the sample is no fault."""
    decoder = codecs.getincrementaldecoder(codec)(errors="surrogateescape")
    text = decoder.decode(sample)
    bad = sum(1 for character in text if "\udc80" <= character <= "\udcff") if not text.isascii() else 0
    return bad, len(sample) - len(sample.translate(None, _HIGH))


_HIGH = bytes(range(0x80, 0x100))
