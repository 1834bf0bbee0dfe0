"""A backup restored on an empty server gives the same published rows, the same archive, and needs the same keys."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from creditflow.archive import manifests, store, verify
from creditflow.connectors.delivery import Delivery
from creditflow.ops.backup import BackupRefused, backup, restore
from creditflow.ops.database import connect, transaction, try_session_lock
from creditflow.ops.keys import KeysDiffer, hold_keys
from creditflow.ops.migrate import migrate
from creditflow.registry import load
from creditflow.settings import Keys, Settings
from creditflow.warehouse import digest
from tests.conftest import PROJECT, Warehouse

PUBLISHED = """
create table core.demo (record_id uuid, name text, known_from_build integer, known_to_build integer);
insert into core.demo select gen_random_uuid(), '测试' || n, 1, 2147483647 from generate_series(1, 50) n;
create view publish.demo as select * from core.demo;
create unlogged table work.b_0123456789abcdef (row_no integer);
insert into work.b_0123456789abcdef values (1);
update ops.pointer set build_no = 1, as_of = '2026-11-20';
"""


@pytest.fixture
def full(warehouse: Warehouse) -> Warehouse:
    """A warehouse with a published view, a delivery in the archive and keys in use."""
    warehouse.query(PUBLISHED)
    registry = load(PROJECT, lenient=True)
    delivery = Delivery(file="a.csv", stream=io.BytesIO(b"x,y\n1,2\n"), format="csv", encoding="utf-8")
    feed = registry.feed("hyj", "inspection")
    store(warehouse.settings, registry.all()["hyj"], feed, delivery, "HYJ-1", dt.date(2026, 11, 20))
    with transaction(warehouse.settings, "test") as conn:
        hold_keys(conn, warehouse.settings.keys())
    return warehouse


@pytest.fixture
def empty(warehouse: Warehouse, tmp_path: Path) -> Iterator[Settings]:
    """An installation without anything, on an empty database of the same server."""
    name = f"restored_{os.getpid()}"
    conn = psycopg2.connect(warehouse.admin_url)
    conn.autocommit = True
    with conn.cursor() as cursor:
        cursor.execute(f"create database {name}")
    home = tmp_path / "other"
    home.mkdir()
    url = warehouse.url.rpartition("/")[0] + f"/{name}"
    try:
        yield Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=url)
    finally:
        with conn.cursor() as cursor:
            cursor.execute(f"drop database {name} with (force)")
        conn.close()


def test_a_restore_on_an_empty_server_has_the_same_digests_and_archive(
    full: Warehouse, empty: Settings, tmp_path: Path
) -> None:
    manifest = backup(full.settings, tmp_path / "backup", keys_to=tmp_path / "safe" / "keys.json")
    assert manifest["digests"]["demo"] == digest(full.settings)["demo"]
    done = restore(empty, tmp_path / "backup", keys_from=tmp_path / "safe" / "keys.json")
    assert (done.build, done.different, done.views) == (1, (), len(manifest["digests"]))
    assert digest(empty) == digest(full.settings)
    assert empty.keys() == full.settings.keys()
    (delivery,) = manifests(empty)
    assert verify(empty, delivery)
    assert migrate(empty) == []
    with transaction(empty, "test") as conn, conn.cursor() as cursor:
        hold_keys(conn, empty.keys())
        cursor.execute("select count(*) from work.b_0123456789abcdef")
        assert cursor.fetchone() == (0,)  # made anew from the archive
        cursor.execute("select has_table_privilege('role_analyst', 'publish.demo', 'select')")
        assert cursor.fetchone() == (True,)


def test_a_restored_row_that_differs_is_told(full: Warehouse, empty: Settings, tmp_path: Path) -> None:
    backup(full.settings, tmp_path / "backup", keys_to=tmp_path / "keys.json")
    file = tmp_path / "backup" / "backup.json"
    manifest = json.loads(file.read_text())
    manifest["digests"]["demo"] = "0" * 32
    file.write_text(json.dumps(manifest))
    assert restore(empty, tmp_path / "backup", keys_from=tmp_path / "keys.json").different == ("demo",)


def test_a_backup_holds_no_key(full: Warehouse, tmp_path: Path) -> None:
    backup(full.settings, tmp_path / "backup")
    document = json.loads(full.settings.keys().text())
    secrets = [document[name].encode() for name in ("hmac", "cipher")]
    for path in (tmp_path / "backup").rglob("*"):
        assert not path.is_file() or not any(secret in path.read_bytes() for secret in secrets)
    with pytest.raises(BackupRefused, match="keys must not lie"):
        backup(full.settings, tmp_path / "next", keys_to=tmp_path / "next" / "keys.json")


def test_other_keys_and_anything_not_empty_are_refused(full: Warehouse, empty: Settings, tmp_path: Path) -> None:
    backup(full.settings, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="not empty"):
        restore(full.settings, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="exists"):
        backup(full.settings, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="complete"):
        restore(empty, tmp_path)
    other = tmp_path / "other.json"
    other.write_text(Keys.fresh().text())
    with pytest.raises(BackupRefused, match="these are"):
        restore(empty, tmp_path / "backup", keys_from=other)
    with pytest.raises(BackupRefused, match="archive is not empty"):
        restore(replace(empty, archive_url=full.settings.archive_url), tmp_path / "backup")


def test_nothing_is_backed_up_while_a_night_runs(full: Warehouse, tmp_path: Path) -> None:
    night = connect(full.settings, name="night", autocommit=True)
    try:
        assert try_session_lock(night, "creditflow.night")
        with pytest.raises(BackupRefused, match="night is running"):
            backup(full.settings, tmp_path / "backup")
    finally:
        night.close()
    assert not list(tmp_path.glob("*backup*"))


def test_a_backup_that_fails_leaves_no_folder(full: Warehouse, tmp_path: Path) -> None:
    full.query("create table core.other (n integer); create view publish.broken as select 1 / n as n from core.other")
    full.query("insert into core.other values (0)")
    with pytest.raises(psycopg2.errors.DivisionByZero):
        backup(full.settings, tmp_path / "backup")
    assert not list(tmp_path.glob("*backup*"))


def test_keys_of_another_installation_do_not_land_in_a_restored_warehouse(
    full: Warehouse, empty: Settings, tmp_path: Path
) -> None:
    backup(full.settings, tmp_path / "backup", keys_to=tmp_path / "keys.json")
    restore(empty, tmp_path / "backup", keys_from=tmp_path / "keys.json")
    with transaction(empty, "test") as conn, pytest.raises(KeysDiffer):
        hold_keys(conn, Keys.fresh())
