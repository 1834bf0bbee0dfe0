-- The short way of ops.parse_date takes every day of a month and a time of day: the long way, plpgsql and a regular expression,
-- costs thirty times as much, and a tenth of all days and every date of an approval case went it. It means the same as before.

create or replace function ops.parse_date(value text) returns date
language sql immutable parallel safe
return case
    when substr(value, 5, 1) in ('/', '-') and substr(value, 8, 1) = substr(value, 5, 1)
        and translate(left(value, 10), '0123456789', '') in ('//', '--')
        and left(value, 4) > '0000' and substr(value, 6, 2) between '01' and '12'
        and (
            substr(value, 9, 2) between '01' and '28'
            or (substr(value, 9, 2) in ('29', '30') and substr(value, 6, 2) <> '02')
            or (substr(value, 9, 2) = '31' and substr(value, 6, 2) in ('01', '03', '05', '07', '08', '10', '12'))
        )
        and (
            length(value) = 10
            or (
                length(value) in (16, 19) and substr(value, 11, 1) in (' ', 'T')
                and substr(value, 12, 2) between '00' and '23' and substr(value, 14, 1) = ':'
                and substr(value, 15, 2) between '00' and '59'
                and translate(substr(value, 12), '0123456789', '') = case length(value) when 16 then ':' else '::' end
                and (length(value) = 16 or (substr(value, 17, 1) = ':' and substr(value, 18, 2) between '00' and '59'))
            )
        )
    then make_date(left(value, 4)::integer, substr(value, 6, 2)::integer, substr(value, 9, 2)::integer)
    else ops.parse_other_date(value) end;
