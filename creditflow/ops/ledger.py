"""What the control tables say about batches, in the words of the public surface.

Promises
- A batch is told the same way everywhere: `creditflow ingest|drop --json`, last_night.json, the tables on a terminal.
- Only counts, states and reasons: no value of any row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2 import sql

from creditflow.ops.database import Connection, transaction
from creditflow.settings import Settings

FIELDS = (
    "batch_id",
    "department",
    "feed",
    "kind",
    "file",
    "rows_read",
    "rows_accepted",
    "rows_rejected",
    "rows_held",
    "rows_out_of_scope",
    "rows_duplicate",
    "state",
    "reasons",
)
COUNTS = tuple(name for name in FIELDS if name.startswith("rows_"))


def batches_by_id(
    conn: Connection, batch_ids: Sequence[str], table: tuple[str, str] = ("ops", "batch")
) -> list[dict[str, Any]]:
    """These batches, in this order. table: ops.batch or a copy of it."""
    found = {row["batch_id"]: row for row in _batches(conn, "batch_id = any(%s)", (list(batch_ids),), table)}
    return [found[batch_id] for batch_id in batch_ids if batch_id in found]


def batches_of_night(conn: Connection, as_of: dt.date) -> list[dict[str, Any]]:
    """All batches fetched in the night of `as_of`, with seconds spent on them, by department and feed."""
    return _batches(conn, "as_of = %s", (as_of,))


def _batches(
    conn: Connection, condition: str, parameters: tuple[Any, ...], table: tuple[str, str] = ("ops", "batch")
) -> list[dict[str, Any]]:
    names = (*FIELDS, "seconds")
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL("select {} from {} where {} order by department, feed, batch_id").format(
                sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(*table), sql.SQL(condition)
            ),
            parameters,
        )
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        row["seconds"] = float(row["seconds"])
    return rows


def arrival(conn: Connection, as_of: dt.date, department: str) -> tuple[str, str, str] | None:
    """(state, Chinese detail, English detail) of a department in a night; None when nobody asked it."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select state, detail_zh, detail_en from ops.arrival where as_of = %s and department = %s",
            (as_of, department),
        )
        return cursor.fetchone()


class DepartmentFailed(Exception):
    """A department could not be fetched in full; what could be fetched has landed."""


def raise_if_failed(settings: Settings, as_of: dt.date, department: str) -> None:
    """Raises DepartmentFailed when the night could not fetch a department: a scheduler shows it and tries again."""
    with transaction(settings, "look at arrival") as conn:
        found = arrival(conn, as_of, department)
    if found is not None and found[0] == "failed":
        raise DepartmentFailed(f"{department}: {found[1]} / {found[2]}")


def reconciles(batch: Mapping[str, Any]) -> bool:
    """Whether every row of a judged batch is accounted for (architecture.md §3)."""
    return bool(batch["rows_read"] == sum(batch[name] for name in COUNTS if name != "rows_read"))
