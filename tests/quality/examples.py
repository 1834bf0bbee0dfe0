"""One good and one bad example for every rule, made from the rule's own check or written out for its key.

An example is a pair of row sets; the first row of each is the one that is judged, the others are its company (a second
version of the record, another decision under the same number). Values are changes to the kind's clean row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from creditflow.quality.checks import DateOrder, MaxLength
from creditflow.quality.rulebook import Rule
from creditflow.registry import Kind
from tests.quality.world import FIRM, FIRM_NAME, ORG_CODE, PLACEHOLDER, REG_NO, SHOP, SHOP_NAME

Change = dict[str, Any]

OTHER_FIRM = "91440507MA4X85618J"
VILLAGE = "N2440513MF0000013T"
ENDED_FIRM = "93440514MA4X891093"
WRONG_CHECK = "91440500MA4X022966"
POWERLESS = {"permit": "11440500MA4X00215K", "penalty": "11440500MA4X00282H"}
"""Codes of bodies that permit (市审计局) or punish (市政务服务和数据管理局) nobody."""
REPAIRED_ORIGINAL = "9144O500MA4X022965"
PERSON: Change = {
    "counterparty_type": "自然人",
    "counterparty_name": "测试乙",
    "counterparty_uscc": None,
    "counterparty_org_code": None,
    "counterparty_reg_no": None,
    "counterparty_tax_no": None,
    "legal_representative_name": None,
    "person_id_type": "身份证",
    "person_id_no_check": "ok",
    "person_id_no_hash": "h",
    "person_id_no_cipher": "c",
}
SHOP_ROW: Change = {"counterparty_type": "个体工商户", "counterparty_uscc": SHOP, "counterparty_name": SHOP_NAME}
JUDGED: Change = {"decision_type": "identity_same", "subject_uscc": FIRM, "other_subject_uscc": OTHER_FIRM}
NO_CODES = ("uscc", "org_code", "reg_no", "tax_no")


@dataclass(frozen=True)
class Example:
    """good keeps the rule, bad breaks it; the first of each is judged."""

    good: tuple[Change, ...]
    bad: tuple[Change, ...]


def pair(good: Change, bad: Change, **both: Any) -> Example:
    """An example of two single rows that share some values."""
    return Example(({**both, **good},), ({**both, **bad},))


def _codes(kind: Kind, **given: Any) -> Change:
    """The subject's identifiers: only the given roles are filled."""
    row: Change = {}
    for role in NO_CODES:
        if role in kind.counterparty:
            row[kind.counterparty[role]] = given.get(role)
    if "person_id_no" in kind.counterparty:
        name = kind.counterparty["person_id_no"]
        state = given.get("person_id_no")
        row.update(
            {f"{name}_check": state, f"{name}_hash": "h" if state else None, f"{name}_cipher": "c" if state else None}
        )
    return row


GOOD_CODES = {"uscc": FIRM, "org_code": ORG_CODE, "reg_no": REG_NO, "tax_no": FIRM, "person_id_no": "ok"}
BAD_CODES = {
    "uscc": WRONG_CHECK,
    "org_code": "MA1B3N1N3",
    "reg_no": "440501000012344",
    "tax_no": "12",
    "person_id_no": "bad_check",
}


def _identifier(rule: Rule, kind: Kind, *, beside: bool) -> Example:
    column = rule.fields[0]
    role = next(role for role, name in kind.counterparty.items() if name == column)
    other = "org_code" if role == "uscc" else "uscc"
    company = {other: GOOD_CODES[other]} if beside else {}
    return pair(_codes(kind, **{role: GOOD_CODES[role]}), _codes(kind, **company, **{role: BAD_CODES[role]}))


def _masked(rule: Rule, kind: Kind) -> Example:
    column = rule.fields[0]
    role = next(role for role, name in kind.counterparty.items() if name == column)
    value = GOOD_CODES[role]
    return pair({column: value}, {column: value[:4] + "****" + value[8:]})


def _person(rule: Rule, good: str, bad: str) -> Example:
    column = rule.fields[0]
    filled = {f"{column}_hash": "h", f"{column}_cipher": "c"}
    return pair({**filled, f"{column}_check": good}, {**filled, f"{column}_check": bad})


def _date_order(rule: Rule, kind: Kind) -> Example:
    assert isinstance(rule.check, DateOrder)
    first, second = rule.check.first, rule.check.second
    return pair({first: "2026/11/02", second: "2026/11/02"}, {first: "2026/11/02", second: "2026/10/31"})


def _length(rule: Rule, kind: Kind) -> Example:
    assert isinstance(rule.check, MaxLength)
    letter = "1" if kind.by_name[rule.fields[0]].type in ("reg_no", "tax_no", "code") else "测"
    return pair({rule.fields[0]: letter * rule.check.length}, {rule.fields[0]: letter * (rule.check.length + 1)})


def _one(rule: Rule, good: Any, bad: Any) -> Example:
    return pair({rule.fields[0]: good}, {rule.fields[0]: bad})


BY_CHECK: dict[str, Callable[[Rule, Kind], Example]] = {
    "no_reader_defect": lambda rule, kind: pair({}, {"@defect": "column_count"}),
    "no_replacement_character": lambda rule, kind: pair({}, {_text_column(kind): "晨光\ufffd测试"}),
    "known_operation": lambda rule, kind: pair({"@op": "U"}, {"@op": "X"}),
    "one_version": lambda rule, kind: Example(
        ({"@key": "one"}, {"@key": "one", "@op": "U", _text_column(kind): "更正"}),
        ({"@key": "two"}, {"@key": "two", _text_column(kind): "另一内容"}),
    ),
    "no_personal_number_in_code": lambda rule, kind: pair(
        {"@extra": {"@derived": ["valid_from:copy"]}}, {"@extra": {"@derived": ["x:personal_number_removed"]}}
    ),
    "answers_return": lambda rule, kind: pair(
        {"@extra": {"退回批次": f"RETURNED-{kind.name}", "退回行号": "2"}},
        {"@extra": {"退回批次": f"RETURNED-{kind.name}", "退回行号": "3"}},
    ),
    "one_answer": lambda rule, kind: pair({}, {"@extra": {"@disputed": "备注"}}),
    "required": lambda rule, kind: _one(
        rule, "2026/11/02" if kind.by_name[rule.fields[0]].type == "date" else "测试丙", "　 \t"
    ),
    "not_filler": lambda rule, kind: _one(rule, "晨光内容", "无"),
    "clean_text": lambda rule, kind: _one(rule, "晨光测试", "test"),
    "max_length": _length,
    "date": lambda rule, kind: _one(rule, "2026年3月5日", "2026/02/30"),
    "time": lambda rule, kind: _one(rule, "2026-11-02 08:05", "下周一"),
    "amount": lambda rule, kind: _one(rule, "12", "-1"),
    "decimals": lambda rule, kind: _one(rule, "12", "12.1234567"),
    "match": lambda rule, kind: _one(
        rule, {"period": "2026-11", "rating_year": "2026"}.get(rule.fields[0], "是"), "随便"
    ),
    "uscc": lambda rule, kind: _one(rule, VILLAGE, WRONG_CHECK),
    "known_authority": lambda rule, kind: pair({}, {rule.fields[0]: OTHER_FIRM}),
    "authority_has_power": lambda rule, kind: pair({}, {rule.fields[0]: POWERLESS[kind.name]}),
    "person_id": lambda rule, kind: _person(rule, "other_document", "bad_check"),
    "person_id_new": lambda rule, kind: _person(rule, "ok", "converted_15"),
    "no_personal_data": lambda rule, kind: _one(rule, "电话0754-88123456，号 914403001922038216", "联系 13900000000"),
    "date_range": lambda rule, kind: _one(rule, "2026-11-20", "2026-11-21"),
    "date_order": _date_order,
    "identifier_fails": lambda rule, kind: _identifier(rule, kind, beside=False),
    "identifier_nulled": lambda rule, kind: _identifier(rule, kind, beside=True),
    "identifier_masked": _masked,
    "identifier_repaired": lambda rule, kind: pair(
        {rule.fields[0]: FIRM, "@changes": {rule.fields[0]: "9144 0500 MA4X022965"}},
        {rule.fields[0]: FIRM, "@changes": {rule.fields[0]: REPAIRED_ORIGINAL}},
    ),
    "identified": lambda rule, kind: pair({}, _codes(kind)),
    "name_in_register": lambda rule, kind: pair(
        {rule.fields[0]: "汕头市晨光测试 有限公司"},
        {rule.fields[0]: "汕头市夕照测试有限公司"},
        **{rule.fields[1]: FIRM},
    ),
    "active_in_register": lambda rule, kind: pair(
        {rule.fields[1]: "2026/01/05"}, {rule.fields[1]: "2026/11/02"}, **{rule.fields[0]: ENDED_FIRM}
    ),
    "same_subject": lambda rule, kind: pair(
        {"@key": "known subject", rule.fields[0]: FIRM}, {"@key": "known subject", rule.fields[0]: OTHER_FIRM}
    ),
}
"""How a check's examples follow from its parameters."""

DOCUMENT = "汕测同号〔2026〕1号"
BY_KEY: dict[str, Callable[[Rule, Kind], Example]] = {
    "C1-USCC": lambda rule, kind: pair({}, {"counterparty_uscc": None}),
    "C1-PERSON": lambda rule, kind: pair(PERSON, {**PERSON, "counterparty_uscc": FIRM}),
    "C2-REG-NO": lambda rule, kind: pair(
        {"counterparty_reg_no": REG_NO}, {"counterparty_reg_no": " "}, **{**SHOP_ROW, "counterparty_uscc": PLACEHOLDER}
    ),
    "C3-REPRESENTATIVE": lambda rule, kind: pair({}, {"legal_representative_name": None}, **SHOP_ROW),
    "C3-PERSON": lambda rule, kind: pair(PERSON, {**PERSON, "legal_representative_name": "测试甲"}),
    "C4-ID-TYPE": lambda rule, kind: pair(PERSON, {**PERSON, "person_id_type": None}),
    "C4-ID-NO": lambda rule, kind: pair(PERSON, {**PERSON, "person_id_no_check": None, "person_id_no_hash": None}),
    "R05-PERSON": lambda rule, kind: pair(PERSON, {**PERSON, "person_id_no_check": "bad_date"}),
    "R04-USCC": lambda rule, kind: pair(
        {**SHOP_ROW, "counterparty_uscc": PLACEHOLDER}, {"counterparty_uscc": PLACEHOLDER}
    ),
    "C5-CERTIFICATE": lambda rule, kind: pair({}, {"certificate_no": None}),
    "C6-FINE": lambda rule, kind: pair(
        {"fine_amount_wan": "0.5"}, {"fine_amount_wan": None}, penalty_category="警告、罚款"
    ),
    "C7-CONFISCATION": lambda rule, kind: pair(
        {}, {"confiscated_amount_wan": ""}, penalty_category="没收违法所得;警告"
    ),
    "C8-CERTIFICATE": lambda rule, kind: pair({}, {"affected_certificate": None}, penalty_category="暂扣许可证件"),
    "R11-FINE": lambda rule, kind: pair(
        {"fine_amount_wan": "0.000001"}, {"fine_amount_wan": "0"}, penalty_category="罚款"
    ),
    "R11-CATEGORY": lambda rule, kind: pair(
        {"penalty_category": "罚款"}, {"penalty_category": "警告"}, fine_amount_wan="1"
    ),
    "R10-{COLUMN}-LIMIT": lambda rule, kind: _one(rule, rule.parameters["limit"], rule.parameters["limit"] + 0.01),
    "R10-{COLUMN}-YUAN": lambda rule, kind: pair(
        {"fine_amount_wan": "5"}, {"fine_amount_wan": "50000"}, penalty_content="处以罚款人民币50,000元"
    ),
    "LIST-{COLUMN}-OTHER": lambda rule, kind: _one(rule, "其他-备案变更", "其他"),
    "X-TYPE-CODE": lambda rule, kind: pair({}, {"counterparty_uscc": SHOP}),
    "X-ADDRESS": lambda rule, kind: _one(rule, "汕头市金平区测试路88号小吃店", "汕头市金平区测试路88号之一"),
    "X-REG-NO": lambda rule, kind: _one(rule, REG_NO, BAD_CODES["reg_no"]),
    "X-ORG-CODE": lambda rule, kind: _one(rule, ORG_CODE, BAD_CODES["org_code"]),
    "X-TAX-NO": lambda rule, kind: _one(rule, "440500MA4X02296", "44050"),
    "X-PARTIES": lambda rule, kind: _one(rule, "汕头市测试、晨光有限公司", "汕头市晨光测试有限公司、测试乙"),
    "X-CATALOGUE": lambda rule, kind: _one(rule, "餐饮服务", "违规信访行为"),
    "X-SECRET": lambda rule, kind: _one(rule, "商用密码产品销售", "附件为机密级文件"),
    "X-NUMBER": lambda rule, kind: Example(
        (
            {rule.fields[0]: DOCUMENT},
            {rule.fields[0]: DOCUMENT, "counterparty_uscc": OTHER_FIRM, "remark": "另一相对人"},
        ),
        (
            {rule.fields[0]: DOCUMENT + "重"},
            {rule.fields[0]: DOCUMENT + "重", rule.fields[3]: "另一事项"},
        ),
    ),
    "K-LIST": lambda rule, kind: pair({}, dict.fromkeys(rule.fields)),
    "K-DECIDED-ABOUT": lambda rule, kind: pair(
        {"target_document_no": None}, {"target_document_no": None, "target_record_id": " "}
    ),
    "K-DECIDED-KIND": lambda rule, kind: _one(rule, "penalty", None),
    "K-JUDGED-SUBJECT": lambda rule, kind: pair({}, {"subject_uscc": None}, **JUDGED),
    "K-JUDGED-OTHER": lambda rule, kind: pair(
        {"other_subject_uscc": None}, {"other_subject_uscc": None, "target_record_id": None}, **JUDGED
    ),
    "K-JUDGED-TWO": lambda rule, kind: pair({}, {"other_subject_uscc": FIRM}, **JUDGED),
    "K-DECIDED-SEVERITY": lambda rule, kind: _decided("severity", "一般", "很重"),
    "K-DECIDED-REGIME": lambda rule, kind: _decided("regime_override", "R2023", "2023"),
    "K-DECIDED-NOTICE": lambda rule, kind: _decided("notice_date", "2026-11-02", "下周一"),
    "K-SPLIT-RECORD": lambda rule, kind: pair(
        {"target_record_id": "00000000-0000-0000-0000-000000000001"},
        {"target_record_id": None},
        decision_type="person_split",
    ),
    "K-DECIDED-NOMINEE": lambda rule, kind: _decided("nominee", "否", "可能"),
    "K-DECIDED-VALUE": lambda rule, kind: _decided("severity", "严重", None),
    "K-SECOND-PERSON": lambda rule, kind: pair(
        {"confirmed_by": "李复核"}, {"confirmed_by": "王 经办"}, decision_type="deletion", decided_by="王经办"
    ),
    "K-PERSON": lambda rule, kind: pair({}, {rule.fields[0]: None}, responsible_person_name="测试丁"),
    "K-PROBLEM": lambda rule, kind: pair({}, {rule.fields[0]: None}, inspection_result="责令改正"),
    "K-BREACH": lambda rule, kind: pair(
        {rule.fields[0]: "2026/11/03" if kind.name == "commitment" else "汕违约〔2026〕1号"},
        {rule.fields[0]: None},
        **({"fulfilment_state": "违诺"} if kind.name == "commitment" else {"performance_state": "违约"}),
    ),
    "K-STATUS": lambda rule, kind: pair({rule.fields[0]: "2026/11/03"}, {rule.fields[0]: None}, entity_status="注销"),
    "D-SEVERITY": lambda rule, kind: pair({"severity": "一般"}, {"severity": None}),
    "D-SUPPLIER": lambda rule, kind: pair({}, {"subject_uscc": None}),
    "D-PREPAID": lambda rule, kind: _one(rule, "成品油零售经营批准", "单用途商业预付卡发卡企业备案"),
    "D-ACCOUNT": lambda rule, kind: _one(rule, "经营外汇业务核准", "企业基本存款账户开户许可"),
    "D-RENAMED": lambda rule, kind: _one(rule, "汕头市地方金融管理局", "汕头市金融工作局"),
    "D-BOAT": lambda rule, kind: _one(rule, "测试乙", "粤汕测渔09999"),
    "D-SECRECY": lambda rule, kind: _one(rule, "未备案使用", "附件为机密级文件"),
    "R13-{COLUMN}-PLATE": lambda rule, kind: _one(rule, "许可证号YD12345", "车牌粤D0T3S9驶入"),
    "R13-{COLUMN}-HEALTH": lambda rule, kind: _one(rule, "违反《传染病防治法》", "登记表含既往史：略"),
}
"""Examples that need to know what the rule is about."""


def _decided(decision_type: str, good: str, bad: str | None) -> Example:
    return pair({"decision_value": good}, {"decision_value": bad}, decision_type=decision_type)


def example(rule: Rule, kind: Kind) -> Example:
    """The example of a rule. Raises LookupError when nobody has written one."""
    make = BY_KEY.get(rule.key) or (_code_list if rule.check_name == "code_list" else BY_CHECK.get(rule.check_name))
    if make is None:
        raise LookupError(
            f"no example for {rule.rule_id} (check {rule.check_name}): add one to tests/quality/examples.py"
        )
    return make(rule, kind)


def _code_list(rule: Rule, kind: Kind) -> Example:
    return pair({}, {rule.fields[0]: "不在表中"}, **({rule.fields[0]: "护照号"} if "id_type" in rule.fields[0] else {}))


def _text_column(kind: Kind) -> str:
    """A text column whose content no other rule of the kind reads closely."""
    for name in ("remark", "registered_address", "item_name", "officer", "source_unit_name"):
        if name in kind.by_name:
            return name
    return next(column.name for column in kind.columns if column.type == "text")


__all__ = ["BY_CHECK", "BY_KEY", "FIRM_NAME", "Example", "example"]
