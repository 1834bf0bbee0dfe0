"""The town that is disturbed, once per process; and how many disturbed nights left no trace, at the end."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from creditflow.connectors import retrying
from creditflow.registry import load
from creditflow.server import Server
from tests.conftest import PROJECT
from tests.faults import night as nights
from tests.faults.builds import Built
from tests.faults.night import Town, Trap, apart, rows_of
from tests.faults.sources import API, DATABASE, SFTP, running


@pytest.fixture(scope="session")
def town(server: Server, warehouse_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Departments, a template with registry and tables in place, and the length of an undisturbed night."""
    registry = load(PROJECT)
    only = {
        code: replace(registry.departments[code], feeds={"permit": registry.departments[code].feeds["permit"]})
        for code in (SFTP, API, DATABASE)
    }
    registry = replace(registry, departments=registry.departments | only)
    folder = tmp_path_factory.mktemp("faults")
    rows = {code: rows_of(registry, code) for code in only}
    for name in (
        "creditflow.warehouse.dbt_process",
        "dbt.adapters.postgres",
        "great_expectations",
        "creditflow.quality",
    ):
        importlib.import_module(name)  # warm: a forked process finds them loaded
    with pytest.MonkeyPatch.context() as patch, running(server, folder, rows) as sources:
        patch.setattr(retrying, "LONGEST_WAIT", 0.01)
        for name, value in sources.environ.items():
            patch.setenv(name, value)
        found = Town(server, registry, sources, folder, warehouse_template)
        found.prepare(found.fresh("faults_template"))
        found.template = "faults_template"
        found.night(found.fresh("faults_warm"))  # what every night imports and reads is in memory before any is forked
        found.forget("faults_warm")
        yield found


@pytest.fixture(scope="session")
def undisturbed(town: Town) -> dict[str, list[str]]:
    """State after a night that nothing disturbed and one more with nothing new; its statements and seconds are counted."""
    settings = town.fresh("faults_undisturbed")

    def counted() -> str:
        trap = Trap()
        trap.spring()
        town.night(settings)
        return str(trap.steps)

    ended = apart(counted)
    assert ended.how == "done", ended
    town.night_statements, town.night_seconds = int(ended.told), ended.seconds
    first = town.state(settings)
    again = apart(lambda: town.night(settings))
    assert again.how == "done", again
    state = town.state(settings)
    assert nights.differences(first, state) == [], "a night with nothing new changes nothing"
    town.forget("faults_undisturbed")
    return state


@pytest.fixture(scope="session")
def built(town: Town) -> Built:
    """The warehouse that every case of a build copies."""
    return Built.of(town)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The count of the issue: nights disturbed, by what, and how many of them left no trace."""
    ran = [
        report
        for how in ("passed", "failed")
        for report in terminalreporter.stats.get(how, [])
        if "tests/faults/" in report.nodeid and (report.when == "call" or report.failed)
    ]
    disturbed: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    for report in ran:
        kind = report.nodeid.partition("::test_")[2].partition("[")[0].replace("_", " ")
        disturbed[kind] += 1
        survived[kind] += report.passed
    if disturbed:
        for kind, count in disturbed.items():
            terminalreporter.write_line(f"{survived[kind]:>5} of {count:>3}  {kind}")
        total = f"{survived.total()} of {disturbed.total()}"
        terminalreporter.write_line(f"{total} disturbed nights equal the undisturbed one")
