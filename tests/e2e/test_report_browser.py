"""The quality site in a real browser, opened from disk without a network: what a person at the credit office does.

Needs /usr/bin/chromium and a Chinese font (make test-system).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from creditflow.report import quality_site
from creditflow.server import Server
from creditflow.settings import Settings
from tests import report_world
from tests.conftest import PROJECT, Warehouse
from tests.report_world import AS_OF

pytestmark = pytest.mark.system

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def site(server: Server, warehouse_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A site of two nights on disk."""
    home = tmp_path_factory.mktemp("browser") / "home"
    home.mkdir()
    admin = psycopg2.connect(server.url("postgres"))
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            cursor.execute(f"create database report_browser template {warehouse_template} strategy file_copy")
        url = server.url("report_browser")
        report_world.fill(url, nights=40)
        settings = Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=url)
        quality_site(settings, AS_OF.replace(day=19))
        quality_site(settings, AS_OF)
        yield settings.site
        with admin.cursor() as cursor:
            cursor.execute("drop database report_browser with (force)")
    finally:
        admin.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One headless browser."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


class Visit:
    """A page with everything the browser complained about or asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))

    def open(self, path: Path, query: str = "") -> Page:
        self.page.goto(path.as_uri() + query)
        return self.page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A fresh visitor without a network; leaving checks that nothing was complained about or fetched."""
    context: BrowserContext = browser.new_context(viewport={"width": 1400, "height": 900}, offline=True)
    found = Visit(context.new_page())
    yield found
    context.close()
    assert found.complaints == []
    assert [url for url in found.requests if not url.startswith(("file:", "data:"))] == []


def visible(page: Page) -> str:
    """What a person can read on the page."""
    return page.locator("body").inner_text()


def one_of_each(site: Path) -> list[Path]:
    day = site / AS_OF.isoformat()
    return [
        site / "index.html",
        site / "days.html",
        *(day / f"{name}.html" for name in ("departments", "rules", "batches", "issues", "ranking", "definitions")),
        day / "department" / "gaj.html",
        day / "department" / "stj.html",
        day / "rule" / "PERMIT-R04-USCC.html",
        next((day / "rulebook").glob("catalogue*.html")),
        site / "batch" / f"SJGJ-PENALTY-{AS_OF:%Y%m%d}-001.html",
    ]


def test_every_page_type_opens_without_a_complaint_in_both_languages(site: Path, visit: Visit) -> None:
    for path in one_of_each(site):
        for language in ("zh", "en"):
            page = visit.open(path, f"?lang={language}")
            assert page.title(), path.name
            assert page.locator("h1").first.is_visible(), path.name
            assert visit.complaints == [], path.name


def test_charts_are_drawn(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    for name in ("night", "rates", "code-errors"):
        inked = page.evaluate(
            """name => { const c = document.getElementById('chart-' + name);
               const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
               let n = 0; for (let i = 3; i < d.length; i += 4) { if (d[i]) { n++; } } return n; }""",
            name,
        )
        assert inked > 500, name


def test_the_language_switch_keeps_the_place_and_is_remembered(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    assert page.locator("html").get_attribute("data-lang") == "zh"
    page.locator("#trends").evaluate("element => element.scrollIntoView()")
    before = page.evaluate("document.querySelector('#trends h2, h2#trends').getBoundingClientRect().top")
    page.get_by_role("button", name="English").click()
    after = page.evaluate("document.querySelector('#trends h2, h2#trends').getBoundingClientRect().top")
    assert abs(after - before) < 60
    assert page.evaluate("window.scrollY") > 0
    assert page.title().startswith("Data quality today")
    visit.open(site / AS_OF.isoformat() / "department" / "gaj.html")
    assert page.locator("html").get_attribute("data-lang") == "en"
    assert page.locator("h1").inner_text() == "Public Security Bureau"
    page.get_by_role("button", name="中文").click()
    assert page.locator("h1").inner_text() == "市公安局"


def test_no_english_is_left_in_the_chinese_page_and_none_of_the_other(site: Path, visit: Visit) -> None:
    day = site / AS_OF.isoformat()
    for path in (
        site / "index.html",
        day / "departments.html",
        day / "issues.html",
        day / "ranking.html",
        day / "definitions.html",
    ):
        chinese = visible(visit.open(path, "?lang=zh")).split("数据来源")[0]
        words = set(re.findall(r"\b[a-z]{4,}\b", chinese)) - {"publish", "quality"}
        assert not words, f"{path.name}: {sorted(words)[:10]}"
        english = visible(visit.open(path, "?lang=en")).replace("中文", "")
        left = re.findall(r"[一-鿿]+", english)
        assert not left, f"{path.name}: {left[:10]}"


def test_pages_that_quote_no_row_are_whole_in_english(site: Path, visit: Visit) -> None:
    day = site / AS_OF.isoformat()
    for path in (
        site / "days.html",
        day / "rules.html",
        day / "batches.html",
        min((site / "batch").glob("CGJ-*.html")),
    ):
        left = re.findall(r"[一-鿿]+", visible(visit.open(path, "?lang=en")).replace("中文", ""))
        assert not left, f"{path.name}: {left[:10]}"


def test_sorting_by_a_heading_and_back(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    head = page.locator("#table-heat-map thead th").nth(3)
    sort = head.locator(".sort")

    def column() -> list[float]:
        texts = page.locator("#table-heat-map tbody tr td:nth-child(4)").all_inner_texts()
        return [float(text.replace(",", "")) for text in texts if text.strip() not in ("", "—")]

    sort.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column() == sorted(column(), reverse=True)
    sort.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column() == sorted(column())
    last = page.locator("#table-heat-map tbody tr").last.locator("td").nth(3).inner_text()
    assert last.strip() == "—", "missing values stay at the end"


def test_the_filter_hides_rows_and_says_how_many_are_left(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    box = page.locator('[data-filter="heat-map"]')
    box.fill("迟报")
    rows = page.locator("#table-heat-map tbody tr:visible")
    assert rows.count() == 1
    assert "市生态环境局" in rows.first.inner_text()
    assert page.locator('[data-shown="heat-map"]').inner_text() == "显示 1 / 43 行"
    box.fill("")
    assert page.locator("#table-heat-map tbody tr:visible").count() == 43


def test_a_click_on_a_row_opens_the_department(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    page.locator("#table-heat-map tbody tr").first.locator("td").nth(4).click()
    page.wait_for_url("**/department/*.html")
    assert page.locator("h1").is_visible()


def test_the_day_before_and_the_day_after(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    assert page.locator('[data-step="1"]').is_hidden()
    page.locator('[data-step="-1"]').click()
    page.wait_for_url("**/2026-11-19/index.html*")
    assert page.locator(".stamp b").first.inner_text() == "2026-11-19"
    page.locator('[data-step="1"]').click()
    page.wait_for_url("**/2026-11-20/index.html*")


def test_ninety_days_show_more_than_thirty(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    script = "Chart.getChart(document.getElementById('chart-rates')).data.labels.length"
    assert page.evaluate(script) == 30
    page.get_by_role("button", name="近 90 天").click()
    assert page.evaluate(script) == 40


def test_the_footnote_shows_sql_to_paste(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    page.locator(".tile .mark a").first.click()
    source = page.locator(".sources li").first
    source.locator("summary").click()
    assert "from" in source.locator("pre").inner_text()
    assert "date '2026-11-20'" in source.locator("pre").inner_text()


def test_a_hostile_name_is_read_and_not_run(site: Path, visit: Visit) -> None:
    page = visit.open(site / "batch" / f"SJGJ-PENALTY-{AS_OF:%Y%m%d}-001.html")
    assert '</script><script>alert("x")</script>汕头市顽皮贸易有限公司' in visible(page)


def test_paper_is_a4_without_navigation(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.locator(".table-tools").first.is_hidden()
    paper = page.pdf(prefer_css_page_size=True)
    assert paper.startswith(b"%PDF")
    boxes = re.findall(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)", paper)
    assert boxes
    assert all(abs(float(w) - 595) < 2 and abs(float(h) - 842) < 2 for w, h in boxes)


def test_before_the_first_night(warehouse: Warehouse, visit: Visit) -> None:
    report_world.publish_stand_ins(warehouse.url)
    page = visit.open(quality_site(warehouse.settings, AS_OF), "?lang=en")
    assert "No night yet" in visible(page)
