{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- Subjects whose place on any list this build may change. Terms that run out by the calendar need no work here: a
-- membership carries its end from the day it begins.
{%- set build = build_no() %}
{%- for kind in ['list_entry', 'abnormal_entry', 'rating', 'honour'] %}
select r.subject_id
from {{ ref('core_' ~ kind) }} as r
where {{ changed_now('r', build) }}
{{ 'union' if not loop.last }}
{%- endfor %}
