"""Identifier rules, written forms, masks and protected personal numbers, without a database."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditflow.identity import codes, masking, normal
from creditflow.identity.persons import CipherError, PersonKeys

VECTORS = Path(__file__).parent.parent / "data" / "identifier_test_vectors.csv"
KEYS = PersonKeys(b"h" * 32, b"c" * 32, "test")

with VECTORS.open(encoding="utf-8") as _stream:
    CASES = list(csv.DictReader(_stream))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']} {case['value']}")
def test_vector_of_the_domain_page(case: dict[str, str]) -> None:
    value, expected = case["value"], case["valid"]
    if case["kind"] == "uscc":
        assert (codes.uscc_check(value) if expected == "placeholder" else str(codes.uscc_ok(value)).lower()) == expected
    elif case["kind"] == "org_code":
        assert codes.org_code_ok(value) == (expected == "true")
    elif case["kind"] == "reg_no":
        assert codes.reg_no_ok(value) == (expected == "true")
    elif case["kind"] == "resident_id_15":
        assert codes.resident_id_check(value) == "converted_15"
        assert codes.resident_id_18(value) == "440524196605010082"
    else:
        assert codes.resident_id_ok(value) == (expected == "true")


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("91440500MA4X022965", "ok"),
        ("00000000000000000X", "placeholder"),
        ("9144050MA4X022965", "bad_length"),
        ("91440500MA4XO22965", "bad_character"),
        ("91A40500MA4X022965", "bad_character"),
        ("000000000000000000", "repeated"),
        ("91440500MA4X022966", "bad_check"),
    ],
)
def test_a_refused_uscc_says_why(code: str, verdict: str) -> None:
    assert codes.uscc_check(code) == verdict


def test_letters_typed_for_digits_are_suggested_only_when_one_candidate_fits() -> None:
    assert codes.uscc_suggestion("91440500MA4XO22965") == "91440500MA4X022965"
    assert codes.uscc_suggestion("91440500MA4X022965") is None, "a valid code needs no suggestion"
    assert codes.uscc_suggestion("91440500MA4XO22966") is None, "no candidate fits"
    assert codes.org_code_suggestion("I922O3821") == "192203821"
    assert codes.reg_no_suggestion("44O3O11O3448669") == "440301103448669"


def test_thirteen_digit_registration_numbers_carry_no_check() -> None:
    assert codes.reg_no_ok("4405001234567")
    assert not codes.reg_no_ok("0000000000000")


def test_an_ended_region_is_a_warning_only() -> None:
    assert codes.resident_id_check("440524196605010082") == "ok"
    assert codes.region_is_historic("440524196605010082")
    assert not codes.region_is_historic("440507199003070018")


def test_a_tax_number_may_be_a_code_or_a_person() -> None:
    assert codes.tax_no_ok("91440500MA4X022965")
    assert codes.tax_no_ok("440507199003070018")
    assert codes.tax_no_ok("44050719900307001801")
    assert codes.is_personal("440507199003070018")
    assert codes.is_personal("44050719900307001801")
    assert not codes.is_personal("91440500MA4X022965")
    assert not codes.is_personal("440301103448669")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026/11/20", dt.date(2026, 11, 20)),
        ("2026-1-5", dt.date(2026, 1, 5)),
        ("20261120", dt.date(2026, 11, 20)),
        ("2026年1月5日", dt.date(2026, 1, 5)),
        ("45000", dt.date(2023, 3, 15)),
        ("2026-11-20 08:30:00", dt.date(2026, 11, 20)),
        ("２０２６／１１／２０", dt.date(2026, 11, 20)),
        (" 2026/11/20　", dt.date(2026, 11, 20)),
        ("2099/12/31", dt.date(2099, 12, 31)),
        ("2026/02/30", None),
        ("2026-11/20", None),
        ("长期", None),
        ("", None),
        ("2026-11-20T20:00:00Z", None),
    ],
)
def test_dates_in_the_forms_departments_write(text: str, day: dt.date | None) -> None:
    assert normal.parse_date(text) == day


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,016.8000", Decimal("1016.8000")),
        ("-3", Decimal(-3)),
        ("．５", Decimal("0.5")),
        ("1,16", None),
        ("100(万元)", None),
    ],
)
def test_amounts(text: str, number: Decimal | None) -> None:
    assert normal.parse_decimal(text) == number


def test_names_meet_in_one_form() -> None:
    assert normal.normal_name("汕頭市 龍湖區(測試)Ａbc有限公司。") == "汕头市龙湖区（测试）ABC有限公司"
    assert normal.normal_name("示例公司潮阳分公司") == "示例公司潮阳分公司"


def test_document_numbers_meet_in_one_form() -> None:
    forms = ["汕监罚〔2026〕１２号", "汕监罚【2026】12 号", "汕监罚[2026]12号", "汕监罚（2026）12号"]
    assert {normal.normal_document_no(form) for form in forms} == {"汕监罚〔2026〕12号"}


@given(st.text(max_size=40))
def test_written_forms_are_stable(text: str) -> None:
    for function in (normal.normal_name, normal.normal_document_no, normal.normal_code):
        assert function(function(text)) == function(text)


def test_personal_numbers_disappear_from_free_text() -> None:
    text = "当事人身份证440507199003070018，旧证440524660501008，电话13800138000，座机0754-88888888，卡号6222020200012345678"
    masked = masking.mask_text(text)
    assert masked == "当事人身份证***，旧证***，电话***，座机***，卡号***"
    assert masking.holds_personal_number(text)
    assert not masking.holds_personal_number(masked)


def test_a_credit_code_in_free_text_stays() -> None:
    assert (
        masking.mask_text("代码91440500MA4X022965和914403001922038216") == "代码91440500MA4X022965和914403001922038216"
    )


def test_names_are_masked_but_for_the_first_character() -> None:
    assert [masking.mask_name(name) for name in ("张示例", "李", "")] == ["张**", "李", ""]


def test_one_person_has_one_hash_in_every_form() -> None:
    short, long = KEYS.protect("440524660501008"), KEYS.protect("440524196605010082", "身份证")
    assert short.hash == long.hash
    assert (short.check, long.check) == ("converted_15", "ok")
    assert short.mark != long.mark, "eighteen digits for fifteen are a correction, not the same row again"
    assert KEYS.protect("４４０５２４ 19660501 0082").hash == long.hash


def test_another_document_is_another_person() -> None:
    passport, resident = KEYS.protect("E12345678", "护照号"), KEYS.protect("E12345678")
    assert passport.hash != resident.hash
    assert (passport.check, resident.check) == ("other_document", "bad_length")


def test_the_number_can_be_recovered_with_the_key_only() -> None:
    kept = KEYS.protect("440507199003070018")
    assert kept.cipher is not None
    assert kept.cipher.startswith("test:")
    assert KEYS.reveal(kept.cipher) == "440507199003070018"
    with pytest.raises(CipherError) as other:
        PersonKeys(b"h" * 32, b"d" * 32, "test").reveal(kept.cipher)
    assert "440507" not in str(other.value)
    assert PersonKeys(b"h" * 32, b"c" * 32, "test").protect("440507199003070018") == kept, (
        "a rebuild gives the same text"
    )


def test_a_masked_number_identifies_nobody() -> None:
    kept = KEYS.protect("4405071990****0018")
    assert (kept.hash, kept.cipher, kept.check) == (None, None, "bad_character")


def test_nothing_shows_a_number_or_a_key() -> None:
    kept = KEYS.protect("440507199003070018")
    assert "440507" not in repr(kept)
    assert "hhhh" not in repr(KEYS)
