-- Scores of enterprises by the official scorecard. A score whose explanation rests on a record that must not be used any
-- more is not shown: its value is empty and its grade reads `PENDING` until the next build has worked it out anew.
with score as (
    select
        s.*,
        exists (
            select 1
            from {{ ref('scores_score_explanation') }} as e
            inner join {{ source('ops', 'suppression') }} as gone on e.record_id = gone.record_id
            where e.subject_id = s.subject_id and e.score_id = s.score_id and {{ shown('e') }}
        ) as is_pending
    from {{ ref('scores_score') }} as s
    where {{ shown('s') }} and s.is_official
)

select
    s.score_id,
    s.subject_id,
    b.subject_name,
    b.uscc,
    b.region_code,
    s.model_version,
    case when not s.is_pending then s.score end as score,
    case when s.is_pending then 'PENDING' else s.grade end as grade,
    g.national_word,
    s.not_rated_reason,
    case when not s.is_pending then s.raw_score end as raw_score,
    case when not s.is_pending then s.cap_codes end as cap_codes,
    case when not s.is_pending then s.points_by_dimension end as points_by_dimension,
    s.thin_file,
    s.contested,
    s.as_of_date,
    {{ shown_as_of() }} as shown_on,
    s.data_cutoff,
    s.next_due_on,
    s.rule_hash,
    s.known_from_build as build_no
from score as s
left join {{ ref('entity_subject') }} as b on s.subject_id = b.subject_id and {{ shown('b') }}
left join {{ ref('score_grade') }} as g
    on s.model_version = g.model_version and s.grade = g.grade and not s.is_pending
