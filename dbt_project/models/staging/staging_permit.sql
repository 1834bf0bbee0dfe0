-- Permit rows of this build (行政许可): the newest version of each record, typed; people's names masked, their keys apart.
with arrived as (
    {{ arrived('permit', build_no()) }}
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
        {{ masked_text('a.decision_document_title') }} as decision_document_title,
        {{ plain_text('a.decision_document_no') }} as decision_document_no,
        {{ plain_text('a.permit_category') }} as permit_category,
        {{ plain_text('a.certificate_name') }} as certificate_name,
        {{ plain_text('a.certificate_no') }} as certificate_no,
        {{ masked_text('a.permit_content') }} as permit_content,
        ops.parse_date(a.decision_date) as decision_date,
        ops.parse_date(a.valid_from) as valid_from,
        {{ end_date('a.valid_to') }} as valid_to,
        {{ is_long_term('a.valid_to') }} as is_long_term,
        {{ plain_text('a.permit_authority_name') }} as permit_authority_name,
        {{ plain_text('a.permit_authority_uscc') }} as permit_authority_uscc,
        {{ plain_text('a.record_status') }} as record_status,
        {{ plain_text('a.source_unit_name') }} as source_unit_name,
        {{ plain_text('a.source_unit_uscc') }} as source_unit_uscc,
        {{ masked_text('a.remark') }} as remark,
        {{ plain_text('a.region_code') }} as region_code
    from party as a
)

select
    f.*,
    f.decision_date as decided_on
from final as f
