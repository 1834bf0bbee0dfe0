{{ config(meta={'key': ['relation_id'], 'indexes': ['(person_subject_id) where known_to_build = <open>']}) }}
-- RESTRICTED. Who held which post at which organisation, by the register. A relation is only a relation: it never makes a
-- record about the person by itself. A successor ends the predecessor's term on the day of taking office; where the two shared
-- an id until they were told apart, the predecessor's term begins as it was first told.
with registered as (
    select
        c.subject_id,
        p.subject_id as person_subject_id,
        'legal_representative' as role,
        s.legal_representative_since as valid_from,
        s.delivered_on,
        s.department,
        s.record_id as source_record_id
    from {{ ref('staging_registration') }} as s
    inner join {{ ref('core_registration') }} as c on s.record_id = c.record_id and {{ is_open('c') }}
    inner join {{ ref('entity_person') }} as p on s.representative_person_key = p.person_key and {{ is_open('p') }}
    where c.match_grade in ('exact', 'strong')
),

held as (
    select
        {{ id_of(['r.subject_id', 'r.person_subject_id', 'r.role']) }} as relation_id,
        r.subject_id,
        r.person_subject_id,
        r.role,
        r.valid_from,
        null::date as valid_to,
        r.department,
        r.source_record_id
    from registered as r
),

{% if has_history() %}
ended as (
    select
        k.relation_id,
        k.subject_id,
        k.person_subject_id,
        k.role,
        case
            when k.valid_from >= coalesce(r.valid_from, r.delivered_on)
                then (select min(h.valid_from) from {{ this }} as h where h.subject_id = k.subject_id and h.relation_id = k.relation_id)
            else k.valid_from
        end as valid_from,
        coalesce(r.valid_from, r.delivered_on) as valid_to,
        k.department,
        k.source_record_id
    from {{ this }} as k
    inner join registered as r
        on k.subject_id = r.subject_id and k.role = r.role and k.person_subject_id <> r.person_subject_id
    where {{ is_open('k') }} and k.valid_to is null
),
{% else %}
ended as (
    select * from held where false
),
{% endif %}

final as (
    select * from held
    union all
    select * from ended
)

select distinct on (f.relation_id) f.*
from final as f
order by f.relation_id, f.valid_to nulls last, f.valid_from nulls last, f.source_record_id
