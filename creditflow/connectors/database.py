"""The exchange database: rows with a sequence above the watermark, streamed by COPY, status written back when taken.

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

import psycopg2
from psycopg2 import sql

from creditflow.connectors.delivery import Delivery, FetchError
from creditflow.connectors.retrying import TransportError, patiently
from creditflow.ops.database import Connection, DatabaseUnavailable, open_url, where
from creditflow.registry import Department, Feed
from creditflow.settings import Settings

SPOOL = 64 << 20
_NOT_ROWS = ("status",)


def fetch_database(
    settings: Settings, department: Department, feed: Feed, watermark: dict[str, Any] | None, as_of: dt.date
) -> Iterator[Delivery]:
    """One delivery with every row after the watermark, or none. watermark: {"seq": last}. Raises FetchError."""
    url = settings.credential(department.connection)
    after = int((watermark or {}).get("seq", 0))
    try:
        found = patiently(lambda: _fetch(settings, url, feed, after))
    except TransportError as problem:
        raise FetchError(problem.zh, problem.en) from None
    if found is None:
        return
    content, rows, last, newest, cut = found
    schema, table = feed.location["schema"], feed.location["table"]
    yield Delivery(
        file=f"{schema}.{table} seq {after + 1}-{last}",
        stream=content,
        format="table",
        declared_rows=rows,
        delivered_at=newest,
        watermark_after={"seq": last},
        columns_cut=cut,
        acknowledge=lambda: _acknowledge(url, feed, after, last),
    )


def _fetch(
    settings: Settings, url: str, feed: Feed, after: int
) -> tuple[BinaryIO, int, int, dt.datetime | None, tuple[str, ...]] | None:
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
    return cast("BinaryIO", spool), int(rows), int(last), newest, cut


def _columns(conn: Connection, feed: Feed) -> tuple[list[str], tuple[str, ...]]:
    """(columns to ask for, in the table's order; columns that may not be collected)."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select attname::text from pg_attribute where attrelid = to_regclass(%s)"
            " and attnum > 0 and not attisdropped order by attnum",
            (f'"{feed.location["schema"]}"."{feed.location["table"]}"',),
        )
        present = [row[0] for row in cursor.fetchall() if row[0] not in _NOT_ROWS]
    if not present:
        raise FetchError(
            f"前置机上没有表 {feed.location['schema']}.{feed.location['table']}，或没有读取权限",
            f"the exchange database has no table {feed.location['schema']}.{feed.location['table']}, or we may not read it",
        )
    absent = {"seq", "op", "updated_at"} - set(present)
    if absent:
        raise FetchError(
            f"交换表缺少约定列：{'、'.join(sorted(absent))}",
            f"the exchange table lacks columns: {', '.join(sorted(absent))}",
        )
    meaning = feed.recognise(present)
    gone = {at for at, _ in (*meaning.forbidden, *meaning.cut)}
    kept = [name for at, name in enumerate(present) if at not in gone]
    return kept, tuple(present[at] for at in sorted(gone))


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
