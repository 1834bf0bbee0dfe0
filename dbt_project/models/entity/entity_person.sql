{{ config(meta={
    'key': ['person_key'],
    'keep_first': true,
    'indexes': ['(person_key) where known_to_build = <open>'],
}) }}
-- RESTRICTED. Natural persons: their subject, minted from the first record that named them and never from the key, so that
-- keys can rotate; the key of the personal number, its ciphertext and the full name. No analyst reads this table.
-- A later version of the same record may name somebody else (a new representative, a corrected number): the row that did so
-- tells the two apart, because one subject for two persons would give the one's entries to the other.
with named as (
    select
        u.party_person_key as person_key,
        u.party_person_cipher as person_cipher,
        u.party_name as name_full,
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
        'list_entry|' || s.record_id::text || '|responsible',
        s.batch_id,
        s.row_no
    from {{ ref('staging_list_entry') }} as s
    union all
    select
        s.representative_person_key,
        s.representative_person_cipher,
        s.representative_name,
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
)

select
    {{ subject_id_from('person', 'f.minted_from') }} as subject_id,
    f.person_key,
    f.person_cipher,
    f.name_full,
    f.minted_from
from first_named as f
