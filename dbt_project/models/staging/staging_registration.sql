-- Registration rows of this build (登记注册): the newest version of each record, typed; people's names masked, their keys apart.
with arrived as (
    {{ arrived('registration', build_no()) }}
),

party as (
    select
        a.*,
        {{ party_type('a.subject_type', none, ['a.subject_uscc', 'a.subject_org_code', 'a.subject_reg_no']) }} as party_type,
        nullif(btrim(a.subject_uscc), {{ placeholder_uscc() }}) as party_code
    from arrived as a
),

final as (
    select
        {{ origin('a') }},
        a.party_type,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as party_uscc,
        {{ plain_text('a.subject_name') }} as party_name,
        {{ plain_text('a.subject_org_code') }} as party_org_code,
        {{ plain_text('a.subject_reg_no') }} as party_reg_no,
        null::text as party_tax_no,
        null::text as party_person_key,
        null::text as party_person_cipher,
        null::text as document_key,
        {{ person_key('a.legal_representative_id_no_hash', 'a.legal_representative_id_no_check') }} as representative_person_key,
        a.legal_representative_id_no_cipher as representative_person_cipher,
        {{ plain_text('a.legal_representative_name') }} as representative_name,
        case when a.party_type = 'natural_person' then ops.mask_name(a.subject_name) else {{ plain_text('a.subject_name') }} end as subject_name,
        {{ plain_text('a.subject_type') }} as subject_type,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as subject_uscc,
        {{ plain_text('a.subject_org_code') }} as subject_org_code,
        {{ plain_text('a.subject_reg_no') }} as subject_reg_no,
        {{ plain_text('a.entity_type') }} as entity_type,
        {{ plain_text('a.entity_status') }} as entity_status,
        ops.parse_date(a.registered_on) as registered_on,
        ops.parse_date(a.deregistered_on) as deregistered_on,
        ops.mask_name(a.legal_representative_name) as legal_representative_name,
        ops.parse_date(a.legal_representative_since) as legal_representative_since,
        {{ plain_text('a.registered_capital') }} as registered_capital,
        {{ capital_amount('a.registered_capital') }} as registered_capital_amount,
        {{ capital_currency('a.registered_capital') }} as registered_capital_currency,
        {{ plain_text('a.business_scope') }} as business_scope,
        {{ plain_text('a.industry_code') }} as industry_code,
        {{ plain_text('a.province') }} as province,
        {{ plain_text('a.city') }} as city,
        {{ plain_text('a.region_code') }} as region_code,
        {{ plain_text('a.registered_address') }} as registered_address,
        {{ plain_text('a.head_office_uscc') }} as head_office_uscc,
        {{ end_date('a.valid_until') }} as valid_until,
        {{ is_long_term('a.valid_until') }} as is_long_term,
        {{ plain_text('a.registration_authority') }} as registration_authority,
        {{ plain_text('a.source_unit_name') }} as source_unit_name,
        {{ plain_text('a.source_unit_uscc') }} as source_unit_uscc
    from party as a
)

select
    f.*,
    f.registered_on as decided_on
from final as f
