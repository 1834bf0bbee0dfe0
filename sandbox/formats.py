"""Rows as the bytes departments send: csv, xlsx, xls, html, xml, and the lines behind the database and the API.

A writer takes lots of rows (`add`) and ends with `close`. `row_no` says where a reader finds the k-th row of a delivery:
the physical line or sheet row of a table with headings, the position (from 1) elsewhere.
"""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol
from xml.sax.saxutils import escape

import orjson
import xlsxwriter
import xlwt

from sandbox.description import Department, Feed, layouts, old_layout
from sandbox.records import Rows

TITLE_ROWS = 3
_OLD_PERMIT = {"普通": "0", "特许": "1", "认可": "2", "核准": "3", "登记": "4"}
_OLD_PENALTY = {
    "警告": "0",
    "罚款": "1",
    "没收违法所得": "2",
    "没收非法财物": "2",
    "责令停产停业": "3",
    "暂扣许可证件": "4",
    "吊销许可证件": "4",
    "行政拘留": "5",
}


def carries_operations(dept: Department, feed: Feed) -> bool:
    """Whether the rows say insert, update, withdraw or delete: not in the old layout, old formats and manual workbooks."""
    return (
        dept.channel != "manual_upload"
        and feed.layout != "2015"
        and feed.format in ("csv", "xlsx", "xml", "json", "table")
    )


def headings(dept: Department, feed: Feed, forbidden: bool) -> list[str]:
    """The headings of a delivery, in order, without the control columns."""
    if feed.layout == "2015":
        return [code for _, code in old_layout(feed.kind)]
    columns = layouts()[feed.kind]
    coded = (
        dept.channel in ("frontend_db", "rest_api")
        or feed.format == "xml"
        or (feed.format == "csv" and feed.kind in ("permit", "penalty"))
    )
    made = [c.code if coded else c.zh for c in columns]
    if dept.channel == "frontend_db":
        made = [h.lower() for h in made]
    if forbidden:
        made.append(dept.texts["forbidden"][feed.kind])
    return made


def _old_category(kind: str, text: str) -> tuple[str, str]:
    if kind == "permit":
        return _OLD_PERMIT.get(text, text if text.isdigit() or not text.strip() else "5"), ""
    parts = [_OLD_PENALTY.get(p, p if p.isdigit() else "6") for p in text.replace(";", "、").split("、") if p.strip()]
    return [*parts, ""][0], "".join(parts[1:2])


def values(dept: Department, feed: Feed, rows: Rows, forbidden: bool) -> list[Sequence[str]]:
    """The columns of a lot in the order of `headings`."""
    if feed.layout == "2015":
        field = f"{feed.kind}_category"
        digits = [_old_category(feed.kind, str(t)) for t in rows.columns[field].tolist()]
        special: dict[str, Sequence[str]] = {
            field: [d[0] for d in digits],
            "@category_2": [d[1] for d in digits],
            "@version_at": rows.updated.tolist(),
            "@status": ["0"] * len(rows),
            "record_status": ["" if i % 3 else "0" for i in range(len(rows))],
        }
        return [special[name] if name in special else rows.columns[name].tolist() for name, _ in old_layout(feed.kind)]
    made: list[Sequence[str]] = [rows.columns[c.name].tolist() for c in layouts()[feed.kind]]
    if forbidden:
        seen = ("无", "", "不详", "高血压") if feed.kind == "inspection" else ("汉族", "汉族", "畲族")
        made.append([seen[i % len(seen)] for i in range(len(rows))])
    return made


class Writer(Protocol):
    """What takes the rows of one delivery; `first_row` is the number of its first row of data."""

    first_row: int

    def add(self, table: Iterable[Sequence[str]], op: Sequence[str], updated: Sequence[str]) -> None: ...

    def close(self) -> None: ...


class CsvFile:
    """Comma-separated text; line 1 holds the headings."""

    first_row = 2

    def __init__(self, path: Path, heads: list[str], encoding: str, operations: bool, bom: bool = False) -> None:
        self._file = path.open("w", encoding="utf-8-sig" if bom else encoding, newline="")
        self._csv = csv.writer(self._file, lineterminator="\r\n")
        self._operations = operations
        self._csv.writerow([*heads, "CZBS", "GXSJ"] if operations else heads)

    def add(self, table: Iterable[Sequence[str]], op: Sequence[str], updated: Sequence[str]) -> None:
        if self._operations:
            self._csv.writerows((*row, o, u) for row, o, u in zip(table, op, updated, strict=True))
        else:
            self._csv.writerows(table)

    def close(self) -> None:
        self._file.close()


class Workbook:
    """An xlsx workbook; manual ones open with a title and two lines of instructions and bring a sheet of codes."""

    def __init__(
        self, path: Path, heads: list[str], operations: bool, title: str = "", numbers: frozenset[int] = frozenset()
    ) -> None:
        self.first_row = 2 + (TITLE_ROWS if title else 0)
        self._book = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "strings_to_urls": False,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
            },
        )
        self._book.set_properties({"created": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "author": "", "title": ""})
        self._sheet = self._book.add_worksheet("数据")
        self._numbers = numbers
        self._operations = operations
        self._row = 0
        if title:
            self._line([title])
            self._line(["填报说明：一行一条记录，日期填写为年/月/日，代码类字段请从“代码表”中选择。"])
            self._line(["带*的说明行请勿删除；本表由数据专员填写并复核。"])
        self._line([*heads, "CZBS", "GXSJ"] if operations else heads)
        if title:
            codes = self._book.add_worksheet("代码表")
            for i, line in enumerate(
                (
                    ("代码表", "值"),
                    ("行政相对人类别", "法人及非法人组织"),
                    ("行政相对人类别", "自然人"),
                    ("行政相对人类别", "个体工商户"),
                )
            ):
                codes.write_row(i, 0, line)

    def _line(self, cells: Sequence[str]) -> None:
        for column, cell in enumerate(cells):
            if cell:
                if column in self._numbers and len(cell) == 5 and cell.isdigit():
                    self._sheet.write_number(self._row, column, int(cell))
                else:
                    self._sheet.write_string(self._row, column, cell[:32_000])
        self._row += 1

    def add(self, table: Iterable[Sequence[str]], op: Sequence[str], updated: Sequence[str]) -> None:
        for row, o, u in zip(table, op, updated, strict=True):
            self._line((*row, o, u) if self._operations else row)

    def close(self) -> None:
        self._book.close()


class OldWorkbook:
    """A binary .xls workbook; row 1 holds the headings."""

    first_row = 2

    def __init__(self, path: Path, heads: list[str]) -> None:
        self._path = path
        self._book = xlwt.Workbook(encoding="utf-8")
        self._sheet: Any = self._book.add_sheet("Sheet1")
        self._row = 0
        self.add([heads], [""], [""])

    def add(self, table: Iterable[Sequence[str]], op: Sequence[str], updated: Sequence[str]) -> None:
        for row in table:
            for column, cell in enumerate(row):
                if cell:
                    self._sheet.write(self._row, column, cell[:32_000])
            self._row += 1

    def close(self) -> None:
        self._book.save(str(self._path))


class HtmlTable:
    """A page with one table, as an old office system exports it; the first table row holds the headings."""

    first_row = 2

    def __init__(self, path: Path, heads: list[str], title: str) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._file.write(
            '<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
            f'<title>{html.escape(title)}</title></head>\n<body>\n<table border="1">\n'
        )
        self._file.write("<tr>" + "".join(f"<th>{html.escape(h)}</th>" for h in heads) + "</tr>\n")

    def add(self, table: Iterable[Sequence[str]], op: Sequence[str], updated: Sequence[str]) -> None:
        for row in table:
            self._file.write(
                "<tr>" + "".join(f"<td>{html.escape(cell) if cell else '&nbsp;'}</td>" for cell in row) + "</tr>\n"
            )

    def close(self) -> None:
        self._file.write("</table>\n</body></html>\n")
        self._file.close()


class XmlFile:
    """`ROWDATA/ROW` with one element per transport code."""

    first_row = 1

    def __init__(self, path: Path, heads: list[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._file.write('<?xml version="1.0" encoding="UTF-8"?>\n<ROWDATA>\n')
        self._heads = [*heads, "CZBS", "GXSJ"]

    def add(self, table: Iterable[Sequence[str]], op: Sequence[str], updated: Sequence[str]) -> None:
        for row, o, u in zip(table, op, updated, strict=True):
            self._file.write(xml_row(self._heads, (*row, o, u)) + "\n")

    def close(self) -> None:
        self._file.write("</ROWDATA>\n")
        self._file.close()


def xml_row(heads: Sequence[str], row: Sequence[str]) -> str:
    """One ROW element; blank cells are empty elements."""
    return (
        "<ROW>"
        + "".join(f"<{h}>{escape(c)}</{h}>" if c else f"<{h}/>" for h, c in zip(heads, row, strict=True))
        + "</ROW>"
    )


class Lines:
    """Rows behind the API, one a line, and where each begins; appended to what is already there."""

    first_row = 1

    def __init__(self, path: Path, heads: list[str], as_xml: bool, first_seq: int, offset: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, size in ((path, offset), (path.with_suffix(".idx"), None)):
            if not name.exists():
                name.touch()
            if size is not None:
                with name.open("r+b") as handle:
                    handle.truncate(size)
        self._file = path.open("ab")
        self._index = io.BytesIO()
        self._heads = [*heads, "_SEQ", "_OP", "_UPDATED_AT"]
        self._xml = as_xml
        self._seq = first_seq
        self._offset = offset

    def add(self, table: Iterable[Sequence[str]], op: Sequence[str], updated: Sequence[str]) -> None:
        for row, o, u in zip(table, op, updated, strict=True):
            cells = (*row, str(self._seq), o, u)
            if self._xml:
                line = xml_row(self._heads, cells).encode() + b"\n"
            else:
                line = orjson.dumps(dict(zip(self._heads, cells, strict=True))) + b"\n"
            self._file.write(line)
            self._index.write(self._offset.to_bytes(8, "little"))
            self._offset += len(line)
            self._seq += 1

    @property
    def size(self) -> int:
        return self._offset

    def close(self) -> None:
        self._file.close()

    def write_index(self, rows_before: int) -> None:
        """Put the places of the new rows behind those of the rows that were there."""
        with self._path.with_suffix(".idx").open("r+b") as handle:
            handle.truncate(rows_before * 8)
            handle.seek(rows_before * 8)
            handle.write(self._index.getvalue())


class Spool:
    """Rows on their way into the exchange database: csv that COPY reads."""

    first_row = 1

    def __init__(self, path: Path, first_seq: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._seq = first_seq

    def add(self, table: Iterable[Sequence[str]], op: Sequence[str], updated: Sequence[str]) -> None:
        first = self._seq
        self._seq += len(op)
        self._csv.writerows(
            (s, o, u + "+08", *row) for s, row, o, u in zip(range(first, self._seq), table, op, updated, strict=True)
        )

    def close(self) -> None:
        self._file.close()
