"""The SQL twins of creditflow/identity give the answer of the Python functions, for every text."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from creditflow.identity import codes, masking, normal
from creditflow.identity.codes import USCC_ALPHABET, USCC_WEIGHTS
from creditflow.ops.migrate import migrate
from creditflow.server import Server
from creditflow.settings import Settings

RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
"""Of the 17 digits, as GB 11643-1999 lists them"""

VECTORS = Path(__file__).parent.parent / "data" / "identifier_test_vectors.csv"

TWINS: dict[str, Callable[[str], Any]] = {
    "uscc_check": codes.uscc_check,
    "uscc_ok": codes.uscc_ok,
    "org_code_ok": codes.org_code_ok,
    "reg_no_ok": codes.reg_no_ok,
    "resident_id_check": codes.resident_id_check,
    "resident_id_ok": codes.resident_id_ok,
    "tax_no_ok": codes.tax_no_ok,
    "uscc_suggestion": codes.uscc_suggestion,
    "org_code_suggestion": codes.org_code_suggestion,
    "reg_no_suggestion": codes.reg_no_suggestion,
    "normal_name": normal.normal_name,
    "normal_document_no": normal.normal_document_no,
    "normal_code": normal.normal_code,
    "parse_date": normal.parse_date,
    "parse_decimal": normal.parse_decimal,
    "mask_text": masking.mask_text,
    "mask_name": masking.mask_name,
    "holds_personal_number": masking.holds_personal_number,
}


@pytest.fixture(scope="module")
def answer(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, list[str]], list[Any]]]:
    """Ask a twin about many texts at once."""
    admin = psycopg2.connect(server.url("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("create database twins")
    home = tmp_path_factory.mktemp("twins")
    migrate(Settings(home, Path(__file__).parents[2], f"file://{home}", external_warehouse=server.url("twins")))
    conn = psycopg2.connect(server.url("twins"))
    conn.autocommit = True

    def ask(name: str, texts: list[str]) -> list[Any]:
        with conn.cursor() as cursor:
            cursor.execute(
                f"select ops.{name}(t.text) from unnest(%s::text[]) with ordinality as t(text, n) order by n", (texts,)
            )
            return [row[0] for row in cursor.fetchall()]

    yield ask
    conn.close()
    with admin.cursor() as cursor:
        cursor.execute("drop database twins")
    admin.close()


_plain = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")
_odd = st.sampled_from(sorted({*normal.NAME_MAP, *normal.DOCUMENT_MAP, *normal.CODE_MAP, *"年月日/-.:０９Ｘ*\ufffd"}))
_code = st.text(st.sampled_from(USCC_ALPHABET + "OISZV"), min_size=7, max_size=21)


@st.composite
def _uscc(draw: st.DrawFn) -> str:
    body = draw(st.text(st.sampled_from(USCC_ALPHABET), min_size=2, max_size=2))
    body += draw(st.text(st.sampled_from("0123456789"), min_size=6, max_size=6))
    body += draw(st.text(st.sampled_from(USCC_ALPHABET), min_size=9, max_size=9))
    values = [USCC_ALPHABET.index(c) for c in body]
    code = body + USCC_ALPHABET[-sum(a * b for a, b in zip(values, USCC_WEIGHTS, strict=True)) % 31]
    return draw(st.sampled_from([code, code.replace("0", "O"), code.replace("1", "I", 1), code[:-1], code.lower()]))


@st.composite
def _number(draw: st.DrawFn) -> str:
    region = draw(st.sampled_from(["440507", "440524", "110105", "044050"]))
    year, month, day = draw(st.integers(1799, 2101)), draw(st.integers(0, 13)), draw(st.integers(0, 32))
    body = f"{region}{year:04}{month:02}{day:02}{draw(st.integers(0, 9)):03}"
    check = "10X98765432"[sum(int(c) * w for c, w in zip(body, RESIDENT_WEIGHTS, strict=True)) % 11]
    forms = [body + check, body + "5", body[:6] + body[8:], body + check + "01"]
    return draw(st.sampled_from(["", "证号", "A", "１"])) + draw(st.sampled_from(forms))


@st.composite
def _date(draw: st.DrawFn) -> str:
    year, month, day = draw(st.integers(0, 9999)), draw(st.integers(0, 13)), draw(st.integers(0, 32))
    form = draw(
        st.sampled_from(
            [
                "{y:04}/{m:02}/{d:02}",
                "{y:04}-{m}-{d}",
                "{y:04}{m:02}{d:02}",
                "{y}年{m}月{d}日",
                "{y:04}/{m:02}-{d:02}",
                "{y}",
            ]
        )
    )
    tail = draw(st.sampled_from(["", " ", " 00:00:00", "T23:59", " 24:00", " 1:02:03.5", "+08:00", " 10:00+0800"]))
    return draw(st.sampled_from(["", "　", "\t"])) + form.format(y=year, m=month, d=day) + tail


_amount = st.from_regex(r"[ ]?[+-]?[0-9０-９,]{0,8}[.．]?[0-9]{0,4}[万 ]?", fullmatch=True)
_phone = st.builds(
    "{}{}{}".format, st.sampled_from(["", "电话", "+86", "86-"]), st.integers(10**10, 2 * 10**10), st.just("。")
)
_card = st.builds("{}{}".format, st.sampled_from(["6222", "3", "卡号5"]), st.integers(10**11, 10**16))
_digits = st.text(st.sampled_from("0123456789"), min_size=5, max_size=21)
_texts = st.one_of(
    st.text(_plain, max_size=30),
    st.text(st.one_of(_odd, _plain), max_size=30),
    _code, _uscc(), _number(), _date(), _amount, _phone, _card, _digits,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_texts, min_size=1, max_size=40))
@example(["", " ", "00000000000000000X", "000000000000000000", "0" * 15, "1" * 13, "MA59OXXX3", "OOOOOOOO0"])
@example(["2020/02/30", "2020/2/29", "2019/2/29", "20991231", "45000", "45000.5", "09999", "2020-1/1", "0000-01-01"])
@example(
    ["1,016.8000", "1,16", ".5", "5.", "-0", "１，０１６．８", "1" * 41, "1e5", "+86 13800138000", "0754-88888888"]
)
def test_twins_agree(answer: Callable[[str, list[str]], list[Any]], texts: list[str]) -> None:
    for name, function in TWINS.items():
        expected = [function(text) for text in texts]
        assert answer(name, texts) == expected, name


def test_twins_agree_on_every_character_that_is_changed(answer: Callable[[str, list[str]], list[Any]]) -> None:
    every = sorted({*normal.NAME_MAP, *normal.DOCUMENT_MAP, *normal.CODE_MAP, *normal.BLANKS})
    texts = [f"甲{c}乙" for c in every] + [f"{c}1{c}" for c in every]
    for name in ("normal_name", "normal_document_no", "normal_code", "parse_decimal"):
        assert answer(name, texts) == [TWINS[name](text) for text in texts], name


def test_vectors_hold_in_sql(answer: Callable[[str, list[str]], list[Any]]) -> None:
    functions = {"uscc": "uscc_check", "org_code": "org_code_ok", "reg_no": "reg_no_ok"}
    with VECTORS.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            name = functions.get(row["kind"], "resident_id_check")
            got = answer(name, [row["value"]])[0]
            if row["valid"] == "placeholder":
                assert got == "placeholder", row
            else:
                assert (got in (True, "ok", "converted_15")) == (row["valid"] == "true"), row


def test_null_stays_null(answer: Callable[[str, list[str]], list[Any]], server: Server) -> None:
    conn = psycopg2.connect(server.url("twins"))
    with conn, conn.cursor() as cursor:
        for name in TWINS:
            cursor.execute(f"select ops.{name}(null)")
            assert cursor.fetchone() == (None,), name
    conn.close()


DAYS = [
    f"{year}-{month:02}-{day:02}"
    for year in ("0000", "1900", "2024", "2026")
    for month in range(14)
    for day in range(33)
]
CLOCKS = [
    "", " 09:11", "T09:11:05", " 23:59:59", " 24:00", " 09:60", " 09:11:60", " 9:11", " 09-11", "  09:11", " 09:11:5",
    "09:11", " 09:11:05.1", " ٠٩:11", "T09:1：05", " 09:11:05Z", " 09:11:05+08:00",
]  # fmt: skip


def test_a_date_means_the_same_on_the_short_way(answer: Callable[[str, list[str]], list[Any]]) -> None:
    texts = [day.replace("-", mark) + clock for day in DAYS for mark in "-/." for clock in ("", " 09:11:05")]
    texts += [
        day + clock
        for day in ("2026-02-28", "2026-02-29", "2024-02-29", "2026/04/31", "2026-1-05", "2026/01-05")
        for clock in CLOCKS
    ]
    assert answer("parse_date", texts) == [normal.parse_date(text) for text in texts]
