{# Every record that claims a subject names one the warehouse knows. Looks at the rows of the running build. #}
{% test subject_known(model) %}
    {%- set build = running_build_or_none() %}
    select r.record_id, r.subject_id
    from {{ model }} as r
    left join {{ ref('entity_subject') }} as s
        on r.subject_id = s.subject_id and s.known_to_build = {{ open_build() }}
    where r.known_to_build = {{ open_build() }}
        and r.match_grade in ('exact', 'strong')
        {%- if build is not none %}
        and r.known_from_build = {{ build }}
        {%- endif %}
        and s.subject_id is null
{% endtest %}
