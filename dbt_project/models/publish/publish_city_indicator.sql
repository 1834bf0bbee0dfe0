-- The city's own figures by month, as far as they can be computed here: numerator, denominator and value (empty where the
-- denominator is zero). What each means, which sentence of the source text it answers and what cannot be computed and why,
-- stands in this model's meta.
{%- set first_month %}date_trunc('month', {{ shown_as_of() }} - interval '11 months')::date{% endset %}
with months as (
    select m.month::date as month
    from generate_series({{ first_month }}, date_trunc('month', {{ shown_as_of() }}), interval '1 month') as m (month)
),

supplied as (
    select
        date_trunc('month', b.delivered_at at time zone 'Asia/Shanghai')::date as month,
        count(distinct b.department) as departments
    from {{ source('ops', 'batch') }} as b
    inner join {{ source('ops', 'department') }} as d on b.department = d.department and not d.external
    where b.rows_accepted > 0
    group by date_trunc('month', b.delivered_at at time zone 'Asia/Shanghai')
),

departments as (
    select count(*) as departments from {{ source('ops', 'department') }} as d where not d.external
),

workday as (
    -- the number of working days up to and with each day; a year the calendar does not hold has none
    select
        c.day,
        sum(c.is_workday::integer) over (order by c.day) as number,
        c.is_workday
    from {{ source('ops', 'calendar') }} as c
    where c.day >= {{ first_month }} - 400
),

clocked as (
    -- the clock starts on the day of acceptance; after 17:30 or on a day off, on the next working day
    select
        date_trunc('month', c.applied_at at time zone 'Asia/Shanghai')::date as month,
        c.source_unit_uscc,
        c.channel in ('网上', '移动端') and c.online_depth in ('III', 'IV') and coalesce(c.visits, 0) = 0 as is_online,
        c.statutory_days,
        c.promised_days,
        c.statutory_days is not null and c.accepted_at is not null as is_supervised,
        finished.number - accepted.number - coalesce(c.suspended_days, 0)
        - case
            when accepted.is_workday and (c.accepted_at at time zone 'Asia/Shanghai')::time <= time '17:30' then 0
            else 1
        end as used_days
    from {{ ref('core_approval_case') }} as c
    left join workday as accepted on accepted.day = (c.accepted_at at time zone 'Asia/Shanghai')::date
    left join workday as finished
        on finished.day = coalesce((c.decided_at at time zone 'Asia/Shanghai')::date, {{ shown_as_of() }})
    where {{ shown('c') }} and c.state in ('active', 'ended') and c.applied_at >= {{ first_month }}
),

approval as (
    select
        c.month,
        count(*) as cases,
        count(distinct c.source_unit_uscc) as units,
        count(*) filter (where c.is_online) as online_cases,
        count(*) filter (where c.is_supervised) as supervised_cases,
        sum(c.promised_days) filter (where c.statutory_days is not null and c.promised_days is not null) as promised_days,
        sum(c.statutory_days) filter (where c.statutory_days is not null and c.promised_days is not null) as statutory_days,
        count(*) filter (where c.used_days > c.promised_days and c.used_days <= c.statutory_days) as yellow,
        count(*) filter (where c.used_days > c.statutory_days) as red
    from clocked as c
    group by c.month
),

field_use as (
    -- a field of application is alive in a quarter with a report asked for, or a measure applied, by one of its departments
    select date_trunc('quarter', q.as_of)::date as quarter, f.field_code
    from {{ source('ops', 'query_log') }} as q
    inner join {{ source('ops', 'department') }} as d on q.asked_by = d.department
    inner join {{ ref('application_field') }} as f on f.field_code = any(d.application_fields)
    where q.outcome in ('found', 'merged') and q.as_of <= {{ shown_as_of() }}
    union
    select date_trunc('quarter', a.decided_on)::date, f.field_code
    from {{ ref('core_measure') }} as a
    inner join {{ source('ops', 'department') }} as d on coalesce(a.executing_department, a.department) = d.department
    inner join {{ ref('application_field') }} as f on f.field_code = any(d.application_fields)
    where {{ shown('a') }} and a.state = 'active'
),

fields as (
    select u.quarter, count(distinct u.field_code) as fields
    from field_use as u
    group by u.quarter
),

all_fields as (
    select count(f.field_code) as fields from {{ ref('application_field') }} as f
),

publishable as (
    -- what the rules want public, of the decisions of a month; repaired and withdrawn ones are lawfully gone
    select
        date_trunc('month', p.decided_on)::date as month,
        not p.publication_hold and p.public_from <= {{ shown_as_of() }} as is_published
    from {{ ref('core_penalty') }} as p
    where {{ shown('p') }} and {{ not_suppressed('p') }}
        and p.state = 'active' and p.usage_scope = 0 and p.auto_publish and p.party_type <> 'natural_person'
        and p.decided_on between {{ first_month }} and {{ shown_as_of() }}
    union all
    select date_trunc('month', p.decided_on)::date, not p.publication_hold
    from {{ ref('core_permit') }} as p
    where {{ shown('p') }} and {{ not_suppressed('p') }}
        and p.state = 'active' and p.usage_scope = 0 and p.party_type <> 'natural_person'
        and p.decided_on between {{ first_month }} and {{ shown_as_of() }}
),

published as (
    select
        p.month,
        count(*) filter (where p.is_published) as published,
        count(*) as publishable
    from publishable as p
    group by p.month
),

exchange as (
    select
        x.month,
        sum(x.accepted) as accepted,
        sum(x.answered) as answered
    from (
        select
            date_trunc('month', r.decided_on)::date as month,
            count(*) filter (where r.receipt_code = '00') as accepted,
            count(*) as answered
        from {{ ref('core_receipt') }} as r
        where {{ shown('r') }}
        group by date_trunc('month', r.decided_on)
        union all
        select date_trunc('month', r.decided_on)::date, 0, count(*)
        from {{ ref('core_return') }} as r
        where {{ shown('r') }}
        group by date_trunc('month', r.decided_on)
    ) as x
    group by x.month
),

receipts as (
    -- from the day a permit or a penalty was first delivered here to the day its receipt bears; a receipt from before is about something else
    select
        date_trunc('month', r.decided_on)::date as month,
        sum(r.decided_on - t.delivered_on) as days,
        count(*) as receipts
    from {{ ref('core_receipt') }} as r
    inner join (
        {%- for kind in ['permit', 'penalty'] %}
        select '{{ kind }}' as record_kind, k.document_key, min(k.delivered_on) as delivered_on
        from {{ ref('core_' ~ kind) }} as k
        where k.document_key is not null and k.known_from_build <= {{ shown_build() }}
        group by k.document_key
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as t on r.target_kind = t.record_kind and ops.normal_document_no(r.target_document_no) = t.document_key
    where {{ shown('r') }} and r.decided_on >= {{ first_month }} and r.decided_on >= t.delivered_on
    group by date_trunc('month', r.decided_on)
),

persons as (
    select
        date_trunc('month', m.entered_on)::date as month,
        count(*) filter (where m.persons_named > 0) as with_persons,
        count(*) as entries
    from {{ ref('lists_list_membership') }} as m
    inner join {{ ref('list_rule') }} as l on m.list_code = l.list_code and l.persons_by_rule
    where {{ shown('m') }} and m.list_kind = 'serious' and m.state in ('active', 'ended')
    group by date_trunc('month', m.entered_on)
),

repairs as (
    select
        date_trunc('month', r.decided_on)::date as month,
        sum(r.decided_on - r.submitted_on) as days,
        count(*) filter (where r.submitted_on is not null) as repairs
    from {{ ref('core_repair') }} as r
    where {{ shown('r') }} and r.repair_state in ('granted', 'executed')
    group by date_trunc('month', r.decided_on)
),

applications as (
    select
        date_trunc('month', a.decided_on)::date as month,
        count(*) filter (where a.feedback_on is not null) as answered,
        count(*) as applied
    from {{ ref('core_measure') }} as a
    where {{ shown('a') }} and a.state = 'active'
    group by date_trunc('month', a.decided_on)
),

figure as (
    select
        m.month, 'K01' as indicator, 'coverage' as metric, s.departments::numeric as numerator, d.departments::numeric as denominator,
        1 as per
    from months as m
    cross join departments as d
    left join supplied as s on m.month = s.month
    {%- for indicator, metric, relation, numerator, denominator, per in [
        ('K02', 'units_online', 'approval', 'units', none, 1),
        ('K03', 'full_online_case_rate', 'approval', 'online_cases', 'cases', 1),
        ('K05', 'speedup_rate', 'approval', 'statutory_days - x.promised_days', 'statutory_days', 1),
        ('K09', 'open_info_online_rate', 'published', 'published', 'publishable', 1),
        ('K14', 'list_entries_with_persons_rate', 'persons', 'with_persons', 'entries', 1),
        ('K15', 'exchange_success_rate', 'exchange', 'accepted', 'answered', 1),
        ('K15', 'receipt_lag_days', 'receipts', 'days', 'receipts', 1),
        ('K16', 'cases_supervised_rate', 'approval', 'supervised_cases', 'cases', 1),
        ('K16', 'yellow_cards_per_1000', 'approval', 'yellow', 'cases', 1000),
        ('K16', 'red_cards_per_1000', 'approval', 'red', 'cases', 1000),
        ('R01', 'repair_days_avg', 'repairs', 'days', 'repairs', 1),
        ('R02', 'measure_feedback_rate', 'applications', 'answered', 'applied', 1)
    ] %}
    union all
    select m.month, '{{ indicator }}', '{{ metric }}', x.{{ numerator }}, {{ 'x.' ~ denominator if denominator else 1 }}, {{ per }}
    from months as m
    left join {{ relation }} as x on m.month = x.month
    {%- endfor %}
    union all
    select m.month, 'K06', 'fields_with_live_use', f.fields, a.fields, 1
    from months as m
    cross join all_fields as a
    left join fields as f on f.quarter = date_trunc('quarter', m.month)::date
)

select
    f.month,
    f.indicator,
    f.metric,
    f.numerator,
    f.denominator,
    case
        when f.metric in ('units_online', 'fields_with_live_use') then f.numerator
        else round(f.per * f.numerator / nullif(f.denominator, 0), 4)
    end as value
from figure as f
