-- Penalties anybody may see, inside their publication period (domain pages 01 and 05; page 11 section 4).
select
    p.record_id,
    p.counterparty_name,
    p.counterparty_type,
    p.counterparty_uscc,
    p.decision_document_no,
    p.violation_type,
    p.violation_facts,
    p.penalty_basis,
    p.penalty_category,
    p.penalty_content,
    p.fine_amount_wan,
    p.confiscated_amount_wan,
    p.affected_certificate,
    p.decision_date,
    p.penalty_authority_name,
    p.penalty_authority_uscc,
    p.source_unit_name,
    p.source_unit_uscc,
    p.public_from,
    p.public_until,
    p.objected
from {{ ref('publish_penalty') }} as p
where p.is_public and {{ of_shown_build() }}
