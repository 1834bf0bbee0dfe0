"""A real Airflow beside the warehouse: made, started, asked and stopped from outside, never imported.

Promises
- Its home is home/airflow, its metadata database `airflow` on the embedded server, its ports free ones on 127.0.0.1.
- One login, generated once and kept in a file only its owner may read; usage collection is off.
- Only what a night needs is started: api-server, scheduler with LocalExecutor, dag-processor. The triggerer joins for
  `creditflow up`; none of our tasks defers.
- What this module starts it can stop; it never touches another process.
- An Airflow that runs elsewhere (CREDITFLOW_AIRFLOW_URL) is asked in the same way, and never started or stopped.
"""

from __future__ import annotations

import configparser
import io
import json
import os
import secrets
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

import httpx

from creditflow import processes
from creditflow.server import Server
from creditflow.settings import AIRFLOW_DATABASE, AIRFLOW_OWNER, Settings, write_secret

if TYPE_CHECKING:
    from creditflow.registry import Department

LOGIN = "admin"
PRELOADED = ("creditflow.ingest", "creditflow.registry", "creditflow.ops.database")
"""Modules the scheduler imports once: every task is forked from it and finds them there (0.4 s of each task)."""

FINISHED = frozenset({"success", "failed"})


class AirflowError(Exception):
    """Airflow did not do what it was asked; the message says where its log is."""


@dataclass(frozen=True)
class Airflow:
    """A running Airflow. url: its UI and API."""

    home: Path
    url: str
    password: str
    login: str = LOGIN

    def __repr__(self) -> str:
        return f"Airflow({self.url}, home={self.home})"


def ingest_dag_id(department: Department) -> str:
    """Id of a department's ingest DAG (the DAG factory names it the same way; a test compares them)."""
    return f"{'external' if department.external else 'ingest'}__{department.code}"


def airflow_home(settings: Settings) -> Path:
    """AIRFLOW_HOME of this installation."""
    return settings.home / "airflow"


def task_logs(settings: Settings) -> Path:
    """Folder of the logs of tasks: where the Airflow that runs us says, else this installation's own."""
    return Path(os.environ.get("AIRFLOW__LOGGING__BASE_LOG_FOLDER") or airflow_home(settings) / "logs")


def environment(settings: Settings, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of every Airflow process: our settings, no foreign AIRFLOW_* and no proxy for loopback."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST_"))}
    path = [str(settings.project), *filter(None, [environ.get("PYTHONPATH")])]
    environ.update(
        {
            "AIRFLOW_HOME": str(airflow_home(settings)),
            "CREDITFLOW_HOME": str(settings.home),
            "CREDITFLOW_PROJECT": str(settings.project),
            "CREDITFLOW_ARCHIVE_URL": settings.archive_url,
            "CREDITFLOW_TIMEZONE": settings.timezone,
            "PYTHONPATH": os.pathsep.join(path),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)]),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
            "GX_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
    )
    if settings.external_warehouse:
        environ["CREDITFLOW_WAREHOUSE_URL"] = settings.external_warehouse
    if settings.archive_sealed:
        environ["CREDITFLOW_ARCHIVE_SEALED"] = "on"
    if settings.key_command:
        environ["CREDITFLOW_KEY_COMMAND"] = settings.key_command
    if settings.key_file:
        environ["CREDITFLOW_KEY_FILE"] = str(settings.key_file)
    environ.update(extra or {})
    return environ


def _secret(settings: Settings, name: str, value: str) -> str:
    path = settings.home / "keys" / f"airflow_{name}"
    write_secret(path, value)
    return path.read_text(encoding="utf-8").strip()


def write_config(settings: Settings, server: Server, port: int, *, slots: int) -> None:
    """Write airflow.cfg (readable by its owner only). slots: tasks that may run at once."""
    home = airflow_home(settings)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = _secret(settings, "login", secrets.token_urlsafe(12))
    passwords = home / "login.json"
    database = server.url(
        AIRFLOW_DATABASE, user=AIRFLOW_OWNER, password=settings.database_password(AIRFLOW_OWNER)
    ).replace("postgresql://", "postgresql+psycopg2://", 1)
    config: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": settings.project / "dags",
            "plugins_folder": home / "plugins",
            "default_timezone": settings.timezone,
            "executor": "LocalExecutor",
            "parallelism": slots,
            "max_active_tasks_per_dag": slots,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "dagbag_import_timeout": 120,
            "execution_api_server_url": f"http://127.0.0.1:{port}/execution/",
            "fernet_key": _secret(settings, "fernet", urlsafe_b64encode(secrets.token_bytes(32)).decode()),
            "simple_auth_manager_users": f"{LOGIN}:admin",
            "simple_auth_manager_passwords_file": passwords,
        },
        "database": {"sql_alchemy_conn": database, "load_default_connections": False},
        "api": {
            "host": "127.0.0.1",
            "port": port,
            "base_url": f"http://127.0.0.1:{port}",
            "workers": 1,
            "instance_name": "汕头信用数据 creditflow",
            "secret_key": _secret(settings, "session", secrets.token_urlsafe(32)),
            "expose_config": False,
        },
        "api_auth": {"jwt_secret": _secret(settings, "jwt", secrets.token_urlsafe(48)), "jwt_leeway": 60},
        "dag_processor": {
            "parsing_processes": 1,
            "min_file_process_interval": 120,
            "refresh_interval": 60,
            "dag_file_processor_timeout": 180,
        },
        "scheduler": {
            "scheduler_idle_sleep_time": 0.5,
            "max_dagruns_to_create_per_loop": 60,
            "max_dagruns_per_loop_to_schedule": 60,
            "scheduler_health_check_threshold": 120,
            "enable_health_check": False,
        },
        "workers": {"execution_api_timeout": 60},
        "logging": {"base_log_folder": home / "logs", "logging_level": "INFO", "colored_console_log": False},
        "usage_data_collection": {"enabled": False},
        "metrics": {"statsd_on": False},
    }
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(
        {
            section: {name: str(value).replace("%", "%%") for name, value in options.items()}
            for section, options in config.items()
        }
    )
    text = io.StringIO()
    parser.write(text)
    local = home / "config" / "airflow_local_settings.py"
    local.parent.mkdir(exist_ok=True)
    local.write_text(
        "# Written by creditflow: tasks are forked from the scheduler and find these modules imported.\n"
        "import sys\n\nif 'scheduler' in sys.argv:\n" + "".join(f"    import {name}\n" for name in PRELOADED),
        encoding="utf-8",
    )
    _replace(passwords, json.dumps({LOGIN: password}) + "\n")
    _replace(home / "airflow.cfg", text.getvalue())


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    write_secret(draft, text)
    draft.replace(path)


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


@contextmanager
def migrated(settings: Settings, server: Server) -> Iterator[None]:
    """Make or upgrade the metadata database while the caller does other things; it is ready on leaving.

    Costs about 12 s of processor time once. Raises AirflowError with the log's place when it failed.
    """
    if running(settings) is not None or _is_migrated(settings, server):
        yield
        return
    write_config(settings, server, _port(settings), slots=1)
    log = airflow_home(settings) / "logs" / "migrate.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            _program("db", "migrate"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(settings),
            cwd=settings.project,
        ) as migration,
    ):
        try:
            yield
        except BaseException:
            migration.terminate()
            raise
        if migration.wait() != 0:
            raise AirflowError(f"airflow db migrate failed, see {log}")
    _marker(settings).write_text(_version_and_database(server), encoding="utf-8")


def _marker(settings: Settings) -> Path:
    return airflow_home(settings) / "migrated"


def _version_and_database(server: Server) -> str:
    from importlib.metadata import version

    return f"{version('apache-airflow')} {server.data}"


def _is_migrated(settings: Settings, server: Server) -> bool:
    try:
        if _marker(settings).read_text(encoding="utf-8") != _version_and_database(server):
            return False
    except FileNotFoundError:
        return False
    from creditflow.ops.database import open_url

    conn = open_url(settings.database_url(AIRFLOW_DATABASE, user=AIRFLOW_OWNER), name="airflow check")
    try:
        with conn.cursor() as cursor:
            cursor.execute("select to_regclass('public.dag_run') is not null")
            row = cursor.fetchone()
            return bool(row and row[0])
    finally:
        conn.close()


def start(
    settings: Settings,
    server: Server,
    *,
    schedules: bool,
    slots: int,
    triggerer: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Airflow:
    """Start the parts and return at once; `wait_until_ready` waits. An Airflow that runs already is used as it is.

    schedules: whether DAGs keep their own schedules (False: runs are triggered by a night).
    """
    already = running(settings)
    if already is not None:
        return already
    port = _port(settings)
    write_config(settings, server, port, slots=slots)
    environ = environment(settings, {"CREDITFLOW_SCHEDULES": "on" if schedules else "off", **(extra or {})})
    logs = airflow_home(settings) / "logs"
    commands = {
        "api-server": _program("api-server"),
        "dag-processor": _program("dag-processor"),
        "scheduler": _program("scheduler", "--skip-serve-logs"),
    }
    if triggerer:
        commands["triggerer"] = _program("triggerer", "--skip-serve-logs")
    started = [
        processes.start(name, command, environ=environ, log=logs / f"{name}.log", cwd=settings.project)
        for name, command in commands.items()
    ]
    processes.save(_processes(settings), started)
    return _describe(settings, port)


def running(settings: Settings) -> Airflow | None:
    """The Airflow of this installation when its scheduler and API server run, else None."""
    names = {item.name for item in processes.load(_processes(settings))}
    return _describe(settings, _port(settings)) if {"api-server", "scheduler", "dag-processor"} <= names else None


def elsewhere(settings: Settings) -> Airflow | None:
    """The Airflow that CREDITFLOW_AIRFLOW_URL names, or None. Raises AirflowError when the address has no login."""
    if settings.airflow_url is None:
        return None
    parts = urlsplit(settings.airflow_url)
    if not parts.hostname or not parts.username or not parts.password:
        raise AirflowError("CREDITFLOW_AIRFLOW_URL should be http://login:password@host:port")
    home = Path(os.environ.get("AIRFLOW_HOME") or airflow_home(settings))
    place = parts.netloc.rpartition("@")[2]
    url = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
    return Airflow(home, url, unquote(parts.password), unquote(parts.username))


def stop(settings: Settings) -> bool:
    """Stop what `start` started; False when nothing ran."""
    alive = processes.load(_processes(settings))
    processes.stop(alive)
    _processes(settings).unlink(missing_ok=True)
    return bool(alive)


def _processes(settings: Settings) -> Path:
    return airflow_home(settings) / "processes.json"


def _port(settings: Settings) -> int:
    """The port of the last start while its owner runs or it is free, else a new one."""
    file = airflow_home(settings) / "port"
    try:
        port = int(file.read_text(encoding="utf-8"))
        if processes.port_is_free(port) or processes.load(_processes(settings)):
            return port
    except (FileNotFoundError, ValueError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = processes.free_port()
    file.write_text(str(port), encoding="utf-8")
    return port


def _describe(settings: Settings, port: int) -> Airflow:
    password = (settings.home / "keys" / "airflow_login").read_text(encoding="utf-8").strip()
    return Airflow(airflow_home(settings), f"http://127.0.0.1:{port}", password)


class Client:
    """Airflow's REST API, as one login. Use as a context manager."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self._http = httpx.Client(base_url=airflow.url, timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._http.request(method, path, **arguments)
        if answer.status_code == 401 and path != "/auth/token":
            self._sign_in()
            answer = self._http.request(method, path, **arguments)
        if answer.is_error:
            raise AirflowError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def _sign_in(self) -> None:
        body = {"username": self._airflow.login, "password": self._airflow.password}
        token = self._call("POST", "/auth/token", json=body)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def healthy(self) -> bool:
        """Whether API server, scheduler and DAG processor all report health."""
        try:
            answer = self._http.get("/api/v2/monitor/health")
        except httpx.TransportError:
            return False
        if answer.is_error:
            return False
        parts = answer.json()
        wanted = ("metadatabase", "scheduler", "dag_processor")
        return all((parts.get(name) or {}).get("status") == "healthy" for name in wanted)

    def dag_ids(self) -> set[str]:
        """Ids of the DAGs the scheduler knows and that are not stale."""
        found: set[str] = set()
        while True:
            page = self._call("GET", "/api/v2/dags", params={"limit": 100, "offset": len(found), "exclude_stale": True})
            found.update(item["dag_id"] for item in page["dags"])
            if not page["dags"] or len(found) >= page["total_entries"]:
                return found

    def add_pools(self, pools: Mapping[str, Mapping[str, object]]) -> None:
        """Make the pools that Airflow does not know yet; one that a person has changed stays as it is."""
        entities = [{"name": name, **pool} for name, pool in pools.items()]
        action = {"action": "create", "action_on_existence": "skip", "entities": entities}
        self._call("PATCH", "/api/v2/pools", json={"actions": [action]})

    def import_errors(self) -> list[str]:
        """``file: first line of the trace's end`` for every DAG file that could not be read."""
        page = self._call("GET", "/api/v2/importErrors", params={"limit": 100})
        return [f"{item['filename']}: {item['stack_trace'].strip().splitlines()[-1]}" for item in page["import_errors"]]

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, object], *, note: str = "") -> None:
        """Start one run. A run of that id that exists already is left alone."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf), "note": note or None}
        try:
            self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        except AirflowError as problem:
            if ": 409 " not in str(problem):
                raise

    def states(self, run_id: str) -> dict[str, dict[str, Any]]:
        """dag id -> {state, start_date, end_date} of every run with this id."""
        params: dict[str, Any] = {"run_id_prefix_pattern": run_id, "limit": 100, "order_by": "id"}
        found: dict[str, dict[str, Any]] = {}
        page = self._call("GET", "/api/v2/dags/~/dagRuns", params=params)
        for item in page["dag_runs"]:
            if item["dag_run_id"] == run_id:
                found[item["dag_id"]] = item
        return found


def why_failed(airflow: Airflow, dag_id: str, run_id: str) -> str:
    """What the failed task of a run said last, and where its log lies."""
    logs = airflow.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
    said = ""
    for log in sorted(logs.glob("task_id=*/attempt=*.log"), key=lambda path: path.stat().st_mtime):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, KeyError, IndexError, TypeError):
                said = str(json.loads(line)["error_detail"][0]["exc_value"])
    return f"{said} ({logs})" if said else str(logs)


def wait_until_ready(settings: Settings, airflow: Airflow, expected: Sequence[str], *, patience: float = 300.0) -> None:
    """Wait until the parts are healthy, the pools of dags/pools.json there and every expected DAG known.

    patience: seconds without readiness before giving up. Raises AirflowError at once when a part died or when the DAG
    folder has import errors.
    """
    deadline = time.monotonic() + patience
    pools = json.loads((settings.project / "dags" / "pools.json").read_text(encoding="utf-8"))
    with Client(airflow) as client:
        while True:
            _raise_if_dead(settings)
            if client.healthy():
                if pools:
                    client.add_pools(pools)
                    pools = {}
                missing = set(expected) - client.dag_ids()
                if not missing:
                    return
                problems = client.import_errors()
                if problems:
                    raise AirflowError("DAG import errors: " + "; ".join(problems))
            if time.monotonic() > deadline:
                raise AirflowError(f"Airflow was not ready after {patience:.0f} s, see {airflow.home / 'logs'}")
            time.sleep(0.5)


def _raise_if_dead(settings: Settings) -> None:
    file = _processes(settings)
    if settings.airflow_url is not None:
        return
    expected = {item["name"] for item in json.loads(file.read_text(encoding="utf-8"))}
    dead = expected - {item.name for item in processes.load(file)}
    if dead:
        name = min(dead)
        log = airflow_home(settings) / "logs" / f"{name}.log"
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
        raise AirflowError(f"Airflow's {name} ended; {log} says:\n" + "\n".join(tail))
