-- Self-declared information rows of this build (自愿提供的信用信息): the newest version of each record, typed; people's names masked, their keys apart.
with arrived as (
    {{ arrived('self_declared', build_no()) }}
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
        ops.normal_document_no(a.document_no) as document_key,
        case when a.party_type = 'natural_person' then ops.mask_name(a.subject_name) else {{ plain_text('a.subject_name') }} end as subject_name,
        {{ plain_text('a.subject_type') }} as subject_type,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as subject_uscc,
        {{ plain_text('a.subject_org_code') }} as subject_org_code,
        {{ plain_text('a.subject_reg_no') }} as subject_reg_no,
        {{ plain_text('a.document_no') }} as document_no,
        {{ plain_text('a.declared_item') }} as declared_item,
        {{ masked_text('a.declared_content') }} as declared_content,
        {{ read_flag('a.truth_commitment') }} as truth_commitment,
        ops.parse_date(a.decision_date) as decision_date,
        {{ end_date('a.valid_to') }} as valid_to,
        {{ is_long_term('a.valid_to') }} as is_long_term,
        {{ plain_text('a.authority_name') }} as authority_name,
        {{ plain_text('a.authority_uscc') }} as authority_uscc,
        {{ plain_text('a.source_unit_name') }} as source_unit_name,
        {{ plain_text('a.source_unit_uscc') }} as source_unit_uscc,
        {{ masked_text('a.remark') }} as remark
    from party as a
)

select
    f.*,
    f.decision_date as decided_on
from final as f
