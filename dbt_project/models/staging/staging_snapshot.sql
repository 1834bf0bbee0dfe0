{{ config(meta={'distributed_by': none}) }}
-- Feeds whose complete snapshots say something in this build, and the first of the snapshots looked at: what none of the
-- deliveries since has named was missing from that one already.
select
    d.department,
    d.feed,
    d.record_kind,
    min(d.delivered_on) as snapshot_on
from {{ ref('staging_snapshot_delivery') }} as d
where d.is_complete
group by d.department, d.feed, d.record_kind
