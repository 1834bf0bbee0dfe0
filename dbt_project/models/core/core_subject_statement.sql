{{ config(meta={
    'key': ['source_subject_id', 'attribute', 'department', 'record_kind'],
    'provenance': ['record_id', 'batch_id', 'row_no', 'version_at', 'version_seq', 'content_hash'],
}) }}
-- RESTRICTED. Who says what about an organisation: name, address, legal representative; the latest word of each department in
-- each kind of record, which of the words counts, and why. Precedence is the seed `attribute_precedence`; between equals the
-- newest counts. What a department said before stays in the earlier versions.
{%- set attributes = ['subject_name', 'registered_address', 'legal_representative_name'] %}
with said as (
    {%- for kind in ['registration', 'permit', 'penalty'] %}
    select
        r.source_subject_id,
        s.*
    from {{ ref('staging_statement') }} as s
    inner join {{ ref('core_' ~ kind) }} as r on s.record_id = r.record_id and {{ is_open('r') }}
    where s.record_kind = '{{ kind }}' and r.match_grade in ('exact', 'strong') and r.party_type <> 'natural_person'
    {%- if kind != 'registration' %} and s.source_state = 'active'{% endif %}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

stated as (
    {%- for attribute in attributes %}
    select
        s.source_subject_id,
        '{{ attribute }}' as attribute,
        s.{{ attribute }} as stated_value,
        s.department,
        s.record_kind,
        s.source_state,
        s.record_id,
        s.batch_id,
        s.row_no,
        s.version_at,
        s.version_seq,
        s.content_hash
    from said as s
    where s.{{ attribute }} is not null or s.source_state <> 'active'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

resolved as (
    select
        coalesce(a.canonical_subject_id, s.source_subject_id) as subject_id,
        s.*
    from stated as s
    left join {{ ref('entity_subject_alias') }} as a on s.source_subject_id = a.subject_id and {{ is_open('a') }}
    {%- if has_history() %}
    union all
    select
        coalesce(a.canonical_subject_id, k.source_subject_id) as subject_id,
        k.source_subject_id,
        k.attribute,
        k.stated_value,
        k.department,
        k.record_kind,
        k.source_state,
        k.record_id,
        k.batch_id,
        k.row_no,
        k.version_at,
        k.version_seq,
        k.content_hash
    from {{ this }} as k
    left join {{ ref('entity_subject_alias') }} as a on k.source_subject_id = a.subject_id and {{ is_open('a') }}
    where {{ is_open('k') }}
        and k.subject_id in (
            select coalesce(m.canonical_subject_id, s.source_subject_id)
            from stated as s
            left join {{ ref('entity_subject_alias') }} as m on s.source_subject_id = m.subject_id and {{ is_open('m') }}
            union
            select c.subject_id
            from {{ ref('entity_subject_alias') }} as c
            where {{ changed_now('c', build_no()) }}
            union
            select c.canonical_subject_id
            from {{ ref('entity_subject_alias') }} as c
            where {{ changed_now('c', build_no()) }}
        )
    {%- endif %}
),

latest as (
    select distinct on (r.source_subject_id, r.attribute, r.department, r.record_kind) r.*
    from resolved as r
    order by
        r.source_subject_id asc,
        r.attribute asc,
        r.department asc,
        r.record_kind asc,
        r.version_at desc,
        r.version_seq desc,
        r.content_hash desc,
        r.record_id asc
),

code as (
    select
        i.subject_id,
        left(min(i.id_value), 1) as uscc_lead
    from {{ ref('entity_subject_identifier') }} as i
    where i.id_type = 'uscc' and {{ is_open('i') }} and i.subject_id in (select l.subject_id from latest as l)
    group by i.subject_id
),

ruled as (
    select distinct on (l.source_subject_id, l.attribute, l.department, l.record_kind)
        l.*,
        p.precedence,
        p.reason_zh,
        p.reason_en
    from latest as l
    left join code as c on l.subject_id = c.subject_id
    left join {{ ref('attribute_precedence') }} as p
        on l.attribute = p.attribute
        and l.record_kind = p.record_kind
        and (p.department is null or l.department = p.department)
        and (p.uscc_lead is null or c.uscc_lead = p.uscc_lead)
        and (l.version_at at time zone 'Asia/Shanghai')::date >= p.valid_from
        and (p.valid_to is null or (l.version_at at time zone 'Asia/Shanghai')::date < p.valid_to)
    order by
        l.source_subject_id asc,
        l.attribute asc,
        l.department asc,
        l.record_kind asc,
        p.precedence asc nulls last
),

compared as (
    select
        r.*,
        r.source_state = 'active' and r.precedence is not null as may_count,
        row_number() over preferred as place,
        first_value(r.precedence) over preferred as chosen_precedence,
        first_value(r.stated_value) over preferred as chosen_value
    from ruled as r
    window preferred as (
        partition by r.subject_id, r.attribute
        order by
            r.source_state = 'active' desc,
            r.precedence asc nulls last,
            r.version_at desc,
            r.version_seq desc,
            r.content_hash desc,
            r.source_subject_id asc
    )
)

select
    c.subject_id,
    c.source_subject_id,
    c.attribute,
    c.stated_value,
    c.department,
    c.record_kind,
    c.record_id,
    c.source_state,
    (c.version_at at time zone 'Asia/Shanghai')::date as stated_on,
    c.precedence,
    c.may_count and c.place = 1 as is_chosen,
    coalesce(ops.normal_name(c.stated_value) <> ops.normal_name(c.chosen_value), false) as differs,
    case
        when c.source_state <> 'active' then '来源已撤回或删除'
        when c.precedence is null then '没有适用的优先级规则'
        when c.place = 1 then c.reason_zh
        when c.precedence > c.chosen_precedence then '来源优先级低于所选值'
        else '同一优先级，变更时间早于所选值'
    end as reason_zh,
    case
        when c.source_state <> 'active' then 'withdrawn or deleted by its source'
        when c.precedence is null then 'no rule of precedence fits'
        when c.place = 1 then c.reason_en
        when c.precedence > c.chosen_precedence then 'its source comes after that of the chosen value'
        else 'same precedence, said earlier than the chosen value'
    end as reason_en,
    c.batch_id,
    c.row_no,
    c.version_at,
    c.version_seq,
    c.content_hash
from compared as c
