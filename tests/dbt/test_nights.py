"""What the warehouse promises from night to night, told on one small city."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from creditflow import warehouse
from tests.dbt.conftest import REGIMES, Story
from tests.dbt.landed import org_code, uscc
from tests.dbt.out_of_order import CHANGE_ORDERS, document

NAMES = {
    "subject", "subject_identifier", "subject_statement",
    "registration", "permit", "penalty", "inspection", "qualification", "honour", "award",
    "rating", "arrears", "commitment", "contract_performance", "compliance_fact", "enforcement", "judgement", "approval_case",
    "abnormal_entry", "list_entry", "repair", "objection", "self_declared", "list_membership", "associated_person_entry",
    "measure_application", "measure_target", "reward_eligibility", "reward_rule",
    "score", "score_comparison", "score_comparison_month", "score_explanation", "score_fairness",
    "credit_report", "city_indicator", "department_quality_daily", "feed_freshness",
    "data_issue", "build",
}  # fmt: skip


def scores(story: Story, stage: str) -> dict[str, tuple[int | None, str]]:
    return {row["uscc"]: (row["score"], row["grade"]) for row in story[stage].views["score"]}


def test_publish_has_every_promised_view(story: Story) -> None:
    assert set(story["first"].views) == NAMES


def test_a_night_without_news_changes_nothing(story: Story) -> None:
    quiet = story["quiet"].summary
    assert quiet is not None
    assert quiet.changes == {}
    same = {name for name in NAMES - {"build"} if story["first"].digest[name] == story["quiet"].digest[name]}
    assert same == NAMES - {"build"}


def test_what_a_large_build_worked_with_is_given_back(story: Story) -> None:
    """In this story every build counts as large."""
    tables = [name for (name,) in story.landed.execute("select tablename from pg_tables where schemaname = 'staging'")]
    assert "penalty" in tables
    assert [name for name in tables if story.landed.execute(f"select 1 from staging.{name} limit 1")] == []


def test_scores_of_the_first_night(story: Story) -> None:
    expected = {
        uscc(1): (840, "B"),  # general, five months: 75 % of 40; social insurance arrears 40; 900 - 30 - 40 = 830
        uscc(2): (780, "B"),  # serious, five months
        uscc(3): (900, "A"),
        uscc(4): (399, "D"),  # serious list; the honour of tax grade A rests
        uscc(5): (930, "A"),  # tax grade A
        uscc(6): (860, "B"),  # social insurance arrears
        uscc(8): (895, "A"),  # a warning, two weeks old
        uscc(11): (None, "NR"),  # registered five weeks
        uscc(12): (None, "NR"),  # deregistered
    }
    expected[uscc(1)] = (830, "B")
    found = scores(story, "first")
    assert {code: found[code] for code in expected} == expected


def test_explanation_sums_to_the_score_at_every_stage(story: Story) -> None:
    for name, stage in story.stages.items():
        sums: dict[str, Decimal] = {}
        for line in stage.views["score_explanation"]:
            sums[line["score_id"]] = sums.get(line["score_id"], Decimal(0)) + line["applied_points"]
        shown = {row["score_id"]: row["score"] for row in stage.views["score"] if row["score"] is not None}
        assert sums == shown, name


def test_a_correction_replaces_the_row_and_keeps_the_old_version(story: Story) -> None:
    before = story["first"].one("penalty", decision_document_no="汕市监罚〔2026〕1号")
    after = story["changed"].one("penalty", decision_document_no="汕市监罚〔2026〕1号")
    assert (before["fine_amount_yuan"], after["fine_amount_yuan"]) == (20_000, 600_000)
    assert (before["severity"], after["severity"]) == ("general", "serious")
    assert before["record_id"] == after["record_id"]
    assert before["build_no"] < after["build_no"]


def test_an_older_version_that_arrives_late_changes_nothing(story: Story) -> None:
    assert story["changed"].one("penalty", decision_document_no="汕市监罚〔2026〕13号")["severity"] == "serious"
    assert scores(story, "changed")[uscc(13)] == scores(story, "first")[uscc(13)]


def test_a_withdrawn_penalty_is_gone_and_costs_nothing(story: Story) -> None:
    assert story["first"].one("penalty", decision_document_no="汕市监罚〔2026〕7号")["objected"] is True
    assert story["first"].one("score", uscc=uscc(7))["contested"] is True
    assert story["changed"].all("penalty", decision_document_no="汕市监罚〔2026〕7号") == []
    assert scores(story, "changed")[uscc(7)] == (900, "A")


def test_a_repaired_penalty_leaves_public_use_report_and_score(story: Story) -> None:
    assert story["first"].one("penalty", decision_document_no="汕市监罚〔2026〕2号")["is_public"] is True
    changed = story["changed"]
    assert changed.all("penalty", decision_document_no="汕市监罚〔2026〕2号") == []
    subject = changed.one("subject", uscc=uscc(2))["subject_id"]
    assert [
        row["section"] for row in changed.all("credit_report", subject_id=subject) if row["record_kind"] == "penalty"
    ] == []
    assert scores(story, "changed")[uscc(2)] == (900, "A")


def test_what_was_repaired_stays_gone_after_a_rollback(story: Story) -> None:
    back = story["rolled back"]
    assert back.pointer == story["quiet"].pointer
    assert back.all("penalty", decision_document_no="汕市监罚〔2026〕2号") == []
    score = back.one("score", uscc=uscc(2))
    assert (score["score"], score["grade"]) == (None, "PENDING")
    assert back.all("score_explanation", subject_id=score["subject_id"]) == []


def test_the_auditor_still_reads_what_was_repaired(story: Story) -> None:
    found = story.landed.execute(
        "set role role_auditor;"
        " select state, state_reason from core.penalty where decision_document_no = '汕市监罚〔2026〕2号' order by known_from_build"
    )
    assert ("active", None) in found
    assert ("repaired", "repair") in found


def test_a_past_build_answers_the_same_later_less_what_is_suppressed(story: Story) -> None:
    later = story["changed as the first night knew it"]
    then = story["first"]
    gone = {"汕市监罚〔2026〕2号", "汕市监罚〔2026〕7号"}
    gone |= {document(number) for number, order in enumerate(CHANGE_ORDERS) if 2 in order[:2]}
    kept = [row for row in then.views["penalty"] if row["decision_document_no"] not in gone]
    assert sorted(later.views["penalty"], key=str) == sorted(kept, key=str)
    for name in ("registration", "permit", "subject", "list_membership", "arrears", "rating"):
        assert later.digest[name] == then.digest[name], name


def test_building_on_after_a_rollback_gives_the_same_under_a_new_number(story: Story) -> None:
    changed, again = story["changed"], story["built on"]
    assert again.pointer > changed.pointer
    states = {row["build_no"]: row["state"] for row in again.views["build"]}
    assert states[changed.pointer] == "abandoned"
    for name in ("penalty", "score", "score_explanation", "arrears", "subject", "list_membership", "credit_report"):
        without = [{k: v for k, v in row.items() if k not in {"build_no", "content"}} for row in changed.views[name]]
        same = [{k: v for k, v in row.items() if k not in {"build_no", "content"}} for row in again.views[name]]
        assert sorted(map(str, without)) == sorted(map(str, same)), name


def test_a_complete_snapshot_ends_what_it_no_longer_holds(story: Story) -> None:
    assert story["first"].one("arrears", subject_uscc=uscc(6))["state"] == "active"
    ended = story["changed"].one("arrears", subject_uscc=uscc(6))
    assert (ended["state"], ended["ended_on" if "ended_on" in ended else "snapshot_ended_on"]) == (
        "ended",
        dt.date(2026, 11, 3),
    )
    assert story["changed"].one("arrears", subject_uscc=uscc(1))["state"] == "active"
    assert scores(story, "changed")[uscc(6)] == (900, "A")


def test_the_fairness_of_a_month_is_told(story: Story) -> None:
    changed = story["changed"]
    month = {"month": dt.date(2026, 11, 1), "model_version": "ecs_v1"}
    everybody = changed.all("score_fairness", **month, check_code="grade_share", dimension="all")
    assert sum(row["value"] for row in everybody) == pytest.approx(Decimal(1), abs=Decimal("0.001"))
    assert {row["denominator"] for row in everybody} == {len(changed.views["score"])}
    (weak,) = changed.all("score_fairness", **month, check_code="weak_deduction_share")
    assert (weak["value"], weak["is_alarm"]) == (0, False)
    # enterprise 5 lost grade A and got grade D: 930 to 749; enterprise 2 was repaired: 780 to 900
    moved = changed.one("score_fairness", **month, check_code="moved_over_100", group_value="2026-11-03")
    # and sixteen firms fell on a serious list: 900 to 399
    assert (moved["value"], moved["is_alarm"]) == (2 + 16, True)
    assert story["first"].all("score_fairness", check_code="moved_over_100") == []
    # months apart have no neighbour to be compared with
    assert story["half a year later"].all("score_fairness", check_code="stability_index") == []


def test_a_household_without_a_code_keeps_one_subject_when_its_code_arrives(story: Story) -> None:
    first = story["first"].one("penalty", decision_document_no="汕市监罚〔2026〕9号")
    assert (first["match_grade"], first["match_rule"]) == ("strong", "reg_no")
    later = story["changed"].one("penalty", decision_document_no="汕市监罚〔2026〕9号")
    household = story["changed"].one("subject", uscc=uscc(77, "92440500"))
    assert later["subject_id"] == household["subject_id"]
    minted = story["changed"].one("subject", subject_id=first["subject_id"])
    assert minted["merged_into_subject_id"] == household["subject_id"]


def test_an_organisation_code_finds_the_subject_whose_code_holds_it(story: Story) -> None:
    first = story["first"].one("registration", subject_org_code=org_code(15))
    later = story["changed"].one("registration", subject_org_code=org_code(15))
    assert first["match_rule"] == "org_code"
    assert later["subject_id"] == story["changed"].one("subject", uscc=uscc(15))["subject_id"]


def test_a_name_alone_never_links(story: Story) -> None:
    weak = story["first"].one("penalty", decision_document_no="汕市监罚〔2026〕10号")
    nobody = story["first"].one("penalty", decision_document_no="汕市监罚〔2026〕11号")
    assert (weak["match_grade"], nobody["match_grade"]) == ("weak", "none")
    third = story["first"].one("subject", uscc=uscc(3))["subject_id"]
    assert third not in {weak["subject_id"], nobody["subject_id"]}
    review = story.landed.execute(
        "select suggested_subject_id::text from entity.match_review where record_id = %s", (weak["record_id"],)
    )
    assert review == [(str(third),)]
    assert scores(story, "first")[uscc(3)] == (900, "A")


def test_nobody_but_enterprises_and_cooperatives_is_scored(story: Story) -> None:
    last = story["taken back"]
    kinds = {row["subject_id"]: row["subject_type"] for row in last.views["subject"]}
    assert "natural_person" in kinds.values()
    assert {kinds[row["subject_id"]] for row in last.views["score"]} == {"enterprise"}


def test_people_are_masked_and_never_public(story: Story) -> None:
    row = story["first"].one("penalty", decision_document_no="汕公罚〔2026〕1号")
    assert row["counterparty_name"] == "测**"
    assert (row["match_grade"], row["party_type"], row["is_public"]) == ("exact", "natural_person", False)
    person = story["first"].one("subject", subject_id=row["subject_id"])
    assert (person["subject_type"], person["subject_name"]) == ("natural_person", "测**")
    text = str(story["first"].views)
    assert "测试甲" not in text
    assert "hash-of-a-fictitious-person" not in text


def test_a_serious_list_caps_the_score_and_rests_the_favourable_status(story: Story) -> None:
    first = story["first"]
    serious = first.one("list_membership", uscc=uscc(4), list_code="SL05")
    assert (serious["is_active"], serious["ended_on"]) == (True, dt.date(2029, 2, 1))
    red = first.one("list_membership", uscc=uscc(4), list_code="RL01")
    assert (red["is_active"], red["is_suspended"]) == (True, True)
    assert first.one("list_membership", uscc=uscc(5), list_code="RL01")["is_suspended"] is False


def test_a_newer_tax_grade_ends_the_red_membership(story: Story) -> None:
    assert story["changed"].one("list_membership", uscc=uscc(5), list_code="RL01")["is_active"] is False
    assert scores(story, "changed")[uscc(5)] == (749, "C")


def test_an_entry_reaches_the_person_the_decision_names(story: Story) -> None:
    entry = story["first"].one("associated_person_entry", list_code="SL05")
    assert (entry["person_name"], entry["role"], entry["ground"]) == (
        "测**",
        "legal_representative",
        "named_by_decision",
    )
    assert (entry["is_active"], entry["usage_scope"]) == (True, 2)
    assert entry["notified_on"] == dt.date(2026, 2, 5)


def test_measures_name_the_department_that_must_act(story: Story) -> None:
    target = story["first"].one("measure_target", uscc=uscc(4), measure_code="M2-04", executing_department="yjj")
    assert (target["is_mandatory"], target["since_on"], target["until_on"]) == (
        True,
        dt.date(2026, 2, 1),
        dt.date(2029, 2, 1),
    )
    codes = {row["measure_code"] for row in story["first"].views["measure_target"]}
    assert not codes & {"M1-04", "M1-05"}, "a measure that reduces rights needs a basis in law"


def test_bad_input_is_kept_and_visible(story: Story) -> None:
    rules = {row["rule_id"] for row in story["first"].views["data_issue"]}
    assert {"list_code_unknown", "exit_without_entry", "subject_unmatched"} <= rules


def test_capital_becomes_amount_and_currency(story: Story) -> None:
    yuan = story["first"].one("subject", uscc=uscc(1))
    dollars = story["first"].one("subject", uscc=uscc(14))
    assert (yuan["registered_capital_amount"], yuan["registered_capital_currency"]) == (1_000_000, "CNY")
    assert (dollars["registered_capital_amount"], dollars["registered_capital_currency"]) == (500_000, "USD")


def test_long_term_is_not_a_date(story: Story) -> None:
    row = story["first"].one("permit", decision_document_no="汕许〔2026〕3号")
    assert (row["valid_to"], row["is_long_term"], row["state"]) == (None, True, "active")
    assert story["first"].one("permit", decision_document_no="汕许〔2026〕4号")["state"] == "expired"


def test_a_minor_penalty_counts_but_is_not_public(story: Story) -> None:
    row = story["first"].one("penalty", decision_document_no="汕市监罚〔2026〕8号")
    assert (row["severity"], row["is_public"]) == ("minor", False)


@pytest.mark.parametrize(("number", "day", "severity", "expected"), REGIMES, ids=[row[0] for row in REGIMES])
def test_the_day_of_a_decision_chooses_its_regime(
    story: Story,
    number: str,
    day: str,
    severity: str,
    expected: tuple[str | None, dt.date | None, dt.date | None, bool],
) -> None:
    row = story["first"].one("penalty", decision_document_no=number)
    assert (row["regime"], row["publicity_min_end"], row["publicity_max_end"], row["is_public"]) == expected


def test_the_calendar_alone_moves_scores_and_publication(story: Story) -> None:
    later = story["half a year later"]
    assert later.summary is not None
    assert later.summary.batches == 0
    # the minor penalty weighs nothing any more, the serious one of 2026-05-20 is down to 60 %
    assert scores(story, "half a year later")[uscc(8)] == (900, "A")
    assert scores(story, "half a year later")[uscc(13)] == (828, "B")
    touched = later.summary.changes["scores.score"].opened
    assert touched < len(later.views["score"]), "a score nobody touched and no date moved was computed again"
    assert "core.penalty" not in later.summary.changes


def test_a_thin_file_is_marked(story: Story) -> None:
    assert story["first"].one("score", uscc=uscc(13))["thin_file"] is True  # registered ten months
    assert story["first"].one("score", uscc=uscc(10))["thin_file"] is False
    assert story["half a year later"].one("score", uscc=uscc(13))["thin_file"] is False


def test_diff_counts_what_readers_would_see_change(story: Story) -> None:
    change = warehouse.diff(story.settings, story["quiet"].pointer, story["built on"].pointer)
    assert change["core.penalty"] == {"opened": 7, "closed": 7}
    assert warehouse.diff(story.settings, story["first"].pointer, story["quiet"].pointer) == {}


def test_a_build_that_does_not_exist_is_not_shown(story: Story) -> None:
    with pytest.raises(warehouse.UnknownBuild):
        warehouse.publish(story.settings, story["changed"].pointer)  # abandoned
    with pytest.raises(warehouse.UnknownBuild):
        warehouse.rollback(story.settings, 999_999)


def test_the_analyst_reads_publish_and_no_personal_table(story: Story) -> None:
    readable = story.landed.execute(
        "select table_schema || '.' || table_name from information_schema.role_table_grants"
        " where grantee = 'role_analyst' and privilege_type = 'SELECT'"
    )
    names = {name for (name,) in readable}
    assert {"publish.score", "core.penalty", "entity.subject"} <= names
    assert not names & {"entity.person", "entity.relation"}
    assert not {name for name in names if name.startswith(("landing.", "staging.", "work."))}
