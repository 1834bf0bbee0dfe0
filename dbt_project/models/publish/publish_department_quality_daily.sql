-- One row per night and department: what came, what became of it, and how well it was. Rates are between 0 and 1 and empty
-- where nothing counts. Figures that need the issues of the night are empty until the night has computed them.
with batch as (
    select
        b.as_of,
        b.department,
        count(*) as batches,
        count(*) filter (where b.state = 'held') as batches_held,
        sum(b.rows_read) as rows_read,
        sum(b.rows_accepted) as rows_accepted,
        sum(b.rows_rejected) as rows_rejected,
        sum(b.rows_held) as rows_held,
        sum(b.rows_out_of_scope) as rows_out_of_scope,
        sum(b.rows_duplicate) as rows_duplicate
    from {{ source('ops', 'batch') }} as b
    group by b.as_of, b.department
),

night as (
    select a.as_of, a.department from {{ source('ops', 'arrival') }} as a
    union
    select b.as_of, b.department from batch as b
    union
    select q.as_of, q.department from {{ source('quality', 'department_day') }} as q
)

select
    n.as_of,
    d.department,
    d.name_zh,
    d.name_en,
    d.tier,
    d.importance,
    d.external,
    coalesce(q.arrival_state, a.state) as arrival_state,
    coalesce(b.batches, 0)::integer as batches,
    coalesce(b.batches_held, 0)::integer as batches_held,
    coalesce(b.rows_read, 0)::integer as rows_read,
    coalesce(b.rows_accepted, 0)::integer as rows_accepted,
    coalesce(b.rows_rejected, 0)::integer as rows_rejected,
    coalesce(b.rows_held, 0)::integer as rows_held,
    coalesce(b.rows_out_of_scope, 0)::integer as rows_out_of_scope,
    coalesce(b.rows_duplicate, 0)::integer as rows_duplicate,
    q.rows_flagged,
    q.completeness,
    coalesce(
        q.validity,
        round(b.rows_accepted::numeric / nullif(b.rows_read - b.rows_out_of_scope - b.rows_duplicate, 0), 6)
    ) as validity,
    q.timeliness,
    q.correction,
    q.feeds_due,
    q.feeds_reported,
    q.decisions_produced,
    q.decisions_received,
    q.decisions_compliant,
    q.decisions_timed,
    q.decisions_on_time,
    q.codes_checked,
    q.codes_wrong,
    q.issues_opened,
    q.issues_open,
    q.issues_overdue,
    q.issues_due,
    q.issues_corrected
from night as n
inner join {{ source('ops', 'department') }} as d on n.department = d.department
left join {{ source('ops', 'arrival') }} as a on n.as_of = a.as_of and n.department = a.department
left join batch as b on n.as_of = b.as_of and n.department = b.department
left join {{ source('quality', 'department_day') }} as q on n.as_of = q.as_of and n.department = q.department
