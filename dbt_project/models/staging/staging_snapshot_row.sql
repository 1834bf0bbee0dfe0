{{ config(meta={'distributed_by': none}) }}
-- Every record a complete snapshot of this build named: landed rows, and rows the gate rejected or knew already.
with batch as (
    select
        b.batch_id,
        b.kind
    from {{ source('ops', 'build_batch') }} as bb
    inner join {{ source('ops', 'batch') }} as b on bb.batch_id = b.batch_id
    where bb.build_no = {{ build_no() }} and b.delivery = 'full_snapshot'
),

landed as (
    {%- for kind in record_kinds() if takes_snapshots(kind) %}
    select
        l.batch_id,
        l.record_key as record_id
    from {{ source('landing', kind) }} as l
    where l.batch_id in (select batch.batch_id from batch)
    union all
    {%- endfor %}
    select
        v.batch_id,
        v.record_key as record_id
    from {{ source('quality', 'row_verdict') }} as v
    where v.batch_id in (select batch.batch_id from batch)
        and v.verdict in ('rejected', 'duplicate')
        and v.record_key is not null
)

select
    landed.batch_id,
    landed.record_id,
    count(*) as rows_named
from landed
group by landed.batch_id, landed.record_id
