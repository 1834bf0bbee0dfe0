{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- Subjects in scope that a scorecard rates, per scorecard in force, and the reason why one is not rated today.
with model as (
    select m.*
    from {{ ref('score_model') }} as m
    where {{ as_of() }} >= m.valid_from and (m.valid_to is null or {{ as_of() }} < m.valid_to)
),

described as (
    select s.*
    from {{ ref('entity_subject') }} as s
    inner join {{ ref('staging_score_scope') }} as c on s.subject_id = c.subject_id
    where {{ is_open('s') }} and s.merged_into_subject_id is null
),

seen as (
    {%- for kind in ['penalty', 'inspection', 'honour', 'rating', 'arrears', 'commitment', 'contract_performance',
                     'compliance_fact', 'enforcement', 'permit', 'qualification', 'award', 'judgement', 'approval_case',
                     'self_declared', 'list_entry', 'abnormal_entry'] %}
    select d.subject_id
    from described as d
    where exists (
        select 1 from {{ ref('core_' ~ kind) }} as r
        where r.subject_id = d.subject_id and {{ is_open('r') }} and r.state in ('active', 'ended')
    )
    {{ 'union' if not loop.last }}
    {%- endfor %}
),

judged as (
    select
        d.subject_id,
        m.model_version,
        m.is_official,
        d.uscc,
        d.region_code,
        d.registered_on,
        d.entity_status,
        seen.subject_id is not null as has_record,
        by_status.rule_code as status_rule,
        case when not d.is_registered then unregistered.rule_code end as unregistered_rule,
        case when {{ add_months('d.registered_on', 'young.value::integer') }} > {{ as_of() }} then young.rule_code end as young_rule,
        {{ add_months('d.registered_on', 'young.value::integer') }} as rated_from,
        {{ add_months('d.registered_on', 'thin.value::integer') }} as thin_until
    from described as d
    inner join model as m on d.subject_type = any(string_to_array(m.subject_types, '|'))
    left join seen on d.subject_id = seen.subject_id
    left join {{ ref('score_eligibility') }} as by_status
        on m.model_version = by_status.model_version and by_status.rule_type = 'status' and d.entity_status = by_status.value
    left join {{ ref('score_eligibility') }} as unregistered
        on m.model_version = unregistered.model_version and unregistered.rule_type = 'unregistered'
    left join {{ ref('score_eligibility') }} as young
        on m.model_version = young.model_version and young.rule_type = 'min_months'
    left join {{ ref('score_eligibility') }} as thin
        on m.model_version = thin.model_version and thin.rule_type = 'thin_months'
)

select
    j.subject_id,
    j.model_version,
    j.is_official,
    j.uscc,
    j.region_code,
    coalesce(j.unregistered_rule, j.status_rule, j.young_rule) as not_rated_reason,
    coalesce(j.thin_until > {{ as_of() }}, false) or not j.has_record as thin_file,
    least(
        case when j.rated_from > {{ as_of() }} then j.rated_from end,
        case when j.thin_until > {{ as_of() }} then j.thin_until end
    ) as next_due_on
from judged as j
