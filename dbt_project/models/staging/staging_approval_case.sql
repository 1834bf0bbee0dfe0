-- Approval case rows of this build (行政审批办件): the newest version of each record, typed; people's names masked, their keys apart.
with arrived as (
    {{ arrived('approval_case', build_no()) }}
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
        case when a.party_type = 'natural_person' then ops.mask_name(a.subject_name) else {{ plain_text('a.subject_name') }} end as subject_name,
        {{ plain_text('a.subject_type') }} as subject_type,
        case when a.party_type <> 'natural_person' then nullif(a.party_code, '') end as subject_uscc,
        {{ plain_text('a.subject_org_code') }} as subject_org_code,
        {{ plain_text('a.subject_reg_no') }} as subject_reg_no,
        {{ plain_text('a.person_id_type') }} as person_id_type,
        {{ plain_text('a.document_no') }} as document_no,
        {{ plain_text('a.item_code') }} as item_code,
        {{ plain_text('a.item_name') }} as item_name,
        {{ plain_text('a.region_code') }} as region_code,
        {{ plain_text('a.channel') }} as channel,
        {{ plain_text('a.online_depth') }} as online_depth,
        {{ read_moment('a.applied_at') }} as applied_at,
        {{ read_moment('a.accepted_at') }} as accepted_at,
        {{ read_moment('a.decided_at') }} as decided_at,
        {{ plain_text('a.case_decision') }} as case_decision,
        {{ read_integer('a.statutory_days') }} as statutory_days,
        {{ read_integer('a.promised_days') }} as promised_days,
        {{ read_integer('a.suspended_days') }} as suspended_days,
        {{ read_integer('a.visits') }} as visits,
        {{ plain_text('a.satisfaction') }} as satisfaction,
        {{ plain_text('a.source_unit_name') }} as source_unit_name,
        {{ plain_text('a.source_unit_uscc') }} as source_unit_uscc
    from party as a
)

select
    f.*,
    (f.accepted_at at time zone 'Asia/Shanghai')::date as decided_on
from final as f
