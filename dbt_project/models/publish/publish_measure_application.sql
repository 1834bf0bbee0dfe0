-- Measures that departments applied, what they answered, and whether the reason still stands: when the entry on the list that
-- triggered a measure has ended, the measure ends with it, and the department confirms within five working
-- days of the end, or of the build that learnt of it where that is later. The notice to the subject (domain page 07 rule 5) comes
-- with no feed: the credit office records its day and way (`creditflow decide notice-date --kind measure`), else it says no_source.
with entry as (
    select
        m.subject_id,
        m.list_code,
        m.ended_on,
        greatest(m.ended_on, b.as_of) as told_on,
        case when m.exit_reason in ('expired', 'repaired', 'withdrawn') then m.exit_reason else 'exited' end as end_reason,
        m.state = 'active' and (m.ended_on is null or m.ended_on > {{ shown_as_of() }}) as is_active
    from {{ ref('lists_list_membership') }} as m
    inner join {{ source('ops', 'build') }} as b on m.known_from_build = b.build_no
    where {{ shown('m') }} and m.match_grade in ('exact', 'strong')
    union all
    select
        p.person_subject_id,
        p.list_code,
        p.ended_on,
        greatest(p.ended_on, b.as_of),
        'exited',
        p.is_effective and (p.ended_on is null or p.ended_on > {{ shown_as_of() }})
    from {{ ref('lists_associated_person_entry') }} as p
    inner join {{ source('ops', 'build') }} as b on p.known_from_build = b.build_no
    where {{ shown('p') }}
),

reason as (
    select
        e.subject_id,
        e.list_code,
        bool_or(e.is_active) as is_active,
        max(e.ended_on) as ended_on,
        max(e.told_on) as told_on,
        (array_agg(e.end_reason order by e.ended_on desc nulls last))[1] as end_reason
    from entry as e
    group by e.subject_id, e.list_code
),

numbered as (
    select
        c.day,
        c.is_workday,
        sum(c.is_workday::integer) over (order by c.day) as number
    from {{ source('ops', 'calendar') }} as c
),

last_day as (
    -- the fifth working day after a day; empty where the calendar lacks the year
    select
        n.day,
        due.day as confirm_by
    from numbered as n
    inner join numbered as due on n.number + 5 = due.number and due.is_workday
),

notice as (
    -- of several decisions about one application the newest counts
    select distinct on (r.record_id)
        r.record_id,
        ops.parse_date(e.effect_value) as notified_on,
        e.reason as notified_by
    from {{ ref('core_measure') }} as r
    inner join {{ ref('core_effect') }} as e
        on e.target_kind = 'measure' and e.effect_type = 'notice_date'
        and (r.document_key = e.target_document_key or r.record_id = e.target_record_id)
        and (e.target_subject_id is null or r.subject_id = e.target_subject_id)
    where {{ shown('r') }} and {{ shown('e') }}
    order by r.record_id asc, e.effective_on desc, e.effect_id asc
),

application as (
    select
        r.*,
        t.subject_id is not null as has_reason,
        case when not t.is_active then t.ended_on end as reason_ended_on,
        case when not t.is_active then t.told_on end as told_on,
        case when not t.is_active then t.end_reason end as reason_end
    from {{ ref('core_measure') }} as r
    left join reason as t on r.subject_id = t.subject_id and r.list_code = t.list_code
    where {{ shown('r') }} and {{ not_suppressed('r') }} and r.state in ('active', 'ended')
)

select
    a.record_id,
    a.subject_id,
    s.subject_name,
    s.uscc,
    a.measure_code,
    c.name_zh as measure_name_zh,
    c.name_en as measure_name_en,
    c.class as measure_class,
    a.list_code,
    a.trigger_document_no,
    coalesce(a.executing_department, a.department) as executing_department,
    a.document_no,
    a.decided_on as started_on,
    a.ended_on,
    a.end_reason,
    a.feedback_on,
    a.feedback,
    a.reason_ended_on,
    a.reason_end,
    d.confirm_by,
    n.notified_on,
    n.notified_by,
    case when n.notified_on is null then 'no_source' else 'recorded' end as notice_state,
    case
        when a.ended_on <= {{ shown_as_of() }} then 'ended'
        when a.list_code is not null and not a.has_reason then 'no_reason_known'
        when a.reason_ended_on is null then 'running'
        when d.confirm_by < {{ shown_as_of() }} then 'end_overdue'
        else 'end_to_confirm'
    end as state,
    a.known_from_build as build_no
from application as a
left join {{ ref('entity_subject') }} as s on a.subject_id = s.subject_id and {{ shown('s') }}
left join {{ ref('measure_catalogue') }} as c on a.measure_code = c.measure_code
left join last_day as d on a.told_on = d.day
left join notice as n on a.record_id = n.record_id
