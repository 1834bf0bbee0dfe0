{# What one build works with: an unlogged table made anew each time. Nothing lasting may depend on it. #}

{% materialization transient, adapter='postgres' %}
    {%- if flags.EMPTY -%}
        {{ exceptions.raise_compiler_error('a transient model cannot be built with --empty: ' ~ model.name) }}
    {%- endif -%}
    {%- set table = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {%- do open_transaction() -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- do run_query('drop table if exists ' ~ table) -%}
    {% call statement('main') -%}
        {{ create_unlogged_as(table, config.meta_get('distributed_by'), sql) }}
    {%- endcall %}
    {%- for index in config.meta_get('indexes', []) -%}
        {%- do run_query('create index on ' ~ table ~ ' ' ~ index) -%}
    {%- endfor -%}
    {%- do run_query('analyze ' ~ table) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [table]}) }}
{% endmaterialization %}
