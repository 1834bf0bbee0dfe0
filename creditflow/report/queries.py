"""Every figure of the quality site is one query here: the page runs it and the page's footnote prints it.

Promises
- A figure and its footnote come from the same text, so what an analyst pastes into psql is what the page shows.
- A query names its business date; none looks at the clock.
- A query whose view or column does not exist (yet) yields no rows and a reason, never a broken page.

Sources: publish.department_quality_daily, publish.data_issue, publish.build; for one night's deliveries and their
verdicts, and for months with their versions, the tables of ops and quality, which hold no personal data beyond masked
rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from creditflow.ops.database import Connection
from creditflow.report.words import Both

Row = dict[str, Any]

_PARAMETER = re.compile(r"%\((\w+)\)s")
_RELATION = re.compile(r"\b(?:from|join)\s+((?:publish|ops|quality)\.\w+)")


@dataclass(frozen=True)
class Query:
    """One figure's question: what it is called in both languages and its SQL with named parameters."""

    name: str
    title: Both
    sql: str

    @property
    def needs_batches(self) -> bool:
        """True when it asks about named batches, which are known only after the other queries."""
        return "%(batches)s" in self.sql

    @property
    def relations(self) -> tuple[str, ...]:
        """Views and tables it reads, in order of appearance."""
        return tuple(dict.fromkeys(_RELATION.findall(self.sql)))

    def text(self, parameters: Mapping[str, Any], only: tuple[str, str] | None = None) -> str:
        """The SQL with its parameters written out, ready for psql. only: (column, value) of the rows a page shows."""
        written = _PARAMETER.sub(lambda match: literal(parameters[match[1]]), self.sql).replace("%%", "%")
        if only is None:
            return written + ";"
        return f"select * from (\n{written}\n) page\nwhere {only[0]} = {literal(only[1])};"


@dataclass(frozen=True)
class Answer:
    """Rows of a query, or why there are none: the database's own words about a missing view or column."""

    rows: list[Row]
    missing: str | None = None


def literal(value: Any) -> str:
    """A parameter as SQL text. Raises TypeError for a type no query uses."""
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, (list, tuple)):
        return "array[" + ", ".join(literal(item) for item in value) + "]::text[]"
    raise TypeError(f"no SQL literal for {type(value).__name__}")


def ask(conn: Connection, query: Query, parameters: Mapping[str, Any]) -> Answer:
    """Run a query inside a savepoint. A view or column that does not exist is an empty answer with its reason;
    every other database error is raised."""
    with conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute("savepoint figure")
        try:
            cursor.execute(query.sql, dict(parameters))
            rows = [dict(row) for row in cursor.fetchall()]
        except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn) as problem:
            cursor.execute("rollback to savepoint figure")
            return Answer([], (problem.diag.message_primary or str(problem)).strip())
        cursor.execute("release savepoint figure")
    return Answer(rows)


BUILD = Query(
    "build",
    Both("发布的构建", "the published build"),
    """select build_no, as_of, state, reason, batches, started_at, finished_at, published_at
from publish.build
where as_of <= %(as_of)s and published_at is not null
order by as_of desc, build_no desc
limit 1""",
)

DEPARTMENTS = Query(
    "departments",
    Both("部门清单", "the departments"),
    """select department, dept_no, name_zh, name_en, tier, importance, external, channel, cadence, expect_by,
       application_fields, contact, legal_ground
from ops.department
order by external, importance, dept_no, department""",
)

FEEDS = Query(
    "feeds",
    Both("数据项清单", "the feeds"),
    """select department, feed, kind, delivery, layout, format, rows_per_year, cadence
from ops.feed
order by department, feed""",
)

ARRIVALS = Query(
    "arrivals",
    Both("当晚到达情况", "arrivals of the night"),
    """select department, state, detail_zh, detail_en, started_at, finished_at
from ops.arrival
where as_of = %(as_of)s
order by department""",
)

CITY_DAYS = Query(
    "city_days",
    Both("全市每日数字（43 个部门）", "the city day by day (the 43 departments)"),
    """select as_of,
       count(*) filter (where arrival_state = 'arrived') as arrived,
       sum(rows_read) as rows_read,
       sum(rows_accepted) as rows_accepted,
       sum(rows_rejected) as rows_rejected,
       sum(rows_held) as rows_held,
       sum(rows_out_of_scope) as rows_out_of_scope,
       sum(rows_duplicate) as rows_duplicate,
       sum(rows_accepted)::numeric / nullif(sum(rows_read) - sum(rows_out_of_scope) - sum(rows_duplicate), 0)
           as accepted_share,
       sum(batches_held) as batches_held
from publish.department_quality_daily
where not external and as_of between %(since)s and %(as_of)s
group by as_of
order by as_of""",
)

CITY_OPEN = Query(
    "city_open",
    Both("全市未解决问题数（43 个部门）", "open issues of the 43 departments"),
    """select count(*) as open,
       count(*) filter (where i.opened_on = %(as_of)s) as new,
       count(*) filter (where i.due_on < %(as_of)s) as overdue
from publish.data_issue i
join ops.department d using (department)
where not d.external and i.opened_on <= %(as_of)s and (i.closed_on is null or i.closed_on > %(as_of)s)""",
)

CITY_ISSUES = Query(
    "city_issues",
    Both("全市未解决问题的变化（43 个部门）", "open issues of the 43 departments over time"),
    """select greatest(m.day, %(since)s) as as_of, sum(m.step) as change
from publish.data_issue i
join ops.department d using (department)
cross join lateral (values (i.opened_on, 1), (i.closed_on, -1)) as m (day, step)
where not d.external and m.day <= %(as_of)s
group by greatest(m.day, %(since)s)
order by 1""",
)

ISSUE_COUNTS = Query(
    "issue_counts",
    Both("各部门未解决问题数", "open issues by department"),
    """select department,
       count(*) as open,
       count(*) filter (where opened_on = %(as_of)s) as new,
       count(*) filter (where due_on < %(as_of)s) as overdue,
       min(due_on) filter (where due_on < %(as_of)s) as oldest_due
from publish.data_issue
where opened_on <= %(as_of)s and (closed_on is null or closed_on > %(as_of)s)
group by department
order by department""",
)

ISSUE_GROUPS = Query(
    "issue_groups",
    Both("未解决问题，按部门和规则", "open issues by department and rule"),
    """select department, record_kind, rule_id, severity,
       count(*) as open,
       count(*) filter (where opened_on = %(as_of)s) as new,
       count(*) filter (where due_on < %(as_of)s) as overdue,
       min(opened_on) as oldest,
       min(due_on) as next_due
from publish.data_issue
where opened_on <= %(as_of)s and (closed_on is null or closed_on > %(as_of)s)
group by department, record_kind, rule_id, severity
order by overdue desc, open desc, department, record_kind, rule_id""",
)

ISSUES = Query(
    "issues",
    Both("部门未解决的问题", "open issues of the department"),
    """select department, record_kind, batch_id, row_no, rule_id, field, severity, state, opened_on, due_on, of_department
from (
    select *,
           count(*) over (partition by department) as of_department,
           row_number() over (partition by department order by due_on nulls last, opened_on, batch_id, row_no, rule_id) as place
    from publish.data_issue
    where opened_on <= %(as_of)s and (closed_on is null or closed_on > %(as_of)s)
) ranked
where place <= 200
order by department, place""",
)

ISSUE_AGES = Query(
    "issue_ages",
    Both("部门未解决问题，按已历天数", "open issues of the department by age"),
    """select department,
       case when age <= 3 then 0 when age <= 7 then 1 when age <= 30 then 2 else 3 end as age,
       count(*) as open,
       count(*) filter (where due_on < %(as_of)s) as overdue,
       min(due_on) filter (where due_on >= %(as_of)s) as next_due
from (
    select department, due_on, %(as_of)s - opened_on as age
    from publish.data_issue
    where opened_on <= %(as_of)s and (closed_on is null or closed_on > %(as_of)s)
) open_issue
group by 1, 2
order by 1, 2""",
)

HEAT_MAP = Query(
    "heat_map",
    Both("热力图：各部门每日行数", "heat map: rows by department and day"),
    """select as_of, department, arrival_state, batches, batches_held, rows_read, rows_accepted, rows_rejected, rows_held,
       rows_out_of_scope, rows_duplicate
from publish.department_quality_daily
where as_of between %(since)s and %(as_of)s
order by department, as_of""",
)

MEASURES = Query(
    "measures",
    Both("热力图：各部门四项比率", "heat map: four measures by department and day"),
    """select as_of, department, completeness, validity, timeliness, correction
from publish.department_quality_daily
where as_of between %(since)s and %(as_of)s
order by department, as_of""",
)

INDICATORS = Query(
    "indicators",
    Both("五项指标的走势（滚动 30 天）", "trend of the five indicators (rolling 30 days)"),
    """with day as (
    select as_of,
           sum(feeds_due) as due, sum(feeds_reported) as reported,
           sum(decisions_received) as received, sum(decisions_compliant) as compliant,
           sum(decisions_timed) as timed, sum(decisions_on_time) as on_time,
           sum(codes_checked) as codes, sum(codes_wrong) as wrong,
           sum(issues_due) as to_correct, sum(issues_corrected) as corrected
    from publish.department_quality_daily
    where not external and as_of between %(since)s - 29 and %(as_of)s
    group by as_of
), rolling as (
    select as_of, due, reported,
           sum(received) over month as received, sum(compliant) over month as compliant,
           sum(timed) over month as timed, sum(on_time) over month as on_time,
           sum(codes) over month as codes, sum(wrong) over month as wrong,
           sum(to_correct) over month as to_correct, sum(corrected) over month as corrected
    from day
    window month as (order by as_of range between interval '29 days' preceding and current row)
)
select as_of,
       reported::numeric / nullif(due, 0) as reporting_rate,
       compliant::numeric / nullif(received, 0) as compliance_rate,
       on_time::numeric / nullif(timed, 0) as timeliness_rate,
       wrong::numeric / nullif(codes, 0) as code_error_rate,
       corrected::numeric / nullif(to_correct, 0) as correction_rate
from rolling
where as_of >= %(since)s
order by as_of""",
)

MONTHS = Query(
    "months",
    Both("各月指标、得分和等次", "indicators, score and band by month"),
    """select m.department, m.month, m.version, m.decisions_received, m.reporting_rate, m.reporting_basis, m.compliance_rate,
       m.timeliness_rate, m.code_error_rate, m.correction_rate, m.zero_undeclared, m.score / 100 as score
from quality.department_month m
join ops.department d using (department)
where m.current and not d.external and m.month between %(half_year)s and %(as_of)s
order by m.department, m.month""",
)

MONTH_DAYS = Query(
    "month_days",
    Both("各月报送情况", "deliveries by month"),
    """select department, date_trunc('month', as_of)::date as month,
       sum(rows_read) as rows_read, sum(rows_rejected) as rows_rejected,
       count(*) filter (where arrival_state in ('late', 'failed')) as days_late,
       sum(batches_held) as batches_held
from publish.department_quality_daily
where not external and as_of between %(half_year)s and %(as_of)s
group by department, date_trunc('month', as_of)
order by department, month""",
)

RETURN_FILES = Query(
    "return_files",
    Both("退回清单", "return workbooks"),
    """select department, batch_id, feed, as_of, rows_returned, faults, workbook, twin
from quality.return_file
where as_of between %(as_of)s - 29 and %(as_of)s
order by department, as_of desc, batch_id""",
)

BATCHES = Query(
    "batches",
    Both("当晚批次", "batches of the night"),
    """select batch_id, department, feed, kind, state, delivered_at, rows_read, rows_accepted, rows_rejected, rows_held,
       rows_out_of_scope, rows_duplicate, seconds
from ops.batch
where as_of = %(as_of)s
order by department, feed, delivered_at, batch_id""",
)

BATCH_FACTS = Query(
    "batch_facts",
    Both("批次从到达到发布", "a batch from arrival to publication"),
    """select b.*, first.build_no, build.published_at, r.rows_returned, r.as_of as returned_on, r.workbook
from ops.batch b
left join quality.return_file r on r.batch_id = b.batch_id
left join (
    select bb.batch_id, min(bb.build_no) as build_no
    from ops.build_batch bb
    join ops.build using (build_no)
    where build.published_at is not null
    group by bb.batch_id
) first on first.batch_id = b.batch_id
left join ops.build build on build.build_no = first.build_no
where b.batch_id = any(%(batches)s)
order by b.batch_id""",
)

HISTORY = Query(
    "history",
    Both("近 30 天批次", "batches of the last 30 days"),
    """select batch_id, department, feed, kind, file, delivered_at, as_of, state, rows_read, rows_accepted, rows_rejected,
       rows_held, rows_out_of_scope, rows_duplicate, reasons
from ops.batch
where as_of between %(as_of)s - 29 and %(as_of)s
order by department, delivered_at desc, batch_id desc""",
)

HELD = Query(
    "held",
    Both("仍暂扣的批次", "batches still held"),
    """select batch_id, department, feed, kind, as_of, delivered_at, rows_read, rows_held, reasons
from ops.batch
where state = 'held' and as_of <= %(as_of)s
order by as_of, department, batch_id""",
)

RULES_TONIGHT = Query(
    "rules_tonight",
    Both("当晚各规则未通过行数", "rows failed by rule, this night"),
    """select r.rule_id, r.severity, b.department, b.feed, b.kind,
       sum(r.rows_evaluated) as rows_evaluated, sum(r.rows_failed) as rows_failed
from quality.rule_result r
join ops.batch b using (batch_id)
where b.as_of = %(as_of)s
group by r.rule_id, r.severity, b.department, b.feed, b.kind
order by r.rule_id, b.department, b.feed""",
)

RULES_DAILY = Query(
    "rules_daily",
    Both("各规则每日未通过行数", "rows failed by rule, day by day"),
    """select r.rule_id, b.department, b.as_of, sum(r.rows_failed) as rows_failed, sum(r.rows_evaluated) as rows_evaluated
from quality.rule_result r
join ops.batch b using (batch_id)
where b.as_of between %(since)s and %(as_of)s
group by r.rule_id, b.department, b.as_of
having sum(r.rows_failed) > 0
order by r.rule_id, b.department, b.as_of""",
)

EXAMPLES = Query(
    "examples",
    Both("示例行（已脱敏）", "example rows (masked)"),
    """select department, rule_id, batch_id, kind, row_no, verdict, fields, payload, suggestion
from (
    select b.department, b.kind, v.batch_id, v.row_no, v.verdict, v.fields, v.payload, v.suggestion, u.rule_id,
           row_number() over (partition by b.department, u.rule_id order by v.batch_id, v.row_no) as place
    from quality.row_verdict v
    join ops.batch b using (batch_id)
    cross join unnest(v.rule_ids) as u(rule_id)
    where b.as_of = %(as_of)s and v.verdict in ('rejected', 'held', 'flagged')
) ranked
where place <= 2
order by rule_id, department, batch_id, row_no""",
)

VERDICTS = Query(
    "verdicts",
    Both("未通过的行（已脱敏）", "rows that did not pass (masked)"),
    """select batch_id, row_no, verdict, rule_ids, fields, payload, suggestion, of_batch
from (
    select v.batch_id, v.row_no, v.verdict, v.rule_ids, v.fields, v.payload, v.suggestion,
           count(*) over (partition by v.batch_id) as of_batch,
           row_number() over (partition by v.batch_id order by v.row_no, v.verdict) as place
    from quality.row_verdict v
    join ops.batch b using (batch_id)
    where b.batch_id = any(%(batches)s) and v.verdict in ('rejected', 'held', 'flagged')
) ranked
where place <= 100
order by batch_id, row_no, verdict""",
)

BATCH_RULES = Query(
    "batch_rules",
    Both("批次的规则结果", "verdicts of the batch by rule"),
    """select batch_id, rule_id, severity, rows_evaluated, rows_failed
from quality.rule_result
where batch_id = any(%(batches)s)
order by batch_id, rows_failed desc, rule_id""",
)

EVENTS = Query(
    "events",
    Both("人工决定", "decisions by people"),
    """select batch_id, event_type, reason, decided_by, decided_at
from ops.event
where batch_id = any(%(batches)s)
order by batch_id, decided_at""",
)

INCIDENTS = Query(
    "incidents",
    Both("事件", "incidents"),
    """select batch_id, department, feed, as_of, rule_id, message_zh, message_en
from quality.incident
where as_of = %(as_of)s
order by department, feed, rule_id, message_en""",
)

DOUBTS = Query(
    "doubts",
    Both("仓库存疑的含义", "what the warehouse's doubts mean"),
    """select rule_id, name_zh, name_en
from ops.warehouse_doubt
order by rule_id""",
)

CALENDAR = Query(
    "calendar",
    Both("工作日历已公布的年份", "years with a published working-day calendar"),
    """select distinct extract(year from day)::integer as year
from ops.calendar
where day >= %(month)s
order by 1""",
)

NIGHT = Query(
    "night",
    Both("当晚时间图", "the night as a time chart"),
    """select a.department, a.state, a.started_at, a.finished_at,
       max(b.received_at) as received_at, max(b.landed_at) as landed_at, max(b.gated_at) as gated_at,
       max(p.published_at) as published_at
from ops.arrival a
left join ops.batch b on b.department = a.department and b.as_of = a.as_of
left join (
    select bb.batch_id, min(build.published_at) as published_at
    from ops.build_batch bb
    join ops.build build using (build_no)
    where build.published_at is not null
    group by bb.batch_id
) p on p.batch_id = b.batch_id
where a.as_of = %(as_of)s
group by a.department, a.state, a.started_at, a.finished_at
order by a.started_at, a.department""",
)

ALL: dict[str, Query] = {value.name: value for value in list(globals().values()) if isinstance(value, Query)}
OF_DEPARTMENT = (
    ARRIVALS,
    FEEDS,
    BATCHES,
    HISTORY,
    RULES_TONIGHT,
    EXAMPLES,
    ISSUE_AGES,
    ISSUES,
    MONTHS,
    MONTH_DAYS,
    RETURN_FILES,
)
OF_RULE = (RULES_TONIGHT, RULES_DAILY, EXAMPLES)
WHOSE_ROWS = {
    "department": frozenset({*OF_DEPARTMENT, DEPARTMENTS, HEAT_MAP, MEASURES}),
    "rule_id": frozenset(OF_RULE),
}
"""Column by which a department's or a rule's page takes its rows -> the queries that have it."""
