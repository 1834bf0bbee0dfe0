{# The one place that knows PostgreSQL from Citus. #}

{% macro is_distributed() -%}
    {{ return(target.name == 'citus') }}
{%- endmacro %}

{# Spread a new, still empty table over the shards by its key. Does nothing on plain PostgreSQL. #}
{% macro distribute(relation, key) -%}
    {%- if is_distributed() and key -%}
        {%- set known = run_query(
            "select 1 from pg_dist_partition where logicalrelid = '" ~ relation ~ "'::regclass"
        ) -%}
        {%- if known.rows | length == 0 -%}
            {%- do run_query("select create_distributed_table('" ~ relation ~ "', '" ~ key ~ "')") -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# Do something and look at no answer: dbt builds a table of every answer it fetches, even of none. Several statements at once
   are one message to the server. #}
{% macro execute_only(statements) -%}
    {% call statement('executed', fetch_result=False) -%}
        {{ statements }}
    {%- endcall %}
{%- endmacro %}

{# Whether this warehouse was built before with exactly this code, its contracts compared and its columns in place. #}
{% macro code_is_in_place() -%}
    {{ return(env_var('CREDITFLOW_CODE_IN_PLACE', 'no') == 'yes') }}
{%- endmacro %}

{# A real, unlogged table from a query; distributed by `key` where the engine distributes. It lives for one build and is
   analyzed by it: autovacuum would do the same once more, and hold up whoever drops it. #}
{% macro create_unlogged_as(relation, key, sql) -%}
    {%- if is_distributed() and key %}
        {%- do run_query("create unlogged table " ~ relation ~ " as select * from (" ~ sql ~ ") as q limit 0") -%}
        {%- do distribute(relation, key) -%}
        insert into {{ relation }} select * from ({{ sql }}) as q
    {%- else %}
        create unlogged table {{ relation }} with (autovacuum_enabled = false) as
        {{ sql }}
    {%- endif %}
{%- endmacro %}

{# dbt opens no transaction for statements that only ask or prepare; ours belong to the same one as the rest. #}
{% macro open_transaction() -%}
    {% call statement('open_transaction', fetch_result=False, auto_begin=true) -%}
        select 1
    {%- endcall %}
{%- endmacro %}
