"""The registry and the working-day calendar as tables, so that SQL can join them.

Promises
- ops.department and ops.feed say exactly what sources/ says, also when a department or feed was taken out.
- ops.calendar holds only years whose calendar the State Council's office has published; a later year stays absent,
  and a deadline in it is unknown, never guessed.
- Running it again changes nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from psycopg2.extras import execute_values

from creditflow.ops.database import Connection, advisory_lock, transaction
from creditflow.settings import Settings

if TYPE_CHECKING:
    from creditflow.registry import Department, Registry


def sync_registry(settings: Settings, registry: Registry) -> None:
    """Rewrite ops.department, ops.feed and ops.calendar in one transaction."""
    departments = list(registry.all().values())
    with transaction(settings, "sync registry") as conn:
        advisory_lock(conn, "creditflow.registry")
        _write_departments(conn, departments)
        _write_feeds(conn, departments)
        _write_calendar(conn)


def _write_departments(conn: Connection, departments: list[Department]) -> None:
    columns = (
        "department, dept_no, name_zh, name_en, tier, importance, external, channel, cadence, expect_by,"
        " application_fields, authority_uscc, contact, legal_ground"
    )
    rows = [
        (
            item.code,
            item.dept_no,
            item.name_zh,
            item.name_en,
            item.tier,
            item.importance,
            item.external,
            item.channel,
            item.cadence,
            item.expect_by,
            list(item.application_fields),
            item.authority_uscc,
            json.dumps(_plain(item.contact), ensure_ascii=False),
            item.legal_ground,
        )
        for item in departments
    ]
    names = [name.strip() for name in columns.split(",")]
    updates = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    changed = " or ".join(f"d.{name} is distinct from excluded.{name}" for name in names[1:])
    with conn.cursor() as cursor:
        cursor.execute("delete from ops.feed where department <> all(%s)", ([item.code for item in departments],))
        cursor.execute("delete from ops.department where department <> all(%s)", ([item.code for item in departments],))
        execute_values(
            cursor,
            f"insert into ops.department as d ({columns}) values %s"
            f" on conflict (department) do update set {updates} where {changed}",
            rows,
        )


def _write_feeds(conn: Connection, departments: list[Department]) -> None:
    rows = [
        (
            department.code,
            name,
            feed.kind,
            feed.delivery,
            feed.layout,
            feed.formats[0],
            feed.rows_per_year,
            feed.cadence or department.cadence,
        )
        for department in departments
        for name, feed in department.feeds.items()
    ]
    columns = ["kind", "delivery", "layout", "format", "rows_per_year", "cadence"]
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns)
    changed = " or ".join(f"f.{name} is distinct from excluded.{name}" for name in columns)
    with conn.cursor() as cursor:
        cursor.execute(
            "delete from ops.feed f where not exists ("
            " select from unnest(%s::text[], %s::text[]) as kept(department, feed)"
            " where kept.department = f.department and kept.feed = f.feed)",
            ([row[0] for row in rows], [row[1] for row in rows]),
        )
        execute_values(
            cursor,
            f"insert into ops.feed as f (department, feed, {', '.join(columns)}) values %s"
            f" on conflict (department, feed) do update set {updates} where {changed}",
            rows,
        )


def _plain(value: object) -> object:
    """A registry value as JSON knows it (pydantic models become objects)."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else value


def calendar_rows() -> list[tuple[dt.date, bool, str | None, bool, str]]:
    """(day, is workday, holiday name in Chinese, is a make-up workday, notice) for every day of the published years.

    The days come from the `chinesecalendar` package, which follows the yearly notice of the General Office of the
    State Council on the arrangement of public holidays.
    """
    from chinese_calendar import constants

    rows: list[tuple[dt.date, bool, str | None, bool, str]] = []
    for year in published_years():
        notice = f"国务院办公厅关于{year}年部分节假日安排的通知"
        day = dt.date(year, 1, 1)
        while day.year == year:
            weekend = day.weekday() >= 5
            holiday = day in constants.holidays
            makeup = day in constants.workdays
            name = constants.Holiday(constants.holidays[day]).chinese if holiday else None
            rows.append((day, makeup or not (weekend or holiday), name, makeup, notice))
            day += dt.timedelta(days=1)
    return rows


def published_years() -> list[int]:
    """Calendar years for which a holiday arrangement has been published, oldest first."""
    from chinese_calendar import constants

    return sorted({day.year for day in constants.holidays})


def _write_calendar(conn: Connection) -> None:
    with conn.cursor() as cursor:
        cursor.execute("select count(*), coalesce(max(extract(year from day)), 0)::integer from ops.calendar")
        count, newest = cursor.fetchone() or (0, 0)
        rows = calendar_rows()
        if (count, newest) == (len(rows), rows[-1][0].year):
            return
        execute_values(
            cursor,
            "insert into ops.calendar as c (day, is_workday, holiday_name, is_makeup, source_notice) values %s"
            " on conflict (day) do update set is_workday = excluded.is_workday, holiday_name = excluded.holiday_name,"
            " is_makeup = excluded.is_makeup, source_notice = excluded.source_notice"
            " where c.is_workday is distinct from excluded.is_workday"
            " or c.holiday_name is distinct from excluded.holiday_name"
            " or c.is_makeup is distinct from excluded.is_makeup"
            " or c.source_notice is distinct from excluded.source_notice",
            rows,
            page_size=2000,
        )
