"""Three departments to be disturbed: one over SFTP, one behind an API, one in an exchange database; each with its faults.
They send permits; where they are asked for anything else they have nothing.

Every source can be set back to its first day, so that a disturbed night and an undisturbed one begin with the same.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncssh
import psycopg2
import uvicorn
from psycopg2 import sql
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from creditflow.server import Server

SFTP, API, DATABASE = "mzj", "fgj", "gaj"
"""The departments, by the channel they deliver through."""
FILE = "MZJ_PERMIT_20261119173000_001.csv"
EXCHANGE = "faults_exchange"
WRITTEN = 1_795_000_000
"""When the file was written, in seconds since 1970."""
PAGE_ROWS = 8
Row = Mapping[str, str]


@dataclass
class Sources:
    """The three departments' servers. spoil_read and answers are taken one per read or request, then all is well again."""

    rows: Mapping[str, Sequence[Row]]
    folder: Path
    exchange_url: str
    environ: dict[str, str] = field(default_factory=dict)
    spoil_read: list[Callable[[], None]] = field(default_factory=list)
    answers: list[Callable[[int], Response]] = field(default_factory=list)

    def reset(self) -> None:
        """As on the first day: nothing taken, nothing spoiled."""
        self.spoil_read.clear()
        self.answers.clear()
        for old in (self.folder / "permit").iterdir():
            old.unlink()
        content = as_csv(self.rows[SFTP])
        (self.folder / "permit" / FILE).write_bytes(content)
        control = {"rows": len(self.rows[SFTP]), "sha256": hashlib.sha256(content).hexdigest()}
        (self.folder / "permit" / FILE).with_suffix(".ok").write_text(json.dumps(control), encoding="utf-8")
        for file in (self.folder / "permit").iterdir():
            os.utime(file, (WRITTEN, WRITTEN))
        conn = psycopg2.connect(self.exchange_url)
        with conn, conn.cursor() as cursor:
            cursor.execute(f"update {DATABASE}.permit set status = 'new'")
        conn.close()

    def page(self, since: int, *, rows: int = PAGE_ROWS) -> Response:
        """The API's honest answer: the rows after `since`."""
        left = [row for row in self.rows[API] if int(row["_SEQ"]) > since]
        page = left[:rows]
        following = page[-1]["_SEQ"] if len(left) > len(page) else None
        return Response(
            json.dumps({"rows": page, "next": following, "total": len(left)}), media_type="application/json"
        )

    def half_a_page(self, since: int) -> Response:
        """The connection ends in the middle of the answer."""
        body = bytes(self.page(since).body)
        return Response(
            body[: len(body) // 2], headers={"content-length": str(len(body))}, media_type="application/json"
        )

    def twice(self, since: int) -> Response:
        """The page before, once more."""
        return self.page(max(0, since - PAGE_ROWS))


def as_csv(rows: Sequence[Row]) -> bytes:
    """Rows as a department writes them."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


@contextmanager
def running(server: Server, folder: Path, rows: Mapping[str, Sequence[Row]]) -> Iterator[Sources]:
    """All three, until the end of the block; `environ` holds their connections."""
    sources = Sources(rows, folder / "sftp", server.url(EXCHANGE))
    for feed in ("permit", "zero_declaration"):
        (sources.folder / feed).mkdir(parents=True)
    with ExitStack() as until_the_end:
        sources.environ |= {
            f"CREDITFLOW_CONN_SFTP_{SFTP.upper()}": until_the_end.enter_context(_sftp(sources, folder)),
            f"CREDITFLOW_CONN_API_{API.upper()}": until_the_end.enter_context(_api(sources)),
            f"CREDITFLOW_CONN_EXCHANGE_{DATABASE.upper()}": _exchange(server, rows[DATABASE]),
        }
        sources.reset()
        yield sources


@contextmanager
def _sftp(sources: Sources, folder: Path) -> Iterator[str]:
    host_key, login = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    login.write_private_key(str(folder / "login"))
    (folder / "login").chmod(0o600)
    login.write_public_key(str(folder / "login.pub"))

    class Faulty(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(chan, chroot=str(sources.folder).encode())
            self._connection = chan.get_connection()

        def read(self, file_obj: object, offset: int, size: int) -> Any:
            if sources.spoil_read:
                sources.spoil_read.pop(0)()
                self._connection.abort()
            return super().read(file_obj, offset, size)

    loop = asyncio.new_event_loop()
    port = free_port()

    async def listen() -> Any:
        return await asyncssh.listen(
            "127.0.0.1", port, server_host_keys=[host_key], sftp_factory=Faulty,
            authorized_client_keys=str(folder / "login.pub"),
        )  # fmt: skip

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listener = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    pinned = base64.b64encode(base64.b64decode(host_key.export_public_key().split()[1])).decode()
    yield f"sftp://{SFTP}@127.0.0.1:{port}/?host_key={quote(pinned, safe='')}&key_file={quote(str(folder / 'login'), safe='')}"
    loop.call_soon_threadsafe(listener.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


@contextmanager
def _api(sources: Sources) -> Iterator[str]:
    async def answer(request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer geheim":
            return PlainTextResponse("no", 401)
        if request.path_params["feed"] != "permit":
            return Response('{"rows": [], "next": null, "total": 0}', media_type="application/json")
        since = int(request.query_params.get("since") or 0)
        return sources.answers.pop(0)(since) if sources.answers else sources.page(since)

    port = free_port()
    config = uvicorn.Config(
        Starlette(routes=[Route("/{dept}/{feed}", answer)]), host="127.0.0.1", port=port, log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://geheim@127.0.0.1:{port}/{API}"
    server.should_exit = True
    thread.join(10)


def _exchange(server: Server, rows: Sequence[Row]) -> str:
    admin = psycopg2.connect(server.url("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(sql.SQL("create database {}").format(sql.Identifier(EXCHANGE)))
    admin.close()
    conn = psycopg2.connect(server.url(EXCHANGE))
    names = [name.lower() for name in rows[0] if not name.startswith("_")]
    with conn, conn.cursor() as cursor:
        cursor.execute(f"create schema {DATABASE}")
        columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
        cursor.execute(
            sql.SQL(
                "create table {}.permit (seq bigint primary key, op char(1), updated_at timestamptz,"
                " status text default 'new', {})"
            ).format(sql.Identifier(DATABASE), columns)
        )
        fields = sql.SQL(", ").join(map(sql.Identifier, ["seq", "op", "updated_at", *names]))
        places = sql.SQL(", ").join([sql.Placeholder()] * (len(names) + 3))
        statement = sql.SQL("insert into {}.permit ({}) values ({})").format(sql.Identifier(DATABASE), fields, places)
        for row in rows:
            values = [value for name, value in row.items() if not name.startswith("_")]
            cursor.execute(statement, [row["_SEQ"], row["_OP"], f"{row['_UPDATED_AT']}+08", *values])
        cursor.execute(f"create table {DATABASE}.zero_declaration (like {DATABASE}.permit including all)")
    conn.close()
    return server.url(EXCHANGE)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
