"""Connections to the warehouse: named, in business time, and honest about failure.

Promises
- A connection says who it is (`application_name`), so that an operator sees in pg_stat_activity what holds a lock.
- `transaction` commits on leaving normally and rolls back on any exception; there is no third way.
- Errors name host, port and database, never the password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import extensions

from creditflow.settings import Settings

Connection = extensions.connection


class DatabaseUnavailable(Exception):
    """The warehouse does not answer; the message says which and why, without secrets."""


def connect(settings: Settings, *, name: str, autocommit: bool = False) -> Connection:
    """Open a connection to the warehouse.

    name: what this connection does, shown as ``creditflow <name>`` in pg_stat_activity.
    Raises DatabaseUnavailable. The caller closes it.
    """
    return open_url(settings.warehouse_url, name=name, autocommit=autocommit, timezone=settings.timezone)


def open_url(url: str, *, name: str, autocommit: bool = False, timezone: str = "Asia/Shanghai") -> Connection:
    """Open a connection to any PostgreSQL URL with the house's session settings. Raises DatabaseUnavailable."""
    try:
        conn = psycopg2.connect(
            url,
            application_name=f"creditflow {name}"[:63],
            options=f"-c timezone={timezone}",
            connect_timeout=30,
        )
    except psycopg2.OperationalError as problem:
        raise DatabaseUnavailable(f"数据库无法连接 / cannot connect to {where(url)}: {reason(problem)}") from None
    conn.autocommit = autocommit
    return conn


def where(url: str) -> str:
    """Host, port and database of a URL, for messages; never its login."""
    parts = extensions.parse_dsn(url)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', '5432')}/{parts.get('dbname', '')}"


def reason(problem: psycopg2.Error) -> str:
    """Last line of a driver message: what happened, without the statement or the URL."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[-1].rsplit("FATAL:", 1)[-1].strip() if lines else type(problem).__name__


@contextmanager
def transaction(settings: Settings, name: str) -> Iterator[Connection]:
    """A connection for one transaction: commit on leaving, roll back on any exception, close in both cases."""
    conn = connect(settings, name=name)
    try:
        yield conn
        conn.commit()
    except BaseException:
        if not conn.closed:
            conn.rollback()
        raise
    finally:
        conn.close()


def advisory_lock(conn: Connection, key: str) -> None:
    """Wait for, and hold until the end of the current transaction, the lock named `key`."""
    with conn.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))


def try_session_lock(conn: Connection, key: str) -> bool:
    """Take the lock named `key` until `conn` is closed; False at once when another session holds it."""
    with conn.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", (key,))
        row = cursor.fetchone()
    return bool(row and row[0])
