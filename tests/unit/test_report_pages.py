"""What a page may never do: run a department's text, show a personal number, start a formula, or misstate a number."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest
from markupsafe import Markup

from creditflow.report import cells, figures, masking, queries, words
from creditflow.report.cells import Badge, Code, Column, Link, Pairs, Rate, Spark, Table
from creditflow.report.words import Both

HOSTILE = '</script><script>alert("x")</script><b>&'
PERSON = "440500199001010015"  # invented


@pytest.mark.parametrize(
    "cell",
    [
        HOSTILE,
        Code(HOSTILE),
        Both(HOSTILE, HOSTILE + "!"),
        Link(HOSTILE, "a.html"),
        Badge(Both(HOSTILE, HOSTILE)),
        [HOSTILE, HOSTILE],
        Pairs(((Both(HOSTILE, "en"), HOSTILE, True),)),
    ],
)
def test_department_text_is_escaped_in_every_kind_of_cell(cell: Any) -> None:
    shown = cells.html(cell)
    assert isinstance(shown, Markup)
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_link_cannot_leave_its_attribute() -> None:
    assert 'href="&#34;&gt;&lt;x"' in cells.html(Link("a", '"><x'))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (0, "0%"), (1, "100%"), (0.99999, "99.9%"), (0.00001, "<0.1%"), (0.9466, "94.6%"), (0.031, "3.1%")],
)
def test_a_share_never_rounds_to_all_or_nothing(value: float | None, shown: str) -> None:
    assert cells.share(value) == shown


def test_numbers_dates_and_times_as_people_write_them() -> None:
    assert cells.text(1234567) == "1,234,567"
    assert cells.text(Decimal(1234567)) == "1,234,567"
    assert cells.text(6.0) == "6.0"
    assert cells.text(date(2026, 11, 23)) == "2026-11-23"
    assert cells.text(datetime(2026, 11, 22, 20, 30, tzinfo=UTC)) == "2026-11-23 04:30"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0.95, "excellent"),
        (0.9499, "good"),
        (0.85, "good"),
        (0.7, "pass"),
        (0.1, "fail"),
        (0, "fail"),
        (None, "unrated"),
    ],
)
def test_the_four_bands(value: float | None, name: str) -> None:
    assert cells.band(value) == name


@pytest.mark.parametrize(
    "value", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\u3000=1", "＝1", "\r=1", '=cmd|"/c calc"!A1']
)
def test_a_csv_cell_never_starts_a_formula(value: str) -> None:
    assert cells.neutral(value) == "'" + value


@pytest.mark.parametrize("value", ["汕头市测试有限公司", "2026-11-23", "12", "a=b", ""])
def test_ordinary_text_stays_as_it_is_in_csv(value: str) -> None:
    assert cells.neutral(value) == value


def test_csv_has_a_mark_headings_of_its_language_and_bare_numbers() -> None:
    table = Table(
        "t",
        Both("表", "table"),
        (
            Column("a", Both("甲", "A")),
            Column("n", Both("数", "N"), True),
            Column("s", Both("线", "line"), screen_only=True),
        ),
        [{"a": Both("=甲,乙", "=x"), "n": 1234, "s": Spark((1.0,))}, {"a": None, "n": -5}],
        Both("无", "none"),
    )
    content = cells.csv_bytes(table, "zh")
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert rows == [["甲", "数"], ["'=甲,乙", "1234"], ["", "-5"]]
    assert cells.csv_bytes(table, "en").decode("utf-8-sig").splitlines()[0] == "A,N"


def test_missing_values_sort_last_and_rates_by_value() -> None:
    assert cells.sort_key(None) == ""
    assert cells.sort_key(Rate(None)) == ""
    assert cells.sort_key(Rate(0.5)) == "0.500000"
    assert cells.sort_key(Link(Code("B-1"), "x")) == "B-1"


def test_a_line_of_one_point_or_none_still_draws() -> None:
    assert "<circle" in cells.sparkline(Spark((1.0,)))
    assert "polyline" not in cells.sparkline(Spark((1.0, None, None)))
    assert cells.sparkline(Spark((1.0, None, 2.0))).count(",") == 2, "a line through the two known days"
    assert cells.sparkline(Spark((None,))) == '<span class="nil">—</span>'


@pytest.mark.parametrize(
    "value",
    [
        PERSON,
        f"联系人{PERSON}。",
        "13812345678",
        "+86 138-1234-5678",
        "6222021234567890123",
        "440500800101123",
        "４４０５００１９９００１０１００１５",
    ],
)
def test_personal_numbers_never_show_in_text(value: str) -> None:
    shown = masking.masked_row({"permit_content": value})["permit_content"]
    assert masking.HIDDEN in shown
    assert not re.search(r"\d{7}", shown)


def test_person_columns_are_hidden_and_their_hashes_left_out() -> None:
    row = {
        "person_id_no": PERSON,
        "person_id_no_hash": "ab" * 32,
        "person_id_no_cipher": "k:x",
        "person_id_no_check": "ok",
    }
    assert masking.masked_row(row) == {"person_id_no": masking.HIDDEN}
    assert masking.masked_row(None) == {}


def test_codes_of_organisations_stay_but_a_persons_number_among_them_does_not() -> None:
    assert masking.masked_row({"counterparty_uscc": "91440500MA4TEST00O"}) == {
        "counterparty_uscc": "91440500MA4TEST00O"
    }
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    body = PERSON[:17]
    valid = body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]
    assert masking.masked_row({"counterparty_uscc": valid}) == {"counterparty_uscc": masking.HIDDEN}


def test_every_figure_has_one_text_and_it_is_complete() -> None:
    parameters = {
        "as_of": date(2026, 11, 20), "since": date(2026, 8, 23), "month": date(2026, 11, 1), "half_year": date(2026, 6, 1),
        "batches": ["A-1", "B'2"],
    }  # fmt: skip
    for query in queries.ALL.values():
        text = query.text(parameters)
        assert "%(" not in text, query.name
        assert text.endswith(";"), query.name
        assert query.relations, query.name
    assert "array['A-1', 'B''2']::text[]" in queries.VERDICTS.text(parameters)
    assert "date '2026-11-20'" in queries.BUILD.text(parameters)


def test_no_query_asks_the_clock() -> None:
    for query in queries.ALL.values():
        assert not re.search(r"\b(now|current_date|current_timestamp|clock_timestamp|localtime)\b", query.sql), (
            query.name
        )


def test_every_word_exists_in_both_languages_and_chinese_is_chinese() -> None:
    tables = (
        words.WORDS,
        words.STATES,
        words.TIERS,
        words.CHANNELS,
        words.CADENCES,
        words.DELIVERIES,
        words.BANDS,
        words.RULES,
        figures.DEFINITIONS,
    )
    for table in tables:
        for key, text in table.items():
            assert re.search(r"[一-鿿]", text.zh), key
            assert not re.search(r"[一-鿿]", text.en), key


def test_an_unknown_state_is_shown_as_stored() -> None:
    assert words.state("surprising") == Both("surprising", "surprising")
    assert words.state(None) == words.WORDS["unknown"]


def test_the_chart_library_is_the_published_one_with_its_licence() -> None:
    assets = resources.files("creditflow.report") / "assets"
    library = (assets / "chart.umd.min.js").read_bytes()
    assert hashlib.sha256(library).hexdigest() == "87364cc2b2a76a6684929e7d6b80b18a897794db38400caff1fcf1791c6925d2"
    assert b"Chart.js v4.6.1" in library[:200]
    assert "MIT License" in (assets / "chart.LICENSE.md").read_text(encoding="utf-8")


def test_shipped_pages_and_scripts_name_no_host() -> None:
    for folder in ("assets", "templates"):
        for item in (resources.files("creditflow.report") / folder).iterdir():
            if item.name.startswith("chart."):
                continue
            text = item.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?:|//[a-z]+\.[a-z]", text), item.name
