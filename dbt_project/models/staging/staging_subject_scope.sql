{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- Subjects whose description this build may change: registered or renamed, first named, merged or split.
{%- set build = build_no() %}
select r.subject_id
from {{ ref('core_registration') }} as r
where {{ changed_now('r', build) }} and r.match_grade in ('exact', 'strong')
union
select w.subject_id
from {{ ref('core_subject_statement') }} as w
where {{ changed_now('w', build) }} and w.is_chosen
union
select i.subject_id
from {{ ref('entity_subject_identifier') }} as i
where i.known_from_build = {{ build }} and i.id_type <> 'name'
union
select p.subject_id
from {{ ref('entity_person') }} as p
where p.known_from_build = {{ build }}
union
select a.subject_id
from {{ ref('entity_subject_alias') }} as a
where {{ changed_now('a', build) }}
union
select a.canonical_subject_id
from {{ ref('entity_subject_alias') }} as a
where {{ changed_now('a', build) }}
