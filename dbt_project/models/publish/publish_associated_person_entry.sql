-- How entries of organisations reach persons. Never public; names are masked.
select
    p.record_id,
    p.subject_id,
    s.subject_name,
    s.uscc,
    p.membership_id,
    p.person_subject_id,
    p.person_name,
    p.role,
    p.list_code,
    p.ground,
    p.entered_on,
    p.behaviour_from,
    p.behaviour_to,
    p.notified_on,
    p.ended_on,
    p.review_flags,
    p.is_nominee,
    p.is_effective and p.entered_on <= {{ shown_as_of() }} and (p.ended_on is null or p.ended_on > {{ shown_as_of() }})
        as is_active,
    p.usage_scope,
    p.known_from_build as build_no
from {{ ref('lists_associated_person_entry') }} as p
left join {{ ref('entity_subject') }} as s on p.subject_id = s.subject_id and {{ shown('s') }}
where {{ shown('p') }} and {{ not_suppressed('p') }}
