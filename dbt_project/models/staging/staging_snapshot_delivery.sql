{{ config(meta={'distributed_by': none}) }}
-- What feeds of complete snapshots said, in the order of business time, from the last complete snapshot before anything this
-- build brings: what is older has been weighed by earlier builds and cannot be changed by it. A snapshot is complete if every
-- row of it is accounted for; one with a row nobody can name again (no record key kept) ends nothing, yet shows what it names.
with known as (
    select
        bb.batch_id,
        bool_or(bb.build_no = {{ build_no() }}) as is_new
    from {{ source('ops', 'build_batch') }} as bb
    inner join {{ source('ops', 'build') }} as n on bb.build_no = n.build_no
    where bb.build_no = {{ build_no() }} or n.state = 'published'
    group by bb.batch_id
),

delivery as (
    select
        b.*,
        k.is_new,
        row_number() over (partition by b.department, b.feed order by b.delivered_at, b.batch_id) as ordinal
    from {{ source('ops', 'batch') }} as b
    inner join known as k on b.batch_id = k.batch_id
),

touched as (
    select
        d.department,
        d.feed,
        min(d.ordinal) filter (where d.is_new) as first_new
    from delivery as d
    group by d.department, d.feed
    having bool_or(d.is_new) and bool_or(d.delivery = 'full_snapshot')
),

named as (
    -- rows the gate rejected or found twice are still there for the department
    select
        v.batch_id,
        count(*) as rows_named
    from {{ source('quality', 'row_verdict') }} as v
    where v.verdict in ('rejected', 'duplicate') and v.record_key is not null
        and v.batch_id in (select d.batch_id from delivery as d where d.delivery = 'full_snapshot')
    group by v.batch_id
),

weighed as (
    select
        d.department,
        d.feed,
        d.kind as record_kind,
        d.batch_id,
        d.ordinal,
        t.first_new,
        (d.delivered_at at time zone 'Asia/Shanghai')::date as delivered_on,
        d.delivery = 'full_snapshot'
        and d.rows_accepted + coalesce(n.rows_named, 0) >= d.rows_read - d.rows_out_of_scope as is_complete
    from delivery as d
    inner join touched as t on d.department = t.department and d.feed = t.feed
    left join named as n on d.batch_id = n.batch_id
),

since as (
    select
        w.department,
        w.feed,
        coalesce(max(w.ordinal) filter (where w.is_complete and w.ordinal < w.first_new), 0) as first_ordinal
    from weighed as w
    group by w.department, w.feed
)

select
    w.department,
    w.feed,
    w.record_kind,
    w.batch_id,
    w.ordinal,
    w.delivered_on,
    w.is_complete
from weighed as w
inner join since as s on w.department = s.department and w.feed = s.feed
where w.ordinal >= s.first_ordinal
