"""Every figure of the city stands in the notes with its meaning, and the notes speak of no other."""

from __future__ import annotations

import datetime as dt
import re

from tests.dbt.conftest import PROJECT, Story

PAGE = (PROJECT / "docs" / "indicators.md").read_text(encoding="utf-8")
COMPUTED, NOT_COMPUTED = PAGE.split("## 未计算")
LINE = re.compile(r"^\| ([KR]\d\d) \| `?([a-z_-]+)`? \|", re.MULTILINE)


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
