"""A kept corpus of hostile deliveries (tests/data/hostile) and what becomes of each: rows as they stand, or a refusal with a
reason. Nothing is executed, followed or fetched, and nothing ends the process. Mutations of the corpus do no better."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditflow.identity.codes import resident_id_check, uscc_ok
from creditflow.identity.masking import holds_personal_number, mask_text
from creditflow.identity.normal import normal_code
from creditflow.readers import ReadError, detect_format, excel, read
from creditflow.registry import Feed, load
from tests.conftest import PROJECT

CORPUS = PROJECT / "tests" / "data" / "hostile"
REFUSED = {
    "csv-inside.xlsx": "workbook_damaged",
    "deep.json": "json_broken",
    "deep.xml": "xml_broken",
    "external.xml": "xml_doctype",
    "far-cell.xlsx": "workbook_too_large",
    "laughs.xml": "xml_doctype",
    "only-nul.csv": "header_not_found",
    "path.xlsx": "workbook_damaged",
    "workbook-magic.csv": "column_missing",
}
"""Every other file of the corpus gives rows."""
FILES = sorted(path.name for path in CORPUS.iterdir())


@cache
def feed() -> Feed:
    return load(PROJECT, lenient=True).feed("hyj", "inspection")


def rows(name: str, content: bytes) -> list[list[str]]:
    form = name.rsplit(".", 1)[1]
    return [cells for section in read(io.BytesIO(content), feed(), form, "utf-8") for _, cells in section.rows]


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_rows_or_a_refusal_with_a_reason(name: str) -> None:
    content = (CORPUS / name).read_bytes()
    if name not in REFUSED:
        rows(name, content)
        return
    with pytest.raises(ReadError) as caught:
        rows(name, content)
    assert caught.value.code == REFUSED[name]
    assert caught.value.zh
    assert caught.value.en


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("script.csv", "</script><script>alert(1)</script>"),
        ("sql.csv", "'; drop table landing.inspection; --"),
        ("formula.csv", "=cmd|' /C calc'!A0"),
        ("template.csv", "{{ 7*7 }}${x}%(x)s{0}"),
        ("right-to-left.csv", "\u202e司公限有\u2066\u200b"),
        ("formula.xlsx", "甲"),
        ("script.html", "甲"),
        ("utf16-cut-off.csv", "=cmd|' /C calc'!A0"),
    ],
)
def test_text_is_read_as_it_stands(name: str, text: str) -> None:
    assert rows(name, (CORPUS / name).read_bytes())[0][0] == text


def test_nothing_is_fetched_from_the_machine() -> None:
    hostname = Path("/etc/hostname")
    found = str(rows("include.xml", (CORPUS / "include.xml").read_bytes()))
    assert not hostname.exists() or hostname.read_text().strip() not in found


def workbook(address: str, **members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", f"<row><c {address}><v>1</v></c></row>")
        for name, text in members.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize("address", ['r="XFD1048576"', "r='XFD1048576'", 'r = "AZZ99999"'])
def test_a_cell_far_out_is_refused_before_the_reader_reserves_room_for_it(address: str) -> None:
    with pytest.raises(ReadError) as caught:
        excel._guard_zip(workbook(address))
    assert caught.value.code == "workbook_too_large"


def test_an_ordinary_large_sheet_is_not() -> None:
    excel._guard_zip(workbook('r="AD1000000"'))


def test_an_address_over_two_chunks_is_seen() -> None:
    for padding in ((1 << 20) - offset for offset in (200, 60, 48, 40, 36, 30, 28, 24, 20, 10, 0)):
        with pytest.raises(ReadError):
            excel._guard_zip(workbook(" " * padding + 'r="XFD1048576"'))


def test_a_workbook_of_another_format_under_this_name_is_refused() -> None:
    with pytest.raises(ReadError) as caught:
        excel._guard_zip(
            workbook('r="A1"', **{"content.xml": "<table:table-cell table:number-columns-repeated='999999999'/>"})
        )
    assert caught.value.code == "workbook_damaged"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FILES), st.lists(st.tuples(st.integers(0, 6000), st.binary(min_size=1, max_size=6)), max_size=4))
def test_mutations_of_the_corpus_are_rows_or_refusals(name: str, changes: list[tuple[int, bytes]]) -> None:
    content = bytearray((CORPUS / name).read_bytes())
    for place, piece in changes:
        at = place % (len(content) + 1)
        content[at : at + len(piece)] = piece
    with suppress(ReadError):
        detect_format(name, bytes(content[:4096]), feed().formats)
    with suppress(ReadError):
        rows(name, bytes(content))


@given(st.text(max_size=60))
def test_identifier_rules_answer_any_text(text: str) -> None:
    uscc_ok(text)
    assert resident_id_check(normal_code(text))
    assert not holds_personal_number(mask_text(text))


@given(st.text("0123456789Xx ,号0１９-+＋", max_size=50))
def test_no_personal_number_is_left_readable_however_digits_lie(text: str) -> None:
    assert not holds_personal_number(mask_text(text))
