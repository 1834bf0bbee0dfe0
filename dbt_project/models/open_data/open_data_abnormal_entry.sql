-- Abnormal entries of organisations anybody may see (page 11 section 4).
select
    p.record_id,
    p.subject_name,
    p.subject_uscc,
    p.list_code,
    p.document_no,
    p.entry_reason,
    p.decision_date,
    p.authority_name,
    p.authority_uscc,
    p.source_unit_name,
    p.source_unit_uscc,
    p.public_from,
    p.objected
from {{ ref('publish_abnormal_entry') }} as p
where p.is_public and {{ of_shown_build() }}
