"""The gate: every landed batch is judged by the rule book, and what passes goes on to landing.

Promises
- One sweep judges all waiting batches, kind by kind, importing Great Expectations once; registrations come first, so
  that the other kinds are compared with tonight's register. Verdicts and transactions are per batch.
- Many rows are passed over by several sessions side by side, which only read, while the slice before is validated; all that
  is decided, is so in one order.
- A batch that fails twice inside the gate is held as `gate_error` and stops nobody else.
- Killed at any point and run again, it gives the same warehouse: a batch is `landed` until its verdicts are committed.
- The work table is trusted only if it holds the rows that were counted when it was read; otherwise the batch lands
  again from the archive.
- A held batch is released or refused by a person, with a reason, as an event; a release sets holds aside, not rejects.
"""

from __future__ import annotations

import io
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extras import execute_values

from creditflow.identity.codes import uscc_ok
from creditflow.landing import land
from creditflow.landing.keys import key_maker
from creditflow.landing.tables import work_table
from creditflow.ops import journal, proposal
from creditflow.ops.database import Connection, connect, transaction
from creditflow.ops.ledger import COUNTS
from creditflow.quality.checks import literal
from creditflow.quality.compiling import (
    BATCH_FACTS,
    FAILING,
    batch_facts,
    cross_row_tables,
    gate_table,
    pass_over,
    powers,
)
from creditflow.quality.rulebook import Rule, RuleBook, load_or_previous
from creditflow.quality.sessions import Sessions
from creditflow.quality.verdicts import BatchVerdict, Decision, decide
from creditflow.registry import Kind, Registry
from creditflow.settings import Settings

if TYPE_CHECKING:
    from creditflow.quality.expectations import Validator

log = logging.getLogger(__name__)

SLICE_ROWS = 250_000
"""Rows validated at a time: bounds the memory that failing rows can take, whatever the size of a batch."""

SHARED_ROWS = 20_000
"""From so many rows on, a slice is passed over by several sessions at a time."""

Span = tuple[int, int]
"""First and last row_no"""
_LAST_ROW = 2**31 - 1
Slice = list[tuple[dict[str, Any], Span | None]]
"""What is validated at a time: batches, each as a whole or a span of it"""

ATTEMPTS = 2
"""A batch that fails this often inside the gate is held."""

LOCK = "creditflow.gate"


class GateDecisionError(Exception):
    """A person's decision does not fit the batch; the message says why, in Chinese and English."""


@dataclass(frozen=True)
class GateSummary:
    """One sweep. seconds: wall time. rulebook: digest of the rules in force; problems: why newer ones were refused."""

    batches: tuple[BatchVerdict, ...]
    seconds: float
    rulebook: str = ""
    problems: tuple[str, ...] = ()

    @property
    def held(self) -> tuple[BatchVerdict, ...]:
        """Batches that wait for a person."""
        return tuple(batch for batch in self.batches if batch.state == "held")


def gate(
    settings: Settings,
    registry: Registry,
    batch_ids: Sequence[str] | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> GateSummary:
    """Judge every batch in state `landed` (or those of `batch_ids` that are). Nothing waiting: no work, no import.

    tell: called with each batch that is judged. Waits for a sweep that is already running. Raises RuleBookError when there
    is no usable rule book.
    """
    started = time.monotonic()
    conn = connect(settings, name="gate", autocommit=True)
    try:
        _one_sweep_at_a_time(conn)
        book = load_or_previous(settings, registry)
        waiting = _waiting(conn, batch_ids)
        if waiting and _make_way(settings, "gate", frozenset(batch["batch_id"] for batch in waiting)):
            waiting = _waiting(conn, batch_ids)
        if book.fallback:
            _report_fallback(conn, book, waiting)
        verdicts: list[BatchVerdict] = []
        with Sessions(settings, "gate pass", _most_sessions(settings)) as sessions:
            for verdict in _Sweep(settings, registry, book, conn, sessions).run(waiting) if waiting else ():
                verdicts.append(verdict)
                tell(verdict.batch_id)
    finally:
        conn.close()
    if verdicts:
        journal.keep(settings)
    problems = tuple(str(problem) for problem in book.fallback)
    return GateSummary(tuple(verdicts), time.monotonic() - started, book.digest, problems)


def release(
    settings: Settings, registry: Registry, batch_id: str, reason: str, decided_by: str, *, now: datetime | None = None
) -> BatchVerdict:
    """A person lets a held batch in: it lands again and is judged with holds set aside. Rejected rows stay rejected.

    now: clock of the decision, default the database's. Raises GateDecisionError.
    """
    _make_way(settings, decided_by)
    with transaction(settings, "gate decision") as conn:
        decide_on_held(conn, batch_id, "gate_release", reason, decided_by, now)
    journal.keep(settings)
    landed = land(settings, registry, batch_id, overrule=True)
    if landed.state != "landed":
        raise GateDecisionError(f"{batch_id}: 文件无法读取，放行无效 / released, but the file cannot be read")
    summary = gate(settings, registry, [batch_id])
    return next(batch for batch in summary.batches if batch.batch_id == batch_id)


def refuse(settings: Settings, batch_id: str, reason: str, decided_by: str, *, now: datetime | None = None) -> None:
    """A person refuses a held batch: all its held rows are rejected. Raises GateDecisionError."""
    _make_way(settings, decided_by)
    with transaction(settings, "gate decision") as conn:
        decide_on_held(conn, batch_id, "gate_refuse", reason, decided_by, now)
    journal.keep(settings)


def decide_on_held(
    conn: Connection,
    batch_id: str,
    event: str,
    reason: str,
    decided_by: str,
    now: datetime | None,
    event_id: str | None = None,
) -> None:
    """Record a decision on a held batch in the caller's transaction; a refusal takes effect at once.

    event: gate_release or gate_refuse. event_id: of a decision that is repeated. Raises GateDecisionError.
    """
    if not reason.strip() or not decided_by.strip():
        raise GateDecisionError("须说明理由和决定人 / a decision needs a reason and a name")
    event_id = event_id or str(uuid.uuid4())
    with conn.cursor() as cursor:
        cursor.execute("select state from ops.batch where batch_id = %s for update", (batch_id,))
        row = cursor.fetchone()
        if row is None or row[0] != "held":
            what = "没有该批次" if row is None else f"该批次状态为 {row[0]}"
            raise GateDecisionError(f"{batch_id}: {what}，不在暂扣中 / this batch is not held")
        cursor.execute(
            "insert into ops.event (event_id, event_type, batch_id, reason, decided_by, decided_at)"
            " values (%s, %s, %s, %s, %s, coalesce(%s, clock_timestamp())) returning decided_at",
            (event_id, event, batch_id, reason, decided_by, now),
        )
        (moment,) = cursor.fetchone() or (now,)
        if event == "gate_refuse":
            cursor.execute(
                "update quality.row_verdict set verdict = 'rejected', rule_ids = array['BATCH-REFUSED']"
                " where batch_id = %s and verdict = 'held'",
                (batch_id,),
            )
            cursor.execute(
                "update ops.batch set state = 'refused', rows_rejected = rows_rejected + rows_held, rows_held = 0,"
                " reasons = reasons || %s::jsonb where batch_id = %s",
                (
                    json.dumps(
                        [{"code": "BATCH-REFUSED", "zh": f"人工退回：{reason}", "en": f"refused: {reason}"}],
                        ensure_ascii=False,
                    ),
                    batch_id,
                ),
            )
        else:
            cursor.execute("update ops.batch set gate_failures = 0 where batch_id = %s", (batch_id,))
    journal.note(
        conn,
        "decided",
        event_id=event_id,
        event_type=event,
        batch_id=batch_id,
        reason=reason,
        decided_by=decided_by,
        decided_at=moment,
    )


def _most_sessions(settings: Settings) -> int:
    """How many sessions may pass over a slice: as many as processes may share a delivery, and no more than the cores."""
    return min(settings.landing_processes, len(os.sched_getaffinity(0)))


def _one_sweep_at_a_time(conn: Connection) -> None:
    """Wait for, and hold until `conn` is closed, the right to sweep: the gate's work tables have one user."""
    with conn.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (LOCK,))


def _make_way(settings: Settings, by: str, unless: frozenset[str] | None = None) -> bool:
    """Withdraw an open proposal, for what comes now is decided by what stands; whether there was one.

    unless: deliveries about to be judged; where they are the proposal's own, it stays.
    """
    with transaction(settings, "make way") as conn:
        found = proposal.open_proposal(conn)
        if found is None or (unless is not None and unless <= set(found.batches)):
            return False
        return proposal.withdraw(conn, by)


def _waiting(conn: Connection, batch_ids: Sequence[str] | None) -> list[dict[str, Any]]:
    names = (
        "batch_id, department, feed, kind, channel, delivery, delivered_at, as_of, rows_read, declared_rows,"
        " columns_cut, reasons, gate_failures"
    )
    chosen = " and batch_id = any(%s)" if batch_ids is not None else ""
    with conn.cursor() as cursor:
        cursor.execute(
            f"select {names} from ops.batch where state = 'landed'{chosen} order by delivered_at, batch_id",
            (list(batch_ids),) if batch_ids is not None else (),
        )
        keys = [name.strip() for name in names.split(",")]
        return [dict(zip(keys, row, strict=True)) for row in cursor.fetchall()]


def _report_fallback(conn: Connection, book: RuleBook, waiting: Sequence[Mapping[str, Any]]) -> None:
    """The newest rule files were refused: an incident of the night, so that nobody believes they are in force."""
    for problem in book.fallback:
        log.error("rule book refused, the previous one stays in force: %s", problem)
    if not waiting:
        return
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into quality.incident (as_of, rule_id, message_zh, message_en, detail)"
            " values (%s, 'RULEBOOK', %s, %s, %s) on conflict do nothing",
            (
                max(batch["as_of"] for batch in waiting),
                "新的规则文件有误，仍按上一版规则检查。请按所列文件和行号改正。",
                "The new rule files are faulty; the previous rules stay in force. Correct the listed files and lines.",
                json.dumps({"problems": [str(problem) for problem in book.fallback]}, ensure_ascii=False),
            ),
        )


class _Sweep:
    """One sweep over the waiting batches."""

    def __init__(
        self, settings: Settings, registry: Registry, book: RuleBook, conn: Connection, sessions: Sessions
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.book = book
        self.conn = conn
        self.sessions = sessions
        self._validator: Validator | None = None
        self._step = {"sweep": str(uuid.uuid4()), "rules": journal.keep_rules(settings)}

    def run(self, waiting: Sequence[dict[str, Any]]) -> Iterator[BatchVerdict]:
        """Verdicts of all waiting batches, kind by kind."""
        places = {name: place for place, name in enumerate(self.registry.kinds)}
        kinds = sorted({batch["kind"] for batch in waiting}, key=lambda name: (name != "registration", places[name]))
        for name in kinds:
            batches = [batch for batch in waiting if batch["kind"] == name]
            for group in _groups(batches):
                yield from self._group(name, group)

    def _group(self, kind: str, batches: Sequence[dict[str, Any]]) -> Iterator[BatchVerdict]:
        """Judge batches of a kind together; if that fails, each for itself, so that one cannot stop the others."""
        if len(batches) > 1:
            try:
                yield from self._judge(kind, batches)
                return
            except Exception as problem:  # noqa: BLE001 - whatever it was, the batches are tried one by one
                log.warning("gate of %s batches of %s: %s", len(batches), kind, _name_of(problem))
                batches = self._still_waiting(batches)
        for batch in batches:
            yield from self._alone(kind, batch)

    def _alone(self, kind: str, batch: dict[str, Any]) -> Iterator[BatchVerdict]:
        failures = int(batch["gate_failures"])
        while True:
            try:
                yield from self._judge(kind, [batch])
                return
            except Exception as problem:  # noqa: BLE001 - recorded, and the batch is held if it happens again
                failures += 1
                log.error("gate of batch %s, attempt %s: %s", batch["batch_id"], failures, _name_of(problem))
                self._execute(
                    "update ops.batch set gate_failures = %s where batch_id = %s", failures, batch["batch_id"]
                )
                if failures >= ATTEMPTS:
                    yield self._hold_as_error(batch, problem)
                    return

    def _still_waiting(self, batches: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        return _waiting(self.conn, [batch["batch_id"] for batch in batches])

    def _hold_as_error(self, batch: dict[str, Any], problem: Exception) -> BatchVerdict:
        reason = {
            "code": "gate_error",
            "zh": "质检程序两次未能完成，整批暂扣，请数据工程师查看日志",
            "en": f"the gate failed twice ({_name_of(problem)}): the batch is held, a data engineer must look",
            "gate": True,
        }
        reasons = [*(batch["reasons"] or []), reason]
        with transaction(self.settings, f"gate error {batch['batch_id']}") as conn:
            hold_as_error(conn, batch["batch_id"], reasons)
        return BatchVerdict(
            batch["batch_id"],
            batch["department"],
            batch["feed"],
            batch["kind"],
            "held",
            rows_read=batch["rows_read"],
            rows_held=batch["rows_read"],
            reasons=tuple(reasons),
        )

    def _judge(self, name: str, batches: Sequence[dict[str, Any]]) -> Iterator[BatchVerdict]:
        """Evaluate the rules over all rows of the batches, then decide and commit batch by batch."""
        started = time.monotonic()
        kind = self.registry.kinds[name]
        self._prepare_tables()
        works = {batch["batch_id"]: self._work_table(batch) for batch in batches}
        repaired = sum(self._repair(kind, batch["department"], works[batch["batch_id"]]) for batch in batches)
        if repaired:
            log.info("gate of %s: %s codes repaired from the register", name, repaired)
        rules = self.book.union(name, sorted({batch["department"] for batch in batches}))
        numbers = {rule.rule_id: number for number, rule in enumerate(rules)}
        evaluated: dict[str, dict[str, int]] = {}
        validate: Callable[[], object] = self._great_expectations
        for place, piece in enumerate(self._slices(batches, works)):
            table = gate_table(name, place)
            rows = self._pass_over(kind, rules, piece, works, table, meanwhile=validate)
            validate = partial(self._evaluate, table, rules, numbers, rows, evaluated)
        validate()
        self._execute(f"analyze {FAILING}")
        failing_batches, evaluated_batches = self._batch_rules(kind, batches, works)
        share = (time.monotonic() - started) / max(1, sum(batch["rows_read"] for batch in batches) + len(batches))
        for batch in batches:
            begun = time.monotonic()
            batch_id = batch["batch_id"]
            own = self.book.rules(name, batch["department"])
            found = Decision(
                rules=own,
                numbers=numbers,
                evaluated=evaluated.get(batch_id, {}),
                batch_rules=self.book.batch_rules(batch["department"], batch["feed"]),
                batch_failing=failing_batches.get(batch_id, frozenset()),
                batch_evaluated=evaluated_batches.get(batch_id, frozenset()),
                released=self._released(batch_id),
            )
            with transaction(self.settings, f"gate {batch_id}") as conn:
                verdict = decide(
                    conn, kind, self.registry.feed(batch["department"], batch["feed"]), batch, works[batch_id], found
                )
                seconds = round(time.monotonic() - begun + share * (batch["rows_read"] + 1), 3)
                with conn.cursor() as cursor:
                    cursor.execute(
                        "update ops.batch set seconds = seconds + %s where batch_id = %s", (seconds, batch_id)
                    )
                counts = {name: getattr(verdict, name) for name in COUNTS}
                journal.note(conn, "judged", batch_id=batch_id, state=verdict.state, counts=counts, **self._step)
            yield replace(verdict, seconds=seconds)
        for table in (gate_table(name, 0), gate_table(name, 1), BATCH_FACTS, FAILING):
            self._execute(f"drop table if exists {table}")

    def _prepare_tables(self) -> None:
        self._execute(cross_row_tables())
        self._execute(f"drop table if exists {FAILING}")
        self._execute(f"create unlogged table {FAILING} (batch_id text, rule_no integer, row_no integer)")

    def _work_table(self, batch: dict[str, Any]) -> str:
        """The batch's work table, landed again from the archive when it does not hold the rows that were counted."""
        table = f"work.{work_table(batch['batch_id'])}"
        if self._rows(table) != batch["rows_read"]:
            log.warning("work table of %s is incomplete: landing again from the archive", batch["batch_id"])
            land(self.settings, self.registry, batch["batch_id"], overrule=self._released(batch["batch_id"]))
            if self._rows(table) != batch["rows_read"]:
                raise RuntimeError(f"batch {batch['batch_id']} does not land as it did")
        self._execute(f"analyze {table} (record_key)")
        return table

    def _rows(self, table: str) -> int:
        with self.conn.cursor() as cursor:
            cursor.execute("select to_regclass(%s) is not null", (table,))
            row = cursor.fetchone()
            if not row or not row[0]:
                return -1
            cursor.execute(f"select count(*) from {table}")
            counted = cursor.fetchone()
            return int(counted[0]) if counted else -1

    def _repair(self, kind: Kind, department: str, work: str) -> int:
        """Repair a code with a letter outside the alphabet, where the register knows the one candidate under the name.

        The original goes into `changes`; the record key follows the repaired code. Returns rows changed.
        """
        column, name = kind.counterparty.get("uscc"), kind.counterparty.get("name")
        if not column or not name:
            return 0
        with transaction(self.settings, "gate repair") as conn, conn.cursor() as cursor:
            cursor.execute(
                f"update {work} w set {column} = s.candidate, changes = coalesce(w.changes, '{{}}'::jsonb)"
                f" || jsonb_build_object({literal(column)}, coalesce(w.changes ->> {literal(column)}, w.{column}))"
                f" from (select r.row_no, ops.uscc_suggestion(r.{column}) as candidate, ops.normal_name(r.{name}) as name"
                f" from {work} r where r.{column} ~ '[OISZ]' and ops.uscc_suggestion(r.{column}) is not null) s"
                " join quality.register g on g.uscc = s.candidate and s.name = any(g.names) where w.row_no = s.row_no"
                " returning w.row_no"
            )
            rows = [row_no for (row_no,) in cursor.fetchall()]
            if rows:
                _rekey(cursor, kind, department, work, rows)
        return len(rows)

    def _batch_rules(
        self, kind: Kind, batches: Sequence[dict[str, Any]], works: Mapping[str, str]
    ) -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
        """batch_id -> rules about whole deliveries that failed, and that applied."""
        feeds = {b["batch_id"]: self.registry.feed(b["department"], b["feed"]) for b in batches}
        rules, select = batch_facts(kind, self.book, works, feeds)
        if not rules:
            return {}, {}
        self._execute(f"drop table if exists {BATCH_FACTS}")
        self._execute(f"create unlogged table {BATCH_FACTS} as {select}")
        failing: dict[str, set[str]] = {}
        for rule_id, keys in self._validate(BATCH_FACTS, rules, len(batches)):
            for batch_id, _ in keys:
                failing.setdefault(batch_id, set()).add(rule_id)
        evaluated = self._evaluated(BATCH_FACTS, rules)
        return (
            {batch_id: frozenset(ids) for batch_id, ids in failing.items()},
            {batch_id: frozenset(r for r, count in counts.items() if count) for batch_id, counts in evaluated.items()},
        )

    def _pass_over(
        self,
        kind: Kind,
        rules: Sequence[Rule],
        piece: Slice,
        works: Mapping[str, str],
        table: str,
        meanwhile: Callable[[], object],
    ) -> int:
        """One slice: what each rule says of each row, by SQL, into a gate table; its rows. `meanwhile` is called once."""
        columns = ", ".join(["batch_id text", "row_no integer", *(f"{rule.column} boolean" for rule in rules)])
        self._execute(f"drop table if exists {table}; create unlogged table {table} ({columns})")
        authorities = powers(self.registry, kind.name)
        passes: list[str] = []
        for batch, span in _parts(piece, self.sessions.most):
            feed = self.registry.feed(batch["department"], batch["feed"])
            one = pass_over(
                kind,
                self.book,
                rules,
                batch_id=batch["batch_id"],
                department=batch["department"],
                work=works[batch["batch_id"]],
                received=_received(batch, self.settings).isoformat(),
                filters=feed.out_of_scope,
                authorities=authorities,
                rows=span,
            )
            if span is None or span[0] == 0:
                for statement in one.before:
                    self._execute(statement)
            passes.append(f"insert into {table} {one.select}")
        if _rows_of(piece) < SHARED_ROWS or self.sessions.most == 1:
            meanwhile()
            return sum(self._execute(statement) for statement in passes)
        return self.sessions.run(passes, meanwhile)

    def _evaluate(
        self,
        table: str,
        rules: Sequence[Rule],
        numbers: Mapping[str, int],
        rows: int,
        evaluated: dict[str, dict[str, int]],
    ) -> None:
        """One slice: the decision by Great Expectations over its gate table, the failing keys into work.gate_failing."""
        failing = io.StringIO()
        for rule_id, keys in self._validate(table, rules, max(rows, 1)):
            number = numbers[rule_id]
            failing.writelines(f"{batch_id}\t{number}\t{row_no}\n" for batch_id, row_no in keys)
        failing.seek(0)
        with self.conn.cursor() as cursor:
            cursor.copy_expert(f"copy {FAILING} from stdin", failing)
        for batch_id, counts in self._evaluated(table, rules).items():
            known = evaluated.setdefault(batch_id, {})
            for rule_id, count in counts.items():
                known[rule_id] = known.get(rule_id, 0) + count

    def _slices(self, batches: Sequence[dict[str, Any]], works: Mapping[str, str]) -> Iterator[Slice]:
        """What is validated at a time: several whole batches, or spans of row numbers of a big one."""
        if len(batches) > 1 or batches[0]["rows_read"] <= SLICE_ROWS:
            yield [(batch, None) for batch in batches]
            return
        batch = batches[0]
        with self.conn.cursor() as cursor:
            cursor.execute(f"select max(row_no) from {works[batch['batch_id']]}")
            row = cursor.fetchone()
        last = int(row[0]) if row else 0
        for first in range(0, last + 1, SLICE_ROWS):
            yield [(batch, (first, first + SLICE_ROWS - 1))]

    def _validate(
        self, table: str, rules: Sequence[Rule], rows: int
    ) -> Iterator[tuple[str, Sequence[tuple[str, int]]]]:
        from creditflow.quality.expectations import Expected

        validator = self._great_expectations()
        expected = [
            Expected(rule.rule_id, rule.column, rule.severity, {"kind": rule.kind, "fields": list(rule.fields)})
            for rule in rules
        ]
        for outcome in validator.validate(table.removeprefix("work."), expected, rows=rows):
            if not outcome.success:
                yield outcome.rule_id, outcome.rows

    def _great_expectations(self) -> Validator:
        """Great Expectations, imported when it is first needed: that takes seconds."""
        from creditflow.quality.expectations import Validator

        if self._validator is None:
            self._validator = Validator(self.settings.warehouse_url)
        return self._validator

    def _evaluated(self, table: str, rules: Sequence[Rule]) -> dict[str, dict[str, int]]:
        """batch_id -> rule -> rows to which the rule applied."""
        counts = ", ".join(f"count({rule.column})" for rule in rules)
        with self.conn.cursor() as cursor:
            cursor.execute(f"select batch_id, {counts} from {table} group by batch_id")
            return {
                row[0]: {rule.rule_id: int(count) for rule, count in zip(rules, row[1:], strict=True)}
                for row in cursor.fetchall()
            }

    def _released(self, batch_id: str) -> bool:
        with self.conn.cursor() as cursor:
            cursor.execute(
                "select exists (select 1 from ops.event where batch_id = %s and event_type = 'gate_release')",
                (batch_id,),
            )
            row = cursor.fetchone()
            return bool(row and row[0])

    def _execute(self, statement: str, *parameters: Any) -> int:
        """Run one statement by itself; without parameters, per cent signs mean themselves. Returns rows touched."""
        with self.conn.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return max(0, cursor.rowcount)


def hold_as_error(conn: Connection, batch_id: str, reasons: Sequence[Mapping[str, Any]]) -> None:
    """Hold a batch the gate could not judge; all its rows wait."""
    with conn.cursor() as cursor:
        cursor.execute(
            "update ops.batch set state = 'held', rows_accepted = 0, rows_rejected = 0, rows_out_of_scope = 0,"
            " rows_duplicate = 0, rows_held = rows_read, reasons = %s, gated_at = clock_timestamp() where batch_id = %s",
            (json.dumps(list(reasons), ensure_ascii=False), batch_id),
        )
    journal.note(conn, "gate_error", batch_id=batch_id, reasons=list(reasons))


def _groups(batches: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Batches judged together: small ones up to a slice's rows, a big one alone."""
    group: list[dict[str, Any]] = []
    rows = 0
    for batch in batches:
        if group and rows + batch["rows_read"] > SLICE_ROWS:
            yield group
            group, rows = [], 0
        group.append(batch)
        rows += batch["rows_read"]
    if group:
        yield group


def _rows_of(piece: Slice) -> int:
    """Rows of a slice, at most."""
    return sum(batch["rows_read"] if span is None else span[1] - span[0] + 1 for batch, span in piece)


def _parts(piece: Slice, parts: int) -> Iterator[tuple[dict[str, Any], Span | None]]:
    """A slice cut for so many sessions: every batch of it, or span of one, that has many rows in so many spans."""
    for batch, span in piece:
        first, last = (0, batch["rows_read"] - 1) if span is None else span
        rows = last - first + 1
        if rows < SHARED_ROWS or parts == 1:
            yield batch, span
            continue
        cuts = [first + rows * part // parts for part in range(parts)]
        end = _LAST_ROW if span is None else last
        yield from ((batch, cut) for cut in zip(cuts, [*(cut - 1 for cut in cuts[1:]), end], strict=True))


def _received(batch: Mapping[str, Any], settings: Settings) -> date:
    """The day after which nothing in the batch can have been decided: its delivery, never later than its night."""
    night: date = batch["as_of"]
    if batch["channel"] == "manual_upload":
        return night
    delivered: datetime = batch["delivered_at"]
    return min(delivered.astimezone(settings.zone).date(), night)


def _rekey(cursor: Any, kind: Kind, department: str, work: str, rows: Sequence[int]) -> None:
    """Make the record keys of some rows anew, as landing makes them."""
    columns = [column.name for column in kind.columns if column.type != "person_id"]
    key_of = key_maker(kind, department, {name: at for at, name in enumerate(columns)}, uscc_ok)
    cursor.execute(
        f"select row_no, content_hash::text, {', '.join(columns)} from {work} where row_no = any(%s)", (list(rows),)
    )
    keys = [
        (row_no, key_of([value or "" for value in values], content.replace("-", "")))
        for row_no, content, *values in cursor.fetchall()
    ]
    execute_values(
        cursor,
        f"update {work} w set record_key = k.key::uuid from (values %s) k (row_no, key) where w.row_no = k.row_no",
        keys,
    )


def _name_of(problem: Exception) -> str:
    """What kind of error it was; never its text, which may quote a row."""
    code = problem.pgcode if isinstance(problem, psycopg2.Error) else None
    return f"{type(problem).__name__}{f' {code}' if code else ''}"
