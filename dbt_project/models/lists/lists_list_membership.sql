{{ config(meta={
    'key': ['subject_id', 'membership_id'],
    'scope': 'staging_list_scope',
    'indexes': ['(list_code, entered_on)', '(record_id) where known_to_build = <open>'],
}) }}
-- depends_on: {{ ref('staging_list_scope') }}
-- One row per decision that puts a subject on a list, with the whole of its life: on the list from entered_on to the day
-- before ended_on. Only a fixed term and a dated decision end a membership without an event; everything else waits for one.
with listing as (
    select * from {{ ref('staging_listing') }}
),

decision as (
    select
        l.subject_id,
        l.list_code,
        l.department,
        l.decision_key,
        (array_agg(l.record_id order by l.names_person, l.entered_on, l.record_id))[1] as record_id,
        min(l.record_kind) as record_kind,
        min(l.party_type) as party_type,
        min(l.match_grade) as match_grade,
        min(l.decision_no) as decision_no,
        min(l.authority_name) as authority_name,
        min(l.authority_uscc) as authority_uscc,
        min(l.legal_basis) as legal_basis,
        min(l.entry_reason) as entry_reason,
        min(l.entered_on) as entered_on,
        max(l.planned_exit_on) as planned_exit_on,
        -- a person may leave alone: the organisation's own row speaks for it; without one, all must have left
        case
            when bool_or(not l.names_person) then max(l.exited_on) filter (where not l.names_person)
            when bool_and(l.exited_on is not null) then max(l.exited_on)
        end as exited_on,
        case
            when bool_or(not l.names_person) then min(l.exit_reason) filter (where not l.names_person)
            when bool_and(l.exited_on is not null) then min(l.exit_reason)
        end as exit_reason,
        count(*) filter (where l.names_person) as persons_named,
        case
            when bool_or(l.state = 'active') then 'active'
            when bool_or(l.state = 'ended') then 'ended'
            when bool_or(l.state = 'repaired') then 'repaired'
            else 'withdrawn'
        end as state,
        max(l.state_since) as state_since,
        bool_or(l.objected) as objected
    from listing as l
    group by l.subject_id, l.list_code, l.department, l.decision_key
),

ruled as (
    select
        d.*,
        r.kind as list_kind,
        r.term_kind,
        r.term_months,
        r.scorecard_effect,
        r.public_default,
        case
            when r.term_kind = 'fixed'
                then coalesce(d.planned_exit_on, {{ add_months('d.entered_on', 'r.term_months') }})
            when r.term_kind = 'from_decision' then d.planned_exit_on
        end as term_end_on,
        {{ add_months('d.entered_on', 'r.early_exit_after_months') }} as early_exit_from
    from decision as d
    left join {{ ref('list_rule') }} as r
        on d.list_code = r.list_code
        and d.entered_on >= r.valid_from
        and (r.valid_to is null or d.entered_on < r.valid_to)
)

select
    {{ id_of(['r.subject_id', 'r.list_code', 'r.department', 'r.decision_key']) }} as membership_id,
    r.subject_id,
    r.list_code,
    coalesce(r.list_kind, 'unknown') as list_kind,
    r.party_type,
    r.match_grade,
    r.department,
    r.record_kind,
    r.record_id,
    r.decision_no,
    r.authority_name,
    r.authority_uscc,
    r.legal_basis,
    r.entry_reason,
    r.entered_on,
    r.term_kind,
    r.term_months,
    r.planned_exit_on,
    r.early_exit_from,
    r.exited_on,
    case
        when r.state = 'withdrawn' then 'withdrawn'
        when r.state = 'repaired' then 'repaired'
        when r.exited_on is not null and r.exited_on <= coalesce(r.term_end_on, r.exited_on) then coalesce(r.exit_reason, 'early_exit')
        when r.term_end_on is not null then 'expired'
        when r.state = 'ended' then 'corrected'
    end as exit_reason,
    case
        when r.state = 'withdrawn' then r.entered_on
        when r.state in ('repaired', 'ended') then least(r.state_since, r.exited_on, r.term_end_on)
        else least(r.exited_on, r.term_end_on)
    end as ended_on,
    r.state,
    r.persons_named,
    r.scorecard_effect,
    coalesce(r.public_default, false) as public_default,
    r.objected
from ruled as r
