-- Who may have which reward on the shown day, and on what ground: a red list, grade A, good standing, or nothing against him.
-- Registered organisations that have not left the register; never natural persons. Not a duty of a department: what a department
-- must or may apply by a list stands in measure_target. A reward without a source (reward_rule) has no rows here.
with subject as (
    select s.*
    from {{ ref('entity_subject') }} as s
    where {{ shown('s') }}
        and s.is_registered
        and s.subject_type <> 'natural_person'
        and s.merged_into_subject_id is null
        and (s.deregistered_on is null or s.deregistered_on > {{ shown_as_of() }})
),

listed as (
    select
        m.subject_id,
        m.list_code,
        m.list_kind
    from {{ ref('lists_list_membership') }} as m
    where {{ on_list('m') }}
),

rule as (
    select r.*
    from {{ ref('reward_rule') }} as r
    where r.source_state = 'computed'
        and r.valid_from <= {{ shown_as_of() }} and (r.valid_to is null or r.valid_to > {{ shown_as_of() }})
),

entitled as (
    select s.subject_id, r.measure_code, r.trigger_kind, r.trigger_value
    from subject as s
    inner join listed as l on s.subject_id = l.subject_id and l.list_kind = 'red'
    inner join rule as r on r.trigger_kind = 'list' and l.list_code = r.trigger_value
    where not exists (select 1 from listed as x where x.subject_id = s.subject_id and x.list_kind = 'serious')
    union
    select s.subject_id, r.measure_code, r.trigger_kind, r.trigger_value
    from subject as s
    inner join {{ ref('publish_score') }} as c on s.subject_id = c.subject_id
    inner join rule as r on r.trigger_kind = 'grade' and c.grade = r.trigger_value
    union
    select s.subject_id, r.measure_code, r.trigger_kind, r.trigger_value
    from subject as s
    inner join rule as r on r.trigger_kind = 'good_standing'
    where not exists (select 1 from listed as x where x.subject_id = s.subject_id and x.list_kind = 'serious')
        and not exists (
            select 1
            from {{ ref('publish_commitment') }} as k
            where k.subject_id = s.subject_id
                and k.state = 'active'
                and k.match_grade in ('exact', 'strong')
                and (k.breach_found_on is not null or k.fulfilment_state = '违诺')
        )
    union
    select s.subject_id, r.measure_code, r.trigger_kind, r.trigger_value
    from subject as s
    inner join rule as r on r.trigger_kind = 'clean'
    where not exists (
            select 1 from listed as x where x.subject_id = s.subject_id and x.list_kind in ('serious', 'abnormal')
        )
        and not exists (
            select 1
            from {{ ref('publish_penalty') }} as p
            where p.subject_id = s.subject_id and p.state = 'active' and p.match_grade in ('exact', 'strong')
        )
)

select
    e.subject_id,
    s.subject_name,
    s.uscc,
    e.measure_code,
    c.name_zh as measure_name_zh,
    c.name_en as measure_name_en,
    e.trigger_kind,
    coalesce(e.trigger_value, '') as trigger_value
from entitled as e
inner join subject as s on e.subject_id = s.subject_id
inner join {{ ref('measure_catalogue') }} as c on e.measure_code = c.measure_code
