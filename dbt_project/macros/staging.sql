{# Rows of a kind that arrived with this build: of several versions of one record the newest counts, whatever the order
   of arrival. Only batches frozen for this build are read. They are named one by one where they are few: the planner then
   goes to landing by its index, however large the first load was. A night's rows are sorted; those of a first load are
   compared by hash, because sorting millions of wide rows is what one waits for. #}
{% macro arrived(kind, build) -%}
    {%- set batches = frozen_batches(kind, build) -%}
    {%- set replay = is_replay() -%}
    {%- set newest_first = 'version_at desc, version_seq desc, content_hash desc, batch_id desc, row_no desc' -%}
    select
        l.*,
        b.layout,
        b.received_at,
        (b.delivered_at at time zone 'Asia/Shanghai')::date as delivered_on
    {%- if is_small(kind, build) or replay %}
    from (
        select distinct on (n.record_key) n.*
        from {{ source('landing', kind) }} as n
        where n.batch_id in ({{ batches }})
            {%- if replay %}
            or n.record_key in ({{ replayed_records() }})
            {%- endif %}
        order by n.record_key asc, n.{{ newest_first.replace(', ', ', n.') }}
    ) as l
    inner join {{ source('ops', 'batch') }} as b on l.batch_id = b.batch_id
    {%- else %}
    from {{ source('landing', kind) }} as l
    inner join {{ source('ops', 'batch') }} as b on l.batch_id = b.batch_id
    where l.batch_id in ({{ batches }})
        and not exists (
            select 1
            from {{ source('landing', kind) }} as newer
            where newer.batch_id in ({{ batches }})
                and newer.record_key = l.record_key
                and (newer.version_at, newer.version_seq, newer.content_hash, newer.batch_id, newer.row_no)
                > (l.version_at, l.version_seq, l.content_hash, l.batch_id, l.row_no)
        )
    {%- endif %}
{%- endmacro %}

{# Whether a build's rows of a kind are few enough to sort. #}
{% macro is_small(kind, build) -%}
    {%- if not execute -%}{{ return(true) }}{%- endif -%}
    {%- set rows = run_query(
        "select coalesce(sum(kb.rows_accepted), 0) from ops.build_batch as bb inner join ops.batch as kb"
        ~ " on bb.batch_id = kb.batch_id where bb.build_no = " ~ build ~ " and kb.kind = '" ~ kind ~ "'"
    ).rows[0][0] -%}
    {{ return(rows | int <= 200000) }}
{%- endmacro %}

{# The batches of a kind in a build, as what may stand in `in ( )`. #}
{% macro frozen_batches(kind, build) -%}
    {%- set few = 500 -%}
    {%- set of_kind -%}
        select bb.batch_id
        from {{ source('ops', 'build_batch') }} as bb
        inner join {{ source('ops', 'batch') }} as kb on bb.batch_id = kb.batch_id
        where bb.build_no = {{ build }} and kb.kind = '{{ kind }}'
    {%- endset -%}
    {%- if not execute -%}
        {{ return(of_kind) }}
    {%- endif -%}
    {%- set names = run_query(of_kind ~ ' order by bb.batch_id limit ' ~ (few + 1)).columns[0].values() -%}
    {%- if names | length > few -%}
        {{ return(of_kind) }}
    {%- elif names | length == 0 -%}
        {{ return('null') }}
    {%- endif -%}
    {{ return("'" ~ names | map('replace', "'", "''") | join("', '") ~ "'") }}
{%- endmacro %}

{# Where a row comes from, under the names every layer uses. #}
{% macro origin(alias) -%}
    {{ alias }}.record_key as record_id,
    {{ alias }}.department,
    {{ alias }}.feed,
    {{ alias }}.layout,
    {{ alias }}.batch_id,
    {{ alias }}.row_no,
    {{ alias }}.version_at,
    {{ alias }}.version_seq,
    {{ alias }}.content_hash,
    {{ alias }}.received_at,
    {{ alias }}.delivered_on,
    case {{ alias }}.op when 'W' then 'withdrawn' when 'D' then 'deleted' when 'R' then 'repaired' else 'active' end as source_state,
    case when {{ alias }}.op in ('W', 'D', 'R') then ({{ alias }}.version_at at time zone 'Asia/Shanghai')::date end as source_state_on,
    coalesce({{ alias }}.flags, '{}') as flags,
    {{ alias }}.changes as original
{%- endmacro %}

{# What the counterparty is: the source's word, else a person where only a personal number identifies it. #}
{% macro party_type(type, person_hash=none, organisation_ids=[]) -%}
    case
        when btrim({{ type }}) = '自然人' then 'natural_person'
        when btrim({{ type }}) = '个体工商户' then 'household_business'
        when btrim({{ type }}) = '法人及非法人组织' then 'organisation'
        {%- if person_hash %}
        when {{ person_hash }} is not null {%- for id in organisation_ids %} and {{ id }} is null{% endfor %} then 'natural_person'
        {%- endif %}
        when {{ organisation_ids[0] }} like '92%' or {{ organisation_ids[0] }} = {{ placeholder_uscc() }} then 'household_business'
        else 'organisation'
    end
{%- endmacro %}

{# A personal number's key with the class of its document: residents by number, others by kind of document and number. #}
{% macro person_key(hash, check, id_type=none) -%}
    case
        when {{ check }} in ('ok', 'converted_15') then 'resident|' || {{ hash }}
        when {{ check }} = 'other_document' then 'other|' || {{ "coalesce(btrim(" ~ id_type ~ "), '')" if id_type else "''" }} || '|' || {{ hash }}
    end
{%- endmacro %}

{# Free text without numbers that could be a person's; text without long digit runs is left alone. #}
{% macro masked_text(column) -%}
    case
        when {{ column }} ~ '([0-9０-９][ -]?){11}' then ops.mask_text({{ column }})
        else nullif(btrim({{ column }}), '')
    end
{%- endmacro %}

{% macro plain_text(column) -%}
    nullif(btrim({{ column }}), '')
{%- endmacro %}
