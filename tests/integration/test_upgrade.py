"""From the first release's schema, with data in it, to this one: forward only, nothing lost."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from creditflow.ops.migrate import MIGRATIONS, find_migrations, migrate
from creditflow.settings import Settings
from creditflow.warehouse.rights import grant
from tests.conftest import PROJECT, Warehouse

FIRST_RELEASE = dict(
    reversed(line.split()) for line in (PROJECT / "tests" / "data" / "first_release.sha256").read_text().splitlines()
)
DATA = """
insert into ops.department (department, name_zh, name_en, tier, importance, external, channel, cadence, expect_by)
    values ('jyj', '市教育局', 'education', 'municipal', 2, false, 'sftp', 'daily', '18:00');
insert into ops.batch (batch_id, department, feed, kind, channel, format, layout, delivery, file, archive_path, sha256,
    original_sha256, bytes, delivered_at, received_at, as_of, state, rows_read, rows_accepted, rows_rejected)
    values ('JYJ-PERMIT-20261120-001', 'jyj', 'permit', 'permit', 'sftp', 'csv', '2018', 'delta', 'a.csv', 'x', 'x', 'x', 1,
    '2026-11-20', '2026-11-20', '2026-11-20', 'partly_accepted', 3, 2, 1);
insert into quality.row_verdict (batch_id, row_no, verdict, rule_ids) values ('JYJ-PERMIT-20261120-001', 2, 'rejected', '{R1}');
insert into quality.return_file
    values ('JYJ-PERMIT-20261120-001', 'jyj', 'permit', '2026-11-20', 1, 1, 'a.xlsx', 'x', 'a.json', 'x');
insert into quality.issue (issue_id, scope, department, feed, rule_id, record, severity, state, episode, first_opened_on,
    opened_on) values (gen_random_uuid(), 'row', 'jyj', 'permit', 'R1', 'x', 'reject', 'open', 1, '2026-11-20', '2026-11-20');
insert into ops.suppression (record_id, since, reason) values (gen_random_uuid(), '2026-11-20', 'repaired');
insert into ops.query_log (asked_by, purpose, scope, uscc, outcome, result_count, as_of)
    values ('t', 't', 'public', 'x', 'not_found', 0, '2026-11-20');
insert into ops.build (build_no, as_of, state, code_hash, started_at) values (1, '2026-11-20', 'published', 'x', now());
update ops.pointer set build_no = 1, as_of = '2026-11-20';
"""
KEPT = (
    "ops.department", "ops.batch", "quality.row_verdict", "quality.return_file", "quality.issue", "ops.suppression",
    "ops.query_log", "ops.build",
)  # fmt: skip


@pytest.fixture
def old(warehouse: Warehouse, tmp_path: Path) -> Iterator[Settings]:
    """A database as the first release left it, with a row in every table that matters."""
    folder = tmp_path / "first"
    folder.mkdir()
    for name in FIRST_RELEASE:
        shutil.copy(MIGRATIONS / name, folder)
    database = f"old_{os.getpid()}"
    admin = psycopg2.connect(warehouse.admin_url)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"create database {database}")
    url = warehouse.url.rpartition("/")[0] + f"/{database}"
    settings = Settings(tmp_path, PROJECT, f"file://{tmp_path}/archive", external_warehouse=url)
    try:
        assert migrate(settings, folder=folder) == sorted(FIRST_RELEASE)
        ask(settings, DATA)
        yield settings
    finally:
        with admin.cursor() as cursor:
            cursor.execute(f"drop database {database} with (force)")
        admin.close()


def ask(settings: Settings, statement: str) -> list[tuple[object, ...]]:
    conn = psycopg2.connect(settings.warehouse_url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        conn.close()


def test_the_first_releases_migrations_are_as_they_were_released() -> None:
    now = {name: hashlib.sha256((MIGRATIONS / name).read_bytes()).hexdigest() for name in FIRST_RELEASE}
    assert now == FIRST_RELEASE


def test_every_later_migration_applies_to_a_first_release_with_data(old: Settings) -> None:
    applied = migrate(old)
    assert applied == [item.path.name for item in find_migrations() if item.path.name not in FIRST_RELEASE]
    assert migrate(old) == []
    for table in KEPT:
        assert ask(old, f"select count(*) from {table}") == [(1,)], table
    assert ask(old, "select build_no from ops.pointer") == [(1,)]
    journal = ask(old, "select entry_type, body from ops.journal")
    assert journal == [("filled_before", {"batches": 1})], "a rebuild is told that the archive is not the whole story"


def test_an_upgraded_warehouse_has_the_schema_of_a_fresh_one(old: Settings, warehouse: Warehouse) -> None:
    migrate(old)
    schema = (
        "select table_schema, table_name, column_name, data_type, is_nullable from information_schema.columns"
        " where table_schema in ('ops', 'quality', 'cold', 'kept') order by 1, 2, 3"
    )
    assert ask(old, schema) == warehouse.query(schema)


def test_rights_hold_on_an_upgraded_warehouse(old: Settings) -> None:
    migrate(old)
    conn = psycopg2.connect(old.warehouse_url)
    try:
        with conn:
            assert grant(conn) == []
        with conn.cursor() as cursor:
            cursor.execute("set role role_analyst")
            cursor.execute("select count(*) from quality.issue")
            assert cursor.fetchone() == (1,)
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("select * from ops.query_log")
        conn.rollback()
        with conn.cursor() as cursor:
            cursor.execute("set role role_ingest")
            cursor.execute("create table work.own (n integer)")
    finally:
        conn.close()
