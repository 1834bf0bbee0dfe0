-- The city's own figures by month, as far as they can be computed here: numerator, denominator and value (empty where the
-- denominator is zero). What each means, and the sentence of the source text it answers, stands in the seed.
with months as (
    select m.month::date as month
    from generate_series(
        date_trunc('month', {{ shown_as_of() }} - interval '11 months'), date_trunc('month', {{ shown_as_of() }}), interval '1 month'
    ) as m (month)
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

approval as (
    select
        date_trunc('month', c.decided_on)::date as month,
        count(*) as cases,
        count(distinct c.source_unit_uscc) as units,
        count(*) filter (where c.channel in ('网上', '移动端') and c.online_depth in ('III', 'IV') and coalesce(c.visits, 0) = 0) as online_cases,
        count(*) filter (where c.statutory_days is not null and c.accepted_at is not null) as supervised_cases,
        sum(c.promised_days) filter (where c.statutory_days is not null and c.promised_days is not null) as promised_days,
        sum(c.statutory_days) filter (where c.statutory_days is not null and c.promised_days is not null) as statutory_days
    from {{ ref('core_approval_case') }} as c
    where {{ shown('c') }} and c.decided_on >= date_trunc('month', {{ shown_as_of() }} - interval '11 months')
    group by date_trunc('month', c.decided_on)
),

exchange as (
    select
        x.month,
        sum(x.accepted) as accepted,
        sum(x.answered) as answered
    from (
        select date_trunc('month', r.decided_on)::date as month, count(*) as accepted, count(*) as answered
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

figure as (
    select m.month, 'K01' as indicator, 'coverage' as metric, s.departments::numeric as numerator, d.departments::numeric as denominator
    from months as m
    cross join departments as d
    left join supplied as s on m.month = s.month
    union all
    select m.month, 'K02', 'units_online', a.units, 1
    from months as m
    left join approval as a on m.month = a.month
    union all
    select m.month, 'K03', 'full_online_case_rate', a.online_cases, a.cases
    from months as m
    left join approval as a on m.month = a.month
    union all
    select m.month, 'K05', 'speedup_rate', a.statutory_days - a.promised_days, a.statutory_days
    from months as m
    left join approval as a on m.month = a.month
    union all
    select m.month, 'K14', 'list_entries_with_persons_rate', p.with_persons, p.entries
    from months as m
    left join persons as p on m.month = p.month
    union all
    select m.month, 'K15', 'exchange_success_rate', x.accepted, x.answered
    from months as m
    left join exchange as x on m.month = x.month
    union all
    select m.month, 'K16', 'cases_supervised_rate', a.supervised_cases, a.cases
    from months as m
    left join approval as a on m.month = a.month
    union all
    select m.month, 'R01', 'repair_days_avg', r.days, r.repairs
    from months as m
    left join repairs as r on m.month = r.month
)

select
    f.month,
    f.indicator,
    f.metric,
    f.numerator,
    f.denominator,
    case when f.metric = 'units_online' then f.numerator else round(f.numerator / nullif(f.denominator, 0), 4) end as value
from figure as f
