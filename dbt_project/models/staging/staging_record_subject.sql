{{ config(meta={'distributed_by': 'record_id', 'indexes': ['(record_id)']}) }}
-- Whom the unlinked rows are about. By organisation code, registration number or the organisation code inside a tax
-- number: strong. A person by the key of the personal number: exact. A name alone is never a match: where exactly one
-- registered subject bears it the row is `weak`, keeps a stand-in subject of its own and goes to the review list.
with unlinked as (
    select * from {{ ref('staging_unlinked') }}
),

wanted as (
    select 'org_code' as id_type, u.org_code as id_value from unlinked as u where u.org_code is not null
    union
    select 'org_code' as id_type, u.tax_org_code from unlinked as u where u.tax_org_code is not null
    union
    select 'reg_no' as id_type, u.reg_no from unlinked as u where u.reg_no is not null
    union
    select 'name' as id_type, u.name_key from unlinked as u where u.name_key is not null
),

holder as (
    select
        i.id_type,
        i.id_value,
        count(distinct i.subject_id) filter (where i.evidence <> 'minted') as holders,
        (array_agg(i.subject_id order by i.subject_id) filter (where i.evidence <> 'minted'))[1] as registered_id,
        (array_agg(i.subject_id order by i.subject_id) filter (where i.evidence = 'minted'))[1] as minted_id
    from {{ ref('entity_subject_identifier') }} as i
    inner join wanted as w on i.id_type = w.id_type and i.id_value = w.id_value
    where i.known_to_build = {{ open_build() }}
    group by i.id_type, i.id_value
),

resolved as (
    select
        u.record_kind,
        u.record_id,
        u.party_type,
        u.code_invalid,
        case when u.other_code is not null then {{ subject_id_from('uscc', 'u.other_code') }} end as by_code,
        case when by_org.holders = 1 then by_org.registered_id when by_org.holders = 0 then by_org.minted_id end as by_org_code,
        case when by_reg.holders = 1 then by_reg.registered_id when by_reg.holders = 0 then by_reg.minted_id end as by_reg_no,
        case when by_tax.holders = 1 then by_tax.registered_id when by_tax.holders = 0 then by_tax.minted_id end as by_tax_no,
        p.subject_id as by_person,
        case when by_name.holders = 1 then by_name.registered_id end as by_name,
        coalesce(by_org.holders > 1, false) or coalesce(by_reg.holders > 1, false) as is_ambiguous
    from unlinked as u
    left join holder as by_org on by_org.id_type = 'org_code' and u.org_code = by_org.id_value
    left join holder as by_tax on by_tax.id_type = 'org_code' and u.tax_org_code = by_tax.id_value
    left join holder as by_reg on by_reg.id_type = 'reg_no' and u.reg_no = by_reg.id_value
    left join holder as by_name on by_name.id_type = 'name' and u.name_key = by_name.id_value
    left join {{ ref('entity_person') }} as p
        on u.party_type = 'natural_person' and u.party_person_key = p.person_key and p.known_to_build = {{ open_build() }}
),

linked as (
    select
        r.record_kind,
        r.record_id,
        coalesce(r.by_code, r.by_org_code, r.by_reg_no, r.by_tax_no, r.by_person, {{ subject_id_from('record', 'r.record_id::text') }})
            as subject_id,
        case
            when r.by_code is not null or r.by_person is not null then 'exact'
            when coalesce(r.by_org_code, r.by_reg_no, r.by_tax_no) is not null then 'strong'
            when r.by_name is not null then 'weak'
            else 'none'
        end as match_grade,
        case
            when r.by_code is not null then 'uscc'
            when r.by_org_code is not null then 'org_code'
            when r.by_reg_no is not null then 'reg_no'
            when r.by_tax_no is not null then 'tax_no'
            when r.by_person is not null then 'person'
            when r.by_name is not null then 'name'
            else 'none'
        end as match_rule,
        r.by_name as candidate_subject_id,
        array_remove(array[
            case when r.code_invalid then 'subject_code_invalid' end,
            case when r.is_ambiguous then 'subject_claimed_twice' end,
            case
                when r.by_org_code <> r.by_reg_no or r.by_code <> r.by_org_code or r.by_code <> r.by_reg_no
                    then 'subject_identifiers_disagree'
            end,
            case
                when coalesce(r.by_code, r.by_org_code, r.by_reg_no, r.by_tax_no, r.by_person) is null then 'subject_unmatched'
            end
        ], null) as issues
    from resolved as r
),

responsible as (
    select
        'list_entry' as record_kind,
        s.record_id,
        p.subject_id
    from {{ ref('staging_list_entry') }} as s
    inner join {{ ref('entity_person') }} as p
        on s.responsible_person_key = p.person_key and p.known_to_build = {{ open_build() }}
)

select
    coalesce(l.record_kind, r.record_kind) as record_kind,
    coalesce(l.record_id, r.record_id) as record_id,
    l.subject_id,
    l.match_grade,
    l.match_rule,
    l.candidate_subject_id,
    l.issues,
    r.subject_id as responsible_subject_id
from linked as l
full join responsible as r on l.record_id = r.record_id and l.record_kind = r.record_kind
