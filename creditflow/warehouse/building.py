"""One build from beginning to end, and the pointer that readers follow.

Promises
- One build at a time: a second caller gets BuildBusy at once.
- Everything a killed build left is taken back by the next one; running the same build twice adds nothing.
- ops.build says of every number what became of it: running, tested, published, failed, abandoned.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from psycopg2 import sql
from psycopg2.extras import Json

from creditflow.ops import journal, proposal, restated
from creditflow.ops.database import Connection, connect, transaction, try_session_lock
from creditflow.ops.journal import note
from creditflow.settings import Settings
from creditflow.warehouse import dbt, rights, splits
from creditflow.warehouse.history import TableChange, UnknownBuild, changes, undo

log = logging.getLogger(__name__)

LOCK = "creditflow.build"
_LARGE = 64 << 20
"""Bytes above which a table that a build worked with is emptied after it."""
SETUP = "setup"
"""Line of ops.view_definition that remembers for which code rules and views were last put in place."""


class BuildBusy(Exception):
    """Another build, publish or rollback holds the warehouse."""


class BuildFailed(Exception):
    """The build's models or tests failed; the pointer did not move. `summary` says what failed."""

    def __init__(self, summary: BuildSummary) -> None:
        self.summary = summary
        lines = "\n  ".join(summary.failures[:10])
        super().__init__(f"构建 {summary.build_no} 未通过 / build {summary.build_no} failed:\n  {lines}")


@dataclass(frozen=True)
class BuildSummary:
    """What one build did. changes: versions opened and closed by "schema.table". seconds: wall time."""

    build_no: int
    as_of: dt.date
    state: str
    reason: str
    batches: int
    seconds: float
    changes: Mapping[str, TableChange] = field(default_factory=dict)
    tests_passed: int = 0
    tests_failed: int = 0
    suppressed: int = 0
    failures: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self) | {"as_of": self.as_of.isoformat(), "failures": list(self.failures)}


@dataclass(frozen=True)
class Frozen:
    """A build that was begun before, to be repeated: its number and its batches in their order."""

    build_no: int
    batches: tuple[str, ...]


def build(
    settings: Settings,
    as_of: dt.date,
    reason: str = "night",
    *,
    again: Sequence[str] = (),
    frozen: Frozen | None = None,
) -> BuildSummary:
    """Build everything that changed or fell due from all accepted batches, as of a business date. Does not publish.

    again: deliveries of earlier builds that were interpreted anew and belong to this one too (a replay); without them an
    open proposal is withdrawn first. frozen: repeat this build instead of opening a new number (a rebuild).

    Raises BuildBusy, BuildFailed (with the summary; rows of the failed build stay invisible until the next build takes
    them back) and dbt.DbtFailed when dbt could not run.
    """
    started = time.monotonic()
    lock = connect(settings, name="build", autocommit=True)
    try:
        if not try_session_lock(lock, LOCK):
            raise BuildBusy("另一构建正在进行 / another build is running")
        build_no, batches = _begin(settings, as_of, reason, again, frozen)
        try:
            result = _run(settings)
        except BaseException as problem:
            _finish(settings, build_no, "failed", {"failures": [type(problem).__name__]})
            raise
        with transaction(settings, f"suppress {build_no}") as conn:
            # what is only proposed hides nothing, and lifts nothing
            suppressed = 0 if again else _suppress(conn, build_no)
        with transaction(settings, f"sum up {build_no}") as conn:
            changed = changes(conn, build_no - 1, build_no)
        summary = BuildSummary(
            build_no=build_no,
            as_of=as_of,
            state="tested" if result.ok else "failed",
            reason=reason,
            batches=batches,
            seconds=round(time.monotonic() - started, 2),
            changes=changed,
            tests_passed=result.tests_passed,
            tests_failed=result.tests_failed,
            suppressed=suppressed,
            failures=result.failures,
        )
        _finish(
            settings,
            build_no,
            summary.state,
            {
                "changes": {name: change.as_dict() for name, change in changed.items()},
                "failures": list(result.failures),
                "tests_passed": result.tests_passed,
                "tests_failed": result.tests_failed,
                "suppressed": suppressed,
                "seconds": summary.seconds,
            },
        )
        if not result.ok:
            raise BuildFailed(summary)
        _give_back(settings)
        return summary
    finally:
        lock.close()
        journal.keep(settings)


def _give_back(settings: Settings) -> None:
    """Empty the large tables that a build worked with. A backfill leaves gigabytes of them: the next night would drop them,
    and take seconds for it."""
    with transaction(settings, "give back") as conn, conn.cursor() as cursor:
        cursor.execute(
            "select string_agg(c.oid::regclass::text, ', ') from pg_class c where c.relnamespace = 'staging'::regnamespace"
            " and c.relkind = 'r' and pg_table_size(c.oid) > %s",
            (_LARGE,),
        )
        (tables,) = cursor.fetchone() or (None,)
        if tables:
            cursor.execute(f"truncate {tables}")


def publish(settings: Settings, build_no: int | None = None, *, decided_by: str = "") -> int:
    """Show readers a build whose tests passed (default: the newest that is not abandoned); returns its number.

    The build of an open proposal is shown only when it is named, and that accepts the proposal. Raises UnknownBuild when
    there is none, BuildBusy while a build runs.
    """
    with _pointer(settings, "publish") as conn, conn.cursor() as cursor:
        cursor.execute(
            "select build_no, as_of from ops.build where state in ('tested', 'published')"
            " and build_no = coalesce(%s, (select max(b.build_no) from ops.build b where b.state in ('tested', 'published')"
            " and not exists (select 1 from ops.replay r where r.build_no = b.build_no and r.state = 'proposed')))",
            (build_no,),
        )
        found = cursor.fetchone()
        if found is None:
            raise UnknownBuild(_missing(build_no))
        if proposal.accept(conn, found[0], decided_by):
            _suppress(conn, found[0])
        _move(conn, *found)
        note(conn, "pointer", build_no=found[0], event="publish", decided_by=decided_by)
    journal.keep(settings)
    return int(found[0])


def rollback(
    settings: Settings,
    build_no: int | None = None,
    *,
    reason: str = "",
    decided_by: str = "",
    now: dt.datetime | None = None,
    event_id: str | None = None,
) -> int:
    """Show readers an earlier published build again (default: the one before the present); returns its number.

    Build 0, the empty warehouse, can be named too. reason and decided_by are kept as an event. now, event_id: of a
    rollback that is repeated. Raises UnknownBuild, BuildBusy.
    """
    with _pointer(settings, "rollback") as conn, conn.cursor() as cursor:
        cursor.execute(
            "select build_no, as_of from (select build_no, as_of from ops.build where state = 'published'"
            " union all select 0, null) as known, (select build_no as shown from ops.pointer) as pointer"
            " where build_no < shown and (%(wanted)s is null or build_no = %(wanted)s) order by build_no desc limit 1",
            {"wanted": build_no},
        )
        found = cursor.fetchone()
        if found is None:
            raise UnknownBuild(_missing(build_no))
        proposal.withdraw(conn, decided_by)
        _move(conn, *found)
        event_id = event_id or str(uuid.uuid4())
        cursor.execute(
            "insert into ops.event (event_id, event_type, build_no, reason, decided_by, decided_at)"
            " values (%s, 'rollback', %s, %s, %s, coalesce(%s, clock_timestamp())) on conflict do nothing"
            " returning decided_at",
            (event_id, found[0], reason, decided_by, now),
        )
        (moment,) = cursor.fetchone() or (now,)
        note(
            conn, "pointer", build_no=found[0], event="rollback", event_id=event_id, reason=reason,
            decided_by=decided_by, decided_at=moment,
        )  # fmt: skip
    journal.keep(settings)
    return int(found[0])


def _begin(
    settings: Settings, as_of: dt.date, reason: str, again: Sequence[str], frozen: Frozen | None
) -> tuple[int, int]:
    """Take back what builds above the pointer did, open a new number, freeze its batches."""
    kept = journal.keep_rules(settings)
    with transaction(settings, "begin build") as conn, conn.cursor() as cursor:
        cursor.execute("select build_no from ops.pointer where name = 'publish' for update")
        pointer = int((cursor.fetchone() or (0,))[0])
        cursor.execute(
            "update ops.build set state = 'abandoned', finished_at = coalesce(finished_at, clock_timestamp())"
            " where build_no > %s and state <> 'abandoned' returning build_no",
            (pointer,),
        )
        abandoned = [int(number) for (number,) in cursor.fetchall()]
        if abandoned:
            undo(conn, pointer)
        anew = [*again, *proposal.accepted_in(conn, abandoned)]
        if not again:
            proposal.withdraw(conn, reason)
        if frozen is not None:  # a repetition that was interrupted left its number behind
            cursor.execute("delete from ops.build_batch where build_no = %s", (frozen.build_no,))
            cursor.execute("delete from ops.build where build_no = %s", (frozen.build_no,))
        if frozen is None:
            cursor.execute("select nextval('ops.build_no')")
        else:
            cursor.execute("select setval('ops.build_no', %s)", (frozen.build_no,))
        build_no = int((cursor.fetchone() or (0,))[0])
        code, rules = dbt.code_hash(settings), dbt.rule_hash(settings)
        cursor.execute(
            "insert into ops.build (build_no, as_of, state, reason, code_hash, started_at, detail)"
            " values (%s, %s, 'running', %s, %s, clock_timestamp(), %s)",
            (build_no, as_of, reason, code, Json({"rule_hash": rules})),
        )
        if frozen is None:
            cursor.execute(
                "insert into ops.build_batch (build_no, batch_id, ordinal)"
                " select %s, b.batch_id, row_number() over (order by b.delivered_at, b.batch_id)"
                " from ops.batch b where b.state in ('accepted', 'partly_accepted') and not exists ("
                "  select 1 from ops.build_batch m join ops.build n using (build_no)"
                "  where m.batch_id = b.batch_id and n.state = 'published' and m.batch_id <> all(%s))",
                (build_no, anew),
            )
        else:
            cursor.execute(
                "insert into ops.build_batch (build_no, batch_id, ordinal)"
                " select %s, batch_id, place from unnest(%s::text[]) with ordinality as f (batch_id, place)",
                (build_no, list(frozen.batches)),
            )
        cursor.execute(
            "update ops.build set batches = (select count(*) from ops.build_batch where build_no = %(n)s)"
            " where build_no = %(n)s",
            {"n": build_no},
        )
        splits.remember(conn, build_no)
        restated.remember(conn, build_no)
        if again:
            proposal.remember_records(conn, build_no, list(again))
        proposal.carry_over(conn, abandoned, build_no)
        cursor.execute("select batch_id from ops.build_batch where build_no = %s order by ordinal", (build_no,))
        batches = [str(batch_id) for (batch_id,) in cursor.fetchall()]
        note(
            conn,
            "build",
            build_no=build_no,
            as_of=as_of,
            reason=reason,
            batches=batches,
            again=list(again),
            code_hash=code,
            rule_hash=rules,
            rules=kept,
        )
        return build_no, len(batches)


def _run(settings: Settings) -> dbt.DbtResult:
    """One dbt process; rules and views are put in place first when the code changed since they last were.

    Changed code is parsed afresh: dbt's parse cache keeps the old contract of a model whose file and description change
    together.
    """
    code = dbt.code_hash(settings)
    with transaction(settings, "read setup") as conn, conn.cursor() as cursor:
        cursor.execute("select 1 from ops.view_definition where view_name = %s and definition = %s", (SETUP, code))
        in_place = cursor.fetchone() is not None
        if not in_place:
            cursor.execute("delete from ops.view_definition where view_name = %s", (SETUP,))
    selected = ["--select", "tag:night"] if in_place else ["--select", "tag:rules", "tag:night", "tag:publish"]
    # tests table by table and unit tests belong to the scratch database; the night has its own few, over all tables
    left_out = ["--exclude-resource-type", "unit_test", "--exclude", "test_type:generic"]
    parsing = ["--no-write-json"] if in_place else ["--no-partial-parse"]
    result = dbt.run(settings, "build", [*selected, *left_out, *parsing], in_place=in_place)
    if result.ok and not in_place:
        with transaction(settings, "grant") as conn, conn.cursor() as cursor:
            rights.grant(conn)
            cursor.execute("insert into ops.view_definition (view_name, definition) values (%s, %s)", (SETUP, code))
    return result


def _suppress(conn: Connection, build_no: int) -> int:
    """Bring ops.suppression up to what this build learnt; returns how many records vanish by it.

    A repair that was revoked, or a withdrawal the source took back, lifts what this build's own knowledge put there;
    a deletion is never lifted.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.columns where table_schema = 'core' and column_name = 'state_reason'"
            " order by 1"
        )
        tables = [str(name) for (name,) in cursor.fetchall()]
        vanished = 0
        for table in tables:
            name = sql.Identifier("core", table)
            cursor.execute(
                sql.SQL(
                    "insert into ops.suppression (record_id, since, reason, batch_id, decided_by)"
                    " select r.record_id, coalesce(r.state_since, r.delivered_on),"
                    "  case when r.state = 'deleted' then 'deleted' when r.state = 'repaired' then 'repaired'"
                    "   when r.state_reason = 'objection_upheld' then 'objection_upheld' else 'withdrawn' end,"
                    "  r.batch_id, coalesce(r.state_reason, '')"
                    " from {} as r where r.known_from_build = %s and r.state in ('repaired', 'withdrawn', 'deleted')"
                    " on conflict (record_id) do update set since = excluded.since, reason = excluded.reason,"
                    "  batch_id = excluded.batch_id, decided_by = excluded.decided_by"
                    " where (suppression.reason, suppression.since) is distinct from (excluded.reason, excluded.since)"
                    "  and suppression.reason <> 'deleted'"
                ).format(name),
                (build_no,),
            )
            vanished += cursor.rowcount
            cursor.execute(
                sql.SQL(
                    "delete from ops.suppression as s using {} as r where s.record_id = r.record_id"
                    " and r.known_from_build = %s and r.state in ('active', 'ended') and s.reason <> 'deleted'"
                ).format(name),
                (build_no,),
            )
        return vanished


def _finish(settings: Settings, build_no: int, state: str, detail: Mapping[str, object]) -> None:
    with transaction(settings, f"finish {build_no}") as conn, conn.cursor() as cursor:
        cursor.execute(
            "update ops.build set state = %s, finished_at = clock_timestamp(), detail = detail || %s where build_no = %s",
            (state, Json(dict(detail)), build_no),
        )
        note(conn, "built", build_no=build_no, state=state, suppressed=detail.get("suppressed"))


def _move(conn: Connection, build_no: int, as_of: dt.date | None) -> None:
    with conn.cursor() as cursor:
        cursor.execute(
            "update ops.build set state = 'published', published_at = coalesce(published_at, clock_timestamp())"
            " where build_no = %s",
            (build_no,),
        )
        cursor.execute(
            "update ops.pointer set build_no = %s, as_of = %s, moved_at = clock_timestamp() where name = 'publish'",
            (build_no, as_of),
        )


def _missing(build_no: int | None) -> str:
    if build_no is None:
        return "没有可发布的构建 / there is no build to show"
    return f"构建 {build_no} 不存在或不可发布 / build {build_no} does not exist or may not be shown"


class _pointer:  # noqa: N801 - reads as a verb where it is used
    """A transaction that holds the build lock, so that the pointer never moves under a running build."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._conn = connect(settings, name=name)

    def __enter__(self) -> Connection:
        if not try_session_lock(self._conn, LOCK):
            self._conn.close()
            raise BuildBusy("构建正在进行，暂不能移动发布指针 / a build is running: the pointer stays")
        return self._conn

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        try:
            if kind is None:
                self._conn.commit()
            else:
                self._conn.rollback()
        finally:
            self._conn.close()
