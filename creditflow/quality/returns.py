"""Return workbooks: each department gets its own faulty rows back, marked and explained, and can send them in again.

Promises
- One workbook (XLSX) and one JSON twin per department and delivery under home/returns/<department>/<as_of>/, the same
  bytes whenever it is written again for the same verdicts.
- One line for each fault: the department's own row, read again from the archive by its physical number under the
  Chinese headings of the kind, the field at fault marked. The corrected workbook goes back in as it is, by `creditflow
  drop` or on the department's channel; the lines of one row become one row again (`readers.answers`).
- No personal number is in it: the cell holds the ciphertext under the format ****** and means the same number when it
  comes back; a number that is itself wrong is left out and asked for again.
- Department text is hostile: no cell is ever a formula, in this program or after an edit in a spreadsheet.
- Rows that come back and were never returned, or belong to another department or feed, are told apart one by one
  (`answer_faults_sql`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any, Self

import xlsxwriter
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import RealDictCursor

from creditflow.archive import ArchiveError, open_data, read_manifest
from creditflow.identity.codes import is_personal
from creditflow.identity.masking import holds_personal_number, mask_text
from creditflow.identity.normal import normal_code
from creditflow.identity.persons import PersonKeys
from creditflow.ops.database import advisory_lock, transaction
from creditflow.quality.indicators import rule_words
from creditflow.quality.issues import DEFAULT_DUE_DAYS
from creditflow.quality.rulebook import Rule
from creditflow.readers import ReadError, read
from creditflow.readers.answers import BATCH_HEADING, DISPUTED, MARKS_HEADING, ROW_HEADING, answered, cell_marks
from creditflow.registry import Column, Department, Feed, Kind, Registry, shape_of
from creditflow.settings import Settings

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

MAX_LINES = 20_000
"""Lines of a workbook: more than anybody mends by hand, and what a workbook of a delivery of any size may take of our
memory. The twin has all."""

RAW_HEADING = "原行内容"
UNKNOWN_DATE = "未知（该年工作日历尚未发布）"
HIDDEN = "******"
_CODE_TYPES = ("uscc", "org_code", "reg_no", "tax_no")
_FORMULA = re.compile(r"^\s*[=+\-@\t\r\n|%]")


@dataclass(frozen=True)
class Fault:
    """One rule that one row broke. column: canonical name of the field to mark, '' for the row as a whole."""

    rule_id: str
    severity: str
    column: str
    reason_zh: str
    reason_en: str
    remedy_zh: str
    remedy_en: str
    return_code: str
    due_days: int


@dataclass(frozen=True)
class OwnRow:
    """A row as the department sent it. values: by canonical column; others: by the department's own heading, where the
    heading is no column by itself; raw: the cells as one text, for a row that does not fit its headings; disputed: the
    headings that lines of one returned row contradicted each other about."""

    values: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    operation: str = ""
    raw: str = ""
    disputed: str = ""


@dataclass(frozen=True)
class ReturnedRow:
    """A faulty row on its way back."""

    row_no: int
    verdict: str
    record_key: str | None
    faults: tuple[Fault, ...]
    suggestion: Mapping[str, str] | None
    own: OwnRow


@dataclass
class Return:
    """One delivery on its way back. rows: those the workbook shows, the first MAX_LINES faults; faults, by_rule, returned:
    of all rows, complete when the last has been taken."""

    batch: Mapping[str, Any]
    department: Department
    feed: Feed
    kind: Kind
    as_of: dt.date
    due: Mapping[int, dt.date | None]
    lists: Mapping[str, tuple[str, ...]]
    rows: list[ReturnedRow] = field(default_factory=list)
    faults: int = 0
    returned: int = 0
    by_rule: dict[str, tuple[Fault, int]] = field(default_factory=dict)
    _last: int = -1

    def take(self, row: ReturnedRow) -> None:
        """Count a row, rows being in the order of their numbers; keep it while the workbook has room."""
        if self.faults < MAX_LINES:
            self.rows.append(row)
        self.faults += len(row.faults)
        self.returned += row.row_no != self._last
        self._last = row.row_no
        for fault in row.faults:
            self.by_rule[fault.rule_id] = (fault, self.by_rule.get(fault.rule_id, (fault, 0))[1] + 1)


def write_returns(settings: Settings, registry: Registry, as_of: dt.date) -> list[Path]:
    """Write what goes back for the deliveries judged up to `as_of`; returns the files of that date, workbook and twin.

    A delivery goes back once: on the first date on which this runs after its verdicts. Running it again for the same
    date writes the same bytes. Remembers each in quality.return_file; `sweep_issues` makes the issues 'returned'.
    """
    rules = rule_words(settings, registry)
    with transaction(settings, "returns") as conn, conn.cursor(cursor_factory=RealDictCursor) as cursor:
        advisory_lock(conn, "creditflow.issues")
        paths: list[Path] = []
        for batch in _batches(cursor, as_of):
            if batch["department"] in registry.all() and batch["feed"] in registry.all()[batch["department"]].feeds:
                paths += _Delivery(settings, registry, cursor, batch, as_of, rules).write()
        return paths


def _batches(cursor: Cursor, as_of: dt.date) -> list[dict[str, Any]]:
    """Deliveries with something to mend that did not go back before this date."""
    cursor.execute(
        """
        select b.*
        from ops.batch b
        left join quality.return_file f using (batch_id)
        where b.as_of <= %(as_of)s and b.state in ('accepted', 'partly_accepted', 'held', 'refused')
          and (f.batch_id is null or f.as_of = %(as_of)s)
          and (b.state in ('held', 'refused')
               or exists (select from quality.row_verdict v where v.batch_id = b.batch_id and v.verdict in ('rejected', 'flagged')))
        order by b.department, b.feed, b.delivered_at, b.batch_id
        """,
        {"as_of": as_of},
    )
    return list(cursor.fetchall())  # type: ignore[arg-type]


class _Delivery:
    """One delivery that goes back, row by row: verdicts from the database and rows from the archive, both in the order of
    their row numbers, go into the twin as they come. cursor: a RealDictCursor."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        cursor: Cursor,
        batch: Mapping[str, Any],
        as_of: dt.date,
        rules: Mapping[str, Rule],
    ) -> None:
        self._settings, self._cursor, self._rules = settings, cursor, rules
        department = registry.all()[batch["department"]]
        feed = department.feeds[batch["feed"]]
        kind = registry.kinds[feed.kind]
        self._return = Return(batch, department, feed, kind, as_of, self._due(batch), code_lists(settings, kind))

    def write(self) -> list[Path]:
        """Write workbook and twin, remember them; nothing where nothing goes back."""
        one = self._return
        batch_id = one.batch["batch_id"]
        below = Path(one.department.code, one.as_of.isoformat())
        names = [below / f"{batch_id}.xlsx", below / f"{batch_id}.json"]
        workbook, twin = [self._settings.home / "returns" / name for name in names]
        with _Draft(twin) as draft_twin, _Draft(workbook) as draft_workbook:
            for part in twin_parts(one, self._rows()):
                draft_twin.write(part)
            if not one.returned and one.batch["state"] not in ("held", "refused"):
                return []
            draft_workbook.write(workbook_bytes(one, PersonKeys.of(self._settings.keys())))
            hashes = [draft_workbook.keep(), draft_twin.keep()]
        self._cursor.execute(
            """
            insert into quality.return_file as f
                (batch_id, department, feed, as_of, rows_returned, faults, workbook, workbook_sha256, twin, twin_sha256)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (batch_id) do update
            set rows_returned = excluded.rows_returned, faults = excluded.faults, workbook = excluded.workbook,
                workbook_sha256 = excluded.workbook_sha256, twin = excluded.twin, twin_sha256 = excluded.twin_sha256
            """,
            (
                batch_id,
                one.department.code,
                one.feed.name,
                one.as_of,
                one.returned,
                one.faults,
                names[0].as_posix(),
                hashes[0],
                names[1].as_posix(),
                hashes[1],
            ),
        )
        return [workbook, twin]

    def _rows(self) -> Iterator[ReturnedRow]:
        """The faulty rows that the department can mend; each is counted as it goes by."""
        one = self._return
        own = _Own(own_rows(self._settings, one.feed, one.batch))
        for line in self._verdicts():
            faults = _faults(line, self._rules, one.kind)
            if not faults:
                continue
            row = ReturnedRow(
                row_no=line["row_no"],
                verdict=line["verdict"],
                record_key=line["record_key"],
                faults=faults,
                suggestion=line["suggestion"],
                own=own.of(line["row_no"]) or _from_payload(line["payload"]),
            )
            one.take(row)
            yield row

    def _verdicts(self) -> Iterator[Mapping[str, Any]]:
        conn = self._cursor.connection
        with conn.cursor("returned_rows", cursor_factory=RealDictCursor) as lines:
            lines.itersize = 2000
            lines.execute(
                """
                select v.row_no, v.verdict, v.record_key::text, v.rule_ids, v.fields, v.payload, v.suggestion,
                       array(select r.severity from unnest(v.rule_ids) with ordinality as u(rule_id, place)
                             left join quality.rule_result r on r.batch_id = v.batch_id and r.rule_id = u.rule_id
                             order by u.place) as severities
                from quality.row_verdict v
                where v.batch_id = %s and v.verdict in ('rejected', 'flagged')
                order by v.row_no, v.verdict desc
                """,
                (self._return.batch["batch_id"],),
            )
            yield from lines

    def _due(self, batch: Mapping[str, Any]) -> dict[int, dt.date | None]:
        """Days to mend -> the date they end on."""
        days = sorted({rule.due_days for rule in self._rules.values()} | {DEFAULT_DUE_DAYS})
        self._cursor.execute(
            "select d.days, ops.add_workdays(%s, d.days) as due_on from unnest(%s::integer[]) as d(days) where d.days > 0",
            (batch["as_of"], days),
        )
        return {line["days"]: line["due_on"] for line in self._cursor.fetchall()}  # type: ignore[call-overload]


class _Own:
    """Rows of an archived delivery, asked for in the order of their numbers."""

    def __init__(self, rows: Iterator[tuple[int, Callable[[], OwnRow]]]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self._number, self._found = -1, OwnRow()
        self._there = False

    def of(self, number: int) -> OwnRow | None:
        """The row of this number; the last of them where there are several, None where there is none."""
        if self._number != number:
            self._number, self._there = number, False
            while self._next is not None and self._next[0] <= number:
                if self._next[0] == number:
                    self._found, self._there = self._next[1](), True
                self._next = next(self._rows, None)
        return self._found if self._there else None


def code_lists(settings: Settings, kind: Kind) -> dict[str, tuple[str, ...]]:
    """Values of the code lists that a kind's columns use, in file order."""
    from creditflow.quality.rulebook import load_lists

    known = load_lists(settings.project)
    return {column.list: known[column.list] for column in kind.columns if column.list and column.list in known}


def _faults(line: Mapping[str, Any], rules: Mapping[str, Rule], kind: Kind) -> tuple[Fault, ...]:
    """The faults of a verdict's row that the department can mend, by rule."""
    found = []
    for rule_id, severity in zip(line["rule_ids"], line["severities"], strict=True):
        if severity not in ("reject", "flag"):
            continue
        rule = rules.get(rule_id)
        blamed = [*rule.fields] if rule else list(line["fields"])
        column = next((name for name in blamed if name in kind.by_name), "")
        found.append(
            Fault(
                rule_id=rule_id,
                severity=severity,
                column=column,
                reason_zh=rule.title_zh if rule else rule_id,
                reason_en=rule.title_en if rule else rule_id,
                remedy_zh=rule.remedy_zh if rule else "请核对后重新报送。",
                remedy_en=rule.remedy_en if rule else "Check the row and send it again.",
                return_code=rule.return_code if rule else "E99",
                due_days=rule.due_days if rule else DEFAULT_DUE_DAYS,
            )
        )
    return tuple(fault for fault in found if fault.due_days > 0)


# --- the department's own row ---------------------------------------------------------------------------------------


def own_rows(settings: Settings, feed: Feed, batch: Mapping[str, Any]) -> Iterator[tuple[int, Callable[[], OwnRow]]]:
    """(physical row number, what makes the row as the department wrote it) of an archived delivery, in order.

    Personal numbers are in clear: keep them in memory. Ends where the delivery can no longer be read.
    """
    try:
        manifest = read_manifest(settings, batch["archive_path"])
        with open_data(settings, batch["archive_path"]) as stream:
            for sent in read(stream, feed, manifest["stored_format"], manifest["stored_encoding"]):
                section, _ = answered(sent)
                names, targets = section.cells, section.headings.targets
                for number, cells in section.rows:
                    yield number, partial(_own_row, feed, names, targets, cells)
    except (ArchiveError, ReadError, FileNotFoundError):
        return


def _own_row(feed: Feed, names: Sequence[str], targets: Sequence[str | None], cells: Sequence[str]) -> OwnRow:
    if len(cells) != len(names):
        return OwnRow(raw=" | ".join(cells))
    disputed = cells[names.index(DISPUTED)] if DISPUTED in names else ""
    values: dict[str, str] = {}
    others: dict[str, str] = {}
    operation = ""
    for name, target, cell in zip(names, targets, cells, strict=True):
        if target is None or not cell.strip():
            continue
        if target == "@op":
            operation = feed.lookups.get("@op", {}).get(cell.strip(), cell.strip())
        elif target.startswith("@"):
            continue
        elif target.startswith("shape:"):
            routes = feed.by_shape[target.removeprefix("shape:")]
            for column in routes.get(shape_of(cell), routes["otherwise"]):
                values.setdefault(column, cell)
        elif target.startswith("source:"):
            others[name.strip()] = cell
        else:
            values.setdefault(target, cell)
    return OwnRow(values, others, operation, disputed=disputed)


def _from_payload(payload: Mapping[str, Any] | None) -> OwnRow:
    """The masked row of the verdict, when the archive no longer has the delivery."""
    return OwnRow({name: str(value) for name, value in (payload or {}).items() if isinstance(value, str)})


# --- writing ---------------------------------------------------------------------------------------------------------


class _Draft:
    """A file that is complete or not there; readable by its owner only: it holds names."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._file = os.fdopen(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def write(self, content: bytes) -> None:
        """Append."""
        self._file.write(content)
        self._digest.update(content)

    def keep(self) -> str:
        """The file takes its place; its SHA-256 in hexadecimal."""
        self._file.close()
        self._draft.replace(self._path)
        return self._digest.hexdigest()

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)


def shown_value(column: Column | None, value: str, protect: PersonKeys, *, at_fault: bool) -> tuple[str, bool]:
    """(what the cell holds, whether something was hidden). A personal number becomes its ciphertext, or nothing when it
    is itself at fault; personal numbers inside other text become ***."""
    if not value:
        return "", False
    if column is not None and column.type == "person_id":
        cipher = protect.protect(value).cipher
        return ("" if at_fault or cipher is None else cipher), True
    if column is not None and column.type in _CODE_TYPES:
        return ("", True) if _may_be_personal(value) else (value, False)
    if holds_personal_number(value):
        return mask_text(value), True
    return value, False


def _may_be_personal(code: str) -> bool:
    """Whether a personal number stands where a code belongs; in doubt it does."""
    return shape_of(code) == "resident_id" or is_personal(normal_code(code))


def twin_parts(one: Return, rows: Iterable[ReturnedRow]) -> Iterator[bytes]:
    """The JSON twin, piece by piece: the same faults for a program, one entry each. Personal numbers are masked, not
    enciphered."""
    batch = one.batch
    default = one.due.get(DEFAULT_DUE_DAYS)
    head = {
        "batch_id": batch["batch_id"],
        "department": one.department.code,
        "department_zh": one.department.name_zh,
        "feed": one.feed.name,
        "kind": one.kind.name,
        "file": batch["file"],
        "state": batch["state"],
        "delivered_at": batch["delivered_at"].isoformat(),
        "returned_at": one.as_of.isoformat(),
        "due_at": default.isoformat() if default else None,
        "counts": {
            name: batch[f"rows_{name}"]
            for name in ("read", "accepted", "rejected", "held", "out_of_scope", "duplicate")
        },
        "reasons": [{key: item[key] for key in ("code", "zh", "en") if key in item} for item in batch["reasons"]],
    }
    yield json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}").encode()
    yield b',\n "faults": ['
    comma = b"\n"
    for row in rows:
        values = {name: _masked(one.kind, name, row.own) for name in row.own.values}
        for fault in row.faults:
            entry = json.dumps(_twin_entry(one, row, fault, values), ensure_ascii=False, indent=1)
            yield comma + indent(entry, "  ").encode()
            comma = b",\n"
    yield b"]\n}\n" if comma == b"\n" else b"\n ]\n}\n"


def _twin_entry(one: Return, row: ReturnedRow, fault: Fault, values: Mapping[str, str | None]) -> dict[str, Any]:
    due = one.due.get(fault.due_days)
    return {
        "batch_id": one.batch["batch_id"],
        "row_no": row.row_no,
        "record_id": row.record_key,
        "rule_id": fault.rule_id,
        "return_code": fault.return_code,
        "severity": fault.severity,
        "verdict": row.verdict,
        "field": fault.column or None,
        "field_code": one.kind.by_name[fault.column].code if fault.column else None,
        "value_masked": values.get(fault.column),
        "message_zh": fault.reason_zh,
        "message_en": fault.reason_en,
        "remedy_zh": fault.remedy_zh,
        "remedy_en": fault.remedy_en,
        "suggestion": _suggested(row, fault),
        "due_at": due.isoformat() if due else None,
        "values": values,
    }


def _suggested(row: ReturnedRow, fault: Fault) -> str | None:
    """The value the gate thinks was meant in the field at fault."""
    suggestion = row.suggestion or {}
    return suggestion.get("value") if fault.column and suggestion.get("field") == fault.column else None


def _masked(kind: Kind, name: str, own: OwnRow) -> str | None:
    value = own.values.get(name)
    if value is None:
        return None
    column = kind.by_name.get(name)
    if column is not None and column.type == "person_id":
        return HIDDEN
    if column is not None and column.type in _CODE_TYPES and _may_be_personal(value):
        return HIDDEN
    return mask_text(value)


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
        if one.faults > MAX_LINES:
            self.say("说明", f"共 {one.faults:,} 处问题，本表只列前 {MAX_LINES:,} 处；全部见同名 JSON 文件。")
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
                if line < MAX_LINES:
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
            _suggested(row, fault) or "",
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


# --- what comes back ------------------------------------------------------------------------------------------------

ANSWER_FAULTS: dict[str, tuple[str, str]] = {
    "not_returned": (
        "该行不在退回清单内：请勿在退回表中添加其他数据，新增数据请按平时渠道报送",
        "the row was not returned: send new rows by your usual way",
    ),
    "unknown_batch": (
        "退回批次不存在：请勿改动“退回批次”列",
        "no such returned batch: leave the column 退回批次 as it was",
    ),
    "other_department": ("退回批次属于其他部门，不得代报", "the returned batch belongs to another department"),
    "other_feed": ("退回批次属于其他数据项，请按该数据项报送", "the returned batch belongs to another feed"),
    "unknown_row": (
        "退回行号不在该批次的退回清单内：请勿改动“退回行号”列",
        "no such row was returned of that batch: leave the column 退回行号 as it was",
    ),
}
"""Why a row of a corrected workbook is refused: code -> Chinese, English."""


def answer_faults_sql(work: str, department: str, feed: str) -> str:
    """SQL of the rows of a work table that answer no return of this department and feed: (row_no, code).

    For the gate: a rule 'the row answers a return of ours' rejects these row by row, the rest goes on. A delivery none
    of whose rows names a returned batch is no corrected workbook and yields nothing. department, feed: SQL literals or
    parameters of the delivery being judged. Codes: see ANSWER_FAULTS.
    """
    return f"""
        select w.row_no, case
            when w.extra->>'{BATCH_HEADING}' is null then 'not_returned'
            when b.batch_id is null then 'unknown_batch'
            when b.department <> {department} then 'other_department'
            when b.feed <> {feed} then 'other_feed'
            else 'unknown_row' end as code
        from {work} w
        left join ops.batch b on b.batch_id = w.extra->>'{BATCH_HEADING}'
        where exists (select from {work} o where o.extra ? '{BATCH_HEADING}')
          and not exists (
              select from quality.row_verdict v
              where b.department = {department} and b.feed = {feed} and v.batch_id = b.batch_id
                and v.verdict in ('rejected', 'flagged')
                and v.row_no::text = w.extra->>'{ROW_HEADING}')"""
