{{ config(meta={
    'key': ['subject_id', 'model_version'],
    'scope': 'staging_score_scope',
    'provenance': ['as_of_date', 'data_cutoff'],
    'indexes': ['(next_due_on) where known_to_build = <open>', '(score_id)'],
}) }}
-- depends_on: {{ ref('staging_score_scope') }}
-- The score of every rated subject, per scorecard. `as_of_date` is the day it was last found to differ; the day it will
-- next be looked at without new records is `next_due_on`.
with line as (
    select
        l.subject_id,
        l.model_version,
        max(l.raw_score) as raw_score,
        max(l.score) as score,
        max(l.grade) as grade,
        max(l.cap_codes) as cap_codes,
        bool_or(l.contested) as contested,
        jsonb_object_agg(l.dimension, l.points) filter (where l.dimension is not null) as by_dimension
    from (
        select
            n.*,
            sum(n.applied_points) over (partition by n.subject_id, n.model_version, n.dimension) as points
        from {{ ref('staging_score_line') }} as n
    ) as l
    group by l.subject_id, l.model_version
),

cutoff as (
    select max(b.delivered_at) as data_cutoff
    from {{ source('ops', 'build_batch') }} as bb
    inner join {{ source('ops', 'batch') }} as b on bb.batch_id = b.batch_id
    where bb.build_no = {{ build_no() }}
)

select
    {{ id_of(['s.subject_id', 's.model_version']) }} as score_id,
    s.subject_id,
    s.model_version,
    s.is_official,
    '{{ rule_hash() }}' as rule_hash,
    {{ as_of() }} as as_of_date,
    cutoff.data_cutoff,
    l.raw_score,
    l.score,
    coalesce(l.grade, 'NR') as grade,
    s.not_rated_reason,
    l.cap_codes,
    coalesce(l.by_dimension, '{}') as points_by_dimension,
    s.thin_file,
    coalesce(l.contested, false) as contested,
    coalesce(d.next_due_on, s.next_due_on) as next_due_on
from {{ ref('staging_score_subject') }} as s
left join line as l on s.subject_id = l.subject_id and s.model_version = l.model_version
left join {{ ref('staging_score_due') }} as d on s.subject_id = d.subject_id
cross join cutoff
