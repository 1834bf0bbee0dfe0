"""The production path on one host: CeleryExecutor, a real Redis, two workers; one is killed in the middle of a task.

Both workers stand in the middle of a department (the test holds a lock they need) when one of them is killed with
everything it started. Airflow notices that its task is silent, the other worker runs it again, and every row that the
departments delivered has landed once.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import secrets
import shutil
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
import pytest

from creditflow import airflow, processes, sandbox
from creditflow.landing import ensure_tables
from creditflow.ops.database import connect
from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.registry import load
from creditflow.server import ensure_server, remove_server
from creditflow.settings import AIRFLOW_DATABASE, AIRFLOW_OWNER, Settings, load_settings
from tests.conftest import PROJECT

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

AS_OF = dt.date(2026, 11, 20)
DEPARTMENTS = ("fgj", "jyj", "gaj", "sjgj")
PATIENCE_SECONDS = 300


@dataclass
class City:
    """A running Airflow with two Celery workers beside a sandbox."""

    settings: Settings
    running: airflow.Airflow
    workers: list[processes.Process]
    metadata_url: str

    def tasks(self, run_id: str) -> list[tuple[str, str, int, int]]:
        """(dag, state, pid, try number) of the tasks of these runs as they are now."""
        conn = psycopg2.connect(self.metadata_url)
        try:
            with conn, conn.cursor() as cursor:
                cursor.execute(
                    "select dag_id, coalesce(state, ''), coalesce(pid, 0), try_number from task_instance"
                    " where run_id = %s order by dag_id",
                    (run_id,),
                )
                return cursor.fetchall()
        finally:
            conn.close()

    def worker_of(self, pid: int) -> processes.Process | None:
        """The worker that a task's process descends from; None while the process is not there."""
        try:
            line = {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
        except psutil.NoSuchProcess:
            return None
        return next((worker for worker in self.workers if worker.pid in line), None)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    folder = tmp_path_factory.mktemp("celery")
    settings = load_settings({"CREDITFLOW_HOME": str(folder / "home"), "CREDITFLOW_PROJECT": str(PROJECT)})
    server = ensure_server(settings, config={"fsync": "off", "full_page_writes": "off", "max_wal_size": "1GB"})
    started: list[processes.Process] = []
    try:
        migrate(settings)
        registry = load(settings.project)
        sync_registry(settings, registry)
        with airflow.migrated(settings, server):
            conn = connect(settings, name="tables", autocommit=True)
            ensure_tables(conn, registry)
            conn.close()
            shape = sandbox.Shape(scale=0.002)
            sandbox.up(settings)
            sandbox.seed(settings, shape, AS_OF)
            sandbox.deliver(settings, shape, AS_OF)
        redis, broker = start_redis(folder)
        started.append(redis)
        metadata = server.url(AIRFLOW_DATABASE, user=AIRFLOW_OWNER, password=settings.database_password(AIRFLOW_OWNER))
        celery = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{metadata}",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "CREDITFLOW_RETRY_SECONDS": "1",
        }
        running = airflow.start(settings, server, schedules=False, slots=2, extra=celery)
        environ = airflow.environment(settings, {**celery, "CREDITFLOW_SCHEDULES": "off"})
        workers = [start_worker(name, folder, environ) for name in ("one", "two")]
        started += workers
        airflow.wait_until_ready(settings, running, [f"ingest__{code}" for code in DEPARTMENTS])
        yield City(settings, running, workers, metadata)
    finally:
        airflow.stop(settings)
        processes.stop(started, grace=5)
        sandbox.down(settings)
        remove_server(settings)


def start_redis(folder: Path) -> tuple[processes.Process, str]:
    """A Redis of our own on loopback, with a password; its broker URL."""
    program = shutil.which("redis-server")
    assert program, "redis-server is missing: install the system package redis-server"
    port, password = processes.free_port(), secrets.token_urlsafe(16)
    config = folder / "redis.conf"
    config.write_text(f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {folder}\nsave ''\n")
    process = processes.start("redis", [program, str(config)], environ={}, log=folder / "redis.log", cwd=folder)

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(answers, "Redis answers")
    return process, f"redis://:{password}@127.0.0.1:{port}/0"


def start_worker(name: str, folder: Path, environ: dict[str, str]) -> processes.Process:
    """A Celery worker with one place."""
    command = airflow._program("celery", "worker", "--celery-hostname", name, "--concurrency", "1")
    command += ["--skip-serve-logs", "--pid", str(folder / f"{name}.pid")]
    return processes.start(name, command, environ=environ, log=folder / f"{name}.log", cwd=PROJECT)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it; AssertionError when it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS} s"
        time.sleep(0.2)


def kill_with_all_it_started(worker: processes.Process) -> None:
    """SIGKILL to a worker and its descendants at once, as when its machine loses power."""
    leader = psutil.Process(worker.pid)
    family = [leader, *leader.children(recursive=True)]
    for member in family:
        member.suspend()
    for member in family:
        os.kill(member.pid, signal.SIGKILL)


def delivered(settings: Settings) -> Counter[str]:
    """Rows that each department delivered, by the sandbox's own account."""
    rows: Counter[str] = Counter()
    with (settings.sandbox_home / "truth" / "deliveries.csv").open(encoding="utf-8") as ledger:
        for line in csv.DictReader(ledger):
            rows[line["department"]] += int(line["rows"])
    return rows


def test_two_workers_share_the_night_and_one_killed_in_a_task_loses_nothing(city: City) -> None:
    run_id = "night__shared"
    gate = connect(city.settings, name="test holds the workers")
    with airflow.Client(city.running) as client:
        with gate.cursor() as cursor:
            cursor.execute("lock table ops.batch in access exclusive mode")
        for code in DEPARTMENTS:
            client.trigger(f"ingest__{code}", run_id, {"as_of": AS_OF.isoformat()})
        holders: dict[str, processes.Process] = {}

        def both_work() -> bool:
            for dag, state, pid, _ in city.tasks(run_id):
                worker = city.worker_of(pid) if state == "running" and pid else None
                if worker is not None:
                    holders[dag] = worker
            return {worker.name for worker in holders.values()} == {"one", "two"}

        until(both_work, "both workers have a department")
        until(lambda: waiting_for(city.settings) == 2, "both stand in the middle of it")
        cut_off, victim = next((dag, worker) for dag, worker in holders.items() if worker.name == "one")
        kill_with_all_it_started(victim)
        until(lambda: not victim.alive(), "the worker is gone")
        gate.rollback()
        gate.close()
        until(
            lambda: [state for _, state, _, _ in city.tasks(run_id)] == ["success"] * len(DEPARTMENTS),
            "every department is done",
        )
    tries = {dag: number for dag, _, _, number in city.tasks(run_id)}
    assert tries.pop(cut_off) == 2
    assert set(tries.values()) == {1}
    conn = connect(city.settings, name="test counts")
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "select department, sum(rows_read)::int from ops.batch where state = 'landed' group by 1 order by 1"
        )
        landed = dict(cursor.fetchall())
    conn.close()
    rows = delivered(city.settings)
    assert landed == {code: rows[code] for code in sorted(DEPARTMENTS)}


def waiting_for(settings: Settings) -> int:
    """Sessions of the warehouse that wait for a lock on the table of batches."""
    conn = connect(settings, name="test looks", autocommit=True)
    try:
        with conn.cursor() as cursor:
            cursor.execute("select count(*) from pg_locks where relation = 'ops.batch'::regclass and not granted")
            return int((cursor.fetchone() or (0,))[0])
    finally:
        conn.close()
