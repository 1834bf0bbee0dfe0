"""Issues that close themselves: what is wrong, since when, until when, and what the next good delivery mended.

Promises
- An issue is a thing somebody must mend, with a stable key: department, feed, rule, record. It opens with the first
  delivery that shows the fault, and the next accepted, newer version of that record without the fault closes it,
  whichever way it came. It opens again when the fault comes back.
- State and history are computed from facts (verdicts, batches, arrivals, decisions of people) and a business date:
  never from the clock, never from the order in which batches were swept. Sweeping twice changes nothing; a rebuild
  gives the same issues.
- A correction that changes the record's own key (a wrong code put right) is known by the return row it names, or by
  document number and party; a party is never guessed from a name alone where the kind has a document number.
- A deadline in a year without a published calendar is unknown (due_on is null), and that opens an issue of its own.

What opens issues: rows that break a rule of severity reject or flag; held batches; late departments; feeds that came
steadily and fell silent; months without records and without zero declaration; incidents of a delivery (forbidden or
undeclared columns and the like; notes on how it was read are no issues); a working-day calendar that is missing for next
year.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from creditflow.ops.database import advisory_lock, transaction
from creditflow.quality.indicators import DECISION_KINDS, OUTCOME_FINGERPRINT, measure_batches, rule_words
from creditflow.quality.rulebook import Rule
from creditflow.readers.answers import BATCH_HEADING, ROW_HEADING
from creditflow.registry import Kind, Registry
from creditflow.settings import Settings

DEFAULT_DUE_DAYS = 3
"""Working days to mend a row (domain page 12 section 2)."""

CALENDAR_FROM = (11, 1)
"""Month and day from which next year's working-day calendar must be there (domain page 09 section 6)."""

LATE = "ARRIVAL-LATE"
FAILED = "ARRIVAL-FAILED"
SILENT = "ARRIVAL-SILENT"
ZERO = "ZERO-DECLARATION"
CALENDAR = "CALENDAR-YEAR"
HELD = "BATCH-HELD"

NOTES = ("INTAKE-ENCODING", "INTAKE-OCR-HEADING", "INTAKE-ANSWER-LINES")
"""Incidents that only say how a delivery was read: nobody must mend anything."""


@dataclass(frozen=True)
class SweepSummary:
    """What a sweep did. batches: newly judged deliveries it read. The counts of steps are those of business date as_of."""

    as_of: dt.date
    batches: int
    opened: int
    reopened: int
    corrected: int
    closed: int
    overdue: int
    open: int
    unknown_deadlines: int


def sweep_issues(settings: Settings, registry: Registry, as_of: dt.date) -> SweepSummary:
    """Bring the issues up to business date `as_of` in one transaction.

    Reads every judged batch up to that date whose outcome changed since it was last swept. An `as_of` before one
    already swept works as the newest one.
    """
    with transaction(settings, "issues") as conn, conn.cursor() as cursor:
        advisory_lock(conn, "creditflow.issues")
        day = _turn_clock(cursor, as_of)
        rules = rule_words(settings, registry)
        _stage_rules(cursor, rules)
        batches = _stage_touched(cursor, day)
        measure_batches(cursor, registry, day, rules)
        cursor.execute(_STAGE)
        for kind in _kinds_touched(cursor, registry):
            _stage_faulty_rows(cursor, kind)
        cursor.execute(_OPEN_ROWS)
        for kind in _kinds_touched(cursor, registry):
            _find_better_rows(cursor, kind)
        cursor.execute(_ABSENT_FROM_SNAPSHOT)
        _sight_batches(cursor, settings.timezone)
        _sight_departments(cursor, registry)
        cursor.execute(_DERIVE, {"as_of": day})
        _ask_for_calendars(cursor, day)
        cursor.execute(_DERIVE, {"as_of": day})
        cursor.execute(_REMEMBER)
        return _summary(cursor, day, batches)


def _turn_clock(cursor: Cursor, as_of: dt.date) -> dt.date:
    cursor.execute(
        "insert into quality.issue_clock as c (name, as_of) values ('issues', %s)"
        " on conflict (name) do update set as_of = greatest(c.as_of, excluded.as_of) returning as_of",
        (as_of,),
    )
    row = cursor.fetchone()
    assert row is not None
    day: dt.date = row[0]
    return day


def _stage_rules(cursor: Cursor, rules: dict[str, Rule]) -> None:
    cursor.execute(
        "create temp table rule_word (rule_id text primary key, due_days integer, fields text[]) on commit drop"
    )
    execute_values(
        cursor,
        "insert into rule_word values %s",
        [(rule.rule_id, rule.due_days, list(rule.fields)) for rule in rules.values()],
        page_size=2000,
    )


_TOUCHED = f"""
create temp table touched on commit drop as
select b.batch_id, b.department, b.feed, b.kind, b.delivery, b.state, b.as_of, b.delivered_at, b.fingerprint
from (
    select *, {OUTCOME_FINGERPRINT} as fingerprint
    from ops.batch
    where state in ('accepted', 'partly_accepted', 'held', 'refused') and as_of <= %(as_of)s
) b
left join quality.issue_sweep s using (batch_id)
where s.fingerprint is distinct from b.fingerprint;
create unique index on touched (batch_id);

create temp table affected (issue_id uuid primary key) on commit drop;
insert into affected
select distinct issue_id from quality.issue_sighting
where row_no > 0 and (batch_id in (select batch_id from touched)
                      or not exists (select from ops.batch b where b.batch_id = issue_sighting.batch_id));
delete from quality.issue_sighting
where row_no > 0 and (batch_id in (select batch_id from touched)
                      or not exists (select from ops.batch b where b.batch_id = issue_sighting.batch_id));
delete from quality.issue_sweep s where not exists (select from ops.batch b where b.batch_id = s.batch_id);
analyze touched;
"""

_STAGE = """
create temp table faulty (
    issue_id uuid, batch_id text, row_no integer, department text, feed text, kind text, rule_id text, record text,
    record_key uuid, severity text, fields text[], on_date date, known_at timestamptz, version_at timestamptz,
    version_seq bigint, document text, party text, codes text[], decided text, document_suspect boolean
) on commit drop;
-- Where a better version may lie: the touched deliveries of a feed, and those delivered after the first of them.
create temp table look on commit drop as
select b.batch_id, b.department, b.feed, b.kind, b.delivery, b.state, b.as_of, b.delivered_at
from ops.batch b
join (select department, feed, min(delivered_at) as since from touched group by department, feed) t using (department, feed)
where b.delivered_at >= t.since and b.state in ('accepted', 'partly_accepted', 'held', 'refused')
  and b.as_of <= (select as_of from quality.issue_clock);
create unique index on look (batch_id);
analyze look;
"""


def _stage_touched(cursor: Cursor, day: dt.date) -> int:
    cursor.execute(_TOUCHED, {"as_of": day})
    cursor.execute("select count(*) from touched")
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def _kinds_touched(cursor: Cursor, registry: Registry) -> list[Kind]:
    cursor.execute("select distinct kind from touched order by kind")
    return [registry.kinds[name] for (name,) in cursor.fetchall() if name in registry.kinds]


def issue_id_sql(department: str, feed: str, rule: str, record: str) -> str:
    """SQL of an issue's id from the SQL of its four parts."""
    text = f"concat_ws(e'\\x1f', {department}, {feed}, {rule}, {record})"
    return f"encode(substring(sha256(convert_to({text}, 'UTF8')) from 1 for 16), 'hex')::uuid"


@dataclass(frozen=True)
class _Parts:
    """The columns by which a row of a kind is known again, as SQL on an alias with text columns or on a payload."""

    document: str | None
    name: str | None
    codes: tuple[str, ...]
    decided: str | None

    @classmethod
    def of(cls, kind: Kind) -> _Parts:
        roles = kind.counterparty
        return cls(
            next((column.name for column in kind.columns if column.type == "document_no"), None),
            roles.get("name"),
            tuple(roles[role] for role in ("uscc", "org_code", "reg_no", "tax_no") if role in roles),
            kind.decisive_date,
        )

    def sql(self, value: str) -> dict[str, str]:
        """SQL of document, party, codes and decisive date; `value` is a template with {} for the column."""

        def one(column: str | None) -> str:
            return f"nullif(btrim({value.format(column)}), '')" if column else "null::text"

        codes = ", ".join(one(column) for column in self.codes)
        return {
            "document": one(self.document),
            "party": one(self.name),
            "codes": f"array_remove(array[{codes}]::text[], null)",
            "decided": one(self.decided),
        }


def _stage_faulty_rows(cursor: Cursor, kind: Kind) -> None:
    """Every faulty row of the touched deliveries of a kind, with what it takes to know it again."""
    parts = _Parts.of(kind)
    told = parts.sql("v.payload->>'{}'")
    cursor.execute(
        f"""
        insert into faulty
        select {issue_id_sql("t.department", "t.feed", "u.rule_id", "coalesce(v.record_key::text, v.batch_id || '#' || v.row_no)")},
               v.batch_id, v.row_no, t.department, t.feed, t.kind, u.rule_id,
               coalesce(v.record_key::text, v.batch_id || '#' || v.row_no), v.record_key,
               r.severity, coalesce(w.fields, v.fields),
               t.as_of, t.delivered_at, coalesce(v.version_at, t.delivered_at), coalesce(v.version_seq, v.row_no),
               {told["document"]}, {told["party"]}, {told["codes"]}, {told["decided"]},
               {told["document"]} is null or %(document)s = any(coalesce(w.fields, v.fields))
        from touched t
        join quality.row_verdict v using (batch_id)
        cross join lateral unnest(v.rule_ids) as u(rule_id)
        join quality.rule_result r on r.batch_id = v.batch_id and r.rule_id = u.rule_id and r.severity in ('reject', 'flag')
        left join rule_word w on w.rule_id = u.rule_id
        where t.kind = %(kind)s and v.verdict in ('rejected', 'held', 'flagged') and coalesce(w.due_days, 1) > 0
        """,
        {"kind": kind.name, "document": parts.document},
    )


_OPEN_ROWS = """
create index on faulty (issue_id);
analyze faulty;
insert into quality.issue_sighting
    (issue_id, batch_id, row_no, seen, on_date, known_at, version_at, version_seq, document, party, codes, decided,
     document_suspect)
select distinct on (issue_id, batch_id, row_no)
    issue_id, batch_id, row_no, 'fault', on_date, known_at, version_at, version_seq, document, party, codes, decided,
    document_suspect
from faulty
order by issue_id, batch_id, row_no
on conflict do nothing;
insert into affected select distinct issue_id from faulty on conflict do nothing;

-- Issues of the touched feeds that a better version could close, each with the faults it was seen with.
create temp table wanted on commit drop as
with live as (
    select f.issue_id, f.department, f.feed, f.kind, f.rule_id, f.severity, f.record_key from (
        select distinct on (issue_id) * from faulty order by issue_id, known_at desc, batch_id desc, row_no desc
    ) f
    union
    select i.issue_id, i.department, i.feed, i.kind, i.rule_id, i.severity, i.record_key
    from quality.issue i
    join (select department, feed, min(as_of) as since from touched group by department, feed) t using (department, feed)
    where i.scope = 'row'
      and (i.state <> 'closed' or i.closed_on >= t.since or i.issue_id in (select issue_id from affected))
      and i.issue_id not in (select issue_id from faulty)
)
select l.*, s.batch_id, s.row_no, s.known_at, s.version_at, s.version_seq, s.document, s.party, s.codes, s.decided,
       s.document_suspect, s.party like '%*%' as party_masked
from live l
join quality.issue_sighting s on s.issue_id = l.issue_id and s.seen = 'fault';
create index on wanted (kind, record_key);
analyze wanted;
"""

_NEWER = "(c.version_at, c.version_seq) > (w.version_at, w.version_seq) and (c.batch_id <> w.batch_id or c.version_at > w.version_at)"
_SAME_PARTY = (
    "(w.party is null or w.party = c.party or w.codes && c.codes"
    " or (w.party_masked and left(w.party, 1) = left(c.party, 1) and char_length(w.party) = char_length(c.party)))"
)


def _find_better_rows(cursor: Cursor, kind: Kind) -> None:
    """Newer rows of the records that issues are about: accepted ones, and such as still wait with another fault."""
    cursor.execute("select exists (select from wanted where kind = %s)", (kind.name,))
    row = cursor.fetchone()
    if not (row and row[0]):
        return
    parts = _Parts.of(kind)
    _stage_candidates(cursor, kind, parts)
    matches = ["w.record_key = c.record_key"]
    if parts.document:
        matches.append(f"w.document = c.document and w.record_key is distinct from c.record_key and {_SAME_PARTY}")
    if parts.name and parts.document:
        matches.append("w.party = c.party and not w.party_masked and w.document_suspect and w.decided = c.decided")
    elif parts.name:
        matches.append("w.party = c.party and not w.party_masked")
    matches.append("w.batch_id = c.answers_batch and w.row_no = c.answers_row")
    for match in matches:
        cursor.execute(
            f"""
            insert into quality.issue_sighting (issue_id, batch_id, row_no, seen, on_date, known_at, version_at, version_seq)
            select distinct w.issue_id, c.batch_id, c.row_no, c.seen, c.as_of, c.delivered_at, c.version_at, c.version_seq
            from (select * from wanted where kind = %(kind)s) w
            join candidate c on c.department = w.department and c.feed = w.feed and {match}
            where not w.rule_id = any(c.rule_ids) and {_NEWER}
              and (c.verdict is distinct from 'duplicate' or w.severity = 'reject')
            on conflict do nothing
            """,
            {"kind": kind.name},
        )
    cursor.execute("drop table candidate")
    cursor.execute(
        "insert into affected select distinct issue_id from wanted where kind = %s on conflict do nothing", (kind.name,)
    )


def _answers(extra: str) -> tuple[str, str]:
    """SQL of batch and row that a row answers, when it came back in a return workbook."""
    number = f"{extra}->>'{ROW_HEADING}'"
    return (
        f"{extra}->>'{BATCH_HEADING}'",
        f"case when {number} ~ '^[0-9]+$' and length({number}) < 10 then ({number})::integer end",
    )


def _stage_candidates(cursor: Cursor, kind: Kind, parts: _Parts) -> None:
    """Rows that may be the better version: of the wanted records anywhere, of the same documents or parties in `look`."""
    landed, told = parts.sql("l.{}"), parts.sql("v.payload->>'{}'")
    (landed_batch, landed_row), (told_batch, told_row) = _answers("l.extra"), _answers("(v.payload->'extra')")
    parameters = {"kind": kind.name}
    cursor.execute(
        f"""
        create temp table candidate on commit drop as
        select v.batch_id, v.row_no, k.department, k.feed, v.record_key,
               case when v.verdict in ('duplicate', 'out_of_scope') then 'good' else 'other' end as seen, v.verdict,
               v.rule_ids, k.as_of, k.delivered_at, coalesce(v.version_at, k.delivered_at) as version_at,
               coalesce(v.version_seq, v.row_no) as version_seq, {told["document"]} as document, {told["party"]} as party,
               {told["codes"]} as codes, {told["decided"]} as decided,
               {told_batch} as answers_batch, {told_row} as answers_row
        from look k
        join quality.row_verdict v using (batch_id)
        where k.kind = %(kind)s and v.verdict <> 'flagged'
        """,
        parameters,
    )
    cursor.execute("select to_regclass('landing.' || quote_ident(%(kind)s)) is not null", parameters)
    row = cursor.fetchone()
    if row and row[0]:
        columns = f"""
            l.batch_id, l.row_no, l.department, l.feed, l.record_key, 'good', null, coalesce(l.flags, '{{}}'), b.as_of,
            b.delivered_at, l.version_at, l.version_seq, {landed["document"]}, {landed["party"]}, {landed["codes"]},
            {landed["decided"]}, {landed_batch}, {landed_row}"""
        cursor.execute(
            f"""
            insert into candidate
            select {columns}
            from (select distinct record_key from wanted where kind = %(kind)s) w
            join landing."{kind.name}" l using (record_key)
            join ops.batch b on b.batch_id = l.batch_id and b.as_of <= (select as_of from quality.issue_clock);
            insert into candidate
            select {columns}
            from look b
            join landing."{kind.name}" l using (batch_id)
            where b.kind = %(kind)s
              and ({landed["document"]} in (select document from wanted where kind = %(kind)s)
                   or {landed["party"]} in (select party from wanted where kind = %(kind)s and document_suspect)
                   or l.extra ? '{BATCH_HEADING}');
            """,
            parameters,
        )
    cursor.execute("create index on candidate (record_key); analyze candidate")


_ABSENT_FROM_SNAPSHOT = """
-- A complete, accepted snapshot that no longer holds the record says that it ended.
insert into quality.issue_sighting (issue_id, batch_id, row_no, seen, on_date, known_at, version_at, version_seq)
select w.issue_id, k.batch_id, 2147483647, 'good', k.as_of, k.delivered_at, k.delivered_at, 9223372036854775807
from (
    select issue_id, department, feed, max(known_at) as known_at from wanted group by issue_id, department, feed
) w
join look k on k.department = w.department and k.feed = w.feed
    and k.delivery = 'full_snapshot' and k.state in ('accepted', 'partly_accepted') and k.delivered_at > w.known_at
where not exists (select from quality.issue_sighting s where s.issue_id = w.issue_id and s.batch_id = k.batch_id)
on conflict do nothing;
"""

_BATCH_FACTS = f"""
-- Deliveries that were held (also when a person released them since), by the rules that held them.
create temp table batch_fault on commit drop as
with held as (
    select b.batch_id, b.department, b.feed, b.kind, b.as_of, b.delivered_at, b.state, b.reasons
    from ops.batch b
    where (b.department, b.feed) in (select department, feed from touched)
      and b.as_of <= (select as_of from quality.issue_clock)
      and (b.state in ('held', 'refused')
           or b.batch_id in (select batch_id from ops.event where batch_id is not null and event_type = 'gate_release'))
), named as (
    select h.*, coalesce(
        nullif(array(
            select r.rule_id from quality.rule_result r
            where r.batch_id = h.batch_id and r.severity = 'hold' and r.rows_failed > 0 order by r.rule_id
        ), '{{}}'),
        array['{HELD}']
    ) as rule_ids
    from held h
)
select n.batch_id, n.department, n.feed, n.kind, n.as_of, n.delivered_at, u.rule_id, 'hold' as severity,
       case when n.state in ('held', 'refused') then n.reasons->0->>'zh' end as zh,
       case when n.state in ('held', 'refused') then n.reasons->0->>'en' end as en
from named n cross join lateral unnest(n.rule_ids) as u(rule_id)
union all
select b.batch_id, b.department, b.feed, b.kind, b.as_of, b.delivered_at, i.rule_id, 'incident', min(i.message_zh), min(i.message_en)
from quality.incident i
join ops.batch b on b.batch_id = i.batch_id
where (b.department, b.feed) in (select department, feed from touched)
  and b.as_of <= (select as_of from quality.issue_clock) and i.rule_id <> all(%(notes)s)
group by b.batch_id, b.department, b.feed, b.kind, b.as_of, b.delivered_at, i.rule_id;

create temp table batch_sighting on commit drop as
select {issue_id_sql("f.department", "f.feed", "f.rule_id", "''")} as issue_id, f.batch_id, 'fault' as seen, f.as_of as on_date,
       f.delivered_at, f.department, f.feed, f.kind, f.rule_id, f.severity, f.zh, f.en, f.batch_id as of_batch
from batch_fault f;
-- Mended by the next accepted delivery without it ...
insert into batch_sighting
select s.issue_id, n.batch_id, 'good', n.as_of, n.delivered_at, s.department, s.feed, s.kind, s.rule_id, s.severity, '', '', null
from batch_sighting s
cross join lateral (
    select b.batch_id, b.as_of, b.delivered_at
    from ops.batch b
    where b.department = s.department and b.feed = s.feed and b.delivered_at > s.delivered_at
      and b.state in ('accepted', 'partly_accepted') and b.as_of <= (select as_of from quality.issue_clock)
      and not exists (select from batch_fault f where f.batch_id = b.batch_id and f.rule_id = s.rule_id)
    order by b.delivered_at, b.batch_id limit 1
) n
where s.seen = 'fault';
-- ... or by a person's release, on the day it was given (a clock ahead of business time does not count).
insert into batch_sighting
select s.issue_id, s.batch_id, 'good',
       coalesce(
           (select min(o.on_date) from quality.issue_sighting o
            where o.issue_id = s.issue_id and o.batch_id = s.batch_id and o.seen = 'good' and o.row_no = 0),
           greatest(s.on_date, least((select as_of from quality.issue_clock), min((e.decided_at at time zone %(timezone)s)::date)))),
       s.delivered_at, s.department, s.feed, s.kind, s.rule_id, s.severity, '', '', null
from batch_sighting s
join ops.batch b on b.batch_id = s.batch_id and b.state in ('accepted', 'partly_accepted')
join ops.event e on e.batch_id = s.batch_id and e.event_type = 'gate_release'
where s.seen = 'fault' and s.severity = 'hold'
group by s.issue_id, s.batch_id, s.on_date, s.delivered_at, s.department, s.feed, s.kind, s.rule_id, s.severity;

insert into affected
select issue_id from quality.issue
where scope = 'batch' and (department, feed) in (select department, feed from touched)
union select issue_id from batch_sighting
on conflict do nothing;
delete from quality.issue_sighting s
using quality.issue i
where i.issue_id = s.issue_id and i.scope = 'batch' and (i.department, i.feed) in (select department, feed from touched);
insert into quality.issue_sighting (issue_id, batch_id, row_no, seen, on_date, known_at, version_at, version_seq)
select distinct issue_id, batch_id, 0, seen, on_date, delivered_at, delivered_at, 0 from batch_sighting
on conflict do nothing;
"""


def _sight_batches(cursor: Cursor, timezone: str) -> None:
    cursor.execute(_BATCH_FACTS, {"timezone": timezone, "notes": list(NOTES)})


_DEPARTMENT_FACTS = f"""
-- Nights in which a department was late or its intake failed, and the next night in which it came or had nothing.
create temp table department_fault on commit drop as
select a.as_of as on_date, a.department, case a.state when 'late' then '{LATE}' else '{FAILED}' end as rule_id,
       ''::text as feed, ''::text as record, 'late'::text as severity,
       coalesce(nullif(a.detail_zh, ''), case a.state when 'late' then '应到未到' else '接入失败' end) as zh,
       coalesce(nullif(a.detail_en, ''), case a.state when 'late' then 'due, but did not arrive' else 'intake failed' end) as en
from ops.arrival a
where a.state in ('late', 'failed') and a.as_of <= (select as_of from quality.issue_clock);
create temp table department_good on commit drop as
select n.on_date, f.department, f.rule_id, f.feed, f.record, f.severity
from department_fault f
cross join lateral (
    select a.as_of as on_date from ops.arrival a
    where a.department = f.department and a.as_of > f.on_date and a.as_of <= (select as_of from quality.issue_clock)
      and case f.rule_id when '{LATE}' then a.state = 'arrived' else a.state in ('arrived', 'nothing_new') end
    order by a.as_of limit 1
) n;

-- Feeds that came steadily (five gaps known) and bring nothing for more than twice the longest of their last ten gaps, in
-- working days; the next delivery ends it. A year without a published calendar says nothing.
create temp table feed_silence on commit drop as
with came as (
    select b.department, b.feed, b.as_of as day, c.span, c.workday_no, lead(b.as_of) over feed as next_day,
           c.workday_no - lag(c.workday_no) over feed as gap
    from (select distinct department, feed, as_of from ops.batch where as_of <= (select as_of from quality.issue_clock)) b
    join ops.department d on d.department = b.department and not d.external
    join ops.calendar_workday c on c.day = b.as_of
    window feed as (partition by b.department, b.feed order by b.as_of)
), steady as (
    select *, greatest(max(gap) over lately, 1) as longest, count(gap) over lately as gaps
    from came
    window lately as (partition by department, feed order by day rows between 9 preceding and current row)
)
select u.department, u.feed, s.day as on_date, u.next_day, u.longest, 2 * u.longest + 1 as silent_days
from steady u
join ops.calendar_workday s on s.span = u.span and s.is_workday and s.workday_no = u.workday_no + 2 * u.longest + 1
where u.gaps >= 5 and s.day < coalesce(u.next_day, (select as_of + 1 from quality.issue_clock));
insert into department_fault
select on_date, department, '{SILENT}', feed, '', 'late',
       format('连续 %s 个工作日没有新数据，往常最多间隔 %s 个工作日', silent_days, longest),
       format('nothing new for %s working days; so far at most %s lay between deliveries', silent_days, longest)
from feed_silence;
insert into department_good
select next_day, department, '{SILENT}', feed, '', 'late' from feed_silence where next_day is not null;

-- Incidents of no delivery in particular: over in the next night without them.
insert into department_fault
select i.as_of, coalesce(i.department, ''), i.rule_id, coalesce(i.feed, ''), '', 'incident', min(i.message_zh), min(i.message_en)
from quality.incident i
where i.batch_id is null and i.rule_id <> '{CALENDAR}' and i.as_of <= (select as_of from quality.issue_clock)
group by i.as_of, i.department, i.rule_id, i.feed;
insert into department_good
select n.on_date, f.department, f.rule_id, f.feed, f.record, f.severity
from department_fault f
cross join lateral (
    select min(a.as_of) as on_date from ops.arrival a
    where a.as_of > f.on_date and a.as_of <= (select as_of from quality.issue_clock)
      and (f.department = '' or a.department = f.department)
      and not exists (select from department_fault g where g.on_date = a.as_of and g.department = f.department
                        and g.feed = f.feed and g.rule_id = f.rule_id)
) n
where f.severity = 'incident' and n.on_date is not null;

-- Months without a record and without a zero declaration: a fault on the day after the declaration was due.
insert into department_fault
select greatest(z.due_on + 1, first.as_of), z.department, '{ZERO}', z.feed, to_char(z.month, 'YYYY-MM'), 'late',
       to_char(z.month, 'YYYY年MM月') || '无记录且未零报送', 'no record and no zero declaration for ' || to_char(z.month, 'YYYY-MM')
from quality.zero_month z
cross join (select min(as_of) as as_of from ops.batch) first
where z.due_on < (select as_of from quality.issue_clock)
  and coalesce(least(z.declared_on, z.records_on), 'infinity') > greatest(z.due_on, first.as_of);
insert into department_good
select greatest(least(z.declared_on, z.records_on), f.on_date), f.department, f.rule_id, f.feed, f.record, f.severity
from department_fault f
join quality.zero_month z on z.department = f.department and z.feed = f.feed and to_char(z.month, 'YYYY-MM') = f.record
where f.rule_id = '{ZERO}' and least(z.declared_on, z.records_on) <= (select as_of from quality.issue_clock);

create temp table department_sighting on commit drop as
select distinct on (issue_id, seen, on_date) * from (
    select {issue_id_sql("department", "feed", "rule_id", "record")} as issue_id, 'fault' as seen, on_date, department, feed,
           rule_id, record, severity, zh, en
    from department_fault
    union all
    select {issue_id_sql("department", "feed", "rule_id", "record")}, 'good', on_date, department, feed, rule_id, record,
           severity, '', ''
    from department_good
) s
order by issue_id, seen, on_date, zh;
insert into affected
select issue_id from quality.issue where scope in ('department', 'city') and rule_id <> '{CALENDAR}'
union select issue_id from department_sighting
on conflict do nothing;
delete from quality.issue_sighting where batch_id = '' and issue_id in (
    select issue_id from quality.issue where scope in ('department', 'city') and rule_id <> '{CALENDAR}'
);
insert into quality.issue_sighting (issue_id, batch_id, row_no, seen, on_date, known_at, version_at, version_seq)
select issue_id, '', 0, seen, on_date, on_date::timestamptz, on_date::timestamptz, 0 from department_sighting
on conflict do nothing;
"""

_ZERO_MONTHS = """
insert into quality.zero_month as z (department, feed, month, due_on, declared_on, records_on)
select n.department, n.feed, n.month, null, n.declared_on, n.records_on
from zero_now n
on conflict (department, feed, month) do update
set declared_on = excluded.declared_on, records_on = excluded.records_on
where (z.declared_on, z.records_on) is distinct from (excluded.declared_on, excluded.records_on);
update quality.zero_month z
set due_on = d.due_on
from (
    select month, ops.add_workdays((month + interval '1 month' - interval '1 day')::date, 3) as due_on
    from (select distinct month from quality.zero_month where due_on is null) m
) d
where z.month = d.month and z.due_on is distinct from d.due_on;
"""


def _sight_departments(cursor: Cursor, registry: Registry) -> None:
    _zero_months(cursor, [kind for kind in DECISION_KINDS if kind in registry.kinds])
    cursor.execute(_DEPARTMENT_FACTS)


def _zero_months(cursor: Cursor, kinds: Iterable[str]) -> None:
    """Which feeds of permits and penalties have which closed months without records (domain page 01 section 9).

    Counted from the first whole month of which the city has decisions, at most a year before the first night: nobody
    owes declarations for the time before.
    """
    cursor.execute(
        "create temp table month_seen (department text, feed text, month date, on_date date) on commit drop;"
        " create temp table declared (department text, kind text, month date, on_date date) on commit drop"
    )
    cursor.execute(
        "insert into month_seen select department, feed, month, min(as_of) from quality.batch_decision"
        " join quality.batch_figure using (batch_id) where month > '0001-01-01' and received > 0"
        " and as_of <= (select as_of from quality.issue_clock) group by 1, 2, 3"
    )
    cursor.execute("select to_regclass('landing.zero_declaration') is not null")
    row = cursor.fetchone()
    if row and row[0]:
        cursor.execute(
            "insert into declared select l.department, l.declared_kind, to_date(l.period, 'YYYY-MM'), min(b.as_of)"
            " from landing.zero_declaration l join ops.batch b using (batch_id)"
            " where l.period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$' and b.as_of <= (select as_of from quality.issue_clock)"
            " group by 1, 2, 3"
        )
    cursor.execute(
        """
        create temp table zero_now on commit drop as
        with city as (
            select greatest(date_trunc('month', min(month) + interval '1 month'),
                            (select date_trunc('month', min(as_of)) - interval '1 year' from ops.batch))::date as first
            from month_seen
            having count(*) > 0
        ), months as (
            select f.department, f.feed, f.kind, m.month::date as month
            from ops.feed f
            join ops.department d using (department)
            cross join city
            cross join lateral generate_series(
                city.first, (select as_of from quality.issue_clock) - interval '1 month', interval '1 month') as m(month)
            where not d.external and f.kind = any(%(kinds)s)
              and date_trunc('month', (select as_of from quality.issue_clock)) > m.month
              and exists (select from ops.arrival a where a.department = f.department
                          union all select from ops.batch b where b.department = f.department)
        )
        select m.department, m.feed, m.month, min(d.on_date) as declared_on, min(s.on_date) as records_on
        from months m
        left join declared d on d.department = m.department and d.month = m.month and d.kind in (m.kind, m.feed)
        left join month_seen s on s.department = m.department and s.feed = m.feed and s.month = m.month
        group by m.department, m.feed, m.month
        """,
        {"kinds": list(kinds)},
    )
    cursor.execute(
        "delete from quality.zero_month z where not exists (select from zero_now n"
        " where (n.department, n.feed, n.month) = (z.department, z.feed, z.month))"
    )
    cursor.execute(_ZERO_MONTHS)


_DERIVE = f"""
drop table if exists walk, episode;
insert into affected select issue_id from quality.issue where state <> 'closed' on conflict do nothing;
insert into affected
select distinct s.issue_id
from quality.issue_sighting s
join quality.return_file r on r.batch_id = s.batch_id and s.seen = 'fault'
join quality.issue i on i.issue_id = s.issue_id
where i.returned_on is null or r.as_of < i.returned_on
on conflict do nothing;

-- The facts of each affected issue in the order in which they became known; what was known before the first fault, but
-- is newer, counts as known with it.
create temp table walk on commit drop as
with facts as (
    select s.*, s.seen = 'fault' as is_fault,
           first_value(s.on_date) over first_fault as fault_on, first_value(s.known_at) over first_fault as fault_at,
           first_value(s.batch_id) over first_fault as fault_batch, first_value(s.row_no) over first_fault as fault_row
    from quality.issue_sighting s
    join affected using (issue_id)
    window first_fault as (partition by s.issue_id order by s.seen <> 'fault', s.on_date, s.known_at, s.batch_id, s.row_no)
), placed as (
    select f.*, (on_date, known_at, batch_id, row_no) < (fault_on, fault_at, fault_batch, fault_row) as early
    from facts f
), ranked as (
    select p.*, greatest(on_date, fault_on) as counts_on,
           row_number() over (partition by issue_id order by
               version_at, version_seq, on_date, known_at, batch_id, not is_fault, row_no) as version,
           row_number() over (partition by issue_id order by
               greatest(on_date, fault_on), case when early then fault_at else known_at end,
               case when early then fault_batch else batch_id end, case when early then fault_row else row_no end,
               early, not is_fault, version_at, version_seq) as place
    from placed p
), newest as (
    select r.*, max(version * 4 + case seen when 'fault' then 0 when 'other' then 1 else 2 end)
                    over (partition by issue_id order by place) %% 4 as standing
    from ranked r
), turns as (
    select n.*, lag(standing) over (partition by issue_id order by place) as before from newest n
)
select t.*, count(*) filter (where standing = 0 and before is distinct from 0)
                over (partition by issue_id order by place) as episode
from turns t;

create temp table episode on commit drop as
with spans as (
    select issue_id, episode::integer as episode,
           min(counts_on) as opened_on,
           (array_agg(batch_id order by place))[1] as opened_batch, (array_agg(row_no order by place))[1] as opened_row,
           (array_agg(batch_id order by place desc) filter (where is_fault))[1] as fault_batch,
           (array_agg(row_no order by place desc) filter (where is_fault))[1] as fault_row,
           min(counts_on) filter (where standing > 0) as corrected_on,
           (array_agg(batch_id order by place) filter (where standing > 0))[1] as corrected_batch,
           (array_agg(row_no order by place) filter (where standing > 0))[1] as corrected_row,
           min(counts_on) filter (where standing = 2) as closed_on,
           (array_agg(batch_id order by place) filter (where standing = 2))[1] as closed_batch,
           (array_agg(row_no order by place) filter (where standing = 2))[1] as closed_row,
           array_agg(distinct batch_id) filter (where is_fault) as fault_batches
    from walk
    where episode > 0
    group by issue_id, episode
), returned as (
    select s.issue_id, s.episode, min(r.as_of) as returned_on
    from spans s
    cross join lateral unnest(s.fault_batches) as f(batch_id)
    join quality.return_file r using (batch_id)
    group by s.issue_id, s.episode
), deadlines as (
    select opened_on, days, ops.add_workdays(opened_on, days) as due_on
    from (
        select distinct s.opened_on, coalesce(w.due_days, {DEFAULT_DUE_DAYS}) as days
        from spans s
        join about a using (issue_id)
        left join rule_word w using (rule_id)
    ) d
)
select s.*, d.due_on, case when r.returned_on is not null then greatest(r.returned_on, s.opened_on) end as returned_on,
       case when coalesce(s.corrected_on, 'infinity') > d.due_on and d.due_on < %(as_of)s then d.due_on + 1 end as overdue_on
from spans s
join about a using (issue_id)
left join rule_word w using (rule_id)
left join deadlines d on d.opened_on = s.opened_on and d.days = coalesce(w.due_days, {DEFAULT_DUE_DAYS})
left join returned r on r.issue_id = s.issue_id and r.episode = s.episode;
analyze episode;

create temp table step on commit drop as
select issue_id, episode, case episode when 1 then 'opened' else 'reopened' end as event, opened_on as on_date,
       due_on, nullif(opened_batch, '') as batch_id, nullif(opened_row, 0) as row_no from episode
union all
select issue_id, episode, 'returned', returned_on, null::date, nullif(fault_batch, ''), null
from episode where returned_on is not null
union all select issue_id, episode, 'overdue', overdue_on, null, null, null from episode where overdue_on is not null
union all
select issue_id, episode, 'corrected', corrected_on, null, nullif(corrected_batch, ''), nullif(nullif(corrected_row, 0), 2147483647)
from episode where corrected_on is not null
union all
select issue_id, episode, 'closed', closed_on, null, nullif(closed_batch, ''), nullif(nullif(closed_row, 0), 2147483647)
from episode where closed_on is not null;
delete from quality.issue_event e
where e.issue_id in (select issue_id from affected)
  and not exists (
      select from step s where (s.issue_id, s.episode, s.event, s.on_date) = (e.issue_id, e.episode, e.event, e.on_date)
        and (s.due_on, s.batch_id, s.row_no) is not distinct from (e.due_on, e.batch_id, e.row_no)
  );
insert into quality.issue_event (issue_id, episode, event, on_date, due_on, batch_id, row_no)
select issue_id, episode, event, on_date, due_on, batch_id, row_no from step
on conflict do nothing;
drop table step;

create temp table issue_now on commit drop as
select distinct on (e.issue_id)
    e.issue_id, a.scope, a.department, a.feed, a.kind, a.rule_id, a.record, a.record_key, a.severity, a.fields,
    nullif(e.fault_batch, '') as batch_id, nullif(e.fault_row, 0) as row_no,
    case when e.closed_on is not null then 'closed' when e.corrected_on is not null then 'corrected'
         when e.overdue_on is not null then 'overdue' when e.returned_on is not null then 'returned' else 'open' end as state,
    e.episode, min(e.opened_on) over (partition by e.issue_id) as first_opened_on, e.opened_on, e.due_on, e.returned_on,
    e.corrected_on, e.overdue_on, e.closed_on, nullif(e.closed_batch, '') as closed_by_batch,
    nullif(nullif(e.closed_row, 0), 2147483647) as closed_by_row, a.message_zh, a.message_en
from episode e
join about a using (issue_id)
order by e.issue_id, e.episode desc;
create unique index on issue_now (issue_id);
delete from quality.issue i
where i.issue_id in (select issue_id from affected) and i.issue_id not in (select issue_id from issue_now);
delete from quality.issue_sighting
where issue_id in (select issue_id from affected) and issue_id not in (select issue_id from issue_now);
update quality.issue i
set severity = n.severity, fields = n.fields, batch_id = n.batch_id, row_no = n.row_no, state = n.state, episode = n.episode,
    first_opened_on = n.first_opened_on, opened_on = n.opened_on, due_on = n.due_on, returned_on = n.returned_on,
    corrected_on = n.corrected_on, overdue_on = n.overdue_on, closed_on = n.closed_on, closed_by_batch = n.closed_by_batch,
    closed_by_row = n.closed_by_row, message_zh = n.message_zh, message_en = n.message_en
from issue_now n
where n.issue_id = i.issue_id and (i.*) is distinct from (n.*);
insert into quality.issue
select n.* from issue_now n where not exists (select from quality.issue i where i.issue_id = n.issue_id);
drop table issue_now;
"""

_ABOUT = """
-- Who and what each affected issue is about: as just seen, else as known.
create temp table about on commit drop as
select distinct on (issue_id) * from (
    select issue_id, 'row' as scope, department, feed, kind, rule_id, record, record_key, severity, fields,
           '' as message_zh, '' as message_en, 0 as known
    from (select distinct on (issue_id) * from faulty order by issue_id, known_at desc, batch_id desc, row_no desc) f
    union all
    select b.issue_id, 'batch', b.department, b.feed, b.kind, b.rule_id, '', null, b.severity, '{}',
           coalesce(b.zh, i.message_zh, ''), coalesce(b.en, i.message_en, ''), 0
    from (select distinct on (issue_id) * from batch_sighting where seen = 'fault'
          order by issue_id, delivered_at desc, batch_id desc, severity) b
    left join quality.issue i using (issue_id)
    union all
    select issue_id, case when department = '' then 'city' else 'department' end, department, feed, null, rule_id, record,
           null, severity, '{}', zh, en, 0
    from (select distinct on (issue_id) * from department_sighting where seen = 'fault' order by issue_id, on_date desc) d
    union all
    select issue_id, scope, department, feed, kind, rule_id, record, record_key, severity, fields, message_zh, message_en, 1
    from quality.issue
) a
order by issue_id, known;
create unique index on about (issue_id);
analyze about;
"""
_DERIVE = _ABOUT.replace("create temp table about", "drop table if exists about;\ncreate temp table about") + _DERIVE


def _ask_for_calendars(cursor: Cursor, day: dt.date) -> None:
    """Say loudly which year's calendar is missing: for a deadline that is unknown, or from November for next year."""
    cursor.execute(
        """
        create temp table year_missing on commit drop as
        select year, min(on_date) as on_date from (
            select (select min(extract(year from y.day))::integer
                    from generate_series(e.opened_on, e.opened_on + 366, interval '1 day') as y(day)
                    where not exists (select from ops.calendar c where c.day = y.day::date)) as year,
                   e.opened_on as on_date
            from (select distinct opened_on from episode where due_on is null) e
            union all
            select extract(year from b.as_of)::integer + 1, min(b.as_of)
            from (select distinct as_of from ops.batch union select distinct as_of from ops.arrival) b
            where b.as_of >= make_date(extract(year from b.as_of)::integer, %(month)s, %(day)s) and b.as_of <= %(as_of)s
              and not exists (select from ops.calendar c where c.day = make_date(extract(year from b.as_of)::integer + 1, 1, 1))
            group by 1
        ) m
        where year is not null
        group by year
        """,
        {"month": CALENDAR_FROM[0], "day": CALENDAR_FROM[1], "as_of": day},
    )
    cursor.execute(
        f"""
        insert into quality.incident (batch_id, department, feed, as_of, rule_id, message_zh, message_en, detail)
        select null, null, null, on_date, '{CALENDAR}',
               year || '年工作日历尚未发布：落在该年的期限未知', 'the working-day calendar of ' || year
               || ' is not published: deadlines in it are unknown', jsonb_build_object('year', year)
        from year_missing
        on conflict do nothing
        """
    )
    cursor.execute(
        f"""
        insert into department_sighting (issue_id, seen, on_date, department, feed, rule_id, record, severity, zh, en)
        select {issue_id_sql("''", "''", f"'{CALENDAR}'", "(detail->>'year')")}, 'fault', min(as_of), '', '', '{CALENDAR}',
               detail->>'year', 'incident', min(message_zh), min(message_en)
        from quality.incident
        where rule_id = '{CALENDAR}' and as_of <= %(as_of)s
        group by detail->>'year';
        insert into quality.issue_sighting (issue_id, batch_id, row_no, seen, on_date, known_at, version_at, version_seq)
        select issue_id, '', 0, 'fault', on_date, on_date::timestamptz, on_date::timestamptz, 0
        from department_sighting where rule_id = '{CALENDAR}'
        on conflict do nothing;
        insert into quality.issue_sighting (issue_id, batch_id, row_no, seen, on_date, known_at, version_at, version_seq)
        select s.issue_id, '', 0, 'good', %(as_of)s, %(as_of)s::timestamptz, %(as_of)s::timestamptz, 0
        from department_sighting s
        where s.rule_id = '{CALENDAR}'
          and exists (select from ops.calendar c where c.day = make_date(s.record::integer, 1, 1))
          and not exists (select from quality.issue_sighting o where o.issue_id = s.issue_id and o.seen = 'good')
        on conflict do nothing;
        insert into affected select issue_id from department_sighting where rule_id = '{CALENDAR}' on conflict do nothing;
        """,
        {"as_of": day},
    )


_REMEMBER = """
insert into quality.issue_sweep as s (batch_id, fingerprint)
select batch_id, fingerprint from touched
on conflict (batch_id) do update set fingerprint = excluded.fingerprint
"""


def _summary(cursor: Cursor, day: dt.date, batches: int) -> SweepSummary:
    cursor.execute("select event, count(*) from quality.issue_event where on_date = %s group by event", (day,))
    steps = dict(cursor.fetchall())
    cursor.execute("select count(*), count(*) filter (where due_on is null) from quality.issue where state <> 'closed'")
    still_open, unknown = cursor.fetchone() or (0, 0)
    return SweepSummary(
        as_of=day,
        batches=batches,
        opened=steps.get("opened", 0),
        reopened=steps.get("reopened", 0),
        corrected=steps.get("corrected", 0),
        closed=steps.get("closed", 0),
        overdue=steps.get("overdue", 0),
        open=still_open,
        unknown_deadlines=unknown,
    )
