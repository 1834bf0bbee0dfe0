-- Builds, newest last; `is_shown` marks the one readers see.
select
    b.build_no,
    b.as_of,
    b.state,
    b.reason,
    b.batches,
    b.code_hash,
    b.started_at,
    b.finished_at,
    b.published_at,
    b.build_no = {{ shown_build() }} as is_shown
from {{ source('ops', 'build') }} as b
