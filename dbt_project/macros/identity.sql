{# Subject ids: deterministic, from the strongest identifier, never from a name and never from the keyed hash of a person. #}

{% macro subject_id_from(id_type, value) -%}
    substring(encode(sha256(convert_to('{{ id_type }}|' || {{ value }}, 'UTF8')), 'hex') for 32)::uuid
{%- endmacro %}

{# An id for a fact of ours (list membership, explanation line) from its parts; null parts count as empty. #}
{% macro id_of(parts) -%}
    md5(concat_ws('|', {% for part in parts %}coalesce(({{ part }})::text, ''){{ ', ' if not loop.last }}{% endfor %}))::uuid
{%- endmacro %}

{# The official stand-in for a household business without a code. #}
{% macro placeholder_uscc() -%}
    '00000000000000000X'
{%- endmacro %}

{# Kind of body by the first characters of a unified social credit code. #}
{% macro body_of_uscc(uscc) -%}
    case
        when {{ uscc }} like '91%' then 'enterprise'
        when {{ uscc }} like '92%' then 'household_business'
        when {{ uscc }} like '93%' then 'cooperative'
        when {{ uscc }} like '11%' then 'government'
        when {{ uscc }} like '12%' then 'institution'
        when {{ uscc }} like '5%' then 'social_organisation'
        when {{ uscc }} like 'N%' then 'village_collective'
        when {{ uscc }} is not null then 'other_organisation'
    end
{%- endmacro %}
