"""Verdicts against the sandbox's truth ledger: what was injected and caught, what was clean and refused.

Promises
- The judge knows nothing of the rules: it joins the ledger's rows with the verdicts by delivery and row, and compares words.
- An injected fault counts as caught only when its row got at least the verdict that the ledger expects of it.
- A row that is neither in the ledger nor flagged only may not be rejected, held, set aside or called a duplicate.
- A delivery that went wrong as a whole counts as met only when the batch, or the department's arrival that night, got
  the very state the ledger expects, and what was sent again in its place got in.
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


@dataclass
class Comparison:
    """by_fault: fault type and expected verdict -> [injected, caught]; whole: the same for deliveries as a whole.
    missed, refused, unmet: rows and deliveries to look at, without values."""

    by_fault: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    whole: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    unmet: list[dict[str, Any]] = field(default_factory=list)
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
            "whole_deliveries": [
                {"fault": fault, "expected": expected, "injected": found[0], "caught": found[1]}
                for (fault, expected), found in sorted(self.whole.items())
            ],
            "unmet": self.unmet,
            "missed": self.missed[:50],
            "refused": self.refused[:50],
        }


def table(found: dict[str, Any]) -> str:
    """The comparison as two tables by fault type, rows and whole deliveries, in Markdown."""
    total = f"| **all** | | **{found['injected']}** | **{found['caught']}** |"
    rows = _table("fault of a row", "expected at least", found["by_fault"])
    return "\n".join([*rows, total, "", *_table("fault of a whole delivery", "expected", found["whole_deliveries"])])


def _table(what: str, expected: str, items: list[dict[str, Any]]) -> list[str]:
    lines = [f"| {item['fault']} | {item['expected']} | {item['injected']} | {item['caught']} |" for item in items]
    return [f"| {what} | {expected} | injected | caught |", "|---|---|---|---|", *lines]


def _ledger(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


Place = tuple[str, int]
"""A row: (batch, row number), or (department/feed, sequence number) where a table or an API numbers its rows for ever."""

_STREAMS = ("frontend_db", "rest_api")


@dataclass(frozen=True)
class _Batch:
    """What the judge needs to know of a batch. stream: department/feed of a table or an API, else blank."""

    department: str
    feed: str
    file: str
    state: str
    rows: int
    stream: str


def _batches(conn: Connection) -> dict[str, _Batch]:
    with conn.cursor() as cursor:
        cursor.execute("select batch_id, department, feed, channel, file, state, rows_read from ops.batch")
        return {
            batch_id: _Batch(
                department, feed, Path(file).name, state, rows, f"{department}/{feed}" if channel in _STREAMS else ""
            )
            for batch_id, department, feed, channel, file, state, rows in cursor.fetchall()
        }


@dataclass(frozen=True)
class _Verdict:
    """The gravest verdict of a row, and where it stands."""

    verdict: str
    rule_ids: list[str]
    batch_id: str
    row_no: int


def _verdicts(conn: Connection, batches: dict[str, _Batch]) -> dict[Place, _Verdict]:
    found: dict[Place, _Verdict] = {}
    with conn.cursor() as cursor:
        cursor.execute("select batch_id, row_no, version_seq, verdict, rule_ids from quality.row_verdict")
        for batch_id, row_no, sequence, verdict, rule_ids in cursor.fetchall():
            stream = batches[batch_id].stream
            place = (stream, int(sequence)) if stream else (batch_id, int(row_no))
            before = found.get(place)
            if before is None or SEVERITY.get(verdict, 3) > SEVERITY.get(before.verdict, 3):
                found[place] = _Verdict(verdict, rule_ids, batch_id, row_no)
    return found


_MET = {"hold": ("held", "refused"), "accept": ("accepted", "partly_accepted"), "duplicate": ("duplicate",)}
"""States of a batch that meet what the ledger expects of a delivery as a whole."""


def _whole_deliveries(
    truth: Path,
    states: dict[tuple[str, str, str], set[str]],
    late: set[tuple[str, str]],
    undeclared: set[tuple[str, str, str]],
    result: Comparison,
) -> None:
    """Compare batches.csv. states: of the batches by (department, feed, file); late: (department, day) of arrivals;
    undeclared: (department, feed, month) with an issue for a zero declaration that never came."""
    for item in _ledger(truth / "batches.csv"):
        expected, name = item["expected"], item["delivery"]

        def got(name: str, item: dict[str, str] = item) -> set[str]:
            return states.get((item["department"], item["feed"], name), set())

        if expected == "late":
            met = (item["department"], item["day"]) in late and bool(got(name) & {*_MET["accept"]})
        elif expected == "issue":
            met = (item["department"], item["feed"], name) in undeclared
        elif expected == "duplicate":  # one file under two names: one gets in, the other says nothing new
            both = got(name) | got(name.replace("_001.", "_002."))
            met = bool(both & {*_MET["accept"]}) and bool(both & {*_MET["duplicate"]})
        else:
            met = bool(got(name) & {*_MET[expected]})
            met = met and (not item["healed_by"] or bool(got(item["healed_by"]) & {*_MET["accept"]}))
        count = result.whole.setdefault((item["fault"], expected), [0, 0])
        count[0] += 1
        count[1] += met
        if not met:
            result.unmet.append(item | {"got": sorted(got(name)), "healed": sorted(got(item["healed_by"]))})


def compare(settings: Settings, truth: Path) -> Comparison:
    """Compare all gated batches with the ledger in `truth` (the sandbox's home/truth)."""
    conn = connect(settings, name="truth", autocommit=True)
    try:
        batches = _batches(conn)
        verdicts = _verdicts(conn, batches)
        with conn.cursor() as cursor:
            cursor.execute("select department, as_of::text from ops.arrival where state = 'late'")
            late = {(department, day) for department, day in cursor.fetchall()}
            cursor.execute("select department, feed, record from quality.issue where rule_id = 'ZERO-DECLARATION'")
            undeclared = {(department, feed, month) for department, feed, month in cursor.fetchall()}
    finally:
        conn.close()
    result = Comparison(rows=sum(batch.rows for batch in batches.values()))
    files: dict[tuple[str, str, str], list[str]] = {}
    for batch_id, batch in batches.items():
        files.setdefault((batch.department, batch.feed, batch.file), []).append(batch_id)
    states = {place: {batches[batch_id].state for batch_id in found} for place, found in files.items()}
    _whole_deliveries(truth, states, late, undeclared, result)

    def rows_of(item: dict[str, str]) -> list[Place]:
        if item["seq"]:
            return [(f"{item['department']}/{item['feed']}", int(item["seq"]))]
        number = int(item["row_no"])
        return [(batch_id, number) for batch_id in files.get((item["department"], item["feed"], item["delivery"]), [])]

    unjudged = {batch_id for batch_id, batch in batches.items() if batch.state in ("held", "refused", "duplicate")}
    faulty: set[Place] = set()
    for item in _ledger(truth / "faults.csv"):
        places = rows_of(item)
        faulty.update(places)
        places = [place for place in places if place[0] not in unjudged]
        found = [verdicts[place] for place in places if place in verdicts]
        if not places or any(one.batch_id in unjudged for one in found):
            continue
        count = result.by_fault.setdefault((item["fault"], item["expected"]), [0, 0])
        count[0] += 1
        expected = SEVERITY[item["expected"]]
        got = [one.verdict for one in found]
        if expected == 0 or any(SEVERITY.get(verdict, 3) >= expected for verdict in got):
            count[1] += 1
        else:
            told = ("department", "feed", "delivery", "row_no", "seq", "fault", "field", "expected")
            result.missed.append({key: item[key] for key in told} | {"got": got})
    near = {place for item in _ledger(truth / "near_misses.csv") for place in rows_of(item)} - faulty
    result.near_misses = len(near)
    for place, one in sorted(verdicts.items()):
        if one.verdict == "flagged" or place in faulty or one.batch_id in unjudged:
            continue
        result.refused.append(
            {"batch_id": one.batch_id, "row_no": one.row_no, "verdict": one.verdict, "rule_ids": one.rule_ids}
        )
        result.near_misses_refused += place in near
    return result
