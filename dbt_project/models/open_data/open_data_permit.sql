-- Permits anybody may see: organisations', valid, not held back (domain page 01; page 11 section 4).
select
    p.record_id,
    p.counterparty_name,
    p.counterparty_type,
    p.counterparty_uscc,
    p.decision_document_title,
    p.decision_document_no,
    p.permit_category,
    p.certificate_name,
    p.certificate_no,
    p.permit_content,
    p.decision_date,
    p.valid_from,
    p.valid_to,
    p.permit_authority_name,
    p.permit_authority_uscc,
    p.source_unit_name,
    p.source_unit_uscc,
    p.public_from,
    p.public_until,
    p.objected
from {{ ref('publish_permit') }} as p
where p.is_public and {{ of_shown_build() }}
