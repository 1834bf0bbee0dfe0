"""Batch rows: one delivery of one feed, from its manifest to its counts.

Promises
- A batch id is DEPT-KIND-YYYYMMDD-NNN; the number is the next free one of that department, kind and night, and stands
  in the manifest, so that a rebuild gives the same ids.
- A row of ops.batch is made from a manifest and nothing else.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from psycopg2.extras import RealDictCursor

from creditflow.ops.database import Connection
from creditflow.ops.journal import note


@dataclass
class BatchSummary:
    """How a batch stands; the keys of `creditflow ingest --json`."""

    batch_id: str
    department: str
    feed: str
    kind: str
    file: str
    rows_read: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    rows_held: int = 0
    rows_out_of_scope: int = 0
    rows_duplicate: int = 0
    state: str = "archived"
    reasons: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


SUMMARY_COLUMNS = (
    "batch_id", "department", "feed", "kind", "file", "rows_read", "rows_accepted", "rows_rejected", "rows_held",
    "rows_out_of_scope", "rows_duplicate", "state", "reasons", "seconds",
)  # fmt: skip

MANIFEST_COLUMNS = (
    "batch_id", "department", "feed", "kind", "channel", "format", "layout", "delivery", "file", "archive_path",
    "sha256", "original_sha256", "bytes", "columns_cut", "declared_rows", "declared_sha256", "produced",
    "delivered_at", "received_at", "as_of", "watermark",
)  # fmt: skip


def next_batch_id(conn: Connection, department: str, kind: str, as_of: dt.date, taken: Sequence[str] = ()) -> str:
    """The next free id of the night. taken: ids already in the archive. Hold the feed's lock while using it."""
    prefix = f"{department.upper()}-{kind.upper()}-{as_of:%Y%m%d}-"
    with conn.cursor() as cursor:
        cursor.execute("select batch_id from ops.batch where starts_with(batch_id, %s)", (prefix,))
        used = {row[0] for row in cursor.fetchall()} | set(taken)
    numbers = [int(used_id[len(prefix) :]) for used_id in used if used_id.startswith(prefix)]
    return f"{prefix}{max(numbers, default=0) + 1:03}"


def register(conn: Connection, manifest: dict[str, Any]) -> None:
    """Make the row of an archived delivery, state 'archived'; nothing happens when it is there already."""
    values = {name: manifest[name] for name in MANIFEST_COLUMNS if name != "produced"}
    values["produced"] = manifest.get("produced")  # manifests before migration 0010 do not have it
    for name in ("produced", "watermark"):
        values[name] = None if values[name] is None else json.dumps(values[name])
    names = ", ".join(MANIFEST_COLUMNS)
    marks = ", ".join(f"%({name})s" for name in MANIFEST_COLUMNS)
    with conn.cursor() as cursor:
        cursor.execute(
            f"insert into ops.batch ({names}, state) values ({marks}, 'archived') on conflict (batch_id) do nothing",
            values,
        )


def lock_batch(conn: Connection, batch_id: str) -> dict[str, Any]:
    """The batch's row, locked until the end of the transaction. KeyError when there is none."""
    with conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute("select * from ops.batch where batch_id = %s for update", (batch_id,))
        row = cursor.fetchone()
    if row is None:
        raise KeyError(f"没有批次 / no batch {batch_id}")
    return dict(row)


def set_batch(conn: Connection, batch_id: str, **values: Any) -> None:
    """Write columns of one batch; lists and dicts of JSON columns are written as JSON."""
    changed = {name: json.dumps(value) if name in ("reasons", "watermark") else value for name, value in values.items()}
    assignments = ", ".join(f"{name} = %({name})s" for name in changed)
    with conn.cursor() as cursor:
        cursor.execute(f"update ops.batch set {assignments} where batch_id = %(_id)s", {**changed, "_id": batch_id})


def known_batches(conn: Connection, department: str, feed: str) -> dict[str, str]:
    """batch id -> state of every batch of a feed."""
    with conn.cursor() as cursor:
        cursor.execute("select batch_id, state from ops.batch where department = %s and feed = %s", (department, feed))
        return dict(cursor.fetchall())


def same_bytes(conn: Connection, batch: dict[str, Any]) -> str | None:
    """The earlier batch of the feed that brought the same bytes, or None.

    A batch that was held or refused does not count: sent again, it is looked at again. Of a full snapshot only the
    latest counts: the same snapshot after another one says something new.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            "select batch_id, original_sha256 from ops.batch where department = %s and feed = %s and batch_id <> %s"
            " and state in ('landed', 'accepted', 'partly_accepted') and (landed_at, batch_id) < (now(), %s || '~')"
            + (" and true" if batch["delivery"] == "full_snapshot" else " and original_sha256 = %s")
            + " order by landed_at desc, batch_id desc limit 1",
            (batch["department"], batch["feed"], batch["batch_id"], batch["batch_id"])
            + (() if batch["delivery"] == "full_snapshot" else (batch["original_sha256"],)),
        )
        found = cursor.fetchone()
    return found[0] if found and found[1] == batch["original_sha256"] else None


def read_watermark(conn: Connection, department: str, feed: str) -> dict[str, Any] | None:
    """Where the feed stands, or None before its first batch."""
    with conn.cursor() as cursor:
        cursor.execute("select value from ops.watermark where department = %s and feed = %s", (department, feed))
        row = cursor.fetchone()
    return dict(row[0]) if row else None


def move_watermark(conn: Connection, batch: dict[str, Any]) -> None:
    """Let the feed stand where this batch brought it; part of the transaction that lands it."""
    if batch["watermark"] is None:
        return
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into ops.watermark (department, feed, value, batch_id) values (%s, %s, %s, %s)"
            " on conflict (department, feed) do update set value = excluded.value, batch_id = excluded.batch_id",
            (batch["department"], batch["feed"], json.dumps(batch["watermark"]), batch["batch_id"]),
        )


def summaries(conn: Connection, batch_ids: Sequence[str]) -> list[BatchSummary]:
    """How these batches stand, in the order asked for."""
    with conn.cursor() as cursor:
        cursor.execute(
            f"select {', '.join(SUMMARY_COLUMNS)} from ops.batch where batch_id = any(%s)", (list(batch_ids),)
        )
        found = {row[0]: BatchSummary(**dict(zip(SUMMARY_COLUMNS, row, strict=True))) for row in cursor.fetchall()}
    for summary in found.values():
        summary.seconds = float(summary.seconds)
    return [found[batch_id] for batch_id in batch_ids if batch_id in found]


def add_incident(
    conn: Connection, batch: dict[str, Any], rule_id: str, zh: str, en: str, detail: dict[str, Any] | None = None
) -> None:
    """Note something that is not about one row, once per batch."""
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into quality.incident (batch_id, department, feed, as_of, rule_id, message_zh, message_en, detail)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            (
                batch["batch_id"], batch["department"], batch["feed"], batch["as_of"], rule_id, zh, en,
                json.dumps(detail or {}, ensure_ascii=False),
            ),
        )  # fmt: skip


def record_arrival(
    conn: Connection, as_of: dt.date, department: str, state: str, zh: str, en: str, started_at: dt.datetime
) -> None:
    """What happened to a department in a night; a later look at the same night keeps 'arrived'.

    So does a look that finds nothing new because an earlier one of the same night took it and ended before it could say so. Needs a
    transaction.
    """
    with conn.cursor() as cursor:
        if state == "nothing_new":
            cursor.execute(
                "select 1 from ops.batch where department = %s and as_of = %s and channel <> 'manual_upload' limit 1",
                (department, as_of),
            )
            state = "arrived" if cursor.fetchone() else state
        cursor.execute(
            "insert into ops.arrival as a (as_of, department, state, detail_zh, detail_en, started_at, finished_at)"
            " values (%s, %s, %s, %s, %s, %s, clock_timestamp())"
            " on conflict (as_of, department) do update set state = case when a.state = 'arrived'"
            " and excluded.state in ('nothing_new', 'not_due') then a.state else excluded.state end,"
            " detail_zh = case when a.state = 'arrived' and excluded.state in ('nothing_new', 'not_due')"
            " then a.detail_zh else excluded.detail_zh end,"
            " detail_en = case when a.state = 'arrived' and excluded.state in ('nothing_new', 'not_due')"
            " then a.detail_en else excluded.detail_en end, finished_at = excluded.finished_at",
            (as_of, department, state, zh, en, started_at),
        )
    note(conn, "arrival", as_of=as_of, department=department, state=state, zh=zh, en=en, started_at=started_at)
