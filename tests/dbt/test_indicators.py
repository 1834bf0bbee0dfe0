"""Every figure of the city stands in the notes with its meaning, and the notes speak of no other."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import yaml

from tests.dbt.conftest import PROJECT, Story

PAGE = (PROJECT / "docs" / "indicators.md").read_text(encoding="utf-8")
COMPUTED, NOT_COMPUTED = PAGE.split("## 未计算")
LINE = re.compile(r"^\| ([KR]\d\d) \| `?([a-z0-9_-]+)`? \|", re.MULTILINE)


def test_the_notes_and_the_view_speak_of_the_same_figures(story: Story) -> None:
    rows = story["first"].views["city_indicator"]
    assert {(row["indicator"], row["metric"]) for row in rows} == set(LINE.findall(COMPUTED))
    assert len({row["month"] for row in rows}) == 12


def test_every_figure_of_the_source_text_is_computed_or_said_not_to_be() -> None:
    told = {number for number, _ in LINE.findall(PAGE)}
    assert {f"K{number:02}" for number in range(1, 17)} <= told
    assert not set(LINE.findall(COMPUTED)) & set(LINE.findall(NOT_COMPUTED))


def test_a_month_has_its_figure_and_an_empty_month_none(story: Story) -> None:
    changed = story["changed"]
    coverage = {row["month"]: row for row in changed.all("city_indicator", metric="coverage")}
    assert coverage[dt.date(2026, 11, 1)]["value"] == 1
    assert coverage[dt.date(2026, 6, 1)]["value"] is None
    repairs = {row["month"]: row["value"] for row in changed.all("city_indicator", metric="repair_days_avg")}
    assert repairs[dt.date(2026, 11, 1)] == 13  # applied for on 20 October, decided on 2 November


def test_a_receipt_is_as_late_as_the_days_since_its_record_came(story: Story) -> None:
    november = story["changed"].one("city_indicator", metric="receipt_lag_days", month=dt.date(2026, 11, 1))
    # of penalties delivered on the 2nd: one answered on the 3rd, one on the 5th; one answered before it came, one unknown here
    assert (november["numerator"], november["denominator"], november["value"]) == (4, 2, 2)
    assert story["first"].one("city_indicator", metric="receipt_lag_days", month=dt.date(2026, 11, 1))["value"] is None


def test_cases_are_online_fast_and_supervised_or_not(story: Story) -> None:
    october = {row["metric"]: row["value"] for row in story["first"].all("city_indicator", month=dt.date(2026, 10, 1))}
    # four cases: one online; one without a limit; one eight working days where five were promised; one accepted after hours
    # and six working days long where the law allows five
    assert october["units_online"] == 2
    assert october["full_online_case_rate"] == Decimal("0.25")
    assert october["speedup_rate"] == Decimal("0.7111")
    assert october["cases_supervised_rate"] == Decimal("0.75")
    assert (october["yellow_cards_per_1000"], october["red_cards_per_1000"]) == (250, 250)


def test_what_should_be_public_is_counted_by_month_of_decision(story: Story) -> None:
    online = {row["month"]: row for row in story["first"].all("city_indicator", metric="open_info_online_rate")}
    january = online[dt.date(2026, 1, 1)]
    assert (january["numerator"], january["denominator"], january["value"]) == (2, 2, 1)
    assert online[dt.date(2026, 2, 1)]["value"] is None


def test_the_notes_of_the_contract_speak_of_the_same_figures(story: Story) -> None:
    path = PROJECT / "dbt_project" / "models" / "publish" / "publish_city_indicator.yml"
    meta = yaml.safe_load(path.read_text(encoding="utf-8"))["models"][0]["config"]["meta"]
    noted = {(item["indicator"], item["metric"]) for item in meta["indicators"]}
    assert noted == {(row["indicator"], row["metric"]) for row in story["first"].views["city_indicator"]}
