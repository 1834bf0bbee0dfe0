"""The queries of one subject's credit report, from the publish views only.

Promises: every line of a report is a line of publish.credit_report; names of lists, dimensions, caps and grades come
from the seeds with the scorecard version the score was made with.
"""

from __future__ import annotations

from creditflow.report.queries import Query
from creditflow.report.words import Both

SUBJECT = Query(
    "subject",
    Both("主体", "the subject"),
    """select s.subject_id, s.subject_type, s.subject_name, s.uscc, s.org_code, s.reg_no, s.is_registered, s.entity_type, s.entity_status,
       s.registered_on, s.deregistered_on, s.legal_representative_name, s.registered_capital_amount,
       s.registered_capital_currency, s.industry_code, s.region_name, s.registered_address, s.merged_into_subject_id, s.build_no
from publish.subject s
where s.uscc = %(uscc)s and s.subject_type <> 'natural_person'
union
select s.subject_id, s.subject_type, s.subject_name, s.uscc, s.org_code, s.reg_no, s.is_registered, s.entity_type, s.entity_status,
       s.registered_on, s.deregistered_on, s.legal_representative_name, s.registered_capital_amount,
       s.registered_capital_currency, s.industry_code, s.region_name, s.registered_address, s.merged_into_subject_id, s.build_no
from publish.subject_identifier i
join publish.subject s on s.subject_id = i.subject_id
where i.id_type = 'uscc' and i.id_value = %(uscc)s and s.subject_type <> 'natural_person'
order by subject_id""",
)

MERGED_INTO = Query(
    "merged_into",
    Both("并入的主体", "the subject it was merged into"),
    """select s.subject_id, s.subject_type, s.subject_name, s.uscc, s.org_code, s.reg_no, s.is_registered, s.entity_type, s.entity_status,
       s.registered_on, s.deregistered_on, s.legal_representative_name, s.registered_capital_amount,
       s.registered_capital_currency, s.industry_code, s.region_name, s.registered_address, s.merged_into_subject_id, s.build_no
from publish.subject s
where s.subject_id = %(subject_id)s::uuid""",
)

STATEMENTS = Query(
    "statements",
    Both("各方说法与取值理由", "who says what, what counts and why"),
    """select attribute, stated_value, department, record_kind, stated_on, is_chosen, differs, reason_zh, reason_en
from publish.subject_statement
where subject_id = %(subject_id)s::uuid
order by attribute, is_chosen desc, precedence nulls last, stated_on desc, department, record_kind""",
)

LINES = Query(
    "lines",
    Both("报告内容", "the lines of the report"),
    """select section, record_kind, record_id, decided_on, department, state, is_public, public_from, public_until, objected, content
from publish.credit_report
where subject_id = %(subject_id)s::uuid
  and case %(scope)s when 'public' then is_public when 'government' then usage_scope < 2 else true end
order by section, decided_on desc nulls last, record_id""",
)

DIMENSIONS = Query(
    "dimensions",
    Both("评分维度", "dimensions of the score"),
    """select dimension, name_zh, name_en, points, direction
from ops.score_dimension
where model_version = %(model_version)s
order by dimension""",
)

CAPS = Query(
    "caps",
    Both("上限", "caps of the score"),
    """select cap_code, name_zh, name_en, max_score
from ops.score_cap
where model_version = %(model_version)s
order by cap_code""",
)

DECAY = Query(
    "decay",
    Both("计分期限", "how long items count"),
    """select item_code, max(to_month) as months
from ops.score_item_decay
where model_version = %(model_version)s
group by item_code
order by item_code""",
)

ELIGIBILITY = Query(
    "eligibility",
    Both("不评级的情形", "who is not rated"),
    """select rule_code, name_zh, name_en
from ops.score_eligibility
where model_version = %(model_version)s
order by rule_code""",
)

LISTS = Query(
    "lists",
    Both("名单规则", "rules of the lists"),
    """select l.list_code, l.kind, l.name_zh, l.name_en, l.term_kind, l.term_months, l.early_exit_after_months,
       string_agg(concat_ws(' ', b.title, b.article), '；' order by b.valid_from, b.title) as basis
from ops.list_rule l
left join ops.list_basis b on l.list_code = b.list_code and b.valid_from <= %(as_of)s and (b.valid_to is null or b.valid_to > %(as_of)s)
where l.valid_from <= %(as_of)s and (l.valid_to is null or l.valid_to > %(as_of)s)
group by l.list_code, l.kind, l.name_zh, l.name_en, l.term_kind, l.term_months, l.early_exit_after_months
order by l.list_code""",
)

CODES = Query(
    "codes",
    Both("代码表", "code lists"),
    """select list, value, text_zh, text_en
from ops.code_list
order by list, value""",
)
