{{ config(meta={
    'key': ['subject_id'],
    'provenance': ['source_version_at'],
    'indexes': [
        '(uscc)',
        'using gin (name_key gin_trgm_ops) where known_to_build = <open> and is_registered',
    ],
}) }}
-- Every subject once: who it is by the register where the register knows it, else as the first records name it.
-- Of several register rows the newest counts; which department it came from stands beside it. For name, address and legal
-- representative the word that comes first by precedence counts (core_subject_statement says why).
with scope as (
    select s.subject_id from {{ ref('staging_subject_scope') }} as s
),

register as (
    select distinct on (r.subject_id) r.*
    from {{ ref('core_registration') }} as r
    inner join scope as s on r.subject_id = s.subject_id
    where {{ is_open('r') }} and r.state in ('active', 'ended') and r.match_grade in ('exact', 'strong')
    order by r.subject_id asc, r.version_at desc, r.version_seq desc, r.record_id asc
),

chosen as (
    select
        c.subject_id,
        min(c.stated_value) filter (where c.attribute = 'subject_name') as subject_name,
        min(c.stated_value) filter (where c.attribute = 'registered_address') as registered_address,
        min(c.stated_value) filter (where c.attribute = 'legal_representative_name') as legal_representative_name
    from {{ ref('core_subject_statement') }} as c
    inner join scope as s on c.subject_id = s.subject_id
    where {{ is_open('c') }} and c.is_chosen
    group by c.subject_id
),

identifier as (
    select
        i.subject_id,
        min(i.id_value) filter (where i.id_type = 'uscc') as uscc,
        min(i.id_value) filter (where i.id_type = 'org_code') as org_code,
        min(i.id_value) filter (where i.id_type = 'reg_no') as reg_no
    from {{ ref('entity_subject_identifier') }} as i
    inner join scope as s on i.subject_id = s.subject_id
    where {{ is_open('i') }}
    group by i.subject_id
),

{% if has_history() %}
known as (
    select
        k.subject_id,
        k.subject_name,
        k.subject_type
    from {{ this }} as k
    inner join scope as s on k.subject_id = s.subject_id
    where {{ is_open('k') }} and not k.is_registered
),
{% else %}
known as (
    select
        null::uuid as subject_id,
        null::text as subject_name,
        null::text as subject_type
    where false
),
{% endif %}

person as (
    -- one person: two who share an id from before it was told which keys are two are shown as the first of them
    select distinct on (p.subject_id)
        p.subject_id,
        p.name_full
    from {{ ref('entity_person') }} as p
    inner join scope as s on p.subject_id = s.subject_id
    where {{ is_open('p') }}
    order by p.subject_id asc, p.known_from_build asc, p.person_key asc
),

described as (
    select
        s.subject_id,
        case
            when p.subject_id is not null then 'natural_person'
            else coalesce(
                {{ body_of_uscc('i.uscc') }}, k.subject_type, n.party_type, r.party_type, 'organisation'
            )
        end as subject_type,
        case
            when p.subject_id is not null then ops.mask_name(p.name_full)
            else coalesce(c.subject_name, r.subject_name, k.subject_name, n.party_name)
        end as subject_name,
        i.uscc,
        i.org_code,
        i.reg_no,
        r.record_id is not null as is_registered,
        r.record_id as registration_record_id,
        r.department as registration_department,
        r.version_at as source_version_at,
        r.entity_type,
        r.entity_status,
        r.registered_on,
        r.deregistered_on,
        coalesce(ops.mask_name(c.legal_representative_name), r.legal_representative_name) as legal_representative_name,
        r.registered_capital_amount,
        r.registered_capital_currency,
        r.industry_code,
        r.region_code,
        coalesce(c.registered_address, r.registered_address) as registered_address,
        r.head_office_uscc,
        a.canonical_subject_id as merged_into_subject_id
    from scope as s
    left join register as r on s.subject_id = r.subject_id
    left join chosen as c on s.subject_id = c.subject_id
    left join identifier as i on s.subject_id = i.subject_id
    left join known as k on s.subject_id = k.subject_id
    left join {{ ref('staging_subject_name') }} as n on s.subject_id = n.subject_id
    left join person as p on s.subject_id = p.subject_id
    left join {{ ref('entity_subject_alias') }} as a
        on s.subject_id = a.subject_id and a.canonical_subject_id <> a.subject_id and {{ is_open('a') }}
)

select
    d.*,
    case when d.subject_type <> 'natural_person' then ops.normal_name(d.subject_name) end as name_key
from described as d
