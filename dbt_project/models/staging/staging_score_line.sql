{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- The scorecard at work: from facts to the lines of the explanation. Lines sum to the score.
-- Every rule is a seed: what an item matches, its points, its cap, its decay, the dimensions, the vetoes, the grades.
{%- set today = as_of() %}
with fact as (
    select
        f.*,
        f.current_group is null
        or row_number() over (
            partition by f.subject_id, f.current_group, f.state, f.decided_on <= {{ today }}
            order by f.decided_on desc, f.record_id desc
        ) = 1 as is_current
    from {{ ref('staging_score_fact') }} as f
),

used as (
    select f.*
    from fact as f
    where f.state = 'active'
        and f.match_grade in ('exact', 'strong')
        and f.catalogue_item_code is not null
        and f.is_current
        and f.counted_from <= {{ today }}
        and f.decided_on <= {{ today }}
        and (f.valid_until is null or f.valid_until > {{ today }})
        and (f.public_end is null or f.public_end > {{ today }})
),

subject as (
    select
        s.subject_id,
        s.model_version
    from {{ ref('staging_score_subject') }} as s
    where s.not_rated_reason is null
),

matched as (
    select distinct
        s.subject_id,
        s.model_version,
        i.item_code,
        i.dimension,
        i.points::numeric as base_points,
        abs(i.item_cap)::numeric as item_cap,
        u.record_id,
        u.record_kind,
        u.decided_on,
        u.objected,
        {{ whole_months('u.counted_from', today) }} as age_months
    from used as u
    inner join subject as s on u.subject_id = s.subject_id
    inner join {{ ref('score_item_match') }} as m
        on s.model_version = m.model_version
        and u.record_kind = m.record_kind
        and u.state = m.state
        and (m.list_code is null or u.list_code = m.list_code)
        and (m.list_effect is null or u.list_effect = m.list_effect)
        and (m.subtype_pattern is null or u.subtype ~ m.subtype_pattern)
        and (m.grade_pattern is null or u.grade ~ m.grade_pattern)
        and (m.severity is null or u.severity = m.severity)
        and (m.status is null or u.status = m.status)
    inner join {{ ref('score_item') }} as i on m.model_version = i.model_version and m.item_code = i.item_code
),

decaying as (
    select distinct
        d.model_version,
        d.item_code
    from {{ ref('score_item_decay') }} as d
),

decayed as (
    select
        m.*,
        case when y.item_code is null then 1 else coalesce(d.factor, 0) end as decay_factor
    from matched as m
    left join decaying as y on m.model_version = y.model_version and m.item_code = y.item_code
    left join {{ ref('score_item_decay') }} as d
        on m.model_version = d.model_version and m.item_code = d.item_code
        and m.age_months >= d.from_month and m.age_months < d.to_month
),

veto as (
    select
        s.subject_id,
        s.model_version,
        c.cap_code,
        c.max_score,
        c.suspends_honours
    from used as u
    inner join subject as s on u.subject_id = s.subject_id
    inner join {{ ref('score_cap') }} as c on s.model_version = c.model_version and u.list_effect = c.list_effect
    group by s.subject_id, s.model_version, c.cap_code, c.max_score, c.suspends_honours, c.min_count
    having count(*) >= c.min_count
    union all
    select
        m.subject_id,
        m.model_version,
        c.cap_code,
        c.max_score,
        c.suspends_honours
    from matched as m
    inner join {{ ref('score_cap') }} as c on m.model_version = c.model_version and m.item_code = c.item_code
    where c.within_months is null or m.age_months < c.within_months
    group by m.subject_id, m.model_version, c.cap_code, c.max_score, c.suspends_honours, c.min_count
    having count(*) >= c.min_count
),

suspended as (
    select distinct
        v.subject_id,
        v.model_version
    from veto as v
    where v.suspends_honours
),

weighed as (
    select
        d.*,
        dim.direction,
        dim.points::numeric as dimension_points,
        dim.direction = 'add' and sus.subject_id is not null as is_suspended,
        case when dim.direction = 'add' and sus.subject_id is not null then 0 else abs(d.base_points * d.decay_factor) end as weight
    from decayed as d
    inner join {{ ref('score_dimension') }} as dim on d.model_version = dim.model_version and d.dimension = dim.dimension
    left join suspended as sus on d.subject_id = sus.subject_id and d.model_version = sus.model_version
    where d.decay_factor > 0
),

item_filled as (
    select
        w.*,
        greatest(0, least(w.weight, w.item_cap - coalesce(sum(w.weight) over (
            partition by w.subject_id, w.model_version, w.item_code
            order by w.decided_on, w.record_id
            rows between unbounded preceding and 1 preceding
        ), 0))) as within_item
    from weighed as w
),

dimension_filled as (
    select
        f.*,
        greatest(0, least(f.within_item, f.dimension_points - coalesce(sum(f.within_item) over (
            partition by f.subject_id, f.model_version, f.dimension
            order by f.decided_on, f.record_id, f.item_code
            rows between unbounded preceding and 1 preceding
        ), 0))) as within_dimension
    from item_filled as f
),

item_line as (
    select
        f.subject_id,
        f.model_version,
        f.item_code,
        f.dimension,
        f.record_id,
        f.record_kind,
        f.decided_on,
        f.base_points,
        f.decay_factor,
        trim_scale(case f.direction when 'add' then 1 else -1 end * f.within_dimension) as applied_points,
        case
            when f.is_suspended then 'SERIOUS_LIST'
            when f.within_item < f.weight then f.item_code
            when f.within_dimension < f.within_item then f.dimension
        end as capped_by,
        f.objected
    from dimension_filled as f
),

base as (
    select
        s.subject_id,
        s.model_version,
        sum(d.points)::numeric as points
    from subject as s
    inner join {{ ref('score_dimension') }} as d on s.model_version = d.model_version and d.direction = 'deduct'
    group by s.subject_id, s.model_version
),

raw as (
    select
        b.subject_id,
        b.model_version,
        b.points as base_points,
        trim_scale(b.points + coalesce(sum(l.applied_points), 0)) as raw_score,
        coalesce(bool_or(l.objected), false) as contested
    from base as b
    left join item_line as l on b.subject_id = l.subject_id and b.model_version = l.model_version
    group by b.subject_id, b.model_version, b.points
),

capped as (
    select
        r.*,
        trim_scale(least(r.raw_score, min(v.max_score))) as capped_score,
        string_agg(v.cap_code, ',' order by v.cap_code) filter (where v.max_score < r.raw_score) as cap_codes
    from raw as r
    left join veto as v on r.subject_id = v.subject_id and r.model_version = v.model_version
    group by r.subject_id, r.model_version, r.base_points, r.raw_score, r.contested
),

total as (
    select
        c.*,
        round(c.capped_score) as score
    from capped as c
),

line as (
    select
        t.subject_id, t.model_version, 'BASE' as item_code, null::text as dimension, null::uuid as record_id,
        null::text as record_kind, null::date as decided_on, t.base_points, 1::numeric as decay_factor,
        t.base_points as applied_points, null::text as capped_by, null::text as note
    from total as t
    union all
    select
        l.subject_id, l.model_version, l.item_code, l.dimension, l.record_id, l.record_kind, l.decided_on, l.base_points,
        l.decay_factor, l.applied_points, l.capped_by,
        case when l.objected then 'objected' end
    from item_line as l
    union all
    select
        t.subject_id, t.model_version, 'CAP', null, null, null, null, t.capped_score - t.raw_score, 1,
        t.capped_score - t.raw_score, t.cap_codes, null
    from total as t
    where t.capped_score < t.raw_score
    union all
    select
        t.subject_id, t.model_version, 'ROUND', null, null, null, null, t.score - t.capped_score, 1,
        t.score - t.capped_score, null, null
    from total as t
    where t.score <> t.capped_score
)

select
    n.*,
    t.raw_score,
    t.score::integer as score,
    g.grade,
    t.cap_codes,
    t.contested
from line as n
inner join total as t on n.subject_id = t.subject_id and n.model_version = t.model_version
left join {{ ref('score_grade') }} as g
    on t.model_version = g.model_version and t.score between g.min_score and g.max_score
