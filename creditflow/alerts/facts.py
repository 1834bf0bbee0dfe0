"""What a night's messages are made of, read from the control tables for one business date.

Promises
- Only counts, states and reasons that are meant for people are read; never a row of a department.
- A department that was due and of which nothing is known counts as late, and a feed that came steadily and stopped is
  told beside it: silence is not good news.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from psycopg2.extras import RealDictCursor

from creditflow.ops.database import transaction
from creditflow.quality.issues import NOTES, SILENT
from creditflow.settings import Settings


@dataclass(frozen=True)
class BatchFact:
    """A held delivery and why."""

    batch_id: str
    feed: str
    rows: int
    reason_zh: str
    reason_en: str


@dataclass(frozen=True)
class SilentFact:
    """A feed that came steadily and fell silent. since: the day on which that was noticed."""

    feed: str
    since: dt.date
    reason_zh: str
    reason_en: str


@dataclass(frozen=True)
class DepartmentFact:
    """How one department's night went. state: arrived, nothing_new, late, failed, not_due or unknown."""

    code: str
    name_zh: str
    name_en: str
    importance: int
    state: str
    detail_zh: str = ""
    detail_en: str = ""
    rows_read: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    held: tuple[BatchFact, ...] = ()
    silent: tuple[SilentFact, ...] = ()
    issues_opened: int = 0
    issues_open: int = 0
    issues_overdue: int = 0


@dataclass(frozen=True)
class NightFacts:
    """One business date. departments: the city's own, most important first; external bodies are not reported on.

    missing_years: calendar years whose working days are not published and are needed.
    """

    as_of: dt.date
    departments: tuple[DepartmentFact, ...]
    incidents: tuple[tuple[str, str, str], ...] = ()
    missing_years: tuple[str, ...] = ()

    @property
    def silent(self) -> bool:
        """Nothing at all arrived."""
        return not any(item.state == "arrived" or item.rows_read for item in self.departments)


def night_facts(settings: Settings, as_of: dt.date) -> NightFacts:
    """Read the facts of one business date. Issues are those of the newest sweep."""
    with transaction(settings, "alerts") as conn, conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(_DEPARTMENTS, {"as_of": as_of})
        rows = cursor.fetchall()
        cursor.execute(_HELD, {"as_of": as_of})
        held: dict[str, list[BatchFact]] = {}
        for line in cursor.fetchall():
            fact = BatchFact(line["batch_id"], line["feed"], line["rows"], line["zh"] or "", line["en"] or "")
            held.setdefault(line["department"], []).append(fact)
        cursor.execute(
            "select department, feed, opened_on, message_zh, message_en from quality.issue"
            " where rule_id = %s and state <> 'closed' order by department, feed",
            (SILENT,),
        )
        silent: dict[str, list[SilentFact]] = {}
        for line in cursor.fetchall():
            told = SilentFact(line["feed"], line["opened_on"], line["message_zh"], line["message_en"])
            silent.setdefault(line["department"], []).append(told)
        cursor.execute(_INCIDENTS, {"as_of": as_of, "notes": list(NOTES)})
        incidents = tuple((line["department"], line["zh"], line["en"]) for line in cursor.fetchall())
        cursor.execute(
            "select record from quality.issue where rule_id = 'CALENDAR-YEAR' and state <> 'closed' order by record"
        )
        years = tuple(line["record"] for line in cursor.fetchall())
    departments = tuple(
        DepartmentFact(**line, held=tuple(held.get(line["code"], ())), silent=tuple(silent.get(line["code"], ())))
        for line in rows
    )
    return NightFacts(as_of, departments, incidents, years)


_DEPARTMENTS = """
select d.department as code, d.name_zh, d.name_en, d.importance, coalesce(a.state, 'unknown') as state,
       coalesce(a.detail_zh, '') as detail_zh, coalesce(a.detail_en, '') as detail_en,
       coalesce(b.rows_read, 0)::integer as rows_read, coalesce(b.rows_accepted, 0)::integer as rows_accepted,
       coalesce(b.rows_rejected, 0)::integer as rows_rejected,
       coalesce(i.opened, 0)::integer as issues_opened, coalesce(i.open, 0)::integer as issues_open,
       coalesce(i.overdue, 0)::integer as issues_overdue
from ops.department d
left join ops.arrival a on a.department = d.department and a.as_of = %(as_of)s
left join (
    select department, sum(rows_read) as rows_read, sum(rows_accepted) as rows_accepted, sum(rows_rejected) as rows_rejected
    from ops.batch where as_of = %(as_of)s group by department
) b on b.department = d.department
left join (
    select department, count(*) filter (where opened_on = %(as_of)s) as opened, count(*) filter (where state <> 'closed') as open,
           count(*) filter (where state = 'overdue') as overdue
    from quality.issue group by department
) i on i.department = d.department
where not d.external
order by d.importance, d.dept_no, d.department
"""

_HELD = """
select b.department, b.batch_id, b.feed, b.rows_held as rows, b.reasons->0->>'zh' as zh, b.reasons->0->>'en' as en
from ops.batch b
where b.state = 'held' and b.as_of <= %(as_of)s
order by b.department, b.delivered_at, b.batch_id
"""

_INCIDENTS = """
select distinct coalesce(department, '') as department, message_zh as zh, message_en as en
from quality.incident
where as_of = %(as_of)s and rule_id <> all(%(notes)s) and rule_id <> 'CALENDAR-YEAR'
order by 1, 2
"""
