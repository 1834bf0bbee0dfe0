{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- Subjects whose place on any list this build may change. Terms that run out by the calendar need no work here: a
-- membership carries its end from the day it begins. A register that tells who held which post, before or after the entry, moves
-- what the entry says about persons.
{%- set build = build_no() %}
{%- for kind in ['list_entry', 'abnormal_entry', 'rating', 'honour'] %}
select r.subject_id
from {{ ref('core_' ~ kind) }} as r
where {{ changed_now('r', build) }}
union
{%- endfor %}
select e.subject_id
from {{ ref('core_list_entry') }} as e
where {{ is_open('e') }}
    and (
        e.subject_id in (select r.subject_id from {{ ref('entity_relation') }} as r where {{ changed_now('r', build) }})
        or e.responsible_subject_id in (
            select r.person_subject_id from {{ ref('entity_relation') }} as r where {{ changed_now('r', build) }}
        )
    )
