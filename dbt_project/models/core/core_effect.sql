{{ config(meta={
    'key': ['effect_id'],
    'scope': 'staging_effect_scope',
    'scope_column': 'effect_id',
    'indexes': [
        '(target_document_key) where known_to_build = <open>',
        '(target_record_id) where known_to_build = <open> and target_record_id is not null',
    ],
}) }}
-- What a repair, an objection or a decision of the credit office does to another record, as long as it is in force.
-- A deletion needs a second person's yes. An effect without a subject concerns every party of the document.
with scope as (
    select s.effect_id from {{ ref('staging_effect_scope') }} as s
),

repair as (
    select
        r.record_id as effect_id,
        r.subject_id,
        'repair' as source_kind,
        'repair' as effect_type,
        null::text as effect_value,
        r.decided_on as effective_on,
        r.target_kind,
        ops.normal_document_no(r.target_document_no) as target_document_key,
        r.target_authority_uscc,
        null::uuid as target_record_id,
        r.subject_id as target_subject_id,
        r.authority_name as decided_by,
        null::text as reason
    from {{ ref('core_repair') }} as r
    inner join scope as s on r.record_id = s.effect_id
    where {{ is_open('r') }} and r.state = 'active' and r.repair_state in ('granted', 'executed')
),

objection as (
    select
        r.record_id as effect_id,
        r.subject_id,
        'objection' as source_kind,
        case when r.objection_state = 'upheld' then 'objection_upheld' else 'objection_open' end as effect_type,
        null::text as effect_value,
        r.decided_on as effective_on,
        r.target_kind,
        ops.normal_document_no(r.target_document_no) as target_document_key,
        null::text as target_authority_uscc,
        null::uuid as target_record_id,
        r.subject_id as target_subject_id,
        r.authority_name as decided_by,
        r.objection_ground as reason
    from {{ ref('core_objection') }} as r
    inner join scope as s on r.record_id = s.effect_id
    where {{ is_open('r') }} and r.state = 'active' and r.objection_state in ('submitted', 'checking', 'upheld')
),

decision as (
    select
        r.record_id as effect_id,
        r.subject_id,
        'decision' as source_kind,
        case r.decision_type when 'objection_mark' then 'objection_open' else r.decision_type end as effect_type,
        r.decision_value as effect_value,
        r.decided_on as effective_on,
        r.target_kind,
        ops.normal_document_no(r.target_document_no) as target_document_key,
        null::text as target_authority_uscc,
        case when pg_input_is_valid(r.target_record_id, 'uuid') then r.target_record_id::uuid end as target_record_id,
        case when r.subject_uscc is not null then r.subject_id end as target_subject_id,
        r.decided_by,
        r.reason
    from {{ ref('core_decision') }} as r
    inner join scope as s on r.record_id = s.effect_id
    where {{ is_open('r') }}
        and r.state = 'active'
        and r.decision_type in (
            'repair', 'objection_upheld', 'objection_mark', 'withdrawal', 'deletion', 'regime_override', 'severity',
            'notice_date', 'publication_hold', 'nominee'
        )
        and (r.decision_type <> 'deletion' or r.confirmed_by is not null and r.confirmed_by <> r.decided_by)
)

select * from repair
union all
select * from objection
union all
select * from decision
