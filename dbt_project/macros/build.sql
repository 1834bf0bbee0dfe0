{# Which build runs, for which business date. Read once per model from the running row of ops.build, so that the
   project's variables stay the same from night to night and dbt need not parse everything again. #}

{% macro running_build() -%}
    {%- if not execute -%}
        {{ return({'build_no': 0, 'as_of': '1970-01-01'}) }}
    {%- elif var('build_no') is not none -%}
        {{ return({'build_no': var('build_no') | int, 'as_of': var('as_of') | string}) }}
    {%- endif -%}
    {%- set found = run_query("select build_no, as_of from ops.build where state = 'running'") -%}
    {%- if found.rows | length != 1 -%}
        {{ exceptions.raise_compiler_error('no build is running: start dbt through `creditflow build`') }}
    {%- endif -%}
    {{ return({'build_no': found.rows[0][0] | int, 'as_of': found.rows[0][1] | string}) }}
{%- endmacro %}

{# Number of the running build, as SQL. #}
{% macro build_no() -%}
    {{ running_build()['build_no'] }}
{%- endmacro %}

{# Business date of the running build, as SQL. #}
{% macro as_of() -%}
    date '{{ running_build()['as_of'] }}'
{%- endmacro %}

{# `known_to_build` of a version that no build has closed yet. A constant, not null: partial indexes, unique keys and
   range conditions then need no special case. #}
{% macro open_build() -%}
    2147483647
{%- endmacro %}

{# The build readers see: the pointer, or the build a session asked for with `select publish.look_at(12)`. #}
{% macro shown_build() -%}
    (
        select coalesce(nullif(current_setting('creditflow.build', true), '')::integer, shown.build_no)
        from {{ source('ops', 'pointer') }} as shown
        where shown.name = 'publish'
    )
{%- endmacro %}

{# Business date of the build readers see. #}
{% macro shown_as_of() -%}
    (
        select shown_build.as_of
        from {{ source('ops', 'build') }} as shown_build
        where shown_build.build_no = {{ shown_build() }}
    )
{%- endmacro %}

{# Versions of `alias` that the shown build knows. #}
{% macro shown(alias) -%}
    {{ alias }}.known_from_build <= {{ shown_build() }} and {{ alias }}.known_to_build > {{ shown_build() }}
{%- endmacro %}

{# Memberships of lists that hold on the shown day, of subjects known with certainty. #}
{% macro on_list(alias) -%}
    {{ shown(alias) }}
        and {{ not_suppressed(alias) }}
        and {{ alias }}.state = 'active'
        and {{ alias }}.match_grade in ('exact', 'strong')
        and {{ alias }}.entered_on <= {{ shown_as_of() }}
        and ({{ alias }}.ended_on is null or {{ alias }}.ended_on > {{ shown_as_of() }})
{%- endmacro %}

{# The public sees the present build only: a session that looks back with publish.look_at gets nothing. #}
{% macro of_shown_build() -%}
    coalesce(current_setting('creditflow.build', true), '') = ''
{%- endmacro %}

{# What must vanish vanishes whatever the build. #}
{% macro not_suppressed(alias, column='record_id') -%}
    not exists (
        select 1 from {{ source('ops', 'suppression') }} as gone where gone.record_id = {{ alias }}.{{ column }}
    )
{%- endmacro %}

{# Open version. #}
{% macro is_open(alias) -%}
    {{ alias }}.known_to_build = {{ open_build() }}
{%- endmacro %}

{# Opened or closed by the running build. #}
{% macro changed_now(alias, build) -%}
    ({{ alias }}.known_from_build = {{ build }} or {{ alias }}.known_to_build = {{ build }})
{%- endmacro %}

{# Whether the model being built has versions from earlier builds to look at; a build given by hand is a later one. #}
{% macro has_history() -%}
    {{ return(execute and (var('build_no') is not none or load_relation(this) is not none)) }}
{%- endmacro %}

{# Whether the running build interprets deliveries again: then the records in ops.replayed_record are looked at whatever
   version is known. Every other build compiles as if there were no replays. #}
{% macro is_replay() -%}
    {%- if not execute -%}{{ return(false) }}{%- endif -%}
    {{ return(run_query('select 1 from ops.replayed_record where build_no = ' ~ build_no() ~ ' limit 1').rows | length > 0) }}
{%- endmacro %}

{# Records a replay looks at again, as what may stand in `in ( )`. #}
{% macro replayed_records() -%}
    select rr.record_id from {{ source('ops', 'replayed_record') }} as rr where rr.build_no = {{ build_no() }}
{%- endmacro %}
