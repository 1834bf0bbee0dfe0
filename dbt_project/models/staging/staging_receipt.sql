-- Receipt rows of this build (上报回执): the newest version of each record, typed; people's names masked, their keys apart.
with arrived as (
    {{ arrived('receipt', build_no()) }}
),

party as (
    select
        a.*,
        'none' as party_type,
        null::text as party_code
    from arrived as a
),

final as (
    select
        {{ origin('a') }},
        a.party_type,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as party_uscc,
        null::text as party_name,
        null::text as party_org_code,
        null::text as party_reg_no,
        null::text as party_tax_no,
        null::text as party_person_key,
        null::text as party_person_cipher,
        ops.normal_document_no(a.document_no) as document_key,
        {{ plain_text('a.document_no') }} as document_no,
        {{ plain_text('a.target_kind') }} as target_kind,
        {{ plain_text('a.target_document_no') }} as target_document_no,
        {{ plain_text('a.source_department') }} as source_department,
        {{ plain_text('a.receipt_code') }} as receipt_code,
        {{ plain_text('a.national_id') }} as national_id,
        ops.parse_date(a.decision_date) as decision_date,
        {{ masked_text('a.remark') }} as remark
    from party as a
)

select
    f.*,
    f.decision_date as decided_on
from final as f
