"""Every format, the dirt of real deliveries, and what each broken one is told."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import struct
import tracemalloc
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import openpyxl
import pytest
import xlsxwriter
import xlwt
from hypothesis import given, settings
from hypothesis import strategies as st

from creditflow.readers import ReadError, binding_encoding, detect_format, excel, read
from creditflow.registry import Feed, Registry, load

PROJECT = Path(__file__).parents[2]
HEADINGS = ["主体名称", "统一社会信用代码", "检查编号", "检查日期"]
ROW = ["汕头市示例有限公司", "91440500MA4X022965", "检〔2026〕1号", "2026/11/20"]


@cache
def sources() -> Registry:
    return load(PROJECT)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return sources()


@pytest.fixture(scope="module")
def feed(registry: Registry) -> Feed:
    return registry.feed("hyj", "inspection")


@pytest.fixture(scope="module")
def gb_feed(registry: Registry) -> Feed:
    return registry.feed("ycj", "inspection")


def everything(content: bytes, feed: Feed, form: str, encoding: str | None = "utf-8") -> list[tuple[int, list[str]]]:
    return [row for section in read(io.BytesIO(content), feed, form, encoding) for row in section.rows]


def refusal(content: bytes, feed: Feed, form: str, encoding: str | None = "utf-8") -> ReadError:
    with pytest.raises(ReadError) as caught:
        everything(content, feed, form, encoding)
    assert caught.value.zh
    assert caught.value.en
    return caught.value


def csv_of(*rows: list[str], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


class TestCsv:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_delimiters(self, feed: Feed, delimiter: str) -> None:
        assert everything(csv_of(HEADINGS, ROW, delimiter=delimiter), feed, "csv") == [(2, ROW)]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_a_byte_order_mark_decides(self, feed: Feed, encoding: str) -> None:
        assert everything(csv_of(HEADINGS, ROW, encoding=encoding), feed, "csv", "utf-8") == [(2, ROW)]

    def test_row_numbers_are_physical_lines(self, feed: Feed) -> None:
        broken_line = [*ROW[:3], "2026/11/20\n(补报)"]
        content = csv_of(HEADINGS, ROW, broken_line, ["", " ", "", ""], ROW)
        assert [number for number, _ in everything(content, feed, "csv")] == [2, 3, 6]

    def test_titles_above_the_headings(self, feed: Feed) -> None:
        content = csv_of(["海洋综合执法支队报送"], ["填表说明：日期填决定日期"], HEADINGS, ROW)
        assert everything(content, feed, "csv") == [(4, ROW)]

    def test_columns_in_another_order(self, feed: Feed) -> None:
        section = next(read(io.BytesIO(csv_of(HEADINGS[::-1], ROW[::-1])), feed, "csv", "utf-8"))
        assert section.headings.targets == ("decision_date", "document_no", "subject_uscc", "subject_name")

    def test_a_row_with_another_number_of_cells_is_yielded_as_it_is(self, feed: Feed) -> None:
        assert everything(csv_of(HEADINGS, [*ROW, "多余"], ROW[:2]), feed, "csv") == [(2, [*ROW, "多余"]), (3, ROW[:2])]

    def test_a_stray_quotation_mark_spoils_its_own_line_only(self, feed: Feed) -> None:
        lines = [",".join(HEADINGS), '"' + ",".join(ROW), ",".join(ROW), ",".join(ROW)]
        rows = everything("\n".join(lines).encode(), feed, "csv")
        assert [number for number, _ in rows] == [2, 3, 4]
        assert rows[1:] == [(3, ROW), (4, ROW)]

    def test_a_row_over_two_lines_after_a_broken_one(self, feed: Feed) -> None:
        long = [*ROW[:3], "2026/11/20\n补"]
        assert everything(csv_of(HEADINGS, [*ROW, "多余"], long), feed, "csv")[1:] == [(3, long)]

    def test_whoever_takes_a_row_may_change_it(self, feed: Feed) -> None:
        long = [*ROW[:3], "2026/11/20\n补"]
        found = []
        for section in read(io.BytesIO(csv_of(HEADINGS, long, long)), feed, "csv", "utf-8"):
            for number, cells in section.rows:
                cells.append("added")
                found.append(number)
        assert found == [2, 4]

    def test_declared_utf8_but_gb18030_is_refused(self, feed: Feed) -> None:
        assert refusal(csv_of(HEADINGS, ROW, encoding="gb18030"), feed, "csv", "utf-8").code == "wrong_encoding"

    def test_declared_gb18030_but_utf8_is_refused(self, gb_feed: Feed) -> None:
        assert refusal(csv_of(HEADINGS, ROW), gb_feed, "csv", "gb18030").code == "wrong_encoding"

    def test_without_a_binding_encoding_the_bytes_decide(self, feed: Feed) -> None:
        assert everything(csv_of(HEADINGS, ROW, encoding="gb18030"), feed, "csv", None) == [(2, ROW)]
        assert everything(csv_of(HEADINGS, ROW), feed, "csv", None) == [(2, ROW)]

    def test_a_declared_encoding_binds_for_the_declared_format_only(self, feed: Feed, gb_feed: Feed) -> None:
        assert binding_encoding(gb_feed, "csv") == "gb18030"
        assert binding_encoding(feed, "csv") is None, "the feed declared its encoding for html"

    def test_an_undecodable_byte_stays_visible(self, feed: Feed) -> None:
        content = csv_of(HEADINGS, ROW, ROW, ROW).replace("示例".encode(), b"\xff\xfe", 1)
        (_, first), (_, second), _ = everything(content, feed, "csv")
        with pytest.raises(UnicodeEncodeError):
            first[0].encode()
        assert second == ROW

    def test_missing_required_column(self, feed: Feed) -> None:
        problem = refusal(csv_of(HEADINGS[1:], ROW[1:]), feed, "csv")
        assert (problem.code, problem.field) == ("column_missing", "subject_name")

    def test_the_same_heading_twice(self, feed: Feed) -> None:
        problem = refusal(csv_of([*HEADINGS, "检查编号"], [*ROW, "2"]), feed, "csv")
        assert (problem.code, problem.field) == ("heading_repeated", "检查编号")

    def test_no_headings_at_all(self, feed: Feed) -> None:
        assert refusal(csv_of(ROW, ROW), feed, "csv").code == "header_not_found"

    def test_an_endless_line(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("creditflow.readers.delimited.MAX_LINE", 1000)
        problem = refusal(csv_of(HEADINGS, ROW) + b"x" * 5000, feed, "csv")
        assert (problem.code, problem.row) == ("line_too_long", 3)

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.lists(
                st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12), min_size=4, max_size=4
            ),
            max_size=8,
        )
    )
    def test_what_was_written_is_read(self, rows: list[list[str]]) -> None:
        feed = sources().feed("hyj", "inspection")
        expected = [row for row in rows if any(cell and not cell.isspace() for cell in row)]
        found = [row for _, row in everything(csv_of(HEADINGS, *rows), feed, "csv")]
        assert found == [row for row in expected if row != HEADINGS]


class TestExcel:
    def workbook(self, *rows: list[Any]) -> bytes:
        out = io.BytesIO()
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(out)
        return out.getvalue()

    def test_titles_instructions_and_blank_rows(self, feed: Feed) -> None:
        content = self.workbook(
            ["海洋执法检查"], ["说明：日期填 YYYY/MM/DD"], ["请勿改动表头"], [], HEADINGS, ROW, [], ROW
        )
        assert everything(content, feed, "xlsx", None) == [(6, ROW), (8, ROW)]

    def test_blank_columns_and_code_list_sheets(self, feed: Feed) -> None:
        out = io.BytesIO()
        book = xlsxwriter.Workbook(out)
        book.add_worksheet("代码表").write_row(0, 0, ["代码", "含义"])
        sheet = book.add_worksheet("数据")
        sheet.write_row(1, 1, HEADINGS)
        sheet.write_row(2, 1, ROW)
        book.close()
        ((number, cells),) = everything(out.getvalue(), feed, "xlsx", None)
        assert number == 3
        assert [cell for cell in cells if cell] == ROW

    def test_cells_become_the_text_people_see(self, feed: Feed) -> None:
        day = dt.date(2026, 11, 20)
        ((_, cells),) = everything(
            self.workbook([*HEADINGS, "备注", "发现问题"], ["示例公司", 12345678901234, 12.0, day, 0.1 + 0.2, 1e-7]),
            feed,
            "xlsx",
            None,
        )
        assert cells == ["示例公司", "12345678901234", "12", "2026-11-20", "0.3", "0.0000001"]

    def test_old_xls(self, feed: Feed) -> None:
        book = xlwt.Workbook()
        sheet = book.add_sheet("数据")
        for number, row in enumerate([["标题"], HEADINGS, ROW]):
            for at, value in enumerate(row):
                sheet.write(number, at, value)
        out = io.BytesIO()
        book.save(out)
        assert everything(out.getvalue(), feed, "xls", None) == [(3, ROW)]

    def test_an_empty_workbook(self, feed: Feed) -> None:
        assert refusal(self.workbook(), feed, "xlsx", None).code == "empty_workbook"

    def test_a_truncated_workbook(self, feed: Feed) -> None:
        content = self.workbook(HEADINGS, ROW)
        assert refusal(content[: len(content) // 2], feed, "xlsx", None).code == "workbook_damaged"

    def test_a_password(self, feed: Feed) -> None:
        content = (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 600
        )
        assert refusal(content, feed, "xls", None).code == "password_protected"
        with pytest.raises(ReadError) as caught:
            detect_format("加密.xlsx", content, feed.formats)
        assert "密码" in caught.value.zh

    def test_a_zip_bomb_is_not_opened(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(excel, "MAX_UNCOMPRESSED", 50_000_000)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
            bomb.writestr("xl/worksheets/sheet1.xml", b"0" * 60_000_000)
        assert refusal(out.getvalue(), feed, "xlsx", None).code == "workbook_too_large"

    def test_a_zip_bomb_that_lies_about_its_size(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(excel, "MAX_UNCOMPRESSED", 50_000_000)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
            bomb.writestr("xl/worksheets/sheet1.xml", b"0" * 60_000_000)
        content = out.getvalue()
        lied = content.replace(struct.pack("<I", 60_000_000), struct.pack("<I", 1000))
        assert lied != content
        assert refusal(lied, feed, "xlsx", None).code == "workbook_too_large"


class TestJson:
    RECORD: ClassVar = dict(zip(HEADINGS, ROW, strict=True))

    @pytest.mark.parametrize(
        "document",
        [
            {"rows": [RECORD], "next": None, "total": 1},
            {"code": 0, "rows": [RECORD]},
            [RECORD],
            RECORD,
        ],
    )
    def test_shapes(self, feed: Feed, document: Any) -> None:
        assert everything(json.dumps(document).encode(), feed, "json") == [(1, ROW)]

    def test_json_lines_and_pages_one_after_the_other(self, feed: Feed) -> None:
        line = json.dumps(self.RECORD, ensure_ascii=False)
        assert len(everything(f"{line}\n{line}\n\n{line}".encode(), feed, "json")) == 3
        page = json.dumps({"rows": [self.RECORD, self.RECORD]})
        assert [number for number, _ in everything(f"{page}\n{page}\n".encode(), feed, "json")] == [1, 2, 3, 4]

    def test_nested_lists_are_flattened(self, registry: Registry) -> None:
        feed = registry.feed("x_province", "list_entry")
        document = {
            "status": "0",
            "data": [{"result": [{"iname": "甲公司"}, {"iname": "乙公司"}]}, {"result": [{"iname": "丙公司"}]}],
        }
        rows = everything(json.dumps(document).encode(), feed, "json")
        assert [cells for _, cells in rows] == [["甲公司"], ["乙公司"], ["丙公司"]]

    def test_numbers_keep_their_digits(self, feed: Feed) -> None:
        content = b'{"rows":[{"ZT_MC": "x", "BZ": 1.50, "JC_WT": 12345678901234567890, "JC_LX": true, "JC_SX": null}]}'
        ((_, cells),) = everything(content, feed, "json")
        assert cells == ["x", "1.50", "12345678901234567890", "true", ""]

    def test_a_name_that_comes_later_starts_a_new_section(self, feed: Feed) -> None:
        records = [dict(self.RECORD) for _ in range(300)] + [{**self.RECORD, "备注": "补充"}] + [dict(self.RECORD)]
        content = json.dumps({"rows": records}).encode()
        widths = [
            (len(section.cells), len(list(section.rows)))
            for section in read(io.BytesIO(content), feed, "json", "utf-8")
        ]
        assert widths == [(4, 300), (5, 2)]

    def test_broken_json_names_the_line_and_keeps_what_came_before(self, feed: Feed) -> None:
        lines = (
            ["["]
            + [json.dumps(self.RECORD, ensure_ascii=False) + "," for _ in range(5000)]
            + ['{"主体名称": "x""}', "]"]
        )
        seen: list[int] = []

        def keep() -> None:
            for section in read(io.BytesIO("\n".join(lines).encode()), feed, "json", "utf-8"):
                seen.extend(number for number, _ in section.rows)

        with pytest.raises(ReadError) as caught:
            keep()
        assert (caught.value.code, caught.value.row, len(seen)) == ("json_broken", 5002, 5000)

    @pytest.mark.parametrize("cut", [10, 60, 100])
    def test_a_truncated_document(self, feed: Feed, cut: int) -> None:
        content = json.dumps({"rows": [self.RECORD] * 3}, ensure_ascii=False).encode()
        assert refusal(content[:-cut], feed, "json").code == "json_broken"

    def test_no_records(self, feed: Feed) -> None:
        assert refusal(b'{"error": "unauthorised", "message": "x"}', feed, "json").code == "records_not_found"

    @pytest.mark.parametrize(
        "content",
        [
            b"[" * 100_000,
            b'{"rows":[' + b'{"a":' * 50_000,
            b'{"rows":[{"BZ": NaN}]}',
            b'{"rows":[1, 2]}',
            b'"text"',
            b"[}",
        ],
    )
    def test_hostile_documents_are_refused(self, feed: Feed, content: bytes) -> None:
        assert refusal(content, feed, "json").code in ("json_broken", "record_not_object")

    @settings(max_examples=80, deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_are_rows_or_a_refusal(self, noise: bytes) -> None:
        feed = sources().feed("hyj", "inspection")
        for form in ("csv", "json", "xml", "html", "xlsx", "xls"):
            with suppress(ReadError):
                everything(noise, feed, form, None)


class TestXml:
    def document(self, *rows: list[str]) -> bytes:
        codes = ("ZT_MC", "ZT_SHXYM", "JC_BH", "JC_RQ")
        body = "".join(
            "<ROW>" + "".join(f"<{code}>{value}</{code}>" for code, value in zip(codes, row, strict=True)) + "</ROW>\n"
            for row in rows
        )
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<ROWDATA>\n{body}</ROWDATA>'.encode()

    def test_rows(self, feed: Feed) -> None:
        assert everything(self.document(ROW, ROW), feed, "xml", None) == [(1, ROW), (2, ROW)]

    def test_broken_xml_names_the_line(self, feed: Feed) -> None:
        problem = refusal(self.document(ROW, ROW)[:-150], feed, "xml", None)
        assert problem.code == "xml_broken"
        assert problem.row in (3, 4)

    def test_entities_are_refused(self, feed: Feed) -> None:
        declared = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        bomb = declared + b"<ROWDATA><ROW><ZT_MC>&b;</ZT_MC></ROW></ROWDATA>"
        assert refusal(bomb, feed, "xml", None).code == "xml_doctype"

    def test_external_entities_are_refused(self, feed: Feed, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("秘密", encoding="utf-8")
        declared = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "{secret.as_uri()}">]>'
        attack = declared + "<ROWDATA><ROW><ZT_MC>&a;</ZT_MC></ROW></ROWDATA>"
        assert refusal(attack.encode(), feed, "xml", None).code == "xml_doctype"


class TestHtml:
    def test_the_first_table_with_the_headings(self, feed: Feed) -> None:
        head, cells = ("".join(f"<td><p>{text}</p></td>" for text in row) for row in (HEADINGS, ROW))
        page = f"<html><body><table><tr><td>导航</td></tr></table><table><thead><tr>{head}</tr></thead><tr>{cells}</tr></table>"
        assert everything(page.encode(), feed, "html") == [(2, ROW)]

    def test_spans_are_unfolded(self, feed: Feed) -> None:
        head = "".join(f"<th>{text}</th>" for text in HEADINGS)
        body = "<tr><td rowspan=2>甲公司</td><td>a</td><td>b</td><td>c</td></tr><tr><td colspan=2>d</td><td>e</td></tr>"
        page = f"<table><tr>{head}</tr>{body}</table>"
        assert [cells for _, cells in everything(page.encode(), feed, "html")] == [
            ["甲公司", "a", "b", "c"],
            ["甲公司", "d", "", "e"],
        ]

    def test_scripts_are_not_text(self, feed: Feed) -> None:
        head = "".join(f"<th>{text}</th>" for text in HEADINGS)
        page = f"<table><tr>{head}</tr><tr><td>甲公司<script>alert(1)</script></td><td>a</td><td>b</td><td>c</td></tr></table>"
        assert everything(page.encode(), feed, "html")[0][1][0] == "甲公司"

    def test_a_page_without_a_table(self, feed: Feed) -> None:
        assert refusal("<html><body>维护中</body></html>".encode(), feed, "html").code == "table_not_found"


class TestFormat:
    @pytest.mark.parametrize(
        ("name", "head", "form"),
        [
            ("a.csv", b"x,y", "csv"), ("a.CSV", b"{x},y", "csv"), ("a.txt", b"x\ty", "csv"), ("a.html.txt", b"<table>", "html"),
            ("a", b"<table>", "html"), ("a.json", b" [1]", "json"), ("a.jsonl", b"{}", "json"), ("a.xml", b"<?xml", "xml"),
            ("a.xlsx", b"PK\x03\x04", "xlsx"), ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
        ],
    )  # fmt: skip
    def test_name_and_bytes_agree(self, feed: Feed, name: str, head: bytes, form: str) -> None:
        assert detect_format(name, head, feed.formats) == form

    @pytest.mark.parametrize(
        ("name", "head", "code"),
        [
            ("a.csv", b"", "empty"), ("a.csv", b"PK\x03\x04", "wrong_magic"), ("a.xls", b"<html><table>", "wrong_magic"),
            ("a.xls", b"PK\x03\x04", "wrong_magic"), ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "password_or_xls"),
            ("a.json", b"<html>", "wrong_magic"), ("a.pdf", b"%PDF-1.7", "wrong_magic"), ("a.csv", b"a\0b", "wrong_magic"),
        ],
    )  # fmt: skip
    def test_a_contradiction_is_told(self, feed: Feed, name: str, head: bytes, code: str) -> None:
        with pytest.raises(ReadError) as caught:
            detect_format(name, head, feed.formats)
        assert caught.value.code == code


def test_memory_does_not_grow_with_the_file(feed: Feed, tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([HEADINGS, *([ROW] * rows)])
        tracemalloc.start()
        with path.open("rb") as stream:
            count = sum(1 for section in read(stream, feed, "csv", "utf-8") for _ in section.rows)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == rows
        return highest

    assert peak(80_000) < 1.1 * peak(20_000)
