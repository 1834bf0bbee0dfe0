-- No scorecard rates a natural person.
{%- set build = running_build_or_none() %}
select s.score_id
from {{ ref('scores_score') }} as s
inner join {{ ref('entity_subject') }} as d on s.subject_id = d.subject_id and {{ is_open('d') }}
where {{ is_open('s') }} and d.subject_type = 'natural_person'
    {%- if build is not none %}
    and s.known_from_build = {{ build }}
    {%- endif %}
