-- Everything a report on one subject can show, as lines: section, date, source, content. One subject's lines come by index.
-- A reader filters by scope: public lines have is_public, government lines any scope below 2 or the subject itself.
{%- set sections = {
    'registration': 'basics', 'permit': 'permits', 'penalty': 'penalties', 'inspection': 'inspections',
    'qualification': 'qualifications', 'honour': 'honours', 'award': 'awards', 'rating': 'ratings',
    'arrears': 'arrears', 'commitment': 'commitments', 'contract_performance': 'contracts',
    'compliance_fact': 'compliance', 'enforcement': 'judicial', 'judgement': 'judicial',
    'abnormal_entry': 'abnormal', 'list_entry': 'lists', 'repair': 'notes', 'objection': 'notes',
    'self_declared': 'self_declared'
} %}
{%- for kind, section in sections.items() %}
select
    r.subject_id,
    '{{ section }}' as section,
    r.record_kind,
    r.record_id,
    r.decided_on,
    r.department,
    r.state,
    r.usage_scope,
    r.is_public,
    r.public_from,
    r.public_until,
    r.objected,
    r.match_grade,
    to_jsonb(r) - array[
        'subject_id', 'record_kind', 'record_id', 'decided_on', 'department', 'state', 'usage_scope', 'is_public',
        'public_from', 'public_until', 'objected', 'match_grade', 'original', 'flags', 'issues'
    ] as content,
    r.build_no
from {{ ref('publish_' ~ kind) }} as r
where r.match_grade in ('exact', 'strong')
union all
{%- endfor %}
select
    m.subject_id,
    'memberships',
    'list_membership',
    m.record_id,
    m.entered_on,
    m.department,
    case when m.is_active then 'active' else 'ended' end,
    case when m.is_public then 0 else 1 end,
    m.is_public,
    m.entered_on,
    m.ended_on,
    m.objected,
    m.match_grade,
    to_jsonb(m) - array['subject_id', 'record_id', 'department', 'match_grade', 'objected'],
    m.build_no
from {{ ref('publish_list_membership') }} as m
where m.match_grade in ('exact', 'strong')
union all
select
    s.subject_id,
    'score',
    'score',
    s.score_id,
    s.as_of_date,
    null,
    s.grade,
    1,
    false,
    null,
    null,
    s.contested,
    'exact',
    to_jsonb(s) - array['subject_id', 'score_id', 'contested'],
    s.build_no
from {{ ref('publish_score') }} as s
union all
select
    e.subject_id,
    'score_explanation',
    'score_explanation',
    e.line_id,
    e.decided_on,
    null,
    e.item_code,
    1,
    false,
    null,
    null,
    false,
    'exact',
    to_jsonb(e) - array['subject_id', 'line_id', 'decided_on'],
    e.build_no
from {{ ref('publish_score_explanation') }} as e
