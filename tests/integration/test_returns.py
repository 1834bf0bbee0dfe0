"""A department gets its own faulty rows back, can mend them without asking, and what returns closes the issues."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from creditflow.identity.persons import PersonKeys
from creditflow.ingest import drop
from creditflow.landing import ensure_tables
from creditflow.ops.database import transaction
from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.quality.issues import sweep_issues
from creditflow.quality.returned import shown_value
from creditflow.quality.returns import ANSWER_FAULTS, answer_faults_sql, own_rows, write_returns
from creditflow.readers import read
from creditflow.registry import Registry, load
from tests.issue_world import DAY

NEXT = DAY + dt.timedelta(days=1)
PERSON = "440508199001010018"
"""A number made up for this test; its check digit fits."""

HOSTILE = ["=1+1", "+8", "-5", "@SUM(A1)", "\t=1", '=HYPERLINK("http://example.invalid","x")', "'quoted", "|cmd"]


class House:
    """A warehouse with registry and landing tables."""

    def __init__(self, warehouse: Any) -> None:
        self.settings, self.query = warehouse.settings, warehouse.query
        migrate(self.settings)
        self.registry: Registry = load(self.settings.project)
        sync_registry(self.settings, self.registry)
        with transaction(self.settings, "tables") as conn:
            ensure_tables(conn, self.registry)

    def permits(self, path: Path, rows: list[dict[str, str]]) -> Path:
        """A CSV of permits of kjj under Chinese headings."""
        kind = self.registry.kinds["permit"]
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow([column.zh for column in kind.columns])
            writer.writerows([[row.get(column.name, "") for column in kind.columns] for row in rows])
        return path

    def permit(self, number: int, **changes: str) -> dict[str, str]:
        """A permit without fault."""
        office = self.registry.departments["kjj"]
        return {
            "counterparty_name": "汕头市假想五金有限公司",
            "counterparty_type": "法人及非法人组织",
            "counterparty_uscc": "91440500MA4X022965",
            "legal_representative_name": "测试甲",
            "decision_document_title": "准予行政许可决定书",
            "decision_document_no": f"汕科许〔2026〕{number}号",
            "permit_category": "普通",
            "certificate_name": "测试许可证",
            "certificate_no": f"粤测{number}",
            "permit_content": "同意",
            "decision_date": "2026/11/09",
            "valid_from": "2026/11/09",
            "valid_to": "2031/11/08",
            "permit_authority_name": office.name_zh,
            "permit_authority_uscc": office.authority_uscc,
            "record_status": "1",
            "source_unit_name": office.name_zh,
            "source_unit_uscc": office.authority_uscc,
            **changes,
        }

    def drop(self, path: Path, day: dt.date = DAY, department: str = "kjj") -> str:
        """Deliver by hand; the batch id."""
        (batch,) = drop(self.settings, self.registry, department, "permit", [path], day)
        return batch.batch_id

    def judge(self, batch_id: str, faults: dict[int, list[str]], rows: int) -> None:
        """What the gate writes, without the gate."""
        for rule in {rule for rules in faults.values() for rule in rules}:
            self.query("insert into quality.rule_result values (%s, %s, 'reject', %s, 1)", (batch_id, rule, rows))
        for row_no, rules in faults.items():
            self.query(
                "insert into quality.row_verdict (batch_id, row_no, verdict, rule_ids) values (%s, %s, 'rejected', %s)",
                (batch_id, row_no, rules),
            )
        self.query(
            "update ops.batch set state = 'partly_accepted', rows_accepted = rows_read - %s, rows_rejected = %s where batch_id = %s",
            (len(faults), len(faults), batch_id),
        )

    def returned(self, day: dt.date = DAY) -> tuple[Path, Any]:
        """The one workbook written for a day, and its JSON twin."""
        workbook, twin = write_returns(self.settings, self.registry, day)
        return workbook, json.loads(twin.read_text(encoding="utf-8"))


@pytest.fixture
def house(warehouse: Any) -> House:
    return House(warehouse)


def sheet(path: Path) -> tuple[Any, Any, dict[str, int]]:
    """(workbook, the sheet of rows, column of each heading)."""
    book = openpyxl.load_workbook(path)
    rows = book["退回明细"]
    return book, rows, {cell.value: cell.column for cell in rows[1]}


def test_a_fault_goes_back_with_the_departments_own_row_marked_explained_and_dated(
    house: House, tmp_path: Path
) -> None:
    batch = house.drop(house.permits(tmp_path / "a.csv", [house.permit(1), house.permit(2, permit_category="普 通x")]))
    house.judge(batch, {3: ["PERMIT-LIST-PERMIT_CATEGORY"]}, 2)
    workbook, twin = house.returned()
    assert workbook == house.settings.home / "returns" / "kjj" / "2026-11-16" / f"{batch}.xlsx"
    book, rows, at = sheet(workbook)
    assert book.sheetnames == ["汇总", "退回明细", "代码表"]
    assert rows.max_row == 2
    cell = rows.cell(2, at["许可类别"])
    assert (cell.value, cell.fill.fgColor.rgb) == ("普 通x", "FFFFD9D9")
    assert "代码表" in cell.comment.text
    assert rows.cell(2, at["许可内容"]).fill.fgColor.rgb != "FFFFD9D9"
    told = [rows.cell(2, at[name]).value for name in ("退回批次", "退回行号", "规则编号", "问题字段", "整改期限")]
    assert told == [batch, "3", "PERMIT-LIST-PERMIT_CATEGORY", "许可类别", "2026-11-19"]
    lists = {str(item.sqref): item.formula1 for item in rows.data_validations.dataValidation}
    place = f"{rows.cell(1, at['许可类别']).column_letter}2"
    letter = lists[place].split("$")[1]
    assert [book["代码表"][f"{letter}{line}"].value for line in range(2, 8)] == [
        "普通",
        "特许",
        "认可",
        "核准",
        "登记",
        "其他",
    ]
    (fault,) = twin["faults"]
    assert (fault["row_no"], fault["due_at"], fault["values"]["permit_category"]) == (3, "2026-11-19", "普 通x")
    assert (fault["field_code"], fault["message_zh"]) == ("XK_XKLB", "许可类别不在代码表中")


def test_each_fault_of_a_row_has_a_line_of_its_own(house: House, tmp_path: Path) -> None:
    batch = house.drop(house.permits(tmp_path / "a.csv", [house.permit(1, permit_category="x", valid_to="")]))
    house.judge(batch, {2: ["PERMIT-LIST-PERMIT_CATEGORY", "PERMIT-R01-VALID_TO"]}, 1)
    workbook, twin = house.returned()
    _, rows, at = sheet(workbook)
    told = [
        [rows.cell(line, at[name]).value for name in ("退回序号", "退回行号", "规则编号", "问题字段", "许可类别")]
        for line in range(2, rows.max_row + 1)
    ]
    assert told == [
        ["1-1", "2", "PERMIT-LIST-PERMIT_CATEGORY", "许可类别", "x"],
        ["1-2", "2", "PERMIT-R01-VALID_TO", "有效期至", "x"],
    ]
    red = [
        [
            name
            for name in ("许可类别", "有效期至", "许可内容")
            if rows.cell(line, at[name]).fill.fgColor.rgb == "FFFFD9D9"
        ]
        for line in (2, 3)
    ]
    assert red == [["许可类别"], ["有效期至"]], "each line marks its own field"
    assert rows.column_dimensions[rows.cell(1, at["核对码"]).column_letter].hidden
    assert [(fault["row_no"], fault["field"]) for fault in twin["faults"]] == [(2, "permit_category"), (2, "valid_to")]


def test_hostile_text_is_text_for_a_spreadsheet_and_unchanged_for_a_reader(house: House, tmp_path: Path) -> None:
    rows = [house.permit(number, remark=text) for number, text in enumerate(HOSTILE, 1)]
    batch = house.drop(house.permits(tmp_path / "a.csv", rows))
    house.judge(
        batch, {number + 1: ["PERMIT-LIST-PERMIT_CATEGORY"] for number in range(1, len(HOSTILE) + 1)}, len(rows)
    )
    workbook, _ = house.returned()
    _, written, at = sheet(workbook)
    cells = [written.cell(line, at["备注"]) for line in range(2, len(HOSTILE) + 2)]
    assert [cell.data_type for cell in cells] == ["s"] * len(HOSTILE), "no cell is a formula"
    assert all(cell.quotePrefix for cell in cells if cell.value.strip()[0] in "=+-@|"), "an edited cell stays text"
    feed = house.registry.feed("kjj", "permit")
    (section,) = list(read(io.BytesIO(workbook.read_bytes()), feed, "xlsx", None))
    found = [row[section.headings.targets.index("remark")] for _, row in section.rows]
    assert [text.strip() for text in found] == [text.strip() for text in HOSTILE]


def test_personal_numbers_go_back_enciphered_and_mean_the_same_number(house: House, tmp_path: Path) -> None:
    person = {
        "counterparty_type": "自然人",
        "counterparty_name": "测试乙",
        "counterparty_uscc": "",
        "legal_representative_name": "",
        "person_id_type": "身份证",
        "person_id_no": PERSON,
    }
    batch = house.drop(
        house.permits(tmp_path / "a.csv", [house.permit(1, permit_category="x", **person), house.permit(2, **person)])
    )
    house.judge(batch, {2: ["PERMIT-LIST-PERMIT_CATEGORY"], 3: ["PERMIT-R05-PERSON"]}, 2)
    workbook, twin = house.returned()
    _, rows, at = sheet(workbook)
    shown, asked = (rows.cell(line, at["证件号码"]) for line in (2, 3))
    assert PERSON not in workbook.read_bytes().decode("latin-1") + json.dumps(twin, ensure_ascii=False)
    assert "******" in shown.number_format
    keys = house.settings.keys()
    protect = PersonKeys(keys.hmac, keys.cipher, keys.key_id)
    assert protect.protect(shown.value, "身份证").hash == protect.protect(PERSON, "身份证").hash
    assert (asked.value or "", asked.fill.fgColor.rgb) == ("", "FFFFD9D9"), "a number at fault is asked for again"
    assert twin["faults"][0]["values"]["person_id_no"] == "******"


def test_numbers_hidden_in_other_columns_do_not_go_back_in_clear(house: House) -> None:
    keys = house.settings.keys()
    protect = PersonKeys(keys.hmac, keys.cipher, keys.key_id)
    column = house.registry.kinds["permit"].by_name
    assert shown_value(column["counterparty_uscc"], PERSON, protect, at_fault=False) == ("", True)
    wrong = PERSON[:-1] + "0"
    assert shown_value(column["counterparty_uscc"], wrong, protect, at_fault=True) == ("", True), (
        "in doubt it is a person"
    )
    assert shown_value(column["counterparty_uscc"], "91440500MA4X022965", protect, at_fault=False) == (
        "91440500MA4X022965",
        False,
    )
    assert shown_value(column["permit_content"], f"{PERSON}准予", protect, at_fault=False)[0] == "***准予"


def test_writing_again_gives_the_same_bytes_and_a_later_day_writes_nothing_again(house: House, tmp_path: Path) -> None:
    batch = house.drop(house.permits(tmp_path / "a.csv", [house.permit(1, permit_category="x")]))
    house.judge(batch, {2: ["PERMIT-LIST-PERMIT_CATEGORY"]}, 1)
    first = [path.read_bytes() for path in write_returns(house.settings, house.registry, DAY)]
    assert [path.read_bytes() for path in write_returns(house.settings, house.registry, DAY)] == first
    assert write_returns(house.settings, house.registry, NEXT) == []
    assert house.query("select rows_returned, faults, workbook from quality.return_file") == [
        (1, 1, f"kjj/2026-11-16/{batch}.xlsx")
    ]
    sweep_issues(house.settings, house.registry, DAY)
    assert house.query("select state, returned_on from quality.issue where scope = 'row'") == [("returned", DAY)]


def test_a_held_delivery_goes_back_with_its_reasons_only(house: House, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("许可内容,备注\n同意,无\n", encoding="utf-8")
    batch = house.drop(path)
    (reason,) = house.query("select reasons->0->>'zh' from ops.batch where batch_id = %s and state = 'held'", (batch,))[
        0
    ]
    workbook, twin = house.returned()
    book = openpyxl.load_workbook(workbook)
    assert book.sheetnames == ["汇总"]
    assert reason in [cell.value for row in book["汇总"].iter_rows() for cell in row]
    assert twin["state"] == "held"


def test_a_delivery_without_fault_does_not_go_back(house: House, tmp_path: Path) -> None:
    batch = house.drop(house.permits(tmp_path / "a.csv", [house.permit(1)]))
    house.judge(batch, {}, 1)
    house.query("update ops.batch set state = 'accepted'")
    assert write_returns(house.settings, house.registry, DAY) == []


def test_a_workbook_has_an_end_and_the_twin_has_every_fault(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditflow.quality.returned.MAX_LINES", 2)
    rows = [house.permit(number, permit_category="x") for number in range(1, 5)]
    batch = house.drop(house.permits(tmp_path / "a.csv", rows))
    house.judge(batch, {number: ["PERMIT-LIST-PERMIT_CATEGORY"] for number in (2, 3, 4, 5)}, 4)
    workbook, twin = house.returned()
    book = openpyxl.load_workbook(workbook)
    assert [row[2].value for row in book["退回明细"].iter_rows(min_row=2)] == ["2", "3"]
    said = [str(cell.value) for row in book["汇总"].iter_rows() for cell in row]
    assert "共 4 处问题，本表只列前 2 处；全部见同名 JSON 文件。" in said
    assert [fault["row_no"] for fault in twin["faults"]] == [2, 3, 4, 5]
    assert house.query("select rows_returned, faults from quality.return_file") == [(4, 4)]


def test_the_row_comes_from_the_verdict_when_the_archive_has_expired(house: House, tmp_path: Path) -> None:
    batch = house.drop(house.permits(tmp_path / "a.csv", [house.permit(1, permit_category="x")]))
    house.judge(batch, {2: ["PERMIT-LIST-PERMIT_CATEGORY"]}, 1)
    house.query('update quality.row_verdict set payload = \'{"permit_category": "x", "counterparty_name": "假想"}\'')
    house.query("update ops.batch set archive_path = 'kjj/permit/2026/gone/data.csv'")
    gone = {"archive_path": "kjj/permit/2026/gone/data.csv"}
    assert list(own_rows(house.settings, house.registry.feed("kjj", "permit"), gone)) == []
    _, twin = house.returned()
    assert twin["faults"][0]["values"] == {"permit_category": "x", "counterparty_name": "假想"}


def test_rows_that_answer_no_return_of_ours_are_told_apart_one_by_one(house: House, tmp_path: Path) -> None:
    mine = house.drop(house.permits(tmp_path / "a.csv", [house.permit(1, permit_category="x")]))
    house.judge(mine, {2: ["PERMIT-LIST-PERMIT_CATEGORY"]}, 1)
    other = house.drop(house.permits(tmp_path / "b.csv", [house.permit(9, permit_category="y")]), department="gxj")
    house.judge(other, {2: ["PERMIT-LIST-PERMIT_CATEGORY"]}, 1)
    house.query(
        "create table work.t (row_no integer, extra jsonb);"
        " insert into work.t values (2, %s), (3, %s), (4, %s), (5, %s), (6, null)",
        [
            json.dumps({"退回批次": batch, "退回行号": row}, ensure_ascii=False)
            for batch, row in ((mine, "2"), (mine, "99"), (other, "2"), ("NO-SUCH", "2"))
        ],
    )
    found = dict(house.query(answer_faults_sql("work.t", "'kjj'", "'permit'")))
    assert found == {3: "unknown_row", 4: "other_department", 5: "unknown_batch", 6: "not_returned"}
    assert set(found.values()) <= set(ANSWER_FAULTS)
    house.query("update work.t set extra = null")
    assert house.query(answer_faults_sql("work.t", "'kjj'", "'permit'")) == [], "an ordinary delivery answers nothing"
