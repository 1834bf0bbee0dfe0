"""The quality site built from a filled warehouse: complete, consistent, escaped, masked, repeatable, and honest when empty."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg2
import pytest
from openpyxl import load_workbook
from psycopg2.extras import RealDictCursor

from creditflow.report import (
    NoSuchDelivery,
    batch_page,
    cells,
    data_docs,
    figures,
    quality_figures,
    quality_site,
    queries,
)
from creditflow.report.masking import HIDDEN
from creditflow.server import Server
from creditflow.settings import Settings
from tests import report_world
from tests.conftest import PROJECT, Warehouse
from tests.report_world import AS_OF

LIMIT = 1_000_000
NIGHTS = 6


class Reader(HTMLParser):
    """Links, identifiers, scripts and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.scripts: list[str] = []
        self.loads: list[str] = []
        self.text: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.add(str(values["id"]))
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        if tag in ("script", "link", "img"):
            self.loads.extend(str(values[name]) for name in ("src", "href") if values.get(name))
        self._script = tag == "script"

    def handle_data(self, data: str) -> None:
        (self.scripts if self._script else self.text).append(data)

    def handle_endtag(self, tag: str) -> None:
        self._script = False


@pytest.fixture(scope="module")
def city(server: Server, warehouse_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A filled warehouse with a site of two nights, shared by the tests that only look."""
    home = tmp_path_factory.mktemp("report") / "home"
    home.mkdir()
    admin = psycopg2.connect(server.url("postgres"))
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            cursor.execute(f"create database report_site template {warehouse_template} strategy file_copy")
        settings = Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=server.url("report_site"))
        report_world.fill(server.url("report_site"), nights=NIGHTS)
        (home / "returns" / "gaj").mkdir(parents=True)
        for name in ("permit.xlsx", "permit.json"):
            (home / "returns" / "gaj" / name).write_bytes(b"x")
        quality_site(settings, AS_OF - timedelta(days=1))
        quality_site(settings, AS_OF)
        yield settings
        with admin.cursor() as cursor:
            cursor.execute("drop database report_site with (force)")
    finally:
        admin.close()


def pages(settings: Settings) -> list[Path]:
    return sorted(settings.site.rglob("*.html"))


def page(settings: Settings, path: str) -> str:
    return (settings.site / AS_OF.isoformat() / path).read_text(encoding="utf-8")


def test_every_kind_of_page_is_there(city: Settings) -> None:
    day = city.site / AS_OF.isoformat()
    assert len(list((day / "department").glob("*.html"))) == 45
    for name in ("index", "departments", "rules", "batches", "issues", "ranking", "definitions"):
        assert (day / f"{name}.html").is_file(), name
    assert (day / "rule" / "PERMIT-R04-USCC.html").is_file()
    assert (city.site / "batch" / f"SJGJ-PENALTY-{AS_OF:%Y%m%d}-001.html").is_file()
    assert (city.site / "index.html").is_file()
    assert (city.site / "days.html").is_file()


def test_every_link_leads_to_a_file_and_an_anchor_that_exist(city: Settings) -> None:
    seen: dict[Path, set[str]] = {}
    broken = []
    for path in pages(city):
        for link in Reader(path.read_text(encoding="utf-8")).links:
            parts = urlsplit(link)
            assert not parts.scheme, f"{path.name} leads outside: {link}"
            assert not parts.netloc, f"{path.name} leads outside: {link}"
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                broken.append(f"{path.relative_to(city.site)} -> {link}")
            elif parts.fragment and target.suffix == ".html":
                if target not in seen:
                    seen[target] = Reader(target.read_text(encoding="utf-8")).ids
                if parts.fragment not in seen[target]:
                    broken.append(f"{path.relative_to(city.site)} -> {link} (no such place)")
    assert not broken, broken[:10]


def test_pages_load_only_what_lies_beside_them(city: Settings) -> None:
    for path in pages(city):
        reader = Reader(path.read_text(encoding="utf-8"))
        for source in reader.loads:
            assert not urlsplit(source).scheme, source
            assert (path.parent / source).resolve().is_file(), f"{path.name} loads {source}"


def test_pages_stay_below_a_megabyte(city: Settings) -> None:
    large = {
        str(path.relative_to(city.site)): path.stat().st_size for path in pages(city) if path.stat().st_size >= LIMIT
    }
    assert not large


def test_a_company_that_writes_script_into_its_name_writes_text(city: Settings) -> None:
    found = 0
    for path in pages(city):
        text = path.read_text(encoding="utf-8")
        assert '<script>alert("x")' not in text, path.name
        found += text.count("&lt;script&gt;alert")
    assert found > 0


def test_no_personal_number_is_on_any_page_or_in_any_table(city: Settings) -> None:
    for path in [*pages(city), *city.site.rglob("*.csv")]:
        text = path.read_text(encoding="utf-8")
        assert report_world.FICTITIOUS_ID not in text, path.name
        assert "13800000000" not in text, path.name
        assert "ab" * 32 not in text, path.name
    assert HIDDEN in page(city, "department/gaj.html")


def test_tables_are_csv_a_spreadsheet_opens_without_running_anything(city: Settings) -> None:
    files = list(city.site.rglob("*.csv"))
    assert files
    hostile = 0
    for path in files:
        content = path.read_bytes()
        assert content.startswith(b"\xef\xbb\xbf"), path.name
        for line in content.decode("utf-8-sig").splitlines():
            for cell in re.split(r'(?:^|,)"?', line):
                assert not cell.startswith(("=", "@", "+")), f"{path.name}: {line}"
        hostile += content.decode("utf-8-sig").count("'=cmd")
    assert hostile > 0


def test_the_head_says_date_cut_off_and_build(city: Settings) -> None:
    text = page(city, "index.html")
    assert "2026-11-20" in text
    assert "星期五" in text
    assert "05:00" in text
    assert "第 6 次构建" in text
    assert "build 6" in text


def test_five_tiles_and_what_needs_attention(city: Settings) -> None:
    text = page(city, "index.html")
    assert text.count('<article class="tile ') == 5
    assert "迟报" in text
    assert "市消防救援支队取数失败。访问令牌被拒绝(401)。" in text
    assert f"SJGJ-PENALTY-{AS_OF:%Y%m%d}-001 已暂扣" in text
    assert "2027 年的工作日历尚未载入" in text
    assert 1 <= len(re.findall(r'<li class="t-(?:bad|warn|note)">', text)) <= 10


def test_the_heat_map_has_the_43_first_tier_first(city: Settings) -> None:
    body = page(city, "index.html").split('id="table-heat-map"')[1].split("</table>")[0]
    rows = re.findall(r"<tr .*?</tr>", body, re.DOTALL)
    assert len(rows) == 43
    tiers = [int(match) for row in rows if (match := re.search(r'data-sort="(\d)"', row).group(1))]  # type: ignore[union-attr]
    assert tiers == sorted(tiers)


def test_every_marked_figure_leads_to_its_query_and_the_query_runs(city: Settings) -> None:
    text = page(city, "index.html")
    marks = set(re.findall(r'class="mark"><a href="#source-(\w+)"', text))
    assert {"city_days", "city_open", "measures", "night", "indicators", "rules_tonight", "held"} <= marks
    statements = re.findall(r"<pre><code>(.*?)</code></pre>", text, re.DOTALL)
    assert len(statements) >= len(marks)
    conn = psycopg2.connect(city.warehouse_url)
    try:
        for statement in statements:
            with conn.cursor() as cursor:
                cursor.execute(html.unescape(statement))
                cursor.fetchall()
    finally:
        conn.close()


def footnotes(text: str) -> dict[str, str]:
    """The SQL of a page's footnotes by name of the query, as an analyst copies it."""
    found = re.findall(r'<li id="source-(\w+)">.*?<pre><code>(.*?)</code></pre>', text, re.DOTALL)
    return {name: html.unescape(sql) for name, sql in found}


def asked(settings: Settings, sql: str) -> list[dict[str, Any]]:
    conn = psycopg2.connect(settings.warehouse_url, cursor_factory=RealDictCursor)
    try:
        with conn.cursor() as cursor:
            cursor.execute(sql)
            return [dict(row) for row in cursor.fetchall()]
    finally:
        conn.close()


def body(text: str, table: str) -> list[list[str]]:
    """Plain text of the cells of a table in the page, Chinese only."""
    part = text.split(f'id="table-{table}"')[1].split("</table>")[0].split("<tbody>")[1].split("</tbody>")[0]
    part = re.sub(r'<span class="en" lang="en">.*?</span>', "", part)
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in part.split("<tr")[1:]]
    return [[html.unescape(re.sub(r"<small>.*?</small>|<[^>]+>", "", cell)) for cell in row] for row in rows]


def test_the_figures_of_the_city_page_are_what_their_footnotes_answer(city: Settings) -> None:
    text = page(city, "index.html")
    sql = footnotes(text)
    today = next(row for row in asked(city, sql["city_days"]) if row["as_of"] == AS_OF)
    (issues,) = asked(city, sql["city_open"])
    tiles = re.findall(
        r'<article class="tile [^"]*">.*?href="#source-(\w+)".*?<p class="value"><b>(.*?)</b>.*?<p class="detail">'
        r'<span class="zh" lang="zh-Hans">(.*?)</span>',
        text,
        re.DOTALL,
    )
    assert [(name, value) for name, value, _ in tiles] == [
        ("city_days", f"{today['arrived']:,}"),
        ("city_days", f"{today['rows_read']:,}"),
        ("city_days", cells.share(float(today["accepted_share"]))),
        ("city_open", f"{issues['open']:,}"),
        ("city_days", f"{today['batches_held']:,}"),
    ]
    assert f"新增 {issues['new']:,}，逾期 {issues['overdue']:,}" in tiles[3][2]
    assert f"暂扣 {today['rows_held']:,} 行" in tiles[4][2]

    days = {
        row["department"]: row for row in asked(city, sql["heat_map"]) if row["as_of"] == AS_OF and row["rows_read"]
    }
    measures = {row["department"]: row for row in asked(city, sql["measures"]) if row["as_of"] == AS_OF}
    names = {row["name_zh"]: row["department"] for row in asked(city, "select * from ops.department")}
    compared = 0
    for cell in body(text, "heat-map"):
        code = names[cell[1]]
        if code in days:
            compared += 1
            assert cell[3] == f"{days[code]['rows_read']:,}"
            assert cell[7] == cells.share(float(measures[code]["validity"]))
    assert compared > 20

    month = asked(city, sql["indicators"])[-1]
    assert [row[1] for row in body(text, "indicators")] == [
        cells.share(float(month[name])) for name in figures.INDICATORS
    ]
    failed: dict[str, int] = defaultdict(int)
    for row in asked(city, sql["rules_tonight"]):
        failed[row["rule_id"]] += int(row["rows_failed"])
    assert all(row[3] == f"{failed[row[1]]:,}" for row in body(text, "rules-top"))


def test_the_footnotes_of_a_department_and_a_rule_answer_with_that_page_alone(city: Settings) -> None:
    text = page(city, "department/gaj.html")
    sql = footnotes(text)
    read = {row["batch_id"]: row["rows_read"] for row in asked(city, sql["history"])}
    assert {row[0]: row[5] for row in body(text, "department-gaj-history")} == {
        batch: f"{rows:,}" for batch, rows in read.items()
    }
    issues = asked(city, sql["issues"])
    assert {row["department"] for row in issues} == {"gaj"}
    assert len(body(text, "department-gaj-issues")) == len(issues)
    ages = asked(city, sql["issue_ages"])
    assert [row[1] for row in body(text, "department-gaj-ages")] == [f"{row['open']:,}" for row in reversed(ages)]
    assert sum(row["open"] for row in ages) == issues[0]["of_department"]
    tonight = asked(city, sql["batches"])
    assert sum(int(row[4].replace(",", "") or 0) for row in body(text, "department-gaj-feeds") if row[4] != "—") == sum(
        row["rows_read"] for row in tonight
    )
    text = page(city, "rule/PERMIT-R04-USCC.html")
    rows = asked(city, footnotes(text)["rules_tonight"])
    assert {row["rule_id"] for row in rows} == {"PERMIT-R04-USCC"}
    shown = [int(row[1].replace(",", "")) for row in body(text, "rule-PERMIT-R04-USCC")]
    assert sum(shown) == sum(int(row["rows_failed"]) for row in rows)


def test_a_batch_page_shows_what_its_footnote_answers(city: Settings) -> None:
    batch = f"GAJ-PERMIT-{AS_OF:%Y%m%d}-001"
    text = (city.site / "batch" / f"{batch}.html").read_text(encoding="utf-8")
    (facts,) = asked(city, footnotes(text)["batch_facts"])
    shown = re.findall(r'</span><b class="num">([\d,]+)</b>', text.split('class="balance"')[1].split("</section>")[0])
    keys = ("rows_read", "rows_accepted", "rows_rejected", "rows_held", "rows_out_of_scope", "rows_duplicate")
    assert shown == [f"{facts[key]:,}" for key in keys]
    rules = {row["rule_id"]: row["rows_failed"] for row in asked(city, footnotes(text)["batch_rules"])}
    assert {row[1]: row[3] for row in body(text, f"{batch}-rules")} == {
        rule: f"{failed:,}" for rule, failed in rules.items()
    }


def test_every_table_is_also_a_workbook_with_numbers_days_and_no_formula(city: Settings) -> None:
    linked = 0
    for path in pages(city):
        for link in Reader(path.read_text(encoding="utf-8")).links:
            linked += link.endswith(".xlsx") and "returns/" not in link
    assert linked > 200
    tables = city.site / AS_OF.isoformat() / "tables"
    hostile = next(path for path in sorted(tables.glob("*-history.zh.csv")) if b"'=cmd" in path.read_bytes())
    found = 0
    for name in (hostile.name.removesuffix(".zh.csv"), "heat-map", "issues"):
        book = load_workbook(tables / f"{name}.xlsx")
        assert book.sheetnames == ["中文", "English"]
        for sheet in book:
            cells_of = [cell for row in sheet.iter_rows(min_row=2) for cell in row if cell.value is not None]
            assert any(isinstance(cell.value, int) for cell in cells_of)
            assert all(cell.data_type != "f" for cell in cells_of)
            commands = [cell for cell in cells_of if str(cell.value).startswith("=cmd")]
            assert all(cell.quotePrefix for cell in commands)
            found += len(commands)
    assert found > 0
    assert isinstance(load_workbook(tables / "issues.xlsx")["中文"]["H2"].value, datetime)


def test_data_docs_of_a_delivery_are_readable_offline_and_linked(city: Settings) -> None:
    batch = f"GAJ-PERMIT-{AS_OF:%Y%m%d}-001"
    own_page = city.site / "batch" / f"{batch}.html"
    assert "data_docs" not in own_page.read_text(encoding="utf-8")
    docs = data_docs(city, batch)
    assert batch_page(city, AS_OF, batch) == own_page
    links = Reader(own_page.read_text(encoding="utf-8")).links
    assert docs.resolve() in {(own_page.parent / link).resolve() for link in links}
    text = docs.read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert "<script" not in text
    assert not Reader(text).scripts
    assert report_world.FICTITIOUS_ID not in text
    (failed,) = asked(city, "select rule_id, rows_evaluated, rows_failed from quality.rule_result"
                            f" where batch_id = '{batch}' and rows_failed > 0 order by rows_failed desc limit 1")  # fmt: skip
    assert failed["rule_id"] in text
    assert f"{failed['rows_failed']} unexpected values found" in text
    assert f"{failed['rows_failed']} 行未通过" in text
    shown = re.sub(r"<style>.*?</style>|<[^>]+>", "\n", text, flags=re.DOTALL)
    alone = {"Overview", "Statistics", "Status", "Expectation", "Observed Value", "Success Percent"}
    assert not alone & {line.strip() for line in shown.splitlines()}, "no word in English alone"
    first = asked(city, f"select min(row_no) as row from quality.row_verdict where batch_id = '{batch}'"
                        f" and '{failed['rule_id']}' = any(rule_ids)")[0]["row"]  # fmt: skip
    assert f"rows: {first}" in text
    docs.unlink()
    batch_page(city, AS_OF, batch)


def test_data_docs_of_nothing_say_what_to_do(city: Settings) -> None:
    with pytest.raises(NoSuchDelivery, match="没有批次 NOBODY-1"):
        data_docs(city, "NOBODY-1")
    with pytest.raises(NoSuchDelivery, match="没有批次 NOBODY-1"):
        batch_page(city, AS_OF, "NOBODY-1")


def test_every_query_of_the_site_runs_on_the_views_it_names(city: Settings) -> None:
    assert quality_figures(city, AS_OF)["missing"] == []


def test_figures_as_json_agree_with_the_warehouse(city: Settings) -> None:
    found = json.loads(json.dumps(quality_figures(city, AS_OF)))
    conn = psycopg2.connect(city.warehouse_url)
    with conn, conn.cursor() as cursor:
        cursor.execute(
            "select sum(rows_read), sum(rows_rejected), sum(rows_held) from ops.batch join ops.department using (department)"
            " where as_of = %s and not external", (AS_OF,))  # fmt: skip
        row = cursor.fetchone()
        cursor.execute(
            "select count(*) from quality.issue join ops.department using (department) where state <> 'closed' and not external"
        )
        issues = cursor.fetchone()
    conn.close()
    city_figures = found["city"]
    assert row is not None
    assert issues is not None
    assert (city_figures["rows_read"], city_figures["rows_rejected"], city_figures["rows_held"]) == tuple(
        int(n) for n in row
    )
    assert city_figures["issues_open"] == issues[0]
    assert city_figures["departments"] == 43
    assert len(found["departments"]) == 45
    assert found["build"] == NIGHTS
    assert {line["kind_zh"] for line in found["attention"]} >= {"迟报", "失败", "暂扣", "逾期", "日历缺失"}
    assert all(0 <= found["indicators"][name] <= 1 for name in ("reporting_rate", "compliance_rate", "timeliness_rate"))


def test_a_batch_page_tells_the_way_from_arrival_to_publication(city: Settings) -> None:
    held = (city.site / "batch" / f"SJGJ-PENALTY-{AS_OF:%Y%m%d}-001.html").read_text(encoding="utf-8")
    assert "退回率 31.4%，超过 20%" in held
    assert "第 214 行" in held
    assert "未到这一步" in held
    published = (city.site / "batch" / f"GAJ-PERMIT-{AS_OF:%Y%m%d}-001.html").read_text(encoding="utf-8")
    assert "未到这一步" not in published
    assert "第 6 次构建" in published
    assert re.search(r"[0-9a-f]{64}", published)
    assert "/returns/gaj/permit.xlsx" in published


def test_return_workbooks_are_linked_where_they_lie(city: Settings) -> None:
    text = page(city, "department/gaj.html")
    assert "../../../returns/gaj/permit.xlsx" in text


def test_the_same_night_again_gives_the_same_bytes(city: Settings) -> None:
    def digests() -> dict[str, str]:
        return {
            str(path.relative_to(city.site)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(city.site.rglob("*"))
            if path.is_file()
        }

    before = digests()
    quality_site(city, AS_OF)
    assert digests() == before


def test_an_older_date_is_written_beside_the_newest_and_not_over_it(city: Settings) -> None:
    index = (city.site / "index.html").read_bytes()
    older = AS_OF - timedelta(days=2)
    written = quality_site(city, older)
    assert written == city.site / older.isoformat() / "index.html"
    assert (city.site / "index.html").read_bytes() == index
    assert older.isoformat() in (city.site / "days.js").read_text(encoding="utf-8")
    assert older.isoformat() in (city.site / "days.html").read_text(encoding="utf-8")


def test_a_released_batch_gets_a_new_page_although_its_night_is_past(warehouse: Warehouse) -> None:
    report_world.fill(warehouse.url, nights=3)
    yesterday = AS_OF - timedelta(days=1)
    quality_site(warehouse.settings, yesterday)
    batch = f"GAJ-PERMIT-{yesterday:%Y%m%d}-001"
    path = warehouse.settings.site / "batch" / f"{batch}.html"
    assert "张三测试" not in path.read_text(encoding="utf-8")
    warehouse.query(
        "insert into ops.event (event_id, event_type, batch_id, reason, decided_by, decided_at)"
        " values (gen_random_uuid(), 'release', %s, '已电话核实', '张三测试', '2026-11-20T09:00:00+08')", (batch,))  # fmt: skip
    quality_site(warehouse.settings, AS_OF)
    text = path.read_text(encoding="utf-8")
    assert "张三测试" in text
    assert "已电话核实" in text


def test_before_the_first_night_the_page_says_so(warehouse: Warehouse) -> None:
    report_world.publish_stand_ins(warehouse.url)
    index = quality_site(warehouse.settings, AS_OF)
    text = index.read_text(encoding="utf-8")
    assert index == warehouse.settings.site / "index.html"
    assert "还没有夜间运行" in text
    assert "No night yet" in text
    assert (warehouse.settings.site / "assets" / "site.css").is_file()


def test_a_night_without_deliveries_explains_every_empty_place(warehouse: Warehouse) -> None:
    report_world.fill(warehouse.url, nights=1)
    warehouse.query(
        "delete from ops.build_batch; delete from quality.rule_result; delete from quality.row_verdict; delete from quality.issue;"
        " delete from quality.department_day; delete from quality.department_month; delete from quality.incident;"
        " delete from quality.return_file; delete from ops.batch; update ops.arrival set state = 'not_due'")  # fmt: skip
    quality_site(warehouse.settings, AS_OF)
    day = warehouse.settings.site / AS_OF.isoformat()
    for path in (
        day / "index.html",
        day / "batches.html",
        day / "issues.html",
        day / "ranking.html",
        day / "department" / "gaj.html",
    ):
        text = path.read_text(encoding="utf-8")
        assert 'class="empty"' in text, path.name
        assert "None" not in " ".join(Reader(text).text), path.name


def test_a_view_that_is_missing_is_said_on_the_page_and_stops_nothing(warehouse: Warehouse) -> None:
    report_world.fill(warehouse.url, nights=2)
    warehouse.query("drop view publish.data_issue; drop table quality.department_month")
    text = quality_site(warehouse.settings, AS_OF).read_text(encoding="utf-8")
    assert 'class="problem"' in text
    assert "publish.data_issue" in text
    missing = {entry["query"] for entry in quality_figures(warehouse.settings, AS_OF)["missing"]}
    assert missing == {"issues", "issue_counts", "issue_groups", "issue_ages", "city_open", "city_issues", "months"}


def test_any_other_database_error_is_raised(warehouse: Warehouse) -> None:
    report_world.fill(warehouse.url, nights=1)
    warehouse.query("drop view publish.build; create view publish.build as select 1 / 0 as build_no, current_date as as_of, 'x' as state,"
                    " '' as reason, 0 as batches, now() as started_at, now() as finished_at, now() as published_at")  # fmt: skip
    with pytest.raises(psycopg2.errors.DivisionByZero):
        quality_site(warehouse.settings, AS_OF)


def test_a_department_added_to_the_registry_has_its_page(warehouse: Warehouse) -> None:
    report_world.fill(warehouse.url, nights=1)
    warehouse.query(
        "insert into ops.department (department, dept_no, name_zh, name_en, tier, importance, external, channel, cadence, expect_by)"
        " values ('new', 44, '市新设局', 'New Bureau', 'municipal', 3, false, 'sftp', 'daily', '02:00')")  # fmt: skip
    index = quality_site(warehouse.settings, AS_OF)
    assert "市新设局" in index.read_text(encoding="utf-8")
    assert (warehouse.settings.site / AS_OF.isoformat() / "department" / "new.html").is_file()


def test_footnotes_name_views_of_publish_for_daily_figures() -> None:
    for query in (
        queries.CITY_DAYS,
        queries.HEAT_MAP,
        queries.MEASURES,
        queries.INDICATORS,
        queries.ISSUES,
        queries.BUILD,
    ):
        assert query.relations[0].startswith("publish."), query.name
