-- Retention (domain page 11 section 5): what stops a deletion, and what a deletion leaves.

create table ops.legal_hold (
    hold_id bigint generated always as identity primary key,
    subject_id uuid,                  -- of this subject; both null: everything
    record_id uuid,                   -- or of this one record
    reason text not null,
    placed_by text not null,
    placed_on date not null,
    lifted_by text,
    lifted_on date,
    check (subject_id is null or record_id is null)
);
comment on table ops.legal_hold is '依法保全，暂停到期删除 / legal holds: what they name is not deleted';

-- What was deleted by law: its hash and the rule, nothing of its content.
create table ops.deletion (
    record_id uuid not null,
    table_name text not null,
    rule_id text not null,
    as_of date not null,
    rows_deleted integer not null,
    sha256 text not null,             -- of the rows as text, in COLLATE "C" order
    primary key (record_id, table_name, as_of)
);
comment on table ops.deletion is '到期删除记录（仅保留散列） / deletions by law, by hash only';

-- Organisations' records past their period: out of every online table, kept where no role reads.
create schema cold;
create table cold.record (
    record_id uuid not null,
    table_name text not null,
    moved_on date not null,
    content jsonb not null            -- the rows, all versions
);
create index on cold.record (record_id);
comment on schema cold is '到期转存，不提供在线查询 / past their period, without online access';
