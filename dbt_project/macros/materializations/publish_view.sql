{# A view people build on. It is replaced only when its definition or its comments changed, in place where PostgreSQL
   allows it, and never dropped with CASCADE: what an analyst built on it stays, or the build says whose view is in the way.
   Its contract, every column by name and type, is compared with the query before anything is touched. #}

{% materialization publish_view, adapter='postgres' %}
    {%- if not config.get('contract').enforced -%}
        {{ exceptions.raise_compiler_error('a published view needs an enforced contract: ' ~ model.name) }}
    {%- endif -%}
    {%- set view = this.incorporate(type='view') -%}
    {%- set columns = model.columns.values() -%}
    {%- set documented = [
        sql, model.description, columns | map(attribute='data_type') | list, columns | map(attribute='description') | list
    ] -%}
    {%- set definition = local_md5(documented | string) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {%- do open_transaction() -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set exists = run_query("select to_regclass('" ~ view ~ "')").rows[0][0] is not none -%}
    {%- set known = run_query(
        "select definition from ops.view_definition where view_name = '" ~ this.schema ~ '.' ~ this.identifier ~ "'"
    ) -%}
    {%- if exists and known.rows | length == 1 and known.rows[0][0] == definition -%}
        {% call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) -%} {{ sql }} {%- endcall %}
    {%- else -%}
        {%- do get_assert_columns_equivalent(sql) -%}
        {%- if exists and not publish_view_fits(view, sql) -%}
            {%- do publish_view_drop(view) -%}
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

{# `create or replace` works when every present column keeps its place, name and type. A probe view in `work` tells. #}
{% macro publish_view_fits(view, sql) -%}
    {%- set probe = api.Relation.create(database=view.database, schema='work', identifier='p_' ~ view.identifier) -%}
    {%- do run_query('drop view if exists ' ~ probe) -%}
    {%- do run_query('create view ' ~ probe ~ ' as ' ~ sql) -%}
    {%- set misplaced = run_query(
        "select 1 from pg_attribute as old left join pg_attribute as new on new.attrelid = '" ~ probe ~ "'::regclass"
        ~ ' and new.attnum = old.attnum and new.attname = old.attname and new.atttypid = old.atttypid'
        ~ ' and new.atttypmod = old.atttypmod'
        ~ " where old.attrelid = '" ~ view ~ "'::regclass and old.attnum > 0 and new.attnum is null limit 1"
    ) -%}
    {%- do run_query('drop view ' ~ probe) -%}
    {{ return(misplaced.rows | length == 0) }}
{%- endmacro %}

{# A view whose columns change place or type must go and come back, and with it the views of ours that read it: they are made
   anew later in the same build. Anybody else's view in the way stops the build, by name. #}
{% macro publish_view_drop(view) -%}
    {%- set dependents = run_query(
        "with recursive reader as ("
        ~ " select distinct r.ev_class as oid, 1 as depth from pg_depend as d inner join pg_rewrite as r on d.objid = r.oid"
        ~ " where d.classid = 'pg_rewrite'::regclass and d.refobjid = '" ~ view ~ "'::regclass"
        ~ " and r.ev_class <> d.refobjid"
        ~ " union select r.ev_class, reader.depth + 1 from reader inner join pg_depend as d on d.refobjid = reader.oid"
        ~ " inner join pg_rewrite as r on d.objid = r.oid and d.classid = 'pg_rewrite'::regclass"
        ~ " where r.ev_class <> reader.oid)"
        ~ " select c.oid::regclass::text, n.nspname || '.' || c.relname, v.view_name is not null from reader"
        ~ " inner join pg_class as c on reader.oid = c.oid inner join pg_namespace as n on c.relnamespace = n.oid"
        ~ " left join ops.view_definition as v on v.view_name = n.nspname || '.' || c.relname"
        ~ " group by 1, 2, 3 order by max(reader.depth) desc"
    ).rows -%}
    {%- for dependent in dependents if not dependent[2] -%}
        {{ exceptions.raise_compiler_error(view ~ ' changes its columns, but ' ~ dependent[1] ~ ' reads it') }}
    {%- endfor -%}
    {%- for dependent in dependents -%}
        {%- do run_query('drop view if exists ' ~ dependent[0]) -%}
        {%- do run_query("delete from ops.view_definition where view_name = '" ~ dependent[1] ~ "'") -%}
    {%- endfor -%}
    {%- do run_query('drop view ' ~ view) -%}
{%- endmacro %}
