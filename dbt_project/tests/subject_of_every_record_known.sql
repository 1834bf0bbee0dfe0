-- Every record of this build that claims a subject names one the warehouse knows.
{%- set build = running_build_or_none() %}
{%- for kind in kinds_with_party() %}
select
    '{{ kind }}' as record_kind,
    r.record_id,
    r.subject_id
from {{ ref('core_' ~ kind) }} as r
where r.known_to_build = {{ open_build() }}
    and r.match_grade in ('exact', 'strong')
    {%- if build is not none %}
    and r.known_from_build = {{ build }}
    {%- endif %}
    and not exists (
        select 1
        from {{ ref('entity_subject') }} as s
        where s.subject_id = r.subject_id and s.known_to_build = {{ open_build() }}
    )
{{ 'union all' if not loop.last }}
{%- endfor %}
