-- List entry rows of this build (名单列入与移出): the newest version of each record, typed; people's names masked, their keys apart.
with arrived as (
    {{ arrived('list_entry', build_no()) }}
),

party as (
    select
        a.*,
        {{ party_type('a.subject_type', 'a.person_id_no_hash', ['a.subject_uscc', 'a.subject_org_code', 'a.subject_reg_no']) }} as party_type,
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
        {{ person_key('a.person_id_no_hash', 'a.person_id_no_check', 'a.person_id_type') }} as party_person_key,
        a.person_id_no_cipher as party_person_cipher,
        ops.normal_document_no(a.document_no) as document_key,
        {{ person_key('a.responsible_person_id_no_hash', 'a.responsible_person_id_no_check') }} as responsible_person_key,
        a.responsible_person_id_no_cipher as responsible_person_cipher,
        {{ plain_text('a.responsible_person_name') }} as responsible_name,
        case when a.party_type = 'natural_person' then ops.mask_name(a.subject_name) else {{ plain_text('a.subject_name') }} end as subject_name,
        {{ plain_text('a.subject_type') }} as subject_type,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as subject_uscc,
        {{ plain_text('a.subject_org_code') }} as subject_org_code,
        {{ plain_text('a.subject_reg_no') }} as subject_reg_no,
        {{ plain_text('a.person_id_type') }} as person_id_type,
        {{ plain_text('a.list_code') }} as source_list_code,
        {{ plain_text('a.list_name') }} as list_name,
        {{ plain_text('a.document_no') }} as document_no,
        {{ masked_text('a.entry_reason') }} as entry_reason,
        {{ plain_text('a.legal_basis') }} as legal_basis,
        ops.parse_date(a.decision_date) as decision_date,
        ops.parse_date(a.published_on) as published_on,
        ops.parse_date(a.behaviour_from) as behaviour_from,
        ops.parse_date(a.behaviour_to) as behaviour_to,
        ops.parse_date(a.planned_exit_date) as planned_exit_date,
        ops.parse_date(a.exit_date) as exit_date,
        {{ plain_text('a.exit_reason') }} as exit_reason,
        ops.mask_name(a.legal_representative_name) as legal_representative_name,
        ops.mask_name(a.responsible_person_name) as responsible_person_name,
        {{ plain_text('a.responsible_person_role') }} as responsible_person_role,
        {{ read_flag('a.responsible_person_named') }} as responsible_person_named,
        ops.parse_date(a.person_notified_on) as person_notified_on,
        {{ plain_text('a.performance') }} as performance,
        {{ plain_text('a.region_name') }} as region_name,
        {{ plain_text('a.authority_name') }} as authority_name,
        {{ plain_text('a.authority_uscc') }} as authority_uscc,
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
