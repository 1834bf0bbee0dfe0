"""P9 of the budgets: what analysts ask, on a built warehouse, p95 of many askings with different values, warm.

Each question is asked as `role_analyst` through `publish`, all its rows fetched. The first asking of each is not counted.
"""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Sequence
from typing import Any

from bench.stock import AS_OF
from creditflow.ops.database import Connection, connect
from creditflow.settings import Settings

ASKED = 200
QUESTIONS = {
    "report": (
        "one subject's whole report",
        (
            "select * from publish.credit_report where subject_id = (select i.subject_id from publish.subject_identifier i"
            " where i.id_type = 'uscc' and i.id_value = %s limit 1)"
        ),
        100,
        20,
    ),
    "list_on_a_day": (
        "members of one list on a past day",
        (
            "select subject_id, subject_name, uscc, entered_on, decision_no from publish.list_membership where list_code = %s"
            " and entered_on <= %s and (ended_on is null or ended_on > %s)"
        ),
        500,
        200,
    ),
    "subject_on_a_day": (
        "one subject's lists on a past day",
        (
            "select list_code, entered_on, decision_no from publish.list_membership where subject_id = %s"
            " and entered_on <= %s and (ended_on is null or ended_on > %s)"
        ),
        500,
        200,
    ),
    "quality_by_month": (
        "quality of every department by month",
        (
            "select department, date_trunc('month', as_of)::date as month, sum(rows_read) as rows_read,"
            " sum(rows_rejected) as rows_rejected, round(avg(completeness), 4) as completeness,"
            " round(avg(timeliness), 4) as timeliness from publish.department_quality_daily"
            " where as_of >= %s group by 1, 2 order by 2, 1"
        ),
        1000,
        300,
    ),
}
"""name -> (what, SQL, budget and aim of its p95 in milliseconds)"""


def history_of_nights(settings: Settings) -> None:
    """Five years of nights in the tables that tell of them: a batch and the figures of the day for each department.

    A backfill comes in one night, so it has none; without them the question about months would be about one. No
    build may follow: it would take these batches for new.
    """
    conn = connect(settings, name="bench", autocommit=True)
    try:
        with conn.cursor() as cursor:
            for statement in (_NIGHTS, _BATCHES):
                cursor.execute(statement, {"until": AS_OF})
            cursor.execute("analyze quality.department_day, ops.batch")
    finally:
        conn.close()


_NIGHTS = """
insert into quality.department_day
select r.* from (select * from quality.department_day limit 1) as one
cross join generate_series(%(until)s::date - interval '5 years', %(until)s::date - 1, '1 day') as n(as_of)
cross join ops.department as d
cross join lateral jsonb_populate_record(
    null::quality.department_day,
    to_jsonb(one) || jsonb_build_object('as_of', n.as_of::date, 'department', d.department, 'completeness', 0.98)
) as r
on conflict do nothing
"""
_BATCHES = """
insert into ops.batch
select r.* from (select * from ops.batch where state = 'accepted' or state = 'partly_accepted' limit 1) as one
cross join generate_series(%(until)s::date - interval '5 years', %(until)s::date - 1, '1 day') as n(as_of)
cross join ops.department as d
cross join lateral jsonb_populate_record(
    null::ops.batch,
    to_jsonb(one) || jsonb_build_object(
        'as_of', n.as_of::date, 'department', d.department, 'rows_read', 100, 'rows_accepted', 98, 'rows_rejected', 2,
        'batch_id', upper(d.department) || '-BENCH-' || to_char(n.as_of, 'YYYYMMDD')
    )
) as r
"""


def ask(settings: Settings, seed: int = 9) -> dict[str, dict[str, Any]]:
    """p95 and median of every question in milliseconds, with the rows that an answer had in the mean."""
    conn = connect(settings, name="bench", autocommit=True)
    try:
        values = _values(conn, random.Random(seed))
        with conn.cursor() as cursor:
            cursor.execute("set role role_analyst")
        return {name: _asked(conn, name, values[name]) for name in QUESTIONS}
    finally:
        conn.close()


def _asked(conn: Connection, name: str, values: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    what, statement, budget, aim = QUESTIONS[name]
    took, rows = [], 0
    with conn.cursor() as cursor:
        for value in (values[0], *values):
            begun = time.perf_counter()
            cursor.execute(statement, value)
            rows += len(cursor.fetchall())
            took.append(1000 * (time.perf_counter() - begun))
    counted = sorted(took[1:])
    return {
        "what": what,
        "asked": len(counted),
        "rows": round(rows / len(took), 1),
        "median_ms": round(counted[len(counted) // 2], 1),
        "p95_ms": round(counted[int(len(counted) * 0.95)], 1),
        "budget_ms": budget,
        "aim_ms": aim,
    }


def _values(conn: Connection, chance: random.Random) -> dict[str, list[tuple[Any, ...]]]:
    """What each asking asks about."""

    def column(statement: str) -> list[Any]:
        with conn.cursor() as cursor:
            cursor.execute(statement)
            return [value for (value,) in cursor.fetchall()]

    codes = column(
        "select i.id_value from publish.subject_identifier i where i.id_type = 'uscc' order by md5(i.id_value)"
        f" limit {ASKED}"
    )
    listed = column(f"select distinct subject_id from publish.list_membership order by subject_id limit {ASKED}")
    lists = column("select list_code from publish.list_membership group by 1 order by count(*) desc, 1 limit 5")
    days = [AS_OF - dt.timedelta(days=chance.randrange(1, 5 * 365)) for _ in range(ASKED)]
    return {
        "report": [(code,) for code in codes],
        "list_on_a_day": [(chance.choice(lists), day, day) for day in days],
        "subject_on_a_day": [(chance.choice(listed), day, day) for day in days],
        "quality_by_month": [(AS_OF - dt.timedelta(days=chance.randrange(365, 5 * 365)),) for _ in range(50)],
    }
