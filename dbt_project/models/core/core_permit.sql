{{ config(meta={
    'key': ['record_id'],
    'provenance': ['batch_id', 'row_no', 'version_at', 'version_seq', 'content_hash', 'received_at', 'delivered_on', 'flags', 'layout'],
    'indexes': ['(document_key) where known_to_build = <open>']
}) }}
-- Permit (行政许可): every record of the kind, its subject, its state, and where it came from.
{%- set columns = [
    'record_id', 'department', 'feed', 'layout', 'batch_id', 'row_no', 'version_at', 'version_seq',
    'content_hash', 'received_at', 'delivered_on', 'source_state', 'source_state_on', 'flags', 'original',
    'party_type', 'decided_on', 'document_key', 'counterparty_name', 'counterparty_type', 'counterparty_uscc',
    'counterparty_reg_no', 'counterparty_org_code', 'counterparty_tax_no', 'counterparty_institution_no',
    'counterparty_social_org_no', 'legal_representative_name', 'legal_representative_id_type',
    'person_id_type', 'decision_document_title', 'decision_document_no', 'permit_category',
    'certificate_name', 'certificate_no', 'permit_content', 'decision_date', 'valid_from', 'valid_to',
    'is_long_term', 'permit_authority_name', 'permit_authority_uscc', 'record_status', 'source_unit_name',
    'source_unit_uscc', 'remark', 'region_code'
] %}

with base as (
    {{ staged_and_known('permit', columns, has_history(), build_no()) }}
),

identified as (
    {{ identified('base') }}
),

affected as (
    {{ effects_on('permit', 'identified', 'permit_authority_uscc') }}
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
        r.counterparty_name,
        r.counterparty_type,
        r.counterparty_uscc,
        r.counterparty_reg_no,
        r.counterparty_org_code,
        r.counterparty_tax_no,
        r.counterparty_institution_no,
        r.counterparty_social_org_no,
        r.legal_representative_name,
        r.legal_representative_id_type,
        r.person_id_type,
        r.decision_document_title,
        r.decision_document_no,
        r.permit_category,
        r.certificate_name,
        r.certificate_no,
        r.permit_content,
        r.decision_date,
        r.valid_from,
        r.valid_to,
        r.is_long_term,
        r.permit_authority_name,
        r.permit_authority_uscc,
        r.record_status,
        r.source_unit_name,
        r.source_unit_uscc,
        r.remark,
        r.region_code,
        r.snapshot_ended_on,
        r.source_subject_id,
        r.subject_id,
        r.match_grade,
        r.match_rule,
        r.match_issues,
        c.catalogue_item_code,
        case when r.party_type = 'natural_person' then coalesce(c.scope_person, 1) else coalesce(c.scope_organisation, 1) end as usage_scope,
        {{ record_state('r', 'e', "coalesce(r.record_status = '2', false)") }} as state,
        {{ record_state_reason('r', 'e') }} as state_reason,
        {{ record_state_since('r', 'e') }} as state_since,
        coalesce(e.objected, false) as objected,
        coalesce(e.publication_hold, false) as publication_hold,
        array_remove(r.match_issues || array[
            case when r.valid_to < r.valid_from then 'term_ends_before_start' end,
            case when r.decided_on is null then 'decisive_date_missing' end
        ], null) as issues
    from identified as r
    left join affected as e on r.record_id = e.record_id
    left join {{ ref('catalogue_item') }} as c
        on c.record_kind = 'permit'
        and coalesce(r.decided_on, r.delivered_on) >= c.valid_from
        and (c.valid_to is null or coalesce(r.decided_on, r.delivered_on) < c.valid_to)
)

select * from final
