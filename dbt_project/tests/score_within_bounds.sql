-- A score lies between 0 and 1000, has a grade, and a subject that is not rated has neither.
{%- set build = running_build_or_none() %}
select
    s.score_id,
    s.score,
    s.grade
from {{ ref('scores_score') }} as s
where {{ is_open('s') }}
    {%- if build is not none %}
    and s.known_from_build = {{ build }}
    {%- endif %}
    and (
        s.score not between 0 and 1000
        or s.score is not null and s.grade not in (select g.grade from {{ ref('score_grade') }} as g)
        or s.score is null and (s.grade <> 'NR' or s.not_rated_reason is null)
    )
