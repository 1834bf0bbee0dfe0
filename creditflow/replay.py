"""Replay: after a rule changed or a reader was mended, a span of archived deliveries is interpreted again.

Promises
- `propose` lands and judges the deliveries of the span anew, with the rules of now, and builds on them: one new build,
  tested but not published, and its difference to what readers see. Older builds stay as they were.
- Readers see nothing of it until a person accepts; `withdraw` gives the earlier interpretation back, exactly. What comes
  first and changes deliveries (see creditflow.ops.proposal) withdraws it as well: it is never published by accident.
- Refused deliveries stay refused (a person decided so), duplicates stay duplicates, and of complete snapshots only the
  newest of a feed is interpreted again: an older one says nothing about today.
- Stopped or killed, it leaves an open proposal, which the next call withdraws before it begins.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from creditflow.landing import ensure_tables, land
from creditflow.night import LOCK as NIGHT_LOCK
from creditflow.ops import journal, proposal
from creditflow.ops.database import Connection, connect, transaction, try_session_lock
from creditflow.ops.ledger import COUNTS, batches_by_id
from creditflow.ops.registry_sync import sync_registry
from creditflow.quality import gate
from creditflow.quality.morning import settle
from creditflow.registry import Registry
from creditflow.settings import Settings
from creditflow.warehouse import Explained, build, explain, publish

Told = Callable[[str, int, int], None]
"""Called as the work goes on: the step (land, gate, build), deliveries done, deliveries in all."""


class ReplayError(Exception):
    """The replay cannot be done; the message says why and what to do."""


@dataclass(frozen=True)
class Replayed:
    """A span interpreted again, waiting for a person. batches: counts before and after of every delivery that differs."""

    build_no: int
    published: int
    deliveries: int
    batches: tuple[dict[str, Any], ...]
    difference: Explained

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def propose(
    settings: Settings,
    registry: Registry,
    first: dt.date,
    last: dt.date,
    reason: str,
    proposed_by: str,
    department: str | None = None,
    tell: Told = lambda *_: None,
) -> Replayed:
    """Interpret the deliveries of the nights from `first` to `last` again and build on them; readers see nothing of it.

    Raises ReplayError (no reason, nothing in the span, a night is running), BuildFailed; the earlier interpretation stands
    again then.
    """
    if not reason.strip() or not proposed_by.strip():
        raise ReplayError("须说明理由和提出人 / a replay needs a reason and a name")
    lock = connect(settings, name="replay", autocommit=True)
    try:
        if not try_session_lock(lock, NIGHT_LOCK):
            raise ReplayError("夜间任务正在运行，请稍后再试 / a night is running: try again when it is over")
        withdraw(settings, proposed_by)
        sync_registry(settings, registry)
        ensure_tables(lock, registry)
        replay_id = str(uuid.uuid4())
        with transaction(settings, "prepare replay") as conn:
            published, as_of, batch_ids, before = _span(conn, first, last, department)
            proposal.prepare(
                conn,
                replay_id=replay_id,
                from_day=first,
                to_day=last,
                department=department,
                reason=reason,
                proposed_by=proposed_by,
                proposed_at=dt.datetime.now(dt.UTC),
                batches=batch_ids,
            )
        try:
            for done, batch_id in enumerate(batch_ids):
                tell("land", done, len(batch_ids))
                land(settings, registry, batch_id, overrule=_released(lock, batch_id))
            tell("gate", 0, len(batch_ids))
            gate(settings, registry, batch_ids)
            tell("build", 0, len(batch_ids))
            number = build(settings, as_of, f"replay: {reason}", again=batch_ids).build_no
            with transaction(settings, "propose replay") as conn:
                if proposal.open_proposal(conn) is None:
                    raise ReplayError(
                        "其间有新的交付或决定，重新解释已撤回，请重做 / a delivery or a decision came meanwhile and withdrew"
                        " the replay: do it again"
                    )
                proposal.propose(conn, replay_id, number)
                after = {row["batch_id"]: row for row in batches_by_id(conn, batch_ids)}
        except BaseException:
            withdraw(settings, proposed_by)
            raise
    finally:
        lock.close()
    journal.keep(settings)
    names = ("state", *COUNTS)
    changed = tuple(
        {
            "batch_id": batch_id,
            "before": {name: before[batch_id][name] for name in names},
            "after": {name: after[batch_id][name] for name in names},
        }
        for batch_id in batch_ids
        if any(before[batch_id][name] != after[batch_id][name] for name in names)
    )
    return Replayed(number, published, len(batch_ids), changed, explain(settings, published, number))


def accept(settings: Settings, registry: Registry, decided_by: str) -> int:
    """Publish the open proposal and bring issues and figures up to it; the number of its build. Raises ReplayError."""
    with transaction(settings, "open replay") as conn:
        found = proposal.open_proposal(conn)
    if found is None or found.build_no is None:
        raise ReplayError(
            "没有待确认的重新解释（其后有新的交付、决定或构建时会自动撤回），请重做 / no replay waits: a later delivery, decision"
            " or build withdraws it; do it again"
        )
    publish(settings, found.build_no, decided_by=decided_by)
    with transaction(settings, "accepted replay") as conn, conn.cursor() as cursor:
        cursor.execute("select as_of from ops.pointer")
        (as_of,) = cursor.fetchone() or (None,)
    assert as_of is not None
    settle(settings, registry, as_of)
    return found.build_no


def withdraw(settings: Settings, decided_by: str) -> bool:
    """Take the open proposal back: the earlier interpretation stands again. False when there is none."""
    with transaction(settings, "withdraw replay") as conn:
        done = proposal.withdraw(conn, decided_by)
    journal.keep(settings)
    return done


def _span(
    conn: Connection, first: dt.date, last: dt.date, department: str | None
) -> tuple[int, dt.date, list[str], dict[str, dict[str, Any]]]:
    """(published build, its date, deliveries to interpret again in their order, how they stand). Raises ReplayError."""
    with conn.cursor() as cursor:
        cursor.execute("select build_no, as_of from ops.pointer")
        published, as_of = cursor.fetchone() or (0, None)
        cursor.execute(
            "select b.batch_id from ops.batch b where b.as_of between %(first)s and %(last)s"
            " and b.state in ('accepted', 'partly_accepted', 'held')"
            " and (%(department)s::text is null or b.department = %(department)s)"
            " and (b.delivery <> 'full_snapshot' or not exists (select from ops.batch n where n.department = b.department"
            "  and n.feed = b.feed and n.state in ('accepted', 'partly_accepted')"
            "  and (n.delivered_at, n.batch_id) > (b.delivered_at, b.batch_id)))"
            " order by b.delivered_at, b.batch_id",
            {"first": first, "last": last, "department": department},
        )
        batch_ids = [str(batch_id) for (batch_id,) in cursor.fetchall()]
    if not batch_ids or as_of is None:
        who = f" ({department})" if department else ""
        raise ReplayError(
            f"{first} 至 {last}{who} 没有可重新解释的交付，请核对日期和部门 / no delivery of {first} to {last}{who} can be"
            " interpreted again: check the dates and the department"
        )
    return published, as_of, batch_ids, {row["batch_id"]: row for row in batches_by_id(conn, batch_ids)}


def _released(conn: Connection, batch_id: str) -> bool:
    with conn.cursor() as cursor:
        cursor.execute(
            "select exists (select from ops.event where batch_id = %s and event_type = 'gate_release')", (batch_id,)
        )
        return cursor.fetchone() == (True,)
