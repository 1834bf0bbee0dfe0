{{ config(meta={'distributed_by': 'subject_id', 'indexes': ['(subject_id)']}) }}
-- What this build's rows call the organisations that no register describes: the newest name counts.
with wanted as (
    select
        s.subject_id,
        c.id_value as uscc,
        o.id_value as org_code,
        n.id_value as reg_no
    from {{ ref('staging_subject_scope') }} as s
    left join {{ ref('entity_subject_identifier') }} as c
        on s.subject_id = c.subject_id and c.id_type = 'uscc' and {{ is_open('c') }}
    left join {{ ref('entity_subject_identifier') }} as o
        on s.subject_id = o.subject_id and o.id_type = 'org_code' and o.evidence = 'minted' and {{ is_open('o') }}
    left join {{ ref('entity_subject_identifier') }} as n
        on s.subject_id = n.subject_id and n.id_type = 'reg_no' and n.evidence = 'minted' and {{ is_open('n') }}
    left join {{ ref('core_registration') }} as r
        on s.subject_id = r.subject_id and {{ is_open('r') }}
    where r.subject_id is null
),

stated as (
    {{ all_staged(['record_id', 'party_type', 'party_uscc', 'party_org_code', 'party_reg_no', 'party_name', 'version_at'],
                  "party_type in ('organisation', 'household_business')") }}
),

named as (
    select
        w.subject_id,
        s.party_type,
        s.party_name,
        s.version_at,
        s.record_id
    from wanted as w
    inner join stated as s on w.uscc = s.party_uscc
    union all
    select
        w.subject_id,
        s.party_type,
        s.party_name,
        s.version_at,
        s.record_id
    from wanted as w
    inner join stated as s on w.org_code = s.party_org_code and s.party_uscc is null
    union all
    select
        w.subject_id,
        s.party_type,
        s.party_name,
        s.version_at,
        s.record_id
    from wanted as w
    inner join stated as s on w.reg_no = s.party_reg_no and s.party_uscc is null
)

select distinct on (n.subject_id)
    n.subject_id,
    n.party_type,
    n.party_name
from named as n
order by n.subject_id asc, n.version_at desc, n.record_id asc
