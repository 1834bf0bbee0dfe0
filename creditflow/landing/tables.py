"""The tables rows land in: one unlogged work table per batch, one logged landing table per kind.

Promises
- A work table and its landing table hold the same columns, less `batch_id`, `flags` (landing only) and `defect`,
  `defect_detail` (work only): accepting rows is one INSERT ... SELECT.
- A personal number has no column: `X` of type person_id becomes `X_hash`, `X_cipher`, `X_check`.
- A kind that gained columns gains them here, at the end; nothing is ever dropped.
"""

from __future__ import annotations

import hashlib

from psycopg2 import sql

from creditflow.ops.database import Connection
from creditflow.registry import Column, Kind, Registry

PROVENANCE = (
    ("department", "text not null"),
    ("feed", "text not null"),
    ("row_no", "integer not null"),
    ("op", "text not null default 'I'"),
    ("version_at", "timestamptz not null"),
    ("version_seq", "bigint not null"),
    ("record_key", "uuid not null"),
    ("content_hash", "uuid not null"),
)
NOTES = (("changes", "jsonb"), ("extra", "jsonb"))
DEFECTS = (("defect", "text"), ("defect_detail", "text"))
PERSON_PARTS = ("hash", "cipher", "check")


def work_table(batch_id: str) -> str:
    """Name, within schema work, of the table a batch lands in first."""
    return "b_" + hashlib.md5(batch_id.encode(), usedforsecurity=False).hexdigest()[:16]


def canonical_columns(kind: Kind) -> list[str]:
    """The database columns of a kind's canonical columns, in order; a person_id is three."""
    names: list[str] = []
    for column in kind.columns:
        if column.type == "person_id":
            names += [f"{column.name}_{part}" for part in PERSON_PARTS]
        else:
            names.append(column.name)
    return names


def create_work_table(conn: Connection, kind: Kind, batch_id: str, department: str, feed: str, version_at: str) -> str:
    """Make (again) the empty work table of a batch; returns its name.

    department, feed, version_at (timestamptz literal) are column defaults, so that rows need not carry them.
    """
    name = work_table(batch_id)
    columns = [*PROVENANCE, *DEFECTS, *NOTES, *((column, "text") for column in canonical_columns(kind))]
    table = sql.Identifier("work", name)
    with conn.cursor() as cursor:
        cursor.execute(sql.SQL("drop table if exists {}").format(table))
        cursor.execute(sql.SQL("create unlogged table {} ({})").format(table, _definitions(columns)))
        cursor.execute(
            sql.SQL(
                "alter table {} alter department set default {}, alter feed set default {}, alter version_at set default {}"
            ).format(table, sql.Literal(department), sql.Literal(feed), sql.Literal(version_at))
        )
    return name


def drop_work_table(conn: Connection, batch_id: str) -> None:
    """Remove a batch's work table, if it has one."""
    with conn.cursor() as cursor:
        cursor.execute(sql.SQL("drop table if exists {}").format(sql.Identifier("work", work_table(batch_id))))


def ensure_tables(conn: Connection, registry: Registry) -> None:
    """Make or extend landing.<kind> for every kind of the registry. Does nothing where nothing is missing."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select table_name, array_agg(column_name::text) from information_schema.columns"
            " where table_schema = 'landing' group by 1"
        )
        present: dict[str, list[str]] = dict(cursor.fetchall())
    missing = {
        kind.name: [column for column in _landing_columns(kind) if column[0] not in present.get(kind.name, ())]
        for kind in registry.kinds.values()
    }
    if not any(missing.values()):
        return
    with conn.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended('creditflow.landing', 0))")
        for kind in registry.kinds.values():
            columns = missing[kind.name]
            table = sql.Identifier("landing", kind.name)
            if kind.name not in present:
                cursor.execute(sql.SQL("create table if not exists {} ({})").format(table, _definitions(columns)))
                for key in ("batch_id", "record_key"):
                    cursor.execute(
                        sql.SQL("create index if not exists {} on {} ({})").format(
                            sql.Identifier(f"{kind.name}_{key}"), table, sql.Identifier(key)
                        )
                    )
            elif columns:
                for name, definition in columns:
                    cursor.execute(
                        sql.SQL("alter table {} add column if not exists {} {}").format(
                            table, sql.Identifier(name), sql.SQL(definition)
                        )
                    )
            if columns:
                _describe(conn, table, kind)


def _landing_columns(kind: Kind) -> list[tuple[str, str]]:
    return [
        ("batch_id", "text not null"),
        *PROVENANCE,
        *NOTES,
        ("flags", "text[] not null default '{}'"),
        *((column, "text") for column in canonical_columns(kind)),
    ]


def _definitions(columns: list[tuple[str, str]]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(definition)) for name, definition in columns
    )


_PART_ZH = {"hash": "密钥散列", "cipher": "密文", "check": "校验结论"}


def _describe(conn: Connection, table: sql.Identifier, kind: Kind) -> None:
    texts = {column.name: column.zh for column in kind.columns if column.type != "person_id"}
    for column in (item for item in kind.columns if item.type == "person_id"):
        texts.update({f"{column.name}_{part}": _person_text(column, part) for part in PERSON_PARTS})
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL("comment on table {} is {}").format(table, sql.Literal(f"{kind.title_zh} / {kind.title_en}"))
        )
        for name, text in texts.items():
            cursor.execute(
                sql.SQL("comment on column {}.{} is {}").format(table, sql.Identifier(name), sql.Literal(text))
            )


def _person_text(column: Column, part: str) -> str:
    return f"{column.zh}({_PART_ZH[part]})"
