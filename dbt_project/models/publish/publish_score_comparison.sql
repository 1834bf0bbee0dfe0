-- The scorecard in force beside each one on trial, subject by subject: what would move if the trial came into force.
-- A trial version is in the seeds, in its period, and not official; without one this view is empty.
select
    o.subject_id,
    b.subject_name,
    b.uscc,
    b.region_code,
    o.model_version as official_version,
    o.score as official_score,
    o.grade as official_grade,
    t.model_version as trial_version,
    t.score as trial_score,
    t.grade as trial_grade,
    t.score - o.score as points,
    case
        when o.grade = t.grade then 'same'
        when o.score is null or t.score is null then 'rating'
        when t.score > o.score then 'up'
        else 'down'
    end as moved,
    o.points_by_dimension as official_points_by_dimension,
    t.points_by_dimension as trial_points_by_dimension,
    o.contested,
    {{ shown_as_of() }} as shown_on
from {{ ref('scores_score') }} as o
inner join {{ ref('scores_score') }} as t on o.subject_id = t.subject_id and not t.is_official and {{ shown('t') }}
left join {{ ref('entity_subject') }} as b on o.subject_id = b.subject_id and {{ shown('b') }}
where {{ shown('o') }}
    and o.is_official
    and not exists (
        select 1
        from {{ ref('scores_score_explanation') }} as e
        inner join {{ source('ops', 'suppression') }} as gone on e.record_id = gone.record_id
        where e.subject_id = o.subject_id and {{ shown('e') }}
    )
