"""Subjects of published files: the company register and the published lists, dropped in like any manual delivery.

Promises
- The files go the whole road: `drop`, gate, build; nothing is prepared for them.
- What a row carries (a valid credit code; else an organisation code; else a registration number; else a name only) is read from
  the landed row, not from what the warehouse made of it.
- Figures only: no name and no number of a row leaves this module.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from creditflow import warehouse
from creditflow.ingest import drop
from creditflow.ops.database import connect
from creditflow.quality import gate
from creditflow.registry import load
from creditflow.settings import Settings

AS_OF = dt.date(2026, 11, 20)
REGISTER, LISTS = "sjgj/registration", "x_province/list_entry"
FOUND_BY = {"uscc": "uscc", "org_code": "org_code", "reg_no": "reg_no"}
"""What a row carries -> the rule of matching that must find its subject."""


def files(realdata: Path) -> dict[str, list[Path]]:
    """Every published file that can be read whole, by the feed it is dropped into."""
    register = [
        path for folder in ("csv", "json", "xls") for path in sorted((realdata / "companies" / folder).iterdir())
    ]
    return {REGISTER: register, LISTS: sorted((realdata / "dishonesty").iterdir())}


def drop_in(settings: Settings, dropped: Mapping[str, Sequence[Path]]) -> None:
    """Drop the files, gate them and publish one build."""
    registry = load(settings.project)
    for feed, paths in dropped.items():
        department, name = feed.split("/")
        drop(settings, registry, department, name, list(paths), AS_OF)
    gate(settings, registry)
    warehouse.publish(settings, warehouse.build(settings, AS_OF).build_no)


def figures(settings: Settings) -> list[dict[str, Any]]:
    """Accepted rows by record kind, what they carry, and how their subject was found."""
    conn = connect(settings, name="real data", autocommit=True)
    try:
        with conn.cursor() as cursor:
            cursor.execute(FIGURES)
            return [
                {"kind": kind, "carries": carries, "grade": grade, "rule": rule, "records": records}
                for kind, carries, grade, rule, records in cursor.fetchall()
            ]
    finally:
        conn.close()


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The figures in Markdown."""
    lines = [
        f"| {item['kind']} | {item['carries']} | {item['grade']} | {item['rule']} | {item['records']:,} |"
        for item in found
    ]
    head = ["| kind | the row carries | grade | found by | records |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines])


def _carries(kind: str) -> str:
    return f"""select '{kind}' as kind, r.match_grade, r.match_rule, case
        when ops.uscc_ok(btrim(l.subject_uscc)) then 'uscc'
        when ops.org_code_ok(btrim(l.subject_org_code)) then 'org_code'
        when length(btrim(l.subject_reg_no)) = 15 and ops.reg_no_ok(btrim(l.subject_reg_no)) then 'reg_no'
        else 'name' end as carries
    from core.{kind} r
    join landing.{kind} l on l.batch_id = r.batch_id and l.row_no = r.row_no
    where r.known_to_build = 2147483647 and r.party_type <> 'natural_person'"""


FIGURES = f"""select kind, carries, match_grade, match_rule, count(*)
from ({_carries("registration")} union all {_carries("list_entry")}) as row
group by 1, 2, 3, 4 order by 1, array_position(array['uscc', 'org_code', 'reg_no', 'name'], carries), 3, 4"""
