-- How fresh each feed is by its own rhythm, and how many of the last twelve months' periods it reported: a delivery of which
-- something was accepted, or a declaration of zero. After how many days a rhythm is due and late stands in the seed.
with heard as (
    select
        b.department,
        b.feed,
        (b.delivered_at at time zone 'Asia/Shanghai')::date as heard_on,
        b.rows_accepted,
        true as is_delivery
    from {{ source('ops', 'batch') }} as b
    where b.state in ('accepted', 'partly_accepted')
        and b.rows_accepted > 0
        and b.as_of <= {{ shown_as_of() }}
    union all
    select
        f.department,
        f.feed,
        z.decided_on,
        0,
        false
    from {{ ref('core_zero_declaration') }} as z
    inner join {{ source('ops', 'feed') }} as f on z.department = f.department and z.declared_kind = f.kind
    where {{ shown('z') }} and z.state = 'active' and z.decided_on <= {{ shown_as_of() }}
),

feed as (
    select
        f.department,
        f.feed,
        f.kind,
        f.delivery,
        f.rows_per_year,
        f.cadence,
        l.name_zh as cadence_zh,
        l.name_en as cadence_en,
        l.due_after_days,
        l.late_after_days,
        l.period,
        l.periods_per_year
    from {{ source('ops', 'feed') }} as f
    left join {{ ref('cadence_limit') }} as l
        on f.cadence = l.cadence
        and l.valid_from <= {{ shown_as_of() }}
        and (l.valid_to is null or l.valid_to > {{ shown_as_of() }})
),

summed as (
    select
        f.department,
        f.feed,
        max(h.heard_on) as heard_on,
        max(h.heard_on) filter (where h.is_delivery) as delivered_on,
        coalesce(sum(h.rows_accepted) filter (where h.heard_on > {{ shown_as_of() }} - interval '1 year'), 0) as rows_accepted,
        count(distinct date_trunc(f.period, h.heard_on)) filter (
            where h.heard_on >= date_trunc(f.period, {{ shown_as_of() }}) - make_interval(months => 12 - 12 / f.periods_per_year)
        ) as periods_reported
    from feed as f
    left join heard as h on f.department = h.department and f.feed = h.feed
    group by f.department, f.feed
)

select
    f.department,
    d.name_zh as department_zh,
    d.name_en as department_en,
    d.external,
    f.feed,
    f.kind as record_kind,
    f.delivery,
    f.cadence,
    f.cadence_zh,
    f.cadence_en,
    s.delivered_on,
    s.heard_on,
    {{ shown_as_of() }} - s.heard_on as days_since,
    f.due_after_days,
    f.late_after_days,
    case
        when f.due_after_days is null then 'as_needed'
        when s.heard_on is null then 'never'
        when {{ shown_as_of() }} - s.heard_on > f.late_after_days then 'late'
        when {{ shown_as_of() }} - s.heard_on > f.due_after_days then 'due'
        else 'fresh'
    end as state,
    s.periods_reported::integer as periods_reported,
    f.periods_per_year as periods_expected,
    round(s.periods_reported::numeric / f.periods_per_year, 4) as coverage,
    s.rows_accepted::integer as rows_accepted,
    f.rows_per_year as rows_expected
from feed as f
inner join summed as s on f.department = s.department and f.feed = s.feed
inner join {{ source('ops', 'department') }} as d on f.department = d.department
