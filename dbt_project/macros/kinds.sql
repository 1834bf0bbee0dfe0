{# Every record kind, and the part of them that names a counterparty. One place; a test compares it with sources/_kinds.yml. #}
{% macro record_kinds() -%}
    {{ return([
        'permit', 'penalty', 'registration', 'inspection', 'qualification', 'honour', 'award', 'rating', 'arrears',
        'commitment', 'contract_performance', 'compliance_fact', 'enforcement', 'judgement', 'approval_case',
        'abnormal_entry', 'list_entry', 'repair', 'objection', 'self_declared', 'measure', 'decision', 'receipt',
        'return', 'zero_declaration'
    ]) }}
{%- endmacro %}

{% macro kinds_with_party() -%}
    {{ return(record_kinds() | reject('in', ['receipt', 'return', 'zero_declaration']) | list) }}
{%- endmacro %}

{# Staged rows of every kind with a counterparty, one below the other: `columns` of each, with the kind's name. #}
{% macro all_staged(columns, condition=none) -%}
    {%- for kind in kinds_with_party() %}
    select '{{ kind }}' as record_kind, {{ columns | join(', ') }}
    from {{ ref('staging_' ~ kind) }}
    {%- if condition %}
    where {{ condition }}
    {%- endif %}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
