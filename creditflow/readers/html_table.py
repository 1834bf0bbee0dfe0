"""HTML: the first table whose heading row is recognised; rows numbered within their table.

Promises
- Text only: scripts, styles and markup inside cells are dropped, white space at the edges too. Spans are unfolded: a
  cell over several rows or columns counts in each (a column span fills the further columns with blanks).
- A table inside a cell is a table of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from lxml import etree

from creditflow.readers.encoding import Encoding
from creditflow.readers.errors import ReadError
from creditflow.readers.table import Row, Section, section_of
from creditflow.registry import Feed

MAX_SPAN = 1000


def read_html(stream: io.BufferedReader, feed: Feed, encoding: Encoding) -> Iterator[Section]:
    """The section of the first table that has the feed's headings. Raises ReadError 'table_not_found' and others."""
    refusal: ReadError | None = None
    codec = "utf-8" if encoding.codec == "utf-8-sig" else encoding.codec
    parser = etree.HTMLParser(encoding=codec, no_network=True, huge_tree=False, remove_comments=True, recover=True)
    try:
        tree = etree.parse(stream, parser)
    except etree.XMLSyntaxError:
        raise _no_table() from None
    for table in tree.iter("table"):
        try:
            section = section_of(_rows(table), feed)
        except ReadError as problem:
            if refusal is None or refusal.code in ("empty", "header_not_found"):
                refusal = problem
            continue
        yield section
        return
    raise refusal if refusal is not None and refusal.code not in ("empty", "header_not_found") else _no_table()


def _no_table() -> ReadError:
    return ReadError(
        "table_not_found",
        "网页中没有符合约定表头的表格，请按模板报送",
        "the page has no table with the agreed headings: use the template",
    )


def _rows(table: etree._Element) -> Iterator[Row]:
    carried: dict[int, tuple[int, str]] = {}
    number = 0
    for line in table.iter("tr"):
        if next(line.iterancestors("table"), None) is not table:
            continue
        number += 1
        cells = _cells(line, carried)
        if any(cells):
            yield number, cells
        line.clear()


def _cells(line: etree._Element, carried: dict[int, tuple[int, str]]) -> list[str]:
    cells: list[str] = []

    def fill_carried() -> None:
        while len(cells) in carried:
            left, text = carried[len(cells)]
            if left > 1:
                carried[len(cells)] = (left - 1, text)
            else:
                del carried[len(cells)]
            cells.append(text)

    for cell in line:
        if cell.tag not in ("td", "th"):
            continue
        fill_carried()
        text = _text(cell)
        rows, columns = _span(cell.get("rowspan")), _span(cell.get("colspan"))
        for offset in range(columns):
            if rows > 1:
                carried[len(cells)] = (rows - 1, text if offset == 0 else "")
            cells.append(text if offset == 0 else "")
    fill_carried()
    return cells


def _text(cell: etree._Element) -> str:
    etree.strip_elements(cell, "script", "style", "table", with_tail=False)
    return "".join(map(str, cell.itertext())).strip(" \t\r\n\xa0\u3000")


def _span(value: str | None) -> int:
    return min(max(int(value), 1), MAX_SPAN) if value and value.isascii() and value.isdigit() else 1
