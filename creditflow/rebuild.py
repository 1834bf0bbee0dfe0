"""Rebuild: the warehouse made again from the archive alone, step by step as the journal tells it.

Promises
- It needs the archive (deliveries, manifests, journal, rules) and the person keys, and an empty warehouse; nothing else.
- Every step is repeated with the rules of its time: the same batches in the same order, decisions of people at their
  moment, builds under their own numbers with their own batches and business date, moves of the pointer.
- What a step gives is compared with what the journal says it gave; the first difference stops the rebuild and is named,
  and so does the first archived file whose SHA-256 is not its manifest's.
- Stopped or killed at any point it goes on where it was; a finished one has nothing more to do.
- Builds that nobody ever saw and that taught nothing (they failed, or were given up before they were published) are not
  computed again; they keep their number.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from creditflow import archive
from creditflow.landing import ensure_tables, land
from creditflow.night import LOCK as NIGHT_LOCK
from creditflow.ops import journal, proposal
from creditflow.ops.batches import record_arrival, register
from creditflow.ops.database import Connection, connect, transaction, try_session_lock
from creditflow.ops.journal import Entry
from creditflow.ops.ledger import COUNTS
from creditflow.ops.registry_sync import sync_registry
from creditflow.ops.retention import delete_history, delete_records, place_hold
from creditflow.quality import gate
from creditflow.quality.morning import settle
from creditflow.quality.produced import enter
from creditflow.quality.sweep import decide_on_held, hold_as_error
from creditflow.registry import Registry, load
from creditflow.settings import Settings
from creditflow.warehouse import BuildFailed, Frozen, build, publish, rollback

log = logging.getLogger(__name__)

Told = Callable[[int, int, Entry], None]
"""Called before each step: entries done, entries in all, the entry."""


class RebuildError(Exception):
    """The rebuild cannot begin or go on; the message says at which step, why, and what to do."""


@dataclass(frozen=True)
class RebuildSummary:
    """What a rebuild did. resumed_at: entries that an earlier, interrupted call had done. build: the published build."""

    entries: int
    resumed_at: int
    batches: int
    builds: int
    builds_skipped: int
    build: int
    not_landed: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def rebuild(settings: Settings, tell: Told | None = None) -> RebuildSummary:
    """Repeat the archived journal on an empty warehouse, or go on with a rebuild that was interrupted.

    not_landed in the answer: deliveries in the archive that the journal does not know yet; the next ingest lands them.
    Raises RebuildError, JournalError, ArchiveError (a damaged or missing file, named).
    """
    started = time.monotonic()
    with _alone(settings):
        entries = journal.archived(settings)
        done = _begin(settings, entries)
        run = _Rebuild(settings, entries)
        with journal.repeating():
            for place in range(done, len(entries)):
                entry = entries[place]
                if tell is not None:
                    tell(place, len(entries), entry)
                run.repeat(entry)
                _advance(settings, entry)
        return _finish(settings, run, entries, done, started)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    conn = connect(settings, name="rebuild", autocommit=True)
    try:
        if not try_session_lock(conn, NIGHT_LOCK):
            raise RebuildError("夜间任务或另一重建正在运行 / a night or another rebuild is running: wait for it")
        yield
    finally:
        conn.close()


def _begin(settings: Settings, entries: list[Entry]) -> int:
    """Open the rebuild, or find where an interrupted one stood; entries done."""
    if not entries:
        raise RebuildError(
            "归档中没有作业日志，无法重建；请核对归档地址 / there is no journal in the archive: check CREDITFLOW_ARCHIVE_URL"
        )
    with transaction(settings, "begin rebuild") as conn, conn.cursor() as cursor:
        cursor.execute("select done, finished from ops.rebuild")
        found = cursor.fetchone()
        if found is not None and not found[1]:
            return int(found[0])
        cursor.execute(
            "select (select count(*) from ops.batch), (select count(*) from ops.build), (select count(*) from ops.journal)"
        )
        batches, builds, noted = cursor.fetchone() or (0, 0, 0)
        if batches or builds or noted:
            raise RebuildError(
                f"数据仓库不是空的（{batches} 个批次，{builds} 次构建）；重建须在空库中进行，请换一个数据库 / the warehouse is not"
                f" empty ({batches} batches, {builds} builds): rebuild into an empty database and then point"
                " CREDITFLOW_WAREHOUSE_URL at it"
            )
        cursor.execute("delete from ops.rebuild")
        cursor.execute("insert into ops.rebuild values ('rebuild', 0, %s, false)", (len(entries),))
    return 0


def _advance(settings: Settings, entry: Entry) -> None:
    with transaction(settings, "rebuild") as conn, conn.cursor() as cursor:
        cursor.execute(
            "insert into ops.journal (seq, entry_type, body) values (%s, %s, %s) on conflict do nothing",
            (entry.seq, entry.kind, journal.as_json(entry.body)),
        )
        cursor.execute("update ops.journal_archived set seq = %s", (entry.seq,))
        cursor.execute("update ops.rebuild set done = %s", (entry.seq,))


def _finish(settings: Settings, run: _Rebuild, entries: list[Entry], done: int, started: float) -> RebuildSummary:
    with transaction(settings, "finish rebuild") as conn, conn.cursor() as cursor:
        cursor.execute("update ops.rebuild set finished = true")
        cursor.execute("select batch_id from ops.batch")
        known = {batch_id for (batch_id,) in cursor.fetchall()}
        cursor.execute("select build_no from ops.pointer")
        (pointer,) = cursor.fetchone() or (0,)
    run.use(journal.keep_rules(settings))
    waiting = sorted(manifest["batch_id"] for manifest in run.manifests.values() if manifest["batch_id"] not in known)
    begun = {entry.body["build_no"] for entry in entries if entry.kind == "build"}
    return RebuildSummary(
        entries=len(entries),
        resumed_at=done,
        batches=len(known),
        builds=len(begun - run.skipped),
        builds_skipped=len(begun & run.skipped),
        build=int(pointer),
        not_landed=tuple(waiting),
        seconds=round(time.monotonic() - started, 1),
    )


class _Rebuild:
    """The steps, each repeated by the code that did it."""

    def __init__(self, settings: Settings, entries: list[Entry]) -> None:
        self._settings = settings
        self._rules = ""
        self._at: tuple[Settings, Registry] | None = None
        self._sweeps: dict[str, list[str]] = {}
        for entry in entries:
            if entry.kind == "judged":
                self._sweeps.setdefault(entry.body["sweep"], []).append(entry.body["batch_id"])
        self._swept: set[str] = set()
        self.skipped = _abandoned_for_good(entries)

    @cached_property
    def manifests(self) -> dict[str, dict[str, Any]]:
        """Every manifest of the archive, by batch."""
        return {manifest["batch_id"]: manifest for manifest in archive.manifests(self._settings)}

    def repeat(self, entry: Entry) -> None:
        """One step. Repeating it twice is repeating it once."""
        try:
            getattr(self, f"_{entry.kind}")(**entry.body)
        except RebuildError as problem:
            raise RebuildError(f"第 {entry.seq} 步 / step {entry.seq} ({entry.kind}): {problem}") from None

    def use(self, rules: str) -> tuple[Settings, Registry]:
        """Settings and registry with these rules; the control tables follow them."""
        if self._rules != rules or self._at is None:
            project = journal.rules_of(self._settings, rules, self._settings.home / "rules")
            settings = replace(self._settings, project=project)
            registry = load(project, lenient=True)
            sync_registry(settings, registry)
            with transaction(settings, "landing tables") as conn:
                ensure_tables(conn, registry)
            self._rules, self._at = rules, (settings, registry)
        return self._at

    def _landed(self, batch_id: str, overrule: bool, state: str, rules: str) -> None:
        settings, registry = self.use(rules)
        manifest = self.manifests.get(batch_id)
        if manifest is None:
            raise RebuildError(
                f"归档中没有批次 {batch_id}，请从备份恢复 / batch {batch_id} is not in the archive: restore it from the backup"
            )
        if not archive.verify(settings, manifest):
            raise RebuildError(
                f"归档文件 {manifest['archive_path']} 已损坏（SHA-256 不符），请从备份恢复后继续 / the archived file"
                f" {manifest['archive_path']} is damaged (SHA-256): restore it from the backup and run again"
            )
        with transaction(settings, f"register {batch_id}") as conn:
            register(conn, manifest)
        found = land(settings, registry, batch_id, overrule=overrule).state
        if found != state:
            raise RebuildError(_differs(batch_id, state, found))

    def _judged(self, batch_id: str, sweep: str, state: str, counts: dict[str, int], rules: str) -> None:
        settings, registry = self.use(rules)
        if sweep not in self._swept:
            gate(settings, registry, self._sweeps[sweep])
            self._swept.add(sweep)
        with transaction(settings, "compare") as conn, conn.cursor() as cursor:
            cursor.execute(f"select state, {', '.join(COUNTS)} from ops.batch where batch_id = %s", (batch_id,))
            found = cursor.fetchone() or ()
        was = (state, *(counts[name] for name in COUNTS))
        if found != was:
            raise RebuildError(_differs(batch_id, was, found))

    def _gate_error(self, batch_id: str, reasons: list[dict[str, Any]]) -> None:
        with transaction(self._settings, "gate error") as conn:
            hold_as_error(conn, batch_id, reasons)

    def _decided(
        self, event_id: str, event_type: str, batch_id: str, reason: str, decided_by: str, decided_at: str
    ) -> None:
        with transaction(self._settings, "decision") as conn:
            if not _known(conn, event_id):
                moment = dt.datetime.fromisoformat(decided_at)
                decide_on_held(conn, batch_id, event_type, reason, decided_by, moment, event_id)

    def _produced(
        self, event_id: str, reason: str, decided_by: str, decided_at: str, detail: dict[str, object]
    ) -> None:
        with transaction(self._settings, "monthly return") as conn:
            enter(conn, event_id, reason, decided_by, dt.datetime.fromisoformat(decided_at), detail)

    def _retained(self, as_of: str, taken: list[dict[str, Any]]) -> None:
        with transaction(self._settings, "retention") as conn:
            for item in taken:
                if "until_build" in item:
                    delete_history(conn, item["kind"], item["until_build"], item["records"])
                else:
                    delete_records(
                        conn, item["rule"], item["then"], item["kind"], item["records"], dt.date.fromisoformat(as_of)
                    )

    def _hold_placed(self, hold_id: int, **told: Any) -> None:
        with transaction(self._settings, "legal hold") as conn:
            place_hold(conn, hold_id, **told)

    def _hold_lifted(self, hold_id: int, by: str, on: str) -> None:
        with transaction(self._settings, "lift legal hold") as conn, conn.cursor() as cursor:
            cursor.execute(
                "update ops.legal_hold set lifted_by = %s, lifted_on = %s where hold_id = %s", (by, on, hold_id)
            )

    def _keys_rotated(self, old: str, new: str) -> None:
        """Nothing to repeat: everything lands with the keys of today, and no id or published row derives from a key."""

    def _filled_before(self, batches: int) -> None:
        raise RebuildError(
            f"作业日志开始之前库中已有 {batches} 个批次，归档不足以重建，请从备份恢复 / the warehouse held {batches} batches"
            " before its journal began, so the archive alone does not tell how they came: restore a backup"
        )

    def _arrival(self, as_of: str, department: str, state: str, zh: str, en: str, started_at: str) -> None:
        day, moment = dt.date.fromisoformat(as_of), dt.datetime.fromisoformat(started_at)
        with transaction(self._settings, "arrival") as conn:
            record_arrival(conn, day, department, state, zh, en, moment)

    def _settled(self, as_of: str, rules: str) -> None:
        settle(*self.use(rules), dt.date.fromisoformat(as_of))

    def _replay(self, event: str, **told: Any) -> None:
        with transaction(self._settings, f"replay {event}") as conn:
            found = proposal.open_proposal(conn)
            if event == "prepared" and found is None:
                proposal.prepare(conn, **told)
            elif event == "proposed":
                proposal.propose(conn, **told)
            elif event == "withdrawn":
                proposal.withdraw(conn, told["decided_by"])

    def _build(
        self, build_no: int, as_of: str, reason: str, batches: list[str], again: list[str], rules: str, **hashes: str
    ) -> None:
        settings, _ = self.use(rules)
        day = dt.date.fromisoformat(as_of)
        if build_no in self.skipped:
            with transaction(settings, "skip build") as conn, conn.cursor() as cursor:
                cursor.execute(
                    "insert into ops.build (build_no, as_of, state, reason, code_hash, batches, started_at)"
                    " values (%s, %s, 'abandoned', %s, %s, %s, clock_timestamp()) on conflict do nothing",
                    (build_no, day, reason, hashes["code_hash"], len(batches)),
                )
                cursor.execute(
                    "insert into ops.build_batch (build_no, batch_id, ordinal)"
                    " select %s, batch_id, place from unnest(%s::text[]) with ordinality as f (batch_id, place)"
                    " on conflict do nothing",
                    (build_no, batches),
                )
                cursor.execute("select setval('ops.build_no', %s)", (build_no,))
            return
        with suppress(BuildFailed):  # then it failed at the time as well: `built` compares
            build(settings, day, reason, again=again, frozen=Frozen(build_no, tuple(batches)))

    def _built(self, build_no: int, state: str, suppressed: int | None) -> None:
        if build_no in self.skipped:
            return
        with transaction(self._settings, "compare") as conn, conn.cursor() as cursor:
            cursor.execute("select state from ops.build where build_no = %s", (build_no,))
            (found,) = cursor.fetchone() or ("missing",)
        if found not in (state, "published"):
            raise RebuildError(_differs(f"build {build_no}", state, found))

    def _pointer(self, build_no: int, event: str, **decision: str) -> None:
        if build_no in self.skipped:
            return
        if event == "publish":
            publish(self._settings, build_no, decided_by=decision["decided_by"])
            return
        with transaction(self._settings, "pointer") as conn:
            if _known(conn, decision["event_id"]):
                return
        rollback(
            self._settings,
            build_no,
            reason=decision["reason"],
            decided_by=decision["decided_by"],
            now=dt.datetime.fromisoformat(decision["decided_at"]),
            event_id=decision["event_id"],
        )


def _abandoned_for_good(entries: list[Entry]) -> set[int]:
    """Builds nobody saw and that suppressed nothing: a later build took their rows back, or they never came to an end."""
    pointer = 0
    alive: list[int] = []
    gone: set[int] = set()
    learnt = {entry.body["build_no"] for entry in entries if entry.kind == "built" and entry.body["suppressed"]}
    shown = {entry.body["build_no"] for entry in entries if entry.kind == "pointer"}
    for entry in entries:
        if entry.kind == "build":
            gone |= {number for number in alive if number > pointer}
            alive = [number for number in alive if number <= pointer] + [entry.body["build_no"]]
        elif entry.kind == "pointer":
            pointer = entry.body["build_no"]
    ended = {entry.body["build_no"] for entry in entries if entry.kind == "built"}
    never = {entry.body["build_no"] for entry in entries if entry.kind == "build"} - ended - shown
    return {number for number in gone if number not in learnt and number not in shown} | never


def _known(conn: Connection, event_id: str) -> bool:
    with conn.cursor() as cursor:
        cursor.execute("select 1 from ops.event where event_id = %s", (event_id,))
        return cursor.fetchone() is not None


def _differs(what: str, was: object, found: object) -> str:
    return (
        f"{what}：作业日志记为 {was}，重建得 {found}；程序版本可能与当时不同 / {what}: the journal says {was}, the rebuild"
        f" gives {found}: the program may not be the version that did this step"
    )
