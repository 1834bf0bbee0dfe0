-- Penalty rows of this build (行政处罚): the newest version of each record, typed; people's names masked, their keys apart.
with arrived as (
    {{ arrived('penalty', build_no()) }}
),

party as (
    select
        a.*,
        {{ party_type('a.counterparty_type', 'a.person_id_no_hash', ['a.counterparty_uscc', 'a.counterparty_org_code', 'a.counterparty_reg_no']) }} as party_type,
        nullif(btrim(a.counterparty_uscc), {{ placeholder_uscc() }}) as party_code
    from arrived as a
),

final as (
    select
        {{ origin('a') }},
        a.party_type,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as party_uscc,
        {{ plain_text('a.counterparty_name') }} as party_name,
        {{ plain_text('a.counterparty_org_code') }} as party_org_code,
        {{ plain_text('a.counterparty_reg_no') }} as party_reg_no,
        {{ plain_text('a.counterparty_tax_no') }} as party_tax_no,
        {{ person_key('a.person_id_no_hash', 'a.person_id_no_check', 'a.person_id_type') }} as party_person_key,
        a.person_id_no_cipher as party_person_cipher,
        ops.normal_document_no(a.decision_document_no) as document_key,
        case when a.party_type = 'natural_person' then ops.mask_name(a.counterparty_name) else {{ plain_text('a.counterparty_name') }} end as counterparty_name,
        {{ plain_text('a.counterparty_type') }} as counterparty_type,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as counterparty_uscc,
        {{ plain_text('a.counterparty_reg_no') }} as counterparty_reg_no,
        {{ plain_text('a.counterparty_org_code') }} as counterparty_org_code,
        {{ plain_text('a.counterparty_tax_no') }} as counterparty_tax_no,
        {{ plain_text('a.counterparty_institution_no') }} as counterparty_institution_no,
        {{ plain_text('a.counterparty_social_org_no') }} as counterparty_social_org_no,
        ops.mask_name(a.legal_representative_name) as legal_representative_name,
        {{ plain_text('a.legal_representative_id_type') }} as legal_representative_id_type,
        {{ plain_text('a.person_id_type') }} as person_id_type,
        {{ plain_text('a.decision_document_no') }} as decision_document_no,
        {{ masked_text('a.violation_type') }} as violation_type,
        {{ masked_text('a.violation_facts') }} as violation_facts,
        {{ plain_text('a.penalty_basis') }} as penalty_basis,
        {{ plain_text('a.penalty_category') }} as penalty_category,
        {{ masked_text('a.penalty_content') }} as penalty_content,
        ops.parse_decimal(a.fine_amount_wan) as fine_amount_wan,
        ops.parse_decimal(a.fine_amount_wan) * 10000 as fine_amount_yuan,
        ops.parse_decimal(a.confiscated_amount_wan) as confiscated_amount_wan,
        ops.parse_decimal(a.confiscated_amount_wan) * 10000 as confiscated_amount_yuan,
        {{ masked_text('a.affected_certificate') }} as affected_certificate,
        ops.parse_date(a.decision_date) as decision_date,
        {{ end_date('a.penalty_valid_to') }} as penalty_valid_to,
        {{ is_long_term('a.penalty_valid_to') }} as is_long_term,
        ops.parse_date(a.publicity_end_date) as publicity_end_date,
        {{ plain_text('a.penalty_authority_name') }} as penalty_authority_name,
        {{ plain_text('a.penalty_authority_uscc') }} as penalty_authority_uscc,
        {{ plain_text('a.source_unit_name') }} as source_unit_name,
        {{ plain_text('a.source_unit_uscc') }} as source_unit_uscc,
        {{ masked_text('a.remark') }} as remark,
        {{ plain_text('a.severity') }} as source_severity,
        {{ plain_text('a.procedure_type') }} as procedure_type,
        ops.parse_date(a.repair_notice_served_on) as repair_notice_served_on,
        {{ plain_text('a.region_code') }} as region_code
    from party as a
)

select
    f.*,
    f.decision_date as decided_on
from final as f
