-- The journal: what was done to the warehouse, in the order in which it was done. Archived beside the deliveries, it is what a
-- rebuild repeats: the order of landing and judging, decisions of people, builds with their batches, moves of the pointer.

create table ops.journal (
    seq bigint primary key,           -- 1, 2, 3 ... without a gap, in the order of commits
    entry_type text not null,
    body jsonb not null,
    recorded_at timestamptz not null default clock_timestamp()
);

-- How far the journal lies in the archive.
create table ops.journal_archived (
    name text primary key check (name = 'journal'),
    seq bigint not null
);
insert into ops.journal_archived (name, seq) values ('journal', 0);

-- A rebuild under way or finished: entries up to `done` of `entries` have been repeated. While it runs nothing new is noted.
create table ops.rebuild (
    name text primary key check (name = 'rebuild'),
    done bigint not null,
    entries bigint not null,
    finished boolean not null
);

-- A warehouse that was filled before there was a journal cannot be rebuilt from it: its first entry says so.
insert into ops.journal (seq, entry_type, body)
select 1, 'filled_before', jsonb_build_object('batches', count(*)) from ops.batch having count(*) > 0;

-- Note one step inside the transaction that does it. The lock lasts until that transaction ends, so that the order of
-- numbers is the order of commits and no number is left out: note it as the transaction's last step. A step that a rebuild
-- repeats is in the journal already; false when a rebuild is under way and this is none of its steps.
create function ops.note(noted_type text, noted_body jsonb, repeated boolean) returns boolean
language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('creditflow.journal', 0));
    if repeated or exists (select 1 from ops.rebuild as r where not r.finished) then
        return repeated;
    end if;
    insert into ops.journal (seq, entry_type, body)
    select coalesce(max(j.seq), 0) + 1, noted_type, noted_body from ops.journal as j;
    return true;
end $$;
comment on function ops.note(text, jsonb, boolean) is '记入作业日志（与本事务同生共灭）/ note one step in the journal, with this transaction or not at all';
