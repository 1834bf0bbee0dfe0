{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- Subjects to score anew: a record, a list or their description changed in this build, a decay step or a term fell due,
-- or their score was worked out by other rules or for a later date.
{%- set build = build_no() %}
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
{%- if earlier_scores() %}
union
select s.subject_id
from {{ earlier_scores() }} as s
where s.known_to_build = {{ open_build() }}
    and (s.next_due_on <= {{ as_of() }} or s.as_of_date > {{ as_of() }} or s.rule_hash <> '{{ rule_hash() }}')
{%- endif %}
