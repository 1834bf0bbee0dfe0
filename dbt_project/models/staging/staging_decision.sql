-- Credit office decision rows of this build (信用办人工决定): the newest version of each record, typed; people's names masked, their keys apart.
with arrived as (
    {{ arrived('decision', build_no()) }}
),

party as (
    select
        a.*,
        {{ party_type('null::text', none, ['a.subject_uscc']) }} as party_type,
        nullif(btrim(a.subject_uscc), {{ placeholder_uscc() }}) as party_code
    from arrived as a
),

final as (
    select
        {{ origin('a') }},
        a.party_type,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as party_uscc,
        {{ plain_text('a.subject_name') }} as party_name,
        null::text as party_org_code,
        null::text as party_reg_no,
        null::text as party_tax_no,
        null::text as party_person_key,
        null::text as party_person_cipher,
        ops.normal_document_no(a.document_no) as document_key,
        {{ plain_text('a.document_no') }} as document_no,
        {{ plain_text('a.decision_type') }} as decision_type,
        {{ plain_text('a.target_kind') }} as target_kind,
        {{ plain_text('a.target_document_no') }} as target_document_no,
        {{ plain_text('a.target_record_id') }} as target_record_id,
        case when a.party_type = 'natural_person' then ops.mask_name(a.subject_name) else {{ plain_text('a.subject_name') }} end as subject_name,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as subject_uscc,
        {{ plain_text('a.other_subject_uscc') }} as other_subject_uscc,
        {{ plain_text('a.decision_value') }} as decision_value,
        {{ masked_text('a.reason') }} as reason,
        {{ plain_text('a.decided_by') }} as decided_by,
        {{ plain_text('a.confirmed_by') }} as confirmed_by,
        ops.parse_date(a.decision_date) as decision_date,
        {{ masked_text('a.remark') }} as remark
    from party as a
)

select
    f.*,
    f.decision_date as decided_on
from final as f
