{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- Subjects to score anew: a record, a list or their description changed in this build, a decay step or a term fell due,
-- or their score was worked out by other rules, by a scorecard that is not in force on this date, or for a later date. Where a
-- scorecard enters into force or on trial, everybody is due.
{%- set build = build_no() %}
{%- set earlier = earlier_scores() %}
{%- for kind in ['penalty', 'inspection', 'honour', 'rating', 'arrears', 'commitment', 'contract_performance',
                 'compliance_fact', 'enforcement', 'permit', 'qualification', 'award', 'judgement', 'approval_case',
                 'self_declared'] %}
select r.subject_id
from {{ ref('core_' ~ kind) }} as r
where {{ changed_now('r', build) }}
union
{%- endfor %}
select m.subject_id
from {{ ref('lists_list_membership') }} as m
where {{ changed_now('m', build) }}
union
select s.subject_id
from {{ ref('entity_subject') }} as s
where {{ changed_now('s', build) }}
{%- if earlier %}
union
select s.subject_id
from {{ earlier }} as s
where s.known_to_build = {{ open_build() }}
    and (
        s.next_due_on <= {{ as_of() }}
        or s.as_of_date > {{ as_of() }}
        or s.rule_hash <> '{{ rule_hash() }}'
        or not exists (
            select 1
            from {{ ref('score_model') }} as m
            where m.model_version = s.model_version
                and m.is_official = s.is_official
                and {{ as_of() }} >= m.valid_from
                and (m.valid_to is null or {{ as_of() }} < m.valid_to)
        )
        or exists (
            select 1
            from {{ ref('score_model') }} as m
            where {{ as_of() }} >= m.valid_from
                and (m.valid_to is null or {{ as_of() }} < m.valid_to)
                and not exists (
                    select 1
                    from {{ earlier }} as e
                    where e.model_version = m.model_version and e.known_to_build = {{ open_build() }}
                )
        )
    )
{%- else %}
-- depends_on: {{ ref('score_model') }}
{%- endif %}
