{{ config(meta={'distributed_by': 'effect_id'}) }}
-- Repairs, objections and decisions whose record changed in this build: their effects are worked out anew.
{%- set build = build_no() %}
{%- for kind in ['repair', 'objection', 'decision'] %}
select r.record_id as effect_id
from {{ ref('core_' ~ kind) }} as r
where {{ changed_now('r', build) }}
{{ 'union' if not loop.last }}
{%- endfor %}
