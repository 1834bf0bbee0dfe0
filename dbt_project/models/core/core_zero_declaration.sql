{{ config(meta={
    'key': ['record_id'],
    'provenance': ['batch_id', 'row_no', 'version_at', 'version_seq', 'content_hash', 'received_at', 'delivered_on', 'flags', 'layout'],
    'indexes': []
}) }}
-- Zero declaration (零报送): every record of the kind, its subject, its state, and where it came from.
{%- set columns = [
    'record_id', 'department', 'feed', 'layout', 'batch_id', 'row_no', 'version_at', 'version_seq',
    'content_hash', 'received_at', 'delivered_on', 'source_state', 'source_state_on', 'flags', 'original',
    'party_type', 'decided_on', 'document_key', 'document_no', 'declared_kind', 'period', 'officer',
    'decision_date', 'source_unit_name', 'source_unit_uscc'
] %}

with base as (
    {{ staged_and_known('zero_declaration', columns, has_history(), build_no(), targeted=false) }}
),

identified as (
    {{ identified('base') }}
),

affected as (
    {{ no_effects() }}
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
        r.document_no,
        r.declared_kind,
        r.period,
        r.officer,
        r.decision_date,
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
            case when r.decided_on is null then 'decisive_date_missing' end
        ], null) as issues
    from identified as r
    left join affected as e on r.record_id = e.record_id
    left join {{ ref('catalogue_item') }} as c
        on c.record_kind = 'zero_declaration'
        and coalesce(r.decided_on, r.delivered_on) >= c.valid_from
        and (c.valid_to is null or coalesce(r.decided_on, r.delivered_on) < c.valid_to)
)

select * from final
