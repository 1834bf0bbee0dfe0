{# Whole months complete between two dates: n are complete when first + n months <= last, with the month's end clamped
   (from 30 November, three months are complete on 28 February). PostgreSQL's own age() says two. #}
{% macro whole_months(first, last) -%}
    (
        (extract(year from {{ last }})::integer - extract(year from {{ first }})::integer) * 12
        + extract(month from {{ last }})::integer - extract(month from {{ first }})::integer
        - case
            when {{ add_months(
                first,
                '((extract(year from ' ~ last ~ ')::integer - extract(year from ' ~ first ~ ')::integer) * 12'
                ~ ' + extract(month from ' ~ last ~ ')::integer - extract(month from ' ~ first ~ ')::integer)'
            ) }} > {{ last }} then 1
            else 0
        end
    )
{%- endmacro %}

{# A date so many calendar months later, clamped to the end of the month. #}
{% macro add_months(first, months) -%}
    ({{ first }} + make_interval(months => {{ months }}))::date
{%- endmacro %}

{# A moment as text (date, or date and time) as a moment in business time; null where it is not one. #}
{% macro read_moment(column) -%}
    case
        when pg_input_is_valid(replace(btrim({{ column }}), '/', '-'), 'timestamp')
            then replace(btrim({{ column }}), '/', '-')::timestamp at time zone 'Asia/Shanghai'
    end
{%- endmacro %}

{# A small whole number as text; null where it is not one. #}
{% macro read_integer(column) -%}
    case when btrim({{ column }}) ~ '^[0-9]{1,9}$' then btrim({{ column }})::integer end
{%- endmacro %}

{# Yes or no as departments write it; null where it is neither. #}
{% macro read_flag(column) -%}
    case
        when lower(btrim({{ column }})) in ('1', '是', 'y', 'yes', 'true', 't') then true
        when lower(btrim({{ column }})) in ('0', '否', 'n', 'no', 'false', 'f') then false
    end
{%- endmacro %}

{# 2099/12/31 is not a date but "long term"; as an Excel serial it is 73050. Parsed once: reading dates is what staging
   spends most of its time on. #}
{% macro end_date(column) -%}
    case
        when not {{ is_long_term(column) }}
            then nullif(least(ops.parse_date({{ column }}), date '2099-12-31'), date '2099-12-31')
    end
{%- endmacro %}

{% macro is_long_term(column) -%}
    coalesce({{ column }} ~ '^\s*(2099|9999|73050\s*$)', false)
{%- endmacro %}
