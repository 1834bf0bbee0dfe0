-- Identifiers of subjects, with the evidence for each. Personal numbers and their keys are not among them.
select
    i.subject_id,
    i.id_type,
    i.id_value,
    i.evidence,
    i.source_department,
    i.source_record_id,
    a.canonical_subject_id as merged_into_subject_id,
    i.known_from_build as build_no
from {{ ref('entity_subject_identifier') }} as i
left join {{ ref('entity_subject_alias') }} as a
    on i.subject_id = a.subject_id and a.canonical_subject_id <> a.subject_id and {{ shown('a') }}
where {{ shown('i') }}
