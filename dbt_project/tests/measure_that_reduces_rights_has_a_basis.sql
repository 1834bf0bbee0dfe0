-- A measure that reduces rights is in the rules only with a basis in law that is in force as long as its scope is.
select
    s.measure_code,
    s.list_code,
    s.department
from {{ ref('measure_scope') }} as s
inner join {{ ref('measure_catalogue') }} as c on s.measure_code = c.measure_code and c.reduces_rights
where not exists (
    select 1
    from {{ ref('measure_basis') }} as b
    where b.measure_code = s.measure_code
        and b.basis_type in ('law', 'regulation', 'central_policy', 'local_regulation')
        and b.valid_from <= s.valid_from
        and coalesce(b.valid_to, date '9999-12-31') >= coalesce(s.valid_to, date '9999-12-31')
)
