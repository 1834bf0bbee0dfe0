"""XLSX and XLS workbooks through calamine, which keeps the sheet in its own memory.

Promises
- Before a workbook is opened its uncompressed size is known and limited; what its directory claims is checked against
  what really comes out where the difference could hurt.
- Passwords, emptiness and damage are told apart. Dates come as YYYY-MM-DD (with time where there is one), whole
  numbers without .0, numbers with at most the 15 digits that Excel holds.
"""

from __future__ import annotations

import datetime as dt
import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from creditflow.readers.errors import ReadError
from creditflow.readers.table import Row, Section, section_of
from creditflow.registry import Feed

MAX_UNCOMPRESSED = 1 << 30
MAX_WORKBOOK = 256 << 20
MAX_MEMBERS = 10_000
_DEFLATE_LIMIT = 1032
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


def read_excel(stream: BinaryIO, feed: Feed, form: str) -> Iterator[Section]:
    """The section of the first sheet (or the declared one) in which the heading row is found. Raises ReadError."""
    workbook = _open(stream, form)
    names = [feed.sheet] if feed.sheet else [item.name for item in workbook.sheets_metadata]
    refusal: ReadError | None = None
    for name in names:
        if name not in workbook.sheet_names:
            raise ReadError(
                "sheet_missing",
                f"工作簿中没有工作表“{name}”，请使用约定模板",
                f"the workbook has no sheet {name!r}: use the agreed template",
                field=name,
            )
        try:
            yield section_of(_rows(workbook.get_sheet_by_name(name)), feed)
            return
        except ReadError as problem:
            if refusal is None or problem.code not in ("empty", "header_not_found"):
                refusal = problem if refusal is None or refusal.code in ("empty", "header_not_found") else refusal
    if refusal is None or refusal.code == "empty":
        raise ReadError(
            "empty_workbook", "工作簿中没有数据，请重新导出并报送", "the workbook is empty: export it again and send it"
        )
    raise refusal


def _open(stream: BinaryIO, form: str) -> CalamineWorkbook:
    content = stream.read(MAX_WORKBOOK + 1)
    if len(content) > MAX_WORKBOOK:
        raise _too_large()
    try:
        if form == "xlsx":
            _guard_zip(content)
        elif _ENCRYPTED in content:
            raise _password()
        return CalamineWorkbook.from_filelike(io.BytesIO(content))
    except PasswordError:
        raise _password() from None
    except (CalamineError, zipfile.BadZipFile, zlib.error, OSError, ValueError) as problem:
        if "password" in str(problem).lower():
            raise _password() from None
        raise _damaged() from None


def _guard_zip(content: bytes) -> None:
    """Refuse a workbook that would unpack to more than MAX_UNCOMPRESSED, whatever its directory claims."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNCOMPRESSED:
            raise _too_large()
        for member in members:
            if member.flag_bits & 1:
                raise _password()
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _damaged()
            if member.compress_size * _DEFLATE_LIMIT > MAX_UNCOMPRESSED:
                _measure(content, member)
    if len(content) > MAX_UNCOMPRESSED:
        raise _too_large()


def _measure(content: bytes, member: zipfile.ZipInfo) -> None:
    """Unpack one member into nothing, stopping at the limit."""
    name_length = int.from_bytes(content[member.header_offset + 26 : member.header_offset + 28], "little")
    extra_length = int.from_bytes(content[member.header_offset + 28 : member.header_offset + 30], "little")
    start = member.header_offset + 30 + name_length + extra_length
    if member.compress_type == zipfile.ZIP_STORED:
        return
    unpack = zlib.decompressobj(-15)
    data = content[start : start + member.compress_size]
    total = 0
    while data:
        total += len(unpack.decompress(data, 1 << 20))
        if total > MAX_UNCOMPRESSED:
            raise _too_large()
        data = unpack.unconsumed_tail


def _rows(sheet: CalamineSheet) -> Iterator[Row]:
    for number, values in enumerate(sheet.iter_rows(), 1):
        cells = [value if type(value) is str else _text(value) for value in values]
        if any(cells) and not all(not cell or cell.isspace() for cell in cells):
            yield number, cells


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e18 else _decimal(value)
    if isinstance(value, dt.datetime):
        text = value.isoformat(" ", "seconds")
        return text.removesuffix(" 00:00:00")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


def _decimal(value: float) -> str:
    """As Excel shows it: 15 significant digits, never an exponent."""
    text = f"{value:.15g}"
    if "e" in text:
        text = f"{value:.15f}".rstrip("0").rstrip(".") if abs(value) < 1 else f"{value:.0f}"
    return text


def _password() -> ReadError:
    return ReadError(
        "password_protected",
        "工作簿设有打开密码，无法读取；请取消密码后重新报送",
        "the workbook is protected by a password: remove it and send the file again",
    )


def _damaged() -> ReadError:
    return ReadError(
        "workbook_damaged",
        "工作簿已损坏或不完整，无法打开；请重新导出并报送",
        "the workbook is damaged or incomplete and cannot be opened: export it again and send it",
    )


def _too_large() -> ReadError:
    return ReadError(
        "workbook_too_large",
        "工作簿解压后过大（超过 1 GB），疑似异常文件；请拆分或改用 CSV 报送",
        "the workbook unpacks to more than 1 GB: split it, or send CSV",
    )
