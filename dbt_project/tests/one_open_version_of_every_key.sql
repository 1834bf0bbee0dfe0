-- Of everything this build touched, every key has one open version, over all subjects. One query for all tables: the same
-- promise is tested table by table in the scratch database.
{%- set build = running_build_or_none() %}
{%- set ns = namespace(first=true) %}
{%- for node in graph.nodes.values() if node.config.materialized == 'versioned' and node.resource_type == 'model' %}
{#- what is kept for ever once known (identifiers) may name several subjects: there the subject is part of the key #}
{%- set key = node.config.meta.key if not node.config.meta.keep_first else (['subject_id'] + node.config.meta.key) | unique | list %}
{{ 'union all' if not ns.first }}
select
    '{{ node.schema }}.{{ node.alias }}' as versioned_table,
    count(*) as keys_with_two_versions
from (
    select t.{{ key | join(', t.') }}
    from {{ api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) }} as t
    where t.known_to_build = {{ open_build() }}
    {%- if build is not none %}
        and (t.{{ key | join(', t.') }}) in (
            select c.{{ key | join(', c.') }}
            from {{ api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) }} as c
            where c.known_from_build = {{ build }}
        )
    {%- endif %}
    group by t.{{ key | join(', t.') }}
    having count(*) > 1
) as twice
having count(*) > 0
{%- set ns.first = false %}
{%- endfor %}
{#- after every versioned table: the graph is not known while dbt parses, so each is named here #}
{%- for kind in record_kinds() %}
-- depends_on: {{ ref('core_' ~ kind) }}
{%- endfor %}
-- depends_on: {{ ref('core_effect') }}, {{ ref('entity_match_review') }}, {{ ref('entity_person') }}
-- depends_on: {{ ref('entity_relation') }}, {{ ref('entity_subject') }}, {{ ref('entity_subject_alias') }}
-- depends_on: {{ ref('entity_subject_identifier') }}, {{ ref('lists_associated_person_entry') }}
-- depends_on: {{ ref('lists_list_event') }}, {{ ref('lists_list_membership') }}
-- depends_on: {{ ref('scores_score') }}, {{ ref('scores_score_explanation') }}
