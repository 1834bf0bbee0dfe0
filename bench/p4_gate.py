"""P4 of the budgets: the gate over a million permits against one SQL pass that computes the same verdicts.

Two limits, same rows, same server, same run. `pass`: the whole permit suite as one hand-written statement would have it,
each row's broken rules in an array, written to an unlogged table. `pass_and_land`: the same, then what a hand-written gate
must do as well: one line with reason for each rejected row, the accepted rows into landing with its indexes.
The gate is measured whole: import of Great Expectations, rules, decision, reasons, landing, commit.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from typing import Any

from bench.place import own_server
from creditflow.archive import store
from creditflow.connectors.delivery import Delivery
from creditflow.landing import ensure_tables, land, work_table
from creditflow.ops.batches import next_batch_id, register
from creditflow.ops.database import Connection, connect
from creditflow.quality.checks import Row, literal
from creditflow.quality.compiling import cross_row_tables, pass_over, powers, rule_sql
from creditflow.quality.rulebook import Rule, RuleBook, load_rulebook
from creditflow.registry import Registry
from creditflow.settings import Settings
from sandbox.bulk import write_csv

AS_OF = dt.date(2026, 11, 20)
DEPARTMENT, FEED = "wlj", "permit"
GATE = """
import json, time
begun = time.perf_counter()
from creditflow.quality import gate
from creditflow.registry import load
from creditflow.settings import load_settings
settings = load_settings()
summary = gate(settings, load(settings.project))
batch = summary.batches[0]
print(json.dumps({
    "seconds": time.perf_counter() - begun,
    "accepted": batch.rows_accepted,
    "rejected": batch.rows_rejected,
    "state": batch.state,
    "peak_mb": int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024,
}))
"""


def hand_written_pass(
    registry: Registry, book: RuleBook, kind_name: str, department: str, work: str, received: str
) -> tuple[tuple[str, ...], str, tuple[Rule, ...]]:
    """(what must be there first, one statement that gives each row's broken rules, the rules) over a work table."""
    kind = registry.kinds[kind_name]
    authorities = powers(registry, kind_name)
    row = Row(
        kind,
        batch_id="hand",
        received=f"date {literal(received)}",
        lists=book.lists,
        authorities=tuple(sorted(authorities)),
        empowered=tuple(sorted(code for code, has_power in authorities.items() if has_power)),
    )
    rules = book.rules(kind_name, department)
    tests = [(rule, rule_sql(rule, row)) for rule in rules]
    broken = ", ".join(f"case when not ({test}) then {literal(rule.rule_id)} end" for rule, test in tests)
    uscc = row.text(kind.counterparty["uscc"])
    source = ", ".join(f"{expression} as {name}" for name, expression in row.source.items())
    before = pass_over(
        kind,
        book,
        rules,
        batch_id="hand",
        department=department,
        work=work,
        received=received,
        filters=(),
        authorities=authorities,
    ).before
    select = (
        f"select w.row_no, array_remove(array[{broken}], null) as broken"
        f" from (select r.row_no, {source} from {work} r offset 0) w left join quality.register g on g.uscc = {uscc}"
    )
    return (cross_row_tables(), *before), select, rules


def hand_written(conn: Connection, registry: Registry, book: RuleBook, batch_id: str) -> dict[str, float]:
    """Seconds of the pass, and of the pass with reasons and landing; what it writes is undone."""
    work = f"work.{work_table(batch_id)}"
    before, select, rules = hand_written_pass(registry, book, FEED, DEPARTMENT, work, AS_OF.isoformat())
    names = ", ".join(c for c in _columns(conn, f"landing.{FEED}") if c not in ("batch_id", "flags"))
    rejecting = ", ".join(literal(rule.rule_id) for rule in rules if rule.severity == "reject")
    with conn.cursor() as cursor:
        begun = time.perf_counter()
        for prepared in before:
            cursor.execute(prepared)
        cursor.execute(f"create unlogged table work.hand as {select}")
        passed = time.perf_counter() - begun
        cursor.execute("begin")
        cursor.execute(
            "insert into quality.row_verdict (batch_id, row_no, record_key, verdict, rule_ids)"
            f" select 'hand', row_no, record_key, 'rejected', broken from work.hand join {work} using (row_no)"
            f" where broken && array[{rejecting}]"
        )
        cursor.execute(
            f"insert into landing.{FEED} (batch_id, flags, {names}) select 'hand', broken, {names}"
            f" from work.hand join {work} using (row_no) where not broken && array[{rejecting}]"
        )
        landed = time.perf_counter() - begun
        cursor.execute("rollback")
        cursor.execute("drop table work.hand")
        cursor.execute(f"vacuum landing.{FEED}")
    return {"pass": passed, "pass_and_land": landed}


def _columns(conn: Connection, table: str) -> list[str]:
    with conn.cursor() as cursor:
        cursor.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
            (table,),
        )
        return [name for (name,) in cursor.fetchall()]


def measure(settings: Settings, registry: Registry, rows: int) -> dict[str, Any]:
    """P4 on a running server."""
    source = write_csv(settings.home / "source", rows, kind=FEED, faults=True, dept=DEPARTMENT)
    conn = connect(settings, name="bench", autocommit=True)
    ensure_tables(conn, registry)
    batch_id = next_batch_id(conn, DEPARTMENT, FEED, AS_OF)
    department, feed = registry.departments[DEPARTMENT], registry.feed(DEPARTMENT, FEED)
    with source.open("rb") as stream:
        archived = store(settings, department, feed, Delivery(source.name, stream, by_hand=True), batch_id, AS_OF)
    register(conn, archived.manifest)
    summary = land(settings, registry, batch_id)
    if summary.state != "landed":
        raise RuntimeError(f"the benchmark's file did not land: {summary.reasons}")
    with conn.cursor() as cursor:
        cursor.execute(f"vacuum analyze work.{work_table(batch_id)}")
    limit = hand_written(conn, registry, load_rulebook(settings.project, registry), batch_id)
    conn.close()
    environ = {**os.environ, "CREDITFLOW_HOME": str(settings.home), "CREDITFLOW_PROJECT": str(settings.project)}
    said = subprocess.run([sys.executable, "-c", GATE], env=environ, capture_output=True, text=True, check=True).stdout
    found = json.loads(said.splitlines()[-1])
    return {
        "rows": summary.rows_read,
        "rules": len(load_rulebook(settings.project, registry).rules(FEED, DEPARTMENT)),
        "gate_seconds": round(found["seconds"], 1),
        "pass_seconds": round(limit["pass"], 1),
        "pass_and_land_seconds": round(limit["pass_and_land"], 1),
        "ratio": round(found["seconds"] / limit["pass"], 2),
        "ratio_with_landing": round(found["seconds"] / limit["pass_and_land"], 2),
        "state": found["state"],
        "accepted": found["accepted"],
        "rejected": found["rejected"],
        "budget": 6,
        "aim": 3,
        "peak_mb": found["peak_mb"],
    }


def run(rows: int = 1_000_000) -> dict[str, Any]:
    """P4 on a server of its own."""
    with own_server() as (settings, registry):
        return measure(settings, registry, rows)
