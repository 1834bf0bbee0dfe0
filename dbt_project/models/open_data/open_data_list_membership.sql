-- Entries on lists anybody may see: organisations' (domain page 04; page 11 section 4).
select
    p.membership_id,
    p.subject_name,
    p.uscc,
    p.list_code,
    p.list_name_zh,
    p.list_name_en,
    p.list_kind,
    p.decision_no,
    p.authority_name,
    p.authority_uscc,
    p.legal_basis,
    p.entry_reason,
    p.entered_on,
    p.planned_exit_on,
    p.objected
from {{ ref('publish_list_membership') }} as p
where p.is_public and {{ of_shown_build() }}
