-- Credit subjects: who they are, and where they went if they turned out to be somebody else.
select
    s.subject_id,
    s.subject_type,
    s.subject_name,
    s.uscc,
    s.org_code,
    s.reg_no,
    s.is_registered,
    s.entity_type,
    s.entity_status,
    s.registered_on,
    s.deregistered_on,
    s.legal_representative_name,
    s.registered_capital_amount,
    s.registered_capital_currency,
    s.industry_code,
    s.region_code,
    r.name_zh as region_name,
    s.registered_address,
    s.head_office_uscc,
    s.merged_into_subject_id,
    s.registration_department,
    s.registration_record_id,
    s.known_from_build as build_no
from {{ ref('entity_subject') }} as s
left join {{ ref('region') }} as r on s.region_code = r.region_code and r.valid_to is null
where {{ shown('s') }}
