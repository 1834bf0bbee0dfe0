"""ops.most_similar_subject gives what a look at every registered name gives, whatever the likeness."""

from __future__ import annotations

import random
from itertools import product

from psycopg2.extras import execute_values

from creditflow.ops.database import transaction
from tests.conftest import Warehouse

PLACES, TRADES = ("汕头市龙湖区", "汕头市澄海区", "潮南区"), ("玩具", "纺织", "食品贸易", "建筑工程", "软件开发")
FORMS = ("有限公司", "股份有限公司", "商行")
EVERYBODY = (
    "select s.subject_id::text, similarity(s.name_key, %s)::numeric(4, 3) from entity.subject s"
    " where similarity(s.name_key, %s) >= 0.3 and s.known_to_build = 2147483647 and s.is_registered"
    " order by similarity(s.name_key, %s) desc, s.subject_id limit 1"
)


def test_the_search_by_steps_finds_what_a_look_at_all_names_finds(warehouse: Warehouse) -> None:
    dice = random.Random(20261120)
    marks = ["".join(dice.sample("鸿达兴盛锦源嘉和宏图瑞丰泰安", 2)) for _ in range(40)]
    names = [place + mark + trade + form for place, mark, trade, form in product(PLACES, marks, TRADES, FORMS)]
    asked = [
        *names[::97],
        *(name[1:-1] for name in names[::101]),
        *(name[4:8] for name in names[::103]),
        *(mark + "有限责任公司" for mark in marks),
        "qwertz",
        "",
    ]
    with transaction(warehouse.settings, "similar names") as conn, conn.cursor() as cursor:
        cursor.execute("create schema if not exists entity")
        cursor.execute(
            "create table entity.subject (subject_id uuid default gen_random_uuid(), name_key text,"
            " is_registered boolean, known_to_build integer)"
        )
        execute_values(
            cursor,
            "insert into entity.subject (name_key, is_registered, known_to_build) values %s",
            [(name, dice.random() < 0.6, 2147483647 if dice.random() < 0.9 else 3) for name in names * 2],
        )
        cursor.execute("create index on entity.subject using gin (name_key gin_trgm_ops)")
        found = {}
        for name in asked:
            cursor.execute("select subject_id::text, similarity from ops.most_similar_subject(%s)", (name,))
            found[name] = cursor.fetchone()
            cursor.execute(EVERYBODY, (name, name, name))
            assert found[name] == cursor.fetchone(), name
        cursor.execute("show pg_trgm.similarity_threshold")
        assert cursor.fetchone() == ("0.3",)
    grades = {None if row is None else int(row[1] * 10) for row in found.values()}
    assert grades >= {None, 3, 4, 5, 6, 7, 10}, "the names asked for are to be of every likeness"
