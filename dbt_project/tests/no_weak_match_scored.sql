-- Nothing that rests on a weak match or on none takes points from anybody.
{%- set build = running_build_or_none() %}
select e.line_id
from {{ ref('scores_score_explanation') }} as e
inner join {{ ref('entity_match_review') }} as w on e.record_id = w.record_id and {{ is_open('w') }}
where {{ is_open('e') }}
    {%- if build is not none %}
    and e.known_from_build = {{ build }}
    {%- endif %}
