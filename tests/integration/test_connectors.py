"""Connectors against real servers on loopback: SFTP, HTTP, PostgreSQL, and a folder."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncssh
import psycopg2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from creditflow.connectors import Delivery, FetchError, fetch, retrying
from creditflow.ingest import ingest_department
from creditflow.landing import work_table
from creditflow.registry import Registry, load
from creditflow.server import Server
from creditflow.settings import Settings
from tests.conftest import Warehouse

PROJECT = Path(__file__).parents[2]
AS_OF = dt.date(2026, 11, 20)
Exchange = Callable[[str], list[Any]]
BAD_PRODUCED = json.dumps({"rows": 2, "sha256": "a" * 64, "produced": {"2026-13": 4}})
CSV = "XK_XDR_MC,XK_WSH\n甲公司,1号\n乙公司,2号\n".encode()


@cache
def sources() -> Registry:
    return load(PROJECT)


@pytest.fixture
def registry() -> Registry:
    return sources()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        tmp_path, PROJECT, f"file://{tmp_path}/archive", external_warehouse="postgresql://nobody@127.0.0.1:1/none"
    )


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in milliseconds: the number of tries stays."""
    monkeypatch.setattr(retrying, "LONGEST_WAIT", 0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- SFTP ----------------------------------------------------------------------------------------------------------


@dataclass
class Sftp:
    root: Path
    url: str
    faults: list[Callable[[], None]] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)

    def put(
        self, name: str, content: bytes, *, rows: int | None = None, sha256: str | None = None, ok: bool = True
    ) -> None:
        path = self.root / "permit" / name
        path.write_bytes(content)
        if ok:
            control = {"rows": rows if rows is not None else 2, "sha256": sha256 or hashlib.sha256(content).hexdigest()}
            path.with_suffix(".ok").write_text(json.dumps(control), encoding="utf-8")


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sftp]:
    root = tmp_path / "sftp"
    (root / "permit").mkdir(parents=True)
    host_key, login = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    login.write_private_key(str(tmp_path / "login"))
    (tmp_path / "login").chmod(0o600)
    login.write_public_key(str(tmp_path / "login.pub"))
    server = Sftp(root, "")

    class Faulty(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel) -> None:
            super().__init__(chan, chroot=str(root).encode())
            server.sessions.append(1)

        def read(self, file_obj: object, offset: int, size: int) -> Any:
            if server.faults:
                server.faults.pop(0)()
            return super().read(file_obj, offset, size)

    loop = asyncio.new_event_loop()
    port = free_port()

    async def listen() -> Any:
        return await asyncssh.listen(
            "127.0.0.1", port, server_host_keys=[host_key], sftp_factory=Faulty, authorized_client_keys=str(tmp_path / "login.pub")
        )  # fmt: skip

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listener = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    pinned = base64.b64encode(base64.b64decode(host_key.export_public_key().split()[1])).decode()
    server.url = f"sftp://mzj@127.0.0.1:{port}/?host_key={quote(pinned, safe='')}&key_file={quote(str(tmp_path / 'login'), safe='')}"
    monkeypatch.setenv("CREDITFLOW_CONN_SFTP_MZJ", server.url)
    yield server
    loop.call_soon_threadsafe(listener.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


def deliveries(
    settings: Settings, registry: Registry, code: str, feed: str, watermark: Any = None
) -> list[tuple[Delivery, bytes]]:
    found = fetch(settings, registry.all()[code], registry.feed(code, feed), watermark, AS_OF)
    return [(item, item.stream.read() if item.stream else b"") for item in found]


class TestSftp:
    NAME = "MZJ_PERMIT_20261119173000_001.csv"

    def test_a_file_with_its_control_file(self, sftp: Sftp, settings: Settings, registry: Registry) -> None:
        sftp.put(self.NAME, CSV)
        ((found, content),) = deliveries(settings, registry, "mzj", "permit")
        assert content == CSV
        assert (found.declared_rows, found.declared_sha256) == (2, hashlib.sha256(CSV).hexdigest())
        assert found.delivered_at == dt.datetime(2026, 11, 19, 17, 30, tzinfo=settings.zone)
        assert deliveries(settings, registry, "mzj", "permit", found.watermark_after) == []

    def test_a_control_file_may_say_what_the_department_produced(
        self, sftp: Sftp, settings: Settings, registry: Registry
    ) -> None:
        sftp.put(self.NAME, CSV)
        control = {"rows": 2, "sha256": hashlib.sha256(CSV).hexdigest(), "produced": {"2026-10": 41, "2026-09": 0}}
        (sftp.root / "permit" / self.NAME).with_suffix(".ok").write_text(json.dumps(control), encoding="utf-8")
        ((found, _),) = deliveries(settings, registry, "mzj", "permit")
        assert (found.problem, found.produced) == (None, {"2026-10": 41, "2026-09": 0})

    def test_without_its_control_file_the_department_is_late(
        self, sftp: Sftp, settings: Settings, registry: Registry
    ) -> None:
        sftp.put(self.NAME, CSV, ok=False)
        ((found, _),) = deliveries(settings, registry, "mzj", "permit")
        assert found.stream is None
        assert found.problem is not None
        assert found.problem["code"] == "control_missing"
        sftp.put(self.NAME, CSV)
        assert deliveries(settings, registry, "mzj", "permit")[0][1] == CSV

    @pytest.mark.parametrize(
        "control", ["", "not json", '{"rows": 2}', '{"rows": "x", "sha256": "y"}', "[]", BAD_PRODUCED]
    )
    def test_a_damaged_control_file(self, sftp: Sftp, settings: Settings, registry: Registry, control: str) -> None:
        sftp.put(self.NAME, CSV)
        (sftp.root / "permit" / self.NAME).with_suffix(".ok").write_text(control, encoding="utf-8")
        ((found, content),) = deliveries(settings, registry, "mzj", "permit")
        assert content == CSV
        assert found.problem is not None
        assert found.problem["code"] == "control_unreadable"

    def test_a_file_that_breaks_off_is_fetched_again_in_one_more_session(
        self, sftp: Sftp, settings: Settings, registry: Registry
    ) -> None:
        def cut() -> None:
            raise asyncssh.SFTPFailure("cut")

        large = CSV * 20_000
        sftp.put(self.NAME, large)
        sftp.faults = [lambda: None, cut]
        assert deliveries(settings, registry, "mzj", "permit")[0][1] == large
        assert len(sftp.sessions) == 2

    def test_an_unknown_host_key_is_refused(
        self, sftp: Sftp, settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().split()[1].decode()
        pinned = sftp.url.split("host_key=")[1].split("&")[0]
        monkeypatch.setenv("CREDITFLOW_CONN_SFTP_MZJ", sftp.url.replace(pinned, quote(other, safe="")))
        with pytest.raises(FetchError, match="host key"):
            deliveries(settings, registry, "mzj", "permit")
        assert sftp.sessions == [], "no login was tried"

    def test_a_wrong_login_key_is_told_without_retry(
        self, sftp: Sftp, settings: Settings, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "wrong"))
        monkeypatch.setenv(
            "CREDITFLOW_CONN_SFTP_MZJ",
            sftp.url.replace(quote(str(tmp_path / "login"), safe=""), str(tmp_path / "wrong")),
        )
        with pytest.raises(FetchError, match="refused the login") as caught:
            deliveries(settings, registry, "mzj", "permit")
        assert "wrong" not in str(caught.value)

    def test_a_server_that_is_away(
        self, settings: Settings, registry: Registry, sftp: Sftp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = sftp.url.split(":")[2].split("/")[0]
        monkeypatch.setenv("CREDITFLOW_CONN_SFTP_MZJ", sftp.url.replace(port, str(free_port())))
        with pytest.raises(FetchError, match="not reached"):
            deliveries(settings, registry, "mzj", "permit")


# --- HTTP ----------------------------------------------------------------------------------------------------------


@dataclass
class Api:
    rows: list[dict[str, str]]
    url: str = ""
    answers: list[Callable[[], Response]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    limit: int = 2
    xml: bool = False

    def page(self, since: int) -> Response:
        left = [row for row in self.rows if int(row["_SEQ"]) > since]
        page = left[: self.limit]
        following = page[-1]["_SEQ"] if len(left) > len(page) else None
        if not self.xml:
            return Response(
                json.dumps({"rows": page, "next": following, "total": len(left)}), media_type="application/json"
            )
        body = "".join("<ROW>" + "".join(f"<{k}>{v}</{k}>" for k, v in row.items()) + "</ROW>" for row in page)
        return Response(
            f"<RESPONSE><NEXT>{following or ''}</NEXT><TOTAL>{len(left)}</TOTAL><ROWDATA>{body}</ROWDATA></RESPONSE>"
        )


def _row(n: int) -> dict[str, str]:
    moment = f"2026-11-19 08:00:0{n}"
    return {"_SEQ": str(n), "_OP": "I", "_UPDATED_AT": moment, "XK_XDR_MC": f"公司{n}", "XK_WSH": f"{n}号"}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    service = Api([_row(n) for n in range(1, 6)])

    async def answer(request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer geheim":
            return PlainTextResponse("no", 401)
        service.asked.append(request.query_params.get("since", ""))
        if service.answers:
            return service.answers.pop(0)()
        return service.page(int(request.query_params.get("since") or 0))

    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=[Route("/{dept}/{feed}", answer)]), host="127.0.0.1", port=port, log_level="critical"
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    service.url = f"http://geheim@127.0.0.1:{port}"
    for code in ("fgj", "wjj"):
        monkeypatch.setenv(f"CREDITFLOW_CONN_API_{code.upper()}", f"{service.url}/{code}")
    yield service
    server.should_exit = True
    thread.join(10)


class TestRest:
    def test_all_pages_become_one_delivery(self, api: Api, settings: Settings, registry: Registry) -> None:
        ((found, content),) = deliveries(settings, registry, "fgj", "permit")
        assert content.count(b'"_SEQ"') == 5
        assert api.asked == ["", "2", "4"]
        assert (found.declared_rows, found.watermark_after) == (5, {"since": "5"})
        assert found.delivered_at == dt.datetime(2026, 11, 19, 8, 0, 5, tzinfo=settings.zone)
        assert deliveries(settings, registry, "fgj", "permit", found.watermark_after) == []

    def test_xml(self, api: Api, settings: Settings, registry: Registry) -> None:
        api.xml = True
        ((found, content),) = deliveries(settings, registry, "wjj", "permit", {"since": "1"})
        assert content.count(b"<ROW>") == 4
        assert (found.declared_rows, found.watermark_after) == (4, {"since": "5"})

    def test_busy_and_failing_servers_are_asked_again(self, api: Api, settings: Settings, registry: Registry) -> None:
        api.answers = [
            lambda: PlainTextResponse("slow down", 429, headers={"Retry-After": "0"}),
            lambda: PlainTextResponse("oops", 503),
            lambda: PlainTextResponse('{"rows": [{"_SEQ"', 200),
            lambda: PlainTextResponse("oops", 500),
        ]
        assert deliveries(settings, registry, "fgj", "permit")[0][1].count(b'"_SEQ"') == 5

    def test_retry_after_is_obeyed(self, api: Api, settings: Settings, registry: Registry) -> None:
        api.answers = [lambda: PlainTextResponse("slow down", 429, headers={"Retry-After": "0.3"})]
        begun = time.monotonic()
        deliveries(settings, registry, "fgj", "permit")
        assert time.monotonic() - begun >= 0.3

    def test_a_wrong_token_is_told_at_once(
        self, api: Api, settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CREDITFLOW_CONN_API_FGJ", f"{api.url}/fgj".replace("geheim", "falsch"))
        with pytest.raises(FetchError, match="token") as caught:
            deliveries(settings, registry, "fgj", "permit")
        assert "falsch" not in str(caught.value)
        assert api.asked == []

    def test_a_server_that_stops_mid_page_gives_nothing(self, api: Api, settings: Settings, registry: Registry) -> None:
        api.answers = [lambda: api.page(0), *([lambda: PlainTextResponse('{"rows": [', 200)] * 5)]
        with pytest.raises(FetchError, match="broke off"):
            deliveries(settings, registry, "fgj", "permit")

    def test_a_page_twice_is_never_taken_twice(self, api: Api, settings: Settings, registry: Registry) -> None:
        api.answers = [lambda: api.page(0), *([lambda: api.page(0)] * 5)]
        with pytest.raises(FetchError, match="fetched already"):
            deliveries(settings, registry, "fgj", "permit")

    def test_a_cursor_that_stands_still(self, api: Api, settings: Settings, registry: Registry) -> None:
        api.answers = [lambda: Response(json.dumps({"rows": [], "next": "", "total": 0}))]
        assert deliveries(settings, registry, "fgj", "permit") == []
        api.answers = [lambda: Response(json.dumps({"rows": [{"XK_XDR_MC": "x"}], "next": "7", "total": 9}))] * 3
        with pytest.raises(FetchError, match="does not move"):
            deliveries(settings, registry, "fgj", "permit")

    def test_entities_in_an_answer(self, api: Api, settings: Settings, registry: Registry) -> None:
        bomb = '<!DOCTYPE x [<!ENTITY a "b">]><RESPONSE><NEXT/><TOTAL>1</TOTAL><ROWDATA><ROW><_SEQ>&a;</_SEQ></ROW></ROWDATA></RESPONSE>'
        api.answers = [lambda: Response(bomb)] * 5
        with pytest.raises(FetchError):
            deliveries(settings, registry, "wjj", "permit")


# --- the exchange database ------------------------------------------------------------------------------------------


@pytest.fixture
def exchange(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    name = f"exchange_{os.getpid()}"
    admin = psycopg2.connect(server.url("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"create database {name}")
    conn = psycopg2.connect(server.url(name))
    conn.autocommit = True

    def run(statement: str) -> list[Any]:
        with conn.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    run("create schema gaj")
    run(
        "create table gaj.permit (seq bigint primary key, op char(1), updated_at timestamptz, status text default 'new',"
        " xk_xdr_mc text, xk_wsh text, 民族 text)"
    )
    run("insert into gaj.permit select n, 'I', timestamptz '2026-11-19 08:00+08' + n * interval '1 minute', 'new',"
        " '公司' || n, n || E'号\\n\"x\"', '汉族' from generate_series(1, 5) n")  # fmt: skip
    monkeypatch.setenv("CREDITFLOW_CONN_EXCHANGE_GAJ", server.url(name))
    yield run
    conn.close()
    with admin.cursor() as cursor:
        cursor.execute(f"drop database {name} with (force)")
    admin.close()


class TestDatabase:
    def test_rows_after_the_watermark(self, exchange: Exchange, settings: Settings, registry: Registry) -> None:
        ((found, content),) = deliveries(settings, registry, "gaj", "permit", {"seq": 2})
        assert content.decode().startswith("seq,op,updated_at,xk_xdr_mc,xk_wsh\n3,I,2026-11-19 08:03:00+08,公司3,")
        assert (found.declared_rows, found.watermark_after, found.format) == (3, {"seq": 5}, "table")
        assert found.delivered_at == dt.datetime(2026, 11, 19, 0, 5, tzinfo=dt.UTC)
        assert deliveries(settings, registry, "gaj", "permit", found.watermark_after) == []

    def test_forbidden_columns_are_never_asked_for(
        self, exchange: Exchange, settings: Settings, registry: Registry
    ) -> None:
        ((found, content),) = deliveries(settings, registry, "gaj", "permit")
        assert "汉族" not in content.decode()
        assert found.columns_cut == ("民族",)

    def test_the_status_is_written_back_for_what_was_taken(
        self, exchange: Exchange, settings: Settings, registry: Registry
    ) -> None:
        ((found, _),) = deliveries(settings, registry, "gaj", "permit")
        exchange("insert into gaj.permit (seq, op, updated_at) values (6, 'I', now())")
        assert exchange("select distinct status from gaj.permit") == [("new",)], "nothing is written before the commit"
        found.acknowledge()
        assert exchange("select status, count(*) from gaj.permit group by 1 order by 1") == [("new", 1), ("taken", 5)]

    def test_a_missing_table(self, exchange: Exchange, settings: Settings, registry: Registry) -> None:
        with pytest.raises(FetchError, match=r"no table gaj\.penalty"):
            deliveries(settings, registry, "gaj", "penalty")

    def test_a_table_without_the_agreed_columns(
        self, exchange: Exchange, settings: Settings, registry: Registry
    ) -> None:
        exchange("alter table gaj.permit drop column op")
        with pytest.raises(FetchError, match="lacks columns: op"):
            deliveries(settings, registry, "gaj", "permit")

    def test_a_wrong_password(
        self, server: Server, settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CREDITFLOW_CONN_EXCHANGE_GAJ", server.url("postgres", password="falsch"))
        with pytest.raises(FetchError, match="refused the login") as caught:
            deliveries(settings, registry, "gaj", "permit")
        assert "falsch" not in str(caught.value)

    def test_a_server_that_is_away(
        self, settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CREDITFLOW_CONN_EXCHANGE_GAJ", f"postgresql://gaj:x@127.0.0.1:{free_port()}/exchange")
        with pytest.raises(FetchError, match="not reached"):
            deliveries(settings, registry, "gaj", "permit")


# --- the drop folder --------------------------------------------------------------------------------------------------


class TestDropFolder:
    def test_new_files_once(
        self, settings: Settings, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "投递" / "permit"
        folder.mkdir(parents=True)
        monkeypatch.setenv("CREDITFLOW_CONN_DROP_RHJ", (tmp_path / "投递").as_uri())
        (folder / "b.xlsx").write_bytes(b"b")
        (folder / "a.xlsx").write_bytes(b"a")
        for ignored in ("~$a.xlsx", ".hidden", "half.part"):
            (folder / ignored).write_bytes(b"x")
        found = deliveries(settings, registry, "rhj", "permit")
        assert [(item.file, content) for item, content in found] == [("a.xlsx", b"a"), ("b.xlsx", b"b")]
        assert len(deliveries(settings, registry, "rhj", "permit", found[0][0].watermark_after)) == 1
        assert deliveries(settings, registry, "rhj", "permit", found[1][0].watermark_after) == []
        (folder / "a.xlsx").write_bytes(b"aa")
        assert [
            content for _, content in deliveries(settings, registry, "rhj", "permit", found[1][0].watermark_after)
        ] == [b"aa"]

    def test_no_folder_is_nothing_new(
        self, settings: Settings, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CREDITFLOW_CONN_DROP_RHJ", (tmp_path / "none").as_uri())
        assert deliveries(settings, registry, "rhj", "permit") == []


# --- end to end -------------------------------------------------------------------------------------------------------


class TestWholeRoad:
    def test_a_department_over_sftp_heals_by_its_next_good_delivery(
        self, warehouse: Warehouse, sftp: Sftp, registry: Registry
    ) -> None:
        one = registry.departments["mzj"]
        registry = replace(
            registry, departments={**registry.departments, "mzj": replace(one, feeds={"permit": one.feeds["permit"]})}
        )
        first, second = "MZJ_PERMIT_20261119173000_001.csv", "MZJ_PERMIT_20261119173000_002.csv"

        def night() -> tuple[list[tuple[str, int]], str]:
            done = ingest_department(warehouse.settings, registry, "mzj", AS_OF)
            return [(batch.state, batch.rows_read) for batch in done], warehouse.query("select state from ops.arrival")[
                0
            ][0]

        sftp.put(first, CSV, ok=False)
        assert night() == ([], "late")
        sftp.put(first, CSV, rows=3)
        assert night() == ([("held", 2)], "arrived")
        assert night() == ([], "arrived")
        sftp.put(second, CSV)
        assert night() == ([("landed", 2)], "arrived")
        assert night() == ([], "arrived")
        assert warehouse.query("select state, count(*) from ops.batch group by 1 order by 1") == [
            ("held", 1),
            ("landed", 1),
        ]

    def test_an_api_that_fails_leaves_no_trace_but_the_arrival(
        self, warehouse: Warehouse, api: Api, registry: Registry
    ) -> None:
        api.answers = [lambda: api.page(0), *([lambda: PlainTextResponse("x", 500)] * 50)]
        one = registry.departments["fgj"]
        registry = replace(
            registry, departments={**registry.departments, "fgj": replace(one, feeds={"permit": one.feeds["permit"]})}
        )
        assert ingest_department(warehouse.settings, registry, "fgj", AS_OF) == []
        ((state, zh),) = warehouse.query("select state, detail_zh from ops.arrival")
        assert state == "failed"
        assert "HTTP 500" in zh
        assert warehouse.query("select count(*) from ops.batch") == [(0,)]
        api.answers = []
        (batch,) = ingest_department(warehouse.settings, registry, "fgj", AS_OF)
        assert (batch.state, batch.rows_read) == ("landed", 5)
        assert warehouse.query("select value from ops.watermark") == [({"since": "5"},)]
        assert warehouse.query("select state from ops.arrival") == [("arrived",)]

    def test_rows_of_the_exchange_database_carry_their_own_order(
        self, warehouse: Warehouse, exchange: Exchange, registry: Registry
    ) -> None:
        one = registry.departments["gaj"]
        registry = replace(
            registry, departments={**registry.departments, "gaj": replace(one, feeds={"permit": one.feeds["permit"]})}
        )
        (batch,) = ingest_department(warehouse.settings, registry, "gaj", AS_OF)
        assert (batch.state, batch.rows_read) == ("landed", 5)
        rows = warehouse.query(
            f"select version_seq, op, version_at, decision_document_no from work.{work_table(batch.batch_id)} order by 1"
        )
        assert rows[2] == (3, "I", dt.datetime(2026, 11, 19, 0, 3, tzinfo=dt.UTC), '3号\n"x"')
        assert exchange("select distinct status from gaj.permit") == [("taken",)]
