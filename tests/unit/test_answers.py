"""Lines of a corrected return workbook: one row again, or none chosen where they contradict each other."""

from __future__ import annotations

from collections.abc import Sequence

from creditflow.readers import Section
from creditflow.readers.answers import DISPUTED, answered, cell_marks
from creditflow.registry import load
from creditflow.settings import load_settings

FEED = load(load_settings().project).feed("kjj", "permit")
DATA = ["许可内容", "许可类别", "备注"]
WRITTEN = ["同意", "x", ""]
HEADINGS = ["退回批次", "退回行号", "问题字段", "核对码", *DATA]


def line(field: str, *cells: str, row: str = "7", batch: str = "B1", marks: Sequence[str] = WRITTEN) -> list[str]:
    return [batch, row, field, cell_marks(DATA, marks), *cells]


def read(*lines: list[str], headings: Sequence[str] = HEADINGS) -> tuple[list[tuple[int, dict[str, str]]], list[int]]:
    section, merged = answered(
        Section(tuple(headings), FEED.recognise(tuple(headings)), 1, iter(enumerate(lines, start=2)))
    )
    return [(number, dict(zip(section.cells, cells, strict=True))) for number, cells in section.rows], merged


def values(row: dict[str, str]) -> list[str]:
    return [row[name] for name in (*DATA, DISPUTED)]


def test_corrections_in_any_line_of_a_row_count() -> None:
    rows, merged = read(
        line("许可类别", "同意", "普通", ""), line("许可内容", "准予设立", "x", ""), line("备注", "同意", "x", "核对")
    )
    assert [(number, values(row)) for number, row in rows] == [(2, ["准予设立", "普通", "核对", ""])]
    assert merged == [3, 4]


def test_the_same_correction_twice_is_one_and_a_cleared_cell_is_a_correction() -> None:
    rows, _ = read(line("许可类别", "同意", "普通", ""), line("许可内容", "", "普通", ""))
    assert values(rows[0][1]) == ["", "普通", "", ""]


def test_lines_that_contradict_each_other_come_one_by_one_and_name_the_field() -> None:
    rows, merged = read(
        line("许可类别", "同意", "普通", ""),
        line("许可内容", "准予", "特许", ""),
        line("备注", "同意", "普通", "", row="8"),
    )
    assert [(number, row[DISPUTED]) for number, row in rows] == [(2, "许可类别"), (3, "许可类别"), (4, "")]
    assert [row["许可类别"] for _, row in rows[:2]] == ["普通", "特许"]
    assert merged == []


def test_sorted_otherwise_or_of_another_batch_changes_nothing() -> None:
    rows, _ = read(
        line("许可内容", "准予", "x", ""),
        line("许可类别", "同意", "普通", "", row="9"),
        line("许可类别", "同意", "普通", ""),
        line("许可类别", "同意", "普通", "", batch="B2"),
    )
    assert [(number, values(row)[:2]) for number, row in rows] == [
        (2, ["准予", "普通"]),
        (3, ["同意", "普通"]),
        (5, ["同意", "普通"]),
    ]


def test_without_the_marks_only_lines_that_agree_are_merged() -> None:
    headings = [name for name in HEADINGS if name != "核对码"]

    def bare(*cells: str) -> list[str]:
        return ["B1", "7", "许可类别", *cells]

    agreed, _ = read(bare("同意", "普通", ""), bare("同意", "普通", ""), headings=headings)
    assert [values(row) for _, row in agreed] == [["同意", "普通", "", ""]]
    apart, _ = read(bare("同意", "普通", ""), bare("同意", "x", ""), headings=headings)
    assert [row[DISPUTED] for _, row in apart] == ["许可类别", "许可类别"]


def test_rows_that_answer_nothing_and_ordinary_deliveries_pass_as_they_are() -> None:
    rows, merged = read(line("", "同意", "普通", "", row=""), line("", "同意", "普通", "", row=""))
    assert (len(rows), merged) == (2, [])
    ordinary = Section(tuple(DATA), FEED.recognise(tuple(DATA)), 1, iter([(2, WRITTEN)]))
    assert answered(ordinary)[0] is ordinary


def test_a_column_the_department_added_need_not_be_filled_on_every_line() -> None:
    rows, _ = read(
        [*line("许可类别", "同意", "普通", ""), "已核"],
        [*line("许可内容", "同意", "x", ""), ""],
        headings=[*HEADINGS, "科室意见"],
    )
    assert [(row["科室意见"], row[DISPUTED]) for _, row in rows] == [("已核", "")]
