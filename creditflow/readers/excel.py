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
import re
import zipfile
import zlib
from collections.abc import Iterator
from string import ascii_letters, ascii_uppercase, digits
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from creditflow.readers.errors import ReadError
from creditflow.readers.table import Row, Section, section_of
from creditflow.registry import Feed

MAX_UNCOMPRESSED = 1 << 30
MAX_WORKBOOK = 256 << 20
MAX_MEMBERS = 10_000
MAX_CELLS = 32 << 20
_OTHER_FORMATS = {"content.xml", "xl/workbook.bin"}
"""Members of workbooks of other formats (ODS, XLSB), which the reader would open as well."""
_OVERLAP = 32
_address = re.compile(rb"\br\s*=\s*[\"']([A-Z]{0,3})([0-9]{1,9})[\"']").findall
"""Addresses of cells (XFD1048576) and of rows (1048576), wherever one is cut off at a chunk's end. `_extent` finds the same
ones without a tuple for every cell, where no blank stands beside an equals sign."""


def _among(characters: str) -> NDArray[np.bool_]:
    """By byte: whether it is one of these."""
    found = np.zeros(256, dtype=bool)
    found[np.frombuffer(characters.encode(), dtype=np.uint8)] = True
    return found


_BLANK, _QUOTE, _LETTER, _DIGIT = map(_among, (" \t\n\r\f\v", "\"'", ascii_uppercase, digits))
_WORD = _among(ascii_letters + digits + "_")
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
            yield section_of(_rows(_sheet(workbook, name)), feed)
            return
        except ReadError as problem:
            if refusal is None or problem.code not in ("empty", "header_not_found"):
                refusal = problem if refusal is None or refusal.code in ("empty", "header_not_found") else refusal
    if refusal is None or refusal.code == "empty":
        raise ReadError(
            "empty_workbook", "工作簿中没有数据，请重新导出并报送", "the workbook is empty: export it again and send it"
        )
    raise refusal


def _sheet(workbook: CalamineWorkbook, name: str) -> CalamineSheet:
    try:
        return workbook.get_sheet_by_name(name)
    except CalamineError:
        raise _damaged() from None


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
    except (CalamineError, zipfile.BadZipFile, zlib.error, RuntimeError, OSError, ValueError) as problem:
        if "password" in str(problem).lower():
            raise _password() from None
        raise _damaged() from None


def _guard_zip(content: bytes) -> None:
    """Refuse a workbook that would unpack to more than MAX_UNCOMPRESSED, whatever its directory claims, or whose sheets
    span more than MAX_CELLS: one cell far out would make the reader reserve the whole rectangle and end the process."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNCOMPRESSED:
            raise _too_large()
        names = {member.filename.lower() for member in members}
        if any(member.flag_bits & 1 for member in members):
            raise _password()
        if names & _OTHER_FORMATS or any(
            member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members
        ):
            raise _damaged()
        for member in members:
            _guard_member(content, member)


def _guard_member(content: bytes, member: zipfile.ZipInfo) -> None:
    """Unpack one member into nothing, stopping at the limits of bytes and of cells."""
    total, before, rows, columns = 0, b"", 0, 1
    for chunk in _unpacked(content, member):
        total += len(chunk)
        if total > MAX_UNCOMPRESSED:
            raise _too_large()
        text = before + chunk
        before = text[-_OVERLAP:]
        last_row, last_column = _extent(text)
        rows, columns = max(rows, last_row), max(columns, last_column)
    if rows * columns > MAX_CELLS:
        raise _too_large()


def _extent(text: bytes) -> tuple[int, int]:
    """(highest row, highest column) among the addresses in a text; (0, 1) when it holds none."""
    signs = np.frombuffer(text + b"\0" * _OVERLAP, dtype=np.uint8)
    equals = np.flatnonzero(signs == ord("="))
    if (_BLANK[signs[equals - 1]] | _BLANK[signs[equals + 1]]).any():
        found = _address(text)
        return max((int(row) for _, row in found), default=0), max(
            (_column_number(name) for name, _ in found), default=1
        )
    places = equals[(signs[equals - 1] == ord("r")) & _QUOTE[signs[equals + 1]] & ~_WORD[signs[equals - 2]]] + 2
    rows, columns = np.zeros((2, len(places)), dtype=np.int64)
    at = places.copy()
    reading = np.ones(len(places), dtype=bool)
    for _ in range(3):
        value = signs[at]
        reading &= _LETTER[value]
        columns = np.where(reading, columns * 26 + value - ord("@"), columns)
        at += reading
    number, reading = at.copy(), np.ones(len(places), dtype=bool)
    for _ in range(9):
        value = signs[at]
        reading &= _DIGIT[value]
        rows = np.where(reading, rows * 10 + value - ord("0"), rows)
        at += reading
    whole = (at > number) & _QUOTE[signs[at]]
    return int(rows[whole].max(initial=0)), int(columns[whole].max(initial=1))


def _unpacked(content: bytes, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """A member's bytes as they really come out, a mebibyte at a time."""
    name_length = int.from_bytes(content[member.header_offset + 26 : member.header_offset + 28], "little")
    extra_length = int.from_bytes(content[member.header_offset + 28 : member.header_offset + 30], "little")
    start = member.header_offset + 30 + name_length + extra_length
    data = content[start : start + member.compress_size]
    if member.compress_type == zipfile.ZIP_STORED:
        yield data
        return
    unpack = zlib.decompressobj(-15)
    while data:
        yield unpack.decompress(data, 1 << 20)
        data = unpack.unconsumed_tail


def _column_number(letters: bytes) -> int:
    """A is 1, XFD is 16384; 1 for the empty address of a row."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return max(number, 1)


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
