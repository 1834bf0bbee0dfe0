"""The limit of P5: hand-written SQL that does the least which could be called the same work on the same files.

COPY of the CSV into an unlogged table; one pass with the same verdicts; duplicate keys; accepted rows into a logged table
with hash and key; typed, versioned core rows; two partial indexes; subjects; one score aggregate; analyze. No archive, no
encryption of personal numbers, no reasons or fields of a refusal, no matching of subjects beyond their code, no lists, no
views, no tests, nothing that could be run again after a failure.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

from bench.p4_gate import hand_written_pass
from bench.stock import AS_OF, Feed
from creditflow.landing.tables import PROVENANCE, canonical_columns, ensure_tables
from creditflow.ops.database import Connection, connect
from creditflow.quality.checks import literal
from creditflow.quality.rulebook import load_rulebook
from creditflow.registry import Kind, Registry
from creditflow.settings import Settings

OPEN = 2147483647
POINTS = {"permit": 1, "rating": 5, "inspection": -2, "penalty": -10, "abnormal_entry": -20, "list_entry": -50}
Seconds = dict[str, float]


class _Limit:
    """The statements, one method a step; what each took is added up by the step's name."""

    def __init__(self, conn: Connection, settings: Settings, registry: Registry) -> None:
        self._conn, self._registry = conn, registry
        self._book = load_rulebook(settings.project, registry)
        self.seconds: Seconds = {}

    def run(self, feeds: list[Feed]) -> None:
        """Everything, feed by feed, then subjects and scores."""
        for feed in feeds:
            kind = self._registry.kinds[self._registry.feed(feed.department, feed.name).kind]
            self._table(feed, kind)
            for path in feed.files:
                self._copy(feed, path)
            self._judge(feed, kind)
            self._land(feed, kind)
            self._core(feed, kind)
        self._subjects(feeds)

    def _sql(self, step: str, *statements: str) -> None:
        begun = time.perf_counter()
        with self._conn.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        self.seconds[step] = self.seconds.get(step, 0) + time.perf_counter() - begun

    def _table(self, feed: Feed, kind: Kind) -> None:
        columns = canonical_columns(kind)
        keyed = [
            kind.counterparty.get("uscc", columns[0]) if name == "@counterparty" else name for name in kind.record_key
        ]
        key = "||'|'||".join(f"coalesce({name}, '')" for name in keyed if not name.startswith("@")) or "''"
        content = "||'|'||".join(f"coalesce({name}, '')" for name in columns)
        provided = {name for name, _ in PROVENANCE} - {"row_no", "version_at", "record_key", "content_hash"}
        own = ", ".join(f"{name} {kind_of}" for name, kind_of in PROVENANCE if name in provided)
        self._sql(
            "copy",
            f"create unlogged table work.hand_{feed} ({own.replace(' not null', '')},"
            " row_no integer generated always as identity, version_at timestamptz, moment text, defect text,"
            f" defect_detail text, changes jsonb, extra jsonb, {', '.join(f'{name} text' for name in columns)},"
            f" record_key uuid generated always as (md5({key})::uuid) stored,"
            f" content_hash uuid generated always as (md5({content})::uuid) stored)",
        )

    def _copy(self, feed: Feed, path: Path) -> None:
        known = self._registry.feed(feed.department, feed.name)
        kind = self._registry.kinds[known.kind]
        with path.open("rb") as source:
            headings = next(csv.reader([source.readline().decode("utf-8")]))
            targets = known.recognise(headings).targets
            names = [_column(kind, target) for target in targets]
            begun = time.perf_counter()
            with self._conn.cursor() as cursor:
                cursor.copy_expert(
                    f"copy work.hand_{feed} ({', '.join(names)}) from stdin with (format csv)", source, 1 << 18
                )
            self.seconds["copy"] += time.perf_counter() - begun

    def _judge(self, feed: Feed, kind: Kind) -> None:
        work = f"work.hand_{feed}"
        self._sql("verdicts", f"analyze {work}")
        before, select, _ = hand_written_pass(
            self._registry, self._book, kind.name, feed.department, work, AS_OF.isoformat()
        )
        self._sql("duplicate keys", *before)
        self._sql("verdicts", f"create unlogged table work.hand_verdict_{feed} as {select}")

    def _land(self, feed: Feed, kind: Kind) -> None:
        rules = self._book.rules(kind.name, feed.department)
        rejecting = ", ".join(literal(rule.rule_id) for rule in rules if rule.severity == "reject")
        self._sql(
            "landing",
            f"create table landing.hand_{feed} as select w.*, v.broken as flags from work.hand_{feed} w"
            f" join work.hand_verdict_{feed} v using (row_no) where not v.broken && array[{rejecting}]::text[]",
        )

    def _core(self, feed: Feed, kind: Kind) -> None:
        typed = ", ".join(
            f"ops.parse_date({column.name}) as {column.name}" if column.type == "date" else column.name
            for column in kind.columns
            if column.type != "person_id"
        )
        subject = kind.counterparty.get("uscc", kind.columns[0].name)
        decided = kind.decisive_date or "row_no"
        self._sql(
            "core",
            f"create table core.hand_{feed} as select distinct on (record_key) record_key, content_hash, row_no,"
            f" moment, flags, 1 as known_from, {OPEN} as known_to, {typed} from landing.hand_{feed}"
            " order by record_key, moment desc",
        )
        self._sql(
            "indexes",
            f"create unique index on core.hand_{feed} (record_key) where known_to = {OPEN}",
            f"create index on core.hand_{feed} ({subject}, {decided}) where known_to = {OPEN}",
        )

    def _subjects(self, feeds: list[Feed]) -> None:
        parties = {feed: self._registry.kinds[feed.name].counterparty for feed in feeds}
        rows = " union all ".join(
            f"select {party['uscc']} as uscc, {party['name']} as name from core.hand_{feed} where {party['uscc']} is not null"
            for feed, party in parties.items()
        )
        self._sql(
            "subjects",
            f"create table core.hand_subject as select uscc, max(name) as name, count(*) as records from ({rows}) r group by 1",
            "create unique index on core.hand_subject (uscc)",
        )
        lines = " union all ".join(
            f"select {party['uscc']} as uscc, {POINTS[feed.name]} as points from core.hand_{feed}"
            for feed, party in parties.items()
            if feed.name in POINTS
        )
        self._sql(
            "scores",
            "create table core.hand_score as select s.uscc, greatest(0, 700 + sum(l.points)) as score"
            f" from core.hand_subject s join ({lines}) l using (uscc) group by 1",
        )
        self._sql("analyze", *(f"analyze core.hand_{name}" for name in (*feeds, "subject", "score")))


def _column(kind: Kind, target: str | None) -> str:
    if target == "@op":
        return "op"
    if target == "@version_at":
        return "moment"
    if target is not None and target in kind.by_name:
        return f"{target}_hash" if kind.by_name[target].type == "person_id" else target
    raise ValueError(f"a heading of the benchmark's file leads to {target}")


def run(settings: Settings, registry: Registry, feeds: list[Feed]) -> Seconds:
    """Seconds of each step on the server of `settings`, on tables of its own that are gone afterwards."""
    conn = connect(settings, name="bench limit", autocommit=True)
    limit = _Limit(conn, settings, registry)
    try:
        with conn.cursor() as cursor:
            cursor.execute("set client_encoding to 'UTF8'")
        ensure_tables(conn, registry)  # rules that look at other kinds look there
        limit.run(feeds)
    finally:
        with conn.cursor() as cursor:
            cursor.execute(
                "select format('%I.%I', schemaname, tablename) from pg_tables where tablename like 'hand\\_%'"
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f"drop table {name}")
        conn.close()
    return {name: round(seconds, 2) for name, seconds in limit.seconds.items()}
