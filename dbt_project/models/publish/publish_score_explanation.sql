-- Why each score is what it is. The lines sum to the score; the lines of a score that is pending are not shown.
select
    e.score_id,
    e.line_id,
    e.subject_id,
    e.model_version,
    e.item_code,
    coalesce(i.name_zh, case e.item_code when 'BASE' then '基准分' when 'CAP' then '封顶' when 'ROUND' then '取整' end) as item_name_zh,
    coalesce(i.name_en, lower(e.item_code)) as item_name_en,
    e.dimension,
    e.record_id,
    e.record_kind,
    e.decided_on,
    e.base_points,
    e.decay_factor,
    e.applied_points,
    e.capped_by,
    e.note,
    e.known_from_build as build_no
from {{ ref('scores_score_explanation') }} as e
inner join {{ ref('scores_score') }} as s
    on e.subject_id = s.subject_id and e.score_id = s.score_id and s.is_official and {{ shown('s') }}
left join {{ ref('score_item') }} as i on e.model_version = i.model_version and e.item_code = i.item_code
where {{ shown('e') }}
    and not exists (
        select 1
        from {{ ref('scores_score_explanation') }} as other
        inner join {{ source('ops', 'suppression') }} as gone on other.record_id = gone.record_id
        where other.subject_id = e.subject_id and other.score_id = e.score_id and {{ shown('other') }}
    )
