"""The scan for personal numbers finds what it is meant to find: a scan that finds nothing anywhere proves nothing."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.personal_numbers import holds, opened

KNOWN = frozenset({"440500199001010012", "440500900101001", "13800138000", "6222020000001234567", "44050019900101002X"})


@pytest.mark.parametrize(
    "text",
    [
        "440500199001010012",
        "身份证440500199001010012号",
        "id=44050019900101002x,",
        "seq 99440500199001010012",
        "电话13800138000",
        "+8613800138000",
        "6222020000001234567",
        "old 440500900101001",
    ],
)
def test_a_number_is_found_wherever_it_stands(text: str) -> None:
    assert holds(text, KNOWN)


@pytest.mark.parametrize(
    "text", ["", "440500199001010020", "1380013800", "4405001990 01010012", "2026-11-20 12:00:00.123456"]
)
def test_other_digits_are_not(text: str) -> None:
    assert not holds(text, KNOWN)


def test_a_workbook_is_looked_into() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", "<t>13800138000</t>")
    assert any(holds(part.decode(), KNOWN) for part in opened("a.xlsx", out.getvalue()))
