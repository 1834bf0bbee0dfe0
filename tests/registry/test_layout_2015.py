"""The layout of 2015: other names, digits for words, and a status whose 1 means the opposite."""

from __future__ import annotations

import pytest

from creditflow.registry import Feed, Registry

PERMIT_ZH = [
    "行政相对人名称", "法定代表人姓名", "统一社会信用代码", "组织机构代码", "工商登记码", "税务登记号", "居民身份证号",
    "项目名称", "审批类别", "行政许可决定书文号", "许可内容", "许可决定日期",
    "许可截止期", "许可机关", "当前状态", "地方编码", "数据更新时间戳", "备注",
]  # fmt: skip
PENALTY_ZH = [
    "行政相对人名称", "法定代表人姓名", "统一社会信用代码", "组织机构代码", "工商登记码", "税务登记号", "居民身份证号",
    "案件名称", "处罚名称", "处罚类别1", "处罚类别2", "行政处罚决定书文号",
    "处罚事由", "处罚依据", "处罚结果", "处罚决定日期", "处罚截止期", "处罚机关",
    "当前状态", "地方编码", "数据更新时间戳", "备注",
]  # fmt: skip


@pytest.fixture(params=["mzzjj", "xcj"])
def permit(request: pytest.FixtureRequest, registry: Registry) -> Feed:
    """Permits of a department that still sends the layout of 2015."""
    return registry.feed(request.param, "permit")


@pytest.fixture(params=["mzzjj", "xcj"])
def penalty(request: pytest.FixtureRequest, registry: Registry) -> Feed:
    """Penalties of a department that still sends the layout of 2015."""
    return registry.feed(request.param, "penalty")


def test_two_departments_send_it_for_permits_and_penalties(registry: Registry) -> None:
    found = {
        f"{code}/{name}"
        for code, card in registry.all().items()
        for name, feed in card.feeds.items()
        if feed.layout == "2015"
    }
    assert found >= {"mzzjj/permit", "mzzjj/penalty", "xcj/permit", "xcj/penalty"}
    assert {item.split("/")[0] for item in found} == {"mzzjj", "xcj"}


def test_chinese_headings_are_understood(permit: Feed, penalty: Feed) -> None:
    for feed, headings in ((permit, PERMIT_ZH), (penalty, PENALTY_ZH)):
        row = feed.recognise(headings)
        assert row.is_header
        assert row.unknown + row.missing + row.repeated + row.forbidden == ()


def test_the_digit_one_means_the_opposite(registry: Registry, permit: Feed) -> None:
    assert permit.lookups["record_status"] == {"": "1", "0": "1", "1": "2", "2": "1", "3": "1"}
    assert permit.lookup_flags["record_status"] == {"2": "objected_2015", "3": "other_state_2015"}
    assert "1" not in registry.feed("fgj", "permit").lookups["record_status"]


def test_a_withdrawn_penalty_is_an_operation(penalty: Feed) -> None:
    assert penalty.controls["CF_ZT"] == "@op"
    assert penalty.lookups["@op"] == {"": "I", "0": "I", "1": "W", "2": "I", "3": "I"}


def test_category_digits_become_the_words_of_today(permit: Feed, penalty: Feed) -> None:
    digits = [permit.lookups["permit_category"][digit] for digit in "012345"]
    assert digits == ["普通", "特许", "认可", "核准", "登记", "其他"]
    digits = [penalty.lookups["penalty_category"][digit] for digit in "0123456"]
    assert digits == ["警告", "罚款", "没收违法所得;没收非法财物", "责令停产停业", "暂扣许可证件", "行政拘留", "其他"]
    assert penalty.lookup_flags["penalty_category"]["4"] == "withheld_or_revoked_2015"


def test_what_the_layout_lacks_is_derived_and_remembered(permit: Feed, penalty: Feed) -> None:
    found = {(item.column, item.how, item.source, item.flag) for item in permit.derive}
    assert ("valid_from", "copy", ("decision_date",), "from_decision_date") in found
    assert ("permit_authority_uscc", "authority_code", ("permit_authority_name",), "authority_by_name") in found
    assert {item.column for item in permit.derive if item.how == "party_type"} == {"counterparty_type"}
    assert [item.value for item in permit.derive if item.column == "person_id_type"] == ["身份证"]
    joined = {item.column: (item.how, item.source) for item in penalty.derive if item.how in ("join", "first")}
    assert joined == {
        "violation_type": ("first", ("CF_CFMC", "处罚名称", "CF_AJMC", "案件名称")),
        "penalty_category": ("join", ("CF_CFLB1", "处罚类别1", "CF_CFLB2", "处罚类别2")),
    }


def test_the_sender_is_the_source_unit(registry: Registry, permit: Feed) -> None:
    card = registry.departments[permit.department]
    assert permit.constants["source_unit_name"] == card.name_zh
    assert permit.constants["source_unit_uscc"] == card.authority_uscc


def test_the_authority_is_found_by_the_name_it_signs_with(registry: Registry) -> None:
    for code, names in {
        "mzzjj": ("汕头市民族宗教事务局", "市民族宗教事务局"),
        "xcj": ("汕头市新闻出版局", "市版权局", "汕头市新闻出版局（汕头市版权局）"),
    }.items():
        for name in names[:2]:
            assert registry.authority_code(name) == registry.departments[code].authority_uscc
