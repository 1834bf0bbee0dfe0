{{ config(meta={
    'key': ['id_type', 'id_value'],
    'keep_first': true,
    'indexes': ['(id_type, id_value)'],
}) }}
-- Which identifier belongs to which subject, and on what evidence. Once known it stays; a later, better holder of the same
-- value is a further row, and the alias model says that both are one.
with valid_code as (
    select c.uscc
    from {{ ref('staging_seen_code') }} as c
    where c.is_valid
),

by_code as (
    select
        {{ subject_id_from('uscc', 'v.uscc') }} as subject_id,
        'uscc' as id_type,
        v.uscc as id_value,
        'code' as evidence,
        null::uuid as source_record_id,
        null::text as source_department
    from valid_code as v
    union all
    select
        {{ subject_id_from('uscc', 'v.uscc') }},
        'org_code',
        substring(v.uscc from 9 for 9),
        'derived',
        null,
        null
    from valid_code as v
),

register as (
    select
        {{ subject_id_from('uscc', 's.party_uscc') }} as subject_id,
        s.record_id,
        s.department,
        s.party_reg_no,
        ops.normal_name(s.party_name) as name_key
    from {{ ref('staging_registration') }} as s
    inner join valid_code as v on s.party_uscc = v.uscc
),

registered as (
    select
        r.subject_id,
        'reg_no' as id_type,
        r.party_reg_no as id_value,
        'registration' as evidence,
        r.record_id as source_record_id,
        r.department as source_department
    from register as r
    where length(r.party_reg_no) = 15 and ops.reg_no_ok(r.party_reg_no)
    union all
    select
        r.subject_id,
        'name',
        r.name_key,
        'registration',
        r.record_id,
        r.department
    from register as r
    where r.name_key <> ''
),

unlinked as (
    select
        u.record_id,
        u.department,
        u.org_code,
        u.reg_no,
        u.tax_org_code
    from {{ ref('staging_unlinked') }} as u
    where u.other_code is null and coalesce(u.org_code, u.reg_no, u.tax_org_code) is not null
),

held as (
    select b.id_type, b.id_value from by_code as b
    union
    select r.id_type, r.id_value from registered as r
    {%- if has_history() %}
    union
    select k.id_type, k.id_value
    from {{ this }} as k
    where k.known_to_build = {{ open_build() }}
        and k.evidence <> 'minted'
        and (
            k.id_type = 'org_code' and k.id_value in (select u.org_code from unlinked as u union select u.tax_org_code from unlinked as u)
            or k.id_type = 'reg_no' and k.id_value in (select u.reg_no from unlinked as u)
        )
    {%- endif %}
),

homeless as (
    select
        u.record_id,
        u.department,
        coalesce(u.org_code, u.tax_org_code) as org_code,
        u.reg_no
    from unlinked as u
    left join held as by_org on by_org.id_type = 'org_code' and u.org_code = by_org.id_value
    left join held as by_tax on by_tax.id_type = 'org_code' and u.tax_org_code = by_tax.id_value
    left join held as by_reg on by_reg.id_type = 'reg_no' and u.reg_no = by_reg.id_value
    where by_org.id_value is null and by_tax.id_value is null and by_reg.id_value is null
),

minted as (
    select
        case
            when h.org_code is not null then {{ subject_id_from('org_code', 'h.org_code') }}
            else {{ subject_id_from('reg_no', 'h.reg_no') }}
        end as subject_id,
        case when h.org_code is not null then 'org_code' else 'reg_no' end as id_type,
        coalesce(h.org_code, h.reg_no) as id_value,
        'minted' as evidence,
        h.record_id as source_record_id,
        h.department as source_department
    from homeless as h
),

final as (
    select * from by_code
    union all
    select * from registered
    union all
    select * from minted
)

select distinct on (f.subject_id, f.id_type, f.id_value)
    f.subject_id,
    f.id_type,
    f.id_value,
    f.evidence,
    f.source_record_id,
    f.source_department
from final as f
order by f.subject_id, f.id_type, f.id_value, f.evidence, f.source_record_id
