{{ config(meta={'distributed_by': none}) }}
-- The newest complete snapshot of each feed in this build, if every row of it is accounted for: what it does not hold has
-- ended. A snapshot with a row nobody can name again (no record key kept) ends nothing.
with snapshot as (
    select distinct on (b.department, b.feed)
        b.department,
        b.feed,
        b.kind as record_kind,
        b.batch_id,
        b.rows_read - b.rows_out_of_scope as rows_expected,
        (b.delivered_at at time zone 'Asia/Shanghai')::date as snapshot_on
    from {{ source('ops', 'build_batch') }} as bb
    inner join {{ source('ops', 'batch') }} as b on bb.batch_id = b.batch_id
    where bb.build_no = {{ build_no() }} and b.delivery = 'full_snapshot'
    order by b.department asc, b.feed asc, b.delivered_at desc, b.batch_id desc
),

named as (
    select
        p.batch_id,
        sum(p.rows_named) as rows_named
    from {{ ref('staging_snapshot_row') }} as p
    group by p.batch_id
)

select
    s.department,
    s.feed,
    s.record_kind,
    s.batch_id,
    s.snapshot_on
from snapshot as s
inner join named as n on s.batch_id = n.batch_id
where n.rows_named >= s.rows_expected
