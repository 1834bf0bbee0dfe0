-- Replay: deliveries interpreted again. Until a person accepts, their earlier interpretation lies in schema kept (not in work,
-- which no backup holds), and a build on the new one is tested but not published.

create table ops.replay (
    replay_id uuid primary key,
    state text not null check (state in ('preparing', 'proposed', 'accepted', 'withdrawn')),
    from_day date not null,
    to_day date not null,
    department text,                  -- null: all of them
    reason text not null,
    proposed_by text not null,
    proposed_at timestamptz not null,
    decided_by text,
    decided_at timestamptz,
    build_no integer,
    batches text[] not null
);
create unique index on ops.replay ((true)) where state in ('preparing', 'proposed');
comment on table ops.replay is '按新规则重新解释已归档的交付 / deliveries interpreted again after a rule changed';

-- Records a replay's build looks at again, whatever version is known: those its deliveries named before, and name now.
create table ops.replayed_record (
    build_no integer not null,
    record_id uuid not null,
    primary key (build_no, record_id)
);

create schema kept;
comment on schema kept is '重新解释期间保留的原解释 / the earlier interpretation while a replay waits for a decision';
