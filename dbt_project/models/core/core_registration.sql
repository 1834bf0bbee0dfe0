{{ config(meta={
    'key': ['record_id'],
    'provenance': ['batch_id', 'row_no', 'version_at', 'version_seq', 'content_hash', 'received_at', 'delivered_on', 'flags', 'layout'],
    'indexes': ['(document_key) where known_to_build = <open>']
}) }}
-- Registration (登记注册): every record of the kind, its subject, its state, and where it came from.
{%- set columns = [
    'record_id', 'department', 'feed', 'layout', 'batch_id', 'row_no', 'version_at', 'version_seq',
    'content_hash', 'received_at', 'delivered_on', 'source_state', 'source_state_on', 'flags', 'original',
    'party_type', 'decided_on', 'document_key', 'subject_name', 'subject_type', 'subject_uscc',
    'subject_org_code', 'subject_reg_no', 'entity_type', 'entity_status', 'registered_on', 'deregistered_on',
    'legal_representative_name', 'legal_representative_since', 'registered_capital',
    'registered_capital_amount', 'registered_capital_currency', 'business_scope', 'industry_code', 'province',
    'city', 'region_code', 'registered_address', 'head_office_uscc', 'valid_until', 'is_long_term',
    'registration_authority', 'source_unit_name', 'source_unit_uscc'
] %}

with base as (
    {{ staged_and_known('registration', columns, has_history(), build_no()) }}
),

identified as (
    {{ identified('base') }}
),

affected as (
    {{ effects_on('registration', 'identified') }}
),

stated as (
    -- a register that changes a name keeps the day of establishment; two names with two days are two bodies under one code
    select
        l.record_id,
        l.subject_name,
        l.registered_on
    from {{ ref('staging_registration_claim') }} as l
    {%- if has_history() %}
    union all
    select
        k.record_id,
        k.subject_name,
        k.registered_on::text
    from {{ this }} as k
    inner join base as b on k.record_id = b.record_id
    where k.subject_name is not null and k.registered_on is not null
    {%- endif %}
),

twice as (
    select s.record_id
    from stated as s
    group by s.record_id
    having min(s.subject_name) <> max(s.subject_name) and min(s.registered_on) <> max(s.registered_on)
),

claimed_twice as (
    select s.record_id
    from stated as s
    inner join twice as t on s.record_id = t.record_id
    group by s.record_id
    having count(distinct ops.normal_name(s.subject_name)) > 1 and count(distinct ops.parse_date(s.registered_on)) > 1
),

final as (
    select
        r.record_id,
        r.department,
        r.feed,
        r.layout,
        r.batch_id,
        r.row_no,
        r.version_at,
        r.version_seq,
        r.content_hash,
        r.received_at,
        r.delivered_on,
        r.source_state,
        r.source_state_on,
        r.flags,
        r.original,
        r.party_type,
        r.decided_on,
        r.document_key,
        r.subject_name,
        r.subject_type,
        r.subject_uscc,
        r.subject_org_code,
        r.subject_reg_no,
        r.entity_type,
        r.entity_status,
        r.registered_on,
        r.deregistered_on,
        r.legal_representative_name,
        r.legal_representative_since,
        r.registered_capital,
        r.registered_capital_amount,
        r.registered_capital_currency,
        r.business_scope,
        r.industry_code,
        r.province,
        r.city,
        r.region_code,
        r.registered_address,
        r.head_office_uscc,
        r.valid_until,
        r.is_long_term,
        r.registration_authority,
        r.source_unit_name,
        r.source_unit_uscc,
        r.snapshot_ended_on,
        r.source_subject_id,
        r.subject_id,
        r.match_grade,
        r.match_rule,
        r.match_issues,
        c.catalogue_item_code,
        case when r.party_type = 'natural_person' then coalesce(c.scope_person, 1) else coalesce(c.scope_organisation, 1) end as usage_scope,
        {{ record_state('r', 'e', "false") }} as state,
        {{ record_state_reason('r', 'e') }} as state_reason,
        {{ record_state_since('r', 'e') }} as state_since,
        coalesce(e.objected, false) as objected,
        coalesce(e.publication_hold, false) as publication_hold,
        array_remove(r.match_issues || array[
            case when r.decided_on is null then 'decisive_date_missing' end,
            case when d.record_id is not null and r.match_rule = 'uscc' then 'uscc_claimed_twice' end
        ], null) as issues
    from identified as r
    left join affected as e on r.record_id = e.record_id
    left join claimed_twice as d on r.record_id = d.record_id
    left join {{ ref('catalogue_item') }} as c
        on c.record_kind = 'registration'
        and coalesce(r.decided_on, r.delivered_on) >= c.valid_from
        and (c.valid_to is null or coalesce(r.decided_on, r.delivered_on) < c.valid_to)
)

select * from final
