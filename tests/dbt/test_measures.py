"""Measures of joint reward and punishment: whom they may reach, on what ground, and that they end with their reason."""

from __future__ import annotations

import datetime as dt

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


def test_the_notice_to_the_subject_is_entered_by_people_or_said_to_have_no_source(story: Story) -> None:
    def notice(stage: str, number: int) -> tuple[object, ...]:
        row = story[stage].one("measure_application", uscc=uscc(number))
        return row["notice_state"], row["notified_on"], row["notified_by"]

    assert notice("before the decisions", 4) == ("no_source", None, None)
    assert notice("decided", 4) == ("recorded", dt.date(2026, 10, 10), "邮寄送达")
    assert notice("decided", 3) == ("no_source", None, None)


def test_every_reward_of_page_07_is_computed_or_said_to_have_no_source(story: Story) -> None:
    rules = story["first"].views["reward_rule"]
    assert {row["measure_code"] for row in rules} == {f"I-0{number}" for number in range(1, 7)}
    missing = {row["measure_code"] for row in rules if row["source_state"] == "no_source"}
    assert missing == {"I-05"}
    assert all(row["note_zh"] and row["note_en"] for row in rules)
    given = {row["measure_code"] for row in story["first"].views["reward_eligibility"]}
    assert given == {row["measure_code"] for row in rules} - missing


def test_rewards_rest_on_red_lists_grades_and_good_standing(story: Story) -> None:
    def rewards(stage: str, number: int) -> set[tuple[str, str, str]]:
        rows = story[stage].all("reward_eligibility", uscc=uscc(number))
        return {(row["measure_code"], row["trigger_kind"], row["trigger_value"]) for row in rows}

    tax_a = {(code, "list", "RL01") for code in ("I-01", "I-02")}
    grade_a = {(code, "grade", "A") for code in ("I-01", "I-02", "I-03")}
    clean = {("I-04", "good_standing", ""), ("I-06", "clean", "")}
    assert rewards("first", 5) == tax_a | grade_a | clean
    assert rewards("changed", 5) & tax_a == set(), "grade A of the tax office gave way to D"
    assert rewards("first", 4) == set(), "on a serious list: the red list rests, and nothing else is due"
    assert rewards("first", 1) == {("I-04", "good_standing", "")}, "a penalty within its publication period"
    assert ("I-06", "clean", "") not in rewards("first", 2)
    assert ("I-06", "clean", "") in rewards("changed", 2), "its only penalty was repaired"
    assert rewards("first", 12) == set(), "no longer in the register"


def test_the_share_of_measures_with_feedback_is_told(story: Story) -> None:
    october = story["first"].one("city_indicator", metric="measure_feedback_rate", month=dt.date(2026, 10, 1))
    assert (october["numerator"], october["denominator"]) == (1, 3)


def test_a_measure_that_reduces_rights_without_a_basis_in_law_is_refused(story: Story) -> None:
    compiled = story.settings.home / "dbt" / "target" / "compiled" / "creditflow" / "tests"
    refused = (compiled / "measure_that_reduces_rights_has_a_basis.sql").read_text(encoding="utf-8")
    assert story.landed.execute(refused) == []
    scope = "('M1-04', 'SL01', 'organisation', 'gaj', true, '2021-01-01')"
    columns = "(measure_code, list_code, role, department, is_mandatory, valid_from)"
    story.landed.execute(f"insert into ops.measure_scope {columns} values {scope}")
    try:
        assert story.landed.execute(refused) != []
    finally:
        story.landed.execute("delete from ops.measure_scope where measure_code = 'M1-04'")


def test_each_feed_is_fresh_or_late_by_its_own_rhythm(story: Story) -> None:
    def feed(stage: str) -> tuple[object, ...]:
        row = story[stage].one("feed_freshness", department="sjgj", feed="penalty")
        return row["state"], row["days_since"], row["periods_reported"], row["periods_expected"]

    assert feed("first") == ("fresh", 0, 1, 12)
    assert feed("half a year later")[0] == "late"
