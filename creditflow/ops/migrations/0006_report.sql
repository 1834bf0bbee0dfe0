-- Who asked for whose credit report, when, why and what they were shown. Kept at least five years (domain page 11 section 5).

create table ops.query_log (
    query_id bigint generated always as identity primary key,
    asked_at timestamptz not null default clock_timestamp(),
    asked_by text not null,           -- person or system that asked
    authorisation text not null default '', -- number of the written authorisation, where one is needed
    purpose text not null,
    scope text not null check (scope in ('public', 'government', 'subject')),
    uscc text not null,               -- the code as asked for: an organisation's, never a person's number
    subject_id uuid,
    outcome text not null check (outcome in ('found', 'merged', 'not_found', 'bad_code')),
    result_count integer not null,    -- lines shown
    as_of date not null,
    build_no integer,
    model_version text,               -- of the score shown, if one was
    report_no text
);
create index on ops.query_log (subject_id, asked_at);
comment on table ops.query_log is '信用报告查询日志 / log of credit report queries';
