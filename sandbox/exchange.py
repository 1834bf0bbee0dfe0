"""The exchange database: one schema and login per department, one table per feed, filled from the spool by COPY.

Tables hold `seq, op, updated_at, status` and the transport codes as text. A department's login may read its own schema and
write the status back; nothing else. What was loaded is noted in `sandbox.loaded`, so a restart loads nothing twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, connection

from sandbox.description import departments, layouts
from sandbox.store import read, write

DATABASE = "exchange"


def schemas() -> list[str]:
    """Departments that exchange through the database."""
    return [code for code, dept in departments().items() if dept.channel == "frontend_db"]


def password(home: Path, dept: str) -> str:
    """A secret of this home, made once: the password of a department."""
    path = home / "state" / "secrets.json"
    kept: dict[str, str] = read(path) or {}
    if dept not in kept:
        kept[dept] = secrets.token_urlsafe(18)
        write(path, kept, 0o600)
    return kept[dept]


def announce(home: Path, dept: str, feed: str, spool: Path, *, snapshot: bool, forbidden: str | None) -> None:
    """Put a spooled delivery in the queue of the database."""
    write(spool.with_suffix(".json"), {"dept": dept, "feed": feed, "snapshot": snapshot, "forbidden": forbidden})


def _columns(feed: str, forbidden: str | None) -> list[str]:
    return [c.code.lower() for c in layouts()[feed]] + ([forbidden] if forbidden else [])


def configure(home: Path, admin_url: str) -> None:
    """Remember the server and make database, logins, schemas and empty tables; running it again changes nothing."""
    write(home / "state" / "exchange.json", {"admin_url": admin_url}, 0o600)
    admin = psycopg2.connect(admin_url)
    admin.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
    try:
        with admin.cursor() as cur:
            cur.execute("select 1 from pg_database where datname = %s", (DATABASE,))
            if cur.fetchone() is None:
                cur.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
                cur.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(DATABASE)))
            for dept in schemas():
                cur.execute("select 1 from pg_roles where rolname = %s", (dept,))
                action = "alter" if cur.fetchone() else "create"
                cur.execute(
                    sql.SQL("{} role {} login password %s").format(sql.SQL(action), sql.Identifier(dept)),
                    (password(home, dept),),
                )
                cur.execute(
                    sql.SQL("grant connect on database {} to {}").format(sql.Identifier(DATABASE), sql.Identifier(dept))
                )
    finally:
        admin.close()
    with _connect(home) as conn, conn.cursor() as cur:
        _take_over(home, cur)
        for dept in schemas():
            schema = sql.Identifier(dept)
            cur.execute(sql.SQL("create schema if not exists {}").format(schema))
            cur.execute(sql.SQL("grant usage on schema {} to {}").format(schema, schema))
            for feed in departments()[dept].feeds:
                forbidden = departments()[dept].texts.get("forbidden", {}).get(feed)
                fields = sql.SQL(", ").join(
                    sql.SQL("{} text").format(sql.Identifier(c)) for c in _columns(feed, forbidden)
                )
                table = sql.Identifier(dept, feed)
                cur.execute(
                    sql.SQL(
                        "create table if not exists {} (seq bigint primary key, op char(1) not null,"
                        " updated_at timestamptz not null, status text not null default 'new', {})"
                    ).format(table, fields)
                )
                cur.execute(sql.SQL("grant select, update (status) on {} to {}").format(table, schema))
    conn.close()


def _take_over(home: Path, cur: Any) -> None:
    """The database plays for one home: what another home left in it goes."""
    cur.execute("create schema if not exists sandbox")
    cur.execute("create table if not exists sandbox.loaded (delivery text primary key)")
    cur.execute("create table if not exists sandbox.owner (home text primary key)")
    mine = password(home, "sandbox home")
    cur.execute("select home from sandbox.owner")
    if {row[0] for row in cur.fetchall()} == {mine}:
        return
    for dept in schemas():
        cur.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(dept)))
    cur.execute("truncate sandbox.loaded, sandbox.owner")
    cur.execute("insert into sandbox.owner values (%s)", (mine,))


def _admin_url(home: Path) -> str | None:
    kept = read(home / "state" / "exchange.json")
    return str(kept["admin_url"]) if kept else None


def _connect(home: Path) -> connection:
    url = _admin_url(home)
    assert url is not None
    return psycopg2.connect(url, dbname=DATABASE)


def reachable(home: Path) -> bool:
    """Whether the database answers."""
    if _admin_url(home) is None:
        return False
    try:
        _connect(home).close()
    except psycopg2.OperationalError:
        return False
    return True


def load(home: Path, say: Callable[[str], None] = lambda _: None) -> int:
    """Load what is spooled and not loaded yet, in order; the number of deliveries. Nothing where no server is known."""
    queue = sorted((home / "spool").glob("*/*.json"))
    if not queue or not reachable(home):
        return 0
    conn = _connect(home)
    count = 0
    try:
        with conn, conn.cursor() as cur:
            cur.execute("select delivery from sandbox.loaded")
            done = {row[0] for row in cur.fetchall()}
        for note in queue:
            spool = note.with_suffix(".csv")
            delivery = f"{note.parent.name}/{note.stem}"
            if delivery in done or not spool.exists():
                continue
            _load_one(conn, delivery, spool, read(note))
            count += 1
    finally:
        conn.close()
    if count:
        say(f"exchange database: {count} deliveries loaded")
    return count


def _load_one(conn: connection, delivery: str, spool: Path, note: dict[str, Any]) -> None:
    table = sql.Identifier(note["dept"], note["feed"])
    columns = ["seq", "op", "updated_at", *_columns(note["feed"], note["forbidden"])]
    with conn, conn.cursor() as cur, spool.open(encoding="utf-8") as handle:
        if note["snapshot"]:
            cur.execute(sql.SQL("delete from {}").format(table))
        cur.copy_expert(
            sql.SQL("copy {} ({}) from stdin with (format csv)")
            .format(table, sql.SQL(", ").join(map(sql.Identifier, columns)))
            .as_string(conn),
            handle,
        )
        cur.execute("insert into sandbox.loaded values (%s)", (delivery,))


def connection_urls(home: Path) -> dict[str, str]:
    """Connection URL by department, for whoever fetches."""
    admin = _admin_url(home)
    if admin is None:
        return {}
    at = urlsplit(admin)
    return {
        dept: f"postgresql://{dept}:{quote(password(home, dept))}@{at.hostname}:{at.port or 5432}/{DATABASE}"
        for dept in schemas()
    }
