"""Every department says what the city agreed: who, how, how much, which kinds. The agreed figures stand here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from creditflow.registry import Registry, authority_code, uscc_is_valid

# number code tier channel format encoding cadence layout permits penalties others kinds fields
AGREED = """
01 fgj municipal rest_api json utf-8 daily 2018 2600 60 900 permit,penalty,commitment,contract_performance,inspection AF07,AF05
02 jyj municipal sftp xlsx - weekly 2018 6500 120 9000 permit,penalty,qualification,honour,inspection AF15
03 kjj municipal sftp csv utf-8 monthly 2018 320 8 1200 permit,penalty,list_entry,honour,contract_performance AF15,AF19
04 gxj municipal sftp xlsx - weekly 2018 900 45 1500 permit,penalty,list_entry,honour AF04,AF08
05 mzzjj municipal sftp xlsx - monthly 2015 260 6 60 permit,penalty AF16
06 gaj municipal frontend_db table utf-8 hourly 2018 118000 46000 3000 permit,penalty,inspection AF21,AF13
07 mzj municipal sftp csv utf-8 weekly 2018 2400 90 5200 permit,penalty,registration,abnormal_entry,inspection AF08
08 sfj municipal sftp csv utf-8 weekly 2018 900 40 2600 permit,penalty,qualification,inspection AF15
09 czj municipal rest_api json utf-8 daily 2018 1100 70 8500 permit,penalty,list_entry,contract_performance,rating AF06,AF09
10 rsj municipal frontend_db table utf-8 daily 2018 9800 260 62000 permit,penalty,list_entry,rating,arrears,qualification AF11,AF12
11 zrj municipal frontend_db table gb18030 daily 2018 16500 420 2300 permit,penalty,contract_performance,inspection AF18,AF05
12 stj municipal rest_api json utf-8 daily 2018 3100 680 9800 permit,penalty,rating,inspection,commitment AF02
13 zjj municipal sftp xml utf-8 daily 2018 9400 520 21000 permit,penalty,list_entry,rating,qualification,inspection AF05,AF07
14 jtj municipal frontend_db table utf-8 daily 2018 64000 13500 16000 permit,penalty,list_entry,rating,inspection AF13,AF05
15 swuj municipal sftp xlsx - weekly 2018 1150 130 1800 permit,penalty,inspection AF02,AF18
16 nyj municipal sftp xlsx - weekly 2018 8700 390 7200 permit,penalty,inspection,honour AF01,AF04
17 shwj municipal sftp csv utf-8 weekly 2018 1700 60 1400 permit,penalty,list_entry,inspection AF08,AF14
18 wlj municipal sftp csv utf-8 weekly 2018 4200 310 3500 permit,penalty,list_entry,inspection AF16
19 wjj municipal rest_api xml utf-8 daily 2018 23500 1450 14500 permit,penalty,qualification,inspection AF17
20 yjj municipal rest_api json utf-8 daily 2018 13800 940 12500 permit,penalty,list_entry,qualification,inspection AF03
21 sjj municipal sftp xlsx - monthly 2018 0 6 140 penalty,inspection AF06
22 sjgj municipal frontend_db table utf-8 hourly 2018 165000 12800 138000 registration,permit,penalty,list_entry,abnormal_entry,\
inspection,honour,rating,commitment,compliance_fact AF01,AF04,AF08,AF19
23 tjj municipal sftp csv utf-8 monthly 2018 0 55 420 penalty,list_entry,inspection AF20
24 ybj municipal sftp csv utf-8 weekly 2018 640 180 4100 permit,penalty,contract_performance,rating,inspection AF12,AF17
25 jrj municipal sftp xlsx - monthly 2018 90 12 420 permit,penalty,rating,inspection AF09
26 cgj municipal frontend_db table gb18030 daily 2018 5600 6900 8200 permit,penalty,inspection AF18,AF02
27 lyj municipal sftp csv utf-8 weekly 2018 2100 95 700 permit,penalty,inspection AF02,AF18
28 zsj municipal frontend_db table utf-8 hourly 2018 3200 0 690000 permit,commitment,approval_case AF07,AF18
29 xcj municipal sftp xlsx - monthly 2015 1500 65 900 permit,penalty,inspection AF16,AF19
30 daj municipal sftp xlsx - monthly 2018 12 3 60 permit,penalty,inspection AF18
31 mmj municipal manual_upload xlsx - quarterly 2018 0 2 40 penalty,inspection AF21
32 xfj vertical rest_api json utf-8 daily 2018 6200 2700 19500 permit,penalty,list_entry,inspection,commitment AF03,AF21
33 swj vertical frontend_db table utf-8 daily 2018 9600 8200 410000 permit,penalty,list_entry,rating,arrears,abnormal_entry AF10,AF12
34 hgj vertical sftp xml utf-8 weekly 2018 3400 260 5200 permit,penalty,list_entry,rating AF14
35 hsj vertical sftp xml utf-8 weekly 2018 7200 620 2900 permit,penalty,qualification,inspection AF13,AF03
36 qxj vertical sftp csv utf-8 monthly 2018 380 18 260 permit,penalty,inspection AF03
37 ycj vertical sftp csv gb18030 daily 2018 11800 2150 3600 permit,penalty,inspection AF08,AF04
38 yzj vertical sftp csv utf-8 weekly 2018 700 85 640 permit,penalty,inspection AF13
39 rhj vertical manual_upload xlsx - monthly 2018 9000 40 700 permit,penalty,rating AF09
40 jgj vertical manual_upload xlsx - monthly 2018 420 35 160 permit,penalty AF09
41 gjj municipal rest_api json utf-8 daily 2018 0 30 26000 penalty,arrears,commitment AF11,AF18
42 hyj vertical sftp csv utf-8 weekly 2018 0 480 1900 penalty,inspection AF01,AF02,AF13
43 hqj zone sftp xlsx - weekly 2018 260 8 120 permit,penalty AF05,AF18
"""
# code channel format cadence rows kinds
AGREED_EXTERNAL = """
x_court rest_api json daily 52000 list_entry,enforcement,judgement
x_province rest_api json hourly 160000 receipt,return,list_entry,repair,measure
x_creditchina rest_api json daily 9000 repair,objection,receipt,return
x_gsxt rest_api json daily 240000 registration,abnormal_entry,list_entry
x_trade rest_api json daily 18000 contract_performance,award
x_bianban sftp csv monthly 1900 registration,abnormal_entry
x_xcb manual_upload xlsx quarterly 400 honour
x_mil manual_upload xlsx yearly 20 list_entry
x_union manual_upload xlsx quarterly 600 honour,self_declared
x_credit_office manual_upload xlsx as_needed 3000 decision
"""
NO_KIND_FOR_OTHERS = {"mzzjj", "jgj", "hqj"}  # 340 other rows a year in the plan, and no record kind they could be


class Agreed(NamedTuple):
    """One department of the plan."""

    number: int
    code: str
    tier: str
    channel: str
    format: str
    encoding: str | None
    cadence: str
    layout: str
    permits: int
    penalties: int
    others: int
    kinds: list[str]
    fields: list[str]


def _agreed() -> list[Agreed]:
    found = []
    for line in AGREED.split("\n")[1:-1]:
        number, code, tier, channel, form, encoding, cadence, layout, permits, penalties, others, kinds, fields = (
            line.split()
        )
        counts = int(permits), int(penalties), int(others)
        known = None if encoding == "-" else encoding
        card = Agreed(
            int(number), code, tier, channel, form, known, cadence, layout, *counts, kinds.split(","), fields.split(",")
        )
        found.append(card)
    return found


PLAN = _agreed()
CODES = [card.code for card in PLAN]


@pytest.mark.parametrize("agreed", PLAN, ids=CODES)
def test_the_card_says_what_the_city_agreed(registry: Registry, agreed: Agreed) -> None:
    card = registry.departments[agreed.code]
    assert (card.dept_no, card.tier, card.channel, card.cadence) == (
        agreed.number,
        agreed.tier,
        agreed.channel,
        agreed.cadence,
    )
    assert list(card.application_fields) == agreed.fields
    assert list(card.feeds) == [*agreed.kinds, "zero_declaration"]
    own = [
        feed
        for feed in card.feeds.values()
        if (agreed.code, feed.name) not in {("mzzjj", "penalty"), ("hyj", "inspection")}
    ]
    assert {feed.format for feed in own} == {agreed.format}
    assert {feed.encoding for feed in own} == {agreed.encoding}
    for name in ("permit", "penalty"):
        if name in card.feeds:
            assert card.feeds[name].layout == agreed.layout


@pytest.mark.parametrize("agreed", PLAN, ids=CODES)
def test_the_yearly_rows_sum_to_the_plan(registry: Registry, agreed: Agreed) -> None:
    rows = {name: feed.rows_per_year for name, feed in registry.departments[agreed.code].feeds.items()}
    assert rows.pop("permit", 0) == agreed.permits
    assert rows.pop("penalty", 0) == agreed.penalties
    declared = rows.pop("zero_declaration")
    assert declared == 12 * len({"permit", "penalty"} & set(agreed.kinds))
    assert sum(rows.values()) == (0 if agreed.code in NO_KIND_FOR_OTHERS else agreed.others)
    assert all(count > 0 for count in rows.values()), "a feed without rows is no feed"


@pytest.mark.parametrize("code", CODES)
def test_the_card_can_be_worked_with(registry: Registry, code: str) -> None:
    card = registry.departments[code]
    prefix = "12" if code == "gjj" else "11"
    assert card.authority_uscc == authority_code(card.dept_no, prefix=prefix)
    assert registry.authority_code(card.name_zh) == card.authority_uscc
    assert card.contact["phone"] == f"0754-8800-00{card.dept_no:02d}"
    assert card.contact["email"] == f"{code}@dept.example"
    assert card.legal_ground
    assert card.name_en.isascii()
    assert re.fullmatch(r"(exchange|sftp|api|drop)_" + code, card.connection)
    for feed in card.feeds.values():
        kind = registry.kinds[feed.kind]
        reached = set(feed.headings.values()) | {
            column for key in feed.by_shape for column in feed.columns_reached(f"shape:{key}")
        }
        derived = {item.column for item in feed.derive}
        given = reached | derived | feed.constants.keys()
        assert set(kind.by_name) <= given, f"{code}/{feed.name}: no heading reaches {sorted(set(kind.by_name) - given)}"
        assert not kind.by_name.keys() & feed.ignore


@pytest.mark.parametrize("code", CODES)
def test_the_card_reads_like_an_index_card(registry: Registry, code: str) -> None:
    text = registry.departments[code].source_file.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert 35 <= len(lines) <= 85, f"{code}.yml has {len(lines)} lines"
    assert lines[0] == "# yaml-language-server: $schema=schema.json"
    head = [line for line in lines[1:8] if line.startswith("# ")]
    assert len(head) >= 2, f"{code}.yml does not say who they are"
    assert registry.departments[code].name_zh in head[0]
    for name in registry.departments[code].feeds:
        after = text.split(f"\n  {name}:\n", 1)[1].split("\n", 1)[0]
        assert after.startswith("    # "), f"{code}.yml: feed {name} has no word about it"


def test_the_plan_is_whole(registry: Registry) -> None:
    assert len(registry.departments) == len(PLAN) == 43
    assert sorted(registry.departments) == sorted(CODES)
    assert list(registry.departments) == sorted(registry.departments)
    assert sum(card.permits for card in PLAN) == 515_932
    assert sum(card.penalties for card in PLAN) == 99_843
    assert sum(card.others for card in PLAN) == 1_497_920


def test_each_typical_fault_is_told_on_the_card(registry: Registry) -> None:
    told = {
        "fgj": "certificate", "jyj": "natural persons", "kjj": "zero declaration", "gxj": "yuan", "mzzjj": "2015",
        "gaj": "unpublished", "mzj": "beginning with 5", "sfj": "first character 3", "czj": "without the supplier's credit code",
        "rsj": "role", "zrj": "address", "stj": "severity", "zjj": "several parties", "jtj": "plates", "swuj": "2099/12/31",
        "nyj": "beginning with N", "shwj": "filing", "wlj": "unmasked", "wjj": "Health data must not", "yjj": "responsible person",
        "sjj": "zero declaration", "sjgj": "20 working days", "tjj": "six months", "ybj": "Insured persons", "jrj": "renamed",
        "cgj": "K10", "lyj": "parcels", "zsj": "units_online", "xcj": "2015", "daj": "zero declaration", "mmj": "secrecy",
        "xfj": "commitment", "swj": "in April", "hgj": "region code", "hsj": "crew", "qxj": "long silences", "ycj": "00000000000000000X",
        "yzj": "branches of national firms", "rhj": "Only penalties are public", "jgj": "name persons", "gjj": "Person accounts",
        "hyj": "Fishing boats", "hqj": "own authority code",
    }  # fmt: skip
    assert sorted(told) == sorted(CODES)
    for code, fact in told.items():
        text = " ".join(registry.departments[code].source_file.read_text(encoding="utf-8").replace("#", " ").split())
        assert fact in text, f"{code}.yml does not tell of: {fact}"


def test_importance_is_highest_for_the_seven_big_ones_and_the_courts(registry: Registry) -> None:
    first = {code for code, card in registry.all().items() if card.importance == 1}
    assert first == {"sjgj", "gaj", "jtj", "swj", "zsj", "wjj", "rsj", "x_court", "x_credit_office"}
    assert {code for code, card in registry.departments.items() if card.zero_expected} == {
        "sjj",
        "tjj",
        "daj",
        "mmj",
        "jrj",
    }


def test_the_external_feeds_are_outside_the_43(registry: Registry) -> None:
    for line in AGREED_EXTERNAL.split("\n")[1:-1]:
        code, channel, form, cadence, rows, kinds = line.split()
        card = registry.external[code]
        assert card.external
        assert (card.tier, card.channel, card.cadence) == ("external", channel, cadence)
        assert list(card.feeds) == kinds.split(",")
        assert {feed.format for feed in card.feeds.values()} == {form}
        assert sum(feed.rows_per_year for feed in card.feeds.values()) == int(rows)
        assert uscc_is_valid(card.authority_uscc)
    assert len(registry.external) == 10
    assert [card.dept_no for card in sorted(registry.external.values(), key=lambda card: card.dept_no)] == list(
        range(9001, 9011)
    )


def test_delivery_is_declared_where_absence_means_something(registry: Registry) -> None:
    found = {
        delivery: {
            f"{code}/{name}"
            for code, card in registry.all().items()
            for name, feed in card.feeds.items()
            if feed.delivery == delivery
        }
        for delivery in ("full_snapshot", "register")
    }
    assert found["full_snapshot"] == {"rsj/arrears", "swj/arrears", "gjj/arrears"}
    assert found["register"] == {
        "sjgj/registration",
        "mzj/registration",
        "x_gsxt/registration",
        "x_bianban/registration",
    }


def test_locations_follow_the_channel(registry: Registry) -> None:
    assert registry.feed("sjgj", "permit").location == {"schema": "sjgj", "table": "permit"}
    assert registry.feed("jyj", "permit").location == {"folder": "permit", "prefix": "JYJ_PERMIT_"}
    assert registry.feed("wjj", "permit").location == {"path": "/wjj/permit"}
    assert registry.feed("mmj", "penalty").location == {"folder": "penalty"}
    assert registry.feed("mmj", "penalty").title_rows == 3


def test_health_and_insurance_let_only_named_columns_in(registry: Registry) -> None:
    limited = {
        code for code, card in registry.all().items() for feed in card.feeds.values() if feed.allow_columns is not None
    }
    assert limited == {"wjj", "ybj"}
    for code in limited:
        assert all(feed.allow_columns for feed in registry.departments[code].feeds.values())


def test_lawful_drops_are_declared(registry: Registry) -> None:
    found = {
        (code, name): feed.out_of_scope
        for code, card in registry.all().items()
        for name, feed in card.feeds.items()
        if feed.out_of_scope
    }
    assert set(found) == {
        *(("hgj", name) for name in ("permit", "penalty", "list_entry", "rating")),
        *(("ybj", name) for name in ("permit", "contract_performance", "rating", "inspection")),
        *(("gjj", name) for name in ("arrears", "commitment")),
    }
    customs = found["hgj", "permit"][0]
    assert (customs.column, customs.op, customs.values) == ("region_code", "not_prefix", ("4405",))


def test_constants_name_the_list_the_department_leads(registry: Registry) -> None:
    led = {
        code: feed.constants["list_code"]
        for code, card in registry.all().items()
        for feed in card.feeds.values()
        if "list_code" in feed.constants and feed.kind == "list_entry"
    }
    assert led == {
        "x_court": "SL01", "swj": "SL02", "yjj": "SL05", "czj": "SL06", "tjj": "SL07", "hgj": "SL08", "wlj": "SL10", "zjj": "SL11",
        "jtj": "SL12", "xfj": "SL15", "gxj": "SL16", "shwj": "SL17", "kjj": "SL18", "x_mil": "SL19", "x_gsxt": "SL04",
    }  # fmt: skip
    owed = {code: registry.feed(code, "arrears").constants["arrears_type"] for code in ("rsj", "swj", "gjj")}
    assert owed == {"rsj": "social_insurance", "swj": "tax", "gjj": "housing_fund"}


def test_renamed_bodies_keep_their_code(registry: Registry) -> None:
    finance = registry.departments["jrj"].authority_uscc
    for name in ("市地方金融管理局", "汕头市地方金融管理局", "汕头市金融工作局"):
        assert registry.authority_code(name) == finance
    assert registry.authority_code("汕头市知识产权局") == registry.departments["sjgj"].authority_uscc
    assert registry.authority_code("某市某局") is None
    assert registry.authority_code(None) is None


def test_district_bureaus_have_their_own_codes(registry: Registry) -> None:
    code = registry.authority_code("龙湖区市场监督管理局")
    assert code is not None
    assert registry.authority_codes[code] == ("sjgj", "440507")
    assert code != registry.departments["sjgj"].authority_uscc
    assert registry.authority_code("汕头市龙湖区市场监督管理局") == code
    assert registry.authority_code("国家税务总局汕头市潮阳区税务局") == authority_code(33, region="440513")
    assert len(registry.authority_codes) == 43 * 8 + 10
    assert all(uscc_is_valid(item) for item in registry.authority_codes)


def test_no_machine_path_or_secret_is_in_sources() -> None:
    folder = Path(__file__).resolve().parents[2] / "sources"
    for path in folder.glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/(work|home|tmp)/|password|token=|BEGIN [A-Z ]*KEY", text), path.name
