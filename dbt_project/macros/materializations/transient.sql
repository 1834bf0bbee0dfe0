{# What one build works with: an unlogged table made anew each time. Nothing lasting may depend on it. #}

{% materialization transient, adapter='postgres' %}
    {%- if flags.EMPTY -%}
        {{ exceptions.raise_compiler_error('a transient model cannot be built with --empty: ' ~ model.name) }}
    {%- endif -%}
    {%- set table = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {%- do open_transaction() -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- do execute_only('drop table if exists ' ~ table) -%}
    {% call statement('main') -%}
        {{ create_unlogged_as(table, config.meta_get('distributed_by'), sql) }}
    {%- endcall %}
    {%- set finishing = ['analyze ' ~ table] -%}
    {%- for index in config.meta_get('indexes', []) -%}
        {%- do finishing.insert(0, 'create index on ' ~ table ~ ' ' ~ index) -%}
    {%- endfor -%}
    {%- do execute_only(finishing | join(';\n')) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [table]}) }}
{% endmaterialization %}
