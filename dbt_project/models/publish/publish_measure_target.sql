-- Which department must, or may, apply which measure to whom: only for a trigger that is active on the shown day, a scope
-- that is in force, and, where the measure reduces rights, a basis in law. With what the department answered.
with allowed as (
    select
        c.measure_code,
        c.name_zh,
        c.name_en,
        c.class,
        c.reduces_rights,
        s.list_code,
        s.role,
        s.department,
        s.is_mandatory,
        s.valid_from
    from {{ ref('measure_catalogue') }} as c
    inner join {{ ref('measure_scope') }} as s on c.measure_code = s.measure_code
    where s.valid_from <= {{ shown_as_of() }}
        and (s.valid_to is null or s.valid_to > {{ shown_as_of() }})
        and c.valid_from <= {{ shown_as_of() }}
        and (c.valid_to is null or c.valid_to > {{ shown_as_of() }})
        and (
            not c.reduces_rights
            or exists (
                select 1
                from {{ ref('measure_basis') }} as b
                where b.measure_code = c.measure_code
                    and b.basis_type in ('law', 'regulation', 'central_policy', 'local_regulation')
                    and b.valid_from <= {{ shown_as_of() }}
                    and (b.valid_to is null or b.valid_to > {{ shown_as_of() }})
            )
        )
),

organisation as (
    select
        m.membership_id as trigger_id,
        m.subject_id,
        -- a measure for organisations does not reach a person who is listed, nor the other way round
        case m.party_type when 'natural_person' then 'person_listed' else 'organisation' end as role,
        m.list_code,
        m.entered_on,
        m.ended_on,
        m.decision_no,
        m.record_id
    from {{ ref('lists_list_membership') }} as m
    where {{ on_list('m') }}
),

person as (
    select
        p.record_id as trigger_id,
        p.person_subject_id as subject_id,
        'person_named' as role,
        p.list_code,
        p.entered_on,
        p.ended_on,
        null::text as decision_no,
        p.record_id
    from {{ ref('lists_associated_person_entry') }} as p
    where {{ shown('p') }}
        and {{ not_suppressed('p') }}
        and p.is_effective
        and p.entered_on <= {{ shown_as_of() }}
        and (p.ended_on is null or p.ended_on > {{ shown_as_of() }})
),

target as (
    select * from organisation
    union all
    select * from person
),

basis as (
    select
        b.measure_code,
        string_agg('《' || b.title || '》' || coalesce(b.article, ''), '；' order by b.valid_from, b.title) as basis
    from {{ ref('measure_basis') }} as b
    where b.valid_from <= {{ shown_as_of() }} and (b.valid_to is null or b.valid_to > {{ shown_as_of() }})
    group by b.measure_code
),

application as (
    select
        a.subject_id,
        a.measure_code,
        coalesce(a.executing_department, a.department) as department,
        coalesce(a.list_code, '') as list_code,
        max(a.decided_on) as applied_on,
        max(a.ended_on) as application_ended_on,
        max(a.feedback_on) as feedback_on,
        (array_agg(a.feedback order by a.feedback_on desc nulls last, a.record_id asc))[1] as feedback
    from {{ ref('core_measure') }} as a
    where {{ shown('a') }} and a.state = 'active'
    group by a.subject_id, a.measure_code, coalesce(a.executing_department, a.department), coalesce(a.list_code, '')
)

select
    t.subject_id,
    s.subject_name,
    s.uscc,
    t.role,
    a.measure_code,
    a.name_zh as measure_name_zh,
    a.name_en as measure_name_en,
    a.class as measure_class,
    a.reduces_rights,
    t.list_code,
    a.department as executing_department,
    a.is_mandatory,
    greatest(t.entered_on, a.valid_from) as since_on,
    t.ended_on as until_on,
    t.decision_no as trigger_decision_no,
    t.record_id as trigger_record_id,
    f.applied_on,
    f.application_ended_on,
    f.feedback_on,
    f.feedback,
    i.basis
from target as t
inner join allowed as a on t.list_code = a.list_code and t.role = a.role
left join basis as i on a.measure_code = i.measure_code
left join {{ ref('entity_subject') }} as s on t.subject_id = s.subject_id and {{ shown('s') }}
left join application as f
    on t.subject_id = f.subject_id and a.measure_code = f.measure_code and a.department = f.department
    and f.list_code in (t.list_code, '')
