-- Commitments of enterprises anybody may see (page 11 section 4).
select
    p.record_id,
    p.subject_name,
    p.subject_uscc,
    p.document_no,
    p.commitment_type,
    p.commitment_item,
    p.decision_date,
    p.fulfilment_state,
    p.authority_name,
    p.authority_uscc,
    p.source_unit_name,
    p.source_unit_uscc,
    p.public_from,
    p.objected
from {{ ref('publish_commitment') }} as p
where p.is_public and {{ of_shown_build() }}
