{{ config(meta={'distributed_by': 'record_id', 'indexes': ['(record_id)']}) }}
-- Records that deliveries of a feed of complete snapshots named, and since when they have ended: the day of the first
-- complete snapshot after the last delivery that named them. Null: nothing newer misses them. Late and out of order, the
-- same deliveries give the same day.
with named as (
    {%- for kind in record_kinds() if takes_snapshots(kind) %}
    select
        l.batch_id,
        l.record_key as record_id
    from {{ source('landing', kind) }} as l
    where l.batch_id in (select d.batch_id from {{ ref('staging_snapshot_delivery') }} as d)
    union all
    {%- endfor %}
    select
        v.batch_id,
        v.record_key as record_id
    from {{ source('quality', 'row_verdict') }} as v
    where v.batch_id in (select d.batch_id from {{ ref('staging_snapshot_delivery') }} as d)
        and v.verdict in ('rejected', 'duplicate')
        and v.record_key is not null
),

last_named as (
    select
        d.department,
        d.feed,
        n.record_id,
        max(d.ordinal) as ordinal
    from named as n
    inner join {{ ref('staging_snapshot_delivery') }} as d on n.batch_id = d.batch_id
    group by d.department, d.feed, n.record_id
)

select
    l.department,
    l.feed,
    l.record_id,
    min(d.delivered_on) as ended_on
from last_named as l
left join {{ ref('staging_snapshot_delivery') }} as d
    on l.department = d.department and l.feed = d.feed and l.ordinal < d.ordinal and d.is_complete
group by l.department, l.feed, l.record_id
