-- Records the newest complete snapshot of their feed still holds.
select
    r.record_id,
    s.department,
    s.feed
from {{ ref('staging_snapshot') }} as s
inner join {{ ref('staging_snapshot_row') }} as r on s.batch_id = r.batch_id
