"""A table of a page as an XLSX workbook: a Chinese sheet, and an English one behind it.

Promises
- Numbers are numbers, shares are percentages and days are dates, so that a spreadsheet can add and sort them.
- Whatever a department wrote is text, in this program and after an edit in a spreadsheet: no cell is ever a formula.
- The same table and business date give the same bytes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import xlsxwriter

from creditflow.report import cells
from creditflow.report.cells import Language, Link, Rate, Table

SHEETS: tuple[tuple[Language, str], ...] = (("zh", "中文"), ("en", "English"))
WIDTHS = (8, 14, 40)
"""Widths in characters: of a number, of a word, of text that may wrap."""
LONGEST_CELL = 32_000
"""Characters a spreadsheet takes in one cell, rounded down."""


@dataclass(frozen=True)
class _Styles:
    """The formats of a workbook."""

    heading: Any
    text: Any
    apostrophe: Any
    share: Any
    day: Any
    moment: Any
    total: Any


def xlsx_bytes(table: Table, as_of: date) -> bytes:
    """The whole table as a workbook of business date `as_of`, which is also its date of creation."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(
        target, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties({"title": f"{table.title.zh} {as_of}", "created": datetime.combine(as_of, time())})
    wrapped = {"text_wrap": True, "valign": "top"}
    styles = _Styles(
        heading=book.add_format({"bold": True, "bg_color": "#E4ECF5", "bottom": 1, "text_wrap": True}),
        text=book.add_format(wrapped),
        apostrophe=book.add_format({**wrapped, "quote_prefix": True}),
        share=book.add_format({"num_format": "0.0%", "valign": "top"}),
        day=book.add_format({"num_format": "yyyy-mm-dd", "valign": "top"}),
        moment=book.add_format({"num_format": "yyyy-mm-dd hh:mm", "valign": "top"}),
        total=book.add_format({"bold": True, "top": 1}),
    )
    for language, name in SHEETS:
        _sheet(book.add_worksheet(name), table, language, styles)
    book.close()
    return target.getvalue()


def _sheet(sheet: Any, table: Table, language: Language, styles: _Styles) -> None:
    columns = [column for column in table.columns if not column.screen_only]
    for at, column in enumerate(columns):
        sheet.set_column(at, at, WIDTHS[2] if column.wide else WIDTHS[0 if column.numeric else 1])
        sheet.write_string(0, at, getattr(column.title, language), styles.heading)
    for line, row in enumerate(table.rows, 1):
        for at, column in enumerate(columns):
            _cell(sheet, line, at, row.get(column.key), language, styles)
    if table.total:
        _total(sheet, len(table.rows) + 1, [table.total.get(column.key) for column in columns], language, styles)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, len(table.rows), len(columns) - 1)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _cell(sheet: Any, line: int, at: int, cell: Any, language: Language, styles: _Styles) -> None:
    """One cell in the type a spreadsheet knows for it; a missing value stays empty."""
    while isinstance(cell, Link):
        cell = cell.cell
    if isinstance(cell, Rate):
        cell, number_format = cell.value, styles.share
    else:
        number_format = styles.text
    if cell is None or cell == "":
        return
    if isinstance(cell, datetime):
        sheet.write_datetime(line, at, cell.astimezone(cells.ZONE).replace(tzinfo=None), styles.moment)
    elif isinstance(cell, date):
        sheet.write_datetime(line, at, datetime.combine(cell, time()), styles.day)
    elif isinstance(cell, (int, float, Decimal)) and not isinstance(cell, bool):
        sheet.write_number(line, at, cell, number_format)
    else:
        text = cells.text(cell, language)[:LONGEST_CELL]
        sheet.write_string(line, at, text, styles.text if cells.neutral(text) == text else styles.apostrophe)


def _total(sheet: Any, line: int, values: list[Any], language: Language, styles: _Styles) -> None:
    for at, value in enumerate(values):
        if isinstance(value, (int, float, Decimal)):
            sheet.write_number(line, at, value, styles.total)
        else:
            sheet.write_string(line, at, cells.text(value, language), styles.total)
