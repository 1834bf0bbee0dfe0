-- Rows of this build that no valid unified social credit code identifies, with whatever else they say about their party.
with stated as (
    {{ all_staged(['record_id', 'department', 'batch_id', 'row_no', 'party_type', 'party_uscc', 'party_name', 'party_org_code', 'party_reg_no',
                   'party_tax_no', 'party_person_key', 'party_person_cipher']) }}
),

unlinked as (
    select
        s.*,
        s.party_uscc is not null as code_invalid
    from stated as s
    left join {{ ref('staging_seen_code') }} as c on s.party_uscc = c.uscc
    where s.party_uscc is null or not c.is_valid
)

select
    u.record_kind,
    u.record_id,
    u.department,
    u.batch_id,
    u.row_no,
    u.party_type,
    u.code_invalid,
    u.party_name,
    u.party_person_key,
    u.party_person_cipher,
    other.uscc as other_code,
    case when u.party_type <> 'natural_person' and ops.org_code_ok(u.party_org_code) then u.party_org_code end as org_code,
    case
        when u.party_type <> 'natural_person' and length(u.party_reg_no) = 15 and ops.reg_no_ok(u.party_reg_no)
            then u.party_reg_no
    end as reg_no,
    case
        when u.party_type <> 'natural_person' and length(u.party_tax_no) = 15
            and ops.org_code_ok(substring(u.party_tax_no from 7))
            then substring(u.party_tax_no from 7)
    end as tax_org_code,
    case when u.party_type <> 'natural_person' then ops.normal_name(u.party_name) end as name_key
from unlinked as u
left join {{ ref('staging_seen_code') }} as other
    on u.party_type <> 'natural_person' and other.is_valid
    and other.uscc = case
        when length(u.party_reg_no) = 18 then u.party_reg_no
        when length(u.party_tax_no) = 18 then u.party_tax_no
    end
