"""Rules about a delivery as a whole: each with a delivery that keeps it and one that breaks it, through the whole gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from creditflow.quality.marked_yaml import RuleBookError
from creditflow.quality.rulebook import BATCH, RuleBook, load_rulebook
from creditflow.registry import Registry
from tests.quality.conftest import on_project
from tests.quality.world import Gatehouse

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Sent:
    """One delivery of permits: rows, and what its batch says."""

    rows: Callable[[Gatehouse], Rows]
    batch: dict[str, Any] = field(default_factory=dict)


def permits(count: int, **changes: Any) -> Callable[[Gatehouse], Rows]:
    """`count` permits, each with a number of its own."""
    return lambda house: [
        house.clean("permit", "cgj", decision_document_no=f"汕测许〔2026〕{n}号", **{"@key": f"p{n}"}, **changes)
        for n in range(count)
    ]


def with_newest(count: int, day: str) -> Callable[[Gatehouse], Rows]:
    """Permits of January, and one of another day."""
    return lambda house: [
        *permits(count - 1, decision_date="2026/01/05")(house),
        house.clean("permit", "cgj", decision_date=day, **{"@key": "newest"}),
    ]


def past(house: Gatehouse, rows: int, times: int) -> None:
    """Earlier accepted deliveries of the feed, told by their counts."""
    for number in range(times):
        house.query(
            "insert into ops.batch (batch_id, department, feed, kind, channel, format, layout, delivery, file,"
            " archive_path, sha256, original_sha256, bytes, delivered_at, received_at, as_of, state, rows_read,"
            " rows_accepted) values (%s, 'cgj', 'permit', 'permit', 'sftp', 'csv', '2018', 'delta', 'a', 'a', 'x', %s, 1,"
            " '2026-11-01', now(), '2026-11-01', 'accepted', %s, %s)",
            f"PAST-{number}",
            f"past {number}",
            rows,
            rows,
        )


SNAPSHOT = {"delivery": "full_snapshot"}
EXAMPLES: dict[str, tuple[Sent, Sent]] = {
    "BATCH-ROWS": (Sent(permits(3), {"declared_rows": 3}), Sent(permits(3), {"declared_rows": 4})),
    "BATCH-SHA256": (
        Sent(permits(1), {"declared_sha256": "AB" * 32, "original_sha256": "ab" * 32}),
        Sent(permits(1), {"declared_sha256": "ab" * 32, "original_sha256": "cd" * 32}),
    ),
    "BATCH-EMPTY": (Sent(permits(1)), Sent(permits(0))),
    "BATCH-FORBIDDEN": (Sent(permits(1)), Sent(permits(1), {"columns_cut": ["民族"]})),
    "BATCH-COLUMNS": (Sent(permits(1)), Sent(permits(1, **{"@extra": {"新增列": "甲"}}))),
    "BATCH-SNAPSHOT": (Sent(permits(20), SNAPSHOT), Sent(permits(19), SNAPSHOT)),
    "BATCH-VOLUME": (Sent(permits(400)), Sent(permits(401))),
    "BATCH-STALE": (Sent(with_newest(20, "2026/07/23")), Sent(with_newest(20, "2026/07/22"))),
    "BATCH-REPEATED": (
        Sent(lambda house: [*permits(5)(house)[:4], house.clean("permit", "cgj", **{"@key": "new"})]),
        Sent(permits(5)),
    ),
}
BEFORE: dict[str, Callable[[Gatehouse], None]] = {
    "BATCH-SNAPSHOT": lambda house: past(house, 40, 1),
    "BATCH-VOLUME": lambda house: past(house, 40, 5),
    "BATCH-REPEATED": lambda house: house.judge(house.deliver("permit", permits(5)(house), "cgj")) and None,
}


def judged(house: Gatehouse, rule_id: str, sent: Sent) -> tuple[int, int, str]:
    """(evaluated, failed, state of the batch) after a delivery was judged, in a city with the rule's history."""
    house.query("truncate ops.batch, quality.rule_result, quality.row_verdict, quality.incident, landing.permit")
    BEFORE.get(rule_id, lambda _: None)(house)
    batch_id = house.deliver("permit", sent.rows(house), "cgj", **sent.batch)
    house.judge(batch_id)
    evaluated, failed = house.query(
        "select rows_evaluated, rows_failed from quality.rule_result where batch_id = %s and rule_id = %s",
        batch_id,
        rule_id,
    )[0]
    told = house.query("select count(*) from quality.incident where batch_id = %s and rule_id = %s", batch_id, rule_id)
    assert told == [(failed,)], "what fails is told as an incident"
    return evaluated, failed, house.batch(batch_id)["state"]


@pytest.mark.parametrize("rule_id", EXAMPLES)
def test_a_rule_about_deliveries_keeps_the_good_one_and_catches_the_bad_one(
    fresh: Gatehouse, book: RuleBook, rule_id: str
) -> None:
    good, bad = EXAMPLES[rule_id]
    assert judged(fresh, rule_id, good)[:2] == (1, 0)
    evaluated, failed, state = judged(fresh, rule_id, bad)
    assert (evaluated, failed) == (1, 1)
    assert (state == "held") == (book.by_id[rule_id].severity == "hold")


def test_every_rule_about_deliveries_has_its_examples(book: RuleBook) -> None:
    assert {rule.rule_id for rule in book.kinds[BATCH]} == set(EXAMPLES)


# --- drift: accepted thresholds ----------------------------------------------------------------------------------------

ACCEPTED = """
thresholds:
  penalty:
    kind: penalty
    rests_on: {deliveries: 12, rows: 1200}
    volume: {least: 80, most: 120}
    null_share: {remark: 0.12, violation_facts: 1.0}
    code_share:
      penalty_category: {罚款: 0.8, 警告: 0.15}
    amount:
      fine_amount_wan: {quarter: 2.0, median: 5.0, three_quarters: 8.0, p99: 9.9, most: 20.0}
    accepted_by: 测试员
    accepted_on: 2026-11-01
    reason: {zh: 与往期一致, en: as before}
"""
DRIFT = {
    "BATCH-PENALTY-DRIFT-VOLUME",
    "BATCH-PENALTY-NULLS-REMARK",
    "BATCH-PENALTY-CODES-PENALTY_CATEGORY",
    "BATCH-PENALTY-AMOUNTS-FINE_AMOUNT_WAN",
}


def accept(project: Path, text: str = ACCEPTED, department: str = "cgj") -> None:
    """Write accepted thresholds into a department's file."""
    file = project / "expectations" / "departments" / f"{department}.yml"
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


def penalties(house: Gatehouse, count: int = 100, *, blank: int = 10, warned: int = 20, unit: int = 1) -> Rows:
    """Penalties as usual: of a hundred, `blank` without a remark, `warned` without a fine, fines of 0.1 to 10 times `unit`."""
    rows = []
    for n in range(count):
        row = house.clean("penalty", "cgj", decision_document_no=f"汕测罚〔2026〕{n}号", **{"@key": f"{unit}/{n}"})
        row["remark"] = None if n % 100 < blank else "无附件"
        fine = (n * 37 % 100 + 1) / 10 * unit
        warning = {"penalty_category": "警告", "fine_amount_wan": None, "penalty_content": "警告"}
        rows.append(row | ({"fine_amount_wan": str(fine)} if n * 7 % 100 >= warned else warning))
    return rows


def drifted(house: Gatehouse, batch_id: str) -> set[str]:
    """Accepted thresholds that a delivery broke."""
    found = house.query(
        "select rule_id from quality.rule_result where batch_id = %s and rows_failed > 0 and rule_id like 'BATCH-PENALTY-%%'",
        batch_id,
    )
    return {rule_id for (rule_id,) in found}


def test_a_delivery_is_compared_with_what_was_accepted_as_usual(fresh: Gatehouse, project: Path) -> None:
    accept(project)
    house = on_project(fresh, project)
    cases: dict[str, tuple[Rows, set[str]]] = {
        "usual": (penalties(house), set()),
        "blank": (penalties(house, blank=40), {"BATCH-PENALTY-NULLS-REMARK"}),
        "blank by chance": (penalties(house, blank=20), set()),
        "codes": (penalties(house, warned=55), {"BATCH-PENALTY-CODES-PENALTY_CATEGORY"}),
        "yuan": (penalties(house, unit=10_000), {"BATCH-PENALTY-AMOUNTS-FINE_AMOUNT_WAN"}),
        "small": (penalties(house, 30, blank=100, unit=10_000), set()),
        "first of many": (penalties(house, 130), set()),
    }
    batches = {
        name: house.deliver("penalty", rows, "cgj", batch_id=f"CGJ-{place}")
        for place, (name, (rows, _)) in enumerate(cases.items())
    }
    other = house.deliver("penalty", penalties(house, blank=100), "jtj", batch_id="JTJ-1")
    house.judge()
    assert {name: drifted(house, batch_id) for name, batch_id in batches.items()} == {
        name: expected for name, (_, expected) in cases.items()
    }
    assert house.batch(batches["blank"])["state"] == "accepted", "a drift is a flag"
    assert drifted(house, other) == set(), "limits are the department's own"
    detail = house.query("select detail from quality.incident where batch_id = %s", batches["blank"])[0][0]
    assert detail["measured"] == {"told": 100, "blank_remark": 40}
    assert detail["accepted"]["most"] == 0.12


def test_the_number_of_rows_is_compared_once_there_is_history(fresh: Gatehouse, project: Path) -> None:
    accept(project)
    house = on_project(fresh, project)
    past(house, 100, 5)
    house.query("update ops.batch set feed = 'penalty', kind = 'penalty'")
    good = house.deliver("penalty", penalties(house, 120), "cgj", delivered_at=datetime(2026, 11, 19, 1, tzinfo=UTC))
    bad = house.deliver("penalty", penalties(house, 121), "cgj")
    house.judge()
    assert (drifted(house, good), drifted(house, bad)) == (set(), {"BATCH-PENALTY-DRIFT-VOLUME"})


def test_a_person_may_let_a_drift_hold_the_delivery(fresh: Gatehouse, project: Path) -> None:
    file = project / "expectations" / "departments" / "cgj.yml"
    hold = "kinds:\n  batch:\n    change:\n      BATCH-PENALTY-NULLS-REMARK:\n        severity: hold\n"
    hold += "        reason: {zh: 备注说明处罚对象, en: the remark names the party}\n"
    file.write_text(file.read_text(encoding="utf-8").replace("kinds: {}\n", hold), encoding="utf-8")
    accept(project)
    house = on_project(fresh, project)
    batch_id = house.deliver("penalty", penalties(house, blank=40), "cgj")
    house.judge()
    batch = house.batch(batch_id)
    assert (batch["state"], batch["reasons"][0]["code"]) == ("held", "BATCH-PENALTY-NULLS-REMARK")
    assert batch["reasons"][0]["zh"].startswith("行政处罚“备注”空值占比高于认可上限 0.12")


def test_without_acceptance_there_is_no_drift_rule(book: RuleBook, registry: Registry, project: Path) -> None:
    accept(project)
    with_limits = load_rulebook(project, registry)
    assert {rule.rule_id for rule in with_limits.batch_rules("cgj", "penalty")} >= DRIFT
    for department, feed in (("cgj", "permit"), ("sjj", "penalty")):
        assert not {rule.rule_id for rule in with_limits.batch_rules(department, feed)} & DRIFT
    assert not {rule.rule_id for rule in book.batch_rules("cgj", "penalty")} & DRIFT


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    accepted_by: 测试员\n", "    accepted_by:\n", "accepted_by"),
        ("    accepted_on: 2026-11-01\n", "    accepted_on: soon\n", "accepted_on"),
        ("    reason: {zh: 与往期一致, en: as before}\n", "    reason: {zh: , en: as before}\n", "reason.zh"),
        ("remark: 0.12", "remarks: 0.12", "unknown column of penalty: remarks"),
        ("remark: 0.12", "remark: 12", "remark"),
        ("    volume: {least: 80, most: 120}", "    volumes: {least: 80, most: 120}", "volumes"),
        ("  penalty:\n    kind: penalty", "  penalties:\n    kind: penalty", "has no feed penalties"),
        ("罚款: 0.8", "罚款: 80", "罚款"),
    ],
)
def test_limits_that_nobody_accepted_or_that_name_nothing_are_refused_with_their_line(
    registry: Registry, project: Path, old: str, new: str, said: str
) -> None:
    assert old in ACCEPTED
    accept(project, ACCEPTED.replace(old, new))
    with pytest.raises(RuleBookError) as caught:
        load_rulebook(project, registry)
    problems = [str(problem) for problem in caught.value.problems]
    file = project / "expectations" / "departments" / "cgj.yml"
    lines = file.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if text == new.splitlines()[0] or new in text)
    assert len(problems) == 1
    assert problems[0].startswith(f"expectations/departments/cgj.yml:{line}: "), problems
    assert said in problems[0]
