"""From failing rows to verdicts: one transaction per batch decides, writes every reason down and lets the rest go on.

Promises
- rows_read = accepted + rejected + held + out of scope + duplicate; every row that is not accepted has its own line in
  quality.row_verdict with its rules, and every flagged row too.
- Nothing is decided here that Great Expectations did not: rejects, flags and holds come from work.gate_failing, which
  holds the keys of its results. Out-of-scope rows (declared by the feed) and duplicates are facts of the delivery.
- A duplicate is a row that says nothing new: the same content as the version of the same record just before it, in this
  batch or in landing. A record that returns to earlier content after a change is new, also when the change comes last
  (creditflow.ops.restated). Rows of a full snapshot are never duplicates of an earlier delivery: their presence is their
  message.
- Payloads are masked; personal numbers, hashes and ciphertexts are not in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg2.extras import execute_values

from creditflow.ops import restated
from creditflow.ops.database import Connection
from creditflow.quality.checks import literal
from creditflow.quality.compiling import FAILING, filter_sql, masked_payload, measured_sql, unknown_heading
from creditflow.quality.rulebook import Rule
from creditflow.registry import Feed, Kind

TOO_MANY = "BATCH-TOO-MANY-REJECTED"
HOLD_SHARE = 0.20
HOLD_ROWS = 20
"""A batch with more than this share and at least this many rejected rows is held as a whole (page 12)."""


INTAKE_TWINS = {"no_forbidden_columns": "INTAKE-COLUMN-CUT", "no_unknown_columns": "INTAKE-UNKNOWN-COLUMN"}
"""Incidents that landing has already opened for what a batch rule finds: one is enough."""


@dataclass(frozen=True)
class Reason:
    """Why a batch was held or rows of it were rejected; `row` and `field` point at the first place."""

    code: str
    zh: str
    en: str
    rows: int | None = None
    row: int | None = None
    field: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For ops.batch.reasons: only what is known."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class BatchVerdict:
    """What became of one batch."""

    batch_id: str
    department: str
    feed: str
    kind: str
    state: str
    rows_read: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    rows_held: int = 0
    rows_out_of_scope: int = 0
    rows_duplicate: int = 0
    rows_flagged: int = 0
    reasons: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0


@dataclass
class Decision:
    """What the rules found about one batch, before it is decided. failing/evaluated by rule id."""

    rules: Sequence[Rule]
    numbers: Mapping[str, int]
    evaluated: Mapping[str, int] = field(default_factory=dict)
    batch_rules: Sequence[Rule] = ()
    batch_failing: frozenset[str] = frozenset()
    batch_evaluated: frozenset[str] = frozenset()
    released: bool = False


def decide(
    conn: Connection, kind: Kind, feed: Feed, batch: Mapping[str, Any], work: str, found: Decision
) -> BatchVerdict:
    """Write the verdicts of one batch inside the caller's transaction. The work table is dropped.

    Raises ValueError when the batch is not waiting for the gate.
    """
    return _Decider(conn, kind, feed, batch, work, found).run()


class _Decider:
    """One batch's decision, step by step."""

    def __init__(
        self, conn: Connection, kind: Kind, feed: Feed, batch: Mapping[str, Any], work: str, found: Decision
    ) -> None:
        self.cursor = conn.cursor()
        self.kind = kind
        self.feed = feed
        self.batch = batch
        self.batch_id: str = batch["batch_id"]
        self.work = work
        self.found = found

    def run(self) -> BatchVerdict:
        """All steps."""
        self._claim()
        self._gather()
        counts = self._count()
        reasons = self._hold_reasons(counts)
        held = bool(reasons)
        self._forget_earlier()
        self._write_rules()
        self._write_hold(reasons, counts)
        self._write_rows(held, next((r.code for r in reasons if r.code.startswith("BATCH-")), "BATCH-HELD"))
        self._write_incidents()
        if held:
            counts["held"], counts["accepted"] = counts["accepted"], 0
            state = "held"
        else:
            self._accept()
            state = "partly_accepted" if counts["rejected"] else "accepted"
        notes = (*reasons, *self._reject_reasons())
        return self._finish(state, counts, notes)

    def _one(self, sql: str) -> Any:
        self.cursor.execute(sql)
        row = self.cursor.fetchone()
        assert row is not None
        return row

    def _claim(self) -> None:
        self.cursor.execute("select state from ops.batch where batch_id = %s for update", (self.batch_id,))
        row = self.cursor.fetchone()
        if row is None or row[0] != "landed":
            raise ValueError(f"batch {self.batch_id} is not waiting for the gate")

    def _gather(self) -> None:
        """Temporary tables: rules, what failed per row, and the rows that stand aside (out of scope, duplicate)."""
        cursor = self.cursor
        cursor.execute(
            "create temp table gate_rule (rule_no int, rule_id text, severity text, fields text[], nulls text) on commit drop"
        )
        execute_values(
            cursor,
            "insert into gate_rule values %s",
            [(self.found.numbers[r.rule_id], r.rule_id, r.severity, list(r.fields), r.nulls) for r in self.found.rules],
        )
        cursor.execute(
            "create temp table gate_aside (row_no int, verdict text, rule_id text, record_key uuid) on commit drop"
        )
        for item in self.feed.out_of_scope:
            cursor.execute(
                f"insert into gate_aside select w.row_no, 'out_of_scope', {literal('SCOPE-' + item.id)}, w.record_key"
                f" from {self.work} w where w.defect is null and {filter_sql(item, 'w')}"
                " and not exists (select 1 from gate_aside a where a.row_no = w.row_no)"
            )
        self._find_duplicates()
        cursor.execute("analyze gate_aside")
        cursor.execute(
            "create temp table gate_verdict on commit drop as select f.row_no,"
            " bool_or(r.severity = 'reject') as rejected, bool_or(r.severity = 'hold') as holding,"
            " array_agg(r.rule_id order by r.rule_no) filter (where r.severity <> 'flag') as reject_rules,"
            " array_agg(r.rule_id order by r.rule_no) filter (where r.severity = 'flag') as flag_rules,"
            " array_agg(r.fields[1] order by r.rule_no) filter (where r.severity <> 'flag' and r.fields <> '{}') as reject_fields,"
            " array_agg(r.fields[1] order by r.rule_no) filter (where r.severity = 'flag' and r.fields <> '{}') as flag_fields,"
            " array_agg(r.nulls) filter (where r.nulls is not null and r.severity = 'flag') as nulls"
            f" from {FAILING} f join gate_rule r using (rule_no) where f.batch_id = {literal(self.batch_id)}"
            " and not exists (select 1 from gate_aside a where a.row_no = f.row_no) group by f.row_no"
        )
        cursor.execute("analyze gate_verdict")

    def _find_duplicates(self) -> None:
        """Rows equal to the version of their record just before them, by (version_at, version_seq, content_hash)."""
        earlier = (
            ""
            if self.feed.delivery == "full_snapshot"
            else (
                f" union select w.record_key from {self.work} w where w.record_key is not null"
                f" and exists (select 1 from landing.{self.kind.name} l where l.record_key = w.record_key)"
            )
        )
        landed = (
            ""
            if self.feed.delivery == "full_snapshot"
            else (
                " union all select null::int, l.record_key, l.content_hash, l.op, l.version_at, l.version_seq"
                f" from landing.{self.kind.name} l join gate_key k using (record_key)"
            )
        )
        self.cursor.execute(
            f"create temp table gate_key on commit drop as select record_key from {self.work}"
            f" where record_key is not null group by 1 having count(*) > 1{earlier}"
        )
        self.cursor.execute("analyze gate_key")
        self.cursor.execute(
            "insert into gate_aside select row_no, 'duplicate', 'DUPLICATE', record_key from ("
            "select row_no, record_key, content_hash, class, lag(content_hash) over versions as hash_before,"
            " lag(class) over versions as class_before from ("
            "select row_no, record_key, content_hash, case when op in ('I', 'U') then 'I' else op end as class,"
            " version_at, version_seq from ("
            f"select w.row_no, w.record_key, w.content_hash, w.op, w.version_at, w.version_seq from {self.work} w"
            " join gate_key k using (record_key) where not exists (select 1 from gate_aside a where a.row_no = w.row_no)"
            f"{landed}) v) v window versions as (partition by record_key"
            " order by version_at, version_seq, content_hash, row_no nulls first)) v"
            " where row_no is not null and content_hash = hash_before and class = class_before"
        )

    def _count(self) -> dict[str, int]:
        read, aside_scope, aside_duplicate, rejected, flagged, holding = self._one(
            f"select (select count(*) from {self.work}),"
            " (select count(*) from gate_aside where verdict = 'out_of_scope'),"
            " (select count(*) from gate_aside where verdict = 'duplicate'),"
            " (select count(*) from gate_verdict where rejected),"
            " (select count(*) from gate_verdict where not rejected and flag_rules is not null),"
            " (select count(*) from gate_verdict where holding)"
        )
        return {
            "read": read,
            "out_of_scope": aside_scope,
            "duplicate": aside_duplicate,
            "rejected": rejected,
            "flagged": flagged,
            "holding": holding,
            "held": 0,
            "accepted": read - aside_scope - aside_duplicate - rejected,
        }

    def _hold_reasons(self, counts: Mapping[str, int]) -> list[Reason]:
        """Why the batch must wait for a person; empty when it need not, or a person released it."""
        if self.found.released:
            return []
        reasons = [
            Reason(rule.rule_id, f"{rule.title_zh}。{rule.remedy_zh}", f"{rule.title_en}. {rule.remedy_en}")
            for rule in self.found.batch_rules
            if rule.severity == "hold" and rule.rule_id in self.found.batch_failing
        ]
        if counts["holding"]:
            reasons += self._row_reasons("hold")
        judged = counts["read"] - counts["out_of_scope"] - counts["duplicate"]
        if counts["rejected"] >= HOLD_ROWS and counts["rejected"] > HOLD_SHARE * judged:
            share = f"{100 * counts['rejected'] / judged:.1f}%"
            reasons.append(
                Reason(
                    TOO_MANY,
                    f"不合格 {counts['rejected']} 行，占 {share}，超过 20%，整批暂扣，请更正后重新报送",
                    f"{counts['rejected']} rows rejected, {share}, above 20%: the batch is held; correct and send it again",
                    rows=counts["rejected"],
                )
            )
        return reasons

    def _row_reasons(self, severity: str) -> list[Reason]:
        """The rules of a severity that rows broke, most frequent first."""
        self.cursor.execute(
            f"select r.rule_id, count(*), min(f.row_no) from {FAILING} f join gate_rule r using (rule_no)"
            f" where f.batch_id = {literal(self.batch_id)} and r.severity = {literal(severity)}"
            " and not exists (select 1 from gate_aside a where a.row_no = f.row_no)"
            " group by r.rule_id order by 2 desc, 1 limit 20"
        )
        rules = {rule.rule_id: rule for rule in self.found.rules}
        return [
            Reason(
                rule_id,
                f"{rules[rule_id].title_zh}（{rows} 行，首见第 {first} 行）。{rules[rule_id].remedy_zh}",
                f"{rules[rule_id].title_en} ({rows} rows, first in row {first}). {rules[rule_id].remedy_en}",
                rows=rows,
                row=first,
                field=rules[rule_id].fields[0] if rules[rule_id].fields else None,
            )
            for rule_id, rows, first in self.cursor.fetchall()
        ]

    def _reject_reasons(self) -> list[Reason]:
        return self._row_reasons("reject")

    def _forget_earlier(self) -> None:
        for table in ("quality.rule_result", "quality.row_verdict", "quality.restated_row"):
            self.cursor.execute(f"delete from {table} where batch_id = %s", (self.batch_id,))
        self.cursor.execute(
            "delete from quality.incident where batch_id = %s and starts_with(rule_id, 'BATCH-')", (self.batch_id,)
        )

    def _write_rules(self) -> None:
        self.cursor.execute(
            f"select r.rule_id, count(*) from {FAILING} f join gate_rule r using (rule_no)"
            f" where f.batch_id = {literal(self.batch_id)}"
            " and not exists (select 1 from gate_aside a where a.row_no = f.row_no) group by 1"
        )
        failed: dict[str, int] = dict(self.cursor.fetchall())
        lines = [
            (self.batch_id, r.rule_id, r.severity, self.found.evaluated.get(r.rule_id, 0), failed.get(r.rule_id, 0))
            for r in self.found.rules
        ]
        lines += [
            (
                self.batch_id,
                r.rule_id,
                r.severity,
                int(r.rule_id in self.found.batch_evaluated),
                int(r.rule_id in self.found.batch_failing),
            )
            for r in self.found.batch_rules
        ]
        execute_values(
            self.cursor,
            "insert into quality.rule_result (batch_id, rule_id, severity, rows_evaluated, rows_failed) values %s",
            lines,
            page_size=1000,
        )
        self.cursor.execute(
            "insert into quality.rule_result (batch_id, rule_id, severity, rows_evaluated, rows_failed)"
            f" select %s, rule_id, verdict, (select count(*) from {self.work}), count(*) from gate_aside group by 2, 3",
            (self.batch_id,),
        )

    def _write_hold(self, reasons: Sequence[Reason], counts: Mapping[str, int]) -> None:
        """The share of rejected rows is no rule of the book, but it has its line too."""
        if any(reason.code == TOO_MANY for reason in reasons):
            self.cursor.execute(
                "insert into quality.rule_result (batch_id, rule_id, severity, rows_evaluated, rows_failed)"
                " values (%s, %s, 'hold', %s, %s)",
                (
                    self.batch_id,
                    TOO_MANY,
                    counts["read"] - counts["out_of_scope"] - counts["duplicate"],
                    counts["rejected"],
                ),
            )

    def _write_rows(self, held: bool, hold_rule: str) -> None:
        payload, batch = masked_payload(self.kind, "w"), literal(self.batch_id)
        target = (
            "insert into quality.row_verdict (batch_id, row_no, record_key, version_at, version_seq, content_hash, op,"
            " verdict, rule_ids, fields, payload, suggestion)"
        )
        version = "w.row_no, w.record_key, w.version_at, w.version_seq, w.content_hash, w.op"
        suggestion = self._suggestion()
        for verdict, rules, fields, test in (
            (
                "rejected",
                "v.reject_rules || coalesce(v.flag_rules, '{}')",
                "coalesce(v.reject_fields, '{}') || coalesce(v.flag_fields, '{}')",
                "v.rejected",
            ),
            ("flagged", "v.flag_rules", "v.flag_fields", "v.flag_rules is not null and not v.rejected"),
        ):
            self.cursor.execute(
                f"{target} select {batch}, {version}, {literal(verdict)}, {rules},"
                f" coalesce({fields}, '{{}}'), {payload}, {suggestion}"
                f" from gate_verdict v join {self.work} w using (row_no) where {test}"
            )
        self.cursor.execute(
            f"{target} select {batch}, {version}, a.verdict, array[a.rule_id], '{{}}', null, null"
            f" from gate_aside a join {self.work} w using (row_no)"
        )
        if held:
            self.cursor.execute(
                f"{target} select {batch}, {version}, 'held', coalesce(v.reject_rules, array[{literal(hold_rule)}]),"
                " coalesce(v.reject_fields, '{}'), null, null"
                f" from {self.work} w left join gate_verdict v using (row_no)"
                " where not coalesce(v.rejected, false)"
                " and not exists (select 1 from gate_aside a where a.row_no = w.row_no)"
            )

    def _suggestion(self) -> str:
        """SQL: the code that a mistyped one may stand for, offered to the department, never applied."""
        roles = {"uscc": "uscc", "org_code": "org_code", "reg_no": "reg_no"}
        cases = []
        for role, name in roles.items():
            column = self.kind.counterparty.get(role)
            if column is not None:
                guess = f"ops.{name}_suggestion(w.{column})"
                touched = (
                    f"{literal(column)} = any(coalesce(v.reject_fields, '{{}}') || coalesce(v.flag_fields, '{{}}'))"
                )
                cases.append(
                    f"when {touched} and {guess} is not null"
                    f" then jsonb_build_object('field', {literal(column)}, 'value', {guess})"
                )
        return f"case {' '.join(cases)} end" if cases else "null"

    def _write_incidents(self) -> None:
        for rule in self.found.batch_rules:
            if rule.rule_id in self.found.batch_failing:
                self.cursor.execute(
                    "insert into quality.incident (batch_id, department, feed, as_of, rule_id, message_zh, message_en, detail)"
                    " select %s, %s, %s, %s, %s, %s, %s, %s where not exists (select 1 from quality.incident"
                    " where batch_id = %s and rule_id = %s) on conflict do nothing",
                    (
                        self.batch_id,
                        self.batch["department"],
                        self.batch["feed"],
                        self.batch["as_of"],
                        rule.rule_id,
                        f"{rule.title_zh}。{rule.remedy_zh}",
                        f"{rule.title_en}. {rule.remedy_en}",
                        json.dumps(self._incident_detail(rule), ensure_ascii=False),
                        self.batch_id,
                        INTAKE_TWINS.get(rule.check_name, ""),
                    ),
                )

    def _incident_detail(self, rule: Rule) -> dict[str, Any]:
        if rule.check_name == "no_forbidden_columns":
            return {"columns": list(self.batch["columns_cut"])}
        if rule.check_name == "no_unknown_columns":
            self.cursor.execute(
                f"select array_agg(distinct k order by k) from {self.work} r, jsonb_object_keys(r.extra) k"
                f" where r.extra is not null and {unknown_heading(self.feed.keep)}"
            )
            row = self.cursor.fetchone()
            return {"columns": row[0] if row and row[0] else []}
        if rule.feed is not None:
            (measured,) = self._one(measured_sql(self.kind, rule, self.work, self.feed))
            return {"measured": measured, "accepted": dict(rule.parameters), "fields": list(rule.fields)}
        return {
            "rows_read": self.batch["rows_read"],
            "declared_rows": self.batch["declared_rows"],
        }

    def _accept(self) -> None:
        """Accepted rows into landing; failed codes beside a good one are taken out, the original kept in `changes`."""
        kind = self.kind.name
        self.cursor.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
            (f"landing.{kind}",),
        )
        names = [name for (name,) in self.cursor.fetchall()]
        nullable: set[str] = {rule.nulls for rule in self.found.rules if rule.nulls}
        by_name = {column.name: column for column in self.kind.columns}
        expressions = []
        for name in names:
            base = name.removesuffix("_hash").removesuffix("_cipher")
            if name == "batch_id":
                expressions.append(literal(self.batch_id))
            elif name == "flags":
                expressions.append("coalesce(v.flag_rules, '{}')")
            elif name == "changes":
                expressions.append(self._changes(nullable, by_name))
            elif name in nullable or (base in nullable and base != name):
                expressions.append(f"case when {literal(base)} = any(v.nulls) then null else w.{name} end")
            else:
                expressions.append(f"w.{name}")
        self.cursor.execute(
            f"insert into landing.{kind} ({', '.join(names)}) select {', '.join(expressions)}"
            f" from {self.work} w left join gate_verdict v using (row_no)"
            " where not coalesce(v.rejected, false)"
            " and not exists (select 1 from gate_aside a where a.row_no = w.row_no)"
        )
        named = {self.batch_id}
        if self.feed.delivery != "full_snapshot":
            named |= restated.restate(self.cursor, kind, self.batch_id)
        if kind == "registration":
            for batch_id in sorted(named):
                remember_register(self.cursor, batch_id)

    @staticmethod
    def _changes(nullable: set[str], by_name: Mapping[str, Any]) -> str:
        codes = sorted(name for name in nullable if by_name[name].type != "person_id")
        if not codes:
            return "w.changes"
        pairs = ", ".join(
            f"{literal(name)}, case when {literal(name)} = any(v.nulls) then coalesce(w.changes ->> {literal(name)}, w.{name}) end"
            for name in codes
        )
        merged = f"coalesce(w.changes, '{{}}'::jsonb) || jsonb_strip_nulls(jsonb_build_object({pairs}))"
        return f"case when v.nulls is not null then nullif({merged}, '{{}}'::jsonb) else w.changes end"

    def _finish(self, state: str, counts: Mapping[str, int], notes: Sequence[Reason]) -> BatchVerdict:
        mine = [reason.as_dict() for reason in notes]
        codes = {item["code"] for item in mine}
        kept = [item for item in self.batch["reasons"] or [] if item.get("code") not in codes and not item.get("gate")]
        reasons = kept + [{**item, "gate": True} for item in mine]
        self.cursor.execute(
            "update ops.batch set state = %s, reasons = %s, rows_read = %s, rows_accepted = %s, rows_rejected = %s,"
            " rows_held = %s, rows_out_of_scope = %s, rows_duplicate = %s, gated_at = clock_timestamp() where batch_id = %s",
            (
                state,
                json.dumps(reasons, ensure_ascii=False),
                counts["read"],
                counts["accepted"],
                counts["rejected"],
                counts["held"],
                counts["out_of_scope"],
                counts["duplicate"],
                self.batch_id,
            ),
        )
        self.cursor.execute(f"drop table if exists {self.work}")
        return BatchVerdict(
            self.batch_id,
            self.batch["department"],
            self.batch["feed"],
            self.kind.name,
            state,
            rows_read=counts["read"],
            rows_accepted=counts["accepted"],
            rows_rejected=counts["rejected"],
            rows_held=counts["held"],
            rows_out_of_scope=counts["out_of_scope"],
            rows_duplicate=counts["duplicate"],
            rows_flagged=counts["flagged"],
            reasons=tuple(reasons),
        )


def remember_register(cursor: Any, batch_id: str) -> None:
    """Take accepted registrations into quality.register, which names are checked and codes repaired by.

    The newest version of each code counts; earlier names stay known.
    """
    cursor.execute(
        "insert into quality.register as r (uscc, name, names, ended_on, version_at, version_seq)"
        " select subject_uscc, (array_agg(subject_name order by newest))[1],"
        " array_agg(distinct normal_name order by normal_name), (array_agg(ended_on order by newest))[1],"
        " (array_agg(version_at order by newest))[1], (array_agg(version_seq order by newest))[1]"
        " from (select subject_uscc, subject_name, ops.normal_name(subject_name) as normal_name,"
        " case when btrim(entity_status) in ('注销', '吊销') then ops.parse_date(deregistered_on) end as ended_on,"
        " version_at, version_seq,"
        " row_number() over (partition by subject_uscc order by version_at desc, version_seq desc, content_hash desc) as newest"
        " from landing.registration where batch_id = %s and op in ('I', 'U') and subject_name is not null"
        " and ops.uscc_check(subject_uscc) = 'ok') known group by subject_uscc"
        " on conflict (uscc) do update set"
        " names = (select array_agg(distinct one order by one) from unnest(r.names || excluded.names) one),"
        " (name, ended_on, version_at, version_seq) = (select newest.* from (values"
        " (r.name, r.ended_on, r.version_at, r.version_seq),"
        " (excluded.name, excluded.ended_on, excluded.version_at, excluded.version_seq))"
        " newest (name, ended_on, version_at, version_seq) order by version_at desc, version_seq desc limit 1)",
        (batch_id,),
    )
