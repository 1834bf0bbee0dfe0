{{ config(meta={
    'key': ['record_id'],
    'provenance': ['batch_id', 'row_no', 'version_at', 'version_seq', 'content_hash', 'received_at', 'delivered_on', 'flags', 'layout'],
    'indexes': ['(document_key) where known_to_build = <open>']
}) }}
-- List entry (名单列入与移出): every record of the kind, its subject, its state, and where it came from.
{%- set columns = [
    'record_id', 'department', 'feed', 'layout', 'batch_id', 'row_no', 'version_at', 'version_seq',
    'content_hash', 'received_at', 'delivered_on', 'source_state', 'source_state_on', 'flags', 'original',
    'party_type', 'decided_on', 'document_key', 'subject_name', 'subject_type', 'subject_uscc',
    'subject_org_code', 'subject_reg_no', 'person_id_type', 'source_list_code', 'list_name', 'document_no',
    'entry_reason', 'legal_basis', 'decision_date', 'published_on', 'behaviour_from', 'behaviour_to',
    'planned_exit_date', 'exit_date', 'exit_reason', 'legal_representative_name', 'responsible_person_name',
    'responsible_person_role', 'responsible_person_named', 'person_notified_on', 'performance', 'region_name',
    'authority_name', 'authority_uscc', 'source_unit_name', 'source_unit_uscc', 'remark', 'region_code'
] %}

with base as (
    {{ staged_and_known('list_entry', columns, has_history(), build_no(), subject_columns=['responsible_subject_id']) }}
),

identified as (
    {{ identified('base') }}
),

affected as (
    {{ effects_on('list_entry', 'identified', 'authority_uscc') }}
),

named as (
    select
        i.*,
        coalesce(by_code.list_code, by_name.list_code) as list_code
    from identified as i
    left join {{ ref('list_rule') }} as by_code on i.source_list_code = by_code.list_code
    left join (
        select
            ops.normal_name(n.list_name) as list_name,
            min(n.list_code) as list_code
        from {{ ref('list_name') }} as n
        group by ops.normal_name(n.list_name)
    ) as by_name on by_code.list_code is null and ops.normal_name(i.list_name) = by_name.list_name
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
        r.person_id_type,
        r.source_list_code,
        r.list_name,
        r.document_no,
        r.entry_reason,
        r.legal_basis,
        r.decision_date,
        r.published_on,
        r.behaviour_from,
        r.behaviour_to,
        r.planned_exit_date,
        r.exit_date,
        r.exit_reason,
        r.legal_representative_name,
        r.responsible_person_name,
        r.responsible_person_role,
        r.responsible_person_named,
        r.person_notified_on,
        r.performance,
        r.region_name,
        r.authority_name,
        r.authority_uscc,
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
        {{ record_state('r', 'e', "false") }} as state,
        {{ record_state_reason('r', 'e') }} as state_reason,
        {{ record_state_since('r', 'e') }} as state_since,
        coalesce(e.objected, false) as objected,
        coalesce(e.publication_hold, false) as publication_hold,
        array_remove(r.match_issues || array[
            case when r.list_code is null then 'list_code_unknown' end,
            case when r.exit_date is not null and r.decided_on is null then 'exit_without_entry' end,
            case when r.planned_exit_date < r.decided_on or r.exit_date < r.decided_on then 'term_ends_before_start' end,
            case when r.decided_on is null then 'decisive_date_missing' end
        ], null) as issues,
        r.list_code,
        r.responsible_subject_id,
        coalesce(ops.parse_date(e.decided_notice_date), r.person_notified_on) as notified_on,
        e.decided_nominee = '是' as is_nominee
    from named as r
    left join affected as e on r.record_id = e.record_id
    left join {{ ref('catalogue_item') }} as c
        on c.record_kind = 'list_entry'
        and coalesce(r.decided_on, r.delivered_on) >= c.valid_from
        and (c.valid_to is null or coalesce(r.decided_on, r.delivered_on) < c.valid_to)
)

select * from final
