"""One whole night: 43 departments and the suppliers outside them, from their servers to what people read.

Promises
- The same steps with and without a scheduler: the scheduler runs DAGs whose tasks call the functions this module calls.
- One department's failure costs that department only; the night goes on and says so at the end.
- Two nights at once: the second is refused. A night run again finds nothing new, changes nothing and says so.
- What the night started it stops, also when it fails; what ran before stays.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from creditflow import airflow, sandbox
from creditflow.failure import places
from creditflow.failure import tell as tell_error
from creditflow.landing import ensure_tables
from creditflow.ops.database import Connection, connect, try_session_lock
from creditflow.ops.ledger import arrival, batches_of_night, raise_if_failed
from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.progress import Progress, State
from creditflow.registry import Department, Registry, load
from creditflow.server import Server, ensure_server, server_running, stop_server
from creditflow.settings import DEFAULT_AS_OF, Settings

log = logging.getLogger(__name__)

LOCK = "creditflow.night"
POLL_SECONDS = 1.0


class NightError(Exception):
    """The night could not run or could not finish; the message says why and what to do."""


@dataclass
class Night:
    """How a night ended. summary: the content of last_night.json. problems: what failed, one line each."""

    summary: dict[str, Any]
    problems: list[str] = field(default_factory=list)


def run_night(
    settings: Settings,
    as_of: dt.date | None = None,
    *,
    in_process: bool = False,
    shape: sandbox.Shape | None = sandbox.Shape(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Night:
    """Run the night of `as_of` and write home/last_night.json.

    as_of: business date; default the published day, on an empty warehouse the fixed day of a first look.
    in_process: without a scheduler. shape: the sandbox's city; None: the departments are real and their credentials
    come from Airflow or the environment. Raises NightError when the night as a whole could not be done.
    """
    started = time.monotonic()
    show = progress or Progress(quiet=True)
    with show, _server(settings) as server:
        migrate(settings)
        with _only_night(settings) as conn, _city(settings, shape):
            return _run(settings, server, conn, as_of, in_process, shape, show, started)


def _run(
    settings: Settings,
    server: Server | None,
    conn: Connection,
    asked: dt.date | None,
    in_process: bool,
    shape: sandbox.Shape | None,
    show: Progress,
    started: float,
) -> Night:
    registry = load(settings.project, lenient=True)
    problems = [f"sources: {problem}" for problem in registry.problems]
    as_of = _business_date(conn, asked)
    before = _fingerprint(conn)
    with show.step("prepare", "preparing: registry, sandbox, scheduler"):
        sync_registry(settings, registry)
        ensure_tables(conn, registry)
        if in_process or settings.airflow_url is not None:
            _deliver(settings, shape, as_of)
        elif server is None:
            raise NightError(
                "CREDITFLOW_WAREHOUSE_URL 指向外部数据库，夜间任务自带的调度程序只用内置数据库："
                "请加 --in-process，或用 CREDITFLOW_AIRFLOW_URL 指明已有的 Airflow / "
                "CREDITFLOW_WAREHOUSE_URL names another server and the night's own scheduler needs the embedded one: "
                "run with --in-process, or name the Airflow that runs already in CREDITFLOW_AIRFLOW_URL "
                "(the compose deployment does; there the schedules of the DAGs run the night by themselves)"
            )
        else:
            with airflow.migrated(settings, server):
                _deliver(settings, shape, as_of)
    steps = _InProcess(settings, registry, as_of) if in_process else None
    if steps is not None:
        problems += _steps(settings, registry, conn, as_of, steps, show)
    else:
        with _scheduler(settings, server, registry, show) as running, airflow.Client(running) as client:
            problems += _steps(settings, registry, conn, as_of, _Scheduled(running, client, as_of), show)
    changed = _fingerprint(conn) != before
    summary = summarize(settings, conn, registry, as_of)
    summary["seconds"] = round(time.monotonic() - started, 1)
    summary["changed"] = changed
    summary["scheduler"] = not in_process
    summary["steps"] = show.seconds
    summary["problems"] = problems
    _write(settings, summary)
    return Night(summary, problems)


# --- the steps ---------------------------------------------------------------------------------------------------


class _InProcess:
    """The steps, called one after the other in this process."""

    def __init__(self, settings: Settings, registry: Registry, as_of: dt.date) -> None:
        self._settings, self._registry, self._as_of = settings, registry, as_of

    def ingest(self, departments: list[Department], tell: Callable[[str, str], None]) -> list[str]:
        """Ingest department by department; tell(code, state) as they go. Returns what failed."""
        from creditflow.ingest import ingest_department

        failed = []
        for department in departments:
            tell(department.code, "running")
            try:
                ingest_department(self._settings, self._registry, department.code, self._as_of)
                raise_if_failed(self._settings, self._as_of, department.code)
            except Exception as problem:  # noqa: BLE001 - one department must not stop the others
                log.error("%s: %s\n%s", department.code, tell_error(problem), places(problem))
                failed.append(department.code)
                tell(department.code, "failed")
            else:
                tell(department.code, "success")
        return failed

    def gate(self) -> None:
        from creditflow.quality import gate

        gate(self._settings, self._registry)

    def warehouse(self) -> None:
        from creditflow.warehouse import build, publish

        publish(self._settings, build(self._settings, self._as_of).build_no)

    def reports(self) -> None:
        from creditflow.quality.morning import settle
        from creditflow.report import quality

        settle(self._settings, self._registry, self._as_of)
        quality(self._settings, self._as_of)


class _Scheduled:
    """The steps, as runs of DAGs that a real scheduler executes."""

    def __init__(self, running: airflow.Airflow, client: airflow.Client, as_of: dt.date) -> None:
        self._airflow = running
        self._client = client
        self._as_of = as_of
        moment = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        self._run_id = f"night__{as_of.isoformat()}__{moment}"

    def ingest(self, departments: list[Department], tell: Callable[[str, str], None]) -> list[str]:
        """Trigger every department's DAG, the largest first, and wait for all. Returns what failed."""
        by_volume = sorted(
            departments, key=lambda item: (-sum(f.rows_per_year for f in item.feeds.values()), item.code)
        )
        for department in by_volume:
            self._trigger(airflow.ingest_dag_id(department))
        open_dags = {airflow.ingest_dag_id(department): department.code for department in departments}
        failed = []
        while open_dags:
            time.sleep(POLL_SECONDS)
            for name, run in self._client.states(self._run_id).items():
                if name not in open_dags:
                    continue
                tell(open_dags[name], run["state"])
                if run["state"] in airflow.FINISHED:
                    code = open_dags.pop(name)
                    if run["state"] == "failed":
                        failed.append(code)
        return sorted(failed)

    def gate(self) -> None:
        self._one("quality_gate")

    def warehouse(self) -> None:
        self._one("warehouse")

    def reports(self) -> None:
        self._one("reports")

    def _trigger(self, name: str) -> None:
        self._client.trigger(
            name, self._run_id, {"as_of": self._as_of.isoformat()}, note=f"night of {self._as_of.isoformat()}"
        )

    def _one(self, name: str) -> None:
        self._trigger(name)
        while True:
            time.sleep(POLL_SECONDS / 2)
            state = self._client.states(self._run_id)[name]["state"]
            if state == "failed":
                raise NightError(f"DAG {name}: {airflow.why_failed(self._airflow, name, self._run_id)}")
            if state == "success":
                return


def _steps(
    settings: Settings,
    registry: Registry,
    conn: Connection,
    as_of: dt.date,
    steps: _InProcess | _Scheduled,
    show: Progress,
) -> list[str]:
    problems = []
    bodies = registry.all()
    show.departments({code: body.name_zh for code, body in bodies.items()})
    with show.step("ingest", f"fetching and landing {len(bodies)} departments"):
        failed = steps.ingest(list(bodies.values()), lambda code, state: _tell(conn, show, as_of, code, state))
        problems += [f"{code}: ingest failed" for code in failed]  # ops.arrival says why
    if _waiting(conn):
        with show.step("gate", "judging what landed"), _noted(problems, "gate"):
            steps.gate()
    build = _needs_build(settings, conn, as_of)
    if build:
        with (
            show.step("warehouse", "building subjects, lists and scores, and publishing them"),
            _noted(problems, "warehouse"),
        ):
            steps.warehouse()
    if build or not (settings.site / "index.html").exists():
        with show.step("report", "writing the report"), _noted(problems, "report"):
            steps.reports()
    return problems


@contextmanager
def _noted(problems: list[str], step: str) -> Iterator[None]:
    """A step that fails is a problem of the night, whose other steps and summary follow all the same."""
    try:
        yield
    except Exception as problem:  # noqa: BLE001 - whatever it is, the morning's reader must be told
        log.error("%s: %s\n%s", step, tell_error(problem), places(problem))
        problems.append(f"{step}: {tell_error(problem)}")


def _tell(conn: Connection, show: Progress, as_of: dt.date, code: str, state: str) -> None:
    shown: State = "queued" if state == "queued" else "running"
    if state in airflow.FINISHED:
        found = arrival(conn, as_of, code)
        known: dict[str, State] = {"arrived": "done", "nothing_new": "nothing", "late": "late", "not_due": "nothing"}
        shown = "failed" if state == "failed" else known.get(found[0] if found else "arrived", "failed")
    rows = _one_row(
        conn, "select coalesce(sum(rows_read), 0) from ops.batch where as_of = %s and department = %s", (as_of, code)
    )
    show.department(code, shown, int(rows[0]) if rows else 0)


# --- around the steps --------------------------------------------------------------------------------------------


@contextmanager
def _server(settings: Settings) -> Iterator[Server | None]:
    if not settings.embedded:
        yield None
        return
    ran_before = server_running(settings) is not None
    server = ensure_server(settings)
    try:
        yield server
    finally:
        if not ran_before:
            stop_server(settings)


@contextmanager
def _only_night(settings: Settings) -> Iterator[Connection]:
    conn = connect(settings, name="night", autocommit=True)
    try:
        if not try_session_lock(conn, LOCK):
            raise NightError(
                "另一个夜间任务正在运行，请稍后再试 / another night is running on this warehouse: wait for it"
            )
        yield conn
    finally:
        conn.close()


@contextmanager
def _scheduler(
    settings: Settings, server: Server | None, registry: Registry, show: Progress
) -> Iterator[airflow.Airflow]:
    already = airflow.elsewhere(settings) or airflow.running(settings)
    with show.step("scheduler", "starting the scheduler"):
        if already is not None:
            running = already
        else:
            assert server is not None  # refused before: the night's own scheduler needs the embedded server
            slots = max(2, min(8, 2 * len(os.sched_getaffinity(0))))
            extra = {"CREDITFLOW_RETRY_SECONDS": "5"}
            running = airflow.start(settings, server, schedules=False, slots=slots, extra=extra)
    try:
        with show.step("scheduler", "waiting for the scheduler to know every department"):
            expected = [
                *(airflow.ingest_dag_id(item) for item in registry.all().values()),
                "quality_gate",
                "warehouse",
                "reports",
            ]
            airflow.wait_until_ready(settings, running, expected)
        yield running
    finally:
        if already is None:
            airflow.stop(settings)


@contextmanager
def _city(settings: Settings, shape: sandbox.Shape | None) -> Iterator[None]:
    ran_before = shape is None or sandbox.running(settings)
    try:
        yield
    finally:
        if not ran_before:
            sandbox.down(settings)


def _deliver(settings: Settings, shape: sandbox.Shape | None, as_of: dt.date) -> None:
    if shape is None:
        return
    sandbox.up(settings)
    sandbox.seed(settings, shape, as_of)
    sandbox.deliver(settings, shape, as_of)


def _business_date(conn: Connection, asked: dt.date | None) -> dt.date:
    row = _one_row(conn, "select as_of from ops.pointer")
    published: dt.date | None = row[0] if row else None
    if asked is None:
        return published or dt.date.fromisoformat(DEFAULT_AS_OF)
    if published and published > asked:
        raise NightError(
            f"已发布至 {published}，不能再运行 {asked} 的夜间任务 / {published} is published already: "
            f"a night of {asked} would go back in time; ask with history functions or replay instead"
        )
    return asked


def _waiting(conn: Connection) -> bool:
    return _one_row(conn, "select 1 from ops.batch where state in ('archived', 'landed') limit 1") is not None


def _needs_build(settings: Settings, conn: Connection, as_of: dt.date) -> bool:
    """Whether a build would differ: new accepted batches, another business date, or changed rules and code."""
    pointer = _one_row(
        conn,
        "select p.as_of, b.code_hash from ops.pointer p left join ops.build b using (build_no)",
    )
    if pointer is None or pointer[0] != as_of:
        return True
    unbuilt = _one_row(
        conn,
        "select 1 from ops.batch t where t.state in ('accepted', 'partly_accepted') and not exists ("
        " select from ops.build_batch m join ops.build b using (build_no), ops.pointer p"
        " where m.batch_id = t.batch_id and b.build_no <= p.build_no and b.state = 'published') limit 1",
    )
    if unbuilt is not None:
        return True
    from creditflow.warehouse import code_hash

    return bool(code_hash(settings) != pointer[1])


def _fingerprint(conn: Connection) -> tuple[Any, ...] | None:
    return _one_row(
        conn,
        "select (select count(*) from ops.batch), (select count(*) from ops.batch where gated_at is not null),"
        " (select build_no from ops.pointer), (select max(landed_at) from ops.batch),"
        " (select max(gated_at) from ops.batch)",
    )


def _one_row(conn: Connection, statement: str, parameters: Any = None) -> tuple[Any, ...] | None:
    with conn.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()


# --- what it tells -----------------------------------------------------------------------------------------------


def summarize(settings: Settings, conn: Connection, registry: Registry, as_of: dt.date) -> dict[str, Any]:
    """The night of `as_of` as last_night.json tells it, from the control tables and publish."""
    from creditflow.warehouse import publish_counts

    batches: dict[str, list[dict[str, Any]]] = {}
    for batch in batches_of_night(conn, as_of):
        batches.setdefault(batch["department"], []).append(batch)
    with conn.cursor() as cursor:
        cursor.execute(
            "select department, state, detail_zh, detail_en from ops.arrival where as_of = %s order by 1", (as_of,)
        )
        arrivals = {row[0]: row[1:] for row in cursor.fetchall()}
        cursor.execute("select build_no from ops.pointer")
        build = (cursor.fetchone() or (0,))[0]
    departments = []
    for code, body in registry.all().items():
        state, zh, en = arrivals.get(code, ("failed", "未取得交付情况", "no arrival was recorded"))
        departments.append(
            {
                "code": code,
                "name_zh": body.name_zh,
                "external": body.external,
                "state": state,
                "detail_zh": zh,
                "detail_en": en,
                "batches": batches.get(code, []),
            }
        )
    return {
        "as_of": as_of.isoformat(),
        "build": build,
        "departments": departments,
        "publish": publish_counts(settings),
        "grades": _counts(conn, "score", "grade"),
        "lists": _counts(conn, "list_membership", "list_code"),
    }


def _counts(conn: Connection, view: str, column: str) -> dict[str, int]:
    try:
        with conn.cursor() as cursor:
            cursor.execute(
                sql.SQL("select {0}, count(*) from publish.{1} group by 1 order by 1").format(
                    sql.Identifier(column), sql.Identifier(view)
                )
            )
            return {str(value): int(count) for value, count in cursor.fetchall()}
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn):
        return {}


def last_night_file(settings: Settings) -> Path:
    """Where the last night's summary lies."""
    return settings.home / "last_night.json"


def _write(settings: Settings, summary: dict[str, Any]) -> None:
    draft = last_night_file(settings).with_suffix(".draft")
    draft.write_text(json.dumps(summary, ensure_ascii=False, indent=1), encoding="utf-8")
    draft.replace(last_night_file(settings))
