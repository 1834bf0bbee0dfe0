"""The exchange database: rows with a sequence above the watermark, streamed, status written back when taken.

`postgresql://` is spoken here, by COPY; `mysql://` in mysql.py. Which one a department runs, its credential says.

Promises
- One snapshot: count, last sequence and rows are of one read-only transaction. Columns that may not be collected are
  never asked for; their names are told.
- `acknowledge` writes status 'taken' for exactly the rows of the delivery, after they are committed with us.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql

from creditflow.connectors import mysql
from creditflow.connectors.delivery import Delivery, FetchError
from creditflow.connectors.exchange import Taken, columns_to_ask_for
from creditflow.connectors.retrying import TransportError, patiently
from creditflow.ops.database import Connection, DatabaseUnavailable, open_url, where
from creditflow.registry import Department, Feed
from creditflow.settings import Settings

SPOOL = 64 << 20


def fetch_database(
    settings: Settings, department: Department, feed: Feed, watermark: dict[str, Any] | None, as_of: dt.date
) -> Iterator[Delivery]:
    """One delivery with every row after the watermark, or none. watermark: {"seq": last}. Raises FetchError."""
    url = settings.credential(department.connection)
    after = int((watermark or {}).get("seq", 0))
    speaks_mysql = urlsplit(url).scheme == "mysql"
    fetch, acknowledge = (mysql.fetch, mysql.acknowledge) if speaks_mysql else (_fetch, _acknowledge)
    try:
        found = patiently(lambda: fetch(settings, url, feed, after))
    except TransportError as problem:
        raise FetchError(problem.zh, problem.en) from None
    if found is None:
        return
    schema, table = feed.location["schema"], feed.location["table"]
    yield Delivery(
        file=f"{schema}.{table} seq {after + 1}-{found.last}",
        stream=found.content,
        format="table",
        declared_rows=found.rows,
        delivered_at=found.newest,
        watermark_after={"seq": found.last},
        columns_cut=found.cut,
        acknowledge=lambda: acknowledge(url, feed, after, found.last),
    )


def _fetch(settings: Settings, url: str, feed: Feed, after: int) -> Taken | None:
    with _session(url, settings.timezone) as conn:
        conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
        table = sql.Identifier(feed.location["schema"], feed.location["table"])
        columns, cut = _columns(conn, feed)
        with conn.cursor() as cursor:
            cursor.execute(
                sql.SQL("select count(*), max(seq), max(updated_at) from {} where seq > %s").format(table), (after,)
            )
            rows, last, newest = cursor.fetchone() or (0, None, None)
            if not rows or last is None:
                return None
            spool = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 - handed over
            cursor.copy_expert(
                sql.SQL(
                    "copy (select {} from {} where seq > {} order by seq) to stdout"
                    " with (format csv, header, encoding 'UTF8')"
                ).format(sql.SQL(", ").join(map(sql.Identifier, columns)), table, sql.Literal(after)),
                spool,
                1 << 18,
            )
    spool.seek(0)
    return Taken(cast("BinaryIO", spool), int(rows), int(last), newest, cut)


def _columns(conn: Connection, feed: Feed) -> tuple[list[str], tuple[str, ...]]:
    """(columns to ask for, in the table's order; columns that may not be collected)."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select attname::text from pg_attribute where attrelid = to_regclass(%s)"
            " and attnum > 0 and not attisdropped order by attnum",
            (f'"{feed.location["schema"]}"."{feed.location["table"]}"',),
        )
        return columns_to_ask_for(feed, [row[0] for row in cursor.fetchall()])


def _acknowledge(url: str, feed: Feed, after: int, last: int) -> None:
    table = sql.Identifier(feed.location["schema"], feed.location["table"])
    try:
        with _session(url, "UTC") as conn, conn.cursor() as cursor:
            cursor.execute(
                sql.SQL("update {} set status = 'taken' where seq > %s and seq <= %s and status = 'new'").format(table),
                (after, last),
            )
            conn.commit()
    except TransportError as problem:
        raise FetchError(problem.zh, problem.en) from None


@contextmanager
def _session(url: str, timezone: str) -> Iterator[Connection]:
    """A connection to the exchange database. Raises FetchError when refused, TransportError when broken off."""
    place = where(url)
    try:
        conn = open_url(url, name="exchange", timezone=timezone)
    except DatabaseUnavailable as problem:
        text = str(problem).lower()
        if "authentication" in text or "does not exist" in text or "permission" in text:
            raise FetchError(
                f"前置机数据库 {place} 拒绝登录，请核对账号",
                f"the exchange database {place} refused the login: check the account",
            ) from None
        raise TransportError(
            f"前置机数据库 {place} 无法连接", f"the exchange database {place} was not reached"
        ) from None
    try:
        yield conn
    except psycopg2.errors.InsufficientPrivilege:
        raise FetchError(f"前置机数据库 {place} 权限不足", f"the exchange database {place} denies the right") from None
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        raise TransportError(f"前置机数据库 {place} 连接中断", f"the exchange database {place} broke off") from None
    except psycopg2.Error as problem:
        raise FetchError(
            f"前置机数据库 {place} 查询失败（{problem.pgcode}）",
            f"the exchange database {place} failed ({problem.pgcode})",
        ) from None
    finally:
        conn.close()
