-- RESTRICTED. What this build's deliveries say about organisations: name, address, legal representative (in full, as the
-- register holds it; domain page 11 section 3). The newest row of each record and department, whoever's version counts.
{%- set kinds = {
    'registration': ['subject', 'l.registered_address'],
    'permit': ['counterparty', 'null::text'],
    'penalty': ['counterparty', 'null::text'],
} %}
with delivered as (
    {%- for kind, (party, address) in kinds.items() %}
    select
        '{{ kind }}' as record_kind,
        l.record_key as record_id,
        l.department,
        l.batch_id,
        l.row_no,
        l.version_at,
        l.version_seq,
        l.content_hash,
        case when l.op in ('W', 'D') then 'withdrawn' else 'active' end as source_state,
        {{ plain_text('l.' ~ party ~ '_name') }} as subject_name,
        {{ plain_text(address) }} as registered_address,
        {{ plain_text('l.legal_representative_name') }} as legal_representative_name
    from {{ source('landing', kind) }} as l
    where l.batch_id in ({{ frozen_batches(kind, build_no()) }})
        and btrim(l.{{ party }}_type) is distinct from '自然人'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select distinct on (d.record_kind, d.record_id, d.department) d.*
from delivered as d
order by
    d.record_kind asc,
    d.record_id asc,
    d.department asc,
    d.version_at desc,
    d.version_seq desc,
    d.content_hash desc,
    d.batch_id desc,
    d.row_no desc
