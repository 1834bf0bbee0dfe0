"""The workbook of a return: a summary, one line for each fault with the department's own row, and code lists.

Promises
- The same bytes whenever it is written again for the same verdicts.
- Department text is hostile: no cell is ever a formula, in this program or after an edit in a spreadsheet.
- The cell of a personal number holds its ciphertext under the format ****** and means the same number when it comes back.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterable
from typing import Any

import xlsxwriter

from creditflow.identity.masking import mask_text
from creditflow.identity.persons import PersonKeys
from creditflow.quality import returned
from creditflow.quality.issues import DEFAULT_DUE_DAYS
from creditflow.quality.returned import HIDDEN, Fault, Return, ReturnedRow, shown_value, suggested
from creditflow.readers.answers import BATCH_HEADING, MARKS_HEADING, ROW_HEADING, cell_marks
from creditflow.registry import Column

SUMMARY_SHEET, ROWS_SHEET, LISTS_SHEET = "汇总", "退回明细", "代码表"
OPERATION_HEADING = "操作标识"
GUIDE = (
    ("退回序号", 8),
    (BATCH_HEADING, 24),
    (ROW_HEADING, 9),
    ("规则编号", 24),
    ("问题字段", 18),
    ("问题说明", 40),
    ("整改要求", 44),
    ("建议值", 22),
    ("整改期限", 12),
    (MARKS_HEADING, None),
)
"""Headings beside the data, with column widths (None: hidden); sources/_layouts.yml knows them, so a reader takes them
for what they are."""

RAW_HEADING = "原行内容"
UNKNOWN_DATE = "未知（该年工作日历尚未发布）"
_FORMULA = re.compile(r"^\s*[=+\-@\t\r\n|%]")


def workbook_bytes(one: Return, protect: PersonKeys) -> bytes:
    """The workbook: summary, one line for each fault, code lists."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(
        target, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties(
        {"title": f"退回清单 {one.batch['batch_id']}", "created": dt.datetime.combine(one.as_of, dt.time())}
    )
    styles = _Styles(book)
    _Summary(one, book, styles).write()
    if one.rows:
        _Rows(one, book, styles, protect).write()
        _write_lists(one, book, styles)
    book.close()
    return target.getvalue()


class _Styles:
    """The few formats of the workbook. Data cells are text; `danger` carries the spreadsheet's own apostrophe."""

    def __init__(self, book: Any) -> None:
        text = {
            "num_format": "@",
            "text_wrap": True,
            "valign": "top",
            "border": 1,
            "border_color": "#BFBFBF",
            "font_size": 10,
        }
        wrong = {"bg_color": "#FFD9D9", "font_color": "#9C0006", "bold": True}
        hidden = {"num_format": f'"{HIDDEN}";"{HIDDEN}";"{HIDDEN}";"{HIDDEN}"', "font_color": "#7F7F7F"}
        self.title = book.add_format({"bold": True, "font_size": 15})
        self.label = book.add_format({"bold": True, "valign": "top"})
        self.plain = book.add_format({"text_wrap": True, "valign": "top"})
        self.heading = book.add_format(
            {"bold": True, "bg_color": "#D9E2F3", "border": 1, "text_wrap": True, "valign": "vcenter"}
        )
        self.guide_heading = book.add_format(
            {"bold": True, "bg_color": "#E7E6E6", "border": 1, "text_wrap": True, "valign": "vcenter"}
        )
        self.guide = book.add_format({**text, "bg_color": "#F7F7F7"})
        self.text = book.add_format(text)
        self.danger = book.add_format({**text, "quote_prefix": True})
        self.wrong = book.add_format({**text, **wrong})
        self.wrong_danger = book.add_format({**text, **wrong, "quote_prefix": True})
        self.hidden = book.add_format({**text, **hidden})

    def cell(self, value: str, *, at_fault: bool) -> Any:
        """The format of a data cell."""
        dangerous = bool(_FORMULA.match(value))
        if at_fault:
            return self.wrong_danger if dangerous else self.wrong
        return self.danger if dangerous else self.text


class _Summary:
    """The first sheet: what came, what goes back, until when, and how to send it in again."""

    def __init__(self, one: Return, book: Any, styles: _Styles) -> None:
        self.one, self.styles = one, styles
        self.sheet = book.add_worksheet(SUMMARY_SHEET)
        self.line = 0

    def write(self) -> None:
        """All of it."""
        one, batch, sheet = self.one, self.one.batch, self.sheet
        sheet.set_column(0, 0, 26)
        sheet.set_column(1, 1, 44)
        sheet.set_column(2, 2, 10)
        sheet.set_column(3, 3, 60)
        sheet.write_string(0, 0, "公共信用信息退回清单", self.styles.title)
        self.line = 2
        due = one.due.get(DEFAULT_DUE_DAYS)
        days = sorted({fault.due_days for fault, _ in one.by_rule.values()})
        self.say("报送部门", one.department.name_zh)
        self.say("数据项", f"{one.kind.title_zh}（{one.feed.name}）")
        self.say("批次", batch["batch_id"])
        self.say("文件", batch["file"])
        self.say("报送时间", batch["delivered_at"].strftime("%Y-%m-%d %H:%M"))
        self.say("退回日期", one.as_of.isoformat())
        if one.faults > returned.MAX_LINES:
            self.say("说明", f"共 {one.faults:,} 处问题，本表只列前 {returned.MAX_LINES:,} 处；全部见同名 JSON 文件。")
        if len(days) > 1:
            self.say("整改期限", "见“退回明细”各行")
        else:
            only = one.due.get(days[0]) if days else due
            self.say("整改期限", f"{only.isoformat()} 前" if only else UNKNOWN_DATE)
        self.say("批次状态", _STATES[batch["state"]])
        self.say(
            "行数",
            f"读取 {batch['rows_read']:,}，接收 {batch['rows_accepted']:,}，退回 {batch['rows_rejected']:,}，暂扣 {batch['rows_held']:,}，"
            f"不属本市或不归集 {batch['rows_out_of_scope']:,}，重复 {batch['rows_duplicate']:,}",
        )
        for reason in batch["reasons"] if batch["state"] in ("held", "refused") else ():
            self.say("暂扣原因", str(reason.get("zh", "")))
        self.line += 1
        if one.rows:
            self.rules()
        self.how_to()
        self.sheet.set_landscape()
        self.sheet.set_paper(9)
        self.sheet.fit_to_pages(1, 0)

    def say(self, label: str, text: str) -> None:
        """One line: what and its value."""
        self.sheet.write_string(self.line, 0, label, self.styles.label)
        self.sheet.write_string(self.line, 1, text, self.styles.plain)
        self.line += 1

    def rules(self) -> None:
        """Faults by rule, the most frequent first."""
        for at, heading in enumerate(("规则", "问题", "行数", "怎样整改")):
            self.sheet.write_string(self.line, at, heading, self.styles.heading)
        self.line += 1
        for rule_id, (fault, rows) in sorted(self.one.by_rule.items(), key=lambda item: (-item[1][1], item[0])):
            must = "必须更正" if fault.severity == "reject" else "请核实"
            self.sheet.write_string(self.line, 0, rule_id, self.styles.text)
            self.sheet.write_string(self.line, 1, f"{fault.reason_zh}（{must}）", self.styles.text)
            self.sheet.write_number(self.line, 2, rows, self.styles.text)
            self.sheet.write_string(self.line, 3, fault.remedy_zh, self.styles.text)
            self.line += 1
        self.line += 1

    def how_to(self) -> None:
        """How to mend and send it in again."""
        self.sheet.write_string(self.line, 0, "怎样再次报送", self.styles.label)
        lines = _HOW_TO if self.one.rows else _HOW_TO_BATCH
        for number, text in enumerate(lines, 1):
            self.sheet.merge_range(self.line, 1, self.line, 3, "", self.styles.plain)
            self.sheet.write_string(self.line, 1, f"{number}. {text}", self.styles.plain)
            self.line += 1


_STATES = {"accepted": "已接收", "partly_accepted": "部分接收", "held": "整批暂扣", "refused": "整批退回"}

_HOW_TO = (
    "“退回明细”一行说明一处问题：请在该行直接修改红色单元格；有下拉列表的请从列表中选取。",
    "同一条记录有几处问题就占几行（退回行号相同）：各行的修改由系统自动合并，改在哪一行都算。",
    "同一单元格在几行中改成不同内容的，无法判断以哪个为准，该记录各行均退回。",
    "不要改动灰色的“退回批次”“退回行号”两列，也不要删除隐藏的“核对码”列：系统凭它们核对、合并并自动销号；其余灰色列仅供参考。",
    "不需要再次报送的记录，请删除它的所有行；请勿在本表中添加其他数据，新增数据请按平时渠道报送。",
    f"个人证件号码显示为 {HIDDEN}，保持不动即沿用原号码；证件号码本身有误的单元格已清空，请重新填写。",
    "保存后按平时渠道报送本文件，或交市信用办导入；校验通过后问题自动关闭。",
)
_HOW_TO_BATCH = (
    "本批数据未能按行判定，原因见上。请按原因整改后整批重新报送。",
    "重新报送并校验通过后问题自动关闭；如认为数据无误，请联系市信用办说明理由。",
)


class _Rows:
    """The second sheet: the department's own rows, one line for each fault, marked."""

    def __init__(self, one: Return, book: Any, styles: _Styles, protect: PersonKeys) -> None:
        self.one, self.styles, self.protect = one, styles, protect
        self.sheet = book.add_worksheet(one.feed.sheet or ROWS_SHEET)
        self.columns = _columns_sent(one)
        self.others = sorted({name for row in one.rows for name in row.own.others})
        self.raw = any(row.own.raw for row in one.rows)
        self.first = len(GUIDE) + 1
        self.places = {column.name: self.first + at for at, column in enumerate(self.columns)}
        self.headings = [OPERATION_HEADING, *(column.zh for column in self.columns), *self.others]

    def write(self) -> None:
        """Headings, lines, drop-down lists."""
        self._headings()
        line = 0
        for number, row in enumerate(self._merged(), 1):
            for place, fault in enumerate(row.faults, 1):
                if line < returned.MAX_LINES:
                    line += 1
                    self._line(line, f"{number}-{place}" if len(row.faults) > 1 else str(number), row, fault)
        self._choices(line)
        self.sheet.freeze_panes(1, 3)
        self.sheet.set_landscape()
        self.sheet.set_paper(9)
        self.sheet.repeat_rows(0)

    def _merged(self) -> list[ReturnedRow]:
        """One row per row number: what was rejected and flagged on it together."""
        merged: dict[int, ReturnedRow] = {}
        for row in self.one.rows:
            known = merged.get(row.row_no)
            merged[row.row_no] = row if known is None else _joined(known, row)
        return list(merged.values())

    def _headings(self) -> None:
        for at, (heading, width) in enumerate(GUIDE):
            self.sheet.set_column(at, at, width, None, {"hidden": width is None})
            self.sheet.write_string(0, at, heading, self.styles.guide_heading)
        for at, heading in enumerate(self.headings, len(GUIDE)):
            self.sheet.write_string(0, at, heading, self.styles.heading)
        for column, at in self._columns():
            self.sheet.set_column(at, at, 24 if column.type in ("text", "uscc", "document_no") else 16)
        if self.raw:
            self.sheet.write_string(0, len(GUIDE) + len(self.headings), RAW_HEADING, self.styles.guide_heading)

    def _columns(self) -> Iterable[tuple[Column, int]]:
        return zip(self.columns, self.places.values(), strict=True)

    def _line(self, line: int, number: str, row: ReturnedRow, fault: Fault) -> None:
        """One fault. What its row holds is the same on all lines of the row; only the mark differs."""
        one, sheet, styles = self.one, self.sheet, self.styles
        wrong = {item.column for item in row.faults}
        shown = {
            column.name: shown_value(
                column, row.own.values.get(column.name, ""), self.protect, at_fault=column.name in wrong
            )
            for column in self.columns
        }
        others = [
            shown_value(None, row.own.others.get(name, ""), self.protect, at_fault=False)[0] for name in self.others
        ]
        written = [_operation(row), *(text for text, _ in shown.values()), *others]
        due = one.due.get(fault.due_days)
        disputed = row.own.disputed if not fault.column else ""
        guide = (
            number,
            one.batch["batch_id"],
            str(row.row_no),
            fault.rule_id,
            disputed or (one.kind.by_name[fault.column].zh if fault.column else "整行"),
            f"{fault.reason_zh}：{disputed}" if disputed else fault.reason_zh,
            fault.remedy_zh,
            suggested(row, fault) or "",
            due.isoformat() if due else UNKNOWN_DATE,
            cell_marks(self.headings, written),
        )
        for at, text in enumerate(guide):
            sheet.write_string(line, at, text, styles.guide)
        sheet.write_string(line, len(GUIDE), written[0], styles.text)
        for column, at in self._columns():
            marked = column.name == fault.column or column.zh in disputed.split("、")
            self._cell(line, at, column, shown[column.name], fault if marked else None)
        for at, text in enumerate(others, self.first + len(self.columns)):
            sheet.write_string(line, at, text, styles.cell(text, at_fault=False))
        if self.raw:
            text = mask_text(row.own.raw)
            sheet.write_string(line, len(GUIDE) + len(self.headings), text, styles.cell(text, at_fault=False))

    def _cell(self, line: int, at: int, column: Column, shown: tuple[str, bool], fault: Fault | None) -> None:
        text, hidden = shown
        if hidden and column.type == "person_id" and text:
            self.sheet.write_string(line, at, text, self.styles.hidden)
            return
        if text or fault:
            self.sheet.write_string(line, at, text, self.styles.cell(text, at_fault=fault is not None or hidden))
        notes = [f"{fault.reason_zh}。{fault.remedy_zh}"] if fault else []
        if hidden:
            notes.append("出于个人信息保护，原内容不回显，请重新填写。")
        if notes:
            self.sheet.write_comment(line, at, "\n".join(notes), {"author": "市信用办", "x_scale": 2})

    def _choices(self, rows: int) -> None:
        """Drop-down lists where a code list applies; several values in a cell stay possible (a warning, no refusal)."""
        for place, name in enumerate(self.one.lists):
            values = self.one.lists[name]
            source = f"={LISTS_SHEET}!${_letter(place)}$2:${_letter(place)}${len(values) + 1}"
            for column in self.columns:
                if column.list == name:
                    at = self.places[column.name]
                    self.sheet.data_validation(
                        1,
                        at,
                        rows,
                        at,
                        {
                            "validate": "list",
                            "source": source,
                            "error_type": "warning",
                            "error_title": "不在代码表中",
                            "error_message": f"请从列表中选取“{column.zh}”的值；多个值用英文分号隔开。"[:255],
                        },
                    )
        self.sheet.data_validation(
            1, len(GUIDE), rows, len(GUIDE), {"validate": "list", "source": ["I", "U", "D", "W", "R"]}
        )


def _joined(first: ReturnedRow, second: ReturnedRow) -> ReturnedRow:
    known = {fault.rule_id for fault in first.faults}
    more = tuple(fault for fault in second.faults if fault.rule_id not in known)
    verdict = "rejected" if "rejected" in (first.verdict, second.verdict) else first.verdict
    return ReturnedRow(
        first.row_no, verdict, first.record_key, first.faults + more, first.suggestion or second.suggestion, first.own
    )


def _operation(row: ReturnedRow) -> str:
    """What the corrected row will be: a rejected row stays what it was, an accepted one is corrected."""
    sent = row.own.operation
    if row.verdict == "flagged" and sent in ("", "I"):
        return "U"
    return sent if sent in ("I", "U", "D", "W", "R") else "I"


def _columns_sent(one: Return) -> tuple[Column, ...]:
    """The kind's columns the department may send: all, or those of the feed's allow-list."""
    allowed = one.feed.allow_columns
    return tuple(column for column in one.kind.columns if allowed is None or column.name in allowed)


def _letter(place: int) -> str:
    """A column's letters: 0 is A."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _write_lists(one: Return, book: Any, styles: _Styles) -> None:
    if not one.lists:
        return
    sheet = book.add_worksheet(LISTS_SHEET)
    titles = {column.list: column.zh for column in reversed(one.kind.columns) if column.list}
    for at, (name, values) in enumerate(one.lists.items()):
        sheet.set_column(at, at, 24)
        sheet.write_string(0, at, f"{titles[name]}可选值", styles.heading)
        for line, value in enumerate(values, 1):
            sheet.write_string(line, at, value, styles.text)
