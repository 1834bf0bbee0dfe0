"""What every reader yields: sections of rows under recognised headings, with the physical row number kept.

Promises
- A row's number is its place in the source (line of a CSV, row of a sheet or table, ordinal of a record), headings and
  title rows counted, so that the department finds it.
- Blank rows are no rows. A row with another number of cells than the headings is yielded as it is: whoever lands it
  marks it.
- The heading row is found below titles and instructions by recognising declared headings; when it is not found, or
  required columns are missing, the error says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from creditflow.readers.errors import ReadError
from creditflow.registry import Feed, HeadingRow, normal_heading

Row = tuple[int, list[str]]
"""(row number, cells as text, '' for blank)"""

ROW_NUMBER = "@row"
"""Heading of the column that carries the physical row number in tables rewritten by the archive."""


@dataclass(frozen=True, slots=True)
class PlainLines:
    """Lines of a CSV that hold no quoting, valid UTF-8. first: number of the first; block: the lines, each but perhaps the
    last with its end, \\n or \\r\\n; delimiter: what stands between cells, one byte and never within one."""

    first: int
    block: bytes
    delimiter: bytes

    @property
    def lines(self) -> list[bytes]:
        """Without their ends."""
        return self.block.splitlines()


class Pieces(Protocol):
    """The rows of a section as runs of plain lines, and single rows between them."""

    def __iter__(self) -> Iterator[PlainLines | Row]: ...


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that share headings. cells: headings as sent; headings: what they mean; header_row: where they stood.

    rows, or pieces where they are offered: one or the other is consumed, once.
    """

    cells: tuple[str, ...]
    headings: HeadingRow
    header_row: int
    rows: Iterator[Row]
    pieces: Pieces | None = None


def find_header(rows: Iterator[Row], feed: Feed) -> tuple[int, tuple[str, ...], HeadingRow]:
    """Consume rows until the heading row: (its number, its cells, what they mean).

    Raises ReadError: 'empty' (no rows at all), 'column_missing' (headings found, required ones absent),
    'heading_repeated' or 'header_not_found' (within feed.header_search_rows filled rows).
    """
    best: tuple[int, tuple[str, ...], HeadingRow] | None = None
    seen = 0
    for number, cells in rows:
        found = feed.recognise(cells)
        if found.is_header:
            _refuse_repeated(cells, found, number)
            return number, tuple(cells), found
        if best is None or found.score > best[2].score:
            best = number, tuple(cells), found
        seen += 1
        if seen > feed.header_search_rows + feed.title_rows:
            break
    if best is None:
        raise ReadError(
            "empty", "文件中没有任何内容，请重新导出并报送", "the file holds nothing: export it again and send it"
        )
    number, _, found = best
    if found.missing and found.score >= 2:
        raise missing_columns(found, number, feed)
    raise ReadError(
        "header_not_found",
        f"前 {seen} 行中未找到表头，请按模板报送（第一列标题应为约定列名）",
        f"no heading row among the first {seen} rows: use the agreed template",
        row=number,
    )


def missing_columns(found: HeadingRow, number: int | None, feed: Feed) -> ReadError:
    """The error for required columns that are absent."""
    names = "、".join(found.missing)
    return ReadError(
        "column_missing",
        f"缺少必需列：{names}；请补齐后重新报送整批数据",
        f"required columns are missing: {', '.join(found.missing)}: add them and send the batch again",
        row=number,
        field=found.missing[0],
    )


def _refuse_repeated(cells: Sequence[str], found: HeadingRow, number: int) -> None:
    seen: set[str] = set()
    for cell, target in zip(cells, found.targets, strict=True):
        key = normal_heading(cell)
        if target is not None and key in seen:
            raise ReadError(
                "heading_repeated",
                f"列名重复：{cell.strip()}；无法判断以哪一列为准，请删除重复列后重新报送",
                f"the heading {cell.strip()!r} stands twice: remove one of the columns and send again",
                row=number,
                field=cell.strip(),
            )
        seen.add(key)


def section_of(rows: Iterator[Row], feed: Feed) -> Section:
    """The section of a rectangular table: heading row found, rows below it. Repeats of the heading row are skipped."""
    number, cells, found = find_header(rows, feed)
    width = len(cells)
    while width and not cells[width - 1].strip():
        width -= 1
    return Section(cells, found, number, _below(rows, list(cells)))


def _below(rows: Iterator[Row], heading: list[str]) -> Iterator[Row]:
    first = heading[0]
    for row in rows:
        if row[1][0] == first and row[1] == heading:
            continue
        yield row
