{# A view people build on. It is replaced only when its definition or its comments changed, in place where PostgreSQL
   allows it, and never dropped with CASCADE: what an analyst built on it stays, or the build says whose view is in the way. #}

{% materialization publish_view, adapter='postgres' %}
    {%- set view = this.incorporate(type='view') -%}
    {%- set documented = [sql, model.description, model.columns.values() | map(attribute='description') | list] -%}
    {%- set definition = local_md5(documented | string) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {%- do open_transaction() -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set exists = load_relation(this) is not none -%}
    {%- set known = run_query(
        "select definition from ops.view_definition where view_name = '" ~ this.schema ~ '.' ~ this.identifier ~ "'"
    ) -%}
    {%- if exists and known.rows | length == 1 and known.rows[0][0] == definition -%}
        {% call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) -%} {{ sql }} {%- endcall %}
    {%- else -%}
        {%- if exists and not publish_view_fits(view, sql) -%}
            {%- do run_query('drop view ' ~ view) -%}
        {%- endif -%}
        {% call statement('main') -%}
            create or replace view {{ view }} as
            {{ sql }}
        {%- endcall %}
        {%- do persist_docs(view, model) -%}
        {%- do run_query(
            "insert into ops.view_definition (view_name, definition) values ('"
            ~ this.schema ~ '.' ~ this.identifier ~ "', '" ~ definition
            ~ "') on conflict (view_name) do update set definition = excluded.definition"
        ) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [view]}) }}
{% endmaterialization %}

{# `create or replace` works when every present column keeps its place, name and type. #}
{% macro publish_view_fits(view, sql) -%}
    {%- set present = adapter.get_columns_in_relation(view) -%}
    {%- set wanted = get_column_schema_from_query(sql) -%}
    {%- if wanted | length < present | length -%}
        {{ return(false) }}
    {%- endif -%}
    {%- for column in present -%}
        {%- set other = wanted[loop.index0] -%}
        {%- if column.name != other.name or column.data_type != other.data_type -%}
            {{ return(false) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(true) }}
{%- endmacro %}
