"""The whole way with the real gate: deliver faults, take the return workbook, correct it, drop it, see the issues closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from creditflow.quality import gate
from creditflow.quality.indicators import refresh_indicators
from creditflow.quality.issues import sweep_issues
from creditflow.quality.returns import write_returns
from tests.integration.test_returns import DAY, NEXT, PERSON, House, sheet


def night(house: House, path: Path, day: Any) -> None:
    """Deliver, judge, sweep, return, sweep, measure: what a night does."""
    batch = house.drop(path, day)
    gate(house.settings, house.registry, [batch])
    sweep_issues(house.settings, house.registry, day)
    write_returns(house.settings, house.registry, day)
    sweep_issues(house.settings, house.registry, day)
    refresh_indicators(house.settings, house.registry, day)


def test_what_a_department_corrects_in_its_workbook_closes_its_issues_and_moves_its_figures(
    warehouse: Any, tmp_path: Path
) -> None:
    house = House(warehouse)
    person = {
        "counterparty_type": "自然人",
        "counterparty_name": "测试乙",
        "counterparty_uscc": "",
        "legal_representative_name": "",
        "person_id_type": "身份证",
        "person_id_no": PERSON,
    }
    permits = [house.permit(number) for number in range(1, 21)]
    permits[3]["counterparty_uscc"] = "91440500MA4X022960"
    permits[5]["permit_category"] = "=1+1"
    permits[7]["decision_date"] = "2026/13/09"
    permits[7]["permit_category"] = "普 通x"
    permits[7]["permit_authority_uscc"] = "11440500MA4X0003X1"
    permits[9] = house.permit(10, permit_content="", **person)
    night(house, house.permits(tmp_path / "a.csv", permits), DAY)
    issues = "select state, closed_on, count(*) from quality.issue where scope = 'row' group by 1, 2"
    ((_, _, opened),) = house.query(issues)
    assert house.query(
        "select bool_and(state = 'returned'), bool_and(due_on = '2026-11-19') from quality.issue where scope = 'row'"
    ) == [(True, True)]

    (workbook,) = (house.settings.home / "returns" / "kjj").rglob("*.xlsx")
    book, rows, at = sheet(workbook)
    office = house.registry.departments["kjj"].authority_uscc
    mended = {
        ("5", "行政相对人代码_1(统一社会信用代码)"): "91440500MA4X022965",
        ("7", "许可类别"): "普通",
        ("9", "许可决定日期"): "2026/11/09",
        ("9", "许可类别"): "普通",
        ("9", "许可机关统一社会信用代码"): office,
        ("11", "许可内容"): "同意",
    }
    lines = rows.max_row - 1
    told = {
        (rows.cell(line, at["退回行号"]).value, rows.cell(line, at["问题字段"]).value) for line in range(2, lines + 2)
    }
    assert told >= set(mended), "every fault has its line"
    for line in range(2, lines + 2):
        place = (rows.cell(line, at["退回行号"]).value, rows.cell(line, at["问题字段"]).value)
        if place in mended:
            rows.cell(line, at[place[1]]).value = mended[place]
    corrected = tmp_path / "更正.xlsx"
    book.save(corrected)
    night(house, corrected, NEXT)

    assert house.query("select rows_read, rows_accepted, state from ops.batch where as_of = %s", (NEXT,)) == [
        (4, 4, "accepted")
    ]
    assert house.query(issues) == [("closed", NEXT, opened)]
    assert house.query("select message_zh from quality.incident where rule_id = 'INTAKE-ANSWER-LINES'") == [
        (f"退回表 {lines} 行按退回行号合并为 4 条记录",)
    ]
    assert house.query("select distinct person_id_no_check from landing.permit where counterparty_type = '自然人'") == [
        ("ok",)
    ]
    figures = "select as_of, validity::float, completeness::float, codes_wrong from quality.department_day"
    assert house.query(f"{figures} where department = 'kjj' order by 1") == [
        (DAY, 0.8, 0.95, 1),
        (NEXT, 1.0, 1.0, 0),
    ]
    night_again = house.query("select to_jsonb(i) from quality.issue i order by issue_id")
    sweep_issues(house.settings, house.registry, NEXT)
    assert house.query("select to_jsonb(i) from quality.issue i order by issue_id") == night_again


def test_rows_that_cannot_be_taken_are_refused_one_by_one_and_the_rest_closes_its_issues(
    warehouse: Any, tmp_path: Path
) -> None:
    """Contradicting lines, an unknown row, another department's row, a row that was never returned, a column added."""
    house = House(warehouse)
    permits = [house.permit(number) for number in range(1, 31)]
    permits[1].update(permit_category="x", decision_date="2026/13/09")
    permits[2].update(permit_category="x", decision_date="2026/13/09")
    permits[3].update(permit_category="x")
    permits[4].update(permit_category="x")
    permits[5].update(permit_category="x")
    night(house, house.permits(tmp_path / "a.csv", permits), DAY)
    (workbook,) = (house.settings.home / "returns" / "kjj").rglob("*.xlsx")
    book, rows, at = sheet(workbook)
    other = house.drop(house.permits(tmp_path / "b.csv", [house.permit(99, permit_category="y")]), department="gxj")
    rows.cell(1, rows.max_column + 1).value = "科室意见"
    own = rows.max_row
    first: dict[str, int] = {}
    for line in range(2, own + 1):
        row_no = rows.cell(line, at["退回行号"]).value
        again = row_no in first
        first.setdefault(row_no, line)
        rows.cell(line, at["许可类别"]).value = "特许" if row_no == "3" and again else "普通"
        rows.cell(line, at["许可决定日期"]).value = "2026/11/09"
        rows.cell(line, rows.max_column).value = "" if again else "已核"
    rows.cell(first["5"], at["退回行号"]).value = "77"
    rows.cell(first["6"], at["退回批次"]).value = other
    added = own + 1
    for column in at.values():
        rows.cell(added, column).value = rows.cell(first["4"], column).value
    rows.cell(added, at["退回批次"]).value = None
    rows.cell(
        added, at[house.registry.kinds["permit"].by_name["decision_document_no"].zh]
    ).value = "汕科许〔2026〕500号"
    corrected = tmp_path / "更正.xlsx"
    book.save(corrected)
    night(house, corrected, NEXT)

    refused = "select row_no, rule_ids from quality.row_verdict where batch_id like '%%-20261117-%%' and verdict = 'rejected' order by 1"
    found = dict(house.query(refused))
    one, two = (line for line in range(2, own + 1) if rows.cell(line, at["退回行号"]).value == "3")
    assert {
        row: [rule.removeprefix("PERMIT-") for rule in rules if "RETURNED" in rule] for row, rules in found.items()
    } == {
        one: ["RETURNED-ONE"],
        two: ["RETURNED-ONE"],
        first["5"]: ["RETURNED"],
        first["6"]: ["RETURNED"],
        added: ["RETURNED"],
    }
    assert house.query("select count(*) from landing.permit where batch_id like '%%-20261117-%%'") == [(2,)]
    closed = house.query(
        "select distinct row_no from quality.issue where scope = 'row' and state = 'closed' order by 1"
    )
    assert closed == [(4,), (7,)]
    again = next(
        path for path in (house.settings.home / "returns" / "kjj").rglob("*.xlsx") if "2026-11-17" in str(path)
    )
    _, second, names = sheet(again)
    reasons = {second.cell(line, names["问题说明"]).value for line in range(2, second.max_row + 1)}
    assert "退回表中同一记录各行的更正互相矛盾：许可类别" in reasons
