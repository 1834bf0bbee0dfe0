-- On what each reward of domain page 07 section 3 hangs, of the rules in force on the shown day; and where no source says whether it holds.
select
    r.measure_code,
    c.name_zh as measure_name_zh,
    c.name_en as measure_name_en,
    r.trigger_kind,
    r.trigger_value,
    r.source_state,
    r.note_zh,
    r.note_en,
    r.valid_from,
    r.mark
from {{ ref('reward_rule') }} as r
inner join {{ ref('measure_catalogue') }} as c on r.measure_code = c.measure_code
where r.valid_from <= {{ shown_as_of() }} and (r.valid_to is null or r.valid_to > {{ shown_as_of() }})
