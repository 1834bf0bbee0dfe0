{# History by build. A row of such a table is one version: known_from_build <= K < known_to_build means "build K knew it so".

   The model gives the rows of the keys this build touched, nothing else. In one transaction:
     1. rows an earlier attempt of this same build left are taken back, so that a step run twice gives the same;
     2. the new rows are staged in a real unlogged table in `work` (the first load goes straight into the target);
     3. open versions of a staged key are closed where content or subject differ;
        with meta.scope, open versions of the keys named there are closed as well when no staged row says the same key;
     4. staged rows without an open version are inserted; indexes follow the first load; analyze where much has changed.

   meta.key           columns that identify a row; a record that moves to another subject keeps its key
   meta.keep_first    true: a key once known is never superseded (identifiers, mints)
   meta.scope         model whose column meta.scope_column (default subject_id) lists the keys recomputed as a whole
   meta.provenance    columns that say where a row came from: a change in them alone makes no new version
   meta.indexes       further indexes, as the text after `on <table>`; `unique` in front where it applies
   meta.distributed_by key of the shards where the engine distributes (default subject_id)

   The contract of the model is enforced here, and --empty is refused: it would close nothing and teach nothing. #}

{% materialization versioned, adapter='postgres' %}
    {%- if flags.EMPTY -%}
        {{ exceptions.raise_compiler_error('a versioned model cannot be built with --empty: ' ~ model.name) }}
    {%- endif -%}
    {%- if not config.get('contract').enforced -%}
        {{ exceptions.raise_compiler_error('a versioned model needs an enforced contract: ' ~ model.name) }}
    {%- endif -%}
    {%- set build = build_no() | trim | int -%}
    {%- set key = config.meta_require('key') -%}
    {%- set keep_first = config.meta_get('keep_first', false) -%}
    {%- set scope = config.meta_get('scope') -%}
    {%- set scope_column = config.meta_get('scope_column', 'subject_id') -%}
    {%- set provenance = config.meta_get('provenance', []) -%}
    {%- set shard_key = config.meta_get('distributed_by', 'subject_id') -%}
    {%- set table = this.incorporate(type='table') -%}
    {%- set stage = api.Relation.create(database=this.database, schema='work', identifier='v_' ~ this.schema ~ '_' ~ this.identifier) -%}
    {%- set columns = model.columns.values() | map(attribute='name') | list -%}
    {%- set is_new = load_cached_relation(this) is none -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {%- do open_transaction() -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if is_new or not code_is_in_place() -%}
        {%- do get_assert_columns_equivalent(sql) -%}
    {%- endif -%}

    {%- if is_new -%}
        {%- do run_query(versioned_ddl(table)) -%}
        {%- do distribute(table, shard_key) -%}
    {%- else -%}
        {%- if not code_is_in_place() -%}
            {%- do versioned_evolve(table) -%}
        {%- endif -%}
        {%- do execute_only(
            'delete from ' ~ table ~ ' where known_from_build = ' ~ build ~ ';\n'
            ~ 'update ' ~ table ~ ' set known_to_build = ' ~ open_build() ~ ' where known_to_build = ' ~ build
        ) -%}
    {%- endif -%}
    {%- set is_first = is_new or run_query('select 1 from ' ~ table ~ ' limit 1').rows | length == 0 -%}

    {%- if is_first -%}
        {% call statement('main') -%}
            insert into {{ table }} (row_hash, known_from_build, known_to_build, {{ columns | join(', ') }})
            select {{ versioned_hash('q', columns, provenance) }}, {{ build }}, {{ open_build() }}, q.{{ columns | join(', q.') }}
            from (
                {{ sql }}
            ) as q
        {%- endcall %}
        {%- do execute_only((versioned_indexes(table, key) + ['analyze ' ~ table]) | join(';\n')) -%}
    {%- else -%}
        {%- do execute_only('drop table if exists ' ~ stage) -%}
        {%- set rows -%}
            select {{ versioned_hash('q', columns, provenance) }} as row_hash, q.{{ columns | join(', q.') }}
            from (
                {{ sql }}
            ) as q
        {%- endset -%}
        {% call statement('stage', fetch_result=False) -%}
            {{ create_unlogged_as(stage, shard_key, rows) }}
        {%- endcall %}
        {%- set staged = load_result('stage').response.rows_affected -%}
        {%- set closing = [] -%}
        {%- if staged > 0 -%}
            {%- do closing.append('analyze ' ~ stage) -%}
        {%- endif -%}
        {%- if not keep_first and (staged > 0 or scope) -%}
            {%- do closing.append(versioned_close(table, stage, key, build)) -%}
            {%- if scope -%}
                {%- do closing.append(versioned_close_scope(table, stage, key, build, ref(scope), scope_column)) -%}
            {%- endif -%}
        {%- endif -%}
        {%- if this.schema == 'core' and key == ['record_id'] and is_replay() -%}
            {%- do closing.append(versioned_close_gone(table, stage, build)) -%}
        {%- endif -%}
        {%- if closing -%}
            {%- do execute_only(closing | join(';\n')) -%}
        {%- endif -%}
        {% call statement('main') -%}
            insert into {{ table }} (row_hash, known_from_build, known_to_build, {{ columns | join(', ') }})
            select s.row_hash, {{ build }}, {{ open_build() }}, s.{{ columns | join(', s.') }}
            from {{ stage }} as s
            where not exists (
                select 1
                from {{ table }} as t
                where t.subject_id = s.subject_id {%- for column in key %} and t.{{ column }} = s.{{ column }}{% endfor %}

                    and t.known_to_build = {{ open_build() }}
            )
        {%- endcall %}
        {%- set analyzed = ';\nanalyze ' ~ table if load_result('main').response.rows_affected > 50000 else '' -%}
        {%- do execute_only('drop table ' ~ stage ~ analyzed) -%}
    {%- endif -%}

    {%- if is_new -%}
        {%- do persist_docs(table, model) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [table]}) }}
{% endmaterialization %}

{# Create the table from the model's contract. #}
{% macro versioned_ddl(table) -%}
    create table {{ table }} (
        row_hash uuid not null,
        known_from_build integer not null,
        known_to_build integer not null,
        {%- for column in model.columns.values() %}
        {{ adapter.quote(column.name) if column.quote else column.name }} {{ column.data_type }}
        {%- if column.constraints | selectattr('type', 'equalto', 'not_null') | list %} not null{% endif %}
        {{- ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{# Columns a contract gained are added; columns it lost are a decision for a migration. #}
{% macro versioned_evolve(table) -%}
    {%- set known = adapter.get_columns_in_relation(table) | map(attribute='name') | list -%}
    {%- set fixed = ['row_hash', 'known_from_build', 'known_to_build'] -%}
    {%- for column in model.columns.values() if column.name not in known -%}
        {%- do run_query('alter table ' ~ table ~ ' add column ' ~ column.name ~ ' ' ~ column.data_type) -%}
    {%- endfor -%}
    {%- for name in known if name not in fixed and name not in model.columns -%}
        {{ exceptions.raise_compiler_error(
            table ~ ' holds a column the contract no longer names: ' ~ name ~ '; drop it by a migration first'
        ) }}
    {%- endfor -%}
{%- endmacro %}

{# Hash of what a version says. Session settings that change how values print are fixed by the connection. #}
{% macro versioned_hash(alias, columns, provenance) -%}
    md5(row({% for column in columns if column not in provenance %}{{ alias }}.{{ column }}{{ ', ' if not loop.last }}{% endfor %})::text)::uuid
{%- endmacro %}

{% macro versioned_indexes(table, key) -%}
    {%- set name = table.identifier -%}
    {%- set version = ['subject_id'] + key | reject('equalto', 'subject_id') | list + ['known_to_build'] -%}
    {%- set statements = [
        'create unique index if not exists ' ~ name ~ '_version on ' ~ table
        ~ ' (' ~ version | join(', ') ~ ')',
        'create index if not exists ' ~ name ~ '_from on ' ~ table ~ ' (known_from_build)',
        'create index if not exists ' ~ name ~ '_to on ' ~ table
        ~ ' (known_to_build) where known_to_build < ' ~ open_build(),
        'create index if not exists ' ~ name ~ '_key on ' ~ table
        ~ ' (' ~ key | join(', ') ~ ') where known_to_build = ' ~ open_build(),
    ] -%}
    {%- for index in config.meta_get('indexes', []) -%}
        {%- set unique = 'unique ' if index.startswith('unique ') else '' -%}
        {%- do statements.append(
            'create ' ~ unique ~ 'index if not exists ' ~ name ~ '_x' ~ loop.index ~ ' on ' ~ table ~ ' '
            ~ index.removeprefix('unique ').replace('<open>', open_build() | trim)
        ) -%}
    {%- endfor -%}
    {{ return(statements) }}
{%- endmacro %}

{# The fence lets the join be on a key that is not the shard's. #}
{% macro versioned_close(table, stage, key, build) -%}
    with d as materialized (
        select s.subject_id, s.row_hash {%- for column in key if column != 'subject_id' %}, s.{{ column }}{% endfor %}
        from {{ stage }} as s
    )
    update {{ table }} as t
    set known_to_build = {{ build }}
    from d
    where t.known_to_build = {{ open_build() }}
        {%- for column in key %}
        and t.{{ column }} = d.{{ column }}
        {%- endfor %}
        and (t.row_hash <> d.row_hash or t.subject_id <> d.subject_id)
{%- endmacro %}

{% macro versioned_close_scope(table, stage, key, build, scope, scope_column) -%}
    with d as materialized (
        select distinct k.{{ scope_column }} from {{ scope }} as k
    )
    update {{ table }} as t
    set known_to_build = {{ build }}
    from d
    where t.known_to_build = {{ open_build() }}
        and t.{{ scope_column }} = d.{{ scope_column }}
        and not exists (
            select 1
            from {{ stage }} as s
            where s.subject_id = t.subject_id {%- for column in key %} and s.{{ column }} = t.{{ column }}{% endfor %}
        )
{%- endmacro %}

{# Records a replay looked at and no delivery names any more, as they are interpreted now. #}
{% macro versioned_close_gone(table, stage, build) -%}
    update {{ table }} as t
    set known_to_build = {{ build }}
    where t.known_to_build = {{ open_build() }}
        and t.record_id in ({{ replayed_records() }})
        and not exists (select 1 from {{ stage }} as s where s.record_id = t.record_id)
{%- endmacro %}
