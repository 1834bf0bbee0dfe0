"""Nights that a real Airflow runs are disturbed: its retries and its next run make good what died, broke off or came twice.

One scheduler for the module, with a metadata database of its own, as in a deployment; every case has a fresh warehouse.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg2
import pytest
import yaml
from starlette.responses import PlainTextResponse

from creditflow import airflow, processes
from creditflow.ops.database import connect
from creditflow.quality.morning import settle
from creditflow.server import ensure_server, remove_server
from creditflow.settings import AIRFLOW_DATABASE, AIRFLOW_OWNER, Settings
from tests.conftest import PROJECT
from tests.faults.night import AS_OF, Town, apart, differences
from tests.faults.sources import API, DATABASE, SFTP

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

NAME = "faults_scheduled"
INGESTS = [f"ingest__{code}" for code in (SFTP, API, DATABASE)]
PATIENCE_SECONDS = 240
PROMPT = {
    "CREDITFLOW_RETRY_SECONDS": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "40",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
}
"""What waits for minutes in a deployment waits for seconds here, and yet for longer than a busy machine is silent."""


@dataclass
class Scheduled:
    """A running Airflow whose tasks work on the warehouse `NAME`. home: where Airflow lives, not the departments' data."""

    town: Town
    home: Settings
    environ: Mapping[str, str]
    client: airflow.Client
    metadata_url: str

    def tasks(self, run_id: str) -> dict[str, tuple[str, int, int]]:
        """(state, process, number of the try) of the task of each DAG in this run."""
        conn = psycopg2.connect(self.metadata_url)
        with conn, conn.cursor() as cursor:
            cursor.execute(
                "select dag_id, coalesce(state, ''), coalesce(pid, 0), try_number from task_instance where run_id = %s",
                (run_id,),
            )
            found = {dag: (state, pid, tried) for dag, state, pid, tried in cursor.fetchall()}
        conn.close()
        return found

    def kill_the_scheduler(self) -> None:
        """SIGKILL to the scheduler, its executor and their tasks at once, as when the machine loses power."""
        (scheduler,) = [item for item in processes.load(self._processes) if item.name == "scheduler"]
        leader = psutil.Process(scheduler.pid)
        family = [leader, *leader.children(recursive=True)]
        for member in family:
            member.suspend()
        for member in family:
            os.kill(member.pid, signal.SIGKILL)
        until(lambda: not scheduler.alive(), "the scheduler is gone")

    def start_the_scheduler(self) -> None:
        """Once more, as whatever watches over it would."""
        log = airflow.airflow_home(self.home) / "logs" / "scheduler.log"
        command = airflow._program("scheduler", "--skip-serve-logs")
        started = processes.start("scheduler", command, environ=self.environ, log=log, cwd=self.home.project)
        processes.save(self._processes, [*processes.load(self._processes), started])

    @property
    def _processes(self) -> Path:
        return airflow._processes(self.home)


@pytest.fixture(scope="module")
def scheduled(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduled]:
    """Airflow over the three departments of the town."""
    folder = tmp_path_factory.mktemp("scheduled")
    home = Settings(folder / "airflow", three_feeds(folder / "project"), "memory://unused")
    server = ensure_server(home, config={"fsync": "off", "full_page_writes": "off"})
    warehouse = town.fresh(NAME)
    works = PROMPT | {
        "CREDITFLOW_HOME": str(warehouse.home),
        "CREDITFLOW_WAREHOUSE_URL": warehouse.warehouse_url,
        "CREDITFLOW_ARCHIVE_URL": warehouse.archive_url,
    }
    try:
        with airflow.migrated(home, server):
            pass
        running = airflow.start(home, server, schedules=False, slots=4, extra=works)
        airflow.wait_until_ready(home, running, [*INGESTS, "quality_gate"])
        metadata = server.url(AIRFLOW_DATABASE, user=AIRFLOW_OWNER, password=home.database_password(AIRFLOW_OWNER))
        environ = airflow.environment(home, {"CREDITFLOW_SCHEDULES": "off", **works})
        with airflow.Client(running) as client:
            yield Scheduled(town, home, environ, client, metadata)
    finally:
        airflow.stop(home)
        remove_server(home)


def three_feeds(project: Path) -> Path:
    """The checkout as a scheduler sees it: the departments of the town send permits, and declare what they did not do."""
    (project / "sources").mkdir(parents=True)
    (project / "dags").mkdir()
    for name in ("expectations", "dbt_project"):
        (project / name).symlink_to(PROJECT / name)
    for name in ("ingest.py", "quality_gate.py", "wiring.py", "notifiers.py", "pools.json"):
        (project / "dags" / name).symlink_to(PROJECT / "dags" / name)
    for path in (PROJECT / "sources").iterdir():
        (project / "sources" / path.name).symlink_to(path)
    for code in (SFTP, API, DATABASE):
        place = project / "sources" / f"{code}.yml"
        declared = yaml.safe_load(place.read_text(encoding="utf-8"))
        declared["feeds"] = {name: declared["feeds"][name] for name in ("permit", "zero_declaration")}
        place.unlink()
        place.write_text(yaml.safe_dump(declared, allow_unicode=True), encoding="utf-8")
    return project


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it; AssertionError when it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS} s"
        time.sleep(0.2)


@dataclass
class Case:
    """One night under the scheduler, on a fresh warehouse. run_id: of all its DAGs."""

    scheduled: Scheduled
    undisturbed: Mapping[str, Sequence[str]]
    run_id: str
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = self.scheduled.town.fresh(NAME)

    def trigger(self, *dags: str, run_id: str = "") -> None:
        """Start these DAGs."""
        for dag in dags:
            self.scheduled.client.trigger(dag, run_id or self.run_id, {"as_of": AS_OF.isoformat()})

    def done(self, *dags: str, run_id: str = "") -> None:
        """Wait until they have succeeded, retries included."""

        def finished() -> bool:
            runs = self.scheduled.client.states(run_id or self.run_id)
            states = {dag: runs.get(dag, {}).get("state") for dag in dags}
            assert "failed" not in states.values(), states
            return set(states.values()) == {"success"}

        until(finished, f"{dags} succeed")

    def tries(self, dag: str) -> int:
        """How often the task of a DAG was begun."""
        return self.scheduled.tasks(self.run_id)[dag][2]

    @contextlib.contextmanager
    def in_the_middle_of(self, *dags: str) -> Iterator[dict[str, int]]:
        """The DAGs are started and stand still in the middle of their work until the end of the block; their processes."""
        gate = connect(self.settings, name="test holds the night")
        with gate.cursor() as cursor:
            cursor.execute("lock table ops.batch in access exclusive mode")
        self.trigger(*dags)
        until(lambda: self._standing() == len(dags), f"{dags} stand in the middle of it")
        try:
            yield {dag: pid for dag, (_, pid, _) in self.scheduled.tasks(self.run_id).items() if dag in dags}
        finally:
            gate.close()

    def _standing(self) -> int:
        conn = connect(self.settings, name="test looks", autocommit=True)
        with conn.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_locks l join pg_database d on d.oid = l.database"
                " where d.datname = current_database() and relation = 'ops.batch'::regclass and not granted"
            )
            (found,) = cursor.fetchone() or (0,)
        conn.close()
        return int(found)

    def leaves_no_trace(self) -> None:
        """The morning, one more night, and everything is as if nothing had been."""
        town = self.scheduled.town
        morning = apart(lambda: str(settle(self.settings, town.registry, AS_OF)))
        assert morning.how == "done", morning
        again = apart(lambda: town.night(self.settings))
        assert again.how == "done", again
        left = differences(self.undisturbed, town.state(self.settings))
        assert not left, "\n".join(left[:20])


@pytest.fixture
def case(scheduled: Scheduled, undisturbed: Mapping[str, Sequence[str]], request: pytest.FixtureRequest) -> Case:
    """The case of this test."""
    return Case(scheduled, undisturbed, request.node.name)


def test_the_scheduler_is_killed_with_all_it_runs_and_started_again(case: Case) -> None:
    with case.in_the_middle_of(*INGESTS) as working:
        case.scheduled.kill_the_scheduler()
    case.scheduled.start_the_scheduler()
    case.done(*INGESTS)
    worked = case.scheduled.tasks(case.run_id)
    assert all(pid != working[dag] for dag, (_, pid, _) in worked.items()), "every department was begun again"
    case.trigger("quality_gate")
    case.done("quality_gate")
    case.leaves_no_trace()


def test_the_process_of_a_department_is_killed(case: Case) -> None:
    with case.in_the_middle_of(*INGESTS) as working:
        os.kill(working[INGESTS[0]], signal.SIGKILL)
    case.done(*INGESTS)
    assert [case.tries(dag) for dag in INGESTS] == [2, 1, 1]
    case.trigger("quality_gate")
    case.done("quality_gate")
    case.leaves_no_trace()


def test_the_process_of_the_gate_is_killed(case: Case) -> None:
    case.trigger(*INGESTS)
    case.done(*INGESTS)
    with case.in_the_middle_of("quality_gate") as working:
        os.kill(working["quality_gate"], signal.SIGKILL)
    case.done("quality_gate")
    assert case.tries("quality_gate") == 2
    case.leaves_no_trace()


def test_the_database_server_of_the_warehouse_stops_under_a_scheduled_night(case: Case) -> None:
    with case.in_the_middle_of(*INGESTS):
        case.scheduled.town.crash()
    case.done(*INGESTS)
    assert [case.tries(dag) for dag in INGESTS] == [2, 2, 2]
    case.trigger("quality_gate")
    case.done("quality_gate")
    case.leaves_no_trace()


def test_departments_answer_badly_until_the_scheduler_asks_again(case: Case) -> None:
    """The API with 500, the SFTP server with broken connections, both for longer than one try of a task is patient."""
    sources = case.scheduled.town.sources
    sources.answers += [lambda _: PlainTextResponse("x", 500)] * 7
    sources.spoil_read += [lambda: None] * 7
    case.trigger(*INGESTS)
    case.done(*INGESTS)
    assert (sources.answers, sources.spoil_read) == ([], [])
    assert [case.tries(dag) for dag in INGESTS] == [2, 2, 1]
    case.trigger("quality_gate")
    case.done("quality_gate")
    case.leaves_no_trace()


def test_two_nights_are_triggered_at_once(case: Case) -> None:
    other = f"{case.run_id}_too"
    for run_id in (case.run_id, other):
        case.trigger(*INGESTS, "quality_gate", run_id=run_id)
    for run_id in (case.run_id, other):
        case.done(*INGESTS, "quality_gate", run_id=run_id)
    case.trigger("quality_gate", run_id=f"{case.run_id}_last")
    case.done("quality_gate", run_id=f"{case.run_id}_last")
    case.leaves_no_trace()
