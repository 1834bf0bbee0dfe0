{# Severity class of a penalty: the credit office's decision, else the source's word, else the first rule of the seed that
   fits and was in force on the decision's date. The seed's last rule always fits and marks the class as assumed. #}
{% macro penalty_severity(records, effects) -%}
    select
        r.*,
        e.decided_regime,
        case
            when e.decided_severity in ('minor', 'general', 'serious') then e.decided_severity
            when e.decided_severity = '轻微' then 'minor'
            when e.decided_severity = '一般' then 'general'
            when e.decided_severity = '严重' then 'serious'
            when r.source_severity = '轻微' then 'minor'
            when r.source_severity = '一般' then 'general'
            when r.source_severity = '严重' then 'serious'
            else rule.severity
        end as severity,
        case
            when e.decided_severity is not null then 'decision'
            when r.source_severity in ('轻微', '一般', '严重') then 'source'
            else rule.severity_source
        end as severity_source
    from {{ records }} as r
    left join {{ effects }} as e on r.record_id = e.record_id
    left join lateral (
        select
            s.severity,
            s.severity_source
        from {{ ref('severity_rule') }} as s
        where coalesce(r.decided_on, r.delivered_on) >= s.valid_from
            and (s.valid_to is null or coalesce(r.decided_on, r.delivered_on) < s.valid_to)
            and (s.category_pattern is null or r.penalty_category ~ s.category_pattern)
            and (s.procedure_type is null or r.procedure_type = s.procedure_type)
            and (
                s.amount_from_organisation is null
                or greatest(r.fine_amount_yuan, r.confiscated_amount_yuan)
                >= case when r.party_type = 'natural_person' then s.amount_from_person else s.amount_from_organisation end
            )
            and (
                s.amount_above_organisation is null
                or greatest(r.fine_amount_yuan, r.confiscated_amount_yuan)
                > case when r.party_type = 'natural_person' then s.amount_above_person else s.amount_above_organisation end
            )
            and (s.needs_amount is not true or greatest(r.fine_amount_yuan, r.confiscated_amount_yuan) > 0)
        order by s.ordinal
        limit 1
    ) as rule on true
{%- endmacro %}

{# How long a penalty may be public: the regime in force on its date (or the one the credit office chose), its class and its
   sector. No matching rule means: not published. #}
{% macro penalty_publicity(records) -%}
    select
        r.*,
        coalesce(sector.sector, 'other') as sector,
        rule.regime,
        rule.auto_publish,
        r.decided_on as publicity_start,
        {{ add_months('r.decided_on', 'rule.min_months') }} as publicity_min_end,
        {{ add_months('r.decided_on', 'rule.max_months') }} as publicity_max_end,
        greatest(r.decided_on, r.delivered_on) as public_from,
        case
            when r.publicity_end_date between {{ add_months('r.decided_on', 'rule.min_months') }}
                and {{ add_months('r.decided_on', 'rule.max_months') }} then r.publicity_end_date
            else {{ add_months('r.decided_on', 'rule.max_months') }}
        end as public_until
    from {{ records }} as r
    left join lateral (
        select s.sector
        from {{ ref('sector_rule') }} as s
        where (s.department is null or s.department = r.department)
            and (s.basis_pattern is null or r.penalty_basis ~ s.basis_pattern)
            and r.decided_on >= s.valid_from
            and (s.valid_to is null or r.decided_on < s.valid_to)
        order by s.ordinal
        limit 1
    ) as sector on true
    left join lateral (
        select
            p.regime,
            p.min_months,
            p.max_months,
            p.auto_publish
        from {{ ref('publicity_rule') }} as p
        where (
                r.decided_regime is not null and p.regime = r.decided_regime
                or r.decided_regime is null and r.decided_on >= p.valid_from and (p.valid_to is null or r.decided_on < p.valid_to)
            )
            and (p.severity = 'any' or p.severity = r.severity)
            and (p.sector is null or p.sector = coalesce(sector.sector, 'other'))
            and (
                p.warning_or_simple is not true
                or r.procedure_type = '简易程序'
                or r.penalty_category ~ '^(警告|通报批评)([;；,，、| ]+(警告|通报批评))*$'
            )
        order by p.ordinal
        limit 1
    ) as rule on true
{%- endmacro %}
