-- The monthly fairness checks of the scores: the shown month and the one before, each as its last published build knew it.
-- What raises an alarm above which limit stands in the seed. A month without a build has no rows.
with build as (
    select
        b.build_no,
        b.as_of,
        date_trunc('month', b.as_of)::date as month,
        row_number() over (partition by date_trunc('month', b.as_of) order by b.build_no desc) as newest
    from {{ source('ops', 'build') }} as b
    where b.state = 'published'
        and b.build_no <= {{ shown_build() }}
        and b.as_of <= {{ shown_as_of() }}
        and b.as_of >= date_trunc('month', {{ shown_as_of() }}) - interval '1 month'
),

score as (
    select
        b.month,
        b.build_no,
        s.subject_id,
        s.score_id,
        s.model_version,
        s.score,
        s.grade,
        coalesce(d.region_code, 'unknown') as district,
        coalesce(left(d.industry_code, 1), 'unknown') as industry,
        case
            when d.registered_on is null then 'unknown'
            when {{ whole_months('d.registered_on', 'b.as_of') }} < 12 then '0'
            when {{ whole_months('d.registered_on', 'b.as_of') }} < 36 then '1-2'
            when {{ whole_months('d.registered_on', 'b.as_of') }} < 60 then '3-4'
            when {{ whole_months('d.registered_on', 'b.as_of') }} < 120 then '5-9'
            else '10+'
        end as age_years
    from build as b
    inner join {{ ref('scores_score') }} as s on b.build_no >= s.known_from_build and b.build_no < s.known_to_build
    left join {{ ref('entity_subject') }} as d
        on s.subject_id = d.subject_id and b.build_no >= d.known_from_build and b.build_no < d.known_to_build
    where b.newest = 1
),

origin as (
    {%- for kind in ['penalty', 'inspection', 'enforcement', 'commitment', 'contract_performance', 'compliance_fact',
                     'arrears', 'rating'] %}
    select r.subject_id, r.record_id, r.department, r.match_grade, r.known_from_build, r.known_to_build
    from {{ ref('core_' ~ kind) }} as r
    union all
    {%- endfor %}
    select m.subject_id, m.record_id, m.department, m.match_grade, m.known_from_build, m.known_to_build
    from {{ ref('lists_list_membership') }} as m
),

deduction as (
    select
        c.month,
        c.model_version,
        c.subject_id,
        c.grade,
        e.line_id,
        o.department,
        coalesce(o.match_grade, 'none') as match_grade
    from score as c
    inner join {{ ref('scores_score_explanation') }} as e
        on c.subject_id = e.subject_id and c.score_id = e.score_id
        and c.build_no >= e.known_from_build and c.build_no < e.known_to_build
    left join origin as o
        on e.subject_id = o.subject_id and e.record_id = o.record_id
        and c.build_no >= o.known_from_build and c.build_no < o.known_to_build
    where e.record_id is not null and e.applied_points < 0
),

grouped as (
    select c.month, c.model_version, 'all' as dimension, 'all' as group_value, c.grade, count(*) as subjects
    from score as c
    group by c.month, c.model_version, c.grade
    {%- for dimension in ['district', 'industry', 'age_years'] %}
    union all
    select c.month, c.model_version, '{{ dimension }}', c.{{ dimension }}, c.grade, count(*)
    from score as c
    group by c.month, c.model_version, c.{{ dimension }}, c.grade
    {%- endfor %}
    union all
    select d.month, d.model_version, 'department', d.department, d.grade, count(distinct d.subject_id)
    from deduction as d
    group by d.month, d.model_version, d.department, d.grade
),

band as (
    select
        c.month,
        c.model_version,
        least(c.score / 100, 9) as band,
        count(*)::numeric as scores
    from score as c
    where c.score is not null
    group by c.month, c.model_version, least(c.score / 100, 9)
),

month_total as (
    select b.month, b.model_version, sum(b.scores) as scores
    from band as b
    group by b.month, b.model_version
),

share as (
    -- every band of every month, an empty one with the smallest share the index can bear
    select
        t.month,
        t.model_version,
        n.band,
        greatest(coalesce(b.scores, 0) / t.scores, 0.0001) as share
    from month_total as t
    cross join generate_series(0, 9) as n (band)
    left join band as b on t.month = b.month and t.model_version = b.model_version and n.band = b.band
),

moved as (
    select
        b.month,
        v.model_version,
        b.as_of,
        count(*) filter (where abs(v.score - o.score) > 100) as moved,
        count(*) as changed
    from build as b
    inner join {{ ref('scores_score') }} as v on b.build_no = v.known_from_build
    inner join {{ ref('scores_score') }} as o
        on v.subject_id = o.subject_id and v.model_version = o.model_version and b.build_no = o.known_to_build
    where v.score is not null and o.score is not null
    group by b.month, v.model_version, b.as_of
),

figure as (
    select
        g.month, g.model_version, 'grade_share' as check_code, g.dimension, g.group_value, g.grade,
        g.subjects::numeric as numerator,
        sum(g.subjects) over (partition by g.month, g.model_version, g.dimension, g.group_value) as denominator,
        round(g.subjects / sum(g.subjects) over (partition by g.month, g.model_version, g.dimension, g.group_value), 4) as value
    from grouped as g
    union all
    select
        d.month, d.model_version, 'weak_deduction_share', 'all', 'all', null,
        count(*) filter (where d.match_grade not in ('exact', 'strong')),
        count(*),
        round(count(*) filter (where d.match_grade not in ('exact', 'strong'))::numeric / count(*), 4)
    from deduction as d
    group by d.month, d.model_version
    union all
    select m.month, m.model_version, 'moved_over_100', 'day', m.as_of::text, null, m.moved, m.changed, m.moved
    from moved as m
    union all
    select
        s.month, s.model_version, 'stability_index', 'month', (s.month - interval '1 month')::date::text, null, null, null,
        round(sum((s.share - e.share) * ln(s.share / e.share)), 4)
    from share as s
    inner join share as e
        on s.model_version = e.model_version and s.band = e.band and (s.month - interval '1 month')::date = e.month
    group by s.month, s.model_version
)

select
    f.month,
    f.model_version,
    f.check_code,
    c.name_zh as check_name_zh,
    c.name_en as check_name_en,
    f.dimension,
    f.group_value,
    f.grade,
    f.numerator,
    f.denominator,
    f.value,
    c.alarm_above,
    coalesce(f.value > c.alarm_above, false) as is_alarm
from figure as f
inner join {{ ref('fairness_check') }} as c
    on f.check_code = c.check_code
    and f.month >= c.valid_from and (c.valid_to is null or f.month < c.valid_to)
