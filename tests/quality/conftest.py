"""A migrated database for a whole module of gate tests, and the city's registry and rule book."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from creditflow.quality.rulebook import RuleBook, load_lists, load_rulebook
from creditflow.registry import Registry, load
from creditflow.server import Server
from creditflow.settings import Settings
from tests.quality.world import Gatehouse

PROJECT = Path(__file__).resolve().parents[2]
JUDGED = ("rule_result", "row_verdict", "restated_row", "incident", "register")


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The city's registry."""
    return load(PROJECT)


@pytest.fixture(scope="session")
def book(registry: Registry) -> RuleBook:
    """The city's rule book."""
    return load_rulebook(PROJECT, registry)


def _admin(server: Server, statement: sql.Composed) -> None:
    conn = psycopg2.connect(server.url("postgres"))
    try:
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute(statement)
    finally:
        conn.close()


@pytest.fixture(scope="module")
def module_settings(
    server: Server, warehouse_template: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Settings]:
    """Settings on a database that the tests of one module share."""
    name = f"quality_{request.module.__name__.rsplit('.', 1)[-1]}"
    _admin(
        server,
        sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(warehouse_template)),
    )
    home = tmp_path_factory.mktemp(name)
    try:
        yield Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=server.url(name))
    finally:
        _admin(server, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def gatehouse(module_settings: Settings, registry: Registry) -> Gatehouse:
    """The gate on the module's database."""
    return Gatehouse(module_settings, registry, load_lists(PROJECT))


@pytest.fixture
def fresh(module_settings: Settings, registry: Registry) -> Gatehouse:
    """The gate on the module's database, emptied of batches."""
    house = Gatehouse(module_settings, registry, load_lists(PROJECT))
    emptied = (
        "ops.batch",
        "ops.event",
        *(f"quality.{name}" for name in JUDGED),
        *(f"landing.{kind}" for kind in registry.kinds),
    )
    house.query("; ".join(f"delete from {table}" for table in emptied))  # few rows: truncating takes 30 times as long
    return house


def on_project(house: Gatehouse, project: Path) -> Gatehouse:
    """The same database judged by the rules of another checkout."""
    return Gatehouse(replace(house.settings, project=project), house.registry, house.lists)
