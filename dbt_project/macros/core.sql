{# What every record model shares: which rows it looks at, whom they are about, what was decided about them since. #}

{# Staged rows newer than what is known, and known rows to look at again: their subject was merged or split, a repair, an
   objection or a decision about them came, or deliveries of a feed of complete snapshots show that they ended or came back. #}
{% macro staged_and_known(kind, columns, history, build, targeted=true, subject_columns=[]) -%}
    {%- set stage = ref('staging_' ~ kind) -%}
    {%- set subject = ref('staging_record_subject') -%}
    {%- set alias = ref('entity_subject_alias') -%}
    {%- set effect = ref('core_effect') if targeted else none -%}
    {%- set snapshot = ref('staging_snapshot') -%}
    {%- set ended = ref('staging_snapshot_record') -%}
    {%- set open = open_build() | trim -%}
    {%- set replay = is_replay() -%}
    select
        s.{{ columns | join(',\n        s.') }},
        {% if takes_snapshots(kind) %}g.ended_on{% else %}null::date{% endif %} as snapshot_ended_on,
        {%- if kind in kinds_with_party() %}
        coalesce(r.subject_id, {{ subject_id_from('uscc', 's.party_uscc') }}) as source_subject_id,
        coalesce(r.match_grade, 'exact') as found_grade,
        coalesce(r.match_rule, 'uscc') as found_rule,
        {%- else %}
        {# about a delivery, not about anybody: a stand-in subject of its own keeps the key of every core table the same #}
        {{ subject_id_from('record', 's.record_id::text') }} as source_subject_id,
        'none' as found_grade,
        'none' as found_rule,
        {%- endif %}
        coalesce(r.issues, '{}') as found_issues
        {%- for column in subject_columns %},
        r.{{ column }}
        {%- endfor %}
    from {{ stage }} as s
    left join {{ subject }} as r on s.record_id = r.record_id and r.record_kind = '{{ kind }}'
    {%- if takes_snapshots(kind) %}
    left join {{ ended }} as g on s.record_id = g.record_id and s.department = g.department and s.feed = g.feed
    {%- endif %}
    {%- if history %}
    left join {{ this }} as o on s.record_id = o.record_id and o.known_to_build = {{ open }}
    where o.record_id is null
        or (s.version_at, s.version_seq, s.content_hash) > (o.version_at, o.version_seq, o.content_hash)
        {%- if replay %}
        or s.record_id in ({{ replayed_records() }})
        {%- endif %}
    union all
    select
        k.{{ columns | join(',\n        k.') }},
        {% if takes_snapshots(kind) %}{{ snapshot_end('k', 'n', 'g') }} as snapshot_ended_on{% else %}k.snapshot_ended_on{% endif %},
        k.source_subject_id,
        case k.match_rule when 'judged_name' then 'weak' when 'judged' then 'none' else k.match_grade end as found_grade,
        case k.match_rule when 'judged_name' then 'name' when 'judged' then 'none' else k.match_rule end as found_rule,
        case when k.match_rule in ('judged_name', 'judged') then k.match_issues || array['subject_unmatched'] else k.match_issues end
            as found_issues
        {%- for column in subject_columns %},
        k.{{ column }}
        {%- endfor %}
    from {{ this }} as k
    {%- if takes_snapshots(kind) %}
    left join {{ snapshot }} as n on k.department = n.department and k.feed = n.feed and n.record_kind = '{{ kind }}'
    left join {{ ended }} as g on k.record_id = g.record_id and k.department = g.department and k.feed = g.feed
    {%- endif %}
    where k.known_to_build = {{ open }}
        and k.record_id in (
            select m.record_id
            from {{ this }} as m
            inner join {{ alias }} as a on m.subject_id in (a.subject_id, a.canonical_subject_id)
            where m.known_to_build = {{ open }} and {{ changed_now('a', build) }}
            {%- if targeted %}
            union
            select m.record_id
            from {{ this }} as m
            inner join {{ effect }} as e on m.document_key = e.target_document_key
            where m.known_to_build = {{ open }} and e.target_kind = '{{ kind }}' and {{ changed_now('e', build) }}
            union
            select e.target_record_id
            from {{ effect }} as e
            where e.target_kind = '{{ kind }}' and {{ changed_now('e', build) }}
            {%- endif %}
            {%- if takes_snapshots(kind) %}
            union
            select m.record_id
            from {{ this }} as m
            left join {{ snapshot }} as ms on m.department = ms.department and m.feed = ms.feed and ms.record_kind = '{{ kind }}'
            left join {{ ended }} as mg on m.record_id = mg.record_id and m.department = mg.department and m.feed = mg.feed
            where m.known_to_build = {{ open }} and m.snapshot_ended_on is distinct from {{ snapshot_end('m', 'ms', 'mg') }}
            {%- endif %}
        )
        and not exists (
            select 1
            from {{ stage }} as s
            where s.record_id = k.record_id
                and (s.version_at, s.version_seq, s.content_hash) > (k.version_at, k.version_seq, k.content_hash)
        )
        {%- if replay %}
        and k.record_id not in ({{ replayed_records() }})
        {%- endif %}
    {%- else %}
    {# keep the inputs of later builds in the graph from the first one on #}
    {%- set _ = [alias, effect, snapshot, ended] -%}
    {%- endif %}
{%- endmacro %}

{# Whether any feed of this kind is delivered as complete snapshots. #}
{% macro takes_snapshots(kind) -%}
    {%- if not execute -%}{{ return(false) }}{%- endif -%}
    {%- set found = run_query(
        "select 1 from ops.feed where delivery = 'full_snapshot' and kind = '" ~ kind ~ "' limit 1"
    ) -%}
    {{ return(found.rows | length > 0) }}
{%- endmacro %}

{# Since when a known record has ended by complete snapshots: what the deliveries looked at say, if they name it; else it is
   missing from all of them, the first included, unless it had ended before. #}
{% macro snapshot_end(record, snapshot, ended) -%}
    case when {{ ended }}.record_id is null then coalesce({{ record }}.snapshot_ended_on, {{ snapshot }}.snapshot_on) else {{ ended }}.ended_on end
{%- endmacro %}

{# The subject after merges and splits decided since the record was matched. A record nobody was found for, and that a person
   gave to a subject, is as sure as a strong match; taken back, it is what the machine had found. #}
{% macro identified(base) -%}
    select
        b.*,
        coalesce(a.canonical_subject_id, b.source_subject_id) as subject_id,
        case when {{ judged_to_belong('a', 'b') }} then 'strong' else b.found_grade end as match_grade,
        case
            when {{ judged_to_belong('a', 'b') }} then case b.found_rule when 'name' then 'judged_name' else 'judged' end
            else b.found_rule
        end as match_rule,
        case
            when {{ judged_to_belong('a', 'b') }} then array_remove(b.found_issues, 'subject_unmatched')
            else b.found_issues
        end as match_issues
    from {{ base }} as b
    left join {{ ref('entity_subject_alias') }} as a
        on b.source_subject_id = a.subject_id and a.known_to_build = {{ open_build() }}
{%- endmacro %}

{% macro judged_to_belong(alias, base) -%}
    ({{ base }}.found_grade in ('weak', 'none') and {{ alias }}.canonical_subject_id <> {{ alias }}.subject_id)
{%- endmacro %}

{# What repairs, objections and the credit office's decisions say about a record today. One row per record that has any.
   Where nothing is said about this kind at all, the query says so and no record is looked at: `records` is then read once,
   by the model itself, and a first load needs no copy of it. #}
{% macro effects_on(kind, records, authority=none) -%}
    {%- set effect = ref('core_effect') -%}
    {%- if not any_effect(kind, effect) %}
    {{ no_effects() }}
    {%- else %}
    select
        h.record_id,
        max(h.effective_on) filter (where h.effect_type = 'repair') as repaired_on,
        max(h.effective_on) filter (where h.effect_type = 'withdrawal') as effect_withdrawn_on,
        max(h.effective_on) filter (where h.effect_type = 'deletion') as effect_deleted_on,
        max(h.effective_on) filter (where h.effect_type = 'objection_upheld') as upheld_on,
        bool_or(h.effect_type = 'objection_open') as objected,
        bool_or(h.effect_type = 'publication_hold') as publication_hold,
        (array_agg(h.effect_value order by h.effective_on desc, h.effect_id asc) filter (where h.effect_type = 'severity'))[1]
            as decided_severity,
        (array_agg(h.effect_value order by h.effective_on desc, h.effect_id asc) filter (where h.effect_type = 'regime_override'))[1]
            as decided_regime,
        (array_agg(h.effect_value order by h.effective_on desc, h.effect_id asc) filter (where h.effect_type = 'notice_date'))[1]
            as decided_notice_date,
        (array_agg(h.effect_value order by h.effective_on desc, h.effect_id asc) filter (where h.effect_type = 'nominee'))[1]
            as decided_nominee
    from (
        select i.record_id, e.effect_id, e.effect_type, e.effect_value, e.effective_on
        from {{ records }} as i
        inner join {{ effect }} as e on i.document_key = e.target_document_key
        where e.target_kind = '{{ kind }}'
            and e.known_to_build = {{ open_build() }}
            and (e.target_subject_id is null or e.target_subject_id = i.subject_id)
            {%- if authority %}
            and (e.target_authority_uscc is null or e.target_authority_uscc = i.{{ authority }})
            {%- endif %}
        union all
        select i.record_id, e.effect_id, e.effect_type, e.effect_value, e.effective_on
        from {{ records }} as i
        inner join {{ effect }} as e on i.record_id = e.target_record_id
        where e.target_kind = '{{ kind }}' and e.known_to_build = {{ open_build() }}
    ) as h
    group by h.record_id
    {%- endif %}
{%- endmacro %}

{# As `effects_on`, of records that nothing is ever said about: decisions, receipts and the like. #}
{% macro no_effects() -%}
    select
        null::uuid as record_id,
        null::date as repaired_on,
        null::date as effect_withdrawn_on,
        null::date as effect_deleted_on,
        null::date as upheld_on,
        null::boolean as objected,
        null::boolean as publication_hold,
        null::text as decided_severity,
        null::text as decided_regime,
        null::text as decided_notice_date,
        null::text as decided_nominee
    where false
{%- endmacro %}

{# Whether anything in force is said about records of a kind; true where nobody can ask: while parsing, in a unit test,
   whose effects are rows of its own, and where a model is compiled and nothing was ever built. #}
{% macro any_effect(kind, effect) -%}
    {%- if not execute or effect.is_cte or load_cached_relation(effect) is none -%}{{ return(true) }}{%- endif -%}
    {%- set found = run_query(
        'select 1 from ' ~ effect ~ " where target_kind = '" ~ kind ~ "' and known_to_build = " ~ open_build() ~ ' limit 1'
    ) -%}
    {{ return(found.rows | length > 0) }}
{%- endmacro %}

{# State of a record, strongest reason first. Expiry by calendar is not a state here: views derive it from the dates. #}
{% macro record_state(r, e, ended='false') -%}
    case
        when {{ r }}.source_state = 'deleted' or {{ e }}.effect_deleted_on is not null then 'deleted'
        when {{ r }}.source_state = 'withdrawn' or {{ e }}.effect_withdrawn_on is not null then 'withdrawn'
        when {{ e }}.upheld_on is not null then 'withdrawn'
        when {{ r }}.source_state = 'repaired' or {{ e }}.repaired_on is not null then 'repaired'
        when {{ r }}.snapshot_ended_on is not null or {{ ended }} then 'ended'
        else 'active'
    end
{%- endmacro %}

{% macro record_state_reason(r, e) -%}
    case
        when {{ r }}.source_state = 'deleted' then 'source'
        when {{ e }}.effect_deleted_on is not null then 'decision'
        when {{ r }}.source_state = 'withdrawn' then 'source'
        when {{ e }}.effect_withdrawn_on is not null then 'decision'
        when {{ e }}.upheld_on is not null then 'objection_upheld'
        when {{ r }}.source_state = 'repaired' then 'source'
        when {{ e }}.repaired_on is not null then 'repair'
        when {{ r }}.snapshot_ended_on is not null then 'snapshot'
    end
{%- endmacro %}

{% macro record_state_since(r, e) -%}
    case
        when {{ r }}.source_state = 'deleted' then {{ r }}.source_state_on
        when {{ e }}.effect_deleted_on is not null then {{ e }}.effect_deleted_on
        when {{ r }}.source_state = 'withdrawn' then {{ r }}.source_state_on
        when {{ e }}.effect_withdrawn_on is not null then {{ e }}.effect_withdrawn_on
        when {{ e }}.upheld_on is not null then {{ e }}.upheld_on
        when {{ r }}.source_state = 'repaired' then {{ r }}.source_state_on
        when {{ e }}.repaired_on is not null then {{ e }}.repaired_on
        else {{ r }}.snapshot_ended_on
    end
{%- endmacro %}
