{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- One row per record that puts a subject in scope on a list: entries of serious and abnormal lists, and the ratings and
-- honours that stand for a red list.
with scope as (
    select s.subject_id from {{ ref('staging_list_scope') }} as s
),

entry as (
    select
        r.record_id,
        'list_entry' as record_kind,
        r.subject_id,
        r.party_type,
        r.match_grade,
        r.list_code,
        r.department,
        coalesce(r.document_key, r.record_id::text) as decision_key,
        r.document_no as decision_no,
        r.authority_name,
        r.authority_uscc,
        r.legal_basis,
        r.entry_reason,
        r.decided_on as entered_on,
        case when r.planned_exit_date >= r.decided_on then r.planned_exit_date end as planned_exit_on,
        case when r.exit_date >= r.decided_on then r.exit_date end as exited_on,
        r.exit_reason,
        r.responsible_person_name is not null as names_person,
        r.state,
        r.state_since,
        r.objected
    from {{ ref('core_list_entry') }} as r
    inner join scope as s on r.subject_id = s.subject_id
    where {{ is_open('r') }} and r.decided_on is not null and r.list_code is not null
),

abnormal as (
    select
        r.record_id,
        'abnormal_entry' as record_kind,
        r.subject_id,
        r.party_type,
        r.match_grade,
        r.list_code,
        r.department,
        coalesce(r.document_key, r.record_id::text) as decision_key,
        r.document_no as decision_no,
        r.authority_name,
        r.authority_uscc,
        null::text as legal_basis,
        r.entry_reason,
        r.decided_on as entered_on,
        null::date as planned_exit_on,
        case when r.exit_date >= r.decided_on then r.exit_date end as exited_on,
        case when r.exit_date is not null then 'corrected' end as exit_reason,
        false as names_person,
        r.state,
        r.state_since,
        r.objected
    from {{ ref('core_abnormal_entry') }} as r
    inner join scope as s on r.subject_id = s.subject_id
    where {{ is_open('r') }} and r.decided_on is not null and r.list_code is not null
),

rated as (
    select
        r.*,
        lead(r.decided_on) over (
            partition by r.subject_id, r.rating_scheme
            order by r.decided_on, r.rating_year, r.version_at, r.record_id
        ) as replaced_on
    from {{ ref('core_rating') }} as r
    inner join scope as s on r.subject_id = s.subject_id
    where {{ is_open('r') }} and r.state = 'active' and r.decided_on is not null
),

red_rating as (
    select
        r.record_id,
        'rating' as record_kind,
        r.subject_id,
        r.party_type,
        r.match_grade,
        m.list_code,
        r.department,
        r.record_id::text as decision_key,
        r.document_no as decision_no,
        r.authority_name,
        r.authority_uscc,
        null::text as legal_basis,
        null::text as entry_reason,
        r.decided_on as entered_on,
        r.valid_to + 1 as planned_exit_on,
        r.replaced_on as exited_on,
        case when r.replaced_on is not null then 'expired' end as exit_reason,
        false as names_person,
        r.state,
        r.state_since,
        r.objected
    from rated as r
    inner join {{ ref('list_source') }} as m
        on m.record_kind = 'rating' and r.rating_scheme = m.subtype and r.rating_grade ~ m.grade_pattern
),

red_honour as (
    select
        r.record_id,
        'honour' as record_kind,
        r.subject_id,
        r.party_type,
        r.match_grade,
        m.list_code,
        r.department,
        coalesce(r.document_key, r.record_id::text) as decision_key,
        r.document_no as decision_no,
        r.authority_name,
        r.authority_uscc,
        null::text as legal_basis,
        r.honour_name as entry_reason,
        r.decided_on as entered_on,
        r.valid_to + 1 as planned_exit_on,
        null::date as exited_on,
        null::text as exit_reason,
        false as names_person,
        r.state,
        r.state_since,
        r.objected
    from {{ ref('core_honour') }} as r
    inner join scope as s on r.subject_id = s.subject_id
    inner join {{ ref('list_source') }} as m
        on m.record_kind = 'honour' and r.honour_code = m.subtype and coalesce(r.honour_level, '') ~ m.grade_pattern
    where {{ is_open('r') }} and r.decided_on is not null
)

select * from entry
union all
select * from abnormal
union all
select * from red_rating
union all
select * from red_honour
