"""Versions by build: take them back, count them, compare them, sum them up.

Promises
- A table with the columns known_from_build and known_to_build holds versions; nothing else is touched here.
- `undo` takes back every row of builds above a number, whatever those builds did.
- `digest` of the same published rows is the same text on every machine: text form of values is fixed, order is "C".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from psycopg2 import sql

from creditflow.ops.database import Connection, transaction
from creditflow.settings import Settings

OPEN_BUILD = 2147483647
"""known_to_build of a version no build has closed."""


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
