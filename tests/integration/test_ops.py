"""Migrations, transactions, locks, the calendar: control tables behave under repetition and failure."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import psycopg2
import pytest

from creditflow.ops.database import DatabaseUnavailable, connect, transaction, try_session_lock
from creditflow.ops.migrate import MIGRATIONS, MigrationError, find_migrations, migrate
from creditflow.ops.registry_sync import calendar_rows, published_years
from creditflow.settings import Settings
from tests.conftest import Warehouse


def test_migrations_are_numbered_once_and_in_order() -> None:
    numbers = [item.number for item in find_migrations()]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == len(list(MIGRATIONS.glob("*.sql")))


def test_migrating_again_does_nothing(warehouse: Warehouse) -> None:
    assert migrate(warehouse.settings) == []
    recorded = warehouse.query("select number from ops.schema_migration order by 1")
    assert [row[0] for row in recorded] == [item.number for item in find_migrations()]


def test_a_failing_migration_leaves_nothing_behind(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for item in find_migrations():
        (folder / item.path.name).write_text(item.sql)
    (folder / "9001_good.sql").write_text("create table ops.half (n integer);")
    (folder / "9002_bad.sql").write_text("create table ops.other (n integer); select nonsense;")
    with pytest.raises(psycopg2.Error):
        migrate(warehouse.settings, folder=folder)
    assert warehouse.query("select to_regclass('ops.half'), to_regclass('ops.other')") == [(None, None)]
    (folder / "9002_bad.sql").write_text("create table ops.other (n integer);")
    assert migrate(warehouse.settings, folder=folder) == ["9001_good.sql", "9002_bad.sql"]
    assert migrate(warehouse.settings, folder=folder) == []


def test_an_edited_migration_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for item in find_migrations():
        (folder / item.path.name).write_text(item.sql + "\n-- edited\n")
    with pytest.raises(MigrationError, match=r"0001_control\.sql was edited"):
        migrate(warehouse.settings, folder=folder)


@pytest.mark.parametrize("names", [["1_short.sql"], ["0001_a.sql", "0001_b.sql"], ["0001 space.sql"]])
def test_badly_numbered_migrations_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("select 1;")
    with pytest.raises(MigrationError):
        find_migrations(tmp_path)


def test_a_transaction_commits_or_leaves_nothing(warehouse: Warehouse) -> None:
    with transaction(warehouse.settings, "test") as conn, conn.cursor() as cursor:
        cursor.execute("create table ops.kept (n integer)")

    def interrupted() -> None:
        with transaction(warehouse.settings, "test") as conn, conn.cursor() as cursor:
            cursor.execute("insert into ops.kept values (1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert warehouse.query("select count(*) from ops.kept") == [(0,)]


def test_a_session_lock_is_held_by_one_and_free_after_its_end(warehouse: Warehouse) -> None:
    first = connect(warehouse.settings, name="first", autocommit=True)
    second = connect(warehouse.settings, name="second", autocommit=True)
    assert try_session_lock(first, "creditflow.night")
    assert not try_session_lock(second, "creditflow.night")
    assert try_session_lock(second, "creditflow.other")
    first.close()
    deadline = 200
    while not try_session_lock(second, "creditflow.night") and deadline:
        deadline -= 1
    assert deadline
    second.close()


def test_sessions_work_in_business_time_and_say_what_they_do(warehouse: Warehouse) -> None:
    conn = connect(warehouse.settings, name="gate permit")
    with conn.cursor() as cursor:
        cursor.execute("select current_setting('timezone'), current_setting('application_name')")
        assert cursor.fetchone() == ("Asia/Shanghai", "creditflow gate permit")
    conn.close()


def test_an_unreachable_warehouse_is_named_without_its_password(tmp_path: Path) -> None:
    settings = Settings(
        tmp_path, tmp_path, "memory://", external_warehouse="postgresql://u:geheim@127.0.0.1:1/creditflow"
    )
    with pytest.raises(DatabaseUnavailable) as caught:
        connect(settings, name="test")
    assert "127.0.0.1:1/creditflow" in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_calendar_knows_makeup_days_holidays_and_nothing_beyond_the_published_years() -> None:
    days = {row[0]: row for row in calendar_rows()}
    assert days[dt.date(2024, 2, 4)][1:4] == (True, None, True)  # a Sunday worked for the Spring Festival
    assert days[dt.date(2024, 10, 1)][1:4] == (False, "国庆节", False)
    assert days[dt.date(2024, 10, 8)][1] is True
    assert days[dt.date(2024, 3, 9)][1:4] == (False, None, False)
    years = published_years()
    assert years == list(range(2004, years[-1] + 1))
    assert {day.year for day in days} == set(years)
