{# A key has one open version, over all subjects. Looks at the keys the running build touched; of a table that no build is
   changing, at all of it. #}
{% test one_open_version(model, key) %}
    {%- set build = running_build_or_none() %}
    select t.{{ key | join(', t.') }}, count(*) as versions
    from {{ model }} as t
    where t.known_to_build = {{ open_build() }}
    {%- if build is not none %}
        and (t.{{ key | join(', t.') }}) in (
            select c.{{ key | join(', c.') }} from {{ model }} as c where c.known_from_build = {{ build }}
        )
    {%- endif %}
    group by t.{{ key | join(', t.') }}
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
