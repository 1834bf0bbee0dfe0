-- RESTRICTED. What each source says about a subject, which value counts, and why (government scope; domain page 11).
select
    s.subject_id,
    s.attribute,
    s.stated_value,
    s.department,
    s.record_kind,
    s.record_id,
    s.stated_on,
    s.precedence,
    s.is_chosen,
    s.differs,
    s.reason_zh,
    s.reason_en,
    s.batch_id,
    s.row_no,
    s.known_from_build as build_no
from {{ ref('core_subject_statement') }} as s
where {{ shown('s') }} and {{ not_suppressed('s') }} and s.stated_value is not null
