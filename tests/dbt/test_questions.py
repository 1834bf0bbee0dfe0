"""The page of questions: every SQL on it runs as role_analyst on a built warehouse, and the answers are the city's."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import extensions

from creditflow import warehouse
from creditflow.warehouse.rights import PERSONAL
from tests.dbt.conftest import Rows, Story
from tests.dbt.landed import uscc

PAGE = Path(__file__).resolve().parents[2] / "docs" / "questions.md"
FOUND = re.findall(
    r"^### (\d+)\. (.+?) / (.+?)$\n+```sql\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
QUESTIONS = {int(number): statements for number, _, _, statements in FOUND}
DAY = dt.date(2026, 11, 2)
EMPTY = {5, 14}
"""Questions to which the test city has no answer on its last day: red grades have run out, no licence is about to end."""


def ask(cursor: extensions.cursor, number: int, code: str, shown_on: dt.date | None = None) -> Rows:
    """Answer of the last statement of a question, with psql's variables filled in; today, or as shown on a day."""
    statements = QUESTIONS[number].replace(":'uscc'", "%(uscc)s").replace(":'day'", "%(day)s::date")
    cursor.execute("select publish.look_at(null)")
    if shown_on:
        cursor.execute("select publish.look_at_day(%s)", (shown_on,))
    for statement in filter(str.strip, statements.split(";")):
        cursor.execute(statement, {"uscc": code, "day": DAY})
    assert cursor.description
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def analyst(story: Story) -> Iterator[extensions.cursor]:
    """A session that may read what an analyst may, on the last build shown."""
    conn = psycopg2.connect(story.settings.warehouse_url)
    conn.autocommit = True
    try:
        with conn.cursor() as cursor:
            cursor.execute("set role role_analyst")
            yield cursor
    finally:
        conn.close()


def test_there_are_twenty_questions_in_both_languages() -> None:
    assert [int(number) for number, *_ in FOUND] == list(range(1, 21))
    for _, chinese, english, _ in FOUND:
        assert re.search("[一-龥]", chinese)
        assert re.search("[a-z]{3}", english)


@pytest.mark.parametrize("number", sorted(QUESTIONS))
def test_a_question_is_answered(analyst: extensions.cursor, number: int) -> None:
    rows = ask(analyst, number, uscc(4))
    assert bool(rows) is (number not in EMPTY)


def test_answers_are_the_citys(analyst: extensions.cursor) -> None:
    def answers(number: int, *columns: str, code: str = uscc(4)) -> list[tuple[Any, ...]]:
        return [tuple(row[name] for name in columns) for row in ask(analyst, number, code)]

    then = answers(1, "list_code", "uscc")
    assert ("RL01", uscc(5)) in then, "enterprise 5 lost its red grade a day later; on that day nobody knew"
    assert ("SL05", uscc(8)) not in then
    today = answers(2, "list_code", "uscc")
    assert ("SL05", uscc(4)) in today
    rests = ask(analyst, 5, uscc(4), shown_on=DAY)
    assert [(row["uscc"], row["red_list"], row["serious_list"]) for row in rests] == [(uscc(4), "RL01", "SL05")]
    assert answers(8, "score", "grade", code=uscc(5)) == [(930, "A")]
    assert sum(row["applied_points"] for row in ask(analyst, 7, uscc(4))) == 399
    assert ("M2-04", "yjj") in answers(9, "measure_code", "executing_department")
    assert (uscc(4), 399) in answers(12, "uscc", "score")
    owed = answers(17, "uscc", "arrears_type", "amount_yuan")
    assert [row for row in owed if row[1] == "social_insurance"] == [(uscc(1), "social_insurance", 5000)]


@pytest.mark.parametrize("table", ["entity.person", "entity.relation", "landing.penalty", "staging.penalty"])
def test_an_analyst_is_refused_personal_columns_and_raw_rows(analyst: extensions.cursor, table: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        analyst.execute(f"select * from {table}")


@pytest.mark.parametrize("statement", ["delete from core.penalty", "update ops.pointer set build_no = 0",
                                       "create table publish.mine (a integer)"])  # fmt: skip
def test_an_analyst_changes_nothing(analyst: extensions.cursor, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        analyst.execute(statement)


def test_no_published_column_holds_a_personal_key(story: Story, analyst: extensions.cursor) -> None:
    analyst.execute(
        "select table_schema || '.' || table_name || '.' || column_name from information_schema.columns"
        " where column_name ~ '(_id_no|person_id_no|_hash|_cipher)' and column_name !~ '^(row|content|rule|code)_hash$'"
        " and has_column_privilege(format('%I.%I', table_schema, table_name), column_name, 'select')"
        " and table_schema in ('publish', 'core', 'lists', 'scores', 'entity')"
    )
    assert analyst.fetchall() == []
    with psycopg2.connect(story.settings.warehouse_url) as conn:
        views = warehouse.publish_views(conn)
    for view in (name for name in views if ("publish", name) not in PERSONAL):
        analyst.execute(f"select count(*) from publish.{view} as row where row::text ~ '测试[甲乙丙]'")
        assert analyst.fetchone() == (0,), view
