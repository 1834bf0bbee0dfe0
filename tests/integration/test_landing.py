"""Archive and landing on a real server: what lands, what is held with which reason, and what survives a fault."""

from __future__ import annotations

import csv
import datetime as dt
import errno
import hashlib
import io
import json
import os
import signal
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from creditflow import archive, ingest
from creditflow.archive import ArchiveError, manifests, read_manifest, store, verify
from creditflow.connectors.delivery import Delivery
from creditflow.ingest import drop, ingest_department
from creditflow.landing import canonical_columns, ensure_tables, land, work_table
from creditflow.landing import rows as rows_module
from creditflow.landing.rows import RowWriter
from creditflow.landing.shared import WorkerLost
from creditflow.ops.batches import BatchSummary, next_batch_id, register
from creditflow.ops.database import connect, transaction
from creditflow.readers import delimited, reason
from creditflow.registry import Registry, load
from tests.conftest import Warehouse

PROJECT = Path(__file__).parents[2]
AS_OF = dt.date(2026, 11, 20)
PERSON = "440507199003070018"
"""Fictitious: sequence number 001 of a made-up person."""

PERMIT = {
    "XK_XDR_MC": "汕头市示例有限公司", "XK_XDR_LB": "法人及非法人组织", "XK_XDR_SHXYM": "91440500MA4X022965",
    "XK_FRDB": "张示例", "XK_XKWS": "许可决定书", "XK_WSH": "汕许〔2026〕1号", "XK_XKLB": "普通", "XK_NR": "许可内容",
    "XK_JDRQ": "2026/11/18", "XK_YXQZ": "2026/11/18", "XK_YXQZI": "2099/12/31", "XK_XKJG": "汕头市民政局",
    "XK_XKJGDM": "11440500MA4X00071Y", "XK_ZT": "1", "XK_LYDW": "汕头市民政局", "XK_LYDWDM": "11440500MA4X00071Y",
}  # fmt: skip


@cache
def sources() -> Registry:
    return load(PROJECT)


@pytest.fixture
def registry() -> Registry:
    return sources()


def table(*rows: dict[str, str], encoding: str = "utf-8") -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def permit(**changes: str) -> dict[str, str]:
    return {**PERMIT, **changes}


class Intake:
    """Hands deliveries to the archive and landing of one test's warehouse."""

    def __init__(self, warehouse: Warehouse, registry: Registry, folder: Path) -> None:
        self.warehouse, self.settings, self.registry, self.folder = warehouse, warehouse.settings, registry, folder

    def drop(self, content: bytes, name: str = "permit.csv", feed: str = "mzj/permit") -> BatchSummary:
        path = self.folder / name
        path.write_bytes(content)
        department, kind = feed.split("/")
        return drop(self.settings, self.registry, department, kind, [path], AS_OF)[0]

    def take(self, content: bytes, name: str = "permit.csv", feed: str = "mzj/permit", **declared: Any) -> BatchSummary:
        """As a connector would hand it over, with control totals and watermark."""
        code, kind = feed.split("/")
        department, known = self.registry.all()[code], self.registry.feed(code, kind)
        conn = connect(self.settings, name="test", autocommit=True)
        ensure_tables(conn, self.registry)
        batch_id = next_batch_id(conn, code, known.kind, AS_OF)
        archived = store(
            self.settings, department, known, Delivery(name, io.BytesIO(content), **declared), batch_id, AS_OF
        )
        register(conn, archived.manifest)
        conn.close()
        return land(self.settings, self.registry, batch_id)

    def rows(self, batch: BatchSummary) -> list[dict[str, Any]]:
        columns = columns_of(self.warehouse, "work", work_table(batch.batch_id))
        found = self.warehouse.query(f"select * from work.{work_table(batch.batch_id)} order by row_no")
        return [dict(zip(columns, row, strict=True)) for row in found]

    def row(self, **changes: str) -> dict[str, Any]:
        """The one landed row of a permit with these changes."""
        return self.rows(self.drop(table(permit(**changes))))[0]


@pytest.fixture
def intake(warehouse: Warehouse, registry: Registry, tmp_path: Path) -> Intake:
    return Intake(warehouse, registry, tmp_path)


class TestWhatLands:
    def test_values_as_sent_under_canonical_names(self, intake: Intake) -> None:
        row = intake.row()
        assert row["counterparty_name"] == "汕头市示例有限公司"
        assert row["decision_date"] == "2026/11/18"
        assert (row["department"], row["feed"], row["row_no"], row["op"]) == ("mzj", "permit", 2, "I")
        assert row["certificate_no"] is None
        assert row["changes"] is None
        assert row["extra"] is None
        assert row["defect"] is None

    def test_codes_in_their_written_form_with_the_original_beside(self, intake: Intake) -> None:
        row = intake.row(XK_XDR_SHXYM=" ９１４４０５００-ma4x022965", XK_XKJGDM=" 11440500MA4X00071Y ")
        assert row["counterparty_uscc"] == "91440500MA4X022965"
        assert row["permit_authority_uscc"] == "11440500MA4X00071Y"
        assert row["changes"] == {"counterparty_uscc": " ９１４４０５００-ma4x022965"}, "trimming alone is no change"

    def test_a_letter_for_a_digit_is_left_to_the_gate(self, intake: Intake) -> None:
        assert intake.row(XK_XDR_SHXYM="91440500MA4XO22965")["counterparty_uscc"] == "91440500MA4XO22965"

    def test_the_same_decision_has_one_key_however_it_is_written(self, intake: Intake) -> None:
        forms = [
            permit(),
            permit(XK_WSH="汕许【2026】１号", XK_XDR_SHXYM="91440500ma4x022965"),
            permit(XK_XDR_MC="汕头市示例有限公司（旧名）"),
        ]
        keys = {row["record_key"] for row in intake.rows(intake.drop(table(*forms)))}
        assert len(keys) == 1
        other = intake.row(XK_WSH="汕许〔2026〕2号")["record_key"]
        assert other not in keys

    def test_rows_without_a_document_number_never_collapse(self, intake: Intake) -> None:
        rows = intake.rows(
            intake.drop(table(permit(XK_WSH=""), permit(XK_WSH="", XK_NR="另一许可"), permit(XK_WSH="")))
        )
        assert len({row["record_key"] for row in rows}) == 2, "equal rows are one record, different rows are two"

    def test_the_content_hash_follows_the_content_only(self, intake: Intake) -> None:
        first, again, changed = intake.rows(intake.drop(table(permit(), permit(), permit(XK_NR="变更"))))
        reordered = intake.rows(intake.drop(table(dict(reversed(permit().items())))))[0]
        assert first["content_hash"] == again["content_hash"] == reordered["content_hash"] != changed["content_hash"]

    def test_withdrawing_is_other_content_than_sending(self, intake: Intake) -> None:
        rows = intake.rows(intake.drop(table(*(permit(CZBS=op) for op in "IUWD"))))
        assert [row["op"] for row in rows] == ["I", "U", "W", "D"]
        assert rows[0]["content_hash"] == rows[1]["content_hash"]
        assert len({row["content_hash"] for row in rows}) == 3

    def test_change_times_and_sequences(self, intake: Intake) -> None:
        forms = [
            "2026-11-18 09:12:33",
            "2026/11/18 09:12:33",
            "20261118091233",
            "2026-11-18T01:12:33+00:00",
            "乱码",
            "",
        ]
        rows = intake.rows(
            intake.drop(table(*(permit(GXSJ=form) for form in forms)), "MZJ_PERMIT_20261119080000_001.csv")
        )
        moment = dt.datetime(2026, 11, 18, 1, 12, 33, tzinfo=dt.UTC)
        delivered = dt.datetime(2026, 11, 20, 4, tzinfo=dt.UTC)
        assert [row["version_at"] for row in rows] == [moment] * 4 + [delivered] * 2
        assert rows[4]["extra"] == {"@derived": ["@version_at:unreadable"]}
        assert [row["version_seq"] for row in rows] == [2, 3, 4, 5, 6, 7]

    def test_an_unknown_operation_is_a_defect(self, intake: Intake) -> None:
        assert intake.row(CZBS="X")["defect"] == "bad_operation"

    def test_unknown_columns_are_kept_and_reported(self, intake: Intake) -> None:
        row = intake.row(SPLSH="内部流水 13800138000")
        assert row["extra"] == {"SPLSH": "内部流水 ***"}
        ((rule, zh),) = intake.warehouse.query("select rule_id, message_zh from quality.incident")
        assert rule == "INTAKE-UNKNOWN-COLUMN"
        assert "SPLSH" in zh

    def test_a_row_with_a_cell_too_many(self, intake: Intake) -> None:
        lines = table(permit(), permit()).decode().splitlines()
        lines[1] += f",多余{PERSON}"
        batch = intake.drop("\n".join(lines).encode())
        bad, good = intake.rows(batch)
        assert batch.rows_read == 2
        assert (bad["defect"], bad["row_no"], bad["counterparty_name"]) == ("column_count", 2, None)
        assert bad["extra"]["@cells"][-1] == "多余***"
        assert good["defect"] is None

    def test_an_undecodable_byte_costs_its_row_only(self, intake: Intake) -> None:
        content = table(*(permit(XK_WSH=f"汕许〔2026〕{n}号") for n in range(30)))
        content = content.replace("许可内容".encode(), b"\xff\xfe", 1)
        rows = intake.rows(intake.drop(content))
        assert [row["defect"] for row in rows] == ["undecodable"] + [None] * 29
        assert rows[0]["defect_detail"] == "permit_content"
        assert rows[0]["permit_content"] == "\ufffd\ufffd"

    def test_nul_and_control_characters(self, intake: Intake) -> None:
        row = intake.row(XK_NR="a\tb\\c\nd\re", BZ="\\N")
        assert (row["permit_content"], row["remark"]) == ("a\tb\\c\nd\re", "\\N")
        document = json.dumps({"rows": [permit(XK_NR="甲\0乙", SPLSH="丙\0\ud800")]}).encode()
        row = intake.rows(intake.drop(document, "permit.json"))[0]
        assert (row["defect"], row["permit_content"]) == ("nul_character", "甲\ufffd乙")
        assert row["extra"] == {"SPLSH": "丙\ufffd\ufffd"}

    @pytest.mark.parametrize(
        "text", ["'; drop table landing.permit; --", "</script><b>", "=cmd|' /C calc'!A0", "\u202e逆序", "%s %(x)s {0}"]
    )
    def test_hostile_text_is_text(self, intake: Intake, text: str) -> None:
        assert intake.row(XK_XDR_MC=text)["counterparty_name"] == text

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.text(max_size=20), min_size=1, max_size=20))
    def test_any_text_lands_as_it_was_sent(self, intake: Intake, texts: list[str]) -> None:
        content = json.dumps({"rows": [permit(XK_NR=text, BZ=text) for text in texts]}).encode()
        intake.warehouse.query("delete from ops.batch")
        for found in (intake.settings.home / "archive").glob("*/*/*/*/*"):
            found.unlink()
        rows = intake.rows(intake.drop(content, "permit.json"))
        clean = ["".join("\ufffd" if "\ud800" <= c <= "\udfff" or c == "\0" else c for c in text) for text in texts]
        assert [row["permit_content"] or "" for row in rows] == clean


class TestPersons:
    def test_a_number_is_hashed_and_encrypted(self, intake: Intake) -> None:
        row = intake.row(XK_XDR_LB="自然人", XK_XDR_SHXYM="", XK_XDR_ZJLX="身份证", XK_XDR_ZJHM=PERSON)
        assert row["person_id_no_check"] == "ok"
        assert len(row["person_id_no_hash"]) == 64
        assert row["person_id_no_cipher"].startswith(f"{intake.settings.keys().key_id}:")
        assert "person_id_no" not in row

    def test_no_clear_number_anywhere_in_the_database(self, intake: Intake) -> None:
        batch = intake.drop(
            table(
                permit(
                    XK_FR_ZJLX="身份证", XK_FR_ZJHM=PERSON, XK_XDR_SWDJ=PERSON, XK_XDR_GSZC=PERSON, XK_XDR_ZZJG=PERSON
                )
            )
        )
        (row,) = intake.rows(batch)
        assert PERSON not in json.dumps(row, default=str)
        assert row["counterparty_tax_no"] is None
        assert row["changes"]["counterparty_tax_no"] == "******"
        assert "counterparty_tax_no:personal_number_removed" in row["extra"]["@derived"]

    def test_a_corrected_number_is_other_content(self, intake: Intake) -> None:
        numbers = ["440507199003070018", "440511198506150028", "440513197202290038", "44052319991231004X"]
        rows = intake.rows(intake.drop(table(*(permit(XK_FR_ZJHM=number) for number in numbers))))
        assert len({row["content_hash"] for row in rows}) > 1
        assert len({row["record_key"] for row in rows}) == 1

    def test_keys_do_not_depend_on_the_secret(self, intake: Intake) -> None:
        content = table(permit(XK_FR_ZJHM=PERSON))
        before = intake.rows(intake.drop(content))[0]
        other = replace(
            intake.settings, home=intake.settings.home / "other", archive_url=f"file://{intake.folder}/second"
        )
        intake.settings = other
        intake.warehouse.query("delete from ops.batch")
        intake.warehouse.query("delete from ops.person_key")  # as if it had been another warehouse from the start
        after = intake.rows(intake.drop(content))[0]
        assert before["legal_representative_id_no_hash"] != after["legal_representative_id_no_hash"]
        assert (before["record_key"], before["content_hash"]) == (after["record_key"], after["content_hash"])

    def test_one_heading_for_codes_and_persons(self, intake: Intake) -> None:
        rows = [
            {"被执行人姓名/名称": "甲公司", "身份证号码/组织机构代码": "71526726-X", "案号": "(2026)粤05执1号"},
            {"被执行人姓名/名称": "张示例", "身份证号码/组织机构代码": PERSON, "案号": "(2026)粤05执2号"},
            {"被执行人姓名/名称": "乙公司", "身份证号码/组织机构代码": "91440500MA4X022965", "案号": "(2026)粤05执3号"},
        ]
        first, second, third = intake.rows(intake.drop(table(*rows), "名单.csv", "x_province/list_entry"))
        assert first["subject_org_code"] == "71526726X"
        assert second["person_id_no_check"] == "ok"
        assert second["subject_uscc"] is None
        assert third["subject_uscc"] == "91440500MA4X022965"


class TestLayout2015:
    def test_old_codes_and_states(self, intake: Intake) -> None:
        old = {
            "XK_WSH": "汕民宗许〔2026〕1号", "XK_XMMC": "宗教活动场所设立许可", "XK_SPLB": "0", "XK_NR": "内容", "XK_XDR": "示例场所",
            "XK_XDR_SHXYM": "", "XK_XDR_ZDM": "71526726X", "XK_FR": "张示例", "XK_JDRQ": "2026/11/18", "XK_JZQ": "2099/12/31",
            "XK_XZJG": "汕头市民族宗教事务局", "XK_ZT": "0", "DFBM": "440500", "SJC": "2026/11/19",
        }  # fmt: skip
        (row,) = intake.rows(intake.drop(table(old), "old.csv", "mzzjj/permit"))
        assert (row["permit_category"], row["record_status"]) == ("普通", "1")
        assert row["valid_from"] == "2026/11/18"
        assert row["permit_authority_uscc"] == intake.registry.authority_code("市民族宗教事务局")
        assert row["counterparty_type"] == "法人及非法人组织"
        assert "valid_from:from_decision_date" in row["extra"]["@derived"]

    def test_two_category_columns_become_one(self, intake: Intake) -> None:
        old = {
            "CF_WSH": "汕民宗罚〔2026〕1号",
            "CF_XDR_MC": "示例",
            "CF_CFLB1": "1",
            "CF_CFLB2": "0",
            "CF_ZT": "1",
            "CF_AJMC": "某案",
        }
        (row,) = intake.rows(intake.drop(table(old), "old.csv", "mzzjj/penalty"))
        assert row["penalty_category"] == "罚款;警告"
        assert row["violation_type"] == "某案"
        assert row["op"] == "W"


class TestColumnsThatMayNotCome:
    def test_a_forbidden_column_never_reaches_the_archive(self, intake: Intake) -> None:
        batch = intake.drop(table(permit(民族="汉族"), permit(民族="潮汕", XK_WSH="汕许〔2026〕2号")))
        (manifest,) = manifests(intake.settings)
        stored = (intake.settings.home / "archive" / manifest["archive_path"]).read_text(encoding="utf-8")
        assert "汉族" not in stored
        assert "民族" not in stored
        assert manifest["columns_cut"] == ["民族"]
        assert manifest["original_sha256"] == hashlib.sha256((intake.folder / "permit.csv").read_bytes()).hexdigest()
        assert manifest["sha256"] != manifest["original_sha256"]
        assert [row["row_no"] for row in intake.rows(batch)] == [2, 3]
        ((rule, department),) = intake.warehouse.query("select rule_id, department from quality.incident")
        assert (rule, department) == ("INTAKE-COLUMN-CUT", "mzj")

    @pytest.mark.parametrize("form", ["csv", "json", "xml", "html", "xlsx"])
    def test_in_every_format_with_the_row_numbers_kept(self, intake: Intake, form: str) -> None:
        rows = [permit(民族="汉族", BZ="甲\n乙"), permit(民族="汉族", BZ="", XK_WSH="汕许〔2026〕2号")]
        plain = intake.rows(
            intake.drop(
                _document(form, [{k: v for k, v in row.items() if k != "民族"} for row in rows]), f"plain.{form}"
            )
        )
        cut = intake.rows(intake.drop(_document(form, rows), f"cut.{form}"))
        manifest = list(manifests(intake.settings))[-1]
        assert manifest["columns_cut"] == ["民族"]
        assert "汉族".encode() not in (intake.settings.home / "archive" / manifest["archive_path"]).read_bytes()
        assert [(row["row_no"], row["content_hash"]) for row in cut] == [
            (row["row_no"], row["content_hash"]) for row in plain
        ]

    def test_with_an_allow_list_nothing_else_is_stored(self, intake: Intake) -> None:
        batch = intake.drop(table(permit(参保人电话="13800138000", 内部编号="7")), feed="ybj/permit")
        (row,) = intake.rows(batch)
        (manifest,) = manifests(intake.settings)
        assert set(manifest["columns_cut"]) == {"参保人电话", "内部编号"}
        assert row["extra"] is None
        assert row["counterparty_name"] == "汕头市示例有限公司"

    def test_a_row_with_too_many_cells_keeps_none_of_them(self, intake: Intake) -> None:
        lines = table(permit(民族="汉族"), permit(民族="汉族")).decode().splitlines()
        lines[1] += ",多余"
        batch = intake.drop("\n".join(lines).encode())
        bad, good = intake.rows(batch)
        assert (bad["defect"], bad["row_no"]) == ("column_count", 2)
        assert "汉族" not in json.dumps(bad, default=str, ensure_ascii=False)
        assert good["defect"] is None


def _document(form: str, rows: list[dict[str, str]]) -> bytes:
    if form == "csv":
        return table(*rows)
    if form == "json":
        return json.dumps({"rows": rows}, ensure_ascii=False).encode()
    if form == "xml":
        body = "".join("<ROW>" + "".join(f"<{k}>{v}</{k}>" for k, v in row.items()) + "</ROW>" for row in rows)
        return f"<ROWDATA>{body}</ROWDATA>".encode()
    if form == "html":
        lines = [list(rows[0]), *(list(row.values()) for row in rows)]
        body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in line) + "</tr>" for line in lines)
        return f"<table>{body}</table>".encode()
    import openpyxl

    book = openpyxl.Workbook()
    for line in (["标题"], list(rows[0]), *(list(row.values()) for row in rows)):
        book.active.append(line)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


class TestHeld:
    """Bad input gets a clear error in both languages, nothing is lost, and the next good delivery heals it."""

    def held(self, intake: Intake, batch: BatchSummary, code: str) -> dict[str, Any]:
        assert batch.state == "held", batch
        assert [entry["code"] for entry in batch.reasons] == [code]
        assert batch.rows_held == batch.rows_read
        assert batch.reasons[0]["zh"]
        assert batch.reasons[0]["en"]
        assert intake.warehouse.query("select to_regclass(%s)", (f"work.{work_table(batch.batch_id)}",)) == [(None,)]
        assert intake.drop(table(permit(XK_WSH="汕许〔2026〕9号")), "good.csv").state == "landed"
        return batch.reasons[0]

    def test_broken_json_names_the_line(self, intake: Intake) -> None:
        content = "[\n" + json.dumps(PERMIT) + ",\n" + json.dumps(PERMIT)[:-5] + "\n]"
        batch = intake.drop(content.encode(), "permit.json")
        assert self.held(intake, batch, "json_broken")["row"] == 3
        assert batch.rows_read == 1

    def test_broken_xml(self, intake: Intake) -> None:
        content = _document("xml", [permit(), permit()])[:-40]
        assert "row" in self.held(intake, intake.drop(content, "permit.xml"), "xml_broken")

    def test_wrong_encoding(self, intake: Intake) -> None:
        batch = intake.take(table(permit(), encoding="gb18030"))
        assert "UTF-8" in self.held(intake, batch, "wrong_encoding")["zh"]

    def test_missing_column(self, intake: Intake) -> None:
        batch = intake.drop(table({k: v for k, v in PERMIT.items() if k != "XK_XDR_MC"}))
        assert self.held(intake, batch, "column_missing")["field"] == "counterparty_name"

    def test_empty_file(self, intake: Intake) -> None:
        self.held(intake, intake.drop(b""), "empty")

    def test_empty_workbook(self, intake: Intake) -> None:
        import openpyxl

        out = io.BytesIO()
        openpyxl.Workbook().save(out)
        self.held(intake, intake.drop(out.getvalue(), "permit.xlsx"), "empty_workbook")

    def test_renamed_or_protected_workbook(self, intake: Intake) -> None:
        self.held(
            intake, intake.drop(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "permit.xlsx"), "password_or_xls"
        )

    def test_truncated_workbook(self, intake: Intake) -> None:
        content = _document("xlsx", [permit()])
        self.held(intake, intake.drop(content[: len(content) // 2], "permit.xlsx"), "workbook_damaged")

    def test_fewer_rows_than_declared(self, intake: Intake) -> None:
        batch = intake.take(table(permit()), declared_rows=2)
        self.held(intake, batch, "control_rows")
        assert batch.rows_read == 1

    def test_other_bytes_than_declared(self, intake: Intake) -> None:
        self.held(intake, intake.take(table(permit()), declared_sha256="0" * 64), "control_sha256")

    def test_a_control_file_nobody_can_read(self, intake: Intake) -> None:
        problem = reason("control_unreadable", "控制文件有误", "the control file is damaged")
        self.held(intake, intake.take(table(permit()), problem=problem), "control_unreadable")

    def test_a_person_may_overrule_a_wrong_control_total(self, intake: Intake) -> None:
        batch = intake.take(table(permit()), declared_rows=2)
        again = land(intake.settings, intake.registry, batch.batch_id, overrule=True)
        assert (again.state, again.rows_held, len(intake.rows(again))) == ("landed", 0, 1)

    def test_the_same_bytes_with_the_right_control_total_heal_it(self, intake: Intake) -> None:
        content = table(permit())
        assert intake.take(content, declared_rows=2).state == "held"
        assert intake.take(content, declared_rows=1).state == "landed"


class TestOnce:
    def test_the_same_bytes_are_one_batch(self, intake: Intake) -> None:
        first, second = (
            intake.drop(table(permit(), permit(XK_NR="二"))),
            intake.drop(table(permit(), permit(XK_NR="二")), "again.csv"),
        )
        assert (second.state, second.rows_read, second.rows_duplicate) == ("duplicate", 2, 2)
        assert intake.warehouse.query("select duplicate_of from ops.batch where batch_id = %s", (second.batch_id,)) == [
            (first.batch_id,)
        ]

    def test_a_snapshot_that_returns_after_another_counts(self, intake: Intake) -> None:
        old, new = ({"主体名称": "甲公司", "欠缴余额(元)": amount} for amount in ("1", "2"))
        states = [
            intake.drop(table(content), f"{n}.csv", "swj/arrears").state
            for n, content in enumerate((old, old, new, old))
        ]
        assert states == ["landed", "duplicate", "landed", "landed"]

    def test_ids_are_numbered_by_night(self, intake: Intake) -> None:
        ids = [intake.drop(table(permit(XK_NR=str(n)))).batch_id for n in range(3)]
        assert ids == [f"MZJ-PERMIT-20261120-00{n}" for n in (1, 2, 3)]

    def test_landing_again_gives_the_same_rows(self, intake: Intake) -> None:
        batch = intake.drop(table(permit(XK_FR_ZJHM=PERSON), permit(XK_NR="二")))
        before = intake.rows(batch)
        intake.warehouse.query(f"truncate work.{work_table(batch.batch_id)}")
        assert land(intake.settings, intake.registry, batch.batch_id).state == "landed"
        assert intake.rows(batch) == before

    def test_the_watermark_moves_with_the_batch(self, intake: Intake) -> None:
        batch = intake.take(table(permit()), watermark_after={"seq": 7})
        assert intake.warehouse.query("select value, batch_id from ops.watermark") == [({"seq": 7}, batch.batch_id)]

    def test_a_failed_landing_moves_nothing(self, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError("killed")

        monkeypatch.setattr("creditflow.landing._Landing.run", fail)
        with pytest.raises(RuntimeError):
            intake.take(table(permit()), watermark_after={"seq": 7})
        assert intake.warehouse.query("select count(*) from ops.watermark") == [(0,)]
        assert intake.warehouse.query("select state from ops.batch") == [("archived",)]


class TestSeveralProcesses:
    """A large delivery is made into rows by several processes; here everything is large."""

    @pytest.fixture(autouse=True)
    def _everything_is_large(self, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rows_module, "ALONE_PIECES", 1)
        monkeypatch.setattr(rows_module, "CHUNK_ROWS", 3)
        monkeypatch.setattr(delimited, "BLOCK", 2_000)
        intake.settings = replace(intake.settings, landing_processes=2)

    @pytest.mark.parametrize("form", ["csv", "json", "xml", "xlsx"])
    def test_they_land_what_one_lands(self, intake: Intake, form: str) -> None:
        rows = [
            permit(XK_WSH=f"汕许〔2026〕{n}号", XK_NR='"一"' if n % 7 == 3 else "二", XK_ZT=str(n)) for n in range(60)
        ]
        shared = intake.drop(_document(form, rows), f"permit.{form}")
        found = intake.rows(shared)
        intake.settings = replace(intake.settings, landing_processes=1)
        assert (shared.state, shared.rows_read, len(found)) == ("landed", 60, 60)
        assert intake.rows(land(intake.settings, intake.registry, shared.batch_id)) == found

    def test_the_rows_before_a_fault_are_counted(self, intake: Intake) -> None:
        batch = intake.drop(_document("xml", [permit(XK_NR=str(n)) for n in range(50)])[:-40], "permit.xml")
        assert (batch.state, batch.rows_read, batch.rows_held) == ("held", 49, 49)

    def test_a_killed_process_fails_the_landing_and_the_next_one_heals_it(
        self, intake: Intake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here, made = os.getpid(), RowWriter._made

        def killed(self: RowWriter, piece: Any) -> Any:
            if os.getpid() != here:
                os.kill(os.getpid(), signal.SIGKILL)
            return made(self, piece)

        content = table(*(permit(XK_NR=str(n)) for n in range(60)))
        with monkeypatch.context() as fault:
            fault.setattr(RowWriter, "_made", killed)
            with pytest.raises(WorkerLost, match="SIGKILL"):
                intake.take(content)
        [(batch_id, state)] = intake.warehouse.query("select batch_id, state from ops.batch")
        assert state == "archived"
        assert intake.warehouse.query("select to_regclass(%s)", (f"work.{work_table(batch_id)}",)) == [(None,)]
        assert land(intake.settings, intake.registry, batch_id).rows_read == 60


class TestRecovery:
    @pytest.mark.parametrize("step", ["register", "land"])
    def test_a_killed_run_is_finished_by_the_next(
        self, intake: Intake, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        class Killed(BaseException):
            pass

        def kill(*_: Any, **__: Any) -> None:
            raise Killed

        content = table(permit(), permit(XK_NR="二"))
        with monkeypatch.context() as fault:
            fault.setattr(ingest, step, kill)
            with pytest.raises(Killed):
                intake.drop(content)
        batches = drop(intake.settings, intake.registry, "mzj", "permit", [], AS_OF)
        assert [(batch.batch_id, batch.state, batch.rows_read) for batch in batches] == [
            ("MZJ-PERMIT-20261120-001", "landed", 2)
        ]
        assert len(intake.rows(batches[0])) == 2
        assert drop(intake.settings, intake.registry, "mzj", "permit", [], AS_OF) == []

    def test_a_rebuild_from_the_archive_gives_the_same_batches(self, intake: Intake) -> None:
        for n in range(3):
            intake.take(
                table(permit(XK_NR=str(n))),
                watermark_after={"seq": n},
                delivered_at=dt.datetime(2026, 11, 19, n, tzinfo=dt.UTC),
            )
        columns = (
            "batch_id, state, rows_read, file, sha256, original_sha256, delivered_at, received_at, as_of, watermark"
        )
        before = intake.warehouse.query(f"select {columns} from ops.batch order by 1")
        intake.warehouse.query("delete from ops.batch")
        drop(intake.settings, intake.registry, "mzj", "permit", [], AS_OF)
        assert intake.warehouse.query(f"select {columns} from ops.batch order by 1") == before

    def test_a_damaged_archive_is_noticed(self, intake: Intake) -> None:
        batch = intake.drop(table(permit()))
        (manifest,) = manifests(intake.settings)
        assert verify(intake.settings, manifest)
        path = intake.settings.home / "archive" / manifest["archive_path"]
        path.write_bytes(path.read_bytes().replace(b"2026/11/18", b"2026/11/19"))
        assert not verify(intake.settings, manifest)
        with pytest.raises(ArchiveError):
            land(intake.settings, intake.registry, batch.batch_id)


class TestArchive:
    def test_write_once(self, intake: Intake) -> None:
        intake.drop(table(permit()))
        department, feed = intake.registry.all()["mzj"], intake.registry.feed("mzj", "permit")
        delivery = Delivery("x.csv", io.BytesIO(table(permit())))
        with pytest.raises(ArchiveError):
            store(intake.settings, department, feed, delivery, "MZJ-PERMIT-20261120-001", AS_OF)

    @pytest.mark.parametrize(("number", "word"), [(errno.ENOSPC, "空间不足"), (errno.EACCES, "权限")])
    def test_a_disk_that_refuses_leaves_nothing(
        self, intake: Intake, monkeypatch: pytest.MonkeyPatch, number: int, word: str
    ) -> None:
        def refuse(stream: Any) -> Any:
            yield b"first bytes"
            raise OSError(number, "refused")

        monkeypatch.setattr(archive, "_chunks", refuse)
        with pytest.raises(ArchiveError) as caught:
            intake.drop(table(permit()))
        assert word in caught.value.zh
        assert [path for path in (intake.settings.home / "archive").rglob("*") if path.is_file()] == []
        assert intake.warehouse.query("select count(*) from ops.batch") == [(0,)]

    def test_the_manifest_holds_what_ops_batch_needs(self, intake: Intake) -> None:
        intake.drop(table(permit()))
        ((path,),) = intake.warehouse.query("select archive_path from ops.batch")
        manifest = read_manifest(intake.settings, path)
        assert path == "mzj/permit/2026/MZJ-PERMIT-20261120-001/data.csv"
        assert manifest["file"] == "permit.csv"
        assert manifest["channel"] == "manual_upload"

    @pytest.mark.parametrize("name", ["../../evil.csv", "a/b.csv", "名单 (终版)'; --.csv"])
    def test_a_file_name_is_only_a_name(self, intake: Intake, name: str) -> None:
        batch = intake.take(table(permit()), name)
        assert batch.file == name
        archived = [path for path in (intake.settings.home / "archive").rglob("*") if path.is_file()]
        stored = [path for path in archived if "_journal" not in path.parts]
        assert sorted(path.name for path in stored) == ["data.csv", "manifest.json"]


def columns_of(warehouse: Warehouse, schema: str, name: str) -> list[str]:
    statement = "select column_name from information_schema.columns where table_schema = %s and table_name = %s order by ordinal_position"
    return [column for (column,) in warehouse.query(statement, (schema, name))]


class TestTables:
    def test_every_kind_has_a_landing_table(self, warehouse: Warehouse, registry: Registry) -> None:
        for _ in range(2):
            with transaction(warehouse.settings, "test") as conn:
                ensure_tables(conn, registry)
        found = warehouse.query("select table_name from information_schema.tables where table_schema = 'landing'")
        assert {name for (name,) in found} == set(registry.kinds)
        statement = (
            "select col_description(attrelid, attnum) from pg_attribute"
            " where attrelid = 'landing.permit'::regclass and attname = 'permit_content'"
        )
        assert warehouse.query(statement) == [("许可内容",)]

    def test_work_and_landing_have_the_same_columns(self, intake: Intake) -> None:
        batch = intake.drop(table(permit()))
        work = columns_of(intake.warehouse, "work", work_table(batch.batch_id))
        landing = columns_of(intake.warehouse, "landing", "permit")
        canonical = canonical_columns(intake.registry.kinds["permit"])
        assert [c for c in work if c not in ("defect", "defect_detail")] == [
            c for c in landing if c not in ("batch_id", "flags")
        ]
        assert landing[-len(canonical) :] == canonical

    def test_a_new_column_of_a_kind_is_added(self, warehouse: Warehouse, registry: Registry) -> None:
        with transaction(warehouse.settings, "test") as conn:
            ensure_tables(conn, registry)
        kind = registry.kinds["permit"]
        grown = replace(
            kind, columns=(*kind.columns, replace(kind.columns[-1], name="new_column", code="NEW", zh="新列"))
        )
        with transaction(warehouse.settings, "test") as conn:
            ensure_tables(conn, replace(registry, kinds={**registry.kinds, "permit": grown}))
        assert warehouse.query("select new_column from landing.permit") == []


class TestDepartment:
    def test_one_broken_feed_does_not_stop_the_others(self, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
        def fetch(settings: Any, department: Any, feed: Any, watermark: Any, as_of: Any) -> Any:
            if feed.name == "permit":
                raise ValueError(f"person {PERSON}")
            if feed.name == "inspection":
                yield Delivery("late.csv", None, problem=reason("control_missing", "缺少控制文件", "no control file"))
                return
            if feed.name == "penalty":
                yield Delivery("p.csv", io.BytesIO(table({"CF_XDR_MC": "示例", "CF_WSH": "1号"})), encoding="utf-8")

        monkeypatch.setattr(ingest, "fetch", fetch)
        batches = ingest_department(intake.settings, intake.registry, "mzj", AS_OF)
        assert [(batch.feed, batch.state) for batch in batches] == [("penalty", "landed")]
        ((state, zh, en),) = intake.warehouse.query("select state, detail_zh, detail_en from ops.arrival")
        assert state == "failed"
        assert "监督检查：缺少控制文件" in zh
        assert "permit: internal error (ValueError" in en
        assert PERSON not in zh + en

    def test_nothing_new_after_something_arrived_stays_arrived(
        self, intake: Intake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deliveries = [Delivery("p.csv", io.BytesIO(table({"CF_XDR_MC": "示例", "CF_WSH": "1号"})), encoding="utf-8")]
        monkeypatch.setattr(ingest, "fetch", lambda *_: iter([deliveries.pop()] if deliveries else []))
        assert len(ingest_department(intake.settings, intake.registry, "mzj", AS_OF, feeds=["penalty"])) == 1
        assert ingest_department(intake.settings, intake.registry, "mzj", AS_OF, feeds=["penalty"]) == []
        assert intake.warehouse.query("select state from ops.arrival") == [("arrived",)]
