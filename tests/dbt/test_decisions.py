"""People decide, on the record: what a decision does, and what taking it back does."""

from __future__ import annotations

import datetime as dt

from tests.dbt.conftest import Story
from tests.dbt.landed import uscc

BEFORE, DECIDED, UNDONE = "before the decisions", "decided", "taken back"


def test_a_decided_severity_wins_over_the_rule(story: Story) -> None:
    number = "汕市监罚〔2026〕1号"
    assert story[BEFORE].one("penalty", decision_document_no=number)["severity"] == "serious"
    row = story[DECIDED].one("penalty", decision_document_no=number)
    assert (row["severity"], row["severity_source"]) == ("general", "decision")
    assert row["publicity_max_end"] == dt.date(2027, 5, 20)


def test_a_decided_regime_wins_over_the_date(story: Story) -> None:
    number = "汕市监罚〔2026〕13号"
    assert story[BEFORE].one("penalty", decision_document_no=number)["regime"] == "R2026"
    row = story[DECIDED].one("penalty", decision_document_no=number)
    assert (row["regime"], row["publicity_min_end"]) == ("R2023", dt.date(2026, 8, 20))


def test_a_publication_hold_takes_a_record_off_the_public_site_only(story: Story) -> None:
    number = "汕许〔2026〕3号"
    assert story[BEFORE].one("permit", decision_document_no=number)["is_public"] is True
    row = story[DECIDED].one("permit", decision_document_no=number)
    assert (row["is_public"], row["state"]) == (False, "active")


def test_a_deletion_needs_a_second_person(story: Story) -> None:
    assert len(story[DECIDED].all("permit", decision_document_no="汕许〔2026〕4号")) == 1
    assert story[DECIDED].all("penalty", decision_document_no="汕市监罚〔2026〕10号") == []
    reasons = story.landed.execute(
        "select s.reason from ops.suppression s join core.penalty p using (record_id)"
        " where p.decision_document_no = '汕市监罚〔2026〕10号'"
    )
    assert set(reasons) == {("deleted",)}


def test_a_notice_date_makes_an_associated_entry_effective(story: Story) -> None:
    subject = story[DECIDED].one("subject", uscc=uscc(8))["subject_id"]
    before = story[BEFORE].one("associated_person_entry", subject_id=subject)
    after = story[DECIDED].one("associated_person_entry", subject_id=subject)
    assert (before["is_active"], before["review_flags"]) == (False, ["no_notice_date"])
    assert (after["is_active"], after["notified_on"]) == (True, dt.date(2027, 5, 18))


def test_a_judgement_merges_two_subjects_and_keeps_both_ids(story: Story) -> None:
    kept = story[DECIDED].one("subject", uscc=uscc(3))["subject_id"]
    merged = story[DECIDED].one("subject", uscc=uscc(6))
    assert merged["merged_into_subject_id"] == kept
    assert story[DECIDED].one("arrears", subject_uscc=uscc(6))["subject_id"] == kept
    assert story[DECIDED].all("score", uscc=uscc(6)) == []


def test_a_judgement_is_taken_back_without_a_trace_in_what_is_shown(story: Story) -> None:
    before, after = story[BEFORE].one("subject", uscc=uscc(6)), story[UNDONE].one("subject", uscc=uscc(6))
    assert after["merged_into_subject_id"] is None
    assert story[UNDONE].one("arrears", subject_uscc=uscc(6))["subject_id"] == before["subject_id"]
    assert story[UNDONE].one("score", uscc=uscc(6))["score"] == story[BEFORE].one("score", uscc=uscc(6))["score"]


def test_a_revoked_repair_brings_the_penalty_back(story: Story) -> None:
    assert story[DECIDED].all("penalty", decision_document_no="汕市监罚〔2026〕2号") == []
    row = story[UNDONE].one("penalty", decision_document_no="汕市监罚〔2026〕2号")
    assert (row["state"], row["is_public"]) == ("active", True)
    # a serious penalty, decided 2026-05-20, two days past its first year: 60 % of 120
    assert story[UNDONE].one("score", uscc=uscc(2))["score"] == 828
