-- The lines of the explanation sum to the published score, for every score the running build touched.
{%- set build = running_build_or_none() %}
select
    s.score_id,
    s.score,
    sum(e.applied_points) as explained
from {{ ref('scores_score') }} as s
inner join {{ ref('scores_score_explanation') }} as e
    on s.subject_id = e.subject_id and s.score_id = e.score_id and {{ is_open('e') }}
where {{ is_open('s') }} and s.score is not null
    {%- if build is not none %}
    and s.known_from_build = {{ build }}
    {%- endif %}
group by s.score_id, s.score
having sum(e.applied_points) <> s.score
