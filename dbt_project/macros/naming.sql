{# Schemas and tables are called what the house calls them: no prefix of a target, no prefix of a layer. #}

{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name if custom_schema_name else target.schema }}
{%- endmacro %}

{# `staging_permit`, `core_permit` and `publish_permit` are staging.permit, core.permit and publish.permit. #}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- if custom_alias_name -%}
        {{ custom_alias_name | trim }}
    {%- elif node.resource_type == 'model' and node.name.startswith(node.fqn[1] ~ '_') -%}
        {{ node.name[(node.fqn[1] | length) + 1:] }}
    {%- else -%}
        {{ node.name }}
    {%- endif -%}
{%- endmacro %}
