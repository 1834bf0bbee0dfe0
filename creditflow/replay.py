"""Replay: after a rule changed or a reader was mended, a span of archived deliveries is interpreted again.

Promises
- `propose` lands and judges the deliveries of the span anew, with the rules of now, and builds on them: one new build,
  tested but not published, and its difference to what readers see. Older builds stay as they were.
- Readers see nothing of it until a person accepts; `withdraw` gives the earlier interpretation back, exactly. What comes
  first and changes deliveries (see creditflow.ops.proposal) withdraws it as well: it is never published by accident.
- Refused deliveries stay refused (a person decided so), duplicates stay duplicates, and of complete snapshots only the
  newest of a feed is interpreted again: an older one says nothing about today.
- Stopped or killed, it leaves an open proposal. The same call made again goes on where it was, if rules and program are
  still the same; any other call withdraws it before it begins.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
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

Told = Callable[[str, float, float], None]
"""Called as the work goes on: the step (land, gate, build), seconds of work done, seconds of work in all.

The seconds are what the same deliveries took when they were last interpreted, and what builds took by row: a measure of the
work, which this machine may do faster or slower.
"""


class ReplayError(Exception):
    """The replay cannot be done; the message says why and what to do."""


@dataclass(frozen=True)
class Replayed:
    """A span interpreted again, waiting for a person. batches: counts before and after of every delivery that differs.

    resumed_at: deliveries that an earlier, interrupted call had landed.
    """

    build_no: int
    published: int
    deliveries: int
    resumed_at: int
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

    A call that was stopped or killed goes on when it is made again with the same span, department and reason. Raises
    ReplayError (no reason, nothing in the span, a night is running), BuildFailed; the earlier interpretation stands again then.
    """
    if not reason.strip() or not proposed_by.strip():
        raise ReplayError("须说明理由和提出人 / a replay needs a reason and a name")
    lock = connect(settings, name="replay", autocommit=True)
    try:
        if not try_session_lock(lock, NIGHT_LOCK):
            raise ReplayError("夜间任务正在运行，请稍后再试 / a night is running: try again when it is over")
        sync_registry(settings, registry)
        ensure_tables(lock, registry)
        work = _open(settings, lock, first, last, department, reason, proposed_by)
        try:
            number = work.build_no or _work_off(settings, registry, lock, work, f"replay: {reason}", tell)
            with transaction(settings, "proposed replay") as conn:
                _still_open(conn)
                before = batches_by_id(conn, list(work.deliveries), proposal.EARLIER)
                after = batches_by_id(conn, list(work.deliveries))
        except Exception:
            withdraw(settings, proposed_by)
            raise
    finally:
        lock.close()
    journal.keep(settings)
    names = ("state", *COUNTS)
    changed = tuple(
        {
            "batch_id": then["batch_id"],
            "before": {name: then[name] for name in names},
            "after": {name: now[name] for name in names},
        }
        for then, now in zip(before, after, strict=True)
        if any(then[name] != now[name] for name in names)
    )
    difference = explain(settings, work.published, number)
    return Replayed(number, work.published, len(work.deliveries), work.resumed_at, changed, difference)


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


@dataclass
class _Work:
    """An open proposal to be worked off. deliveries: seconds that each took before. landed: those that landed anew.

    build_no: its build, when nothing is left to do.
    """

    replay_id: str
    build_no: int | None
    published: int
    as_of: dt.date
    deliveries: dict[str, float]
    landed: set[str]
    build_seconds: float
    resumed_at: int
    judged: set[str]

    @property
    def all_in_all(self) -> float:
        """Seconds of the whole work: every delivery landed and judged, and the build."""
        return sum(self.deliveries.values()) + self.build_seconds

    def done(self) -> float:
        """Seconds of it done. Landing and judging a delivery are half of its work each: they are counted as one number."""
        return sum(self.deliveries[batch_id] / 2 for part in (self.landed, self.judged) for batch_id in part)

    def judge(self, batch_id: str) -> float:
        """One more delivery is judged; the seconds done."""
        self.judged.add(batch_id)
        return self.done()


def _work_off(settings: Settings, registry: Registry, lock: Connection, work: _Work, reason: str, tell: Told) -> int:
    """Land, judge and build what is left to do, and propose it; the build's number."""
    for batch_id in work.deliveries:
        tell("land", work.done(), work.all_in_all)
        if batch_id not in work.landed:
            land(settings, registry, batch_id, overrule=_released(lock, batch_id))
            work.landed.add(batch_id)
    batch_ids = list(work.deliveries)
    gate(settings, registry, batch_ids, lambda batch_id: tell("gate", work.judge(batch_id), work.all_in_all))
    tell("build", work.all_in_all - work.build_seconds, work.all_in_all)
    number = build(settings, work.as_of, reason, again=batch_ids).build_no
    with transaction(settings, "propose replay") as conn:
        _still_open(conn)
        proposal.propose(conn, work.replay_id, number)
    return number


def _still_open(conn: Connection) -> None:
    if proposal.open_proposal(conn) is None:
        raise ReplayError(
            "其间有新的交付或决定，重新解释已撤回，请重做 / a delivery or a decision came meanwhile and withdrew the replay: do"
            " it again"
        )


def _open(
    settings: Settings,
    lock: Connection,
    first: dt.date,
    last: dt.date,
    department: str | None,
    reason: str,
    proposed_by: str,
) -> _Work:
    """The proposal an interrupted call of the same kind left, or a new one. Raises ReplayError."""
    asked = {"from_day": first, "to_day": last, "department": department, "reason": reason}
    asked |= {"made_with": f"{journal.keep_rules(settings)} {_program()}"}
    with transaction(settings, "resume replay") as conn:
        found = proposal.resumable(conn, **asked)
    if found is None:
        withdraw(settings, proposed_by)
        with transaction(settings, "prepare replay") as conn:
            batches = _span(conn, first, last, department)
            found = proposal.Proposal(str(uuid.uuid4()), None, tuple(batches))
            proposal.prepare(
                conn,
                replay_id=found.replay_id,
                proposed_by=proposed_by,
                proposed_at=dt.datetime.now(dt.UTC),
                batches=batches,
                **asked,
            )
    with lock.cursor() as cursor:
        cursor.execute("select build_no, as_of from ops.pointer")
        published, as_of = cursor.fetchone() or (0, None)
    landed = proposal.landed_anew(lock)
    earlier = batches_by_id(lock, found.batches, proposal.EARLIER)
    now = {row["batch_id"]: row["state"] for row in batches_by_id(lock, found.batches)}
    return _Work(
        replay_id=found.replay_id,
        build_no=found.build_no,
        published=published,
        as_of=as_of,
        deliveries={row["batch_id"]: row["seconds"] for row in earlier},
        landed=landed,
        build_seconds=_build_seconds(lock, sum(row["rows_read"] for row in earlier)),
        resumed_at=len(landed),
        judged={batch_id for batch_id in landed if now[batch_id] != "landed"},
    )


def _program() -> str:
    """Hash of this package's code: what reads, identifies and judges rows."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _build_seconds(conn: Connection, rows: int) -> float:
    """What a build of so many rows may take, by the published builds of this warehouse: the shortest of them, and its rows' share."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select coalesce(min(seconds), 0), coalesce(sum(seconds) / nullif(sum(rows), 0), 0) from ("
            " select (n.detail ->> 'seconds')::float as seconds, (select sum(b.rows_read) from ops.build_batch m"
            "  join ops.batch b using (batch_id) where m.build_no = n.build_no) as rows"
            " from ops.build n where n.state = 'published' and n.detail ? 'seconds') as build"
        )
        shortest, by_row = cursor.fetchone() or (0.0, 0.0)
    return max(float(shortest), float(by_row) * rows)


def _span(conn: Connection, first: dt.date, last: dt.date, department: str | None) -> list[str]:
    """The deliveries to interpret again, in their order. Raises ReplayError when there are none, or nothing is published."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select b.batch_id from ops.batch b where b.as_of between %(first)s and %(last)s"
            " and exists (select from ops.pointer where as_of is not null)"
            " and b.state in ('accepted', 'partly_accepted', 'held')"
            " and (%(department)s::text is null or b.department = %(department)s)"
            " and (b.delivery <> 'full_snapshot' or not exists (select from ops.batch n where n.department = b.department"
            "  and n.feed = b.feed and n.state in ('accepted', 'partly_accepted')"
            "  and (n.delivered_at, n.batch_id) > (b.delivered_at, b.batch_id)))"
            " order by b.delivered_at, b.batch_id",
            {"first": first, "last": last, "department": department},
        )
        batch_ids = [str(batch_id) for (batch_id,) in cursor.fetchall()]
    if not batch_ids:
        who = f" ({department})" if department else ""
        raise ReplayError(
            f"{first} 至 {last}{who} 没有可重新解释的交付，请核对日期和部门 / no delivery of {first} to {last}{who} can be"
            " interpreted again: check the dates and the department"
        )
    return batch_ids


def _released(conn: Connection, batch_id: str) -> bool:
    with conn.cursor() as cursor:
        cursor.execute(
            "select exists (select from ops.event where batch_id = %s and event_type = 'gate_release')", (batch_id,)
        )
        return cursor.fetchone() == (True,)
