"""Fixtures every room may use.

`warehouse`: a migrated database of its own for one test, cloned from a template on one embedded server per session.
`realdata`: the published files beside the checkout; tests that ask for it are deselected, with a printed count, when
it is absent, unless CREDITFLOW_REQUIRE_REALDATA=1 (continuous integration) makes its absence an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as properties
from psycopg2 import sql

from creditflow.ops.migrate import migrate
from creditflow.server import Server, ensure_server, remove_server
from creditflow.settings import Settings

# The same examples every time, however busy the machine; `make fuzz` looks further.
properties.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
properties.load_profile("repeatable")
PROJECT = Path(__file__).resolve().parent.parent
REALDATA = PROJECT.parent / "shared" / "realdata"
TEMPLATE = "creditflow_template"
STORIES = ("tests/dbt/", ("tests/faults/test_builds.py", "tests/faults/test_replays.py"))
"""Files whose tests share what takes minutes to build."""


@dataclass(frozen=True)
class Warehouse:
    """One test's database. settings: home under the test's tmp_path. admin_url: the server's `postgres` database."""

    settings: Settings
    url: str
    admin_url: str

    def query(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Rows of one statement on a connection of its own, committed."""
        conn = psycopg2.connect(self.url)
        try:
            with conn, conn.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            conn.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded server of this test session; data is thrown away at the end, so it need not survive a crash."""
    settings = Settings(tmp_path_factory.mktemp("server"), PROJECT, "memory://unused")
    running = ensure_server(
        settings,
        config={
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "128MB",
            "max_wal_size": "1GB",
            "file_copy_method": "clone",  # of the template, several hundred times
        },
    )
    try:
        yield running
    finally:
        remove_server(settings)


@pytest.fixture(scope="session")
def warehouse_template(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of the migrated template database."""
    _admin(server, sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
    home = tmp_path_factory.mktemp("template")
    migrate(Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=server.url(TEMPLATE)))
    return TEMPLATE


_numbers = count(1)


@pytest.fixture
def warehouse(server: Server, warehouse_template: str, tmp_path: Path) -> Iterator[Warehouse]:
    """A fresh migrated database for this test; sessions left open are ended with it."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _admin(
        server,
        sql.SQL("create database {} template {} strategy file_copy").format(
            sql.Identifier(name), sql.Identifier(warehouse_template)
        ),
    )
    home = tmp_path / "home"
    home.mkdir()
    settings = Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=server.url(name))
    try:
        yield Warehouse(settings, server.url(name), server.url("postgres"))
    finally:
        _admin(server, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def warm_dbt() -> Iterator[None]:
    """In this module dbt is forked from the process of the tests instead of started: the same run, seconds sooner."""
    from tests.warm import forked_dbt

    with forked_dbt():
        yield


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the registry and the rules, for tests that change them (see `with_project`)."""
    import shutil

    copy = tmp_path / "project"
    for folder in ("sources", "expectations"):
        if (PROJECT / folder).exists():
            shutil.copytree(PROJECT / folder, copy / folder)
    (copy / "dbt_project").symlink_to(PROJECT / "dbt_project")
    return copy


def with_project(settings: Settings, project: Path) -> Settings:
    """The same settings on another checkout."""
    return replace(settings, project=project)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of published real files."""
    if not REALDATA.is_dir():
        pytest.fail(f"real data is required but missing: {REALDATA.name}")
    return REALDATA


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the published files, deselect the tests that need them (and say how many), unless they are required."""
    if REALDATA.is_dir() or os.environ.get("CREDITFLOW_REQUIRE_REALDATA"):
        return
    needing = [item for item in items if "realdata" in getattr(item, "fixturenames", ())]
    if needing:
        items[:] = [item for item in items if item not in needing]
        config.hook.pytest_deselected(items=needing)
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"deselected {len(needing)} tests that need ../shared/realdata, which is absent")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one file stay on one worker, and so do files that share what takes minutes to build; disturbed nights share
    nothing."""
    from xdist.scheduler import LoadFileScheduling

    class OneStory(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            if file == "tests/faults/test_faults.py":
                return nodeid
            return next((str(story) for story in STORIES if file.startswith(story)), file)

    return OneStory(config, log)


def _admin(server: Server, statement: sql.Composable) -> None:
    conn = psycopg2.connect(server.url("postgres"))
    try:
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute(statement)
    finally:
        conn.close()
