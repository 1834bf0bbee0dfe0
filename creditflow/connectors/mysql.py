"""An exchange database that speaks MySQL's protocol (MySQL, MariaDB and their kin): the same agreement, another wire.

Promises
- As database.py: one consistent snapshot, only columns that may be collected, `taken` written for exactly what was taken.
- Rows come as they are read, never a whole table in memory. Times without a zone are business time.
- `?ssl_ca=/path` asks for TLS and checks the server's certificate. Errors name the place, never the login.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import pymysql
from pymysql.constants import ER

from creditflow.connectors.delivery import FetchError
from creditflow.connectors.exchange import Taken, columns_to_ask_for
from creditflow.connectors.retrying import TransportError
from creditflow.registry import Feed
from creditflow.settings import Settings

SPOOL = 64 << 20
CONNECT_SECONDS = 30
ANSWER_SECONDS = 600
REFUSED = {ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.BAD_DB_ERROR, ER.HOST_NOT_PRIVILEGED}
DENIED = {ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR, ER.SPECIFIC_ACCESS_DENIED_ERROR}


def fetch(settings: Settings, url: str, feed: Feed, after: int) -> Taken | None:
    """Every row after a sequence number, or None. Raises FetchError, TransportError."""
    zone = settings.zone
    table = f"{_quoted(feed.location['schema'])}.{_quoted(feed.location['table'])}"
    with _session(url) as conn:
        with conn.cursor() as cursor:
            cursor.execute("set time_zone = %s", (_offset(zone),))
            cursor.execute("set session transaction isolation level repeatable read")
            cursor.execute("start transaction with consistent snapshot, read only")
            cursor.execute(
                "select column_name from information_schema.columns where table_schema = %s and table_name = %s"
                " order by ordinal_position",
                (feed.location["schema"], feed.location["table"]),
            )
            columns, cut = columns_to_ask_for(feed, [row[0] for row in cursor.fetchall()])
            cursor.execute(f"select count(*), max(seq), max(updated_at) from {table} where seq > %s", (after,))
            rows, last, newest = cursor.fetchone() or (0, None, None)
            if not rows or last is None:
                return None
        spool = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 - handed over
        text = io.TextIOWrapper(cast("BinaryIO", spool), encoding="utf-8", errors="surrogateescape", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        with conn.cursor(pymysql.cursors.SSCursor) as stream:
            stream.execute(
                f"select {', '.join(map(_quoted, columns))} from {table} where seq > %s order by seq", (after,)
            )
            for row in stream:
                writer.writerow([_text(value, zone) for value in row])
        text.detach()
    spool.seek(0)
    return Taken(cast("BinaryIO", spool), int(rows), int(last), _moment(newest, zone), cut)


def acknowledge(url: str, feed: Feed, after: int, last: int) -> None:
    """Write 'taken' for the rows after one sequence number up to another. Raises FetchError."""
    table = f"{_quoted(feed.location['schema'])}.{_quoted(feed.location['table'])}"
    try:
        with _session(url) as conn:
            with conn.cursor() as cursor:
                cursor.execute(
                    f"update {table} set status = 'taken' where seq > %s and seq <= %s and status = 'new'",
                    (after, last),
                )
            conn.commit()
    except TransportError as problem:
        raise FetchError(problem.zh, problem.en) from None


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _offset(zone: ZoneInfo) -> str:
    """The zone as ``+08:00``: a server without zone tables knows no names."""
    minutes = int((dt.datetime.now(zone).utcoffset() or dt.timedelta()).total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _moment(value: Any, zone: ZoneInfo) -> dt.datetime | None:
    return value.replace(tzinfo=zone) if isinstance(value, dt.datetime) else None


def _text(value: Any, zone: ZoneInfo) -> object:
    """A cell as the csv carries it: times with their zone, bytes as UTF-8 text, NULL as an empty cell."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=zone).isoformat(" ")
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value


@contextmanager
def _session(url: str) -> Iterator[Any]:
    """A connection. Raises FetchError when refused or wrong, TransportError when it was not reached or broke off."""
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port or 3306}/{parts.path.lstrip('/')}"
    authority = parse_qs(parts.query).get("ssl_ca", [None])[0]
    conn = None
    try:
        conn = pymysql.connect(
            host=parts.hostname or "",
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=parts.path.lstrip("/") or None,
            charset="utf8mb4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            ssl_ca=authority,
            ssl_verify_cert=True if authority else None,
            ssl_verify_identity=True if authority else None,
        )
        yield conn
    except pymysql.MySQLError as problem:
        number = problem.args[0] if problem.args else 0
        if number in REFUSED:
            raise FetchError(
                f"前置机数据库 {place} 拒绝登录，请核对账号",
                f"the exchange database {place} refused the login: check the account",
            ) from None
        if number in DENIED:
            raise FetchError(
                f"前置机数据库 {place} 权限不足", f"the exchange database {place} denies the right"
            ) from None
        if isinstance(problem, pymysql.OperationalError | pymysql.InterfaceError):
            word = ("无法连接", "was not reached") if conn is None else ("连接中断", "broke off")
            raise TransportError(
                f"前置机数据库 {place} {word[0]}", f"the exchange database {place} {word[1]}"
            ) from None
        raise FetchError(
            f"前置机数据库 {place} 查询失败（{number}）", f"the exchange database {place} failed ({number})"
        ) from None
    finally:
        if conn is not None and conn.open:
            conn.close()
