"""The database connector against a real server that speaks MySQL's protocol: the same agreement as on PostgreSQL."""

from __future__ import annotations

import csv
import datetime as dt
import getpass
import io
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pymysql
import pytest

from creditflow import processes
from creditflow.connectors import Delivery, FetchError, fetch, retrying
from creditflow.registry import Registry, load
from creditflow.settings import Settings
from tests.conftest import PROJECT

pytestmark = pytest.mark.system

AS_OF = dt.date(2026, 11, 20)
PASSWORD = "only-for-this-test"


@cache
def registry() -> Registry:
    return load(PROJECT)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in milliseconds: the number of tries stays."""
    monkeypatch.setattr(retrying, "LONGEST_WAIT", 0.01)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server of this module; its root comes in by the socket."""
    folder = tmp_path_factory.mktemp("mysql")
    data, number = folder / "data", processes.free_port()
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
    assert install, "MariaDB is missing: install the system package mariadb-server"
    assert server, "MariaDB is missing: install the system package mariadb-server"
    user = f"--user={getpass.getuser()}"
    options = [f"--datadir={data}", user]
    subprocess.run(
        [install, "--no-defaults", *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    command = [server, "--no-defaults", *options, f"--port={number}", "--bind-address=127.0.0.1"]
    command += [f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}", "--character-set-server=utf8mb4"]
    running = processes.start("mariadb", command, environ={}, log=folder / "log", cwd=folder)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                pymysql.connect(host="127.0.0.1", port=number, user="root").close()
                break
            except pymysql.OperationalError:
                assert running.alive(), (folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield number
    finally:
        processes.stop([running])


class Exchange:
    """The department's tables, as the department sees them."""

    def __init__(self, port: int) -> None:
        self.conn = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True, charset="utf8mb4")

    def run(self, statement: str) -> list[Any]:
        with self.conn.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


@pytest.fixture
def exchange(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    made = Exchange(port)
    made.run("drop database if exists gaj")
    made.run("create database gaj character set utf8mb4")
    made.run(
        "create table gaj.permit (seq bigint primary key, op char(1), updated_at datetime,"
        " status varchar(8) default 'new', xk_xdr_mc text, xk_wsh text, 民族 text)"
    )
    for n in range(1, 6):
        made.run(
            f"insert into gaj.permit values ({n}, 'I', '2026-11-19 08:0{n}:00', 'new', '公司{n}',"
            f" {'null' if n == 4 else repr(f'{n}号，甲')}, '汉族')"
        )
    made.run("drop user if exists gaj@'127.0.0.1'")
    made.run(f"create user gaj@'127.0.0.1' identified by '{PASSWORD}'")
    made.run("grant select on gaj.* to gaj@'127.0.0.1'")
    made.run("grant update (status) on gaj.permit to gaj@'127.0.0.1'")
    monkeypatch.setenv("CREDITFLOW_CONN_EXCHANGE_GAJ", f"mysql://gaj:{PASSWORD}@127.0.0.1:{port}/gaj")
    yield made
    made.conn.close()


def deliveries(tmp_path: Path, feed: str, watermark: Any = None) -> list[tuple[Delivery, bytes]]:
    settings = Settings(tmp_path, PROJECT, f"file://{tmp_path}/archive", external_warehouse="postgresql://nobody/none")
    found = fetch(settings, registry().all()["gaj"], registry().feed("gaj", feed), watermark, AS_OF)
    return [(item, item.stream.read() if item.stream else b"") for item in found]


def test_rows_after_the_watermark(exchange: Exchange, tmp_path: Path) -> None:
    ((found, content),) = deliveries(tmp_path, "permit", {"seq": 2})
    heading, *rows = csv.reader(io.StringIO(content.decode()))
    assert heading == ["seq", "op", "updated_at", "xk_xdr_mc", "xk_wsh"]
    assert rows == [
        ["3", "I", "2026-11-19 08:03:00+08:00", "公司3", "3号，甲"],
        ["4", "I", "2026-11-19 08:04:00+08:00", "公司4", ""],
        ["5", "I", "2026-11-19 08:05:00+08:00", "公司5", "5号，甲"],
    ]
    assert (found.declared_rows, found.watermark_after, found.format) == (3, {"seq": 5}, "table")
    assert found.delivered_at == dt.datetime(2026, 11, 19, 0, 5, tzinfo=dt.UTC)
    assert deliveries(tmp_path, "permit", found.watermark_after) == []


def test_forbidden_columns_are_never_asked_for(exchange: Exchange, tmp_path: Path) -> None:
    ((found, content),) = deliveries(tmp_path, "permit")
    assert "汉族" not in content.decode()
    assert found.columns_cut == ("民族",)


def test_the_status_is_written_back_for_what_was_taken(exchange: Exchange, tmp_path: Path) -> None:
    ((found, _),) = deliveries(tmp_path, "permit")
    exchange.run("insert into gaj.permit (seq, op, updated_at) values (6, 'I', now())")
    assert exchange.run("select distinct status from gaj.permit") == [("new",)], "nothing is written before the commit"
    found.acknowledge()
    assert exchange.run("select status, count(*) from gaj.permit group by 1 order by 1") == [("new", 1), ("taken", 5)]


def test_a_missing_table(exchange: Exchange, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"no table gaj\.penalty"):
        deliveries(tmp_path, "penalty")


def test_a_table_without_the_agreed_columns(exchange: Exchange, tmp_path: Path) -> None:
    exchange.run("alter table gaj.permit drop column op")
    with pytest.raises(FetchError, match="lacks columns: op"):
        deliveries(tmp_path, "permit")


def test_a_right_that_is_missing(exchange: Exchange, tmp_path: Path) -> None:
    ((found, _),) = deliveries(tmp_path, "permit")
    exchange.run("revoke update (status) on gaj.permit from gaj@'127.0.0.1'")
    with pytest.raises(FetchError, match="denies the right"):
        found.acknowledge()


def test_a_wrong_password(exchange: Exchange, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDITFLOW_CONN_EXCHANGE_GAJ", f"mysql://gaj:falsch@127.0.0.1:{port}/gaj")
    with pytest.raises(FetchError, match="refused the login") as caught:
        deliveries(tmp_path, "permit")
    assert "falsch" not in str(caught.value)


def test_a_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDITFLOW_CONN_EXCHANGE_GAJ", f"mysql://gaj:x@127.0.0.1:{processes.free_port()}/gaj")
    with pytest.raises(FetchError, match="not reached"):
        deliveries(tmp_path, "permit")
