-- Honours of organisations anybody may see (page 11 section 4).
select
    p.record_id,
    p.subject_name,
    p.subject_uscc,
    p.document_no,
    p.honour_name,
    p.honour_level,
    p.decision_date,
    p.valid_to,
    p.authority_name,
    p.authority_uscc,
    p.source_unit_name,
    p.source_unit_uscc,
    p.public_from,
    p.public_until
from {{ ref('publish_honour') }} as p
where p.is_public and {{ of_shown_build() }}
