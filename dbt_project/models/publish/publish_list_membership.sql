-- Who is or was on which list. `is_active` is about the shown day; a favourable status rests while its holder is on a
-- serious list.
with membership as (
    select
        m.*,
        {{ shown_as_of() }} as shown_on
    from {{ ref('lists_list_membership') }} as m
    where {{ shown('m') }} and {{ not_suppressed('m') }} and m.state in ('active', 'ended')
),

judged as (
    select
        m.*,
        m.entered_on <= m.shown_on and (m.ended_on is null or m.ended_on > m.shown_on) as is_active
    from membership as m
)

select
    j.membership_id,
    j.subject_id,
    s.subject_name,
    s.uscc,
    j.party_type,
    j.match_grade,
    j.list_code,
    r.name_zh as list_name_zh,
    r.name_en as list_name_en,
    j.list_kind,
    j.department,
    j.decision_no,
    j.authority_name,
    j.authority_uscc,
    j.legal_basis,
    j.entry_reason,
    j.entered_on,
    j.term_kind,
    j.term_months,
    j.planned_exit_on,
    j.early_exit_from,
    j.ended_on,
    case when j.is_active then null else j.exit_reason end as exit_reason,
    j.is_active,
    j.list_kind = 'red' and j.is_active and exists (
        select 1
        from {{ ref('lists_list_membership') }} as serious
        where serious.subject_id = j.subject_id
            and serious.list_kind = 'serious'
            and serious.state = 'active'
            and serious.entered_on <= j.shown_on
            and (serious.ended_on is null or serious.ended_on > j.shown_on)
            and {{ shown('serious') }}
            and {{ not_suppressed('serious') }}
    ) as is_suspended,
    j.is_active and j.public_default and j.party_type <> 'natural_person' as is_public,
    j.persons_named,
    j.objected,
    j.scorecard_effect,
    j.record_kind,
    j.record_id,
    j.known_from_build as build_no
from judged as j
left join {{ ref('list_rule') }} as r on j.list_code = r.list_code
left join {{ ref('entity_subject') }} as s on j.subject_id = s.subject_id and {{ shown('s') }}
