"""Headings are understood as declared and no further: width, blanks, synonyms, shapes, scans, published files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from creditflow.registry import HeadingRow, Registry, authority_code, normal_heading, shape_of, uscc_is_valid

NO_SUCH_MONTH_REG_NO = "110108012660422"


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("统一社 会信用\n代码", "统一社会信用代码"),
        ("行政相对人代码_1（统一社会信用代码）", "行政相对人代码_1(统一社会信用代码)"),
        ("罚款金额〔万元〕", "罚款金额(万元)"),
        ("罚款金额【万元】", "罚款金额(万元)"),
        ("\ufeff企业名称", "企业名称"),
        ('"企业名称"', "企业名称"),
        ("ｘｋ＿ｘｄｒ＿ｍｃ", "XK_XDR_MC"),
        ("*企业名称：", "企业名称"),
        ("　法定 代表人　", "法定代表人"),
        ("姓名/名称", "姓名/名称"),
        (None, ""),
        (2024, "2024"),
    ],
)
def test_headings_are_compared_without_what_does_not_matter(written: object, compared: str) -> None:
    assert normal_heading(written) == compared


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("9144030071526726XG", "uscc"),
        ("914403001922038216", "uscc"),
        ("N2440513MF0000013T", "uscc"),
        ("91110000600037341M", "uscc"),
        ("９１４４０３０071526726xg", "uscc"),
        ("00000000000000000X", "placeholder"),
        ("71526726X", "org_code"),
        ("55269853-1", "org_code"),
        ("440301103448669", "reg_no"),
        (NO_SUCH_MONTH_REG_NO, "reg_no"),
        ("4405001234567", "reg_no"),
        ("44052319991231004X", "resident_id"),
        ("440523 1999 1231 004X", "resident_id"),
        ("440523199912310041", "resident_id"),
        ("440524188001010014", "resident_id"),
        ("440523991231004", "resident_id"),
        ("440513197102290038", "resident_id"),
        ("321023************", "masked"),
        ("9114082306****333G", "uscc"),
        ("44142100 004832", "other"),
        ("张三", "other"),
        ("", "empty"),
        (None, "empty"),
        (" - ", "empty"),
    ],
)
def test_a_value_is_told_by_its_shape_and_in_doubt_is_a_person(value: str | None, shape: str) -> None:
    assert shape_of(value) == shape


def test_the_vectors_of_the_identifier_page_are_told_apart() -> None:
    for code in (
        "9144030071526726XG",
        "914403001922038216",
        "91440400192548256N",
        "9144030010001686XA",
        "N2440513MF0000013T",
    ):
        assert uscc_is_valid(code)
    for code in ("91110000600037341M", "91440500MA4XO22965", "0" * 18, "00000000000000000X", "9144030071526726xg", ""):
        assert not uscc_is_valid(code)
    assert uscc_is_valid(authority_code(43))
    assert authority_code(1)[:8] == "11440500"


def _read(registry: Registry, feed: str, headings: list[Any]) -> HeadingRow:
    department, name = feed.split("/")
    return registry.feed(department, name).recognise(headings)


def _columns(row: HeadingRow) -> set[str]:
    return {target for target in row.targets if target}


def test_every_kind_is_understood_by_name_by_chinese_heading_and_by_code(registry: Registry) -> None:
    for card in registry.all().values():
        for feed in card.feeds.values():
            kind = registry.kinds[feed.kind]
            allowed = set(kind.by_name) if feed.allow_columns is None else set(feed.allow_columns)
            for heading in ("name", "zh", "code"):
                row = feed.recognise([getattr(column, heading) for column in kind.columns])
                assert row.is_header
                assert not row.unknown + row.missing + row.repeated + row.forbidden, f"{card.code}/{feed.name}"
                reached = {column for target in row.targets if target for column in feed.columns_reached(target)}
                assert reached >= allowed, f"{card.code}/{feed.name} by {heading}"


def test_columns_may_stand_in_any_order_and_between_blank_ones(registry: Registry) -> None:
    row = _read(registry, "jtj/penalty", [None, "处罚机关", "", "企业名称", "序号", "处罚决定书文号"])
    assert row.targets == (None, "penalty_authority_name", None, "counterparty_name", None, "decision_document_no")
    assert row.ignored == (4,)
    assert row.is_header


def test_a_title_or_a_row_of_data_is_no_heading_row(registry: Registry) -> None:
    assert not _read(registry, "jtj/penalty", ["行政处罚信息报送表", None, None]).is_header
    assert not _read(registry, "jtj/penalty", ["某某公司", "91440500MA4X00012R", "罚款", "2026/01/05"]).is_header
    assert _read(registry, "jtj/penalty", ["处罚机关", "处罚内容"]).missing == ("counterparty_name",)


def test_unknown_repeated_forbidden_and_personal_headings_are_told(registry: Registry) -> None:
    row = _read(
        registry, "jtj/penalty", ["企业名称", "单位名称", "车牌颜色", "民族", "联系电话", "当事人手机号", "病 史"]
    )
    assert row.unknown == ((2, "车牌颜色"),)
    assert row.repeated == ((1, "counterparty_name"),)
    assert [heading for _, heading in row.forbidden] == ["民族", "联系电话", "当事人手机号", "病史"]
    assert row.targets[2:] == (None,) * 5


def test_an_allow_list_cuts_what_is_not_on_it(registry: Registry) -> None:
    row = _read(registry, "wjj/penalty", ["CF_XDR_MC", "床位数", "_SEQ", "_OP", "既往病史"])
    assert row.targets == ("counterparty_name", None, "@version_seq", "@op", None)
    assert row.cut == ((1, "床位数"),)
    assert row.forbidden == ((4, "既往病史"),)
    assert row.unknown == ()


def test_the_transport_columns_say_what_happened(registry: Registry) -> None:
    table = ["seq", "op", "updated_at", "status", "xk_xdr_mc", "xk_wsh"]
    row = _read(registry, "sjgj/permit", table)
    assert row.targets == ("@version_seq", "@op", "@version_at", None, "counterparty_name", "decision_document_no")
    assert _columns(_read(registry, "fgj/permit", ["CZBS", "GXSJ", "_SEQ"])) == {"@op", "@version_at", "@version_seq"}


def test_a_heading_of_two_identifiers_is_split_by_shape(registry: Registry) -> None:
    feed = registry.feed("x_province", "list_entry")
    assert feed.target_of("身份证号码/组织机构代码") == "shape:身份证号码/组织机构代码"
    routes = feed.by_shape[normal_heading("身份证号码/组织机构代码")]
    assert routes["resident_id"] == ("person_id_no",)
    assert routes["org_code"] == ("subject_org_code",)
    assert routes["uscc"] == routes["otherwise"] == ("subject_uscc",)


def test_a_persons_number_is_never_routed_to_a_column_in_clear(registry: Registry) -> None:
    for card in registry.all().values():
        for feed in card.feeds.values():
            kind = registry.kinds[feed.kind]
            for heading, routes in feed.by_shape.items():
                assert "otherwise" in routes
                for column in routes.get("resident_id", ()):
                    assert kind.by_name[column].type == "person_id", f"{card.code}/{feed.name}: {heading}"
                assert "resident_id" in routes, f"{card.code}/{feed.name}: {heading} says nothing about persons"


def test_a_taxpayer_number_fills_the_credit_code_too(registry: Registry) -> None:
    routes = registry.feed("swj", "arrears").by_shape[normal_heading("纳税人识别号")]
    assert routes["uscc"] == ("subject_uscc", "taxpayer_no")
    assert routes["resident_id"] == ("person_id_no",)
    assert routes["masked"] == ("taxpayer_no",)


def test_one_misread_character_is_accepted_in_scans_only_and_told(registry: Registry) -> None:
    row = _read(registry, "x_province/list_entry", ["企业名称", "汍行法院", "统一社会信用伐码"])
    assert row.targets == ("subject_name", "authority_name", "subject_uscc")
    assert row.ocr == ((1, "汍行法院", "执行法院"), (2, "统一社会信用伐码", "统一社会信用代码"))
    assert _read(registry, "x_court/list_entry", ["企业名称", "汍行法院"]).unknown == ((1, "汍行法院"),)


def test_a_misread_heading_that_could_be_two_stays_unknown(registry: Registry) -> None:
    row = _read(registry, "x_province/list_entry", ["企业名称", "发布日间"])  # 发布日期, 发布时间: one column
    assert row.targets[1] == "published_on"
    row = _read(registry, "x_province/list_entry", ["企业名称", "列入日由"])  # two characters from anything
    assert row.unknown == ((1, "列入日由"),)


def test_older_senders_spellings_reach_their_columns(registry: Registry) -> None:
    row = _read(registry, "fgj/permit", ["XK_XDR_MC", "XK_FDDB", "XK_FR_SFZH"])
    assert row.targets == ("counterparty_name", "legal_representative_name", "legal_representative_id_no")
    feed = registry.feed("fgj", "permit")
    assert {alias.heading for alias in feed.aliases} == {"XK_FDDB", "XK_FR_SFZH"}
    assert all(alias.until for alias in feed.aliases)
    added = [
        item for item in feed.derive if item.column == "legal_representative_id_type" and item.when == "XK_FR_SFZH"
    ]
    assert [item.value for item in added] == ["身份证"]


def test_amounts_in_yuan_are_converted_where_the_heading_says_so(registry: Registry) -> None:
    feed = registry.feed("gxj", "penalty")
    assert feed.target_of("罚款金额（元）") == "source:罚款金额(元)"
    assert feed.target_of("罚款金额(万元)") == "fine_amount_wan"
    scale = next(item for item in feed.derive if item.column == "fine_amount_wan")
    assert (scale.how, scale.source, scale.factor) == ("scale", ("罚款金额(元)",), "0.0001")
    assert registry.feed("swuj", "penalty").target_of("罚款金额(元)") is None


# --- files that public bodies published


def test_the_published_company_register_is_a_registration(registry: Registry, realdata: Path) -> None:
    wanted = {
        "subject_name", "subject_uscc", "registered_on", "entity_type", "legal_representative_name",
        "registered_capital", "business_scope", "province", "city", "registered_address",
    }  # fmt: skip
    for path in sorted((realdata / "companies" / "csv").glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as stream:
            row = _read(registry, "sjgj/registration", next(csv.reader(stream)))
        assert (_columns(row), row.unknown) == (wanted, ())
    for path in sorted((realdata / "companies" / "json").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))["erDataList"][0]
        row = _read(registry, "sjgj/registration", list(record))
        assert (_columns(row), row.unknown) == (wanted, ())
    assert registry.feed("sjgj", "registration").record_paths[0] == "erDataList"
    assert "N/A" in registry.feed("sjgj", "registration").blank


def test_every_published_dishonesty_list_is_a_list_entry(registry: Registry, realdata: Path) -> None:
    folder = realdata / "dishonesty"
    headings: dict[str, list[Any]] = {}
    for path in sorted(folder.glob("*.xlsx")):
        sheet = openpyxl.load_workbook(path, read_only=True).worksheets[0]
        headings[path.name] = list(next(sheet.iter_rows(values_only=True)))
    for path in folder.glob("*.csv"):
        headings[path.name] = next(csv.reader(io.StringIO(path.read_text(encoding="gb18030"))))
    for path in folder.glob("*.json"):
        headings[path.name] = list(json.loads(path.read_text(encoding="utf-8"))["data"][0]["result"][0])
    assert len(headings) == 5
    feed = registry.feed("x_province", "list_entry")
    for name, cells in headings.items():
        row = feed.recognise(cells)
        assert row.is_header, name
        assert row.unknown + row.missing + row.repeated + row.forbidden == (), name
        reached = {column for target in _columns(row) for column in feed.columns_reached(target)}
        assert reached >= {"subject_name", "subject_uscc"}, name
        assert reached & {"document_no", "entry_reason"}, name


def test_the_published_arrears_notice_is_arrears(registry: Registry) -> None:
    row = _read(
        registry,
        "swj/arrears",
        ["序号", "纳税人名称", "纳税人识别号", "经营地点", "欠税税种", "欠税余额", "当期新欠额"],
    )
    assert row.targets == (
        None, "subject_name", "shape:纳税人识别号", "business_address", "tax_item", "amount_yuan", "new_amount_yuan",
    )  # fmt: skip
    assert row.unknown == ()
    assert registry.feed("swj", "arrears").constants["arrears_type"] == "tax"


def test_templates_of_other_provinces_are_understood(registry: Registry, realdata: Path) -> None:
    folder = realdata / "reference" / "templates"
    for name, feed in (
        ("双公示_行政许可_表头_jtt2xyb.csv", "jtj/permit"),
        ("双公示_行政处罚_表头_jtt2xyb.csv", "jtj/penalty"),
    ):
        with (folder / name).open(encoding="utf-8-sig", newline="") as stream:
            row = _read(registry, feed, next(csv.reader(stream)))
        assert row.is_header
        assert row.unknown + row.missing + row.repeated + row.forbidden == ()
        kind = registry.kinds[feed.split("/")[1]]
        mandatory = {column.name for column in kind.columns if column.need == "M"} - {"counterparty_type"}
        assert mandatory <= _columns(row)
    for name, feed, known in (("zhejiang_xzxk.xlsx", "jtj/permit", 9), ("zhejiang_xzcf.xlsx", "jtj/penalty", 8)):
        sheet = openpyxl.load_workbook(folder / name, read_only=True).worksheets[0]
        found = [_read(registry, feed, list(cells)) for cells in sheet.iter_rows(values_only=True)]
        assert [row.is_header for row in found].index(True) == 1
        assert (found[1].score, found[1].unknown) == (known, ())
    assert _read(registry, "x_province/list_entry", ["统一社会信用代码/注册号", "企业名称"]).is_header


def test_the_field_codes_of_2015_are_understood(registry: Registry, realdata: Path) -> None:
    text = (realdata / "reference" / "templates" / "双公示_字段代码_wuhan.txt").read_text(encoding="utf-8")
    lines = [line.split(": ") for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 4
    for name, codes in lines:
        for department in ("mzzjj", "xcj"):
            row = _read(registry, f"{department}/{'permit' if name.startswith('XK') else 'penalty'}", codes.split(","))
            assert row.is_header
            assert row.unknown + row.missing + row.repeated + row.forbidden == (), f"{department} {name}"
