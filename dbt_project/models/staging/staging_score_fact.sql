{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- Everything a scorecard may look at about the subjects in scope, in one neutral form. No points here, and no calendar but
-- the dates themselves: what counts today is the next model's question.
with scope as (
    select distinct s.subject_id
    from {{ ref('staging_score_subject') }} as s
    where s.not_rated_reason is null
),

honour_term as (
    select
        m.subtype,
        min(l.term_months) as term_months
    from {{ ref('list_source') }} as m
    inner join {{ ref('list_rule') }} as l on m.list_code = l.list_code and l.term_kind = 'fixed'
    where m.record_kind = 'honour'
    group by m.subtype
),

fact as (
    select
        r.subject_id, r.record_id, 'penalty' as record_kind, null::text as list_code, null::text as list_effect,
        null::text as subtype, null::text as grade, r.severity, null::text as status,
        r.decided_on, r.decided_on as counted_from, null::date as valid_until, r.publicity_max_end as public_end,
        null::text as current_group, r.state, r.match_grade, r.objected, r.catalogue_item_code
    from {{ ref('core_penalty') }} as r
    where {{ is_open('r') }}
    union all
    select
        r.subject_id, r.record_id, 'inspection', null, null, r.inspection_type, null, null, r.inspection_result,
        r.decided_on, r.decided_on, null, null, null, r.state, r.match_grade, r.objected, r.catalogue_item_code
    from {{ ref('core_inspection') }} as r
    where {{ is_open('r') }}
    union all
    select
        r.subject_id, r.record_id, 'enforcement', null, null, r.enforcement_type, null, null, r.enforcement_state,
        r.decided_on, r.decided_on, r.closed_on, null, null, r.state, r.match_grade, r.objected, r.catalogue_item_code
    from {{ ref('core_enforcement') }} as r
    where {{ is_open('r') }}
    union all
    select
        r.subject_id, r.record_id, 'commitment', null, null, r.commitment_type, null, null, r.fulfilment_state,
        coalesce(r.breach_found_on, r.decided_on), coalesce(r.breach_found_on, r.decided_on), null, null, null,
        r.state, r.match_grade, r.objected, r.catalogue_item_code
    from {{ ref('core_commitment') }} as r
    where {{ is_open('r') }}
    union all
    select
        r.subject_id, r.record_id, 'contract_performance', null, null, null,
        case when r.breach_document_no is not null then 'documented' end, null, r.performance_state,
        r.decided_on, r.decided_on, null, null, null, r.state, r.match_grade, r.objected, r.catalogue_item_code
    from {{ ref('core_contract_performance') }} as r
    where {{ is_open('r') }}
    union all
    select
        r.subject_id, r.record_id, 'compliance_fact', null, null, r.fact_type, null, null, null,
        r.decided_on, coalesce(r.due_on, r.decided_on), null, null, null, r.state, r.match_grade, r.objected,
        r.catalogue_item_code
    from {{ ref('core_compliance_fact') }} as r
    where {{ is_open('r') }}
    union all
    select
        r.subject_id, r.record_id, 'arrears', null, null, r.arrears_type, null, null, null,
        coalesce(r.decided_on, r.delivered_on), coalesce(r.decided_on, r.delivered_on), null, null, null,
        r.state, r.match_grade, r.objected, r.catalogue_item_code
    from {{ ref('core_arrears') }} as r
    where {{ is_open('r') }} and coalesce(r.amount_yuan, 0) > 0
    union all
    select
        r.subject_id, r.record_id, 'rating', null, null, r.rating_scheme, r.rating_grade, null, null,
        r.decided_on, r.decided_on, r.valid_to + 1, null, r.rating_scheme, r.state, r.match_grade, r.objected,
        r.catalogue_item_code
    from {{ ref('core_rating') }} as r
    where {{ is_open('r') }}
    union all
    select
        r.subject_id, r.record_id, 'honour', null, null, r.honour_code, r.honour_level, null, null,
        r.decided_on, r.decided_on,
        coalesce(r.valid_to + 1, {{ add_months('r.decided_on', 't.term_months') }}), null, null,
        r.state, r.match_grade, r.objected, r.catalogue_item_code
    from {{ ref('core_honour') }} as r
    left join honour_term as t on r.honour_code = t.subtype
    where {{ is_open('r') }}
    union all
    select
        m.subject_id, m.record_id, case when m.list_kind = 'serious' then 'list_entry' else 'abnormal_entry' end,
        m.list_code, m.scorecard_effect, null, null, null, null,
        m.entered_on, m.entered_on, m.ended_on, null, null,
        case when m.state = 'ended' then 'active' else m.state end, m.match_grade, m.objected,
        case when m.list_kind = 'serious' then 'C06' else 'C05' end
    from {{ ref('lists_list_membership') }} as m
    where {{ is_open('m') }} and m.list_kind in ('serious', 'abnormal')
)

select f.*
from fact as f
inner join scope as s on f.subject_id = s.subject_id
