-- Control tables, quality results and the schemas of the house. Forward only; never edited once released.
-- Landing tables (landing.<kind>) are made from sources/_kinds.yml by creditflow.landing, not here.

create schema if not exists ops;
create schema if not exists work;
create schema if not exists landing;
create schema if not exists quality;
create schema if not exists entity;
create schema if not exists staging;
create schema if not exists core;
create schema if not exists lists;
create schema if not exists scores;
create schema if not exists publish;
create extension if not exists pg_trgm;

-- The registry as the warehouse sees it; rewritten from sources/ by every night.
create table ops.department (
    department text primary key,
    dept_no integer,
    name_zh text not null,
    name_en text not null,
    tier text not null,               -- municipal | vertical | zone | external
    importance integer not null,      -- 1 (loudest alarms) to 3
    external boolean not null,
    channel text not null,
    cadence text not null,
    expect_by time not null,
    application_fields text[] not null default '{}',
    authority_uscc text,
    contact jsonb not null default '{}',
    legal_ground text
);
create table ops.feed (
    department text not null references ops.department,
    feed text not null,
    kind text not null,
    delivery text not null check (delivery in ('delta', 'full_snapshot', 'register')),
    layout text not null,
    format text not null,
    rows_per_year integer not null,
    cadence text not null,
    primary key (department, feed)
);

create table ops.calendar (
    day date primary key,
    is_workday boolean not null,
    holiday_name text,
    is_makeup boolean not null,
    source_notice text not null
);

-- One delivery of one feed. rows_read = accepted + rejected + held + out_of_scope + duplicate, once gated.
create table ops.batch (
    batch_id text primary key,        -- DEPT-KIND-YYYYMMDD-NNN, kept in the manifest, the same after a rebuild
    department text not null,
    feed text not null,
    kind text not null,
    channel text not null,            -- frontend_db | sftp | rest_api | manual_upload
    format text not null,
    layout text not null,
    delivery text not null,
    file text not null,               -- what the department called it
    archive_path text not null,       -- below the archive URL
    sha256 text not null,             -- of the bytes as archived
    original_sha256 text not null,    -- of the bytes as sent, before columns were cut
    bytes bigint not null,
    columns_cut text[] not null default '{}',
    declared_rows integer,
    declared_sha256 text,
    delivered_at timestamptz not null, -- business time of the delivery (file name, newest change, manifest)
    received_at timestamptz not null,  -- clock of intake, from the manifest
    as_of date not null,               -- night that fetched it
    watermark jsonb,                   -- where the feed stands once this batch is committed
    state text not null check (state in ('archived', 'landed', 'accepted', 'partly_accepted', 'held', 'refused', 'duplicate')),
    reasons jsonb not null default '[]', -- [{code, zh, en, row?, field?}]
    rows_read integer not null default 0,
    rows_accepted integer not null default 0,
    rows_rejected integer not null default 0,
    rows_held integer not null default 0,
    rows_out_of_scope integer not null default 0,
    rows_duplicate integer not null default 0,
    duplicate_of text,
    gate_failures integer not null default 0,
    landed_at timestamptz,
    gated_at timestamptz,
    seconds numeric not null default 0,
    check (state not in ('accepted', 'partly_accepted', 'held', 'refused', 'duplicate')
           or rows_read = rows_accepted + rows_rejected + rows_held + rows_out_of_scope + rows_duplicate)
);
create index on ops.batch (department, feed, delivered_at);
create index on ops.batch (original_sha256);
create index on ops.batch (state) where state in ('archived', 'landed', 'held');

create table ops.watermark (
    department text not null,
    feed text not null,
    value jsonb not null,
    batch_id text not null,
    primary key (department, feed)
);

-- What happened to a department in a night, beside its batches: arrived, late, failed, not due.
create table ops.arrival (
    as_of date not null,
    department text not null,
    state text not null check (state in ('arrived', 'nothing_new', 'late', 'failed', 'not_due')),
    detail_zh text not null default '',
    detail_en text not null default '',
    started_at timestamptz not null,
    finished_at timestamptz,
    primary key (as_of, department)
);

-- Decisions by people about the pipeline itself (release, refusal, rollback); archived, and replayed by a rebuild.
create table ops.event (
    event_id uuid primary key,
    event_type text not null,
    batch_id text,
    build_no integer,
    reason text not null,
    decided_by text not null,
    decided_at timestamptz not null,
    detail jsonb not null default '{}'
);

create sequence ops.build_no;
create table ops.build (
    build_no integer primary key,
    as_of date not null,
    state text not null check (state in ('running', 'tested', 'published', 'failed', 'abandoned')),
    reason text not null default 'night',
    code_hash text not null,
    batches integer not null default 0,
    started_at timestamptz not null,
    finished_at timestamptz,
    published_at timestamptz,
    detail jsonb not null default '{}'
);
create table ops.build_batch (
    build_no integer not null references ops.build,
    batch_id text not null,
    ordinal integer not null,
    primary key (build_no, batch_id)
);
create index on ops.build_batch (batch_id);

-- The pointer: readers see this build. One row.
create table ops.pointer (
    name text primary key check (name = 'publish'),
    build_no integer not null,
    as_of date,
    moved_at timestamptz not null
);
insert into ops.pointer (name, build_no, as_of, moved_at) values ('publish', 0, null, '1970-01-01T00:00:00Z');

-- What must vanish vanishes whatever the build; only the auditor sees through.
create table ops.suppression (
    record_id uuid primary key,
    since date not null,
    reason text not null check (reason in ('repaired', 'withdrawn', 'objection_upheld', 'deleted')),
    batch_id text,
    decided_by text not null default ''
);

-- Verdicts. One line per batch and rule; every row that did not pass has its own line and reason.
create table quality.rule_result (
    batch_id text not null,
    rule_id text not null,
    severity text not null check (severity in ('hold', 'reject', 'flag', 'out_of_scope', 'duplicate')),
    rows_evaluated integer not null,
    rows_failed integer not null,
    detail jsonb not null default '{}',
    primary key (batch_id, rule_id)
);
create table quality.row_verdict (
    batch_id text not null,
    row_no integer not null,
    record_key uuid,
    verdict text not null check (verdict in ('rejected', 'held', 'flagged', 'out_of_scope', 'duplicate')),
    rule_ids text[] not null,
    fields text[] not null default '{}',
    payload jsonb,                    -- the row, masked; the original stays in the archive
    suggestion jsonb,                 -- {field, value} offered to the department
    primary key (batch_id, row_no, verdict)
);
create index on quality.row_verdict (record_key);

-- Incidents that are not about one row: forbidden columns cut, unknown columns, schema drift, a missing calendar.
create table quality.incident (
    incident_id bigint generated always as identity primary key,
    batch_id text,
    department text,
    feed text,
    as_of date not null,
    rule_id text not null,
    message_zh text not null,
    message_en text not null,
    detail jsonb not null default '{}'
);
create unique index on quality.incident (coalesce(batch_id, ''), coalesce(department, ''), as_of, rule_id, message_en);
