{{ config(meta={'key': ['subject_id', 'event_id'], 'scope': 'staging_list_scope'}) }}
-- The ledger: what happened on which list, in order. Entry, extension, exit, withdrawal, repair, and the day a fixed or
-- dated term runs out by itself (known in advance; views show it once that day has come).
with membership as (
    select m.*
    from {{ ref('lists_list_membership') }} as m
    inner join {{ ref('staging_list_scope') }} as s on m.subject_id = s.subject_id
    where {{ is_open('m') }}
),

version as (
    select
        r.subject_id,
        r.record_id,
        r.list_code,
        r.planned_exit_date,
        r.delivered_on,
        lag(r.planned_exit_date) over (partition by r.record_id order by r.known_from_build) as planned_before
    from {{ ref('core_list_entry') }} as r
    inner join {{ ref('staging_list_scope') }} as s on r.subject_id = s.subject_id
    where r.list_code is not null
),

event as (
    select m.subject_id, m.membership_id, m.list_code, m.record_id, 'entry' as event_type, m.entered_on as event_on, m.decision_no, null::text as reason
    from membership as m
    union all
    select m.subject_id, m.membership_id, m.list_code, m.record_id, 'exit', m.exited_on, m.decision_no, m.exit_reason
    from membership as m
    where m.exited_on is not null
    union all
    select m.subject_id, m.membership_id, m.list_code, m.record_id, 'expiry', m.ended_on, m.decision_no, 'expired'
    from membership as m
    where m.state = 'active' and m.exit_reason = 'expired' and m.exited_on is null
    union all
    select m.subject_id, m.membership_id, m.list_code, m.record_id, m.state, coalesce(m.ended_on, m.entered_on), m.decision_no, m.exit_reason
    from membership as m
    where m.state in ('withdrawn', 'repaired', 'ended')
    union all
    select m.subject_id, m.membership_id, m.list_code, v.record_id, 'extension', v.delivered_on, m.decision_no, v.planned_exit_date::text
    from version as v
    inner join membership as m on v.subject_id = m.subject_id and v.record_id = m.record_id
    where v.planned_exit_date > v.planned_before
),

exit_alone as (
    select
        r.subject_id,
        null::uuid as membership_id,
        coalesce(r.list_code, r.source_list_code) as list_code,
        r.record_id,
        'exit_without_entry' as event_type,
        r.exit_date as event_on,
        r.document_no as decision_no,
        r.exit_reason as reason
    from {{ ref('core_list_entry') }} as r
    inner join {{ ref('staging_list_scope') }} as s on r.subject_id = s.subject_id
    where {{ is_open('r') }} and r.decided_on is null and r.exit_date is not null
),

final as (
    select * from event
    union all
    select * from exit_alone
)

select distinct
    {{ id_of(['f.record_id', 'f.membership_id', 'f.event_type', 'f.event_on', 'f.reason']) }} as event_id,
    f.subject_id,
    f.membership_id,
    f.list_code,
    f.record_id,
    f.event_type,
    f.event_on,
    f.decision_no,
    f.reason
from final as f
where f.event_on is not null
