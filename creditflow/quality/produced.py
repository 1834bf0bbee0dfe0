"""How many decisions each department says it produced in a month: what 上报率 counts against (domain page 01 section 9).

Promises
- The figure is the department's own, never counted from what came in. It is said in three ways: in the control file of a
  delivery (`"produced": {"2026-10": 12}`), by a zero declaration (0), or in the signed monthly return, which a person
  enters with its number as reason (`creditflow decide produced`). The return counts first, else what was said last.
- A month of a department is known once every one of its feeds of permits and penalties has said its part; until then
  the rate falls back to feeds that reported.
- quality.produced_month follows from batches, declarations and events; computing it again gives the same.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from creditflow.ops import journal
from creditflow.ops.database import Connection, transaction
from creditflow.registry import Registry
from creditflow.settings import Settings

EVENT = "monthly_return"


class ReturnError(Exception):
    """A monthly return does not fit; the message says why, in Chinese and English."""


def declare_produced(
    settings: Settings,
    registry: Registry,
    department: str,
    kind: str,
    month: dt.date,
    produced: int,
    *,
    reason: str,
    decided_by: str,
    as_of: dt.date,
) -> None:
    """Record what a department's signed monthly return says: `produced` decisions of `kind` in the month of `month`.

    reason: number of the return. as_of: business date of the entry. Raises ReturnError when the department does not
    supply the kind, the month is not over or a figure or reason is missing.
    """
    body = registry.departments.get(department)
    if body is None or kind not in {feed.kind for feed in body.feeds.values()}:
        raise ReturnError(f"{department} 不报送 {kind} / {department} does not supply {kind}")
    if produced < 0 or not reason.strip() or not decided_by.strip():
        raise ReturnError("须填不小于 0 的数、月报文号和填报人 / a figure from 0 up, a reason and a name are needed")
    if month.replace(day=1) >= as_of.replace(day=1):
        raise ReturnError(f"{month:%Y-%m} 尚未结束 / that month is not over")
    detail = {
        "department": department,
        "kind": kind,
        "month": f"{month:%Y-%m}",
        "produced": produced,
        "as_of": as_of.isoformat(),
    }
    with transaction(settings, "monthly return") as conn:
        enter(conn, str(uuid.uuid4()), reason, decided_by, dt.datetime.now(dt.UTC), detail)
    journal.keep(settings)


def enter(
    conn: Connection, event_id: str, reason: str, decided_by: str, decided_at: dt.datetime, detail: dict[str, object]
) -> None:
    """Write a return's event, once, in the caller's transaction."""
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into ops.event (event_id, event_type, reason, decided_by, decided_at, detail)"
            " values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
            (event_id, EVENT, reason, decided_by, decided_at, json.dumps(detail)),
        )
    journal.note(
        conn, "produced", event_id=event_id, reason=reason, decided_by=decided_by, decided_at=decided_at, detail=detail
    )


_NOW = """
create temp table produced_now on commit drop as
with said as (
    select b.department, b.kind, p.key as month, p.value::integer as produced, 1 as rank, b.delivered_at as said_at,
           b.batch_id as place
    from ops.batch b cross join lateral jsonb_each_text(b.produced) p
    where b.state <> 'refused' and b.as_of <= %(as_of)s
    union all
    select department, kind, month, 0, 1, said_at, place from zero_said
    union all
    select detail ->> 'department', detail ->> 'kind', detail ->> 'month', (detail ->> 'produced')::integer, 2, decided_at,
           event_id::text
    from ops.event where event_type = %(event)s and (detail ->> 'as_of')::date <= %(as_of)s
), latest as (
    select distinct on (department, kind, month) department, kind, month, produced
    from said
    order by department, kind, month, rank desc, said_at desc, place desc
), due as (
    select department, count(distinct kind) as kinds from ops.feed where kind = any(%(kinds)s) group by department
)
select l.department, to_date(l.month, 'YYYY-MM') as month, sum(l.produced)::integer as produced
from latest l
join due d using (department)
where l.kind = any(%(kinds)s)
group by l.department, l.month, d.kinds
having count(*) = d.kinds
"""


def refresh_produced(cursor: Cursor, kinds: Sequence[str], as_of: dt.date) -> None:
    """Write quality.produced_month for the kinds of dual publication, as said by `as_of`. Part of the caller's transaction."""
    cursor.execute(
        "drop table if exists zero_said, produced_now;"
        " create temp table zero_said (department text, kind text, month text, said_at timestamptz, place text) on commit drop;"
        " select to_regclass('landing.zero_declaration') is not null"
    )
    row = cursor.fetchone()
    if row and row[0]:
        cursor.execute(
            "insert into zero_said select l.department, l.declared_kind, l.period, b.delivered_at, b.batch_id"
            " from landing.zero_declaration l join ops.batch b using (batch_id)"
            " where l.period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$' and coalesce(l.op, 'I') in ('I', 'U') and b.as_of <= %s",
            (as_of,),
        )
    cursor.execute(_NOW, {"as_of": as_of, "event": EVENT, "kinds": list(kinds)})
    cursor.execute(
        "delete from quality.produced_month p where not exists (select from produced_now n"
        " where (n.department, n.month) = (p.department, p.month))"
    )
    cursor.execute(
        "insert into quality.produced_month as p select department, month, produced from produced_now"
        " on conflict (department, month) do update set produced = excluded.produced"
        " where p.produced is distinct from excluded.produced"
    )
