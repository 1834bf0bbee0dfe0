"""Worked values of the domain pages, judged by the rules as they stand (page 01 section 6, page 02 section 6, page 11)."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from creditflow.quality.checks import CHECKS, Row
from creditflow.quality.rulebook import load_lists
from creditflow.registry import Registry
from tests.quality.world import Gatehouse

PROJECT = Path(__file__).resolve().parents[2]
VECTORS = list(csv.DictReader((PROJECT / "tests" / "data" / "identifier_test_vectors.csv").open(encoding="utf-8")))


def says(house: Gatehouse, registry: Registry, check: str, row: dict[str, Any], **parameters: Any) -> bool | None:
    """What one check says of one penalty row with these values."""
    kind = registry.kinds["penalty"]
    context = Row(kind, received="date '2026-11-20'", lists=load_lists(PROJECT))
    expression = CHECKS[check].model_validate(parameters).sql(context)
    values = ", ".join(
        f"%({name})s::text as {name}"
        for column in kind.columns
        for name in ([f"{column.name}_check"] if column.type == "person_id" else [column.name])
    )
    source = "".join(f", {sql} as {name}" for name, sql in context.source.items()).replace("%", "%%")
    statement = f"select {expression.replace('%', '%%')} from (select 1 as row_no{source} from (select {values}) r) w"
    filled = {
        name: row.get(name) for name in [c.name for c in kind.columns] + [f"{c.name}_check" for c in kind.columns]
    }
    import psycopg2

    conn = psycopg2.connect(house.settings.warehouse_url)
    try:
        with conn.cursor() as cursor:
            cursor.execute(statement, filled)
            answer: bool | None = cursor.fetchall()[0][0]
            return answer
    finally:
        conn.close()


COLUMN = {"uscc": "counterparty_uscc", "org_code": "counterparty_org_code", "reg_no": "counterparty_reg_no"}


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["kind"] in COLUMN], ids=lambda v: v["value"])
def test_identifier_vectors(gatehouse: Gatehouse, registry: Registry, vector: dict[str, str]) -> None:
    column = COLUMN[vector["kind"]]
    assert says(gatehouse, registry, vector["kind"], {column: vector["value"]}, column=column) is (
        vector["valid"] == "true"
    )


@pytest.mark.parametrize(
    ("text", "width_ok"),
    [("张三", True), ("某某公司", True), ("张", False), ("AB", False), ("ABC", True), ("空", False), ("无", False),
     ("a/b公司", False), ("测*公司", False), ("NULL", False), ("Test", False), ("公司test1", False), ("CONTEST公司", True),
     ("安能(nullify)公司", True), ("null公司", False)],
)  # fmt: skip
def test_names_follow_r02(gatehouse: Gatehouse, registry: Registry, text: str, width_ok: bool) -> None:
    answer = says(gatehouse, registry, "clean_text", {"counterparty_name": text}, column="counterparty_name")
    assert answer is width_ok


@pytest.mark.parametrize("text", ["2026/11/02", "2026-11-02", "20261102", "2026年11月2日", "46328"])
def test_dates_follow_r06(gatehouse: Gatehouse, registry: Registry, text: str) -> None:
    assert says(gatehouse, registry, "date", {"decision_date": text}, column="decision_date") is True


@pytest.mark.parametrize("text", ["2026/02/29", "2026/13/01", "昨天", "11/02", "2026"])
def test_what_is_no_date_is_refused(gatehouse: Gatehouse, registry: Registry, text: str) -> None:
    assert says(gatehouse, registry, "date", {"decision_date": text}, column="decision_date") is False


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1949-10-01", True),
        ("1949-09-30", False),
        ("2026/11/20", True),
        ("2026/11/21", False),
        ("", None),
        ("??", None),
    ],
)
def test_decision_dates_follow_r07(gatehouse: Gatehouse, registry: Registry, text: str, answer: bool | None) -> None:
    assert says(gatehouse, registry, "date_range", {"decision_date": text}, column="decision_date") is answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [("0", True), ("0.000001", True), ("-1", False), ("一万", False), ("1,200.5", True)],
)
def test_amounts_follow_r10(gatehouse: Gatehouse, registry: Registry, text: str, answer: bool) -> None:
    assert says(gatehouse, registry, "amount", {"fine_amount_wan": text}, column="fine_amount_wan") is answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("罚款", True),
        ("警告;罚款", True),
        ("警告、没收违法所得", True),
        ("警告,罚金", False),
        ("其他-责令改正", True),
        ("其他", True),
        ("1", False),
    ],
)
def test_penalty_kinds_are_one_or_several_of_the_list(
    gatehouse: Gatehouse, registry: Registry, text: str, answer: bool
) -> None:
    parameters = {"column": "penalty_category", "list": "penalty_category", "multiple": True, "detail": True}
    assert says(gatehouse, registry, "code_list", {"penalty_category": text}, **parameters) is answer


PERSONAL = [
    ("身份证 440507199003070018", "resident_id"),
    ("编号44050719900307001８", "resident_id"),
    ("号码：440507 19900307 0018。", "resident_id"),
    ("身份证号码为440524660501008", "resident_id"),
    ("电话13900000000", "mobile"),
    ("手机 139-0000-0000", "mobile"),
    ("+86 13900000000", "mobile"),
    ("卡号6222000000000000", None),
    ("卡号4111111111111111", "bank_card"),
    ("卡号 4111 1111 1111 1111", "bank_card"),
    ("座机0754-88123456", None),
    ("统一社会信用代码914403001922038216", None),
    ("注册号440507600123459", None),
    ("文号440507202611209999", None),
    ("2026-01-01 2026-12-31 期间", None),
    ("许可证 JY24405130012345", None),
    ("面积12345678901.5平方米", None),
    (None, None),
]


@pytest.mark.parametrize(("text", "found"), PERSONAL)
def test_personal_numbers_in_free_text(gatehouse: Gatehouse, text: str | None, found: str | None) -> None:
    assert gatehouse.query("select quality.personal_data(%s)", text) == [(found,)]


@pytest.mark.parametrize(
    ("text", "answer"),
    [("罚款50,000元", False), ("罚款50000元整", False), ("罚款5万元", None), ("罚款500元", True), ("警告", None)],
)
def test_yuan_sent_as_wan_is_caught_by_the_decisions_own_text(
    gatehouse: Gatehouse, registry: Registry, text: str, answer: bool | None
) -> None:
    row = {"fine_amount_wan": "50000", "penalty_content": text}
    parameters = {"column": "fine_amount_wan", "text_column": "penalty_content"}
    assert says(gatehouse, registry, "yuan_in_text", row, **parameters) is answer
