"""Which format a file is in: what the feed declares, what its name says, what its first bytes say; all must agree.

Promises
- A file whose bytes contradict its name is an error with the reason, never read as something else.
- Nothing is opened here; only the first bytes are looked at.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from creditflow.readers.errors import ReadError

_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".xlsm": "xlsx", ".xls": "xls", ".xml": "xml",
    ".json": "json", ".jsonl": "json", ".ndjson": "json", ".html": "html", ".htm": "html",
}  # fmt: skip
HEAD_BYTES = 4096

_markup = re.compile(rb"^(?:\xef\xbb\xbf)?\s*<")
_html = re.compile(rb"<\s*(?:!doctype\s+html|html|head|body|table|meta|div|p|center|br)\b", re.IGNORECASE)
_json = re.compile(rb"^(?:\xef\xbb\xbf)?\s*[\[{]")


def detect_format(name: str, head: bytes, formats: tuple[str, ...]) -> str:
    """The format of a file: 'csv', 'xlsx', 'xls', 'xml', 'json' or 'html'.

    name: what the department called it; head: its first bytes; formats: what the feed accepts.
    Raises ReadError 'empty', 'wrong_magic' or 'format_not_accepted'.
    """
    if not head:
        raise ReadError(
            "empty", "文件为空（0 字节），请重新导出并报送", "the file is empty (0 bytes): export it again and send it"
        )
    named = _named(name)
    seen = _seen(head)
    found = _agree(name, named, seen, head)
    if found not in formats and not (found == "csv" and "table" in formats):
        raise ReadError(
            "format_not_accepted",
            f"该数据不接受 {found} 格式，请使用：{'、'.join(formats)}",
            f"this feed does not take {found}: send one of {', '.join(formats)}",
        )
    return found


def _named(name: str) -> str | None:
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    if suffixes and suffixes[-1] == ".txt":
        suffixes.pop()
    return _SUFFIXES.get(suffixes[-1]) if suffixes else None


def _seen(head: bytes) -> str:
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "xls"
    if _markup.match(head):
        return "html" if _html.search(head) and not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<?xml") else "xml"
    if _json.match(head):
        return "json"
    if head.startswith((b"%PDF", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"BZh", b"\x89PNG", b"\xff\xd8\xff", b"{\\rtf")):
        return "binary"
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "binary"
    return "text"


def _agree(name: str, named: str | None, seen: str, head: bytes) -> str:
    text_like = {"text": ("csv",), "json": ("json", "csv"), "xml": ("xml", "csv"), "html": ("html", "csv")}
    if named is None:
        if seen == "text":
            return "csv"
        if seen != "binary":
            return seen
    elif named == seen or named in text_like.get(seen, ()):
        return named
    elif named == "xlsx" and seen == "xls":
        raise encrypted_or_renamed(name)
    elif named in ("json", "xml", "html") and seen in ("text", "json", "xml", "html"):
        return named if seen == "text" else _contradict(name, named, seen)
    return _contradict(name, named or "?", seen)


def _contradict(name: str, named: str, seen: str) -> str:
    words = {
        "binary": ("二进制文件", "a binary file"),
        "text": ("纯文本", "plain text"),
        "html": ("HTML 网页", "an HTML page"),
    }
    zh, en = words.get(seen, (f"{seen} 文件", f"{seen}"))
    raise ReadError(
        "wrong_magic",
        f"文件名称表示 {named} 格式，内容却是{zh}，请用原系统重新导出（不要只改扩展名）",
        f"the name says {named}, but the content is {en}: export it again instead of renaming it",
    )


def encrypted_or_renamed(name: str) -> ReadError:
    """A workbook that should be a zip but is an OLE container: encrypted with a password, or an old .xls renamed."""
    return ReadError(
        "password_or_xls",
        "工作簿设有密码，或是改了扩展名的旧版 .xls；请取消密码或按原格式重新报送",
        "the workbook is protected by a password, or is an old .xls renamed: remove the password, or send it as it was",
    )
