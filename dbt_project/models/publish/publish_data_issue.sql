-- What is wrong with the data and is somebody's to mend: issues of the gate (rows, deliveries, departments), rows of
-- deliveries whose issues have not been opened yet, and what the warehouse doubts about the records it keeps.
with issue as (
    select
        i.issue_id::text as issue_id,
        i.scope,
        i.department,
        i.feed,
        i.kind as record_kind,
        i.batch_id,
        i.row_no,
        i.record_key,
        i.rule_id,
        i.fields[1] as field,
        i.severity,
        i.state,
        i.opened_on,
        i.due_on,
        i.closed_on,
        i.closed_by_batch,
        i.message_zh,
        i.message_en
    from {{ source('quality', 'issue') }} as i
),

unswept as (
    select
        v.batch_id || '|' || v.row_no || '|' || v.verdict as issue_id,
        'row' as scope,
        b.department,
        b.feed,
        b.kind as record_kind,
        v.batch_id,
        v.row_no,
        v.record_key,
        v.rule_ids[1] as rule_id,
        v.fields[1] as field,
        case v.verdict when 'rejected' then 'reject' when 'held' then 'hold' else 'flag' end as severity,
        'open' as state,
        b.as_of as opened_on,
        null::date as due_on,
        null::date as closed_on,
        null::text as closed_by_batch,
        null::text as message_zh,
        null::text as message_en
    from {{ source('quality', 'row_verdict') }} as v
    inner join {{ source('ops', 'batch') }} as b on v.batch_id = b.batch_id
    left join {{ source('quality', 'issue_sweep') }} as s on v.batch_id = s.batch_id
    where v.verdict in ('rejected', 'held', 'flagged') and s.batch_id is null
),

doubt as (
    {%- for kind in record_kinds() %}
    select
        r.record_id,
        '{{ kind }}' as record_kind,
        r.department,
        r.feed,
        r.batch_id,
        r.row_no,
        unnest(r.issues) as rule_id,
        r.delivered_on
    from {{ ref('core_' ~ kind) }} as r
    where r.issues <> '{}' and {{ shown('r') }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

{#- what only the whole picture shows: asked of the shown build, because the answer changes when another record arrives -#}
{%- set effects = ['repair', 'objection', 'decision'] %}

target as (
    {%- for kind in kinds_with_party() %}
    select
        '{{ kind }}' as record_kind,
        t.record_id,
        t.document_key
    from {{ ref('core_' ~ kind) }} as t
    where {{ shown('t') }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

waiting as (
    select
        e.effect_id,
        e.source_kind
    from {{ ref('core_effect') }} as e
    left join target as by_document
        on e.target_kind = by_document.record_kind and e.target_document_key = by_document.document_key
    left join target as by_id on e.target_kind = by_id.record_kind and e.target_record_id = by_id.record_id
    where {{ shown('e') }} and by_document.record_id is null and by_id.record_id is null
),

early as (
    -- a withdrawal of something that was never seen in force
    {%- for kind in ['permit', 'penalty', 'list_entry', 'abnormal_entry'] %}
    select
        r.record_id,
        '{{ kind }}' as record_kind,
        r.department,
        r.feed,
        r.batch_id,
        r.row_no,
        r.delivered_on
    from {{ ref('core_' ~ kind) }} as r
    where {{ shown('r') }} and r.source_state = 'withdrawn'
        and not exists (
            select 1 from {{ ref('core_' ~ kind) }} as k where k.record_id = r.record_id and k.source_state = 'active'
        )
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

gone as (
    select
        s.subject_id,
        s.deregistered_on
    from {{ ref('entity_subject') }} as s
    where {{ shown('s') }} and s.deregistered_on is not null
),

seen as (
    select d.* from doubt as d
    {%- for kind in effects %}
    union all
    select
        r.record_id,
        '{{ kind }}' as record_kind,
        r.department,
        r.feed,
        r.batch_id,
        r.row_no,
        'target_unknown' as rule_id,
        r.delivered_on
    from {{ ref('core_' ~ kind) }} as r
    inner join waiting as w on r.record_id = w.effect_id and w.source_kind = '{{ kind }}'
    where {{ shown('r') }}
    {%- endfor %}
    union all
    select
        e.record_id,
        e.record_kind,
        e.department,
        e.feed,
        e.batch_id,
        e.row_no,
        'withdrawn_before_arrival' as rule_id,
        e.delivered_on
    from early as e
    {%- for kind in ['permit', 'penalty', 'inspection', 'honour', 'award', 'rating', 'commitment'] %}
    union all
    select
        r.record_id,
        '{{ kind }}' as record_kind,
        r.department,
        r.feed,
        r.batch_id,
        r.row_no,
        'subject_deregistered' as rule_id,
        r.delivered_on
    from {{ ref('core_' ~ kind) }} as r
    inner join gone as g on r.subject_id = g.subject_id and r.decided_on > g.deregistered_on
    where {{ shown('r') }} and r.match_grade in ('exact', 'strong')
    {%- endfor %}
),

warehouse as (
    select
        d.record_id || '|' || d.rule_id as issue_id,
        'record' as scope,
        d.department,
        d.feed,
        d.record_kind,
        d.batch_id,
        d.row_no,
        d.record_id as record_key,
        d.rule_id,
        null::text as field,
        'warehouse' as severity,
        'open' as state,
        d.delivered_on as opened_on,
        null::date as due_on,
        null::date as closed_on,
        null::text as closed_by_batch,
        w.name_zh as message_zh,
        w.name_en as message_en
    from seen as d
    left join {{ ref('warehouse_doubt') }} as w on d.rule_id = w.rule_id
)

select * from issue
union all
select * from unswept
union all
select * from warehouse
