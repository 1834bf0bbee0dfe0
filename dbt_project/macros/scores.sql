{# Scores of earlier builds, or nothing before the first. Not a `ref`: scores depend on this, and look back at themselves. #}
{% macro earlier_scores() -%}
    {%- if execute and var('build_no') is not none -%}
        {{ return(api.Relation.create(database=target.database, schema='scores', identifier='score')) }}
    {%- elif execute -%}
        {{ return(adapter.get_relation(database=target.database, schema='scores', identifier='score')) }}
    {%- endif -%}
{%- endmacro %}

{# Hash of the score's rules: seeds and models of the scorecard, computed by creditflow/warehouse.py for the running build. #}
{% macro rule_hash() -%}
    {%- if not execute -%}{{ return('') }}{%- endif -%}
    {%- set found = run_query("select detail ->> 'rule_hash' from ops.build where state = 'running'") -%}
    {{ return(found.rows[0][0] if found.rows | length and found.rows[0][0] else 'none') }}
{%- endmacro %}
