"""The quality site: static pages for the credit office, written from the warehouse, readable from disk without a network.

Promises
- `quality_site` writes the pages of one business date under settings.site/<date>/ in one move: readers see the old
  pages or the new ones, never half of them. The newest date is also settings.site/index.html.
- The same warehouse and date give the same bytes: nothing on a page comes from the clock.
- A view that does not exist yet is said on the page in words; it never stops the site.

Layout: <site>/index.html, days.html, days.js, assets/, batch/<batch>.html, and per date <date>/index.html,
departments.html, department/<code>.html, rules.html, rule/<rule>.html, rulebook/<file>.html, batches.html, issues.html,
ranking.html, definitions.html, tables/.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from creditflow.report import cells, figures, pages, queries, tables, workbooks
from creditflow.report.cells import Table
from creditflow.report.data_docs import NoSuchDelivery, docs_path
from creditflow.report.pages import Page, Press
from creditflow.report.queries import Row
from creditflow.report.reading import read_night, slug
from creditflow.report.rules import rule_files, titled
from creditflow.report.writing import copy_assets, write_text
from creditflow.settings import Settings

DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")


def quality_site(settings: Settings, as_of: date) -> Path:
    """Write the site for business date `as_of`; returns the page to open.

    Without a published build of that date or earlier it writes the "no night yet" page, unless there are pages of
    other dates already. Raises DatabaseUnavailable.
    """
    site = settings.site
    site.mkdir(parents=True, exist_ok=True)
    copy_assets(site / "assets")
    night = read_night(settings, as_of)
    press = Press(night)
    index = site / "index.html"
    if night.build is None:
        if not _days(site):
            write_text(site / "days.js", "window.CREDITFLOW_DAYS = [];\n")
            write_text(index, pages.nothing(press).html)
        return index
    draft = site / f".{as_of.isoformat()}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    _write_batches(press, site / "batch")
    for page in _pages(press):
        _write_page(draft, page, as_of)
    write_text(draft / "print.css", pages.print_style(night))
    _replace(draft, site / as_of.isoformat())
    days = _days(site)
    write_text(site / "days.js", f"window.CREDITFLOW_DAYS = {json.dumps(days)};\n")
    write_text(site / "days.html", pages.past_days(press, days).html)
    if as_of.isoformat() != days[-1]:
        return site / as_of.isoformat() / "index.html"
    write_text(index, pages.city(press, root=f"{as_of.isoformat()}/", assets="assets/").html)
    return index


def batch_page(settings: Settings, as_of: date, batch_id: str) -> Path:
    """Write the page of one delivery anew, as it stands on business date `as_of`; returns the page.

    Raises NoSuchDelivery, DatabaseUnavailable.
    """
    copy_assets(settings.site / "assets")
    press = Press(read_night(settings, as_of, besides=[batch_id]))
    folder = settings.site / "batch"
    folder.mkdir(parents=True, exist_ok=True)
    _write_batches(press, folder, only=batch_id)
    path = folder / f"{slug(batch_id)}.html"
    if not any(row["batch_id"] == batch_id for row in press.night.rows(queries.BATCH_FACTS)):
        raise NoSuchDelivery.unknown(batch_id)
    return path


def quality_figures(settings: Settings, as_of: date) -> dict[str, Any]:
    """The city page's figures as one JSON-ready object: as_of, build, city, indicators, departments, rules, attention,
    queries, missing. Counts are integers, shares 0..1, dates ISO, absent values null."""
    night = read_night(settings, as_of)
    today = {code: rows[-1] for code, rows in night.daily.items() if rows[-1]["as_of"] == as_of}
    arrivals = {row["department"]: row["state"] for row in night.rows(queries.ARRIVALS)}
    current = next((row for row in night.rows(queries.CITY_DAYS) if row["as_of"] == as_of), {})
    indicators = next((row for row in night.rows(queries.INDICATORS) if row["as_of"] == as_of), {})
    counts = (*tables.COUNTS, "batches_held")
    issues = ("open", "new", "overdue")
    inside = [code for code, row in night.departments.items() if not row["external"]]
    return {
        "as_of": as_of.isoformat(),
        "build": night.build["build_no"] if night.build else None,
        "city": {
            "departments": len(inside),
            "arrived": sum(arrivals.get(code) == "arrived" for code in inside),
            "accepted_share": figures.number(current.get("accepted_share")),
            **{key: int(current.get(key) or 0) for key in counts},
            **{
                f"issues_{key}": sum(night.open_issues[code][key] for code in inside if code in night.open_issues)
                for key in issues
            },
        },
        "indicators": {key: figures.number(indicators.get(key)) for key in figures.INDICATORS},
        "departments": [
            {
                "code": code,
                "name_zh": row["name_zh"],
                "name_en": row["name_en"],
                "importance": row["importance"],
                "external": row["external"],
                "state": arrivals.get(code),
                **{key: int(today.get(code, {}).get(key) or 0) for key in counts},
                **{f"issues_{key}": int(night.open_issues.get(code, {}).get(key, 0)) for key in issues},
                **{key: figures.number(today.get(code, {}).get(key)) for key in figures.MEASURES},
            }
            for code, row in night.departments.items()
        ],
        "rules": [
            {
                "rule_id": rule_id,
                "title_zh": titled(night.book, rule_id).zh,
                "title_en": titled(night.book, rule_id).en,
                "severity": severity,
                "rows_failed": failed,
            }
            for rule_id, severity, failed in tables.rule_totals(night)
        ],
        "attention": [
            {
                "importance": line.importance,
                "kind_zh": line.kind.zh,
                "kind_en": line.kind.en,
                "zh": line.text.zh,
                "en": line.text.en,
                "todo_zh": line.todo.zh,
                "todo_en": line.todo.en,
            }
            for line in pages.attention(night)
        ],
        "queries": {
            name: query.text(night.parameters) for name, query in queries.ALL.items() if not query.needs_batches
        },
        "missing": [{"query": name, "zh": text.zh, "en": text.en} for name, text in night.problems()],
    }


def _pages(press: Press) -> Iterable[Page]:
    """Every page of the date's folder."""
    night = press.night
    yield pages.city(press)
    yield from pages.lists(press)
    yield pages.definitions(press)
    for code in night.departments:
        yield pages.department(press, code)
    for rule_id in sorted(night.rule_pages):
        yield pages.rule(press, rule_id)
    for file, lines in rule_files(night.settings).items():
        yield pages.rule_file(press, file, lines)


def _write_batches(press: Press, folder: Path, only: str | None = None) -> None:
    """Pages of the deliveries chosen by the reading, or of one; one whose facts have not changed since is left as it is."""
    folder.mkdir(exist_ok=True)
    night, memory = press.night, folder / "pages.json"
    known: dict[str, str] = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    parts: dict[str, dict[str, list[Row]]] = {}
    for query in (queries.BATCH_RULES, queries.VERDICTS, queries.EVENTS):
        grouped = parts.setdefault(query.name, defaultdict(list))
        for row in night.rows(query):
            grouped[row["batch_id"]].append(row)
    for facts in night.rows(queries.BATCH_FACTS):
        batch_id = facts["batch_id"]
        if only not in (None, batch_id):
            continue
        of_batch = [parts[name].get(batch_id, []) for name in ("batch_rules", "verdicts", "events")]
        has_docs = docs_path(night.settings, batch_id).exists()
        fingerprint = hashlib.sha256(repr((press.digest, facts, of_batch, has_docs)).encode()).hexdigest()
        if facts["as_of"] != night.as_of and known.get(batch_id) == fingerprint:
            continue
        _write_page(folder, pages.batch(press, facts, *of_batch), facts["as_of"])
        known[batch_id] = fingerprint
    write_text(memory, json.dumps(known, indent=0, sort_keys=True))


def _write_page(folder: Path, page: Page, as_of: date) -> None:
    """The page below `folder`, its tables below `folder`/tables: CSV in both languages and a workbook with both."""
    path = folder / page.path
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page.html)
    _write_tables(folder / "tables", page.tables, as_of)


def _write_tables(folder: Path, written: Iterable[Table], as_of: date) -> None:
    folder.mkdir(exist_ok=True)
    for table in written:
        if table.rows:
            (folder / f"{table.name}.zh.csv").write_bytes(cells.csv_bytes(table, "zh"))
            (folder / f"{table.name}.en.csv").write_bytes(cells.csv_bytes(table, "en"))
            (folder / f"{table.name}.xlsx").write_bytes(workbooks.xlsx_bytes(table, as_of))


def _replace(draft: Path, target: Path) -> None:
    """Put a finished folder in place of the old one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _days(site: Path) -> list[str]:
    """Business dates that have pages, oldest first."""
    return sorted(path.name for path in site.iterdir() if DAY.match(path.name) and (path / "index.html").exists())
