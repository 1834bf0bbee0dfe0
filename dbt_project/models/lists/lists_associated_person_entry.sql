{{ config(meta={'key': ['record_id'], 'scope': 'staging_list_scope'}) }}
-- How an organisation's entry reaches a person: only where the decision names the person, or the list's rule does and the
-- source gave a role that the rule reaches (domain page 04 section 5). Inactive without notice and where the role was taken up
-- after the behaviour; one that looks like a nominee's is marked for people to judge: judged a nominee's it reaches nobody, judged
-- not to be one it is marked no more. It ends with its parent, gives no points, and is never public.
with entry as (
    select
        r.*,
        {{ id_of(['r.subject_id', 'r.list_code', 'r.department', 'coalesce(r.document_key, r.record_id::text)']) }} as membership_id
    from {{ ref('core_list_entry') }} as r
    inner join {{ ref('staging_list_scope') }} as s on r.subject_id = s.subject_id
    where {{ is_open('r') }}
        and r.responsible_person_name is not null
        and r.list_code is not null
        and r.decided_on is not null
        and r.party_type <> 'natural_person'
),

parent as (
    select
        m.membership_id,
        m.subject_id,
        m.ended_on
    from {{ ref('lists_list_membership') }} as m
    inner join {{ ref('staging_list_scope') }} as s on m.subject_id = s.subject_id
    where {{ is_open('m') }}
),

post as (
    select
        r.person_subject_id,
        count(distinct r.subject_id) as posts
    from {{ ref('entity_relation') }} as r
    where {{ is_open('r') }}
        and r.valid_to is null
        and r.person_subject_id in (select e.responsible_subject_id from entry as e)
    group by r.person_subject_id
),

judged as (
    select
        e.record_id,
        e.subject_id,
        e.responsible_subject_id as person_subject_id,
        e.responsible_person_name as person_name,
        e.responsible_person_role as role,
        coalesce(e.responsible_person_named, false) as is_named,
        coalesce(l.persons_by_rule, false) and exists (
            select 1
            from {{ ref('list_person_role') }} as w
            where (w.list_code is null or e.list_code = w.list_code)
                and e.responsible_person_role = w.role
                and e.decided_on >= w.valid_from
                and (w.valid_to is null or e.decided_on < w.valid_to)
        ) as is_by_rule,
        e.notified_on,
        e.is_nominee,
        e.list_code,
        p.membership_id,
        e.decided_on as entered_on,
        coalesce(e.behaviour_from, e.decided_on) as behaviour_from,
        coalesce(e.behaviour_to, e.decided_on) as behaviour_to,
        e.exit_date as left_alone_on,
        p.ended_on as parent_ended_on,
        e.state,
        held.valid_from as held_from,
        held.valid_to as held_to,
        coalesce(post.posts, 0) as posts_held
    from entry as e
    inner join parent as p on e.subject_id = p.subject_id and e.membership_id = p.membership_id
    left join {{ ref('list_rule') }} as l
        on e.list_code = l.list_code and e.decided_on >= l.valid_from and (l.valid_to is null or e.decided_on < l.valid_to)
    left join {{ ref('entity_relation') }} as held
        on e.subject_id = held.subject_id and e.responsible_subject_id = held.person_subject_id
        and e.responsible_person_role = held.role and {{ is_open('held') }}
    left join post on e.responsible_subject_id = post.person_subject_id
)

select
    j.record_id,
    j.subject_id,
    j.membership_id,
    j.person_subject_id,
    j.person_name,
    j.role,
    j.list_code,
    case when j.is_named then 'named_by_decision' else 'by_list_rule' end as ground,
    j.entered_on,
    j.behaviour_from,
    j.behaviour_to,
    j.notified_on,
    least(j.left_alone_on, j.parent_ended_on) as ended_on,
    array_remove(array[
        case when j.notified_on is null then 'no_notice_date' end,
        case when j.role is null then 'role_missing' end,
        case when j.person_subject_id is null then 'person_unidentified' end,
        case when j.held_from > j.behaviour_to or j.held_to <= j.behaviour_from then 'role_not_held_at_behaviour' end,
        case when j.is_nominee is null and j.held_from > j.behaviour_from - 90 and j.held_from <= j.behaviour_from then 'nominee_recent' end,
        case when j.is_nominee is null and j.posts_held >= 5 then 'nominee_many_posts' end
    ], null) as review_flags,
    j.is_nominee,
    j.state = 'active'
    and j.notified_on is not null
    and j.role is not null
    and j.person_subject_id is not null
    and j.is_nominee is not true
    and coalesce(not (j.held_from > j.behaviour_to or j.held_to <= j.behaviour_from), true) as is_effective,
    2 as usage_scope
from judged as j
where j.is_named or j.is_by_rule
