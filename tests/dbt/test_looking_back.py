"""Any past build or day can be asked; what was never shown is refused, never answered with something else."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import extensions

from creditflow.warehouse.history import versioned_tables
from tests.conftest import Warehouse
from tests.dbt.conftest import Story
from tests.dbt.landed import uscc

BUILDS = ((1, "2026-11-02", "published"), (2, "2026-11-03", "abandoned"), (3, "2026-11-03", "published"),
          (4, "2026-11-05", "published"), (5, "2026-11-06", "tested"))  # fmt: skip
"""Number, business date, state. Readers see build 3: build 4 was published and rolled back."""


@pytest.fixture
def session(warehouse: Warehouse) -> Iterator[extensions.cursor]:
    for build in BUILDS:
        warehouse.query(
            "insert into ops.build (build_no, as_of, state, code_hash, started_at) values (%s, %s, %s, '', now())",
            build,
        )
    warehouse.query("update ops.pointer set build_no = 3, as_of = '2026-11-03'")
    conn = psycopg2.connect(warehouse.url)
    conn.autocommit = True
    try:
        with conn.cursor() as cursor:
            yield cursor
    finally:
        conn.close()


def looked_at(session: extensions.cursor) -> str:
    session.execute("select current_setting('creditflow.build', true)")
    return str((session.fetchone() or ("",))[0] or "")


@pytest.mark.parametrize("build", [0, 1, 3, 5])
def test_a_build_that_was_shown_or_may_be_can_be_looked_at(session: extensions.cursor, build: int) -> None:
    session.execute("select publish.look_at(%s)", (build,))
    assert looked_at(session) == str(build)
    session.execute("select publish.look_at(null)")
    assert looked_at(session) == ""


@pytest.mark.parametrize("build", [2, 99, -1])
def test_a_build_that_may_not_be_shown_is_refused_and_nothing_changes(session: extensions.cursor, build: int) -> None:
    session.execute("select publish.look_at(1)")
    with pytest.raises(psycopg2.errors.RaiseException, match=f"build {build} does not exist or may not be shown"):
        session.execute("select publish.look_at(%s)", (build,))
    assert looked_at(session) == "1"


@pytest.mark.parametrize(("day", "build"), [("2026-11-02", "1"), ("2026-11-03", "3"), ("2026-11-20", "3")])
def test_a_day_shows_the_build_last_shown_for_it(session: extensions.cursor, day: str, build: str) -> None:
    session.execute("select publish.look_at_day(%s)", (day,))
    assert looked_at(session) == build


def test_a_day_before_the_first_build_is_refused(session: extensions.cursor) -> None:
    with pytest.raises(psycopg2.errors.RaiseException, match="no build of 2026-11-01 or earlier"):
        session.execute("select publish.look_at_day('2026-11-01')")
    assert looked_at(session) == ""


def test_the_analyst_asks_a_past_day_and_gets_what_was_known_then(story: Story) -> None:
    conn = psycopg2.connect(story.settings.warehouse_url)
    try:
        with conn.cursor() as cursor:
            cursor.execute("set role role_analyst")
            cursor.execute("select publish.look_at_day(%s)", (dt.date(2026, 11, 2),))
            cursor.execute("select score, grade from publish.score where uscc = %s", (uscc(5),))
            assert cursor.fetchall() == [(930, "A")]
            cursor.execute("select publish.look_at_day(%s)", (dt.date(2026, 11, 3),))
            cursor.execute("select score, grade from publish.score where uscc = %s", (uscc(5),))
            assert cursor.fetchall() == [(749, "C")]
    finally:
        conn.close()


def test_every_table_of_versions_is_indexed_for_one_subject_on_any_build(story: Story) -> None:
    indexes = story.landed.execute(
        "select schemaname || '.' || tablename, indexdef from pg_indexes where schemaname in ('entity', 'core', 'lists', 'scores')"
    )
    with psycopg2.connect(story.settings.warehouse_url) as conn:
        tables = {f"{schema}.{table}" for schema, table in versioned_tables(conn)}
    assert len(tables) > 30
    served = {
        name
        for name, text in indexes
        if re.search(r"\(subject_id(, \w+)*, known_to_build\)$", text)  # on every build: no `where` behind it
    }
    assert tables - served == set()
