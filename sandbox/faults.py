"""What departments get wrong, injected on purpose and written down.

Each fault is one function on one row: it changes the row and names the field, or gives None where it does not apply.
`EXPECTED` says what a good gate does at least: reject, flag (or more), repair, duplicate, out_of_scope. Nothing here knows
the rules of the pipeline: the types come from the standard of permits and penalties and from what departments are known for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sandbox import days, words
from sandbox.description import Department, Feed, departments, layouts, old_layout
from sandbox.plan import DECISIONS, ELSEWHERE, Events, Planner
from sandbox.records import HOUSEHOLD, ORGANISATION, PERSON, PLACEHOLDER, Rows

Mask = npt.NDArray[np.bool_]

GENERIC_RATE = 0.012
REGISTER_RATE = 0.002
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_FREE_TEXT = (
    "violation_facts",
    "penalty_content",
    "permit_content",
    "remark",
    "problem_found",
    "fact_content",
    "judgement_result",
    "declared_content",
    "feedback",
    "objection_ground",
)
_MANDATORY = {
    "permit": (
        "counterparty_name",
        "counterparty_type",
        "decision_document_title",
        "decision_document_no",
        "permit_category",
        "permit_content",
        "decision_date",
        "valid_to",
    ),
    "penalty": (
        "counterparty_name",
        "counterparty_type",
        "decision_document_no",
        "violation_type",
        "violation_facts",
        "penalty_basis",
        "penalty_category",
        "penalty_content",
        "decision_date",
        "penalty_valid_to",
    ),
}
# columns a pipeline may fill by itself because the department has only one value for them: their absence is no fault
_DERIVABLE = frozenset(
    {"arrears_type", "rating_scheme", "list_code", "target_kind", "enforcement_type", "commitment_type"}
)


@dataclass(frozen=True)
class Fault:
    """One injected fault: place in the lot, type, field, and what is expected at least."""

    row: int
    type: str
    field: str
    expected: str


class Row:
    """One row to be spoiled."""

    def __init__(
        self, rows: Rows, index: int, rng: np.random.Generator, planner: Planner, feed: Feed, today: int
    ) -> None:
        self.rows, self.i, self.rng, self.planner, self.feed, self.today = rows, index, rng, planner, feed, today
        self.dept: Department = departments()[feed.dept]
        self.travels = {name for name, _ in old_layout(feed.kind)} if feed.layout == "2015" else set(rows.columns)

    def __getitem__(self, column: str) -> str:
        return str(self.rows.columns[column][self.i]) if column in self.travels and column in self.rows.columns else ""

    def __setitem__(self, column: str, value: str) -> None:
        self.rows.columns[column][self.i] = value

    def one(self, *values: str) -> str:
        """One of the values."""
        return values[int(self.rng.integers(0, len(values)))]

    def first_of(self, *columns: str) -> str:
        """The first of the columns that travels and is filled, else empty."""
        return next((c for c in columns if self[c]), "")

    @property
    def two_sided(self) -> bool:
        return self.feed.kind in DECISIONS

    @property
    def name_field(self) -> str:
        return "counterparty_name" if self.two_sided else "subject_name"

    @property
    def code_field(self) -> str:
        return "counterparty_uscc" if self.two_sided else "subject_uscc"

    @property
    def type(self) -> str:
        return str(
            self.rows.columns.get(
                "counterparty_type" if self.two_sided else "subject_type", np.full(len(self.rows), "")
            )[self.i]
        )

    @property
    def entity(self) -> int:
        """Entity index, or -1."""
        s = int(self.rows.subject[self.i])
        return s if 0 <= s < ELSEWHERE else -1

    @property
    def real_code(self) -> str:
        code = self[self.code_field]
        return code if len(code) == 18 and code != PLACEHOLDER else ""


Spoiler = Callable[[Row], str | None]


def _mandatory_missing(r: Row) -> str | None:
    names = _MANDATORY.get(r.feed.kind) or tuple(
        c.name for c in layouts()[r.feed.kind] if c.need == "M" and c.name not in _DERIVABLE
    )
    able = [c for c in names if r[c]]
    if not able:
        return None
    field = r.one(*able)
    r[field] = r.one("", "", " ", "　")
    return field


def _uscc_check_digit(r: Row) -> str | None:
    code = r.real_code
    if not code:
        return None
    r[r.code_field] = code[:17] + _ALPHABET[(_ALPHABET.index(code[17]) + 1 + int(r.rng.integers(0, 29))) % 31]
    return r.code_field


def _uscc_length(r: Row) -> str | None:
    code = r.real_code
    if not code:
        return None
    r[r.code_field] = r.one(code[:17], code[:8] + code[9:], code + "0")
    return r.code_field


def _uscc_masked(r: Row) -> str | None:
    code = r.real_code
    if not code:
        return None
    r[r.code_field] = code[:6] + "******" + code[12:]
    return r.code_field


def _columns_swapped(r: Row) -> str | None:
    """Name and code in each other's column."""
    code = r.real_code
    if not code or not r[r.name_field]:
        return None
    r[r.code_field], r[r.name_field] = r[r.name_field], code
    return r.code_field


def _uscc_zeros(r: Row) -> str | None:
    if not r.real_code:
        return None
    r[r.code_field] = "0" * 18
    return r.code_field


def registered_cleanly(planner: Planner, entity: int) -> bool:
    """Whether the register's first delivery shows this entity under its code and its only name, without a fault."""
    w = planner.world
    return (
        0 <= entity < w.count
        and bool(w.has_code[entity])
        and str(w.sort[entity]) in "ehcb"
        and w.renamed[entity] > w.baseline + 3000
        and not spoiled_in_register(entity)
        and int(w.deregistered[entity]) > w.baseline
    )


def spoiled_in_register(entity: int) -> bool:
    """Entities whose register entry may carry a fault."""
    return entity * 2_654_435_761 % 4_294_967_296 < REGISTER_RATE * 4_294_967_296


def _confusable(code: str, r: Row) -> str | None:
    places = [i for i in range(2, 17) if code[i] in "01"]
    if not places:
        return None
    at = places[int(r.rng.integers(0, len(places)))]
    return code[:at] + {"0": "O", "1": "I"}[code[at]] + code[at + 1 :]


def _uscc_confusable_known(r: Row) -> str | None:
    code = r.real_code
    if not code or not registered_cleanly(r.planner, r.entity) or r.planner.world.name[r.entity] != r[r.name_field]:
        return None
    typed = _confusable(code, r)
    if typed is None:
        return None
    r[r.code_field] = typed
    return r.code_field


def _uscc_confusable_unknown(r: Row) -> str | None:
    """The repaired code would be somebody else's: the row's name is not the one the register knows."""
    code = r.real_code
    typed = _confusable(code, r) if code and r.type != PERSON else None
    if typed is None:
        return None
    r[r.code_field] = typed
    r[r.name_field] = (
        "汕头市" + "".join(words.SYLLABLES[int(x)] for x in r.rng.integers(0, len(words.SYLLABLES), 4)) + "商行"
    )
    return r.code_field


def _decision_in_future(r: Row) -> str | None:
    if not r["decision_date"]:
        return None
    r["decision_date"] = str(days.text(np.array([r.today + 40 + int(r.rng.integers(0, 300))]))[0])
    return "decision_date"


def _decision_too_old(r: Row) -> str | None:
    if not r["decision_date"]:
        return None
    r["decision_date"] = r.one("1949/02/01", "1949-09-30", "1949/05/20")
    return "decision_date"


def _date_unreadable(r: Row) -> str | None:
    if not r["decision_date"]:
        return None
    r["decision_date"] = r.one("2026/02/30", "2026-13-01", "待定", "2026.", "二〇二六年")
    return "decision_date"


def _validity_reversed(r: Row) -> str | None:
    field = r.first_of("valid_to", "penalty_valid_to") if r.two_sided else ""
    if not field or not r["decision_date"]:
        return None
    r[field] = "2012/03/01"
    return field


def _validity_blank(r: Row) -> str | None:
    field = r.first_of("valid_to", "penalty_valid_to") if r.two_sided else ""
    if not field:
        return None
    r[field] = ""
    return field


def _fine_without_amount(r: Row) -> str | None:
    if "罚款" not in r["penalty_category"] or not r["fine_amount_wan"]:
        return None
    r["fine_amount_wan"] = ""
    return "fine_amount_wan"


def _zero_fine(r: Row) -> str | None:
    if "罚款" not in r["penalty_category"] or not r["fine_amount_wan"]:
        return None
    r["fine_amount_wan"] = r.one("0", "0.00")
    return "fine_amount_wan"


def _negative_amount(r: Row) -> str | None:
    field = r.first_of("fine_amount_wan", "amount_yuan")
    if not field:
        return None
    r[field] = "-" + r[field]
    return field


def _amount_text(r: Row) -> str | None:
    field = r.first_of("fine_amount_wan", "confiscated_amount_wan", "amount_yuan")
    if not field:
        return None
    r[field] = r.one("五千元", "约1万", "见决定书")
    return field


def _fine_in_yuan(r: Row) -> str | None:
    """Yuan in the column of 万元; only above 10,000, below it no reader can tell."""
    wan = r["fine_amount_wan"]
    if not wan or float(wan) <= 1.0:
        return None
    r["fine_amount_wan"] = f"{round(float(wan) * 10_000)}"
    return "fine_amount_wan"


def _amount_without_fine(r: Row) -> str | None:
    if not r["penalty_category"] or "罚款" in r["penalty_category"] or "fine_amount_wan" not in r.travels:
        return None
    r["fine_amount_wan"] = "0.5"
    return "fine_amount_wan"


def _confiscation_without_amount(r: Row) -> str | None:
    if "没收" not in r["penalty_category"] or not r["confiscated_amount_wan"]:
        return None
    r["confiscated_amount_wan"] = ""
    return "confiscated_amount_wan"


def _certificate_unnamed(r: Row) -> str | None:
    if not r["affected_certificate"]:
        return None
    r["affected_certificate"] = ""
    return "affected_certificate"


def _too_many_decimals(r: Row) -> str | None:
    if not r["fine_amount_wan"]:
        return None
    r["fine_amount_wan"] = "0.1234567"
    return "fine_amount_wan"


def _category_unknown(r: Row) -> str | None:
    field = r.first_of(
        "permit_category",
        "penalty_category",
        "inspection_result",
        "fulfilment_state",
        "performance_state",
        "enforcement_state",
        "repair_state",
        "objection_state",
        "fact_type",
    )
    if not field or r.feed.layout == "2015":
        return None
    r[field] = r.one("未分类", "待核定类", "Z9")
    return field


def _legacy_digit_unknown(r: Row) -> str | None:
    field = r.first_of("permit_category", "penalty_category")
    if not field or r.feed.layout != "2015":
        return None
    r[field] = r.one("9", "12")
    return field


def _type_unknown(r: Row) -> str | None:
    if not r.two_sided or not r["counterparty_type"] or r.feed.layout == "2015":
        return None
    r["counterparty_type"] = r.one("境外机构", "未知类别")
    return "counterparty_type"


def _status_unknown(r: Row) -> str | None:
    if r.feed.kind != "permit" or r.feed.layout == "2015" or not r["record_status"]:
        return None
    r["record_status"] = "9"
    return "record_status"


def _markup_in_name(r: Row) -> str | None:
    if not r[r.name_field]:
        return None
    r[r.name_field] = r.one("<b>{}</b>", "{}<br/>", "<p>{}</p>").format(r[r.name_field])
    return r.name_field


def _junk_name(r: Row) -> str | None:
    if not r[r.name_field]:
        return None
    r[r.name_field] = r.one("无", "空", "*", "null", "NULL", "test", "Test公司", "/")
    return r.name_field


def _junk_document_no(r: Row) -> str | None:
    field = r.first_of("decision_document_no") if r.two_sided else ""
    if not field:
        return None
    r[field] = r.one("无", "空", "null", "test001", "***", "/")
    return field


def _one_character_name(r: Row) -> str | None:
    if not r[r.name_field]:
        return None
    r[r.name_field] = r[r.name_field][0]
    return r.name_field


def _star_in_name(r: Row) -> str | None:
    name = r[r.name_field]
    if len(name) < 2:
        return None
    r[r.name_field] = name[0] + "**" if len(name) < 5 else name[:3] + "***" + name[-4:]
    return r.name_field


def _bank_card(rng: np.random.Generator) -> str:
    body = "622202" + "0" * 6 + "".join(str(int(x)) for x in rng.integers(0, 10, 6))
    total = 0
    for k, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if k % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def _personal_data_in_text(r: Row) -> str | None:
    able = [c for c in _FREE_TEXT if c in r.travels and c in r.rows.columns]
    if not able:
        return None
    field = r.one(*able)
    resident = str(r.planner.world.resident_no(r.rng.integers(0, r.planner.world.persons, 1))[0])
    r[field] = r[field] + r.one(
        f"，当事人身份证号{resident}",
        f"（身份证：{resident}）",
        f"，联系电话1380013800{int(r.rng.integers(0, 10))}",
        f"，账号{_bank_card(r.rng)}",
    )
    return field


def _replacement_character(r: Row) -> str | None:
    field = r.first_of(r.name_field, "violation_facts", "permit_content")
    if not field or len(r[field]) < 2 or r.dept.encoding == "gb18030":
        return None
    text = r[field]
    r[field] = text[:1] + "\ufffd\ufffd" + text[2:]
    return field


def _text_too_long(r: Row) -> str | None:
    if not r.two_sided:
        return None
    if r.feed.kind == "permit" and r["permit_content"]:
        r["permit_content"] = "小班清单：" + "；".join(f"{k}林班{k % 40}小班" for k in range(600)) + "完" * 200
        return "permit_content"
    r[r.name_field] = r[r.name_field] * (220 // max(len(r[r.name_field]), 1) + 1)
    return r.name_field


def _placeholder_on_company(r: Row) -> str | None:
    if r.type != ORGANISATION or not r.two_sided or r.feed.layout == "2015":
        return None
    r["counterparty_uscc"] = PLACEHOLDER
    for column in ("counterparty_reg_no", "counterparty_org_code", "counterparty_tax_no"):
        r[column] = ""
    return "counterparty_uscc"


def _placeholder_without_reg_no(r: Row) -> str | None:
    if r.type != HOUSEHOLD or not r.two_sided or r.feed.layout == "2015":
        return None
    r["counterparty_uscc"] = PLACEHOLDER
    for column in ("counterparty_reg_no", "counterparty_org_code", "counterparty_tax_no"):
        r[column] = ""
    return "counterparty_reg_no"


def _leader_missing(r: Row) -> str | None:
    if not r.two_sided or r.type == PERSON or not r["legal_representative_name"] or r.feed.layout == "2015":
        return None
    r["legal_representative_name"] = ""
    return "legal_representative_name"


def _person_id_missing(r: Row) -> str | None:
    if r.type != PERSON or not r["person_id_no"] or r.feed.layout == "2015":
        return None
    r["person_id_no"] = ""
    return "person_id_no"


def _person_id_check(r: Row) -> str | None:
    number = r["person_id_no"]
    if len(number) != 18:
        return None
    r["person_id_no"] = number[:17] + ("0" if number[17] != "0" else "1")
    return "person_id_no"


def _person_id_day(r: Row) -> str | None:
    number = r["person_id_no"]
    if len(number) != 18:
        return None
    r["person_id_no"] = number[:10] + "0231" + number[14:]
    return "person_id_no"


def _person_id_15(r: Row) -> str | None:
    number = r["person_id_no"]
    if len(number) != 18 or number[6:8] != "19":
        return None
    r["person_id_no"] = number[:6] + number[8:17]
    return "person_id_no"


def _person_with_code(r: Row) -> str | None:
    if r.type != PERSON or not r.two_sided or r.feed.layout == "2015":
        return None
    firms = r.planner.world.old_members["e"]
    r["counterparty_uscc"] = str(r.planner.world.uscc[firms[int(r.rng.integers(0, len(firms)))]])
    return "counterparty_uscc"


def _authority_code_wrong(r: Row) -> str | None:
    field = r.first_of("permit_authority_uscc", "penalty_authority_uscc")
    if not field:
        return None
    code = r[field]
    r[field] = code[:17] + _ALPHABET[(_ALPHABET.index(code[17]) + 3) % 31]
    return field


def _authority_without_power(r: Row) -> str | None:
    """The decision is laid at the door of a body that decides nothing of the kind."""
    field = r.first_of("permit_authority_uscc", "penalty_authority_uscc")
    others = [d for d in departments().values() if not d.external and r.feed.kind not in d.feeds]
    if not field or not others:
        return None
    r[field] = others[int(r.rng.integers(0, len(others)))].authorities[0].uscc
    return field


def _org_code_wrong(r: Row) -> str | None:
    field = r.first_of("counterparty_org_code", "subject_org_code")
    if not field:
        return None
    code = r[field]
    r[field] = code[:8] + ("1" if code[8] != "1" else "2")
    return field


def _org_code_for_uscc(r: Row) -> str | None:
    code = r.real_code
    if not code:
        return None
    r[r.code_field] = code[8:17]
    return r.code_field


def _certificate_no_missing(r: Row) -> str | None:
    if not r["certificate_no"]:
        return None
    r["certificate_no"] = ""
    return "certificate_no"


def _identity_missing(r: Row) -> str | None:
    if r.two_sided or not r["subject_uscc"]:
        return None
    for column in ("subject_uscc", "subject_org_code", "subject_reg_no"):
        if column in r.rows.columns:
            r[column] = ""
    return "subject_uscc"


def _boat_without_code(r: Row) -> str | None:
    if r.type != ORGANISATION or not r[r.code_field]:
        return None
    r[r.name_field] = f"粤汕渔{int(r.rng.integers(10_000, 99_999))}"
    for column in ("uscc", "org_code", "reg_no", "tax_no", "institution_no", "social_org_no"):
        name = f"{'counterparty' if r.two_sided else 'subject'}_{column}"
        if name in r.rows.columns:
            r[name] = ""
    return r.code_field


def _person_role_unknown(r: Row) -> str | None:
    if not r["responsible_person_role"]:
        return None
    r["responsible_person_role"] = "工头"
    return "responsible_person_role"


def _address_as_name(r: Row) -> str | None:
    if not r.two_sided or not r.real_code or r.entity < 0:
        return None
    r[r.name_field] = str(r.planner.world.address[r.entity])
    return r.name_field


def _name_of_another(r: Row) -> str | None:
    if not r.real_code or r.entity < 0 or not registered_cleanly(r.planner, r.entity):
        return None
    firms = r.planner.world.old_members["e"]
    other = str(r.planner.world.name[firms[int(r.rng.integers(0, len(firms)))]])
    if other == r[r.name_field]:
        return None
    r[r.name_field] = other
    return r.name_field


def _unit_and_person(r: Row) -> str | None:
    if not r.real_code or r.type != ORGANISATION or not registered_cleanly(r.planner, r.entity):
        return None
    r[r.name_field] = f"{r[r.name_field]}、{words.SURNAMES[int(r.rng.integers(0, 40))]}示例"
    return r.name_field


def _severity_missing(r: Row) -> str | None:
    if r.feed.kind != "penalty" or not r["severity"]:
        return None
    r["severity"] = ""
    return "severity"


def _plate_in_text(r: Row) -> str | None:
    field = r.first_of("violation_facts", "permit_content")
    if not field:
        return None
    r[field] = r[field] + f"，涉及车辆粤D{int(r.rng.integers(10_000, 99_999))}"
    return field


def _filing_as_permit(r: Row) -> str | None:
    if r.feed.kind != "permit":
        return None
    r["decision_document_title"] = "单用途商业预付卡发卡企业备案回执"
    r["permit_content"] = "单用途商业预付卡备案"
    r["permit_category"] = "其他-备案"
    return "permit_category"


def _decided_before_applied(r: Row) -> str | None:
    if not r["decided_at"] or not r["applied_at"]:
        return None
    r["decided_at"] = "2020-01-02 10:00:00"
    return "decided_at"


def _exit_before_entry(r: Row) -> str | None:
    if r.feed.kind not in ("list_entry", "abnormal_entry"):
        return None
    r["exit_date"] = "2015/01/05"
    return "exit_date"


def _head_office_code(r: Row) -> str | None:
    w = r.planner.world
    if r.entity < 0 or w.sort[r.entity] != "b" or not r.real_code:
        return None
    r[r.code_field] = str(w.head_uscc[w.head[r.entity]])
    for column in (
        "counterparty_org_code",
        "counterparty_tax_no",
        "counterparty_reg_no",
        "subject_org_code",
        "subject_reg_no",
    ):
        if column in r.rows.columns:
            r[column] = ""
    return r.code_field


def _subject_struck_off(r: Row) -> str | None:
    """A fresh penalty on a firm that had been struck off before; one that only moved away can still be fined."""
    if r.feed.kind != "penalty" or r.type != ORGANISATION or not r.real_code:
        return None
    w = r.planner.world
    gone = np.flatnonzero(
        (w.deregistered < r.today - 500)
        & (w.status_end != "迁出")
        & w.has_code
        & (w.sort == "e")
        & (w.renamed > w.baseline + 3000)
    )
    if not len(gone):
        return None
    e = int(gone[int(r.rng.integers(0, len(gone)))])
    if spoiled_in_register(e):
        return None
    r["counterparty_name"], r["counterparty_uscc"] = str(w.name[e]), str(w.uscc[e])
    for column in ("counterparty_org_code", "counterparty_tax_no", "counterparty_reg_no"):
        r[column] = ""
    r.rows.subject[r.i] = e
    return "counterparty_uscc"


def _secret_text(r: Row) -> str | None:
    """A paper with a secrecy mark among the facts."""
    field = r.first_of("violation_facts", "permit_content")
    if not field or r.feed.dept == "mmj":  # there it holds the whole delivery
        return None
    r[field] = r[field] + "（附：绝密文件摘录）"
    return field


def _outside_catalogue(r: Row) -> str | None:
    """What is no public credit information at all."""
    if r.feed.kind != "penalty" or not r["violation_type"]:
        return None
    r["violation_type"] = r.one("行人闯红灯", "违规养犬", "拖欠物业费")
    return "violation_type"


def _leader_of_a_person(r: Row) -> str | None:
    """A natural person with a legal representative."""
    if r.type != PERSON or not r.two_sided or r.feed.layout == "2015":
        return None
    r["legal_representative_name"] = "示例负责人"
    return "legal_representative_name"


def _code_missing(r: Row) -> str | None:
    """An organisation without its code."""
    if not r.two_sided or r.type != ORGANISATION or not r.real_code or r.feed.layout == "2015":
        return None
    for column in ("uscc", "reg_no", "org_code", "tax_no"):
        r[f"counterparty_{column}"] = ""
    return "counterparty_uscc"


def _household_code_on_company(r: Row) -> str | None:
    """A household business declared as an organisation: type and code disagree."""
    if not r.two_sided or r.type != HOUSEHOLD or not r.real_code.startswith("92") or r.feed.layout == "2015":
        return None
    r["counterparty_type"] = ORGANISATION
    return "counterparty_type"


def _reg_no_wrong(r: Row) -> str | None:
    number = r["counterparty_reg_no"]
    if len(number) != 15 or r.feed.layout == "2015" or number[8:10] <= "12":  # may be a person's number of 15 digits
        return None
    r["counterparty_reg_no"] = number[:14] + ("1" if number[14] != "1" else "2")
    return "counterparty_reg_no"


def _leader_id_check(r: Row) -> str | None:
    number = r["legal_representative_id_no"]
    if not r.two_sided or len(number) != 18 or r.feed.layout == "2015":
        return None
    r["legal_representative_id_no"] = number[:17] + ("0" if number[17] != "0" else "1")
    return "legal_representative_id_no"


def _person_id_type_missing(r: Row) -> str | None:
    if not r.two_sided or r.type != PERSON or not r["person_id_type"] or r.feed.layout == "2015":
        return None
    r["person_id_type"] = ""
    return "person_id_type"


def _authority_unknown(r: Row) -> str | None:
    """A right code of a body that nobody in the city knows as an authority."""
    field = r.first_of("permit_authority_uscc", "penalty_authority_uscc")
    if not field:
        return None
    firms = r.planner.world.old_members["e"]
    r[field] = str(r.planner.world.uscc[firms[int(r.rng.integers(0, len(firms)))]])
    return field


def _source_unit_code_wrong(r: Row) -> str | None:
    code = r["source_unit_uscc"]
    if not r.two_sided or not code:
        return None
    r["source_unit_uscc"] = code[:17] + _ALPHABET[(_ALPHABET.index(code[17]) + 5) % 31]
    return "source_unit_uscc"


def _other_unnamed(r: Row) -> str | None:
    """其他 without saying what."""
    if r.feed.kind != "permit" or not r["permit_category"] or r.feed.layout == "2015":
        return None
    r["permit_category"] = "其他"
    return "permit_category"


def _health_in_text(r: Row) -> str | None:
    field = r.first_of("violation_facts", "permit_content", "problem_found")
    if not field:
        return None
    r[field] = r[field] + r.one("，既往史：示例", "，登记表载明确诊示例病", "，血型：示例")
    return field


def _account_of_a_firm(r: Row) -> str | None:
    """An approval that was abolished for firms."""
    if r.feed.kind != "permit" or r.type != ORGANISATION or not r["permit_content"]:
        return None
    r["permit_content"] = "企业基本存款账户开户许可"
    return "permit_content"


SPOILERS: dict[str, tuple[Spoiler, str]] = {
    "mandatory_missing": (_mandatory_missing, "reject"),
    "uscc_check_digit": (_uscc_check_digit, "reject"),
    "uscc_length": (_uscc_length, "reject"),
    "uscc_zeros": (_uscc_zeros, "reject"),
    "uscc_masked": (_uscc_masked, "reject"),
    "columns_swapped": (_columns_swapped, "reject"),
    "uscc_confusable_known": (_uscc_confusable_known, "repair"),
    "uscc_confusable_unknown": (_uscc_confusable_unknown, "reject"),
    "decision_in_future": (_decision_in_future, "reject"),
    "decision_too_old": (_decision_too_old, "reject"),
    "date_unreadable": (_date_unreadable, "reject"),
    "validity_reversed": (_validity_reversed, "reject"),
    "validity_blank": (_validity_blank, "reject"),
    "fine_without_amount": (_fine_without_amount, "reject"),
    "zero_fine": (_zero_fine, "reject"),
    "negative_amount": (_negative_amount, "reject"),
    "amount_text": (_amount_text, "reject"),
    "fine_in_yuan": (_fine_in_yuan, "flag"),
    "amount_without_fine": (_amount_without_fine, "flag"),
    "confiscation_without_amount": (_confiscation_without_amount, "reject"),
    "certificate_unnamed": (_certificate_unnamed, "reject"),
    "too_many_decimals": (_too_many_decimals, "flag"),
    "category_unknown": (_category_unknown, "reject"),
    "legacy_digit_unknown": (_legacy_digit_unknown, "reject"),
    "type_unknown": (_type_unknown, "reject"),
    "status_unknown": (_status_unknown, "reject"),
    "markup_in_name": (_markup_in_name, "reject"),
    "junk_name": (_junk_name, "reject"),
    "junk_document_no": (_junk_document_no, "reject"),
    "one_character_name": (_one_character_name, "reject"),
    "star_in_name": (_star_in_name, "reject"),
    "personal_data_in_text": (_personal_data_in_text, "reject"),
    "replacement_character": (_replacement_character, "reject"),
    "text_too_long": (_text_too_long, "reject"),
    "placeholder_on_company": (_placeholder_on_company, "reject"),
    "placeholder_without_reg_no": (_placeholder_without_reg_no, "reject"),
    "leader_missing": (_leader_missing, "reject"),
    "person_id_missing": (_person_id_missing, "reject"),
    "person_id_check": (_person_id_check, "reject"),
    "person_id_day": (_person_id_day, "reject"),
    "person_id_15": (_person_id_15, "flag"),
    "person_with_code": (_person_with_code, "reject"),
    "authority_code_wrong": (_authority_code_wrong, "reject"),
    "authority_without_power": (_authority_without_power, "flag"),
    "secret_text": (_secret_text, "reject"),
    "outside_catalogue": (_outside_catalogue, "reject"),
    "leader_of_a_person": (_leader_of_a_person, "flag"),
    "org_code_wrong": (_org_code_wrong, "flag"),
    "org_code_for_uscc": (_org_code_for_uscc, "flag"),
    "certificate_no_missing": (_certificate_no_missing, "flag"),
    "supplier_code_missing": (_identity_missing, "flag"),
    "boat_without_code": (_boat_without_code, "flag"),
    "person_role_unknown": (_person_role_unknown, "flag"),
    "address_as_name": (_address_as_name, "flag"),
    "name_of_another": (_name_of_another, "flag"),
    "unit_and_person_in_name": (_unit_and_person, "flag"),
    "severity_missing": (_severity_missing, "flag"),
    "plate_in_text": (_plate_in_text, "flag"),
    "filing_as_permit": (_filing_as_permit, "flag"),
    "decided_before_applied": (_decided_before_applied, "flag"),
    "exit_before_entry": (_exit_before_entry, "flag"),
    "head_office_code": (_head_office_code, "flag"),
    "subject_struck_off": (_subject_struck_off, "flag"),
    "one_party_code_wrong": (_uscc_check_digit, "reject"),
    "code_missing": (_code_missing, "reject"),
    "household_code_on_company": (_household_code_on_company, "flag"),
    "reg_no_wrong": (_reg_no_wrong, "reject"),
    "leader_id_check": (_leader_id_check, "reject"),
    "person_id_type_missing": (_person_id_type_missing, "reject"),
    "authority_unknown": (_authority_unknown, "reject"),
    "source_unit_code_wrong": (_source_unit_code_wrong, "reject"),
    "other_unnamed": (_other_unnamed, "flag"),
    "health_in_text": (_health_in_text, "reject"),
    "account_of_a_firm": (_account_of_a_firm, "flag"),
}

# Faults any department makes now and then; the others are somebody's habit (departments.yml).
_EVERYWHERE = (
    "mandatory_missing",
    "uscc_check_digit",
    "decision_in_future",
    "date_unreadable",
    "junk_name",
    "uscc_length",
    "replacement_character",
    "category_unknown",
    "markup_in_name",
    "decision_too_old",
    "personal_data_in_text",
    "one_character_name",
    "uscc_confusable_known",
    "star_in_name",
    "uscc_zeros",
    "uscc_masked",
    "columns_swapped",
)
_GENERIC = {
    "permit": (
        *_EVERYWHERE,
        "validity_reversed",
        "type_unknown",
        "status_unknown",
        "junk_document_no",
        "text_too_long",
        "placeholder_on_company",
        "placeholder_without_reg_no",
        "leader_missing",
        "person_id_missing",
        "person_id_check",
        "person_id_day",
        "person_with_code",
        "authority_code_wrong",
        "authority_without_power",
        "secret_text",
        "leader_of_a_person",
        "org_code_wrong",
        "name_of_another",
        "uscc_confusable_unknown",
        "validity_blank",
        "code_missing",
        "household_code_on_company",
        "reg_no_wrong",
        "leader_id_check",
        "person_id_type_missing",
        "authority_unknown",
        "source_unit_code_wrong",
        "other_unnamed",
    ),
    "penalty": (
        *_EVERYWHERE,
        "fine_without_amount",
        "validity_reversed",
        "type_unknown",
        "junk_document_no",
        "zero_fine",
        "negative_amount",
        "amount_text",
        "amount_without_fine",
        "confiscation_without_amount",
        "certificate_unnamed",
        "too_many_decimals",
        "placeholder_on_company",
        "leader_missing",
        "person_id_check",
        "person_with_code",
        "authority_code_wrong",
        "authority_without_power",
        "secret_text",
        "outside_catalogue",
        "leader_of_a_person",
        "name_of_another",
        "uscc_confusable_unknown",
        "subject_struck_off",
        "fine_in_yuan",
        "code_missing",
        "household_code_on_company",
        "leader_id_check",
        "person_id_type_missing",
        "authority_unknown",
        "source_unit_code_wrong",
    ),
    "arrears": ("mandatory_missing", "negative_amount", "amount_text", "junk_name", "uscc_check_digit"),
    "list_entry": (*_EVERYWHERE, "exit_before_entry"),
    "abnormal_entry": (*_EVERYWHERE, "exit_before_entry"),
    "approval_case": (
        "mandatory_missing",
        "junk_name",
        "decided_before_applied",
        "uscc_check_digit",
        "person_id_check",
    ),
    "receipt": ("mandatory_missing", "date_unreadable"),
    "return": ("mandatory_missing", "date_unreadable"),
    "decision": ("mandatory_missing", "date_unreadable", "decision_in_future"),
    "zero_declaration": (),
    "registration": ("uscc_check_digit", "junk_name", "markup_in_name", "replacement_character"),
}

# Outside permits and penalties a wrong code or a spoiled name alone does not cost the row: at least it is flagged.
_MILDER = frozenset(
    {
        "uscc_check_digit",
        "uscc_length",
        "uscc_zeros",
        "uscc_confusable_known",
        "uscc_confusable_unknown",
        "person_id_check",
        "person_id_day",
        "person_id_missing",
        "one_party_code_wrong",
        "uscc_masked",
        "columns_swapped",
        "junk_name",
        "markup_in_name",
        "star_in_name",
        "one_character_name",
    }
)


def expected(kind: str, type_: str) -> str:
    """What a gate must do at least with a fault in a kind of record."""
    verdict = SPOILERS[type_][1]
    return "flag" if kind not in DECISIONS and type_ in _MILDER else verdict


def inject(
    planner: Planner, feed: Feed, rows: Rows, rng: np.random.Generator, today: int, blocked: Mask
) -> tuple[list[Fault], dict[int, dict[str, str]]]:
    """Spoil some rows in place; the faults and, by row, what it was before. `blocked` rows are left alone and grow."""
    n = len(rows)
    dept = departments()[feed.dept]
    found: list[Fault] = []
    before: dict[int, dict[str, str]] = {}
    if n < 3 or not _GENERIC.get(feed.kind, _EVERYWHERE):
        return found, before
    for type_ in _wanted(planner, feed, dept, n, rng):
        start = int(rng.integers(0, n))
        for i in ((start + step) % n for step in range(min(n, 400))):
            if blocked[i]:
                continue
            row = Row(rows, i, rng, planner, feed, today)
            old = {name: column[i] for name, column in rows.columns.items()}
            subject = rows.subject[i]
            field = SPOILERS[type_][0](row)
            if field is None:
                continue
            blocked[i] = True
            found.append(Fault(i, type_, field, expected(feed.kind, type_)))
            if rows.subject[i] == subject:
                before[i] = old
            break
    return found, before


def _wanted(planner: Planner, feed: Feed, dept: Department, n: int, rng: np.random.Generator) -> Iterator[str]:
    """The faults for a lot of n rows: habits of the department, what falls to this feed so that every type occurs, chance."""
    for type_, rate in dept.texts["faults"].items():
        if type_ in SPOILERS:
            yield from [type_] * max(int(rng.binomial(n, rate)), 1 if n >= 3 else 0)
    generic = _GENERIC.get(feed.kind, _EVERYWHERE)
    if n >= 20:
        yield from _duties(planner, feed, generic)
    rate = REGISTER_RATE if feed.kind == "registration" else GENERIC_RATE
    count = int(rng.binomial(n, rate))
    if n >= 12 and feed.kind != "registration":
        count = max(count, 1)
    start = int(rng.integers(0, len(generic)))
    yield from (generic[(start + k) % len(generic)] for k in range(count))


def _duties(planner: Planner, feed: Feed, generic: tuple[str, ...]) -> list[str]:
    """Types this feed shows in each of its lots of 20 rows and more; two feeds share each type, by size."""
    if feed.kind not in DECISIONS:
        return []
    sizes = [
        (f, planner.rows_a_year(f))
        for f in planner.feeds
        if f.kind == feed.kind and planner.rows_a_year(f) >= 20 and f.layout == "2018"
    ]
    total = sum(size for _, size in sizes)
    duties = []
    for j, type_ in enumerate(generic):
        for shift in (0.0, 0.37):
            place = ((j + 0.5) / len(generic) + shift) % 1.0 * total
            for f, size in sizes:
                if place < size:
                    if f == feed:
                        duties.append(type_)
                    break
                place -= size
    return duties


def register_faults(
    planner: Planner, feed: Feed, rows: Rows, rng: np.random.Generator, today: int, blocked: Mask
) -> list[Fault]:
    """Spoil the entries of the register that `spoiled_in_register` names, so that other feeds know whom to trust."""
    generic = _GENERIC["registration"]
    found: list[Fault] = []
    for i in np.flatnonzero([spoiled_in_register(int(s)) for s in rows.subject]).tolist():
        type_ = generic[int(rng.integers(0, len(generic)))]
        field = SPOILERS[type_][0](Row(rows, i, rng, planner, feed, today))
        if field is not None:
            blocked[i] = True
            found.append(Fault(i, type_, field, expected(feed.kind, type_)))
    return found


def typed_oddly(rows: Rows, rng: np.random.Generator, blocked: Mask, share: float = 0.02) -> None:
    """Codes in lower case, full width, with blanks or hyphens, and names with stray blanks: right after normalising."""
    mark = np.zeros(len(rows), dtype=bool)
    code_field = "counterparty_uscc" if "counterparty_uscc" in rows.columns else "subject_uscc"
    if code_field not in rows.columns:
        return
    codes = rows.columns[code_field]
    for i in np.flatnonzero(rng.random(len(rows)) < share).tolist():
        code = codes[i]
        if blocked[i] or len(code) != 18 or code == PLACEHOLDER:
            continue
        style = int(rng.integers(0, 5))
        if style == 0 and code.lower() != code:
            codes[i] = code.lower()
        elif style == 1:
            codes[i] = "".join(chr(ord(ch) + 0xFEE0) for ch in code)
        elif style == 2:
            codes[i] = f"{code[:8]}-{code[8:]}"
        elif style == 3:
            codes[i] = f"{code[:2]} {code[2:8]} {code[8:]}"
        else:
            codes[i] = f" {code}　"
        mark[i] = True
    rows.near["code_typed_oddly"] = mark


_WITHDRAWN = frozenset({"permit", "penalty", "list_entry", "abnormal_entry", "honour", "rating"})
_NEVER_CHANGED = frozenset({"registration", "arrears", "zero_declaration", "receipt", "return", "decision", "measure"})


def corrected(column: str, value: str) -> str:
    """Another value than before for a column that a department corrects."""
    if column == "remark":
        return f"{value}（经复核更正）"
    return "基本满意" if value == "满意" else "满意"


def later_changes(
    feed: Feed, rows: Rows, rng: np.random.Generator, upto: int, blocked: Mask, operations: bool
) -> tuple[Rows | None, npt.NDArray[np.int64]]:
    """Corrections, withdrawals, deletions and exits of rows of this lot, to be sent after it, and which rows they are of."""
    n = len(rows)
    none = np.array([], dtype=np.int64)
    if feed.kind in _NEVER_CHANGED or not n:
        return None, none
    drawn = rng.random(n)
    share = 0.25 if feed.kind in ("list_entry", "abnormal_entry") else 0.006
    last = str(days.stamp(np.array([upto]), np.array([64_000]))[0])
    changed = np.flatnonzero((drawn < share) & ~blocked)
    if "decision_date" in rows.columns:
        settled = str(days.text(np.array([upto - 45]), "dash")[0])
        changed = changed[rows.updated[changed] < settled]
    if not len(changed):
        return None, none
    kinds = rng.random(len(changed))
    if feed.kind in ("list_entry", "abnormal_entry"):
        # who is out already cannot leave again: an unchanged copy would be a duplicate that the ledger does not know
        leaves_again = (kinds < 0.9) & (rows.columns["exit_date"][changed] != "")
        changed, kinds = changed[~leaves_again], kinds[~leaves_again]
    copies = rows.take(changed)
    for i in range(len(changed)):
        if feed.kind in ("list_entry", "abnormal_entry") and kinds[i] < 0.9:
            copies.columns["exit_date"][i] = str(days.text(np.array([upto - 3]))[0])
            if feed.kind == "list_entry":
                copies.columns["exit_reason"][i] = "early_exit"
            else:
                copies.columns["exit_document_no"][i] = str(copies.columns["document_no"][i]).replace("异", "移出")
                copies.columns["exit_reason"][i] = "已履行公示义务"
            copies.op[i] = "U" if operations else "I"
        elif kinds[i] < 0.6 or not operations or feed.kind not in _WITHDRAWN:
            column = "remark" if "remark" in copies.columns else "satisfaction"
            copies.columns[column][i] = corrected(column, copies.columns[column][i])
            copies.op[i] = "U" if operations else "I"
        else:
            copies.op[i] = "W" if kinds[i] < 0.97 else "D"
        copies.updated[i] = last
    return copies, changed


def copies_of(
    rows: Rows, rng: np.random.Generator, blocked: Mask, feed: Feed
) -> tuple[Rows | None, list[tuple[int, str]]]:
    """Rows sent twice: the same again (duplicate), or with other content under the same number (flag)."""
    n = len(rows)
    if n < 25 or feed.kind in ("registration", "zero_declaration", "arrears"):
        return None, []
    count = max(int(rng.binomial(n, 0.0015)), 1 if rng.random() < 0.3 else 0)
    free = np.flatnonzero(~blocked)
    if not count or not len(free):
        return None, []
    chosen = np.unique(rng.choice(free, min(count, len(free)), replace=False))
    again = rows.take(chosen)
    notes = []
    for k in range(len(chosen)):
        if k % 2 == 0 or feed.kind not in DECISIONS:
            notes.append((k, "exact_duplicate"))
        else:
            column = "violation_facts" if feed.kind == "penalty" else "permit_content"
            again.columns[column][k] = str(again.columns[column][k]) + "（另案内容）"
            notes.append((k, "same_key_other_content"))
    return again, notes


def reuse_numbers(feed: Feed, rows: Rows, rng: np.random.Generator, rate: float, blocked: Mask) -> list[Fault]:
    """One document number on unrelated decisions about different parties."""
    found: list[Fault] = []
    if feed.kind not in DECISIONS:
        return found
    for i in np.flatnonzero(rng.random(len(rows)) < rate).tolist():
        if i == 0 or blocked[i] or blocked[i - 1] or rows.subject[i] == rows.subject[i - 1]:
            continue
        for column in (
            "decision_document_no",
            f"{feed.kind}_authority_name",
            f"{feed.kind}_authority_uscc",
            "region_code",
        ):
            rows.columns[column][i] = rows.columns[column][i - 1]
        blocked[i] = True
        found.append(Fault(i, "document_no_reused", "decision_document_no", "flag"))
    return found


def extra_cells(rows: Rows, rng: np.random.Generator, blocked: Mask, rate: float = 0.0015) -> list[Fault]:
    """Lines of a csv with a cell too many: everything behind it stands one column to the right. The writer adds the cell."""
    if len(rows) < 20:
        return []
    count = max(int(rng.binomial(len(rows), rate)), 1 if rng.random() < 0.4 else 0)
    free = np.flatnonzero(~blocked)
    chosen = np.unique(rng.choice(free, min(count, len(free)), replace=False)).tolist()
    blocked[chosen] = True
    return [Fault(int(i), "extra_cell", "", "reject") for i in chosen]


def out_of_scope(planner: Planner, feed: Feed, events: Events, rng: np.random.Generator) -> tuple[Events, Mask]:
    """Rows another city or the insurance of persons is meant by: lawful drops, not faults. Also a mask of them."""
    rate = departments()[feed.dept].texts.get("out_of_scope", {}).get(feed.kind, 0.0)
    mask = np.zeros(len(events), dtype=bool)
    if not rate or not len(events):
        return events, mask
    mask = rng.random(len(events)) < rate
    subject = events.subject.copy()
    count = int(mask.sum())
    subject[mask] = (
        ELSEWHERE + rng.integers(0, len(planner.world.other_name), count)
        if feed.dept == "hgj"
        else -1 - rng.integers(0, planner.world.persons, count)
    )
    return replace(events, subject=subject), mask
