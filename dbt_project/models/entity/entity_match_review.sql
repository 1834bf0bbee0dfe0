{{ config(meta={'key': ['record_id', 'record_kind'], 'scope': 'staging_review_scope', 'scope_column': 'record_id'}) }}
-- depends_on: {{ ref('staging_review_scope') }}
-- depends_on: {{ ref('entity_subject') }}
-- Records whose subject is not certain, for people to judge: what the row says, and the registered subject that bears the
-- same or the most similar name. A suggestion, never a link. A record that says nothing about a party, as a decision that
-- names a document only, asks nothing.
with open_question as (
    select
        u.record_kind,
        u.record_id,
        u.department,
        u.party_name,
        u.name_key,
        r.subject_id,
        r.match_grade,
        r.issues,
        r.candidate_subject_id
    from {{ ref('staging_unlinked') }} as u
    inner join {{ ref('staging_record_subject') }} as r on u.record_id = r.record_id and u.record_kind = r.record_kind
    where r.match_grade in ('weak', 'none') and u.party_type <> 'natural_person'
        and (u.party_name is not null or u.code_invalid)
),

asked as (
    -- a bound on work, not on truth: the rows stay open questions, suggestions for the rest come with later builds
    select distinct q.name_key
    from open_question as q
    where q.candidate_subject_id is null and q.name_key <> ''
    order by q.name_key
    limit 500
),

similar_name as (
    select
        a.name_key,
        best.subject_id,
        best.similarity
    from asked as a
    inner join lateral ops.most_similar_subject(a.name_key) as best on true
),

suggested as (
    select
        q.*,
        n.subject_id as similar_subject_id,
        n.similarity
    from open_question as q
    left join similar_name as n on q.candidate_subject_id is null and q.name_key = n.name_key
)

select
    s.record_id,
    s.record_kind,
    s.subject_id,
    s.department,
    s.match_grade,
    s.party_name,
    s.issues,
    coalesce(s.candidate_subject_id, s.similar_subject_id) as suggested_subject_id,
    case when s.candidate_subject_id is not null then 1 else s.similarity end as similarity
from suggested as s
