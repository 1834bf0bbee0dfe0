"""What the law no longer lets us keep: found, told, and deleted, with a hash left behind (domain page 11 section 5).

Promises
- Periods are data with effective dates (retention.yml); business dates decide, never the clock.
- A look (`due`) changes nothing. `delete` takes what is due out of core, lists, landing and the refused rows' payloads,
  in one transaction, suppresses the record so that no replay or resent file shows it again, and writes a report.
- Of scores only versions go that another one replaced: what is said of a subject today stays, however old.
- Raw deliveries are encrypted at rest after their period, and stay: a rebuild and every verdict rest on them.
- A legal hold on everything, a subject or a record stops it; so does a serious list the subject is still on.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from psycopg2 import sql

from creditflow.airflow import task_logs
from creditflow.archive import in_clear, seal_stored
from creditflow.ops import journal, proposal
from creditflow.ops.database import Connection, advisory_lock, transaction
from creditflow.settings import Settings

RULES_FILE = Path(__file__).with_name("retention.yml")
PARTIES = {
    "natural_person": "c.party_type = 'natural_person'",
    "organisation": "c.party_type <> 'natural_person'",
    "any": "true",
}
ON_SERIOUS_LIST = (
    "exists (select 1 from lists.list_membership m where m.subject_id = c.subject_id and m.list_kind = 'serious'"
    " and m.known_to_build = 2147483647 and m.state = 'active' and (m.ended_on is null or m.ended_on > %(as_of)s))"
)
HELD = (
    "exists (select 1 from ops.legal_hold h where h.placed_on <= %(as_of)s"
    " and (h.lifted_on is null or h.lifted_on > %(as_of)s)"
    " and (h.record_id = c.record_id or h.subject_id = c.subject_id or (h.record_id is null and h.subject_id is null)))"
)


@dataclass(frozen=True)
class Rule:
    """One line of retention.yml. ends_on: SQL date; log: a table of ops instead of record kinds; history: tables of scores;
    system_logs: files of the scheduler; deliveries: the archive."""

    id: str
    zh: str
    en: str
    basis: str
    keep_months: int
    then: str
    valid_from: dt.date
    valid_to: dt.date | None = None
    kinds: tuple[str, ...] = ()
    party: str = "any"
    ends_on: str = ""
    until_exit: bool = False
    log: str | None = None
    history: tuple[str, ...] = ()
    system_logs: bool = False
    deliveries: bool = False


@dataclass
class Due:
    """What one rule finds: records past their period, and of those how many a hold or a list keeps. Of the archive and of
    system logs the records are paths; of scores, subjects, with the last build whose word has ended."""

    rule: Rule
    kind: str
    records: list[str]
    held: int
    listed: int
    rows: int = 0
    until_build: int = 0


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule ever, as written."""
    document = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
    tables = ("kinds", "history")
    return tuple(Rule(**{**item, **{name: tuple(item.get(name, ())) for name in tables}}) for item in document["rules"])


def in_force(as_of: dt.date) -> list[Rule]:
    """The rules of a business date."""
    return [rule for rule in rules() if rule.valid_from <= as_of and (rule.valid_to is None or as_of < rule.valid_to)]


def due(settings: Settings, as_of: dt.date) -> dict[str, Any]:
    """The report of what would be deleted; changes nothing."""
    with transaction(settings, "retention: look") as conn:
        return _report(as_of, _due(settings, conn, as_of), deleted=False)


def delete(settings: Settings, as_of: dt.date) -> dict[str, Any]:
    """Delete what is due; the report, also written to home/retention/<as_of>.json. Again on the same day: nothing more."""
    with transaction(settings, "retention: make way") as conn:
        proposal.withdraw(conn, "retention")
    with transaction(settings, "retention: delete") as conn:
        advisory_lock(conn, "creditflow.retention")
        found = _due(settings, conn, as_of)
        for item in found:
            if item.rule.log:
                item.rows = _delete_log(conn, item)
            elif item.rule.kinds:
                item.rows = delete_records(conn, item.rule.id, item.rule.then, item.kind, item.records, as_of)
            elif item.rule.history:
                item.rows = delete_history(conn, item.kind, item.until_build, item.records)
        taken = [
            {"rule": item.rule.id, "then": item.rule.then, "kind": item.kind, "records": item.records}
            | ({"until_build": item.until_build} if item.rule.history else {})
            for item in found
            if item.records and (item.rule.kinds or item.rule.history)
        ]
        if taken:
            journal.note(conn, "retained", as_of=as_of, taken=taken)
    journal.keep(settings)
    for item in found:
        if item.rule.deliveries:
            seal_stored(settings, item.records)
        elif item.rule.system_logs:
            item.rows = _delete_files(task_logs(settings), item.records)
    report = _report(as_of, found, deleted=True)
    path = settings.home / "retention" / f"{as_of.isoformat()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if report["rules"] or not path.exists():
        path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


def monthly(settings: Settings) -> dict[str, Any] | None:
    """`delete` for the published business date, once a calendar month; None when the month had it, or nothing is published."""
    with transaction(settings, "retention: month") as conn, conn.cursor() as cursor:
        cursor.execute("select as_of from ops.pointer")
        as_of: dt.date | None = (cursor.fetchone() or (None,))[0]
    if as_of is None or list((settings.home / "retention").glob(f"{as_of:%Y-%m}-*.json")):
        return None
    return delete(settings, as_of)


def hold(
    settings: Settings,
    *,
    reason: str,
    by: str,
    on: dt.date,
    subject_id: str | None = None,
    record_id: str | None = None,
) -> int:
    """Place a legal hold on a subject, a record, or (neither given) everything; its number."""
    told = {"subject_id": subject_id, "record_id": record_id, "reason": reason, "placed_by": by, "placed_on": on}
    with transaction(settings, "legal hold") as conn:
        with conn.cursor() as cursor:
            cursor.execute("select nextval(pg_get_serial_sequence('ops.legal_hold', 'hold_id'))")
            hold_id = int((cursor.fetchone() or (0,))[0])
        place_hold(conn, hold_id, **told)
    journal.keep(settings)
    return hold_id


def place_hold(conn: Connection, hold_id: int, **told: Any) -> None:
    """A hold under its number, once, in the caller's transaction. told: the other columns of ops.legal_hold."""
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into ops.legal_hold (hold_id, subject_id, record_id, reason, placed_by, placed_on)"
            " overriding system value values (%(hold_id)s, %(subject_id)s, %(record_id)s, %(reason)s, %(placed_by)s,"
            " %(placed_on)s) on conflict do nothing",
            {"hold_id": hold_id, **told},
        )
        cursor.execute(
            "select setval(pg_get_serial_sequence('ops.legal_hold', 'hold_id'), max(hold_id)) from ops.legal_hold"
        )
    journal.note(conn, "hold_placed", hold_id=hold_id, **told)


def lift(settings: Settings, hold_id: int, *, by: str, on: dt.date) -> bool:
    """Lift a hold from that day; False when there is none to lift."""
    with transaction(settings, "lift legal hold") as conn, conn.cursor() as cursor:
        cursor.execute(
            "update ops.legal_hold set lifted_by = %s, lifted_on = %s where hold_id = %s and lifted_on is null",
            (by, on, hold_id),
        )
        lifted = bool(cursor.rowcount)
        if lifted:
            journal.note(conn, "hold_lifted", hold_id=hold_id, by=by, on=on)
    journal.keep(settings)
    return lifted


def _report(as_of: dt.date, found: list[Due], *, deleted: bool) -> dict[str, Any]:
    lines = [
        {
            "rule": item.rule.id,
            "zh": item.rule.zh,
            "en": item.rule.en,
            "basis": item.rule.basis,
            "what": item.kind,
            "then": item.rule.then,
            "records": len(item.records),
            "rows": item.rows,
            "kept_by_legal_hold": item.held,
            "kept_by_serious_list": item.listed,
        }
        for item in found
        if item.records or item.held or item.listed
    ]
    return {
        "as_of": as_of.isoformat(),
        "deleted": deleted,
        "records": sum(len(item.records) for item in found if item.rule.kinds or item.rule.log),
        "scores_of_subjects": sum(len(item.records) for item in found if item.rule.history),
        "system_logs": sum(len(item.records) for item in found if item.rule.system_logs),
        "deliveries_sealed": sum(len(item.records) for item in found if item.rule.deliveries),
        "rules": lines,
    }


def _due(settings: Settings, conn: Connection, as_of: dt.date) -> list[Due]:
    found = []
    for rule in in_force(as_of):
        if rule.log:
            found.append(_due_log(conn, rule, as_of))
        if rule.deliveries:
            found.append(_due_deliveries(settings, conn, rule, as_of))
        if rule.system_logs:
            found.append(_due_system_logs(settings, conn, rule, as_of))
        found += [_due_history(conn, rule, table, as_of) for table in rule.history if _exists(conn, "scores", table)]
        found += [_due_records(conn, rule, kind, as_of) for kind in rule.kinds if _exists(conn, "core", kind)]
    return found


def _due_records(conn: Connection, rule: Rule, kind: str, as_of: dt.date) -> Due:
    listed = ON_SERIOUS_LIST if rule.until_exit and _exists(conn, "lists", "list_membership") else "false"
    with conn.cursor() as cursor:
        cursor.execute(
            f"select c.record_id::text, {HELD}, {listed} from (select distinct on (record_id) *"
            f" from core.{kind} order by record_id, known_from_build desc) c"
            f" where {PARTIES[rule.party]} and ({rule.ends_on}) + make_interval(months => %(months)s) <= %(as_of)s"
            " order by 1",
            {"as_of": as_of, "months": rule.keep_months},
        )
        rows = cursor.fetchall()
    return Due(
        rule,
        kind,
        [record for record, held, on_list in rows if not held and not on_list],
        sum(held for _, held, _ in rows),
        sum(on_list and not held for _, held, on_list in rows),
    )


def _due_deliveries(settings: Settings, conn: Connection, rule: Rule, as_of: dt.date) -> Due:
    return Due(rule, "delivery", in_clear(settings, _last_day(conn, rule, as_of)), 0, 0)


def _due_system_logs(settings: Settings, conn: Connection, rule: Rule, as_of: dt.date) -> Due:
    """Files of the scheduler's tasks that nobody wrote to after the period; a hold on everything keeps them all."""
    last, zone = _last_day(conn, rule, as_of), ZoneInfo(settings.timezone)
    old = [
        str(path)
        for path in sorted(task_logs(settings).rglob("*.log"))
        if path.is_file() and dt.datetime.fromtimestamp(path.stat().st_mtime, zone).date() <= last
    ]
    with conn.cursor() as cursor:
        cursor.execute(
            f"select {HELD} from (select null::uuid as record_id, null::uuid as subject_id) c", {"as_of": as_of}
        )
        held = cursor.fetchone() == (True,)
    return Due(rule, "system_log", [] if held else old, len(old) if held else 0, 0)


def _last_day(conn: Connection, rule: Rule, as_of: dt.date) -> dt.date:
    """What is of this day or older is past the rule's period."""
    with conn.cursor() as cursor:
        cursor.execute("select (%s - make_interval(months => %s))::date", (as_of, rule.keep_months))
        day: dt.date = (cursor.fetchone() or (dt.date.min,))[0]
    return day


def _delete_files(below: Path, paths: list[str]) -> int:
    """Delete files and the folders below `below` that they leave empty; how many files."""
    for path in map(Path, paths):
        path.unlink(missing_ok=True)
        for folder in itertools.takewhile(lambda parent: parent != below, path.parents):
            try:
                folder.rmdir()
            except OSError:  # something is in it, or has just come
                break
    return len(paths)


def _due_history(conn: Connection, rule: Rule, table: str, as_of: dt.date) -> Due:
    """Subjects with versions replaced by a build before the first one of the days that are within the period."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select coalesce(min(build_no) filter (where as_of > %(last)s) - 1, max(build_no), 0) from ops.build"
            " where state = 'published'",
            {"last": _last_day(conn, rule, as_of)},
        )
        (until_build,) = cursor.fetchone() or (0,)
        cursor.execute(
            f"select c.subject_id::text, {HELD} from (select distinct subject_id, null::uuid as record_id from scores.{table}"
            " where known_to_build <= %(build)s) c order by 1",
            {"as_of": as_of, "build": until_build},
        )
        rows = cursor.fetchall()
    subjects = [subject for subject, held in rows if not held]
    return Due(rule, table, subjects, len(rows) - len(subjects), 0, until_build=until_build)


def delete_history(conn: Connection, table: str, until_build: int, subjects: list[str]) -> int:
    """Versions of these subjects in a table of scores that a build up to `until_build` replaced. Rows deleted."""
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL("delete from {} where known_to_build <= %s and subject_id = any(%s::uuid[])").format(
                sql.Identifier("scores", table)
            ),
            (until_build, subjects),
        )
        return int(cursor.rowcount)


def _due_log(conn: Connection, rule: Rule, as_of: dt.date) -> Due:
    with conn.cursor() as cursor:
        cursor.execute(
            "select query_id::text, exists (select 1 from ops.legal_hold h where h.placed_on <= %(as_of)s"
            " and (h.lifted_on is null or h.lifted_on > %(as_of)s) and h.record_id is null"
            " and (h.subject_id is null or h.subject_id = q.subject_id)) from ops.query_log q"
            " where q.as_of + make_interval(months => %(months)s) <= %(as_of)s order by 1",
            {"as_of": as_of, "months": rule.keep_months},
        )
        rows = cursor.fetchall()
    return Due(rule, "query_log", [one for one, held in rows if not held], sum(held for _, held in rows), 0)


def _delete_log(conn: Connection, item: Due) -> int:
    with conn.cursor() as cursor:
        cursor.execute("delete from ops.query_log where query_id::text = any(%s)", (item.records,))
        return int(cursor.rowcount)


def delete_records(conn: Connection, rule: str, then: str, kind: str, records: list[str], as_of: dt.date) -> int:
    """Out of every table that knows the records; suppression first, so that nobody sees half of it. Rows deleted."""
    if not records:
        return 0
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into ops.suppression (record_id, since, reason, decided_by)"
            " select unnest(%s::uuid[]), %s, 'deleted', %s"
            " on conflict (record_id) do update set reason = 'deleted'",
            (records, as_of, rule),
        )
        rows = 0
        for schema, table, key in _tables_of(conn, kind):
            name, column = sql.Identifier(schema, table), sql.Identifier(key)
            if then == "archive":
                cursor.execute(
                    sql.SQL(
                        "insert into cold.record select {key}, %s, %s, jsonb_agg(to_jsonb(t)) from {table} t"
                        " where {key} = any(%s::uuid[]) group by {key}"
                    ).format(key=column, table=name),
                    (f"{schema}.{table}", as_of, records),
                )
            cursor.execute(
                sql.SQL(
                    "insert into ops.deletion select {key}, %s, %s, %s, count(*),"
                    " encode(sha256(convert_to(string_agg(t::text, chr(10) order by t::text collate \"C\"), 'UTF8')), 'hex')"
                    " from {table} t where {key} = any(%s::uuid[]) group by {key} on conflict do nothing"
                ).format(key=column, table=name),
                (f"{schema}.{table}", rule, as_of, records),
            )
            cursor.execute(
                sql.SQL("delete from {table} where {key} = any(%s::uuid[])").format(table=name, key=column),
                (records,),
            )
            rows += int(cursor.rowcount)
        cursor.execute(
            "update quality.row_verdict set payload = null, suggestion = null"
            " where record_key = any(%s::uuid[]) and payload is not null",
            (records,),
        )
    return rows


def _tables_of(conn: Connection, kind: str) -> list[tuple[str, str, str]]:
    """(schema, table, its column of the record) wherever a record of a kind leaves rows. Scores keep their sums."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select table_schema, table_name, column_name from information_schema.columns"
            " join information_schema.tables using (table_schema, table_name) where table_type = 'BASE TABLE' and ("
            " (table_schema = 'landing' and table_name = %(kind)s and column_name = 'record_key')"
            " or (table_schema = 'core' and table_name in (%(kind)s, 'effect') and column_name = 'record_id')"
            " or (table_schema = 'lists' and column_name = 'record_id')) order by 1, 2",
            {"kind": kind},
        )
        return cursor.fetchall()


def _exists(conn: Connection, schema: str, table: str) -> bool:
    with conn.cursor() as cursor:
        cursor.execute("select to_regclass(%s) is not null", (f"{schema}.{table}",))
        return bool((cursor.fetchone() or (False,))[0])
