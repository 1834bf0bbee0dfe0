{{ config(meta={'distributed_by': none, 'indexes': ['(uscc)']}) }}
-- Every unified social credit code this build's rows name, once, and whether it is one. Codes that stand in the column of
-- the registration or tax number count too.
with named as (
    select s.party_uscc as uscc
    from ({{ all_staged(['party_uscc'], 'party_uscc is not null') }}) as s
    union
    select s.other_code
    from (
        {{ all_staged(['case when length(party_reg_no) = 18 then party_reg_no when length(party_tax_no) = 18 then party_tax_no end as other_code'],
                      "party_uscc is null and party_type <> 'natural_person' and (length(party_reg_no) = 18 or length(party_tax_no) = 18)") }}
    ) as s
)

select
    named.uscc,
    ops.uscc_check(named.uscc) = 'ok' as is_valid
from named
