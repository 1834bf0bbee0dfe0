"""Verdicts against the sandbox's truth ledger: what was injected and caught, what was clean and refused.

Promises
- The judge knows nothing of the rules: it joins the ledger's rows with the verdicts by delivery and row, and compares words.
- An injected fault counts as caught only when its row got at least the verdict that the ledger expects of it.
- A row that is neither in the ledger nor flagged only may not be rejected, held, set aside or called a duplicate.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from creditflow.ops.database import Connection, connect
from creditflow.settings import Settings

SEVERITY = {
    "normalise": 0,
    "flag": 1,
    "repair": 1,
    "flagged": 1,
    "out_of_scope": 2,
    "duplicate": 2,
    "reject": 3,
    "rejected": 3,
}
"""How far a verdict goes; a row may get more than the least the ledger expects, never less."""

POSITION_OF_FIRST_ROW = {"csv": 2, "table": 2, "html": 2, "xml": 1, "json": 1}
"""Row number that the readers give the first data row, by format, where the ledger counts positions from 1."""


@dataclass
class Comparison:
    """by_fault: fault type and expected verdict -> [injected, caught]. missed, refused: rows to look at, without values."""

    by_fault: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    missed: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0
    near_misses: int = 0
    near_misses_refused: int = 0

    @property
    def injected(self) -> int:
        """Faults in the ledger that were delivered."""
        return sum(found[0] for found in self.by_fault.values())

    @property
    def caught(self) -> int:
        """Of these, the ones whose row got the expected verdict or more."""
        return sum(found[1] for found in self.by_fault.values())

    def as_dict(self) -> dict[str, Any]:
        """For results.json and --json."""
        return {
            "rows": self.rows,
            "injected": self.injected,
            "caught": self.caught,
            "recall": round(self.caught / self.injected, 6) if self.injected else None,
            "false_refusals": len(self.refused),
            "near_misses": self.near_misses,
            "near_misses_refused": self.near_misses_refused,
            "by_fault": [
                {"fault": fault, "expected": expected, "injected": found[0], "caught": found[1]}
                for (fault, expected), found in sorted(self.by_fault.items())
            ],
            "missed": self.missed[:50],
            "refused": self.refused[:50],
        }


def table(found: dict[str, Any]) -> str:
    """The comparison as a table by fault type, in Markdown."""
    lines = [
        f"| {item['fault']} | {item['expected']} | {item['injected']} | {item['caught']} |"
        for item in found["by_fault"]
    ]
    total = f"| **all** | | **{found['injected']}** | **{found['caught']}** |"
    return "\n".join(["| fault | expected at least | injected | caught |", "|---|---|---|---|", *lines, total])


def _ledger(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def _batches(conn: Connection) -> dict[tuple[str, str, str], list[str]]:
    """(department, feed, ledger's name of the delivery) -> batches. A table or an API has a name per feed and turn only."""
    found: dict[tuple[str, str, str], list[str]] = {}
    turn: dict[tuple[str, str], int] = {}
    with conn.cursor() as cursor:
        cursor.execute(
            "select batch_id, department, feed, channel, file from ops.batch order by as_of, received_at, batch_id"
        )
        for batch_id, department, feed, channel, file in cursor.fetchall():
            if channel in ("frontend_db", "rest_api"):
                turn[department, feed] = turn.get((department, feed), 0) + 1
                name = f"{department}/{feed}#{turn[department, feed]}"
            else:
                name = Path(file).name
            found.setdefault((department, feed, name), []).append(batch_id)
    return found


def _verdicts(conn: Connection) -> dict[tuple[str, int], tuple[str, list[str]]]:
    """(batch, row) -> (gravest verdict, rules)."""
    found: dict[tuple[str, int], tuple[str, list[str]]] = {}
    with conn.cursor() as cursor:
        cursor.execute("select batch_id, row_no, verdict, rule_ids from quality.row_verdict")
        for batch_id, row_no, verdict, rule_ids in cursor.fetchall():
            before = found.get((batch_id, row_no))
            if before is None or SEVERITY.get(verdict, 3) > SEVERITY.get(before[0], 3):
                found[batch_id, row_no] = (verdict, rule_ids)
    return found


def compare(settings: Settings, truth: Path) -> Comparison:
    """Compare all gated batches with the ledger in `truth` (the sandbox's home/truth)."""
    conn = connect(settings, name="truth", autocommit=True)
    try:
        batches, verdicts = _batches(conn), _verdicts(conn)
        with conn.cursor() as cursor:
            cursor.execute("select batch_id, format, channel, state, rows_read from ops.batch")
            form = {row[0]: row[1:] for row in cursor.fetchall()}
    finally:
        conn.close()
    result = Comparison(rows=sum(item[3] for item in form.values()))

    def rows_of(item: dict[str, str]) -> list[tuple[str, int]]:
        places = []
        for batch_id in batches.get((item["department"], item["feed"], item["delivery"]), []):
            number = int(item["row_no"])
            if form[batch_id][1] == "frontend_db":
                number += POSITION_OF_FIRST_ROW["table"] - 1
            places.append((batch_id, number))
        return places

    held = {batch_id for batch_id, item in form.items() if item[2] in ("held", "refused", "duplicate")}
    faulty: set[tuple[str, int]] = set()
    for item in _ledger(truth / "faults.csv"):
        places = rows_of(item)
        faulty.update(places)
        places = [place for place in places if place[0] not in held]
        if not places:
            continue
        count = result.by_fault.setdefault((item["fault"], item["expected"]), [0, 0])
        count[0] += 1
        expected = SEVERITY[item["expected"]]
        got = [verdicts[place][0] for place in places if place in verdicts]
        if expected == 0 or any(SEVERITY.get(verdict, 3) >= expected for verdict in got):
            count[1] += 1
        else:
            told = ("department", "feed", "delivery", "row_no", "fault", "field", "expected")
            result.missed.append({key: item[key] for key in told} | {"got": got})
    near = {place for item in _ledger(truth / "near_misses.csv") for place in rows_of(item)} - faulty
    result.near_misses = len(near)
    for place, (verdict, rule_ids) in sorted(verdicts.items()):
        if verdict == "flagged" or place in faulty or place[0] in held:
            continue
        result.refused.append({"batch_id": place[0], "row_no": place[1], "verdict": verdict, "rule_ids": rule_ids})
        result.near_misses_refused += place in near
    return result
