"""Measures of joint reward and punishment: whom they may reach, on what ground, and that they end with their reason."""

from __future__ import annotations

import datetime as dt

from creditflow.warehouse import dbt
from tests.dbt.conftest import Story
from tests.dbt.landed import uscc


def test_a_target_names_the_basis_of_its_measure(story: Story) -> None:
    target = story["first"].one("measure_target", uscc=uscc(4), measure_code="M2-04", executing_department="yjj")
    assert target["basis"] == "《中华人民共和国安全生产法》第七十八条"
    assert (target["applied_on"], target["feedback"]) == (dt.date(2026, 10, 9), "已列入重点检查")
    assert story["first"].one("measure_target", uscc=uscc(4), executing_department="zjj")["applied_on"] is None


def test_a_measure_reaches_only_the_role_its_scope_names(story: Story) -> None:
    kinds = {row["subject_id"]: row["subject_type"] for row in story["first"].views["subject"]}
    roles = {
        (row["role"], kinds[row["subject_id"]] == "natural_person") for row in story["first"].views["measure_target"]
    }
    assert roles == {("organisation", False), ("person_named", True)}


def test_a_measure_ends_with_its_reason_and_the_department_confirms_in_five_working_days(story: Story) -> None:
    def red(stage: str) -> tuple[object, ...]:
        row = story[stage].one("measure_application", uscc=uscc(5), measure_code="I-01")
        return row["state"], row["reason_ended_on"], row["confirm_by"]

    assert red("first") == ("running", None, None)
    # grade A gave way to grade D on Tuesday 3 November
    assert red("changed") == ("end_to_confirm", dt.date(2026, 11, 3), dt.date(2026, 11, 10))
    assert story["changed"].all("measure_target", uscc=uscc(5)) == []
    assert red("half a year later")[0] == "end_overdue"
    serious = story["changed"].one("measure_application", uscc=uscc(4), measure_code="M2-04")
    assert (serious["state"], serious["feedback_on"]) == ("running", dt.date(2026, 10, 15))
    assert story["first"].one("measure_application", uscc=uscc(3))["state"] == "no_reason_known"


def test_the_share_of_measures_with_feedback_is_told(story: Story) -> None:
    october = story["first"].one("city_indicator", metric="measure_feedback_rate", month=dt.date(2026, 10, 1))
    assert (october["numerator"], october["denominator"]) == (1, 3)


def test_a_measure_that_reduces_rights_without_a_basis_in_law_is_refused(story: Story) -> None:
    rule = ["--select", "measure_that_reduces_rights_has_a_basis"]
    assert dbt.run(story.settings, "test", rule).ok
    scope = "('M1-04', 'SL01', 'organisation', 'gaj', true, '2021-01-01')"
    columns = "(measure_code, list_code, role, department, is_mandatory, valid_from)"
    story.landed.execute(f"insert into ops.measure_scope {columns} values {scope}")
    try:
        assert not dbt.run(story.settings, "test", rule).ok
    finally:
        story.landed.execute("delete from ops.measure_scope where measure_code = 'M1-04'")


def test_each_feed_is_fresh_or_late_by_its_own_rhythm(story: Story) -> None:
    def feed(stage: str) -> tuple[object, ...]:
        row = story[stage].one("feed_freshness", department="sjgj", feed="penalty")
        return row["state"], row["days_since"], row["periods_reported"], row["periods_expected"]

    assert feed("first") == ("fresh", 0, 1, 12)
    assert feed("half a year later")[0] == "late"
