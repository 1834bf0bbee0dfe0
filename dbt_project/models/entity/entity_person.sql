{{ config(meta={
    'key': ['person_key'],
    'indexes': ['(person_key) where known_to_build = <open>'],
}) }}
-- RESTRICTED. Natural persons: their subject, minted from the first record that named them and never from the key, so that
-- keys can rotate; the key of the personal number, its ciphertext and the full name. No analyst reads this table.
-- A later version of the same record may name somebody else (a new representative, a corrected number): the row that did so
-- tells the two apart, because one subject for two persons would give the one's entries to the other. Two who share an id all
-- the same, from a time before that rule, are told apart by a person's decision about a record: whom it names gets an id of his
-- own, minted from the decision; taken back, the decision leaves him the id he had. Nothing else changes a person once known.
with named as (
    select
        u.party_person_key as person_key,
        u.party_person_cipher as person_cipher,
        u.party_name as name_full,
        u.record_id,
        u.record_kind || '|' || u.record_id::text as first_record,
        u.batch_id,
        u.row_no
    from {{ ref('staging_unlinked') }} as u
    where u.party_type = 'natural_person'
    union all
    select
        s.responsible_person_key,
        s.responsible_person_cipher,
        s.responsible_name,
        s.record_id,
        'list_entry|' || s.record_id::text || '|responsible',
        s.batch_id,
        s.row_no
    from {{ ref('staging_list_entry') }} as s
    union all
    select
        s.representative_person_key,
        s.representative_person_cipher,
        s.representative_name,
        s.record_id,
        'registration|' || s.record_id::text || '|representative',
        s.batch_id,
        s.row_no
    from {{ ref('staging_registration') }} as s
),

first_named as (
    select distinct on (n.person_key)
        n.person_key,
        n.person_cipher,
        n.name_full,
        {%- if has_history() %}
        case
            when taken.person_key is not null then n.first_record || '|' || n.batch_id || '|' || n.row_no else n.first_record
        end as minted_from
        {%- else %}
        n.first_record as minted_from
        {%- endif %}
    from named as n
    {%- if has_history() %}
    left join {{ this }} as k on n.person_key = k.person_key and k.known_to_build = {{ open_build() }}
    left join {{ this }} as taken on n.first_record = taken.minted_from and taken.known_to_build = {{ open_build() }}
    where n.person_key is not null and k.person_key is null
    {%- else %}
    where n.person_key is not null
    {%- endif %}
    order by n.person_key, n.first_record
),

{% if has_history() -%}
told_apart as (
    select distinct on (k.person_key)
        k.person_key,
        k.person_cipher,
        k.name_full,
        split_part(k.minted_from, '|split|', 1)
        || case when d.source_state = 'active' then '|split|' || d.record_id::text else '' end as minted_from
    from {{ ref('staging_decision') }} as d
    inner join named as n on d.target_record_id = n.record_id::text
    inner join {{ this }} as k on n.person_key = k.person_key and k.known_to_build = {{ open_build() }}
    where d.decision_type = 'person_split'
        and (
            split_part(k.minted_from, '|split|', 2) = d.record_id::text
            or exists (
                select 1
                from {{ this }} as o
                where o.subject_id = k.subject_id and o.person_key <> k.person_key and o.known_to_build = {{ open_build() }}
            )
        )
    order by k.person_key asc, d.version_at desc, d.record_id asc
),
{%- else -%}
{# keep the decisions in the graph from the first build on #}
-- depends_on: {{ ref('staging_decision') }}
told_apart as (
    select f.* from first_named as f where false
),
{%- endif %}

final as (
    select * from first_named
    union all
    select * from told_apart
)

select
    {{ subject_id_from('person', 'f.minted_from') }} as subject_id,
    f.person_key,
    f.person_cipher,
    f.name_full,
    f.minted_from
from final as f
