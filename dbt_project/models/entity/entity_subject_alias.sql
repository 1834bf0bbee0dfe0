{{ config(meta={
    'key': ['subject_id'],
    'indexes': ['(canonical_subject_id) where known_to_build = <open>'],
}) }}
-- Subjects that turned out to be another subject. An id minted from an organisation code or registration number points to
-- the registered subject that exactly one code now shows to hold that number; people's judgements (who, when, why) override
-- the machine and are soft: a judgement of `different` points a subject back at itself. A person who was told apart from
-- another has an id that points at itself, with who decided so; when that is taken back it points at the id the two shared.
with changed as (
    select distinct
        i.id_type,
        i.id_value
    from {{ ref('entity_subject_identifier') }} as i
    where i.known_from_build = {{ build_no() }}
),

machine as (
    select
        m.subject_id,
        (array_agg(r.subject_id order by r.subject_id))[1] as canonical_subject_id,
        'same ' || min(m.id_type) as reason,
        null::text as decided_by,
        null::date as decided_on,
        null::uuid as decision_record_id,
        1 as rank,
        null::timestamptz as version_at
    from changed as c
    inner join {{ ref('entity_subject_identifier') }} as m
        on c.id_type = m.id_type and c.id_value = m.id_value and m.evidence = 'minted'
    inner join {{ ref('entity_subject_identifier') }} as r
        on c.id_type = r.id_type and c.id_value = r.id_value and r.evidence <> 'minted'
    where m.known_to_build = {{ open_build() }} and r.known_to_build = {{ open_build() }}
    group by m.subject_id
    having count(distinct r.subject_id) = 1
),

judgement as (
    -- of another subject, or of a record that stood for itself because nobody was found for it
    select
        case
            when d.other_subject_uscc is not null then {{ subject_id_from('uscc', 'd.other_subject_uscc') }}
            when pg_input_is_valid(d.target_record_id, 'uuid')
                then {{ subject_id_from('record', 'd.target_record_id::uuid::text') }}
        end as subject_id,
        {{ subject_id_from('uscc', 'd.subject_uscc') }} as judged_subject_id,
        d.decision_type = 'identity_same' and d.source_state = 'active' as is_same,
        d.source_state = 'active' as in_force,
        d.reason,
        d.decided_by,
        d.decided_on,
        d.record_id,
        d.version_at
    from {{ ref('staging_decision') }} as d
    where d.decision_type in ('identity_same', 'identity_different') and ops.uscc_ok(d.subject_uscc)
),

judged as (
    -- taken back, a judgement leaves the subject to itself and to the machine
    select
        j.subject_id,
        case when j.is_same then j.judged_subject_id else j.subject_id end as canonical_subject_id,
        j.reason,
        j.decided_by,
        j.decided_on,
        case when j.in_force then j.record_id end as decision_record_id,
        2 as rank,
        j.version_at
    from judgement as j
    where j.subject_id is not null
),

parted as (
    select
        p.subject_id,
        coalesce(b.subject_id, p.subject_id) as canonical_subject_id,
        d.reason,
        d.decided_by,
        d.decided_on,
        case when d.source_state = 'active' then d.record_id end as decision_record_id,
        2 as rank,
        d.version_at
    from {{ ref('staging_decision') }} as d
    inner join {{ ref('entity_person') }} as p
        on split_part(p.minted_from, '|split|', 2) = d.record_id::text and {{ changed_now('p', build_no()) }}
    left join {{ ref('entity_person') }} as b
        on p.person_key = b.person_key and p.subject_id <> b.subject_id and {{ is_open('b') }}
    where d.decision_type = 'person_split'
),

proposed as (
    select m.* from machine as m
    {%- if has_history() %}
    where m.subject_id not in (
        select k.subject_id from {{ this }} as k
        where k.known_to_build = {{ open_build() }} and k.decision_record_id is not null
    )
    {%- endif %}
    union all
    select * from judged
    union all
    select * from parted
),

chosen as (
    select distinct on (p.subject_id) p.*
    from proposed as p
    order by p.subject_id asc, p.rank desc, p.decided_on desc, p.version_at desc, p.decision_record_id asc
),

edges as (
    select c.* from chosen as c
    {%- if has_history() %}
    union all
    select
        k.subject_id,
        k.canonical_subject_id,
        k.reason,
        k.decided_by,
        k.decided_on,
        k.decision_record_id,
        0 as rank,
        null::timestamptz as version_at
    from {{ this }} as k
    where k.known_to_build = {{ open_build() }}
        and k.subject_id not in (select c.subject_id from chosen as c)
    {%- endif %}
)

select
    e.subject_id,
    coalesce(third.canonical_subject_id, second.canonical_subject_id, e.canonical_subject_id) as canonical_subject_id,
    e.reason,
    e.decided_by,
    e.decided_on,
    e.decision_record_id
from edges as e
left join edges as second on e.canonical_subject_id = second.subject_id and e.subject_id <> second.subject_id
left join edges as third on second.canonical_subject_id = third.subject_id and second.subject_id <> third.subject_id
