"""Where departments disagree about a subject every word is kept, one counts, and it says why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dbt import statements
from tests.dbt.conftest import Story
from tests.dbt.landed import uscc

NAME, ADDRESS, PERSON = "subject_name", "registered_address", "legal_representative_name"


def told(
    story: Story, number: int, attribute: str = NAME, stage: str = "first"
) -> dict[tuple[str, str], dict[str, Any]]:
    """What is said about a firm, by department and kind of record."""
    subject = story[stage].one("subject", uscc=uscc(number))["subject_id"]
    rows = story[stage].all("subject_statement", subject_id=subject, attribute=attribute)
    return {(row["department"], row["record_kind"]): row for row in rows}


@pytest.mark.parametrize(
    ("attribute", "first", "other"),
    [
        (NAME, "汕头市说法甲贸易有限公司", "汕头市说法丙贸易有限公司"),
        (ADDRESS, "汕头市金平区说法甲路1号", "汕头市金平区说法丙路1号"),
        (PERSON, "陈甲法", "陈丙法"),
    ],
)
def test_the_register_that_gave_the_code_counts_and_the_other_word_is_kept(
    story: Story, attribute: str, first: str, other: str
) -> None:
    said = told(story, statements.DISPUTED, attribute)
    chosen, kept = said["sjgj", "registration"], said["x_gsxt", "registration"]
    assert (chosen["stated_value"], chosen["is_chosen"], chosen["precedence"]) == (first, True, 10)
    assert (kept["stated_value"], kept["is_chosen"], kept["differs"]) == (other, False, True)
    assert chosen["stated_on"] < kept["stated_on"], "older, and first all the same"
    assert chosen["reason_zh"] == "赋码登记机关（市场监管部门）的登记信息优先"
    assert kept["reason_zh"] == "来源优先级低于所选值"


def test_the_subject_shows_what_counts_and_masks_the_person(story: Story) -> None:
    subject = story["first"].one("subject", uscc=uscc(statements.DISPUTED))
    assert subject[NAME] == "汕头市说法甲贸易有限公司"
    assert subject[ADDRESS] == "汕头市金平区说法甲路1号"
    assert subject[PERSON] == "陈**"


def test_between_equals_the_newest_counts(story: Story) -> None:
    said = told(story, statements.EQUALS)
    assert said["x_gsxt", "registration"]["is_chosen"] is True
    assert said["x_bianban", "registration"]["reason_zh"] == "同一优先级，变更时间早于所选值"


def test_without_a_register_a_permit_counts_before_a_penalty(story: Story) -> None:
    said = told(story, statements.UNREGISTERED, PERSON)
    assert (said["cgj", "permit"]["is_chosen"], said["cgj", "permit"]["stated_value"]) == (True, "陈戊法")
    assert said["cgj", "penalty"]["is_chosen"] is False
    subject = story["first"].one("subject", uscc=uscc(statements.UNREGISTERED))
    assert (subject[NAME], subject["is_registered"]) == ("汕头市说法戊贸易有限公司", False)


def test_a_new_word_of_the_same_source_takes_the_place_of_the_old_which_stays_known(story: Story) -> None:
    said = told(story, statements.DISPUTED, stage="changed")
    assert said["sjgj", "registration"]["stated_value"] == "汕头市说法己贸易有限公司"
    assert story["changed"].one("subject", uscc=uscc(statements.DISPUTED))[NAME] == "汕头市说法己贸易有限公司"
    versions = story.landed.execute(
        "select distinct stated_value from core.subject_statement where subject_id = %s and department = 'sjgj'"
        " and attribute = 'subject_name'",
        (said["sjgj", "registration"]["subject_id"],),
    )
    assert {value for (value,) in versions} == {"汕头市说法甲贸易有限公司", "汕头市说法己贸易有限公司"}


def test_what_its_source_took_back_does_not_count(story: Story) -> None:
    assert told(story, statements.TAKEN_BACK)["sjgj", "registration"]["is_chosen"] is True
    assert story["decided"].one("subject", uscc=uscc(statements.TAKEN_BACK))[NAME] == "汕头市说法丙贸易有限公司"
    assert told(story, statements.TAKEN_BACK, stage="decided") == {}, "a record taken back vanishes with all it says"
    kept = story.landed.execute(
        "select department, is_chosen, reason_zh from core.subject_statement join entity.subject using (subject_id)"
        " where uscc = %s and attribute = 'subject_name' and core.subject_statement.known_to_build = 2147483647"
        " and entity.subject.known_to_build = 2147483647 order by department",
        (uscc(statements.TAKEN_BACK),),
    )
    assert kept == [("sjgj", False, "来源已撤回或删除"), ("x_gsxt", True, "赋码登记机关未报送，取其他登记来源")]


def test_one_word_counts_for_every_attribute_of_a_subject(story: Story) -> None:
    for name, stage in story.stages.items():
        chosen = [(row["subject_id"], row["attribute"]) for row in stage.views["subject_statement"] if row["is_chosen"]]
        assert len(chosen) == len(set(chosen)), name


def test_every_source_of_a_statement_has_a_precedence(story: Story) -> None:
    for stage in story.stages.values():
        assert all(row["precedence"] is not None for row in stage.views["subject_statement"])
