"""From the organisation to the person: the nine rules of domain page 04 section 5, each met and each broken."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.dbt import persons
from tests.dbt.conftest import Story
from tests.dbt.landed import uscc

STAGE, ENDED = "before the decisions", "decided"


def entries(story: Story, number: int, stage: str = STAGE) -> list[dict[str, Any]]:
    return story[stage].all("associated_person_entry", uscc=uscc(number))


def only(story: Story, number: int, stage: str = STAGE) -> dict[str, Any]:
    (entry,) = entries(story, number, stage)
    return entry


def test_1_a_relation_alone_makes_no_record(story: Story) -> None:
    related = story.landed.execute(
        "select 1 from entity.relation r join entity.subject s using (subject_id) where s.uscc = %s",
        (uscc(persons.RELATION_ONLY),),
    )
    assert related
    assert entries(story, persons.RELATION_ONLY) == []
    assert story[STAGE].one("list_membership", uscc=uscc(persons.RELATION_ONLY))["is_active"] is True


def test_2_the_decision_names_the_person_or_the_lists_rule_reaches_the_role(story: Story) -> None:
    named, by_rule = only(story, persons.NAMED), only(story, persons.BY_RULE)
    assert (named["ground"], named["is_active"]) == ("named_by_decision", True)
    assert (by_rule["ground"], by_rule["is_active"]) == ("by_list_rule", True)
    assert entries(story, persons.NO_RULE) == [], "SL04 names the party of the decision only"
    assert entries(story, persons.NO_ROLE) == [], "the rule reaches roles, and the source gave none"


def test_3_the_role_was_held_at_the_time_of_the_behaviour(story: Story) -> None:
    later, former = only(story, persons.LATER), only(story, persons.FORMER)
    assert (later["is_active"], later["review_flags"]) == (False, ["role_not_held_at_behaviour"])
    assert (former["is_active"], former["review_flags"]) == (True, [])


def test_a_new_representative_is_not_taken_for_the_one_before(story: Story) -> None:
    held = story.landed.execute(
        "select p.name_full, r.valid_from, r.valid_to from entity.relation r join entity.person p"
        " on p.subject_id = r.person_subject_id and p.known_to_build = r.known_to_build"
        " join entity.subject s on s.subject_id = r.subject_id and s.known_to_build = r.known_to_build"
        " where s.uscc = %s and r.known_to_build = 2147483647 order by 2",
        (uscc(persons.FORMER),),
    )
    change = dt.date(2026, 1, 15)
    assert held == [("测试2006", dt.date(2018, 1, 1), change), ("测试2506", change, None)]


def test_3_a_register_that_tells_later_who_held_the_post_is_heard(story: Story) -> None:
    assert only(story, persons.TOLD_LATE)["is_active"] is True
    told = only(story, persons.TOLD_LATE, ENDED)
    assert (told["is_active"], told["review_flags"]) == (False, ["role_not_held_at_behaviour"])


def test_4_an_actual_controller_only_where_named(story: Story) -> None:
    assert entries(story, persons.CONTROLLER) == []
    assert only(story, persons.CONTROLLER_NAMED)["role"] == "actual_controller"


def test_5_it_ends_with_its_parent_and_a_person_may_leave_alone(story: Story) -> None:
    assert only(story, persons.PARENT_LEFT)["is_active"] is True
    assert only(story, persons.PARENT_WITHDRAWN)["is_active"] is True
    left = only(story, persons.PARENT_LEFT, ENDED)
    assert (left["is_active"], left["ended_on"]) == (False, dt.date(2027, 5, 1))
    assert not any(entry["is_active"] for entry in entries(story, persons.PARENT_WITHDRAWN, ENDED))
    alone = only(story, persons.ALONE)
    assert (alone["is_active"], alone["ended_on"]) == (False, dt.date(2026, 9, 1))
    assert story[STAGE].one("list_membership", uscc=uscc(persons.ALONE))["is_active"] is True


def test_6_it_is_never_public_and_in_no_report(story: Story) -> None:
    assert {entry["usage_scope"] for entry in story[STAGE].views["associated_person_entry"]} == {2}
    kinds = {row["record_kind"] for row in story[STAGE].views["credit_report"]}
    assert "associated_person_entry" not in kinds
    listed = only(story, persons.NAMED)["person_subject_id"]
    assert story[STAGE].all("credit_report", subject_id=listed) == []


def test_7_a_person_new_in_post_or_with_many_posts_is_marked_for_review(story: Story) -> None:
    assert only(story, persons.NEW_IN_POST)["review_flags"] == ["nominee_recent"]
    assert only(story, persons.LONG_IN_POST)["review_flags"] == []
    assert only(story, persons.MANY_POSTS)["review_flags"] == ["nominee_many_posts"]


def test_7_a_person_decides_whether_it_is_a_nominee(story: Story) -> None:
    assert only(story, persons.NEW_IN_POST)["is_active"] is True, "a mark alone decides nothing"
    nominee, himself = only(story, persons.NEW_IN_POST, ENDED), only(story, persons.MANY_POSTS, ENDED)
    assert (nominee["is_nominee"], nominee["is_active"], nominee["review_flags"]) == (True, False, [])
    assert (himself["is_nominee"], himself["is_active"], himself["review_flags"]) == (False, True, [])
    assert only(story, persons.LONG_IN_POST, ENDED)["is_nominee"] is None
    assert story[ENDED].all("measure_target", subject_id=nominee["person_subject_id"]) == []


def test_8_it_feeds_measures_that_name_the_role_and_gives_no_points(story: Story) -> None:
    scope = story.landed.execute(
        "select measure_code from ops.measure_scope where list_code = 'SL03' and role = 'person_named'"
    )
    named = only(story, persons.NAMED)["person_subject_id"]
    measures = {row["measure_code"] for row in story[STAGE].all("measure_target", subject_id=named)}
    assert "M1-02" in measures
    assert measures <= {code for (code,) in scope}
    assert story[STAGE].all("score", subject_id=named) == []
    relation, with_person = (
        story[STAGE].one("score", uscc=uscc(number))["score"] for number in (persons.RELATION_ONLY, persons.NAMED)
    )
    assert relation == with_person


def test_9_without_notice_it_stays_inactive(story: Story) -> None:
    entry = only(story, persons.NOT_TOLD)
    assert (entry["is_active"], entry["review_flags"]) == (False, ["no_notice_date"])
    assert story[STAGE].all("measure_target", subject_id=entry["person_subject_id"]) == []
