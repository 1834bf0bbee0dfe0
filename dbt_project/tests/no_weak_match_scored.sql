-- Nothing that rests on a weak match or on none takes points from anybody, unless a person gave the record to the subject.
{%- set build = running_build_or_none() %}
select e.line_id
from {{ ref('scores_score_explanation') }} as e
inner join {{ ref('entity_match_review') }} as w on e.record_id = w.record_id and {{ is_open('w') }}
left join {{ ref('entity_subject_alias') }} as a on w.subject_id = a.subject_id and {{ is_open('a') }}
where {{ is_open('e') }}
    and (a.canonical_subject_id is null or a.canonical_subject_id = a.subject_id)
    {%- if build is not none %}
    and e.known_from_build = {{ build }}
    {%- endif %}
