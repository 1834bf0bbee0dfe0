-- Working days, issues that close themselves, return files and the quality figures of departments.
-- Everything here but the calendar functions is derived from verdicts, batches, arrivals and events: a rebuild makes it again.

-- What an issue needs to know of a row that is not in landing: which version of the record it was.
alter table quality.row_verdict add column version_at timestamptz;
alter table quality.row_verdict add column version_seq bigint;
alter table quality.row_verdict add column content_hash uuid;
alter table quality.row_verdict add column op text;

-- The n-th working day after a day (day 0 is the day itself), by the published calendar with its make-up days.
-- NULL when a year on the way is not published: a deadline there is unknown, never guessed.
create function ops.add_workdays(start_day date, days integer) returns date
language sql stable parallel safe
return (
    select n.day
    from (
        select
            c.day,
            c.is_workday,
            c.day - start_day = row_number() over (order by c.day) - 1 as unbroken,
            count(*) filter (where c.is_workday and c.day > start_day) over (order by c.day) as workdays
        from ops.calendar c
        where c.day between start_day and start_day + 2 * days + 20
    ) n
    where n.workdays = days and n.unbroken and (n.is_workday or days = 0)
    order by n.day
    limit 1
);
comment on function ops.add_workdays(date, integer) is
    'The n-th working day after a day, make-up days included; NULL when a year on the way is not published.';

-- Working days after the first day up to and including the second; negative when the second is earlier.
create function ops.workdays_between(from_day date, to_day date) returns integer
language sql stable parallel safe
return (
    select case when count(*) = abs(to_day - from_day) + 1
        then sign(to_day - from_day)::integer
             * (count(*) filter (where c.is_workday and c.day > least(from_day, to_day)))::integer
    end
    from ops.calendar c
    where c.day between least(from_day, to_day) and greatest(from_day, to_day)
);
comment on function ops.workdays_between(date, date) is
    'Working days in (from, to]; NULL when a year on the way is not published. Not a test of "on time": use add_workdays.';

-- The same for set-based SQL: join twice and compare. workday_no counts working days within one unbroken span.
create view ops.calendar_workday as
select
    c.day,
    c.is_workday,
    c.day - (row_number() over (order by c.day))::integer as span,
    count(*) filter (where c.is_workday) over (order by c.day) as workday_no
from ops.calendar c;
comment on view ops.calendar_workday is
    'Day b is n working days after a when span is equal and b is the working day with workday_no = a.workday_no + n.';

-- One line per thing that somebody must mend. Key: department, feed, rule, record.
create table quality.issue (
    issue_id uuid primary key,        -- first 16 bytes of sha256(department, feed, rule, record)
    scope text not null check (scope in ('row', 'batch', 'department', 'city')),
    department text not null,         -- '' for the city itself
    feed text not null,               -- '' when it concerns the department as a whole
    kind text,
    rule_id text not null,
    record text not null,             -- record_key, else batch#row; a month or year or '' for what is not a row
    record_key uuid,
    severity text not null check (severity in ('hold', 'reject', 'flag', 'incident', 'late')),
    fields text[] not null default '{}',
    batch_id text,                    -- newest delivery that showed the fault, and its row
    row_no integer,
    state text not null check (state in ('open', 'returned', 'overdue', 'corrected', 'closed')),
    episode integer not null,         -- how often it was opened
    first_opened_on date not null,
    opened_on date not null,
    due_on date,                      -- NULL: unknown, the year's calendar is not published
    returned_on date,
    corrected_on date,                -- the newest version no longer shows the fault
    overdue_on date,
    closed_on date,                   -- and was accepted
    closed_by_batch text,
    closed_by_row integer,
    message_zh text not null default '',
    message_en text not null default '',
    unique (department, feed, rule_id, record)
);
create index on quality.issue (department, feed) where state <> 'closed';
create index on quality.issue (batch_id);
create index on quality.issue (opened_on);

-- The history of an issue, one line per step of an episode. Dates are business dates of the deliveries.
create table quality.issue_event (
    issue_id uuid not null,
    episode integer not null,
    event text not null check (event in ('opened', 'reopened', 'returned', 'corrected', 'overdue', 'closed')),
    on_date date not null,
    due_on date,                      -- of an opening
    batch_id text,
    row_no integer,
    primary key (issue_id, episode, event)
);
create index on quality.issue_event (on_date, event);

-- What was seen of an issue's record, delivery by delivery: the facts from which state and history are computed.
create table quality.issue_sighting (
    issue_id uuid not null,
    batch_id text not null,           -- '' when the fact is no delivery (an arrival, the calendar)
    row_no integer not null,          -- 0 for the delivery as a whole
    seen text not null check (seen in ('fault', 'other', 'good')), -- other: delivered again, not accepted, without this fault
    on_date date not null,
    known_at timestamptz not null,    -- order of deliveries within a business date
    version_at timestamptz not null,
    version_seq bigint not null,
    document text,                    -- of a faulty row, to know it again when its record key changes by the correction
    party text,                       -- as in the (masked) verdict
    codes text[],
    decided text,
    document_suspect boolean not null default false,
    primary key (issue_id, batch_id, row_no, seen, on_date)
);
create index on quality.issue_sighting (batch_id);

create table quality.issue_sweep (
    batch_id text primary key,
    fingerprint text not null         -- of the batch's outcome when it was last swept
);
create table quality.issue_clock (
    name text primary key check (name = 'issues'),
    as_of date not null               -- the newest business date swept; an earlier one never turns it back
);

-- What was handed back to a department.
create table quality.return_file (
    batch_id text primary key,
    department text not null,
    feed text not null,
    as_of date not null,
    rows_returned integer not null,
    faults integer not null,
    workbook text not null,           -- below home/returns
    workbook_sha256 text not null,
    twin text not null,
    twin_sha256 text not null
);
create index on quality.return_file (department, as_of);

-- Figures of one delivery, computed once; the daily and monthly figures are sums of these.
create table quality.batch_figure (
    batch_id text primary key,
    department text not null,
    feed text not null,
    kind text not null,
    as_of date not null,
    fingerprint text not null,
    rows_judged integer not null,     -- read, less out of scope and duplicates
    rows_flagged integer not null,
    rows_incomplete integer not null, -- rows with a missing mandatory field
    rows_invalid integer not null,    -- rows with any fault but flags
    codes_checked integer not null,
    codes_wrong integer not null
);
create index on quality.batch_figure (as_of, department);

-- Permits and penalties of one delivery by month of decision. A record counts in the delivery that brought it first.
create table quality.batch_decision (
    batch_id text not null,
    month date not null,              -- first day; 0001-01-01 when the decision date cannot be read
    received integer not null,
    compliant integer not null,
    timed integer not null,           -- with a readable decision date and a published calendar
    on_time integer not null,         -- received on or before the 7th working day after the decision
    primary key (batch_id, month)
);

-- Decisions a department says it produced (its monthly return, signed); 上报率 counts against it where it is known.
create table quality.produced_month (
    department text not null,
    month date not null,
    produced integer not null,
    primary key (department, month)
);

-- Business dates whose figures must be computed again, because a delivery of that date was judged (again).
create table quality.day_changed (
    as_of date primary key
);

create table quality.department_day (
    as_of date not null,
    department text not null,
    arrival_state text,
    batches integer not null,
    batches_held integer not null,
    rows_read integer not null,
    rows_accepted integer not null,
    rows_rejected integer not null,
    rows_held integer not null,
    rows_out_of_scope integer not null,
    rows_duplicate integer not null,
    rows_flagged integer not null,
    completeness numeric,             -- rates 0..1; NULL when the denominator is zero
    validity numeric,
    timeliness numeric,
    correction numeric,
    feeds_due integer not null,       -- permit and penalty feeds that owed a record or a zero declaration for the month before
    feeds_reported integer not null,  -- of those, reported or declared by this day
    decisions_produced integer,       -- by the department's return for the month before; NULL: not returned
    decisions_received integer not null,
    decisions_compliant integer not null,
    decisions_timed integer not null,
    decisions_on_time integer not null,
    codes_checked integer not null,
    codes_wrong integer not null,
    issues_opened integer not null,
    issues_open integer not null,
    issues_overdue integer not null,
    issues_due integer not null,      -- episodes whose due date is this day
    issues_corrected integer not null, -- of those, corrected on or before it
    primary key (as_of, department)
);

-- Months change when late deliveries come: each change is a version.
create table quality.department_month (
    month date not null,
    department text not null,
    version integer not null,         -- 0 while the month runs, then 1, 2, ... whenever its figures change
    as_of date not null,              -- business date that made this version
    current boolean not null,
    decisions_received integer not null,
    reporting_rate numeric,           -- 上报率: decisions received over produced, else feeds reported over feeds due
    reporting_basis text,             -- decisions | feeds
    compliance_rate numeric,          -- 合规率
    timeliness_rate numeric,          -- 及时率
    code_error_rate numeric,          -- 重错码率
    correction_rate numeric,          -- 纠正率
    completeness numeric,
    zero_feeds integer not null,      -- feeds of permits and penalties without a record in the month
    zero_undeclared integer not null, -- of those, without a zero declaration: 零报送
    score numeric,                    -- mean of the rates there are, 0..100
    band text,                        -- 优秀 | 良好 | 合格 | 不合格; NULL without a score
    primary key (month, department, version)
);
create index on quality.department_month (month) where current;

-- Months in which a feed of permits or penalties brought nothing, and whether the department declared it.
create table quality.zero_month (
    department text not null,
    feed text not null,
    month date not null,
    due_on date,                      -- NULL: unknown
    declared_on date,
    records_on date,                  -- records of that month came after all
    primary key (department, feed, month)
);

-- The band of a percentage (domain page 09 section 7).
create function quality.band(percentage numeric) returns text
language sql immutable strict parallel safe
return case
    when percentage >= 95 then '优秀'
    when percentage >= 85 then '良好'
    when percentage >= 70 then '合格'
    else '不合格'
end;
