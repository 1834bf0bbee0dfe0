-- Rows that were duplicates until a delivery that came late showed that something else had been said in between. They are in landing
-- since; their verdict is kept here, so that taking the late delivery's interpretation back gives it back exactly.
create table quality.restated_row (
    batch_id text not null,
    row_no integer not null,
    record_key uuid not null,
    because_of text not null,         -- the late delivery
    verdict jsonb not null,           -- the line of quality.row_verdict it was
    primary key (batch_id, row_no)
);
create index on quality.restated_row (because_of);
comment on table quality.restated_row is
    '原判为重复、因迟到的交付而恢复效力的行 / rows that were duplicates until a late delivery came between them and the version before';
