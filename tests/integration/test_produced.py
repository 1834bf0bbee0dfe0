"""上报率: decisions received over decisions the department says it produced, however it said so."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from creditflow.quality.indicators import refresh_indicators
from creditflow.quality.issues import sweep_issues
from creditflow.quality.produced import ReturnError, declare_produced
from tests.issue_world import DAY, City, at, settle

OCTOBER = dt.date(2026, 10, 1)


@pytest.fixture
def city(warehouse: Any) -> City:
    """A city in which market regulation sent three penalties of October."""
    city = settle(warehouse)
    city.batch("b1", DAY, accepted=3)
    for row_no in (1, 2, 3):
        city.accept("b1", row_no, f"r{row_no}", version=at(DAY, "03:00"), decision_date="2026/10/30")
    city.landing(city.registry.kinds["zero_declaration"])
    return city


def zero(city: City, kind: str, period: str = "2026-10", department: str = "sjgj") -> None:
    """A zero declaration."""
    name = f"z-{kind}-{department}"
    city.batch(name, DAY, department=department, feed="zero_declaration", state="accepted", accepted=1)
    city.accept(name, 1, name, version=at(DAY), declared_kind=kind, period=period)


def control(city: City, batch: str, **produced: int) -> None:
    """What the control file of a batch said, by month (m2026_10=4)."""
    told = {name[1:].replace("_", "-"): count for name, count in produced.items()}
    city.query("update ops.batch set produced = %s where batch_id = %s", (json.dumps(told), batch))


def declare(city: City, kind: str, count: int, **changes: Any) -> None:
    """A monthly return for October."""
    given = {"reason": "月报〔2026〕10号", "decided_by": "测试员", "as_of": DAY, **changes}
    declare_produced(city.settings, city.registry, "sjgj", kind, OCTOBER, count, **given)


def october(city: City, day: dt.date = DAY, department: str = "sjgj") -> tuple[Any, ...]:
    """(produced, reporting rate, basis) of October as of a day."""
    sweep_issues(city.settings, city.registry, day)
    refresh_indicators(city.settings, city.registry, day)
    produced = city.query(
        "select produced from quality.produced_month where month = %s and department = %s", (OCTOBER, department)
    )
    rate = city.query(
        "select reporting_rate, reporting_basis from quality.department_month"
        " where month = %s and department = %s and current",
        (OCTOBER, department),
    )
    return (produced[0][0] if produced else None, *(rate[0] if rate else (None, None)))


def test_a_control_file_and_a_zero_declaration_make_the_denominator(city: City) -> None:
    control(city, "b1", m2026_10=4, m2026_09=7)
    assert october(city)[0] is None, "permits said nothing yet"
    zero(city, "permit")
    assert october(city) == (4, Decimal("0.75"), "decisions")


def test_the_signed_monthly_return_counts_before_what_control_files_said(city: City) -> None:
    control(city, "b1", m2026_10=4)
    zero(city, "permit")
    declare(city, "penalty", 6)
    assert october(city) == (6, Decimal("0.5"), "decisions")
    declare(city, "penalty", 5, as_of=DAY + dt.timedelta(days=1))
    assert october(city)[0] == 6, "what was entered later was not known that day"
    assert october(city, DAY + dt.timedelta(days=1)) == (5, Decimal("0.6"), "decisions")


def test_nothing_received_of_what_was_produced_is_nought_not_all(city: City) -> None:
    control(city, "b1", m2026_09=2, m2026_10=3)
    zero(city, "permit")
    zero(city, "permit", "2026-09", "zjj")
    declare_produced(
        city.settings, city.registry, "zjj", "penalty", dt.date(2026, 9, 1), 8,
        reason="月报〔2026〕9号", decided_by="测试员", as_of=DAY,
    )  # fmt: skip
    october(city)
    assert city.query(
        "select reporting_rate, reporting_basis, decisions_received from quality.department_month"
        " where department = 'zjj' and month = '2026-09-01' and current"
    ) == [(Decimal(0), "decisions", 0)]


def test_nothing_produced_and_so_declared_is_judged_by_the_declarations(city: City) -> None:
    city.accept(
        "b1", 4, "r4", version=at(DAY, "03:00"), decision_date="2026/09/10"
    )  # the city owes declarations from October
    for kind in ("permit", "penalty"):
        zero(city, kind, department="kjj")
    assert october(city, department="kjj") == (0, Decimal(1), "feeds")


def test_measuring_again_changes_nothing_and_a_refused_delivery_says_nothing(city: City) -> None:
    control(city, "b1", m2026_10=4)
    zero(city, "permit")
    first = october(city)
    versions = city.query("select count(*) from quality.department_month")
    assert october(city) == first
    assert city.query("select count(*) from quality.department_month") == versions
    city.query("update ops.batch set state = 'refused' where batch_id = 'b1'")
    assert october(city)[0] is None


@pytest.mark.parametrize(
    ("kind", "count", "changes", "said"),
    [
        ("rating_of_stars", 1, {}, "does not supply"),
        ("penalty", -1, {}, "from 0 up"),
        ("penalty", 1, {"reason": " "}, "reason"),
        ("penalty", 1, {"as_of": dt.date(2026, 10, 31)}, "not over"),
    ],
)
def test_a_return_that_cannot_be_is_refused(
    city: City, kind: str, count: int, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ReturnError, match=said):
        declare(city, kind, count, **changes)
    assert city.query("select count(*) from ops.event") == [(0,)]
