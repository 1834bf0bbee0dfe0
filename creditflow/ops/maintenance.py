"""Housekeeping: what a killed step left behind, and fresh statistics.

Promises
- Only work tables that no waiting batch owns are dropped; landing, core and what people read are never touched. Of the
  archive only drafts go that are older than a day.
- Running it again finds nothing more to do.
"""

from __future__ import annotations

import datetime as dt

from psycopg2 import sql

from creditflow.archive import forget_drafts
from creditflow.landing import work_table
from creditflow.ops.database import Connection, advisory_lock, connect, transaction
from creditflow.settings import Settings

ANALYZED = ("landing", "entity", "core", "lists", "scores", "quality", "ops")
"""Schemas whose planner statistics are renewed."""


def tidy(settings: Settings) -> list[str]:
    """Drop orphaned work tables and drafts, renew statistics; what was done, one line each."""
    drafts = forget_drafts(settings, dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    with transaction(settings, "tidy work tables") as conn:
        advisory_lock(conn, "creditflow.tidy")
        done = [f"dropped work.{table}" for table in _drop_orphans(conn)]
    conn = connect(settings, name="analyze", autocommit=True)
    try:
        with conn.cursor() as cursor:
            cursor.execute(
                "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                " where n.nspname = any(%s) and c.relkind = 'r' order by 1, 2",
                (list(ANALYZED),),
            )
            tables = cursor.fetchall()
            for table in tables:
                cursor.execute(sql.SQL("analyze {}").format(sql.Identifier(*table)))
    finally:
        conn.close()
    if drafts:
        done.append(f"removed {drafts} drafts from the archive")
    return [*done, f"analyzed {len(tables)} tables"]


def _drop_orphans(conn: Connection) -> list[str]:
    with conn.cursor() as cursor:
        cursor.execute("select batch_id from ops.batch where state in ('archived', 'landed')")
        owned = {work_table(batch_id).rpartition(".")[2] for (batch_id,) in cursor.fetchall()}
        cursor.execute(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            r" where n.nspname = 'work' and c.relkind = 'r' and c.relname ~ '^b_[0-9a-f]{16}$' order by 1"
        )
        orphans = [name for (name,) in cursor.fetchall() if name not in owned]
        for name in orphans:
            cursor.execute(sql.SQL("drop table {}").format(sql.Identifier("work", name)))
    return orphans
