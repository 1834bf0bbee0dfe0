{# A key has one open version, over all subjects. Looks at the keys the running build touched; of a table that no build is
   changing, at all of it. #}
{% test one_open_version(model, key) %}
    {%- set build = running_build_or_none() %}
    select {{ key | join(', ') }}, count(*) as versions
    from {{ model }}
    where known_to_build = {{ open_build() }}
    {%- if build is not none %}
        and ({{ key | join(', ') }}) in (
            select {{ key | join(', ') }} from {{ model }} where known_from_build = {{ build }}
        )
    {%- endif %}
    group by {{ key | join(', ') }}
    having count(*) > 1
{% endtest %}

{# Number of the running build, or none outside a build. #}
{% macro running_build_or_none() -%}
    {%- if execute -%}
        {%- set found = run_query("select build_no from ops.build where state = 'running'") -%}
        {{ return(found.rows[0][0] | int if found.rows | length == 1 else none) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}
