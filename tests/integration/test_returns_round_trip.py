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
    permits[9] = house.permit(10, permit_content="", **person)
    night(house, house.permits(tmp_path / "a.csv", permits), DAY)
    assert house.query(
        "select count(*), bool_and(state = 'returned'), bool_and(due_on = '2026-11-19') from quality.issue where scope = 'row'"
    ) == [(4, True, True)]

    (workbook,) = (house.settings.home / "returns" / "kjj").rglob("*.xlsx")
    book, rows, at = sheet(workbook)
    mended = {
        "5": ("行政相对人代码_1(统一社会信用代码)", "91440500MA4X022965"),
        "7": ("许可类别", "普通"),
        "9": ("许可决定日期", "2026/11/09"),
        "11": ("许可内容", "同意"),
    }
    for line in range(2, rows.max_row + 1):
        heading, value = mended[rows.cell(line, at["退回行号"]).value]
        rows.cell(line, at[heading]).value = value
    corrected = tmp_path / "更正.xlsx"
    book.save(corrected)
    night(house, corrected, NEXT)

    assert house.query("select rows_read, rows_accepted, state from ops.batch where as_of = %s", (NEXT,)) == [
        (4, 4, "accepted")
    ]
    assert house.query("select state, closed_on, count(*) from quality.issue where scope = 'row' group by 1, 2") == [
        ("closed", NEXT, 4)
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
