"""Versions by build: take them back, count them, compare them, sum them up.

Promises
- A table with the columns known_from_build and known_to_build holds versions; nothing else is touched here.
- `undo` takes back every row of builds above a number, whatever those builds did.
- `digest` of the same published rows is the same text on every machine: text form of values is fixed, order is "C".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from creditflow.ops.database import Connection, transaction
from creditflow.settings import Settings

OPEN_BUILD = 2147483647
"""known_to_build of a version no build has closed."""


class UnknownBuild(Exception):
    """No such build, or one that may not be shown."""


@dataclass(frozen=True)
class TableChange:
    """Rows one build, or several, changed in a table: versions opened, and versions closed."""

    opened: int
    closed: int

    def as_dict(self) -> dict[str, int]:
        """For JSON."""
        return asdict(self)


def versioned_tables(conn: Connection) -> list[tuple[str, str]]:
    """Every table that keeps versions by build, as (schema, table), in a fixed order."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select c.table_schema, c.table_name from information_schema.columns c"
            " join information_schema.tables t using (table_schema, table_name)"
            " where t.table_type = 'BASE TABLE' and c.table_schema in ('entity', 'core', 'lists', 'scores')"
            " and c.column_name in ('known_from_build', 'known_to_build')"
            " group by 1, 2 having count(*) = 2 order by 1, 2"
        )
        return [(str(schema), str(table)) for schema, table in cursor.fetchall()]


def undo(conn: Connection, pointer: int) -> None:
    """Take back all versions that builds above `pointer` opened or closed. Runs in the caller's transaction."""
    with conn.cursor() as cursor:
        for schema, table in versioned_tables(conn):
            name = sql.Identifier(schema, table)
            cursor.execute(sql.SQL("delete from {} where known_from_build > %s").format(name), (pointer,))
            cursor.execute(
                sql.SQL("update {} set known_to_build = %s where known_to_build > %s and known_to_build < %s").format(
                    name
                ),
                (OPEN_BUILD, pointer, OPEN_BUILD),
            )


def changes(conn: Connection, after: int, upto: int) -> dict[str, TableChange]:
    """Versions opened and closed by the builds after `after` up to `upto`, by "schema.table"; unchanged tables are absent."""
    found: dict[str, TableChange] = {}
    with conn.cursor() as cursor:
        for schema, table in versioned_tables(conn):
            cursor.execute(
                sql.SQL(
                    "select (select count(*) from {table} where known_from_build > %(after)s and known_from_build <= %(upto)s"
                    " and known_to_build > %(upto)s),"
                    " (select count(*) from {table} where known_to_build > %(after)s and known_to_build <= %(upto)s"
                    " and known_from_build <= %(after)s)"
                ).format(table=sql.Identifier(schema, table)),
                {"after": after, "upto": upto},
            )
            opened, closed = cursor.fetchone() or (0, 0)
            if opened or closed:
                found[f"{schema}.{table}"] = TableChange(opened, closed)
    return found


def diff(settings: Settings, build_a: int, build_b: int) -> dict[str, dict[str, int]]:
    """What readers of build B see that readers of A did not (opened), and the other way round (closed), by table.

    The builds may be given in either order; the answer is always from A to B.
    """
    low, high = sorted((build_a, build_b))
    with transaction(settings, "diff") as conn:
        found = changes(conn, low, high)
    if build_a <= build_b:
        return {name: change.as_dict() for name, change in found.items()}
    return {name: {"opened": change.closed, "closed": change.opened} for name, change in found.items()}


@dataclass(frozen=True)
class Explained:
    """What readers of build B see otherwise than readers of A.

    records: by kind, rows added, removed and changed. memberships: who entered or left which list. grades: subjects whose
    grade moved, with both scores. A subject is told by its id and its code; natural persons have no code.
    """

    records: Mapping[str, Mapping[str, int]]
    memberships: tuple[Mapping[str, Any], ...]
    grades: tuple[Mapping[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def explain(settings: Settings, build_a: int, build_b: int) -> Explained:
    """The difference between two builds in the words of the credit office; what is suppressed since is in neither.

    A build that is not published yet may be named, so that its effect is known before. Raises UnknownBuild.
    """
    with transaction(settings, "explain") as conn, conn.cursor(cursor_factory=RealDictCursor) as cursor:
        for number in (build_a, build_b):
            cursor.execute("select 1 from ops.build where build_no = %s and state <> 'abandoned'", (number,))
            if number != 0 and cursor.fetchone() is None:
                raise UnknownBuild(f"构建 {number} 不存在或已作废 / build {number} does not exist or was given up")
        builds = {"a": build_a, "b": build_b}
        records = {}
        tables = [table for schema, table in versioned_tables(conn) if schema == "core" and _is_record(conn, table)]
        for table in tables:
            cursor.execute(sql.SQL(_RECORDS).format(table=sql.Identifier("core", table)), builds)
            found = dict(cursor.fetchone() or {})
            if any(found.values()):
                records[table] = found
        cursor.execute(_MEMBERSHIPS, builds)
        memberships = tuple(dict(row) for row in cursor.fetchall())
        cursor.execute(_GRADES, builds)
        return Explained(records, memberships, tuple(dict(row) for row in cursor.fetchall()))


def _is_record(conn: Connection, table: str) -> bool:
    with conn.cursor() as cursor:
        cursor.execute(
            "select count(*) from information_schema.columns where table_schema = 'core' and table_name = %s"
            " and column_name in ('record_id', 'state')",
            (table,),
        )
        return cursor.fetchone() == (2,)


_SEEN = "known_from_build <= %({0})s and known_to_build > %({0})s"
_UNSUPPRESSED = "not exists (select from ops.suppression g where g.record_id = v.record_id)"
_RECORDS = f"""
select
    count(*) filter (where a.record_id is null) as added,
    count(*) filter (where b.record_id is null) as removed,
    count(*) filter (where a.row_hash <> b.row_hash) as changed
from (
    select v.record_id, v.row_hash from {{table}} v
    where {_SEEN.format("a")} and not ({_SEEN.format("b")}) and v.state in ('active', 'ended') and {_UNSUPPRESSED}
) a
full join (
    select v.record_id, v.row_hash from {{table}} v
    where {_SEEN.format("b")} and not ({_SEEN.format("a")}) and v.state in ('active', 'ended') and {_UNSUPPRESSED}
) b using (record_id)
"""
_ON_LIST = """
    select v.membership_id, v.subject_id, v.list_code
    from lists.list_membership v
    left join ops.build d on d.build_no = %({0})s
    where {1} and {2} and v.state = 'active' and v.entered_on <= d.as_of and (v.ended_on is null or v.ended_on > d.as_of)
"""
_UNIFIED_CODE = "(select max(s.uscc) from entity.subject s where s.subject_id = coalesce(b.subject_id, a.subject_id))"
_MEMBERSHIPS = f"""
select
    coalesce(b.list_code, a.list_code) as list_code,
    coalesce(b.subject_id, a.subject_id)::text as subject_id,
    {_UNIFIED_CODE} as uscc,
    case when a.membership_id is null then 'entered' else 'left' end as change
from ({_ON_LIST.format("a", _SEEN.format("a"), _UNSUPPRESSED)}) a
full join ({_ON_LIST.format("b", _SEEN.format("b"), _UNSUPPRESSED)}) b using (membership_id)
where a.membership_id is null or b.membership_id is null
order by 1, 2, 4
"""
_GRADES = f"""
select
    coalesce(b.subject_id, a.subject_id)::text as subject_id,
    {_UNIFIED_CODE} as uscc,
    a.grade as grade_a, b.grade as grade_b, a.score as score_a, b.score as score_b
from (select v.subject_id, v.grade, v.score from scores.score v where {_SEEN.format("a")} and v.is_official) a
full join (select v.subject_id, v.grade, v.score from scores.score v where {_SEEN.format("b")} and v.is_official) b
    using (subject_id)
where a.grade is distinct from b.grade
order by 1
"""


def publish_views(conn: Connection) -> list[str]:
    """Names of the views in `publish`, sorted."""
    with conn.cursor() as cursor:
        cursor.execute("select viewname from pg_views where schemaname = 'publish' order by 1")
        return [str(name) for (name,) in cursor.fetchall()]


def publish_counts(settings: Settings) -> dict[str, int]:
    """Rows readers see now, by publish view."""
    counts: dict[str, int] = {}
    with transaction(settings, "count publish") as conn, conn.cursor() as cursor:
        for name in publish_views(conn):
            cursor.execute(sql.SQL("select count(*) from publish.{}").format(sql.Identifier(name)))
            counts[name] = (cursor.fetchone() or (0,))[0]
    return counts


def digest(settings: Settings, build_no: int | None = None) -> dict[str, str]:
    """md5 of each publish view's rows as `build_no` knew them (default: the published build), ordered by COLLATE "C".

    Columns that say when we were told (received_at and the build's own clock) are left out: a rebuild has other clocks.
    """
    sums: dict[str, str] = {}
    with transaction(settings, "digest") as conn, conn.cursor() as cursor:
        cursor.execute(
            "set local datestyle = 'ISO,YMD'; set local extra_float_digits = 1; set local timezone = 'Asia/Shanghai'"
        )
        if build_no is not None:
            cursor.execute("select set_config('creditflow.build', %s, true)", (str(build_no),))
        for name in publish_views(conn):
            cursor.execute(
                "select column_name from information_schema.columns where table_schema = 'publish' and table_name = %s"
                " and column_name <> all(%s) order by ordinal_position",
                (name, ["received_at", "started_at", "finished_at", "published_at", "moved_at", "arrived_at"]),
            )
            columns = sql.SQL(", ").join(sql.Identifier(str(column)) for (column,) in cursor.fetchall())
            cursor.execute(
                sql.SQL(
                    "select md5(coalesce(string_agg(line, chr(10) order by line collate \"C\"), ''))"
                    " from (select md5(row({columns})::text) as line from publish.{view}) as rows"
                ).format(columns=columns, view=sql.Identifier(name))
            )
            sums[name] = (cursor.fetchone() or ("",))[0]
    return sums
