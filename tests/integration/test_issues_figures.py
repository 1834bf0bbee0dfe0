"""Rates of departments by day and month: right by hand, NULL without denominator, the same however often computed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import yaml

from creditflow.quality.indicators import explain, refresh_indicators
from creditflow.quality.issues import sweep_issues
from creditflow.quality.thresholds import propose_thresholds, usual_range
from tests.issue_world import DAY, City, at, settle

TUESDAY = DAY + dt.timedelta(days=1)
FRIDAY = DAY + dt.timedelta(days=4)


@pytest.fixture
def city(warehouse: Any) -> City:
    return settle(warehouse)


def measure(city: City, day: dt.date) -> None:
    sweep_issues(city.settings, city.registry, day)
    refresh_indicators(city.settings, city.registry, day)


def day_of(city: City, columns: str, day: dt.date, department: str = "sjgj") -> tuple[Any, ...]:
    return city.query(
        f"select {columns} from quality.department_day where as_of = %s and department = %s", (day, department)
    )[0]


def test_the_figures_of_a_night_are_what_one_counts_by_hand(city: City) -> None:
    """Five penalties: two accepted on time, one late, one without facts, one with a wrong code."""
    city.batch("b1", DAY, accepted=3, rejected=2, rows_out_of_scope=0)
    for row_no, decided in enumerate(["2026/11/05", "2026/11/06", "2026/10/30"], 1):
        city.accept("b1", row_no, f"r{row_no}", version=at(DAY, "03:00"), decision_date=decided)
    city.fault("b1", 4, "r4", ["PENALTY-R01-VIOLATION_FACTS"], version=at(DAY, "03:00"), decision_date="2026/11/11")
    city.fault("b1", 5, "r5", ["PENALTY-R04-USCC"], version=at(DAY, "03:00"), decision_date="not a date")
    city.query("update quality.rule_result set rows_evaluated = 5")
    measure(city, DAY)
    assert day_of(
        city, "completeness, validity, decisions_received, decisions_compliant, decisions_timed, decisions_on_time", DAY
    ) == (
        Decimal("0.8"),
        Decimal("0.6"),
        5,
        3,
        4,
        3,
    )
    assert day_of(city, "timeliness, codes_checked, codes_wrong, issues_opened, issues_open, issues_overdue", DAY) == (
        Decimal("0.75"),
        5,
        1,
        2,
        2,
        0,
    )
    assert city.query(
        "select month::text, received, compliant, timed, on_time from quality.batch_decision order by 1"
    ) == [
        ("0001-01-01", 1, 0, 0, 0),
        ("2026-10-01", 1, 1, 1, 0),
        ("2026-11-01", 3, 2, 3, 3),
    ]


def test_the_seventh_working_day_is_on_time_and_the_eighth_and_a_free_day_after_the_seventh_are_not(city: City) -> None:
    """2026-11-05 is a Thursday: day 7 is Monday the 16th. 2026-11-04: day 7 is Friday the 13th."""
    city.batch("b1", TUESDAY, accepted=3)
    city.accept("b1", 1, "on day 7", version=at(DAY, "23:50"), decision_date="2026/11/05")
    city.accept("b1", 2, "on day 8", version=at(TUESDAY, "00:10"), decision_date="2026/11/05")
    city.accept(
        "b1", 3, "on the Saturday after day 7", version=at(dt.date(2026, 11, 14), "10:00"), decision_date="2026/11/04"
    )
    measure(city, TUESDAY)
    assert day_of(city, "decisions_timed, decisions_on_time", TUESDAY) == (3, 1)


def test_a_record_counts_once_by_its_first_delivery_whichever_is_measured_first(city: City) -> None:
    city.batch("b2", FRIDAY, accepted=1)
    city.accept("b2", 1, "A", version=at(FRIDAY), decision_date="2026/11/13")
    measure(city, FRIDAY)
    assert day_of(city, "decisions_received", FRIDAY) == (1,)
    city.batch("b1", DAY, accepted=1)
    city.accept("b1", 1, "A", version=at(DAY), decision_date="2026/11/13")
    measure(city, FRIDAY)
    assert day_of(city, "decisions_received", FRIDAY) == (0,)
    assert day_of(city, "decisions_received", DAY) == (1,), "the earlier day was measured again"


def test_nothing_received_gives_no_rate(city: City) -> None:
    measure(city, DAY)
    assert day_of(city, "completeness, validity, timeliness, correction, decisions_produced, rows_read", DAY) == (
        None,
        None,
        None,
        None,
        None,
        0,
    )
    assert city.query("select count(*) from quality.department_month") == [(0,)]


def test_correction_is_the_share_of_due_issues_mended_in_time(city: City) -> None:
    city.batch("b1", DAY, rejected=2)
    city.fault("b1", 1, "mended", ["R"], version=at(DAY), decision_document_no="1", counterparty_name="甲")
    city.fault("b1", 2, "not mended", ["R"], version=at(DAY), decision_document_no="2", counterparty_name="乙")
    city.batch("b2", TUESDAY, accepted=1)
    city.accept("b2", 1, "mended", version=at(TUESDAY))
    measure(city, FRIDAY)
    assert day_of(city, "correction, issues_overdue, issues_open", FRIDAY) == (Decimal("0.5"), 1, 1)
    measure(city, dt.date(2026, 11, 19))
    due = dt.date(2026, 11, 19)
    assert day_of(city, "issues_due, issues_corrected", due) == (2, 1)


def test_measuring_again_changes_nothing(city: City) -> None:
    city.batch("b1", DAY, accepted=1, rejected=1)
    city.accept("b1", 1, "A", version=at(DAY), decision_date="2026/11/13")
    city.fault("b1", 2, "B", ["PENALTY-R04-USCC"], version=at(DAY), decision_date="2026/11/12")
    measure(city, DAY)
    tables = ("department_day", "department_month", "batch_figure", "batch_decision")
    before = [city.query(f"select to_jsonb(t), xmin::text from quality.{table} t order by 1::text") for table in tables]
    measure(city, DAY)
    assert [city.query(f"select to_jsonb(t), xmin::text from quality.{table} t order by 1::text") for table in tables][
        0:2
    ] == before[0:2]


def test_a_closed_month_that_changes_gets_a_version_and_keeps_the_old_one(city: City) -> None:
    october, december = dt.date(2026, 10, 30), dt.date(2026, 11, 3)
    city.batch("b1", october, accepted=1)
    city.accept("b1", 1, "A", version=at(october), decision_date="2026/10/28")
    measure(city, october)
    city.batch("b2", december, accepted=1)
    city.accept("b2", 1, "B", version=at(december), decision_date="2026/10/12")
    measure(city, december)
    found = (
        "select version, current, decisions_received, timeliness_rate::float from quality.department_month"
        " where month = '2026-10-01' and department = 'sjgj' order by version"
    )
    assert city.query(found) == [(1, True, 2, 0.5)]
    city.batch("b3", DAY, accepted=1)
    city.accept("b3", 1, "C", version=at(DAY), decision_date="2026/10/12")
    measure(city, DAY)
    assert city.query(found) == [(1, False, 2, 0.5), (2, True, 3, 0.333333)]


@pytest.mark.parametrize(
    ("percentage", "band"),
    [(100, "优秀"), (95, "优秀"), (94.99, "良好"), (85, "良好"), (70, "合格"), (69.99, "不合格"), (None, None)],
)
def test_the_four_bands(city: City, percentage: float | None, band: str | None) -> None:
    assert city.query("select quality.band(%s)", (percentage,)) == [(band,)]


@pytest.mark.parametrize("figure", ["completeness", "validity", "timeliness", "correction", "codes", "reporting"])
def test_every_figure_names_a_query_that_runs(city: City, figure: str) -> None:
    query = explain(figure).replace(":'as_of'", "date '2026-11-16'").replace(":'department'", "'sjgj'")
    assert city.query(query) == []


def test_limits_are_proposed_from_history_with_what_they_rest_on_and_not_from_too_little(city: City) -> None:
    for number in range(6):
        day = DAY + dt.timedelta(days=number)
        batch = city.batch(f"b{number}", day, accepted=50)
        city.query(
            "insert into landing.penalty (batch_id, department, feed, row_no, record_key, penalty_category,"
            " fine_amount_wan, counterparty_name, decision_date)"
            " select %s, 'sjgj', 'penalty', n, gen_random_uuid(), case when n %% 5 = 0 then '警告' else '罚款' end,"
            " (n / 10.0)::text, '甲', null"
            " from generate_series(1, 50) n",
            (batch,),
        )
    city.batch("p1", DAY, feed="permit", accepted=3)
    text = propose_thresholds(city.settings, city.registry, ["sjgj"])
    proposed = yaml.safe_load(text)["departments"]["sjgj"]["thresholds"]
    assert proposed["penalty"]["rests_on"] == {"deliveries": 6, "rows": 300}
    assert proposed["penalty"]["volume"] == {"least": 37, "most": 63}
    assert proposed["penalty"]["code_share"]["penalty_category"] == {"罚款": 0.8, "警告": 0.2}
    assert proposed["penalty"]["amount"]["fine_amount_wan"]["median"] == 2.55
    assert proposed["penalty"]["null_share"]["decision_date"] == 1.0
    assert "counterparty_name" not in proposed["penalty"]["null_share"], (
        "columns with persons' names are not looked into"
    )
    empty = {name: proposed["penalty"][name] for name in ("accepted_by", "accepted_on", "reason")}
    assert empty == {"accepted_by": None, "accepted_on": None, "reason": {"zh": None, "en": None}}
    assert proposed["permit"]["too_little_history"] == [
        "volume: 1 of 5 deliveries",
        "shares and amounts: 0 of 200 rows",
    ]
    assert propose_thresholds(city.settings, city.registry, ["sjgj"]) == text


def test_one_bad_batch_does_not_widen_what_is_usual() -> None:
    assert usual_range([100, 102, 98, 101, 99, 5000]) == usual_range([100, 102, 98, 101, 99, 130])
    with pytest.raises(ValueError, match="no values"):
        usual_range([])
