-- Zero declaration rows of this build (零报送): the newest version of each record, typed; people's names masked, their keys apart.
with arrived as (
    {{ arrived('zero_declaration', build_no()) }}
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
        {{ plain_text('a.declared_kind') }} as declared_kind,
        {{ plain_text('a.period') }} as period,
        ops.mask_name(a.officer) as officer,
        ops.parse_date(a.decision_date) as decision_date,
        {{ plain_text('a.source_unit_name') }} as source_unit_name,
        {{ plain_text('a.source_unit_uscc') }} as source_unit_uscc
    from party as a
)

select
    f.*,
    f.decision_date as decided_on
from final as f
