"""The credit report of one subject: what each scope sees, what it never sees, and what is written down about the query."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extras import Json

from creditflow.report import ReportRefused, subject
from tests.conftest import Warehouse

AS_OF = date(2026, 11, 20)
USCC, OTHER, HOUSEHOLD, UNKNOWN = "9144051354786809X0", "91440515MA5UBT2722", "92440511MA5EXJ1X7M", "91440500MA5B6YJM2G"
PERSON = "440500199001010015"  # invented
HOSTILE = '</script><script>alert("x")</script>汕头市顽皮贸易有限公司'
FIRM, MERGED, SHOP, QUIET = (f"00000000-0000-0000-0000-00000000000{number}" for number in range(1, 5))

VIEWS = """
create table publish.subject (subject_id uuid, subject_type text, subject_name text, uscc text, org_code text, reg_no text,
    is_registered boolean, entity_type text, entity_status text, registered_on date, deregistered_on date,
    legal_representative_name text, registered_capital_amount numeric, registered_capital_currency text, industry_code text,
    region_name text, registered_address text, merged_into_subject_id uuid, build_no integer);
create table publish.subject_identifier (subject_id uuid, id_type text, id_value text);
create table publish.subject_statement (subject_id uuid, attribute text, stated_value text, department text, record_kind text,
    stated_on date, precedence integer, is_chosen boolean, differs boolean, reason_zh text, reason_en text);
create table publish.credit_report (subject_id uuid, section text, record_kind text, record_id text, decided_on date, department text,
    state text, usage_scope integer, is_public boolean, public_from date, public_until date, objected boolean, content jsonb);
create view publish.build as select build_no, as_of, state, reason, batches, started_at, finished_at, published_at from ops.build;
create table ops.score_dimension (model_version text, dimension text, name_zh text, name_en text, points integer, direction text);
create table ops.score_cap (model_version text, cap_code text, name_zh text, name_en text, max_score integer);
create table ops.score_item_decay (model_version text, item_code text, to_month integer);
create table ops.score_eligibility (model_version text, rule_code text, name_zh text, name_en text);
create table ops.list_rule (list_code text, kind text, name_zh text, name_en text, term_kind text, term_months integer,
    early_exit_after_months integer, valid_from date, valid_to date);
create table ops.list_basis (list_code text, title text, article text, valid_from date, valid_to date);
insert into ops.list_rule values ('SL15', 'serious', '消防安全严重失信', 'fire safety', 'fixed', 36, 12, '2020-01-01');
insert into ops.list_basis values ('SL15', '《测试消防条例》', '第一条', '2020-01-01', null),
    ('SL15', '《已废止条例》', null, '2010-01-01', '2019-12-31');
insert into ops.department (department, name_zh, name_en, tier, importance, external, channel, cadence, expect_by, contact, legal_ground)
    values ('sjgj', '市监局', 'market', 'municipal', 1, false, 'sftp', 'daily', '02:00', '{}', '《测试归集办法》第二条'),
    ('x_credit_office', '信用办', 'credit office', 'external', 99, true, 'manual_upload', 'daily', '02:00',
     '{"phone": "0754-0000-0000"}', null);
create table ops.code_list (list text, value text, text_zh text, text_en text);
insert into ops.score_dimension values ('ecs_v1', 'D1', '守法合规', 'compliance', 350, 'deduct'),
    ('ecs_v1', 'D6', '诚信荣誉', 'honours', 100, 'add');
insert into ops.score_cap values ('ecs_v1', 'V1', '在严重失信主体名单', 'on a serious-dishonesty list', 399);
insert into ops.score_item_decay values ('ecs_v1', 'P_GENERAL', 3), ('ecs_v1', 'P_GENERAL', 12);
insert into ops.build (build_no, as_of, state, code_hash, started_at, published_at)
    values (3, '2026-11-20', 'published', 'x', '2026-11-21T04:00+08', '2026-11-21T05:00+08');
"""


@pytest.fixture
def city(warehouse: Warehouse) -> Warehouse:
    """One firm with everything, one merged into it, one household business, one firm without records."""
    warehouse.query(VIEWS)
    for row in (
        (FIRM, "enterprise", HOSTILE, USCC, "洪*", "汕头市潮阳区海滨路187号", None),
        (MERGED, "enterprise", "汕头市并入有限公司", OTHER, "柯**", "汕头市澄海区中山路321号", FIRM),
        (SHOP, "household_business", "汕头市金平区测试服装店", HOUSEHOLD, "张*", "汕头市金平区某街某号某房", None),
        (QUIET, "enterprise", "汕头市清静有限公司", UNKNOWN, "李*", "汕头市龙湖区", None),
    ):
        warehouse.query(
            "insert into publish.subject (subject_id, subject_type, subject_name, uscc, is_registered, entity_status, registered_on,"
            " legal_representative_name, registered_capital_amount, registered_capital_currency, registered_address,"
            " merged_into_subject_id, build_no) values (%s, %s, %s, %s, true, '存续', '2012-12-18', %s, 30000000, 'CNY', %s, %s, 3)",
            row,
        )
    line(
        warehouse,
        "permits",
        "permit",
        public=True,
        content={
            "decision_document_title": "食品经营许可",
            "decision_document_no": "汕市监许〔2026〕1 号",
            "certificate_name": "食品经营许可证",
            "certificate_no": "JY1",
            "valid_from": "2026-01-01",
            "valid_to": "2026-12-31",
            "permit_authority_name": "汕头市市场监督管理局",
            "permit_content": f"联系人电话 13800000000，证件 {PERSON}",
            "row_no": 4,
            "person_id_no_hash": "ab" * 32,
        },
    )
    line(
        warehouse,
        "inspections",
        "inspection",
        scope=1,
        content={"document_no": "汕查〔2026〕2号", "inspection_item": "消防检查"},
    )
    line(warehouse, "notes", "objection", scope=2, content={"document_no": "汕异〔2026〕3号"})
    line(
        warehouse,
        "memberships",
        "list_membership",
        public=True,
        content={
            "list_code": "SL15",
            "list_name_zh": "消防安全严重失信",
            "list_name_en": "serious fire-safety violators",
            "list_kind": "serious",
            "term_kind": "fixed",
            "is_active": True,
            "entry_reason": "情节严重",
            "authority_name": "汕头市消防救援支队",
            "decision_no": "汕消信列〔2026〕13号",
            "early_exit_from": "2027-02-24",
            "planned_exit_on": "2029-08-24",
        },
    )
    line(
        warehouse,
        "score",
        "score",
        scope=1,
        content={
            "score": 399,
            "grade": "D",
            "national_word": "差",
            "raw_score": 860,
            "cap_codes": "V1",
            "points_by_dimension": {"D1": -40},
            "thin_file": False,
            "contested": True,
            "model_version": "ecs_v1",
            "as_of_date": "2026-11-20",
            "not_rated_reason": None,
        },
    )
    for code, base, factor, applied, capped, day in (
        ("BASE", 900, 1, 900, None, None),
        ("P_GENERAL", -40, 1, -40, None, "2026-11-30"),
        ("CAP", -461, 1, -461, "V1", None),
    ):
        content = {
            "item_code": code,
            "item_name_zh": f"项目{code}",
            "item_name_en": f"item {code}",
            "dimension": None,
            "record_id": None,
            "base_points": base,
            "decay_factor": factor,
            "applied_points": applied,
            "capped_by": capped,
            "model_version": "ecs_v1",
        }
        line(warehouse, "score_explanation", "score_explanation", scope=1, day=day, content=content)
    line(
        warehouse,
        "basics",
        "registration",
        public=True,
        who=SHOP,
        content={
            "registered_address": "汕头市金平区某街某号某房",
            "entity_status": "存续",
            "registration_authority": "汕头市市场监督管理局",
        },
    )
    return warehouse


_serial = iter(range(1, 10_000))


def line(
    warehouse: Warehouse,
    section: str,
    kind: str,
    *,
    content: dict[str, Any],
    scope: int = 0,
    public: bool = False,
    who: str = FIRM,
    day: str | None = "2026-05-12",
) -> None:
    warehouse.query(
        "insert into publish.credit_report values (%s, %s, %s, %s, %s, 'sjgj', 'active', %s, %s, '2026-05-12', null, false, %s)",
        (who, section, kind, f"r{next(_serial)}", day, scope, public, Json(content)),
    )


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def twin(page: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    return found


def test_the_public_sees_only_what_is_public_and_no_score(city: Warehouse) -> None:
    page = subject(city.settings, USCC, AS_OF)
    assert set(twin(page)["sections"]) == {"permits", "memberships"}
    assert "评分与等级" not in text(page)
    assert "汕查" not in text(page)


def test_government_sees_scope_one_and_the_subject_everything(city: Warehouse) -> None:
    government = twin(subject(city.settings, USCC, AS_OF, scope="government"))
    assert "inspections" in government["sections"]
    assert "notes" not in government["sections"]
    own = twin(subject(city.settings, USCC, AS_OF, scope="subject"))
    assert set(own["sections"]) == set(government["sections"]) | {"notes"}


def test_the_explanation_sums_to_the_score(city: Warehouse) -> None:
    page = text(subject(city.settings, USCC, AS_OF, scope="government"))
    explanation = page.split('id="table-explanation"')[1].split("</table>")[0]
    assert "+399" in explanation.split("<tfoot>")[1]
    assert "2027-11-30" in explanation, "a general penalty counts for twelve months"
    assert "399" in page
    assert "在严重失信主体名单，最高 399 分" in page
    assert "有异议正在处理" in page
    assert "310 / 350" in page


def test_lists_say_since_when_until_when_and_how_to_leave(city: Warehouse) -> None:
    page = text(subject(city.settings, USCC, AS_OF))
    for expected in ("消防安全严重失信", "汕消信列〔2026〕13号", "2029-08-24", "2027-02-24 起可向认定单位申请"):
        assert expected in page


def test_every_list_has_its_basis_in_law_of_the_day(city: Warehouse) -> None:
    page = text(subject(city.settings, USCC, AS_OF))
    assert "《测试消防条例》 第一条" in page
    assert "已废止条例" not in page


def test_a_record_says_who_supplied_it_on_what_ground_and_whom_to_call(city: Warehouse) -> None:
    page = text(subject(city.settings, USCC, AS_OF))
    assert "《测试归集办法》第二条" in page
    assert "电话 0754-0000-0000" in page


def test_states_and_severity_are_told_in_words_however_long_the_record(city: Warehouse) -> None:
    names = (
        "violation_type",
        "violation_facts",
        "penalty_basis",
        "penalty_category",
        "penalty_content",
        "penalty_valid_to",
    )
    long = dict.fromkeys((*names, "fine_amount_wan", "remark"), "甲")
    line(
        city,
        "penalties",
        "penalty",
        public=True,
        content=long | {"severity": "general", "penalty_authority_uscc": OTHER},
    )
    city.query("update publish.credit_report set state = 'expired' where section = 'penalties'")
    table = text(subject(city.settings, USCC, AS_OF)).split('id="table-penalties"')[1].split("</table>")[0]
    assert "公示期满" in table
    assert "一般" in table
    assert ">expired<" not in table
    assert table.count(">失信严重程度<") == 1
    assert OTHER not in table


def test_licences_ending_within_ninety_days_are_marked(city: Warehouse) -> None:
    assert "41 天后到期" in text(subject(city.settings, USCC, AS_OF))


def test_no_personal_number_and_no_running_script(city: Warehouse) -> None:
    for scope in ("public", "government", "subject"):
        page = subject(city.settings, USCC, AS_OF, scope=scope)  # type: ignore[arg-type]
        for content in (text(page), json.dumps(twin(page), ensure_ascii=False)):
            assert PERSON not in content
            assert "13800000000" not in content
            assert "ab" * 32 not in content
        assert '<script>alert("x")' not in text(page)
        assert "&lt;script&gt;" in text(page)


def test_the_address_of_a_household_business_is_not_public(city: Warehouse) -> None:
    public = subject(city.settings, HOUSEHOLD, AS_OF)
    assert "某街某号" not in text(public) + json.dumps(twin(public), ensure_ascii=False)
    assert "某街某号" in text(subject(city.settings, HOUSEHOLD, AS_OF, scope="government"))


def said(
    warehouse: Warehouse, value: str, kind: str, *, chosen: bool = False, attribute: str = "legal_representative_name"
) -> None:
    warehouse.query(
        "insert into publish.subject_statement values (%s, %s, %s, 'sjgj', %s, '2026-05-12', 10, %s, %s, '登记优先', 'register first')",
        (FIRM, attribute, value, kind, chosen, not chosen),
    )


def test_the_legal_representative_of_the_register_stands_in_full_in_every_scope(city: Warehouse) -> None:
    said(city, "洪测试", "registration", chosen=True)
    for scope in ("public", "government", "subject"):
        page = subject(city.settings, USCC, AS_OF, scope=scope)  # type: ignore[arg-type]
        assert "洪测试" in text(page)
        assert twin(page)["subject"]["legal_representative_name"] == "洪测试"


def test_a_name_that_no_register_says_is_masked_for_the_public(city: Warehouse) -> None:
    said(city, "洪测试", "permit", chosen=True)
    public = subject(city.settings, USCC, AS_OF)
    assert "洪测试" not in text(public) + json.dumps(twin(public), ensure_ascii=False)
    assert twin(public)["subject"]["legal_representative_name"] == "洪*"
    assert "洪测试" in text(subject(city.settings, USCC, AS_OF, scope="government"))


def test_where_sources_disagree_government_and_the_subject_see_who_says_what_and_why(city: Warehouse) -> None:
    said(city, "洪测试", "registration", chosen=True)
    said(city, "柯测试", "penalty")
    public = subject(city.settings, USCC, AS_OF)
    assert "柯测试" not in text(public) + json.dumps(twin(public), ensure_ascii=False)
    for scope in ("government", "subject"):
        page = subject(city.settings, USCC, AS_OF, scope=scope)  # type: ignore[arg-type]
        table = text(page).split('id="table-statements"')[1].split("</table>")[0]
        assert "洪测试" in table
        assert "柯测试" in table
        assert "登记优先" in table
        assert [item["stated_value"] for item in twin(page)["statements"]] == ["洪测试", "柯测试"]


def test_sources_that_agree_need_no_table(city: Warehouse) -> None:
    said(city, "洪测试", "registration", chosen=True)
    assert "table-statements" not in text(subject(city.settings, USCC, AS_OF, scope="government"))


def test_a_subject_without_records_is_told_so_kindly(city: Warehouse) -> None:
    assert "没有记录不是不良记录" in text(subject(city.settings, UNKNOWN, AS_OF))


def test_a_merged_subject_leads_to_the_one_it_became(city: Warehouse) -> None:
    page = subject(city.settings, OTHER, AS_OF)
    assert twin(page)["subject"]["uscc"] == USCC
    assert "已并入本主体" in text(page)


@pytest.mark.parametrize(
    "typed", [" 9144051354786809x0 ", "9144 0513 5478 6809 X0", "９１４４０５１３５４７８６８０９Ｘ０"]
)
def test_a_code_is_found_however_it_is_typed(city: Warehouse, typed: str) -> None:
    assert subject(city.settings, typed, AS_OF).name.startswith(USCC)


def test_a_code_that_fails_its_check_and_one_nobody_has_are_told_apart(city: Warehouse) -> None:
    with pytest.raises(ReportRefused, match="校验不通过"):
        subject(city.settings, "9144051354786809X1", AS_OF)
    with pytest.raises(ReportRefused, match="没有代码为"):
        subject(city.settings, "91110000802100433B", AS_OF)


def test_a_persons_number_is_refused_and_never_repeated(city: Warehouse) -> None:
    with pytest.raises(ReportRefused) as refusal:
        subject(city.settings, PERSON, AS_OF)
    assert PERSON not in str(refusal.value)
    assert city.query("select uscc, outcome from ops.query_log") == [("***", "bad_code")]


def test_every_query_is_logged_with_who_and_why(city: Warehouse) -> None:
    page = subject(
        city.settings,
        USCC,
        AS_OF,
        scope="government",
        purpose="招标资格审查",
        asked_by="zjj",
        authorisation="授权〔2026〕1号",
    )
    logged = city.query(
        "select asked_by, authorisation, purpose, scope, uscc, outcome, result_count, build_no, model_version, report_no"
        " from ops.query_log"
    )
    assert logged == [
        ("zjj", "授权〔2026〕1号", "招标资格审查", "government", USCC, "found", 7, 3, "ecs_v1", twin(page)["report_no"])
    ]


def test_the_same_question_has_the_same_number_and_bytes(city: Warehouse) -> None:
    page = subject(city.settings, USCC, AS_OF)
    first = text(page)
    assert text(subject(city.settings, USCC, AS_OF)) == first
    assert twin(subject(city.settings, USCC, AS_OF, purpose="另一用途"))["report_no"] not in first


def test_before_the_first_build_there_is_no_report(city: Warehouse) -> None:
    with pytest.raises(ReportRefused, match="没有已发布的构建"):
        subject(city.settings, USCC, date(2026, 11, 1))


def test_an_unknown_scope_is_a_mistake_of_the_caller(city: Warehouse) -> None:
    with pytest.raises(ValueError, match="scope must be one of"):
        subject(city.settings, USCC, AS_OF, scope="everybody")  # type: ignore[arg-type]
