"""dbt, started here and nowhere else: one process, connection from the environment, nothing written outside home.

Promises
- No telemetry, no download, no file in the checkout: target, parse cache and logs lie under home/dbt.
- The password reaches dbt in an environment variable dbt itself keeps out of its logs.
- Session settings that decide how values print (and so how versions hash) are fixed: time zone, date style, intervals.
- The outcome is read from dbt's own run results: which nodes failed, how many tests passed, seconds per node.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import extensions

from creditflow.settings import Settings

THREADS = 4
SESSION = {
    "timezone": "Asia/Shanghai",
    "datestyle": "ISO,YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "jit": "off",
    "default_statistics_target": "30",
}
"""Session settings of every connection dbt opens. A build analyzes some sixty wide tables, in which sorting the sample of every
column costs more than filling them with the usual target of 100; what the planner asks of them, few values or many, 9,000
rows tell as well as 30,000."""
TLS = {"sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslcrl": "PGSSLCRL"}
"""Files that a warehouse URL may name for TLS, and the variables in which libpq looks for them in dbt's process."""
PARENT = "CREDITFLOW_DBT_PARENT"
"""Environment variable with the number of the process that starts dbt and waits for it."""


class DbtFailed(Exception):
    """dbt could not run at all (it did not parse, it lost the database); the message holds the end of its log."""


@dataclass(frozen=True)
class DbtResult:
    """What one dbt process did. failures: one line per failed node. seconds: wall time by node."""

    nodes: int
    tests_passed: int
    tests_failed: int
    failures: tuple[str, ...]
    seconds: Mapping[str, float]

    @property
    def ok(self) -> bool:
        """True when every node and every test succeeded."""
        return not self.failures


def project_folder(settings: Settings) -> Path:
    """Where the dbt project lies."""
    return settings.project / "dbt_project"


def code_hash(settings: Settings) -> str:
    """Hash of everything that decides what a build computes from the same rows: models, macros, seeds, configuration."""
    return _hash(project_folder(settings), ("dbt_project.yml", "models/**/*", "macros/**/*", "seeds/*"))


def rule_hash(settings: Settings) -> str:
    """Hash of the scorecards' rules: their seeds and the models that apply them. A change makes every score due."""
    return _hash(
        project_folder(settings), ("seeds/score_*.csv", "models/staging/staging_score_*.sql", "macros/dates.sql")
    )


def _hash(folder: Path, patterns: Sequence[str]) -> str:
    digest = hashlib.sha256()
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(files):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def environment(settings: Settings, in_place: bool = False) -> dict[str, str]:
    """Environment of a dbt process on the warehouse. in_place: this code has built this warehouse before."""
    parts = extensions.parse_dsn(settings.warehouse_url)
    options = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "CREDITFLOW_CONN_"))}
    return kept | {
        "CREDITFLOW_DBT_HOST": parts.get("host", "127.0.0.1"),
        "CREDITFLOW_DBT_PORT": str(parts.get("port", "5432")),
        "CREDITFLOW_DBT_USER": parts.get("user", ""),
        "CREDITFLOW_DBT_DATABASE": parts.get("dbname", ""),
        "CREDITFLOW_DBT_THREADS": str(THREADS),
        "CREDITFLOW_CODE_IN_PLACE": "yes" if in_place else "no",
        "CREDITFLOW_DBT_SSLMODE": parts.get("sslmode", "prefer"),
        "DBT_ENV_SECRET_PASSWORD": parts.get("password", ""),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "PGOPTIONS": options,
        "PYTHONDONTWRITEBYTECODE": kept.get("PYTHONDONTWRITEBYTECODE", ""),
        **{variable: parts[name] for name, variable in TLS.items() if name in parts},
    }


def run(
    settings: Settings,
    command: str,
    arguments: Sequence[str] = (),
    *,
    folder: str = "dbt",
    in_place: bool = False,
) -> DbtResult:
    """Run one dbt command on the warehouse, e.g. ``run(settings, "build", ["--select", "tag:night"])``.

    folder: below home, for target, parse cache and logs. in_place: this code has built this warehouse before, so contracts and
    columns need no second look. Failing models and tests are in the result. Raises DbtFailed when
    dbt left no result behind.
    """
    home = settings.home / folder
    target, logs = home / "target", home / "logs"
    for room in (target, logs):
        room.mkdir(parents=True, exist_ok=True)
    results = target / "nodes.json"
    results.unlink(missing_ok=True)
    project = project_folder(settings)
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "creditflow.warehouse.dbt_process",
            str(results),
            str(logs / "dbt.log"),
            "--no-version-check",
            *command.split(),
            "--project-dir",
            str(project),
            "--profiles-dir",
            str(project),
            "--target-path",
            str(target),
            "--log-path",
            str(logs),
            *arguments,
        ],
        env=environment(settings, in_place) | {PARENT: str(os.getpid())},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if not results.exists():
        tail = "\n".join((process.stdout + process.stderr).splitlines()[-40:])
        raise DbtFailed(f"dbt {command} 未能运行 / dbt {command} did not run:\n{tail}")
    return _result(json.loads(results.read_text(encoding="utf-8")))


def _result(document: Mapping[str, object]) -> DbtResult:
    failures: list[str] = []
    seconds: dict[str, float] = {}
    passed = failed = 0
    nodes = document["results"]
    assert isinstance(nodes, list)
    for node in nodes:
        name, status = str(node["unique_id"]), str(node["status"])
        seconds[name] = float(node["execution_time"])
        is_test = name.startswith(("test.", "unit_test."))
        if status in {"error", "fail", "runtime error"}:
            failures.append(f"{name}: {_first_line(node)}")
            failed += is_test
        elif status == "skipped" and is_test:
            failed += 1
        elif is_test:
            passed += 1
    return DbtResult(len(nodes), passed, failed, tuple(failures), seconds)


def _first_line(node: Mapping[str, object]) -> str:
    """What a failed node says, without the rows it may quote."""
    lines = [line.strip() for line in str(node.get("message") or node["status"]).splitlines() if line.strip()]
    quiet = [line for line in lines if not line.startswith(("DETAIL", "compiled code"))]
    return " ".join(quiet[:3])
