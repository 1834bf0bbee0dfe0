"""What `make run` promises: one whole night through a real scheduler, then the same again, then the next day.

One installation for the module; the tests read what its nights left behind and run in the order they are written.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from bench.matching import measure
from bench.truth import compare
from creditflow.ops.ledger import COUNTS, reconciles
from creditflow.settings import load_settings
from tests import personal_numbers
from tests.conftest import PROJECT

FIRST, NEXT = "2026-11-20", "2026-11-23"


DBT_LOGS = PROJECT / "dbt_project" / "logs"
"""Where dbt writes when nobody tells it another place."""


@dataclass
class Installation:
    """A home of its own, and what its nights said."""

    home: Path
    nights: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "CREDITFLOW"))}
        return subprocess.run(
            [sys.executable, "-m", "creditflow", *arguments],
            env={**environ, "CREDITFLOW_HOME": str(self.home)},
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def night(self, name: str, *arguments: str) -> dict[str, Any]:
        """Run a night once and remember its summary under `name`."""
        if name not in self.nights:
            done = self.run("night", "--json", *arguments)
            assert done.returncode == 0, done.stderr[-5000:]
            self.nights[name] = json.loads(done.stdout)
        return self.nights[name]

    def query(self, statement: str, database: str = "creditflow") -> list[tuple[Any, ...]]:
        asked = self.run("dsn")
        assert asked.returncode == 0, asked.stderr[-5000:]
        url = asked.stdout.strip().rpartition("/")[0]
        conn = psycopg2.connect(f"{url}/{database}")
        try:
            with conn, conn.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            conn.close()


@pytest.fixture(scope="module")
def city() -> Iterator[Installation]:
    shutil.rmtree(DBT_LOGS, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="creditflow-e2e-") as folder:
        installation = Installation(Path(folder) / "home")
        try:
            yield installation
        finally:
            installation.run("down", "--wipe", "--yes")


def batches(summary: dict[str, Any]) -> list[dict[str, Any]]:
    return [batch for department in summary["departments"] for batch in department["batches"]]


def test_one_night_lists_43_departments_and_accounts_for_every_row(city: Installation) -> None:
    summary = city.night("first")
    departments = [item for item in summary["departments"] if not item["external"]]
    assert len(departments) == 43
    assert len({item["code"] for item in departments}) == 43
    assert all(item["batches"] for item in departments), [i["code"] for i in departments if not i["batches"]]
    assert [item["batch_id"] for item in batches(summary) if not reconciles(item)] == []
    assert {item["state"] for item in batches(summary)} <= {"accepted", "partly_accepted", "held", "duplicate"}
    for name in COUNTS[:3]:
        assert sum(item[name] for item in batches(summary)) > 0, name
    assert summary["problems"] == []
    assert summary["as_of"] == FIRST
    assert json.loads((city.home / "last_night.json").read_text()) == summary


def test_the_night_ran_under_a_real_scheduler(city: Installation) -> None:
    assert city.night("first")["scheduler"] is True
    runs = city.query("select dag_id, state from dag_run where run_id like 'night__2026-11-20__%'", "airflow")
    ingests = [dag_id for dag_id, _ in runs if dag_id.startswith("ingest__")]
    assert len(ingests) == len(set(ingests)) == 43
    assert {"quality_gate", "warehouse", "reports"} <= {dag_id for dag_id, _ in runs}
    assert {state for _, state in runs} == {"success"}


def test_a_night_writes_nothing_into_the_project(city: Installation) -> None:
    """The code is read-only in a deployment."""
    city.night("first")
    assert not DBT_LOGS.exists()


def test_lists_scores_and_their_explanation_are_published(city: Installation) -> None:
    summary = city.night("first")
    assert summary["build"] > 0
    for view in ("subject", "permit", "penalty", "list_membership", "score", "score_explanation"):
        assert summary["publish"][view] > 0, view
    assert sum(summary["grades"].values()) == summary["publish"]["score"]
    assert city.query("select count(*) from publish.score") == [(summary["publish"]["score"],)]


def test_the_report_opens_from_disk(city: Installation) -> None:
    city.night("first")
    page = (city.home / "site" / "index.html").read_text(encoding="utf-8")
    assert "市公安局" in page
    assert 'src="http' not in page


def test_no_personal_number_stands_in_clear_in_any_file_or_table(city: Installation) -> None:
    """Logs, site, returns and results; and every table: XCom, rendered templates, quality results, what analysts read."""
    city.night("first")
    known = personal_numbers.numbers(city.home)
    assert len(known) > 5000
    assert personal_numbers.in_files(city.home, known) == []
    url = city.run("dsn").stdout.strip()
    for database in (url, url.rpartition("/")[0] + "/airflow"):
        found, read = personal_numbers.in_tables(database, known)
        assert found == []
        assert read > 40
    found, read = personal_numbers.in_tables(url, known, role="role_analyst")
    assert found == []
    assert read > 40


def test_every_injected_fault_is_met_and_no_clean_row_is_refused(city: Installation) -> None:
    city.night("first")
    assert city.run("dsn").returncode == 0  # the database runs
    settings = load_settings({"CREDITFLOW_HOME": str(city.home)})
    found = compare(settings, settings.sandbox_home / "truth")
    assert found.injected > 500
    assert found.near_misses > 0.05 * found.rows
    assert found.missed == []
    assert found.refused == []


def test_every_link_leads_to_the_true_subject_and_none_is_missed(city: Installation) -> None:
    city.night("first")
    assert city.run("dsn").returncode == 0  # the database runs
    settings = load_settings({"CREDITFLOW_HOME": str(city.home)})
    found = measure(settings, settings.sandbox_home / "truth")
    assert found.linked > 0.5 * found.records > 5000
    assert (found.wrong, found.merged) == (0, 0)
    assert found.found == found.to_find > 5000


def test_the_same_night_again_changes_nothing_and_says_so(city: Installation) -> None:
    first = city.night("first")
    again = city.night("again", "--in-process")
    assert again["changed"] is False
    for name in ("as_of", "build", "publish", "grades", "lists"):
        assert again[name] == first[name], name
    assert batches(again) == batches(first)


def test_a_later_day_brings_that_days_deliveries(city: Installation) -> None:
    first = city.night("first")
    later = city.night("next", "--as-of", NEXT)
    assert later["scheduler"] is True, "on the home of the night before"
    assert later["changed"] is True
    assert later["build"] > first["build"]
    assert batches(later)
    assert {item["batch_id"] for item in batches(later)} & {item["batch_id"] for item in batches(first)} == set()
    assert [item["batch_id"] for item in batches(later) if not reconciles(item)] == []


def test_a_night_before_the_published_day_is_refused(city: Installation) -> None:
    city.night("next", "--as-of", NEXT)
    done = city.run("night", "--as-of", FIRST, "--in-process")
    assert done.returncode == 1
    assert "back in time" in done.stderr
