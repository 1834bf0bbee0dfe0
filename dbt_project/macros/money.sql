{# `100(万人民币元)`, `50万港币`, `1,200.5 万元`: the number, in yuan (or units of the currency named). #}
{% macro capital_amount(column) -%}
    ops.parse_decimal(substring(replace({{ column }}, ',', '') from '[0-9]+(?:\.[0-9]+)?'))
    * case when {{ column }} like '%亿%' then 100000000 when {{ column }} like '%万%' then 10000 else 1 end
{%- endmacro %}

{# Currency of such a text as ISO 4217; yuan where none is named, null where there is no number. #}
{% macro capital_currency(column) -%}
    case
        when {{ column }} !~ '[0-9]' then null
        when {{ column }} like '%美元%' or {{ column }} like '%美金%' then 'USD'
        when {{ column }} like '%港元%' or {{ column }} like '%港币%' then 'HKD'
        when {{ column }} like '%欧元%' then 'EUR'
        when {{ column }} like '%日元%' then 'JPY'
        when {{ column }} like '%英镑%' then 'GBP'
        when {{ column }} like '%澳门%' or {{ column }} like '%葡币%' then 'MOP'
        when {{ column }} like '%澳大利亚%' or {{ column }} like '%澳元%' then 'AUD'
        when {{ column }} like '%德国马克%' then 'DEM'
        when {{ column }} like '%台币%' then 'TWD'
        when {{ column }} like '%新加坡元%' then 'SGD'
        when {{ column }} like '%加元%' or {{ column }} like '%加拿大元%' then 'CAD'
        else 'CNY'
    end
{%- endmacro %}
