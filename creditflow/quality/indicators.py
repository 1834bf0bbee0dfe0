"""How well a department supplies, by day and by month, in figures that add up and can be traced to rows.

Promises
- Rates are between 0 and 1; a denominator of zero gives NULL, never 0 or 1 (domain page 09 section 7).
- A delivery is measured once, by rows and verdicts; days and months are sums over deliveries. `explain` gives the query
  behind each figure, down to single rows.
- On time means received on or before the 7th working day after the decision, make-up days counted; a decision whose
  calendar is not published is not judged. Received is when the department handed the row over (its own change time),
  so that a delay of ours is not laid at its door.
- Out of scope rows and exact duplicates touch no figure.

Definitions: domain page 01 section 9 (上报率, 合规率, 及时率), page 09 section 7 (bands), page 12 section 5.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from creditflow.ops.database import advisory_lock, transaction
from creditflow.quality.marked_yaml import RuleBookError
from creditflow.quality.produced import refresh_produced
from creditflow.quality.rulebook import Rule, load_or_previous
from creditflow.registry import Kind, Registry
from creditflow.settings import Settings

log = logging.getLogger(__name__)

DECISION_KINDS = ("permit", "penalty")
"""The kinds of dual publication: their decisions have the clock of 7 working days."""

WORKDAYS_TO_REPORT = 7

COMPLETENESS_CHECKS = frozenset({"required", "not_filler", "any_filled", "together", "clean_text"})
CODE_CHECKS = frozenset(
    {
        "uscc",
        "org_code",
        "reg_no",
        "tax_no",
        "identifier_fails",
        "identifier_nulled",
        "same_subject",
        "name_in_register",
    }
)
CODE_ROLES = ("uscc", "org_code", "reg_no", "tax_no")

OUTCOME_FINGERPRINT = (
    "md5(concat_ws('|', state, extract(epoch from gated_at), rows_read, rows_accepted, rows_rejected, rows_held,"
    " rows_out_of_scope, rows_duplicate))"
)
"""SQL on ops.batch: changes when a delivery is judged anew, released or refused."""


@dataclass(frozen=True)
class Measures:
    """What `refresh_indicators` computed. days: business dates written; months: month versions added or changed."""

    days: tuple[dt.date, ...]
    months: int


def refresh_indicators(settings: Settings, registry: Registry, as_of: dt.date) -> Measures:
    """Write quality.department_day for `as_of` (and for earlier days whose deliveries were judged anew) and the months.

    Run after `sweep_issues`; running it twice changes nothing.
    """
    with transaction(settings, "indicators") as conn, conn.cursor() as cursor:
        advisory_lock(conn, "creditflow.issues")
        measure_batches(cursor, registry, as_of, rule_words(settings, registry))
        refresh_produced(cursor, DECISION_KINDS, as_of)
        cursor.execute("insert into quality.day_changed values (%s) on conflict do nothing", (as_of,))
        cursor.execute("delete from quality.day_changed where as_of <= %s returning as_of", (as_of,))
        days = tuple(sorted(row[0] for row in cursor.fetchall()))
        for day in days:
            cursor.execute(_DAY, {"as_of": day})
        cursor.execute(_MONTHS, {"as_of": as_of})
        cursor.execute("select count(*) from month_change")
        row = cursor.fetchone()
        return Measures(days, int(row[0]) if row else 0)


def rule_words(settings: Settings, registry: Registry) -> dict[str, Rule]:
    """The rules in force by id; empty while there is no rule book that loads."""
    try:
        return dict(load_or_previous(settings, registry).by_id)
    except RuleBookError as problem:
        log.warning("no rule book in force: %s", problem)
        return {}


def measure_batches(cursor: Cursor, registry: Registry, as_of: dt.date, rules: dict[str, Rule]) -> None:
    """Write quality.batch_figure and quality.batch_decision for the deliveries whose outcome is new or changed.

    Part of the caller's transaction.
    """
    cursor.execute(
        f"""
        drop table if exists measured, rule_meaning;
        create temp table measured on commit drop as
        select b.batch_id, b.department, b.feed, b.kind, b.as_of, b.delivered_at, b.state, b.fingerprint,
               b.rows_read - b.rows_out_of_scope - b.rows_duplicate as rows_judged
        from (select *, {OUTCOME_FINGERPRINT} as fingerprint from ops.batch
              where state in ('accepted', 'partly_accepted', 'held', 'refused') and as_of <= %(as_of)s) b
        left join quality.batch_figure f using (batch_id)
        where f.fingerprint is distinct from b.fingerprint;
        create unique index on measured (batch_id);
        analyze measured;
        insert into quality.day_changed select distinct as_of from measured on conflict do nothing;
        create temp table rule_meaning (rule_id text primary key, completeness boolean, code_field text) on commit drop;
        """,
        {"as_of": as_of},
    )
    codes = {
        kind.name: [kind.counterparty[role] for role in CODE_ROLES if role in kind.counterparty]
        for kind in registry.kinds.values()
    }
    execute_values(
        cursor,
        "insert into rule_meaning values %s",
        [
            (rule.rule_id, rule.check_name in COMPLETENESS_CHECKS, _code_field(rule, codes.get(rule.kind, [])))
            for rule in rules.values()
        ],
        page_size=2000,
    )
    cursor.execute(_FIGURES)
    cursor.execute("select distinct kind from measured where kind = any(%s)", (list(DECISION_KINDS),))
    for (name,) in cursor.fetchall():
        if name in registry.kinds:
            _measure_decisions(cursor, registry.kinds[name], as_of)


def _code_field(rule: Rule, codes: list[str]) -> str | None:
    """The subject's code that a rule judges, if it judges one."""
    if rule.check_name not in CODE_CHECKS:
        return None
    return next((field for field in rule.fields if field in codes), None)


_FIGURES = """
delete from quality.batch_figure f
where f.batch_id in (select batch_id from measured) or not exists (select from ops.batch b where b.batch_id = f.batch_id);
with rows as (
    select m.batch_id, v.row_no,
           bool_or(v.verdict = 'flagged') as flagged,
           bool_or(v.verdict in ('rejected', 'held') and r.severity = 'reject') as invalid,
           bool_or(coalesce(w.completeness, u.rule_id ~ '-R01(F?-|$)')) as incomplete
    from measured m
    join quality.row_verdict v using (batch_id)
    cross join lateral unnest(v.rule_ids) as u(rule_id)
    join quality.rule_result r on r.batch_id = v.batch_id and r.rule_id = u.rule_id and r.severity in ('reject', 'flag')
    left join rule_meaning w on w.rule_id = u.rule_id
    where v.verdict in ('rejected', 'held', 'flagged')
    group by m.batch_id, v.row_no
), faults as (
    select batch_id, count(*) filter (where flagged) as flagged, count(*) filter (where invalid) as invalid,
           count(*) filter (where incomplete) as incomplete
    from rows group by batch_id
), checked as (
    select batch_id, sum(evaluated) as checked
    from (
        select r.batch_id, w.code_field, max(r.rows_evaluated) as evaluated
        from measured m join quality.rule_result r using (batch_id) join rule_meaning w using (rule_id)
        where w.code_field is not null
        group by r.batch_id, w.code_field
    ) c
    group by batch_id
), wrong as (
    select v.batch_id, count(distinct (v.row_no, w.code_field)) as wrong
    from measured m
    join quality.row_verdict v using (batch_id)
    cross join lateral unnest(v.rule_ids) as u(rule_id)
    join rule_meaning w on w.rule_id = u.rule_id and w.code_field is not null
    where v.verdict in ('rejected', 'held', 'flagged')
    group by v.batch_id
)
insert into quality.batch_figure
select m.batch_id, m.department, m.feed, m.kind, m.as_of, m.fingerprint, m.rows_judged, coalesce(f.flagged, 0),
       coalesce(f.incomplete, 0), coalesce(f.invalid, 0), coalesce(c.checked, 0), least(coalesce(w.wrong, 0), coalesce(c.checked, 0))
from measured m
left join faults f using (batch_id)
left join checked c using (batch_id)
left join wrong w using (batch_id);
"""


def decision_rows(kind: Kind, batches: str) -> str:
    """SQL of the decisions that deliveries brought first, one row each, with its clock.

    batches: SQL of a table with batch_id, department, feed, as_of, delivered_at. Columns: batch_id, row_no, record_key,
    decided_on, received_on, due_on, compliant.
    """
    decided = kind.decisive_date
    return f"""
        select r.batch_id, r.row_no, r.record_key, r.decided_on, r.received_on, r.compliant, day7.day as due_on
        from (
            select f.batch_id, f.row_no, f.record_key, f.compliant, ops.parse_date(f.decided) as decided_on,
                   f.version_at::date as received_on
            from (
                select distinct on (l.batch_id, l.record_key) b.batch_id, l.row_no, l.record_key, true as compliant,
                       l.{decided} as decided, l.version_at
                from {batches} b
                join landing."{kind.name}" l using (batch_id)
                where coalesce(l.op, 'I') <> 'D'
                  and not exists (
                      select from landing."{kind.name}" o join ops.batch ob on ob.batch_id = o.batch_id
                      where o.record_key = l.record_key and o.batch_id <> l.batch_id
                        and (ob.as_of, ob.delivered_at, ob.batch_id) < (b.as_of, b.delivered_at, b.batch_id)
                  )
                order by l.batch_id, l.record_key, l.version_at, l.row_no
            ) f
            union all
            select b.batch_id, v.row_no, v.record_key, false, ops.parse_date(v.payload->>'{decided}'),
                   coalesce(v.version_at, b.delivered_at)::date
            from {batches} b
            join quality.row_verdict v using (batch_id)
            where v.verdict in ('rejected', 'held')
        ) r
        left join (select * from ops.calendar_workday) day0 on day0.day = r.decided_on
        left join (select * from ops.calendar_workday where is_workday) day7
            on day7.workday_no = day0.workday_no + {WORKDAYS_TO_REPORT} and day7.span = day0.span"""


def _measure_decisions(cursor: Cursor, kind: Kind, as_of: dt.date) -> None:
    """Decisions by month of decision. Deliveries after a changed one are counted again: it may have brought theirs first."""
    cursor.execute("select to_regclass('landing.' || quote_ident(%s)) is not null", (kind.name,))
    row = cursor.fetchone()
    if not (row and row[0]):
        return
    cursor.execute(
        f"""
        drop table if exists counted;
        create temp table counted on commit drop as
        select b.batch_id, b.department, b.feed, b.as_of, b.delivered_at
        from ops.batch b
        join (select department, feed, min(as_of) as first_day from measured where kind = %(kind)s
              group by department, feed) m using (department, feed)
        where b.as_of >= m.first_day and b.as_of <= %(as_of)s and b.state in ('accepted', 'partly_accepted', 'held', 'refused');
        analyze counted;
        insert into quality.day_changed select distinct as_of from counted on conflict do nothing;
        delete from quality.batch_decision where batch_id in (select batch_id from counted);
        insert into quality.batch_decision (batch_id, month, received, compliant, timed, on_time)
        select d.batch_id, coalesce(date_trunc('month', d.decided_on)::date, '0001-01-01'), count(*),
               count(*) filter (where d.compliant),
               count(*) filter (where d.due_on is not null and d.decided_on <= d.received_on),
               count(*) filter (where d.received_on <= d.due_on and d.decided_on <= d.received_on)
        from ({decision_rows(kind, "counted")}) d
        group by 1, 2;
        """,
        {"kind": kind.name, "as_of": as_of},
    )


_DAY = """
drop table if exists day_now;
create temp table day_now on commit drop as
with batches as (
    select department, count(*) as batches, count(*) filter (where state = 'held') as batches_held, sum(rows_read) as rows_read,
           sum(rows_accepted) as rows_accepted, sum(rows_rejected) as rows_rejected, sum(rows_held) as rows_held,
           sum(rows_out_of_scope) as rows_out_of_scope, sum(rows_duplicate) as rows_duplicate
    from ops.batch where as_of = %(as_of)s and state not in ('archived', 'landed')
    group by department
), figures as (
    select department, sum(rows_judged) as judged, sum(rows_flagged) as flagged, sum(rows_incomplete) as incomplete,
           sum(rows_invalid) as invalid, sum(codes_checked) as codes_checked, sum(codes_wrong) as codes_wrong
    from quality.batch_figure where as_of = %(as_of)s
    group by department
), decisions as (
    select f.department, sum(d.received) as received, sum(d.compliant) as compliant, sum(d.timed) as timed, sum(d.on_time) as on_time
    from quality.batch_figure f join quality.batch_decision d using (batch_id)
    where f.as_of = %(as_of)s
    group by f.department
), episodes as (
    select i.department, e.issue_id, e.episode,
           min(e.on_date) filter (where e.event in ('opened', 'reopened')) as opened_on,
           min(e.due_on) filter (where e.event in ('opened', 'reopened')) as due_on,
           min(e.on_date) filter (where e.event = 'overdue') as overdue_on,
           min(e.on_date) filter (where e.event = 'corrected') as corrected_on,
           min(e.on_date) filter (where e.event = 'closed') as closed_on,
           e.episode = max(e.episode) over (partition by e.issue_id) as last
    from quality.issue_event e join quality.issue i using (issue_id)
    where e.on_date <= %(as_of)s
    group by i.department, e.issue_id, e.episode
), issues as (
    select department,
           count(*) filter (where opened_on = %(as_of)s) as opened,
           count(*) filter (where last and closed_on is null) as open,
           count(*) filter (where last and overdue_on is not null and corrected_on is null and closed_on is null) as overdue,
           count(*) filter (where due_on = %(as_of)s) as due,
           count(*) filter (where due_on = %(as_of)s and corrected_on <= due_on) as corrected,
           count(*) filter (where due_on between %(as_of)s - 29 and %(as_of)s) as due_30,
           count(*) filter (where due_on between %(as_of)s - 29 and %(as_of)s and corrected_on <= due_on) as corrected_30
    from episodes group by department
), reported as (
    select department, count(*) as due,
           count(*) filter (where least(coalesce(declared_on, 'infinity'), coalesce(records_on, 'infinity')) <= %(as_of)s) as reported
    from quality.zero_month
    where month = date_trunc('month', %(as_of)s::date - interval '1 month')
    group by department
)
select %(as_of)s::date as as_of, d.department, a.state as arrival_state,
       coalesce(b.batches, 0)::integer as batches, coalesce(b.batches_held, 0)::integer as batches_held,
       coalesce(b.rows_read, 0)::integer as rows_read, coalesce(b.rows_accepted, 0)::integer as rows_accepted,
       coalesce(b.rows_rejected, 0)::integer as rows_rejected, coalesce(b.rows_held, 0)::integer as rows_held,
       coalesce(b.rows_out_of_scope, 0)::integer as rows_out_of_scope, coalesce(b.rows_duplicate, 0)::integer as rows_duplicate,
       coalesce(f.flagged, 0)::integer as rows_flagged,
       round(1 - f.incomplete::numeric / nullif(f.judged, 0), 6) as completeness,
       round(1 - f.invalid::numeric / nullif(f.judged, 0), 6) as validity,
       round(c.on_time::numeric / nullif(c.timed, 0), 6) as timeliness,
       round(i.corrected_30::numeric / nullif(i.due_30, 0), 6) as correction,
       coalesce(r.due, 0)::integer as feeds_due, coalesce(r.reported, 0)::integer as feeds_reported,
       p.produced as decisions_produced,
       coalesce(c.received, 0)::integer as decisions_received, coalesce(c.compliant, 0)::integer as decisions_compliant,
       coalesce(c.timed, 0)::integer as decisions_timed, coalesce(c.on_time, 0)::integer as decisions_on_time,
       coalesce(f.codes_checked, 0)::integer as codes_checked, coalesce(f.codes_wrong, 0)::integer as codes_wrong,
       coalesce(i.opened, 0)::integer as issues_opened, coalesce(i.open, 0)::integer as issues_open,
       coalesce(i.overdue, 0)::integer as issues_overdue, coalesce(i.due, 0)::integer as issues_due,
       coalesce(i.corrected, 0)::integer as issues_corrected
from ops.department d
left join ops.arrival a on a.department = d.department and a.as_of = %(as_of)s
left join batches b on b.department = d.department
left join figures f on f.department = d.department
left join decisions c on c.department = d.department
left join issues i on i.department = d.department
left join reported r on r.department = d.department
left join quality.produced_month p
    on p.department = d.department and p.month = date_trunc('month', %(as_of)s::date - interval '1 month')::date;
delete from quality.department_day q
where q.as_of = %(as_of)s
  and not exists (select from day_now n where n.department = q.department and (n.*) is not distinct from (q.*));
insert into quality.department_day
select n.* from day_now n
where not exists (select from quality.department_day q where q.as_of = n.as_of and q.department = n.department);
"""

_MONTHS = """
drop table if exists month_now, month_change;
create temp table month_now on commit drop as
with span as (
    select m::date as month
    from generate_series(date_trunc('month', %(as_of)s::date) - interval '12 months', %(as_of)s::date, interval '1 month') m
), decisions as (
    select f.department, d.month, sum(d.received) as received, sum(d.compliant) as compliant, sum(d.timed) as timed,
           sum(d.on_time) as on_time
    from quality.batch_figure f join quality.batch_decision d using (batch_id)
    where d.month in (select month from span) and f.as_of <= %(as_of)s
    group by f.department, d.month
), figures as (
    select department, date_trunc('month', as_of)::date as month, sum(rows_judged) as judged, sum(rows_incomplete) as incomplete,
           sum(codes_checked) as codes_checked, sum(codes_wrong) as codes_wrong
    from quality.batch_figure
    where as_of <= %(as_of)s
    group by 1, 2
), dues as (
    select i.department, e.issue_id, e.episode, min(e.due_on) as due_on,
           min(e.on_date) filter (where e.event = 'corrected') as corrected_on
    from quality.issue_event e join quality.issue i using (issue_id)
    where e.on_date <= %(as_of)s
    group by i.department, e.issue_id, e.episode
), corrections as (
    select department, date_trunc('month', due_on)::date as month, count(*) as due,
           count(*) filter (where corrected_on <= due_on) as corrected
    from dues where due_on <= %(as_of)s
    group by 1, 2
), zeros as (
    select department, month, count(*) as due,
           count(*) filter (where coalesce(records_on, 'infinity') > %(as_of)s) as without_record,
           count(*) filter (where least(coalesce(records_on, 'infinity'), coalesce(declared_on, 'infinity')) > %(as_of)s)
               as undeclared
    from quality.zero_month
    group by 1, 2
), rates as (
    select s.month, p.department, coalesce(d.received, 0)::integer as decisions_received,
           case when m.produced > 0 then least(coalesce(d.received, 0)::numeric / m.produced, 1)
                else (z.due - z.undeclared)::numeric / nullif(z.due, 0) end as reporting_rate,
           case when m.produced > 0 then 'decisions' when z.due > 0 then 'feeds' end as reporting_basis,
           d.compliant::numeric / nullif(d.received, 0) as compliance_rate,
           d.on_time::numeric / nullif(d.timed, 0) as timeliness_rate,
           f.codes_wrong::numeric / nullif(f.codes_checked, 0) as code_error_rate,
           c.corrected::numeric / nullif(c.due, 0) as correction_rate,
           1 - f.incomplete::numeric / nullif(f.judged, 0) as completeness,
           coalesce(z.without_record, 0)::integer as zero_feeds, coalesce(z.undeclared, 0)::integer as zero_undeclared
    from span s
    cross join ops.department p
    left join decisions d on d.department = p.department and d.month = s.month
    left join figures f on f.department = p.department and f.month = s.month
    left join corrections c on c.department = p.department and c.month = s.month
    left join zeros z on z.department = p.department and z.month = s.month
    left join quality.produced_month m on m.department = p.department and m.month = s.month
), scored as (
    select r.*, (
        select round(avg(v) * 100, 2)
        from (values (reporting_rate), (compliance_rate), (timeliness_rate), (1 - code_error_rate), (correction_rate)) as x(v)
    ) as score
    from rates r
)
select month, department, decisions_received, round(reporting_rate, 6) as reporting_rate, reporting_basis,
       round(compliance_rate, 6) as compliance_rate, round(timeliness_rate, 6) as timeliness_rate,
       round(code_error_rate, 6) as code_error_rate, round(correction_rate, 6) as correction_rate,
       round(completeness, 6) as completeness, zero_feeds, zero_undeclared, score, quality.band(score) as band
from scored;

create temp table month_change on commit drop as
select n.*, coalesce(q.version, -1) as was,
       case when n.month = date_trunc('month', %(as_of)s::date) then 0 else greatest(coalesce(q.version, 0), 0) + 1 end as version
from month_now n
left join quality.department_month q on q.month = n.month and q.department = n.department and q.current
where q.month is null and n.score is not null
   or q.month is not null and (
       q.version = 0 and n.month < date_trunc('month', %(as_of)s::date)
       or (n.decisions_received, n.reporting_rate, n.reporting_basis, n.compliance_rate, n.timeliness_rate, n.code_error_rate,
           n.correction_rate, n.completeness, n.zero_feeds, n.zero_undeclared, n.score)
          is distinct from
          (q.decisions_received, q.reporting_rate, q.reporting_basis, q.compliance_rate, q.timeliness_rate, q.code_error_rate,
           q.correction_rate, q.completeness, q.zero_feeds, q.zero_undeclared, q.score));
delete from quality.department_month q using month_change n
where q.month = n.month and q.department = n.department and q.version = 0;
update quality.department_month q set current = false from month_change n
where q.month = n.month and q.department = n.department and q.current;
insert into quality.department_month
    (month, department, version, as_of, current, decisions_received, reporting_rate, reporting_basis, compliance_rate,
     timeliness_rate, code_error_rate, correction_rate, completeness, zero_feeds, zero_undeclared, score, band)
select month, department, version, %(as_of)s, true, decisions_received, reporting_rate, reporting_basis, compliance_rate,
       timeliness_rate, code_error_rate, correction_rate, completeness, zero_feeds, zero_undeclared, score, band
from month_change;
"""


def explain(figure: str, kind: str | None = None) -> str:
    """A query with the rows behind a figure, to paste into psql; parameters are written as :'as_of' and :'department'.

    figure: completeness, validity, timeliness, correction, codes or reporting. kind: permit or penalty, for timeliness.
    Raises KeyError for another word.
    """
    if figure == "timeliness":
        return _TIMELINESS_ROWS.format(kind=kind or DECISION_KINDS[0])
    return _EXPLANATIONS[figure]


_TIMELINESS_ROWS = """select l.record_key, l.batch_id, l.row_no, l.decision_date, l.version_at::date as received_on,
       ops.add_workdays(ops.parse_date(l.decision_date), 7) as due_on,
       l.version_at::date <= ops.add_workdays(ops.parse_date(l.decision_date), 7) as on_time
from landing.{kind} l join ops.batch b using (batch_id)
where b.as_of = :'as_of' and b.department = :'department'
order by l.batch_id, l.row_no"""

_VERDICT_ROWS = """select v.batch_id, v.row_no, v.verdict, v.rule_ids, v.fields
from quality.row_verdict v join ops.batch b using (batch_id)
where b.as_of = :'as_of' and b.department = :'department' and v.verdict in ('rejected', 'held', 'flagged')
order by v.batch_id, v.row_no"""

_EXPLANATIONS = {
    "completeness": _VERDICT_ROWS,
    "validity": _VERDICT_ROWS,
    "codes": _VERDICT_ROWS,
    "correction": """select i.issue_id, e.episode, i.rule_id, i.record, e.on_date as opened_on, e.due_on, c.on_date as corrected_on
from quality.issue_event e
join quality.issue i using (issue_id)
left join quality.issue_event c on c.issue_id = e.issue_id and c.episode = e.episode and c.event = 'corrected'
where i.department = :'department' and e.event in ('opened', 'reopened')
  and e.due_on between :'as_of'::date - 29 and :'as_of'
order by e.due_on, i.issue_id""",
    "reporting": """select feed, month, due_on, declared_on, records_on
from quality.zero_month
where department = :'department' and month = date_trunc('month', :'as_of'::date - interval '1 month')
order by feed""",
}
