-- What is repaired, withdrawn or deleted takes no points.
{%- set build = running_build_or_none() %}
select e.line_id
from {{ ref('scores_score_explanation') }} as e
inner join {{ ref('core_penalty') }} as p
    on e.subject_id = p.subject_id and e.record_id = p.record_id and {{ is_open('p') }}
where {{ is_open('e') }} and p.state <> 'active'
    {%- if build is not none %}
    and e.known_from_build = {{ build }}
    {%- endif %}
