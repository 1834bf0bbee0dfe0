"""Issues open with a fault, follow the working-day calendar, and close by the next good delivery of the record."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from typing import Any

import pytest

from creditflow.quality.issues import sweep_issues
from tests.issue_world import DAY, City, at, key, settle

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (DAY + dt.timedelta(days=n) for n in range(5))
RULE = "PENALTY-R04-COUNTERPARTY_USCC"
OTHER = "PENALTY-R01-VIOLATION_FACTS"

DEADLINES = [
    ("2024-02-07", "2024-02-22", "2024-03-12"),
    ("2024-09-29", "2024-10-14", "2024-10-31"),
    ("2025-01-20", "2025-02-05", "2025-02-21"),
    ("2025-01-24", "2025-02-10", "2025-02-27"),
    ("2025-04-30", "2025-05-14", "2025-06-03"),
    ("2025-09-26", "2025-10-13", "2025-10-30"),
    ("2026-02-12", "2026-02-28", "2026-03-18"),
    ("2026-03-02", "2026-03-11", "2026-03-30"),
    ("2026-09-30", "2026-10-15", "2026-11-03"),
]
"""Decision, 7th and 20th working day: domain page 01 section 8, computed there with the published calendar."""


@pytest.fixture
def city(warehouse: Any) -> City:
    return settle(warehouse)


def sweep(city: City, day: dt.date) -> Any:
    return sweep_issues(city.settings, city.registry, day)


@pytest.mark.parametrize(("decided", "seventh", "twentieth"), DEADLINES)
def test_the_published_calendar_gives_the_seventh_and_twentieth_working_day(
    city: City, decided: str, seventh: str, twentieth: str
) -> None:
    found = city.query(
        "select ops.add_workdays(%(d)s, 7)::text, ops.add_workdays(%(d)s, 20)::text,"
        " ops.workdays_between(%(d)s, %(seven)s), ops.workdays_between(%(twenty)s, %(d)s)",
        {"d": decided, "seven": seventh, "twenty": twentieth},
    )
    assert found == [(seventh, twentieth, 7, -20)]


def test_a_deadline_in_an_unpublished_year_is_unknown_and_zero_days_is_the_day_itself(city: City) -> None:
    assert city.query(
        "select ops.add_workdays('2026-12-30', 3), ops.add_workdays('2003-12-30', 3), ops.add_workdays('2026-12-30', 1)::text,"
        " ops.workdays_between('2026-12-30', '2027-01-04'), ops.add_workdays('2026-01-01', 0)::text, ops.add_workdays(null, 3)"
    ) == [(None, None, "2026-12-31", None, "2026-01-01", None)]


def test_the_calendar_view_agrees_with_the_function_on_every_published_day(city: City) -> None:
    assert (
        city.query(
            "select a.day from ops.calendar_workday a left join ops.calendar_workday b"
            " on b.is_workday and b.workday_no = a.workday_no + 7 and b.span = a.span"
            " where a.day >= '2023-01-01' and b.day is distinct from ops.add_workdays(a.day, 7)"
        )
        == []
    )


def test_a_rejected_row_opens_an_issue_due_in_three_working_days_and_the_next_good_version_closes_it(
    city: City,
) -> None:
    city.batch("b1", THURSDAY, rejected=1)
    city.fault(
        "b1",
        7,
        "A",
        [RULE],
        version=at(THURSDAY, "01:00"),
        decision_document_no="粤安罚1号",
        counterparty_name="甲公司",
    )
    assert sweep(city, THURSDAY).opened == 2, "the row's issue and the one about next year's calendar"
    assert city.issues("rule_id, state, record_key::text, batch_id, row_no, due_on, opened_on") == [
        (RULE, "open", key("A"), "b1", 7, dt.date(2026, 11, 24), THURSDAY)
    ]
    city.batch("b2", FRIDAY, accepted=1)
    city.accept("b2", 2, "A", version=at(FRIDAY, "01:00"))
    sweep(city, FRIDAY)
    assert city.issues("state, corrected_on, closed_on, closed_by_batch, closed_by_row") == [
        ("closed", FRIDAY, FRIDAY, "b2", 2)
    ]
    assert city.history(RULE) == [("opened", THURSDAY), ("corrected", FRIDAY), ("closed", FRIDAY)]


def test_an_older_version_that_arrives_later_closes_nothing(city: City) -> None:
    city.batch("b1", MONDAY, rejected=1)
    city.fault("b1", 7, "A", [RULE], version=at(MONDAY, "03:00"))
    city.batch("b2", TUESDAY, accepted=1)
    city.accept("b2", 2, "A", version=at(MONDAY, "02:00"))
    sweep(city, TUESDAY)
    assert city.issues() == [(RULE, "open")]


def test_an_issue_nobody_mends_is_overdue_on_the_day_after_its_deadline_and_reopens_when_the_fault_comes_back(
    city: City,
) -> None:
    city.batch("b1", MONDAY, rejected=1)
    city.fault("b1", 7, "A", [RULE], version=at(MONDAY))
    sweep(city, THURSDAY)
    assert city.issues("state, due_on") == [("open", THURSDAY)]
    sweep(city, FRIDAY)
    assert city.issues("state, overdue_on") == [("overdue", FRIDAY)]
    later = FRIDAY + dt.timedelta(days=3)
    city.batch("b2", later, accepted=1)
    city.accept("b2", 2, "A", version=at(later))
    sweep(city, later)
    again = later + dt.timedelta(days=1)
    city.batch("b3", again, rejected=1)
    city.fault("b3", 3, "A", [RULE], version=at(again))
    assert sweep(city, again).reopened == 1
    assert city.history(RULE) == [
        ("opened", MONDAY),
        ("overdue", FRIDAY),
        ("corrected", later),
        ("closed", later),
        ("reopened", again),
    ]
    assert city.issues("state, episode, first_opened_on, opened_on, overdue_on") == [("open", 2, MONDAY, again, None)]


def test_a_new_version_refused_for_another_fault_is_corrected_for_the_first_but_not_closed(city: City) -> None:
    city.batch("b1", MONDAY, rejected=1)
    city.fault("b1", 7, "A", [RULE], version=at(MONDAY))
    city.batch("b2", TUESDAY, rejected=1)
    city.fault("b2", 1, "A", [OTHER], version=at(TUESDAY))
    sweep(city, TUESDAY)
    assert city.issues() == [(OTHER, "open"), (RULE, "corrected")]
    city.batch("b3", WEDNESDAY, accepted=1)
    city.accept("b3", 1, "A", version=at(WEDNESDAY))
    sweep(city, WEDNESDAY)
    assert city.issues() == [(OTHER, "closed"), (RULE, "closed")]
    assert city.history(RULE) == [("opened", MONDAY), ("corrected", TUESDAY), ("closed", WEDNESDAY)]


def test_a_flag_stays_open_until_a_version_without_it_comes(city: City) -> None:
    city.batch("b1", MONDAY, accepted=1)
    city.accept("b1", 1, "A", version=at(MONDAY), flags=[RULE])
    city.fault("b1", 1, "A", [RULE], verdict="flagged", severity="flag", version=at(MONDAY))
    city.batch("b2", TUESDAY, accepted=1)
    city.accept("b2", 1, "A", version=at(TUESDAY), flags=[RULE])
    city.fault("b2", 1, "A", [RULE], verdict="flagged", severity="flag", version=at(TUESDAY))
    sweep(city, TUESDAY)
    assert city.issues("rule_id, state, severity, batch_id") == [(RULE, "open", "flag", "b2")]
    city.batch("b3", WEDNESDAY, accepted=1)
    city.accept("b3", 1, "A", version=at(WEDNESDAY))
    sweep(city, WEDNESDAY)
    assert city.issues() == [(RULE, "closed")]


WRONG = {
    "decision_document_no": "粤安罚〔2026〕5号",
    "counterparty_name": "汕头市假想五金有限公司",
    "counterparty_uscc": "91440500MA4X022960",
}


def test_a_code_put_right_changes_the_record_key_and_still_closes_the_issue(city: City) -> None:
    city.batch("b1", MONDAY, rejected=1)
    city.fault("b1", 7, "by name", [RULE], version=at(MONDAY), **WRONG)
    city.batch("b2", TUESDAY, accepted=1)
    city.accept("b2", 3, "by code", version=at(TUESDAY), **{**WRONG, "counterparty_uscc": "91440500MA4X022965"})
    sweep(city, TUESDAY)
    assert city.issues("state, closed_by_row") == [("closed", 3)]


def test_another_party_of_the_same_decision_closes_nothing(city: City) -> None:
    city.batch("b1", MONDAY, rejected=1)
    city.fault("b1", 7, "by name", [RULE], version=at(MONDAY), **WRONG)
    city.batch("b2", TUESDAY, accepted=1)
    city.accept(
        "b2",
        3,
        "other",
        version=at(TUESDAY),
        **{**WRONG, "counterparty_name": "汕头市别家贸易有限公司", "counterparty_uscc": "91440507MA4X85618J"},
    )
    sweep(city, TUESDAY)
    assert city.issues() == [(RULE, "open")]


def test_a_masked_person_is_known_again_by_document_and_first_character(city: City) -> None:
    city.batch("b1", MONDAY, rejected=1)
    city.fault("b1", 7, "x", [OTHER], version=at(MONDAY), decision_document_no="罚9号", counterparty_name="测**")
    city.batch("b2", TUESDAY, accepted=1)
    city.accept("b2", 3, "y", version=at(TUESDAY), decision_document_no="罚9号", counterparty_name="测试甲")
    sweep(city, TUESDAY)
    assert city.issues() == [(OTHER, "closed")]


def test_a_corrected_document_number_is_known_by_party_and_date(city: City) -> None:
    row = {"counterparty_name": "汕头市假想五金有限公司", "decision_date": "2026/11/02"}
    city.batch("b1", MONDAY, rejected=2)
    city.fault(
        "b1", 7, "x", ["PENALTY-R01-DECISION_DOCUMENT_NO"], version=at(MONDAY), fields=["decision_document_no"], **row
    )
    city.batch("b2", TUESDAY, accepted=1)
    city.accept(
        "b2", 3, "y", version=at(TUESDAY), decision_document_no="罚9号", **{**row, "decision_date": "2026/11/03"}
    )
    sweep(city, TUESDAY)
    assert city.issues("state") == [("open",)]
    city.batch("b3", WEDNESDAY, accepted=1)
    city.accept("b3", 3, "z", version=at(WEDNESDAY), decision_document_no="罚8号", **row)
    sweep(city, WEDNESDAY)
    assert city.issues("state") == [("closed",)]


def test_a_row_of_a_return_workbook_closes_the_issues_of_the_row_it_names_whatever_changed(city: City) -> None:
    city.batch("b1", MONDAY, rejected=1)
    city.fault("b1", 7, None, [RULE], version=at(MONDAY))
    city.batch("b2", TUESDAY, accepted=1)
    city.accept(
        "b2", 4, "q", version=at(TUESDAY), extra={"退回批次": "b1", "退回行号": "7"}, counterparty_name="全改了"
    )
    sweep(city, TUESDAY)
    assert city.issues("record, state, closed_by_row") == [("b1#7", "closed", 4)]


def test_a_held_delivery_is_one_issue_and_the_next_accepted_one_closes_it(city: City) -> None:
    reason = {"code": "BATCH-TOO-MANY-REJECTED", "zh": "不合格 30 行，超过 20%", "en": "30 rows rejected, above 20 %"}
    city.batch("b1", MONDAY, state="held", held=30, reasons=[reason])
    city.fault("b1", 3, "A", [RULE], verdict="rejected")
    city.query(
        "insert into quality.row_verdict (batch_id, row_no, record_key, verdict, rule_ids)"
        " values ('b1', 4, %s, 'held', '{BATCH-TOO-MANY-REJECTED}')",
        (key("B"),),
    )
    sweep(city, MONDAY)
    assert city.issues("rule_id, scope, state, message_zh") == [
        ("BATCH-HELD", "batch", "open", "不合格 30 行，超过 20%"),
        (RULE, "row", "open", ""),
    ]
    city.batch("b2", TUESDAY, state="accepted", accepted=1)
    city.accept("b2", 1, "A", version=at(TUESDAY))
    sweep(city, TUESDAY)
    assert city.issues("rule_id, state, closed_by_batch") == [("BATCH-HELD", "closed", "b2"), (RULE, "closed", "b2")]


def test_a_release_by_a_person_closes_the_issue_of_the_held_delivery_and_stays_dated(city: City) -> None:
    city.batch("b1", MONDAY, state="held", held=30)
    sweep(city, MONDAY)
    assert city.issues() == [("BATCH-HELD", "open")]
    city.batch("b1", MONDAY, state="accepted", accepted=30)
    city.query(
        "insert into ops.event values (%s, 'gate_release', 'b1', null, 'volume is right: new branch', '信用办', %s)",
        (str(uuid.uuid4()), at(TUESDAY, "09:00")),
    )
    sweep(city, WEDNESDAY)
    assert city.issues("state, closed_on") == [("closed", TUESDAY)]
    city.batch("b2", THURSDAY, state="accepted", accepted=1)
    sweep(city, THURSDAY)
    assert city.issues("state, closed_on") == [("closed", TUESDAY)]


def test_a_record_that_a_full_snapshot_no_longer_holds_is_closed(city: City) -> None:
    city.batch("b1", MONDAY, department="swj", feed="arrears", delivery="full_snapshot", rejected=1)
    city.fault("b1", 7, "A", ["ARREARS-R01-AMOUNT"], version=at(MONDAY))
    city.batch("b2", TUESDAY, department="swj", feed="arrears", delivery="full_snapshot", rejected=1)
    city.fault("b2", 2, "A", ["ARREARS-R01-AMOUNT"], version=at(TUESDAY))
    sweep(city, TUESDAY)
    assert city.issues("state") == [("open",)]
    city.batch("b3", WEDNESDAY, department="swj", feed="arrears", delivery="full_snapshot", state="held", held=1)
    sweep(city, WEDNESDAY)
    assert ("ARREARS-R01-AMOUNT", "open") in city.issues()
    city.batch("b4", THURSDAY, department="swj", feed="arrears", delivery="full_snapshot", state="accepted", accepted=1)
    sweep(city, THURSDAY)
    assert ("ARREARS-R01-AMOUNT", "closed") in city.issues()


def test_a_late_department_is_one_issue_until_it_comes(city: City) -> None:
    city.arrival(MONDAY, "gaj", "late", "04:30 前未见 .ok 文件")
    city.arrival(TUESDAY, "gaj", "late")
    city.arrival(WEDNESDAY, "gaj", "nothing_new")
    sweep(city, WEDNESDAY)
    assert city.issues("department, rule_id, state, opened_on") == [("gaj", "ARRIVAL-LATE", "open", MONDAY)]
    city.arrival(THURSDAY, "gaj", "arrived")
    sweep(city, THURSDAY)
    assert city.issues("state, closed_on") == [("closed", THURSDAY)]


def test_a_feed_that_came_daily_is_silent_on_the_third_working_day_until_it_comes_again(city: City) -> None:
    days = [dt.date(2026, 11, day) for day in (2, 3, 4, 5, 6, 9)]
    for day in days:
        city.batch(f"p{day:%d}", day, state="accepted", accepted=1)
        city.batch(f"q{day:%d}", day, feed="permit", state="accepted", accepted=1)
    for day in (10, 11, 12, 13):
        city.batch(f"q{day}", dt.date(2026, 11, day), feed="permit", state="accepted", accepted=1)
    sweep(city, dt.date(2026, 11, 11))
    silent = "select feed, state, opened_on, closed_on, message_zh from quality.issue where rule_id = 'ARRIVAL-SILENT'"
    assert city.query(silent) == [], "a weekend is no silence, two days are not yet"
    sweep(city, dt.date(2026, 11, 12))
    words = "连续 3 个工作日没有新数据，往常最多间隔 1 个工作日"
    assert city.query(silent) == [("penalty", "open", dt.date(2026, 11, 12), None, words)]
    city.batch("p16", dt.date(2026, 11, 16), state="accepted", accepted=1)
    sweep(city, dt.date(2026, 11, 16))
    assert city.query(silent) == [("penalty", "closed", dt.date(2026, 11, 12), dt.date(2026, 11, 16), words)]


def test_a_feed_without_a_rhythm_yet_is_never_silent(city: City) -> None:
    for day in (2, 3, 4, 5, 6):
        city.batch(f"p{day}", dt.date(2026, 11, day), state="accepted", accepted=1)
    sweep(city, dt.date(2026, 12, 31))
    assert city.query("select count(*) from quality.issue where rule_id = 'ARRIVAL-SILENT'") == [(0,)]


@pytest.mark.parametrize("rule", ["BATCH-FORBIDDEN", "INTAKE-COLUMN-CUT"])
def test_a_forbidden_column_is_an_issue_until_a_delivery_without_it(city: City, rule: str) -> None:
    city.batch("b1", MONDAY, accepted=3, state="accepted")
    city.query(
        "insert into quality.incident (batch_id, department, feed, as_of, rule_id, message_zh, message_en)"
        " values ('b1', 'sjgj', 'penalty', %(day)s, %(rule)s, '含禁止采集的列：民族', 'forbidden column'),"
        " ('b1', 'sjgj', 'penalty', %(day)s, 'INTAKE-ENCODING', '按 GB18030 读取', 'read as GB18030')",
        {"day": MONDAY, "rule": rule},
    )
    sweep(city, MONDAY)
    assert city.issues("rule_id, state, message_zh, severity") == [(rule, "open", "含禁止采集的列：民族", "incident")]
    city.batch("b2", TUESDAY, accepted=3, state="accepted")
    sweep(city, TUESDAY)
    assert city.issues() == [(rule, "closed")]


def test_a_deadline_without_a_published_calendar_is_unknown_and_loud(city: City) -> None:
    end = dt.date(2026, 12, 30)
    city.batch("b1", end, rejected=1)
    city.fault("b1", 7, "A", [RULE], version=at(end))
    assert sweep(city, end).unknown_deadlines == 2
    assert city.issues("state, due_on") == [("open", None)]
    assert city.query(
        "select department, record, state, message_zh from quality.issue where rule_id = 'CALENDAR-YEAR'"
    ) == [("", "2027", "open", "2027年工作日历尚未发布：落在该年的期限未知")]
    assert city.query("select count(*) from quality.incident where rule_id = 'CALENDAR-YEAR'") == [(1,)]
    sweep(city, dt.date(2027, 3, 1))
    assert city.issues("state") == [("open",)]
    city.query(
        "insert into ops.calendar select d, extract(isodow from d) < 6, null, false, 'test'"
        " from generate_series('2027-01-01'::date, '2027-12-31', '1 day') d"
    )
    sweep(city, dt.date(2027, 3, 2))
    assert city.issues("state, due_on::text") == [("overdue", "2027-01-04")]
    assert city.query("select state from quality.issue where rule_id = 'CALENDAR-YEAR'") == [("closed",)]


def test_november_without_next_years_calendar_is_an_issue_and_october_is_not(city: City) -> None:
    city.batch("b0", dt.date(2026, 10, 30), state="accepted", accepted=1)
    sweep(city, dt.date(2026, 10, 30))
    assert city.query("select count(*) from quality.issue") == [(0,)]
    city.batch("b1", dt.date(2026, 11, 2), state="accepted", accepted=1)
    sweep(city, dt.date(2026, 11, 2))
    assert city.query("select scope, record from quality.issue") == [("city", "2027")]


def test_a_month_without_records_and_without_declaration_is_an_issue_of_the_feed(city: City) -> None:
    first = dt.date(2026, 10, 8)
    city.batch("b1", first, department="kjj", feed="permit", state="accepted", accepted=1)
    city.accept("b1", 1, "A", version=at(first), decision_date="2026/08/20")
    city.batch("b2", first, department="kjj", feed="penalty", state="accepted", accepted=1)
    city.accept("b2", 1, "B", version=at(first), decision_date="2026/09/20")
    sweep(city, first)
    assert city.issues() == []
    sweep(city, dt.date(2026, 10, 12))
    assert city.query(
        "select rule_id, feed, record, state, opened_on::text from quality.issue where department = 'kjj'"
    ) == [("ZERO-DECLARATION", "permit", "2026-09", "open", "2026-10-11")]
    day = dt.date(2026, 10, 20)
    kind = city.registry.kinds["zero_declaration"]
    city.landing(kind)
    city.batch("z1", day, department="kjj", feed="zero_declaration", state="accepted", accepted=1)
    city.accept("z1", 1, "Z", version=at(day), declared_kind="permit", period="2026-09")
    sweep(city, day)
    assert city.query("select state, closed_on from quality.issue where department = 'kjj'") == [("closed", day)]


def everything(city: City) -> list[tuple[Any, ...]]:
    """Issues and history, without anything that only says when it was computed."""
    return city.query("select to_jsonb(i) - 'x' from quality.issue i order by issue_id") + city.query(
        "select to_jsonb(e) from quality.issue_event e order by issue_id, episode, event"
    )


def test_sweeping_in_any_order_or_twice_gives_the_same_issues(city: City) -> None:
    """Four deliveries of one record: wrong, right, wrong again, right; and a second record that is never mended."""
    story = [("b1", MONDAY, "fault"), ("b2", TUESDAY, "good"), ("b3", WEDNESDAY, "fault"), ("b4", THURSDAY, "good")]

    def deliver(name: str, day: dt.date, what: str) -> None:
        if what == "fault":
            city.batch(name, day, rejected=2)
            city.fault(name, 1, "A", [RULE], version=at(day), **WRONG)
            city.fault(
                name, 2, f"lost {name}", [OTHER], version=at(day), decision_document_no=name, counterparty_name="乙"
            )
        else:
            city.batch(name, day, state="accepted", accepted=1)
            city.accept(name, 1, "right key", version=at(day), **{**WRONG, "counterparty_uscc": "91440500MA4X022965"})

    results = []
    orders = list(itertools.permutations(story))[::3]
    for order in orders:
        city.query(
            "truncate quality.issue, quality.issue_event, quality.issue_sighting, quality.issue_sweep, quality.issue_clock,"
            " quality.row_verdict, quality.rule_result, landing.penalty, quality.incident, quality.batch_figure; delete from ops.batch"
        )
        for name, day, what in order:
            deliver(name, day, what)
            sweep(city, FRIDAY)
        sweep(city, FRIDAY)
        results.append(everything(city))
    for order, result in zip(orders, results, strict=True):
        assert result == results[0], order
    assert ("closed", 2) in city.issues("state, episode")
    before = everything(city)
    assert sweep(city, MONDAY).as_of == FRIDAY
    assert everything(city) == before


def test_a_verdict_that_was_withdrawn_takes_its_issue_with_it(city: City) -> None:
    city.batch("b1", MONDAY, rejected=1)
    city.fault("b1", 7, "A", [RULE], version=at(MONDAY))
    sweep(city, MONDAY)
    city.query("delete from quality.row_verdict; delete from quality.rule_result")
    city.batch("b1", MONDAY, state="accepted", accepted=1)
    sweep(city, MONDAY)
    assert city.issues() == []
    assert city.query(
        "select count(*) from quality.issue_event join quality.issue_sighting using (issue_id) where issue_event.batch_id = 'b1'"
    ) == [(0,)]
