{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- The next day on which a rated subject's score may change by the calendar alone: a decay step, the end of a term, of a
-- validity or of a publication, a fact that begins to count.
{%- set today = as_of() %}
with fact as (
    select f.*
    from {{ ref('staging_score_fact') }} as f
    where f.state = 'active'
),

step as (
    select distinct
        d.model_version,
        m.record_kind,
        d.months
    from (
        select s.model_version, s.item_code, s.from_month as months from {{ ref('score_item_decay') }} as s
        union
        select s.model_version, s.item_code, s.to_month from {{ ref('score_item_decay') }} as s
        union
        select c.model_version, c.item_code, c.within_months from {{ ref('score_cap') }} as c where c.within_months is not null
    ) as d
    inner join {{ ref('score_item_match') }} as m on d.model_version = m.model_version and d.item_code = m.item_code
),

due as (
    select f.subject_id, {{ add_months('f.counted_from', 's.months') }} as due_on
    from fact as f
    inner join step as s on f.record_kind = s.record_kind
    union all
    select f.subject_id, f.counted_from from fact as f
    union all
    select f.subject_id, f.decided_on from fact as f
    union all
    select f.subject_id, f.valid_until from fact as f
    union all
    select f.subject_id, f.public_end from fact as f
    union all
    select s.subject_id, s.next_due_on from {{ ref('staging_score_subject') }} as s
)

select
    d.subject_id,
    min(d.due_on) as next_due_on
from due as d
where d.due_on > {{ today }}
group by d.subject_id
