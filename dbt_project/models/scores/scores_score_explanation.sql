{{ config(meta={
    'key': ['subject_id', 'line_id'],
    'scope': 'staging_score_scope',
    'indexes': ['(record_id) where record_id is not null'],
}) }}
-- depends_on: {{ ref('staging_score_scope') }}
-- Why a score is what it is: base, one line per contributing record, honours, cap and rounding. The lines sum to the score.
select
    {{ id_of(['l.subject_id', 'l.model_version', 'l.item_code', 'l.record_id']) }} as line_id,
    {{ id_of(['l.subject_id', 'l.model_version']) }} as score_id,
    l.subject_id,
    l.model_version,
    l.item_code,
    l.dimension,
    l.record_id,
    l.record_kind,
    l.decided_on,
    l.base_points,
    l.decay_factor,
    l.applied_points,
    l.capped_by,
    l.note
from {{ ref('staging_score_line') }} as l
