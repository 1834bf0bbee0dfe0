"""Limits for a department from its own history, proposed as YAML for a person to accept with a reason.

Promises
- Nothing is changed here: the answer is text for expectations/departments/<code>.yml (key `thresholds`), with the figures
  it rests on. Pasted as it is, the rule book refuses it: accepted_by, accepted_on and reason are a person's to fill in.
- Robust to outliers: limits come from the median and the median absolute deviation of past accepted deliveries, never
  from the mean, so that one bad batch does not widen what is usual.
- Too little history gives no proposal for that figure, and says so; natural persons' columns are not looked into.
- The same warehouse gives the same text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any

import yaml
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from creditflow.ops.database import transaction
from creditflow.registry import Feed, Kind, Registry
from creditflow.settings import Settings

LEAST_BATCHES = 5
"""Deliveries a feed must have before its volume says anything."""

LEAST_ROWS = 200
"""Rows a feed must have before shares and amounts say anything."""

WIDTH = 6.0
"""How many robust standard deviations from the median are still usual."""

MAD_TO_DEVIATION = 1.4826
CODES_SHOWN = 12


@dataclass(frozen=True)
class Proposal:
    """Limits proposed for one feed. evidence: the figures they rest on. missing: what there is too little history for."""

    department: str
    feed: str
    kind: str
    batches: int
    rows: int
    volume: dict[str, int] | None = None
    null_share: dict[str, float] = field(default_factory=dict)
    code_share: dict[str, dict[str, float]] = field(default_factory=dict)
    amount: dict[str, dict[str, float]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def propose_thresholds(settings: Settings, registry: Registry, departments: Sequence[str] | None = None) -> str:
    """YAML with proposed limits for the departments (default: the city's own), from all accepted deliveries.

    Shape: `departments: {code: {thresholds: {feed: {kind, rests_on, volume, null_share, code_share, amount, accepted_by,
    accepted_on, reason}}}}`; what stands below a code goes into that department's file. accepted_by, accepted_on and reason
    are left empty for the person who accepts. Raises KeyError for an unknown department.
    """
    codes = list(registry.departments) if departments is None else list(departments)
    answer: dict[str, Any] = {}
    for proposal in proposals(settings, registry, codes):
        answer.setdefault(proposal.department, {"thresholds": {}})["thresholds"][proposal.feed] = _as_yaml(proposal)
    head = (
        "# 由历史数据推算的阈值建议，须由负责人核对并填写 accepted_by、accepted_on、reason 后，\n"
        "# 将该部门的 thresholds 写入 expectations/departments/<code>.yml。\n"
        "# Limits proposed from history: a person checks them, fills in accepted_by, accepted_on and reason, and puts a\n"
        "# department's `thresholds` into its file.\n"
    )
    return head + yaml.safe_dump({"departments": answer}, allow_unicode=True, sort_keys=False, width=120)


def proposals(settings: Settings, registry: Registry, codes: Sequence[str]) -> list[Proposal]:
    """The proposals as objects, one for each feed that delivered anything, in order of department and feed."""
    everyone = registry.all()
    found: list[Proposal] = []
    with transaction(settings, "thresholds") as conn, conn.cursor() as cursor:
        cursor.execute("set transaction read only")
        for code in codes:
            for name, feed in sorted(everyone[code].feeds.items()):
                proposal = _propose(cursor, code, name, feed, registry.kinds[feed.kind])
                if proposal is not None:
                    found.append(proposal)
    return found


def _propose(cursor: Cursor, department: str, name: str, feed: Feed, kind: Kind) -> Proposal | None:
    cursor.execute(
        "select rows_read - rows_out_of_scope - rows_duplicate from ops.batch where department = %s and feed = %s"
        " and state in ('accepted', 'partly_accepted') order by delivered_at, batch_id",
        (department, name),
    )
    volumes = [int(row[0]) for row in cursor.fetchall()]
    cursor.execute("select to_regclass(%s) is not null", (f'landing."{kind.name}"',))
    there = cursor.fetchone()
    if not volumes or not (there and there[0]):
        return None
    missing = []
    volume = usual_range([float(count) for count in volumes]) if len(volumes) >= LEAST_BATCHES else None
    if volume is None:
        missing.append(f"volume: {len(volumes)} of {LEAST_BATCHES} deliveries")
    rows = _count(cursor, kind, department, name)
    if rows < LEAST_ROWS:
        missing.append(f"shares and amounts: {rows} of {LEAST_ROWS} rows")
        return Proposal(department, name, kind.name, len(volumes), rows, _whole(volume), missing=tuple(missing))
    columns = [
        column
        for column in kind.columns
        if column.type != "person_id"
        and not column.person_name
        and (feed.allow_columns is None or column.name in feed.allow_columns)
    ]
    return Proposal(
        department,
        name,
        kind.name,
        len(volumes),
        rows,
        _whole(volume),
        _null_shares(cursor, kind, department, name, [column.name for column in columns], rows),
        {
            column.name: shares
            for column in columns
            if column.list
            for shares in [_code_shares(cursor, kind, department, name, column.name)]
            if shares
        },
        {
            column.name: limits
            for column in columns
            if column.type == "decimal"
            for limits in [_amounts(cursor, kind, department, name, column.name)]
            if limits
        },
        tuple(missing),
    )


def usual_range(values: Sequence[float]) -> tuple[float, float]:
    """(lowest, highest) that is still usual: median plus and minus WIDTH robust deviations, at least a quarter of the
    median wide on each side and never below zero. Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    middle = median(values)
    deviation = median(abs(value - middle) for value in values) * MAD_TO_DEVIATION
    width = max(WIDTH * deviation, middle / 4)
    return max(0.0, middle - width), middle + width


def _whole(limits: tuple[float, float] | None) -> dict[str, int] | None:
    return None if limits is None else {"least": math.floor(limits[0]), "most": math.ceil(limits[1])}


def _count(cursor: Cursor, kind: Kind, department: str, feed: str) -> int:
    cursor.execute(
        f'select count(*) from landing."{kind.name}" where department = %s and feed = %s', (department, feed)
    )
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def _null_shares(
    cursor: Cursor, kind: Kind, department: str, feed: str, columns: Sequence[str], rows: int
) -> dict[str, float]:
    """column -> highest usual share of blanks, from the shares of single deliveries."""
    shares = ", ".join(f"avg((nullif(btrim({name}), '') is null)::integer)" for name in columns)
    cursor.execute(
        f'select {shares} from landing."{kind.name}" where department = %s and feed = %s group by batch_id having count(*) >= 20'
        " order by batch_id",
        (department, feed),
    )
    lines = cursor.fetchall()
    found: dict[str, float] = {}
    for at, name in enumerate(columns):
        values = [float(line[at]) for line in lines]
        if values:
            _, most = usual_range(values)
            found[name] = round(min(1.0, max(most, max(median(values), 0.0) + 0.02)), 3)
    return found


def _code_shares(cursor: Cursor, kind: Kind, department: str, feed: str, column: str) -> dict[str, float]:
    """code -> its share of the filled cells, most frequent first: what a drift is measured against."""
    cursor.execute(
        f'select {column}, count(*)::numeric / sum(count(*)) over () from landing."{kind.name}"'
        f" where department = %s and feed = %s and btrim({column}) <> '' group by 1 order by 2 desc, 1 limit {CODES_SHOWN}",
        (department, feed),
    )
    return {str(value): round(float(share), 3) for value, share in cursor.fetchall()}


def _amounts(cursor: Cursor, kind: Kind, department: str, feed: str, column: str) -> dict[str, float] | None:
    """Quartiles, 99th percentile and the most that is usual, on a logarithmic scale because amounts are skewed."""
    cursor.execute(
        f"select percentile_cont(array[0.25, 0.5, 0.75, 0.99]) within group (order by a), count(*) from ("
        f'select ops.parse_decimal({column}) as a from landing."{kind.name}" where department = %s and feed = %s) v where a > 0',
        (department, feed),
    )
    row = cursor.fetchone()
    if row is None or row[1] < LEAST_BATCHES * 4:
        return None
    low, middle, high, top = (float(value) for value in row[0])
    spread = math.log(high / low) / 1.349 if low > 0 and high > low else 0.25
    most = max(top, middle * math.exp(WIDTH * spread))
    return {
        "quarter": _short(low),
        "median": _short(middle),
        "three_quarters": _short(high),
        "p99": _short(top),
        "most": _short(most),
    }


def _short(value: float) -> float:
    """Four significant digits."""
    return float(Decimal(f"{value:.4g}"))


def _as_yaml(proposal: Proposal) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": proposal.kind,
        "rests_on": {"deliveries": proposal.batches, "rows": proposal.rows},
    }
    for name in ("volume", "null_share", "code_share", "amount"):
        value = getattr(proposal, name)
        if value:
            document[name] = value
    if proposal.missing:
        document["too_little_history"] = list(proposal.missing)
    return {**document, "accepted_by": None, "accepted_on": None, "reason": {"zh": None, "en": None}}
