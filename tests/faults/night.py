"""A night of three departments that is disturbed on purpose, and what must be the same afterwards.

A disturbed night runs in a process of its own, forked from a warm one: it may kill itself at any statement it sends, be killed
at any moment, lose its connections, or find the disk full. `Town.state` is everything the warehouse and the archive hold, without
the clock's readings; after a disturbance and one more night it equals the state of a night that nothing disturbed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psycopg2
import time_machine
from psycopg2 import extensions, sql

from creditflow.ingest import ingest_department
from creditflow.landing import ensure_tables
from creditflow.ops.database import connect
from creditflow.ops.registry_sync import sync_registry
from creditflow.quality import gate
from creditflow.quality.morning import settle
from creditflow.quality.rulebook import load_lists
from creditflow.registry import Registry
from creditflow.server import Server, _pg_ctl, _start
from creditflow.settings import Settings
from creditflow.warehouse import publish_views
from tests.conftest import PROJECT
from tests.faults.sources import API, DATABASE, SFTP, Row, Sources
from tests.quality.world import clean_row

AS_OF = date(2026, 11, 20)
ROWS = 30
CLOCK = re.compile(r"_at$|^since$|^seconds$|^fingerprint$|^key_id$")
"""Columns that hold what the clock said, a digest of it, or the name of a key made by chance."""
DRAWN = frozenset({"incident_id"})
"""Numbers from a sequence that nothing refers to: a transaction that is cut off has used them up, lawfully."""
PATIENCE_SECONDS = 600
ROUNDS = int(os.environ.get("CREDITFLOW_FAULT_ROUNDS", "1"))


def cases(count: int) -> list[int]:
    """Seeds of a kind of disturbance; CREDITFLOW_FAULT_ROUNDS times as many."""
    return list(range(count * ROUNDS))


# --- the rows the departments send ----------------------------------------------------------------------------------


def rows_of(registry: Registry, department: str) -> list[Row]:
    """Permits as the department writes them; a few of them wrong in ways that the gate refuses, flags or counts apart."""
    kind = registry.kinds["permit"]
    base = clean_row(kind, registry, load_lists(PROJECT), department)
    columns = [column for column in kind.columns if column.type != "person_id"]
    rows = []
    for number in range(1, ROWS + 1):
        changes: dict[str, Any] = {"decision_document_no": f"汕{department}许〔2026〕{number}号"}
        if number % 7 == 0:
            changes["counterparty_name"] = "null"
        if number % 11 == 0:
            changes["valid_to"] = ""
        if number == ROWS:
            changes["decision_document_no"] = f"汕{department}许〔2026〕1号"
        row = base | changes
        facts = {"_SEQ": str(number), "_OP": "I", "_UPDATED_AT": f"2026-11-19 08:{number:02}:00"}
        cells = {column.code: str(row[column.name] or "") for column in columns}
        rows.append(cells if department == SFTP else facts | cells)
    return rows


# --- a town and its nights ------------------------------------------------------------------------------------------


@dataclass
class Town:
    """Three departments and a warehouse of its own for every case."""

    server: Server
    registry: Registry
    sources: Sources
    folder: Path
    template: str
    night_statements: int = 0
    night_seconds: float = 0.0

    def fresh(self, name: str, template: str = "") -> Settings:
        """A new warehouse and archive, or a copy of what `keep` kept; the departments are as on their first day."""
        home, kept = self.folder / name, self.folder / f"{template}_home"
        shutil.rmtree(home, ignore_errors=True)
        if kept.exists():
            shutil.copytree(kept, home)
        else:
            home.mkdir()
        self.admin(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        self.admin(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template or self.template)
            )
        )
        self.sources.reset()
        return Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=self.server.url(name))

    def keep(self, settings: Settings, name: str) -> None:
        """Keep a warehouse with its archive and dbt's parse cache as a template for others."""
        shutil.copytree(settings.home, self.folder / f"{name}_home")
        self.admin(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(settings.home.name)
            )
        )

    def forget(self, name: str) -> None:
        """Remove a case's warehouse and archive."""
        self.admin(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def admin(self, statement: sql.Composed) -> None:
        """One statement on the server itself."""
        conn = psycopg2.connect(self.server.url("postgres"))
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute(statement)
        conn.close()

    def prepare(self, settings: Settings) -> None:
        """Registry and tables, as an installation has them before its first night."""
        sync_registry(settings, self.registry)
        conn = connect(settings, name="prepare", autocommit=True)
        ensure_tables(conn, self.registry)
        conn.close()

    def night(self, settings: Settings) -> None:
        """Fetch, archive, land, judge, return."""
        for code in (SFTP, API, DATABASE):
            ingest_department(settings, self.registry, code, AS_OF)
        gate(settings, self.registry)
        settle(settings, self.registry, AS_OF)

    def crash(self) -> None:
        """The database server is stopped at once, without a word to anybody, and started again at the same place."""
        _pg_ctl(self.server, "stop", "-m", "immediate", "-w")
        assert _start(self.server).port == self.server.port

    def crashing(self, work: Callable[[Callable[[Any], None]], Ended]) -> Ended:
        """`work` with something to do at a step: the database server crashes there, and the step goes on without it."""
        asked, over = self.folder / "crash", threading.Event()

        def act(_: Any) -> None:
            asked.touch()
            while asked.exists():
                time.sleep(0.02)

        def watch() -> None:
            while not over.wait(0.02):
                if asked.exists():
                    self.crash()
                    asked.unlink()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            return work(act)
        finally:
            over.set()
            watcher.join()

    def state(self, settings: Settings) -> dict[str, list[str]]:
        """Every table and the archive, line by line, without the clock's readings."""
        found = {}
        conn = psycopg2.connect(settings.warehouse_url)
        with conn, conn.cursor() as cursor:
            cursor.execute(
                "select quote_ident(table_schema) || '.' || quote_ident(table_name) from information_schema.tables"
                " where table_schema in ('landing', 'ops', 'quality') and table_type = 'BASE TABLE' order by 1"
            )
            for (table,) in cursor.fetchall():
                if "journal" in table:
                    continue  # the journal tells what happened, a disturbance with it
                cursor.execute(f"select to_jsonb(t) from {table} as t")
                found[str(table)] = _lines([_without_clock(row) for (row,) in cursor.fetchall()])
        conn.close()
        archive = settings.home / "archive"
        files = {path for path in archive.rglob("*") if path.is_file() and "_journal" not in path.parts}
        found["archive"] = _lines(
            [
                path.relative_to(archive).as_posix()
                + ("" if path.name == "manifest.json" else hashlib.sha256(path.read_bytes()).hexdigest())
                for path in files
            ]
        )
        return found

    def shown(self, settings: Settings) -> dict[str, list[str]]:
        """What readers see, without the clock's readings; builds by their place among the published ones, for one that died
        has used its number up."""
        found = {}
        conn = psycopg2.connect(settings.warehouse_url)
        with conn, conn.cursor() as cursor:
            cursor.execute("select build_no from ops.build where state = 'published' order by 1")
            places = {number: place for place, (number,) in enumerate(cursor.fetchall(), start=1)}
            for view in publish_views(conn):
                if view == "build":
                    continue  # it lists the builds, the one that died and the one that had nothing to do with them
                cursor.execute(sql.SQL("select to_jsonb(v) from publish.{} as v").format(sql.Identifier(view)))
                rows = [_with_places(_without_clock(row), places) for (row,) in cursor.fetchall()]
                found[f"publish.{view}"] = _lines(rows)
        conn.close()
        return found

    def left(self, settings: Settings) -> dict[str, list[str]]:
        """What readers see, and all that landed, was judged and was kept.

        Builds and replays that died stay in their tables and have used numbers up, lawfully.
        """
        lawful = ("ops.build", "ops.pointer", "ops.replay")
        state = {name: lines for name, lines in self.state(settings).items() if not name.startswith(lawful)}
        return state | self.shown(settings)


def _without_clock(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _without_clock(item) for name, item in value.items() if name not in DRAWN and not CLOCK.search(name)
        }
    return [_without_clock(item) for item in value] if isinstance(value, list) else value


def _with_places(value: Any, places: Mapping[int, int]) -> Any:
    """Numbers of builds as their places, in a row and in the documents in it."""
    if isinstance(value, Mapping):
        return {
            name: places.get(item, item) if "build" in name and isinstance(item, int) else _with_places(item, places)
            for name, item in value.items()
        }
    return [_with_places(item, places) for item in value] if isinstance(value, list) else value


def _lines(items: list[Any]) -> list[str]:
    return sorted(json.dumps(item, ensure_ascii=False, sort_keys=True) for item in items)


def differences(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> list[str]:
    """What stands in one of them only, `< table: line` and `> table: line`, from where the two begin to differ."""
    found = []
    for name in sorted(one.keys() | other.keys()):
        here, there = Counter(one.get(name, ())), Counter(other.get(name, ()))
        gone, come = sorted((here - there).elements()), sorted((there - here).elements())
        for left, right in zip_longest(gone, come, fillvalue=""):
            same = max(0, next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), 0) - 60)
            found += [f"{mark} {name}: {line[same : same + 300]}" for mark, line in (("<", left), (">", right)) if line]
    return found


# --- disturbances ---------------------------------------------------------------------------------------------------


@dataclass
class Trap:
    """Counts what a process sends to the database and, at the step `at`, does `act` to it. act: gets the connection.

    told: a file that gets one byte per step, for a process that cannot say how many they were.
    """

    at: int = 0
    act: Callable[[Any], None] | None = None
    told: Path | None = None
    steps: int = field(default=0)

    def step(self, conn: Any) -> None:
        """One more statement, copy or commit."""
        self.steps += 1
        if self.told is not None:
            with self.told.open("ab") as file:
                file.write(b".")
        if self.steps == self.at and self.act is not None:
            self.act(conn)

    def spring(self) -> None:
        """From now on every connection of this process is watched."""
        trap = self

        def watched(factory: Any) -> Any:
            class Watched(factory):  # type: ignore[misc]
                def execute(self, *arguments: Any, **named: Any) -> Any:
                    trap.step(self.connection)
                    return super().execute(*arguments, **named)

                def copy_expert(self, *arguments: Any, **named: Any) -> Any:
                    trap.step(self.connection)
                    return super().copy_expert(*arguments, **named)

            return Watched

        class WatchedConnection(extensions.connection):
            def cursor(self, *arguments: Any, **named: Any) -> Any:
                factory = named.pop("cursor_factory", None) or extensions.cursor
                return super().cursor(*arguments, cursor_factory=watched(factory), **named)

            def commit(self) -> None:
                trap.step(self)
                super().commit()
                trap.step(self)

        plain = psycopg2.connect

        def opened(*arguments: Any, **named: Any) -> Any:
            return plain(*arguments, **{"connection_factory": WatchedConnection, **named})

        psycopg2.connect = opened


def kill(_: Any) -> None:
    """The end of this process, without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def cut(conn: Any) -> None:
    """The server ends this connection."""
    other = extensions.connection(conn.dsn.replace("xxx", str(conn.info.password)))
    other.autocommit = True
    with other.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(%s)", (conn.info.backend_pid,))
    other.close()


def clock_off_by(days: int) -> None:
    """This process and what it forks believe in another day; the database, the departments and the archive do not."""
    time_machine.travel(timedelta(days=days), tick=True).start()


def disk_full_after(size: int) -> None:
    """The system refuses what goes beyond `size` bytes of any file this process writes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@dataclass
class Ended:
    """How a process of its own ended: `done`, `killed`, or the kind of its error. told: what it reported."""

    how: str
    told: str
    seconds: float


def apart(work: Callable[[], str | None], *, kill_after: float | None = None, alone: bool = False) -> Ended:
    """Run `work` in a process of its own group. kill_after: seconds until the whole group is killed; alone: only the process,
    and what it started is left to itself."""
    begun = time.monotonic()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(work, read, write)
    os.close(write)
    status = _wait(pid, begun, kill_after, alone)
    with os.fdopen(read, encoding="utf-8") as pipe:
        told = pipe.read()
    seconds = time.monotonic() - begun
    if os.WIFSIGNALED(status):
        return Ended("killed", "", seconds)
    how, _, rest = told.partition("\n")
    return Ended(how, rest, seconds)


def _child(work: Callable[[], str | None], read: int, write: int) -> None:
    os.setsid()
    os.close(read)
    try:
        answer = "done\n" + (work() or "")
    except BaseException as problem:  # noqa: BLE001 - the parent is told, whatever it was
        answer = f"{type(problem).__name__}\n{problem}"
    os.write(write, answer.encode()[:60_000])
    os._exit(0)


def _wait(pid: int, begun: float, kill_after: float | None, alone: bool) -> int:
    limit = PATIENCE_SECONDS if kill_after is None else kill_after
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() - begun > limit:
            (os.kill if alone else os.killpg)(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            break
        time.sleep(0.005)
    if alone:
        return status
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    return status
