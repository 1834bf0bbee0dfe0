-- A month of two scorecards side by side: every subject whose grade differed on any day of the shown month, since when and until
-- when, on how many of the days both were worked out, and whether it still does. A day is its last published build, as that build
-- knew it; a day whose score rested on what has been repaired, withdrawn or deleted since is left out.
with build as (
    select
        b.as_of,
        max(b.build_no) as build_no
    from {{ source('ops', 'build') }} as b
    where b.state = 'published'
        and b.build_no <= {{ shown_build() }}
        and b.as_of <= {{ shown_as_of() }}
        and b.as_of >= date_trunc('month', {{ shown_as_of() }})
    group by b.as_of
),

compared as (
    select
        b.as_of,
        o.subject_id,
        o.model_version as official_version,
        o.score as official_score,
        o.grade as official_grade,
        t.model_version as trial_version,
        t.score as trial_score,
        t.grade as trial_grade
    from build as b
    inner join {{ ref('scores_score') }} as t
        on b.build_no >= t.known_from_build and b.build_no < t.known_to_build and not t.is_official
    inner join {{ ref('scores_score') }} as o
        on t.subject_id = o.subject_id and b.build_no >= o.known_from_build and b.build_no < o.known_to_build and o.is_official
    where not exists (
        select 1
        from {{ ref('scores_score_explanation') }} as e
        inner join {{ source('ops', 'suppression') }} as gone on e.record_id = gone.record_id
        where e.subject_id = t.subject_id and b.build_no >= e.known_from_build and b.build_no < e.known_to_build
    )
),

moved as (
    select
        c.subject_id,
        c.official_version,
        c.trial_version,
        count(*)::integer as days_compared,
        (count(*) filter (where c.official_grade <> c.trial_grade))::integer as days_moved,
        min(c.as_of) filter (where c.official_grade <> c.trial_grade) as first_moved_on,
        max(c.as_of) filter (where c.official_grade <> c.trial_grade) as last_moved_on,
        max(c.as_of) as last_compared_on
    from compared as c
    group by c.subject_id, c.official_version, c.trial_version
)

select
    date_trunc('month', {{ shown_as_of() }})::date as month,
    m.subject_id,
    b.subject_name,
    b.uscc,
    b.region_code,
    m.official_version,
    c.official_score,
    c.official_grade,
    m.trial_version,
    c.trial_score,
    c.trial_grade,
    case
        when c.official_score is null or c.trial_score is null then 'rating'
        when c.trial_score > c.official_score then 'up'
        else 'down'
    end as moved,
    m.first_moved_on,
    m.last_moved_on,
    m.days_moved,
    m.days_compared,
    m.last_moved_on = m.last_compared_on as still_moved
from moved as m
inner join compared as c
    on m.subject_id = c.subject_id and m.official_version = c.official_version and m.trial_version = c.trial_version
    and m.last_moved_on = c.as_of
left join {{ ref('entity_subject') }} as b on m.subject_id = b.subject_id and {{ shown('b') }}
