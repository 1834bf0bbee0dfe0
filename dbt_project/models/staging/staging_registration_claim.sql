-- Names and days of establishment that this build's deliveries give one code, all of them: of several rows about one code only
-- the newest becomes the record, but two bodies under one code show only while both stand side by side.
{%- set batches = frozen_batches('registration', build_no()) %}
select distinct
    l.record_key as record_id,
    l.subject_name,
    l.registered_on
from {{ source('landing', 'registration') }} as l
where l.batch_id in ({{ batches }}) and l.subject_name is not null and l.registered_on is not null
