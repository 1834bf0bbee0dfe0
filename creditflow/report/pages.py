"""The pages of the site, one function each: from one reading to the HTML of a page and the tables that lie beside it.

Promises
- Every page says which business date and build it stands on, and which queries its figures are.
- Templates escape everything; a page runs no inline script and names no host.
- Links are relative, so the site works from disk, from a share and behind a web server.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import jinja2
from markupsafe import Markup

from creditflow.report import cells, figures, queries, tables
from creditflow.report.cells import Badge, Code, Column, Link, Table
from creditflow.report.data_docs import docs_path
from creditflow.report.masking import masked_row, masked_text
from creditflow.report.queries import Query, Row
from creditflow.report.reading import Night, badge, slug
from creditflow.report.rules import NOTICE, Rule, titled
from creditflow.report.words import CADENCES, CHANNELS, DELIVERIES, FORMATS, TIERS, WORDS, Both, label, state, word

WEEKDAYS = (
    Both("星期一", "Monday"), Both("星期二", "Tuesday"), Both("星期三", "Wednesday"), Both("星期四", "Thursday"),
    Both("星期五", "Friday"), Both("星期六", "Saturday"), Both("星期日", "Sunday"),
)  # fmt: skip
EXAMPLE_FIELDS = 12
RULES_OF_A_DEPARTMENT = 5
FATES = (
    ("rows_read", Both("部门送来的行，逐行计数。", "Rows the department sent, counted one by one.")),
    ("rows_accepted", Both("通过检查、进入仓库的行；被提示的行也在内。",
                           "Rows that passed and entered the warehouse, flagged ones included.")),
    ("rows_rejected", Both("未通过差错级规则的行，连同原因退回部门更正。",
                           "Rows that failed an error-level rule, returned with the reason.")),
    ("rows_held", Both("整批等待人工决定的行：退回率超过 20% 且不少于 20 行，或批次本身有错。",
                       "Rows of a batch waiting for a person: above 20 % and at least 20 rows rejected, or a fault of the batch itself.")),
    ("rows_flagged", Both("已进入仓库但需要核对的行。", "Rows in the warehouse that want a second look.")),
    ("rows_out_of_scope", Both("依法不收的行（如外市、参保个人），不算差错。",
                               "Rows the city lawfully does not take (other cities, insured persons); no fault.")),
    ("rows_duplicate", Both("与已有记录完全相同的行，不算差错。", "Rows identical to a record already here; no fault.")),
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """A finished page: its path below the date's folder, its HTML and the tables to write beside it."""

    path: str
    html: str
    tables: tuple[Table, ...] = ()


@dataclass
class Press:
    """The template engine with one night in it."""

    night: Night
    environment: jinja2.Environment = field(default_factory=lambda: environment())

    @cached_property
    def build_line(self) -> Markup:
        """The build in words; empty without one."""
        build = self.night.build
        return cells.both(f"第 {build['build_no']} 次构建", f"build {build['build_no']}") if build else Markup("")

    @cached_property
    def digest(self) -> str:
        """Hash of the templates and the rule book's titles: a page made with another one is made again."""
        loader, digest = self.environment.loader, hashlib.sha256(repr(sorted(self.night.book.items())).encode())
        for name in sorted(loader.list_templates()) if loader else ():
            digest.update(loader.get_source(self.environment, name)[0].encode() if loader else b"")
        return digest.hexdigest()

    @cached_property
    def stamp(self) -> Both | None:
        """Source and time for the foot of every page; None without a build."""
        build = self.night.build
        if build is None:
            return None
        return Both(
            f"来源：公共信用信息仓库（publish、quality、ops）· 业务日期 {self.night.as_of} · 第 {build['build_no']} 次构建 · 市信用办",
            f"Source: public credit warehouse (publish, quality, ops) · business date {self.night.as_of} · "
            f"build {build['build_no']} · city credit office",
        )

    def render(
        self,
        template: str,
        path: str,
        title: Both,
        *,
        root: str = "",
        assets: str | None = None,
        section: str | None = None,
        used: Sequence[Query] = (),
        only: tuple[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        tables_root: str | None = None,
        bare: bool = False,
        **context: Any,
    ) -> str:
        """HTML of a page. path: below the date's folder. root: from the page to that folder. assets: from the page to
        the shared files. used: queries of its figures, in the order of their footnotes. only: (column, value) of the rows
        that the page takes from those that have the column. bare: without navigation."""
        values = {**self.night.parameters, **(parameters or {})}
        names = [query.name for query in used]
        return self.environment.get_template(template).render(
            title=title,
            here=path,
            root=root,
            assets=root + "../assets/" if assets is None else assets,
            tables_root=root + "tables/" if tables_root is None else tables_root,
            section=section or path,
            as_of=self.night.as_of.isoformat(),
            build_line=self.build_line,
            stamp=None if bare else self.stamp,
            sources=[
                {
                    "name": query.name,
                    "title": query.title,
                    "relations": query.relations,
                    "sql": query.text(values, only if only and query in queries.WHOSE_ROWS[only[0]] else None),
                }
                for query in used
            ],
            source_numbers={name: place for place, name in enumerate(names, 1)},
            problems=[text for name, text in self.night.problems() if bare or name in names],
            **context,
        )


def city(press: Press, *, root: str = "", assets: str | None = None) -> Page:
    """今日数据质量: tiles, what needs attention, heat map, the night in time, trends, costliest rules."""
    night = press.night
    heat, top, indicators, times = (
        tables.heat_map(night), tables.rules(night, limit=10), tables.indicators(night), tables.night_times(night)
    )  # fmt: skip
    names = {code: night.name(code) for code in night.departments}
    lines = attention(night)
    shown = [_addressed(line) for line in lines[: figures.ATTENTION_LINES]]
    html = press.render(
        "city.html", "index.html", word("today"), root=root, assets=assets,
        used=(queries.CITY_DAYS, queries.ARRIVALS, queries.CITY_OPEN, queries.CITY_ISSUES, queries.ISSUE_COUNTS, queries.HELD,
              queries.INCIDENTS, queries.CALENDAR, queries.MEASURES, queries.HEAT_MAP, queries.NIGHT, queries.INDICATORS,
              queries.RULES_TONIGHT, queries.BUILD),
        tiles=figures.tiles(
            night.as_of, night.rows(queries.CITY_DAYS), night.rows(queries.ARRIVALS),
            next(iter(night.rows(queries.CITY_OPEN)), {}), night.rows(queries.CITY_ISSUES), night.departments,
        ),
        attention=shown, attention_more=len(lines) - len(shown), heat=heat,
        timeline=figures.night_chart(night.rows(queries.NIGHT), names, night.settings.zone), timeline_table=times,
        trend=trend(night.rows(queries.INDICATORS), figures.UPWARD),
        code_trend=trend(night.rows(queries.INDICATORS), ("code_error_rate",)), indicator_table=indicators,
        indicator_keys=figures.INDICATORS, definitions=figures.DEFINITIONS, top_rules=top,
        weekday=WEEKDAYS[night.as_of.weekday()],
    )  # fmt: skip
    return Page("index.html", html, (heat, top, indicators, times))


def attention(night: Night) -> list[figures.Attention]:
    """Everything that needs a person, worst first."""
    calendar = night.answers["calendar"]
    return figures.attention(
        night.as_of,
        night.departments,
        night.rows(queries.ARRIVALS),
        night.rows(queries.HELD),
        night.rows(queries.ISSUE_COUNTS),
        night.daily,
        night.rows(queries.INCIDENTS),
        None if calendar.missing else [row["year"] for row in calendar.rows],
        night.kinds.titles,
    )


def _addressed(line: figures.Attention) -> figures.Attention:
    """The line with its link resolved: deliveries have their pages outside the date's folder."""
    if not line.href.startswith("@batch/"):
        return line
    return replace(line, href=f"../batch/{slug(line.href.removeprefix('@batch/'))}.html")


def listing(press: Press, path: str, title: Both, lead: Both, *shown: Table) -> Page:
    """A page that is a table."""
    used = tuple(dict.fromkeys((*(queries.ALL[table.query] for table in shown), queries.BUILD)))
    return Page(path, press.render("listing.html", path, title, blocks=shown, lead=lead, used=used), shown)


def lists(press: Press) -> list[Page]:
    """Departments, rules, batches, issues, ranking."""
    night = press.night
    return [
        listing(press, "departments.html", word("departments"),
                Both("当晚每个部门一行：43 个部门在前，外部来源在后。",
                     "One line per department: the 43 first, external sources after them."),
                tables.departments(night)),
        listing(press, "rules.html", word("rules"),
                Both("当晚有行未通过的规则，按行数排列；其后是现行规则书。",
                     "Rules that rows failed this night, by rows; then the rule book in force."),
                tables.rules(night), tables.rule_kinds(night)),
        listing(press, "batches.html", word("batches"),
                Both("当晚到达的每个批次，以及各行的去向。", "Every batch of the night and where its rows went."), tables.batches(night)),
        listing(press, "issues.html", word("open_issues"),
                Both("尚未更正的问题；应改日期按工作日历计算。", "Issues not yet corrected; due dates follow the working-day calendar."),
                tables.issue_groups(night)),
        listing(press, "ranking.html", word("ranking"), figures.DEFINITIONS["score"], tables.ranking(night)),
    ]  # fmt: skip


def department(press: Press, code: str) -> Page:
    """One department: who it is, the night's feeds, trend, costliest rules, open issues, deliveries, bands."""
    night = press.night
    entry, name = night.departments[code], slug(code)
    arrival = next(iter(night.of_department(queries.ARRIVALS, code)), None)
    daily = night.daily.get(code, [])
    current = next(
        (row for row in night.of_department(queries.MONTHS, code) if row["month"] == night.as_of.replace(day=1)), None
    )
    shown = {
        "feeds": tables.feeds(night, code), "ages": tables.issue_ages(night, code), "issues": tables.issues(night, code),
        "history": tables.history(night, code), "months": tables.months(night, code),
        "returns": tables.returns(night, code),
    }  # fmt: skip
    contact = entry["contact"] or {}
    facts: list[tuple[Both, Any]] = [
        (word("importance"), entry["importance"]),
        (word("tier"), label(TIERS, entry["tier"])),
        (word("channel"), label(CHANNELS, entry["channel"])),
        (word("cadence"), label(CADENCES, entry["cadence"])),
        (word("expect_by"), entry["expect_by"].strftime("%H:%M")),
        (word("contact"), [str(contact[key]) for key in ("office", "phone", "email") if contact.get(key)] or None),
        (word("legal_ground"), entry["legal_ground"]),
    ]
    days = _days(daily, night.as_of)
    by_day = {row["as_of"]: row for row in daily}
    volume = {
        "type": "bars", "unit": "count", "labels": [day.isoformat() for day in days],
        "series": [
            {"zh": word(key).zh, "en": word(key).en,
             "values": [int(by_day[day][key] or 0) if day in by_day else None for day in days]}
            for key in ("rows_accepted", "rows_rejected", "rows_held")
        ],
    }  # fmt: skip
    detail = None
    if arrival and (arrival["detail_zh"] or arrival["detail_en"]):
        detail = Both(arrival["detail_zh"] or arrival["detail_en"], arrival["detail_en"] or arrival["detail_zh"])
    path = f"department/{name}.html"
    html = press.render(
        "department.html", path, night.name(code), root="../", section="departments.html", only=("department", code),
        used=(queries.DEPARTMENTS, queries.ARRIVALS, queries.BATCHES, queries.HEAT_MAP, queries.MEASURES, queries.RULES_TONIGHT,
              queries.EXAMPLES, queries.ISSUE_AGES, queries.ISSUES, queries.RETURN_FILES, queries.HISTORY, queries.MONTHS,
              queries.MONTH_DAYS, queries.BUILD),
        badge=badge(arrival["state"] if arrival else None), arrival_detail=detail, facts=facts,
        band=cells.band_badge(figures.number(current["score"])) if current else None,
        trend=trend(daily, figures.MEASURES, days), volume=volume, costly=_costly(night, code),
        returns=shown["returns"], feeds=shown["feeds"], ages=shown["ages"], issues=shown["issues"],
        history=shown["history"], months=shown["months"],
    )  # fmt: skip
    return Page(path, html, tuple(shown.values()))


def _days(rows: Sequence[Row], as_of: date) -> list[date]:
    """The days of a trend: from the first row, at most 90 back."""
    first = min((row["as_of"] for row in rows), default=as_of)
    length = min((as_of - first).days + 1, figures.TREND_DAYS)
    return [as_of - timedelta(days=back) for back in range(length - 1, -1, -1)]


def trend(rows: Sequence[Row], keys: Sequence[str], days: Sequence[date] | None = None) -> dict[str, Any] | None:
    """Chart data of shares by day; None when no value is known."""
    if not any(row.get(key) is not None for row in rows for key in keys):
        return None
    by_day = {row["as_of"]: row for row in rows}
    axis = list(days) if days is not None else sorted(by_day)
    return {
        "type": "line",
        "unit": "share",
        "labels": [day.isoformat() for day in axis],
        "series": [
            {
                "zh": word(key).zh,
                "en": word(key).en,
                "values": [figures.number(by_day[day].get(key)) if day in by_day else None for day in axis],
            }
            for key in keys
        ],
    }


def _costly(night: Night, code: str) -> list[dict[str, Any]]:
    """The rules with most failed rows of a department this night, holds and rejects first, each with an example row."""
    order = {"hold": 0, "reject": 1, "flag": 2}
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for row in night.of_department(queries.RULES_TONIGHT, code):
        if row["severity"] in order:
            totals[(row["rule_id"], row["severity"])] += int(row["rows_failed"])
    worst = sorted(
        ((rule_id, severity, failed) for (rule_id, severity), failed in totals.items() if failed),
        key=lambda item: (order[item[1]], -item[2], item[0]),
    )
    samples: dict[str, Row] = {}
    for row in night.of_department(queries.EXAMPLES, code):
        samples.setdefault(row["rule_id"], row)
    return [
        {
            "rule_id": rule_id,
            "title": titled(night.book, rule_id),
            "badge": badge(severity),
            "rows": failed,
            "remedy": night.book[rule_id].remedy if rule_id in night.book else None,
            "href": f"rule/{slug(rule_id)}.html",
            "example": example(night, samples[rule_id]) if rule_id in samples else None,
        }
        for rule_id, severity, failed in worst[:RULES_OF_A_DEPARTMENT]
    ]


def example(night: Night, row: Row) -> dict[str, Any]:
    """A masked row: the faulty fields first, then the others as far as they fit."""
    shown = masked_row(row["payload"])
    wrong = [name for name in row["fields"] or [] if not name.endswith(("_hash", "_cipher"))]
    suggestion = row["suggestion"] or {}
    order = list(dict.fromkeys([*wrong, *shown]))
    return {
        "batch": night.batch(row["batch_id"]),
        "row_no": row["row_no"],
        "department": night.name(row["department"]),
        "cells": [
            {
                "name": night.kinds.column(row["kind"], name),
                "value": shown.get(name, ""),
                "wrong": name in wrong,
                "suggestion": masked_text(str(suggestion.get("value") or ""))
                if suggestion.get("field") == name
                else "",
            }
            for name in order[:EXAMPLE_FIELDS]
        ],
        "more": max(len(order) - EXAMPLE_FIELDS, 0),
    }


def rule(press: Press, rule_id: str) -> Page:
    """One rule: what it asks, what the department must do, who fails it, since when, masked examples."""
    night = press.night
    known = night.book.get(rule_id)
    results, daily = night.of_rule(queries.RULES_TONIGHT, rule_id), night.of_rule(queries.RULES_DAILY, rule_id)
    severity = results[0]["severity"] if results else known.severity if known else None
    table = tables.rule_departments(night, rule_id, results)
    failed: dict[date, int] = defaultdict(int)
    for row in daily:
        failed[row["as_of"]] += int(row["rows_failed"])
    days = _days(daily, night.as_of)
    volume = {
        "type": "bars", "unit": "count", "labels": [day.isoformat() for day in days],
        "series": [{"zh": word("rows_failed").zh, "en": word("rows_failed").en, "values": [failed.get(day, 0) for day in days]}],
    } if any(failed.values()) else None  # fmt: skip
    path = f"rule/{slug(rule_id)}.html"
    html = press.render(
        "rule.html", path, titled(night.book, rule_id), root="../", section="rules.html", only=("rule_id", rule_id),
        used=(queries.RULES_TONIGHT, queries.RULES_DAILY, queries.EXAMPLES, queries.BUILD),
        rule_id=rule_id, badge=badge(severity) if severity else Badge(word("unknown")),
        facts=_rule_facts(night, known, min((day for day, rows in failed.items() if rows), default=None)),
        by_department=table, trend=volume,
        examples=[example(night, row) for row in night.of_rule(queries.EXAMPLES, rule_id)[:8]],
    )  # fmt: skip
    return Page(path, html, (table,))


def _rule_facts(night: Night, known: Rule | None, first: date | None) -> list[tuple[Both, Any]]:
    seen = (Both("近 90 天首次未通过", "First failure in the last 90 days"), first)
    if known is None:
        return [
            (
                Both("规则书", "Rule book"),
                Both("现行规则书里没有这条规则。", "The rule book in force has no such rule."),
            ),
            seen,
        ]
    if known.kind == NOTICE:
        return [(word("remedy"), known.remedy), seen]
    file, line = known.place
    kind = night.kinds.title(known.kind) if known.kind != "batch" else Both("整个批次", "the batch as a whole")
    return [
        (word("severity"), state(known.severity)),
        (word("kind"), kind),
        (word("field"), [night.kinds.column(known.kind, name) for name in known.fields] or None),
        (word("remedy"), known.remedy),
        (word("clause"), known.clause),
        (Both("更正期限", "Time to correct"),
         Both(f"{known.due_days} 个工作日", f"{known.due_days} working days")),
        seen,
        (Both("规则书", "Rule book"), Link(Code(f"expectations/{file}:{line}"), f"rulebook/{slug(file)}.html#L{line}")),
    ]  # fmt: skip


def rule_file(press: Press, file: str, lines: Sequence[str]) -> Page:
    """A file of the rule book with numbered lines."""
    path = f"rulebook/{slug(file)}.html"
    html = press.render(
        "rulefile.html", path, Both("规则文件", "Rule file"), root="../", section="rules.html", file=file, lines=lines
    )
    return Page(path, html)


def definitions(press: Press) -> Page:
    """What the measures, the fates of rows and the deadlines mean."""
    years = [str(row["year"]) for row in press.night.rows(queries.CALENDAR)]
    calendar = (
        Both(f"应改期限按工作日计算，调休上班日算工作日。已载入的年份：{'、'.join(years)}；未载入年份内的期限显示为“未知”。",
             f"Deadlines count working days, make-up days included. Years loaded: {', '.join(years)}; "
             "a deadline in another year shows as unknown.")
        if years else
        Both("工作日历尚未载入，应改期限显示为“未知”。", "The working-day calendar is not loaded; deadlines show as unknown.")
    )  # fmt: skip
    by_row = {key: text for key, text in figures.DEFINITIONS.items() if key in figures.MEASURES}
    by_decision = {key: text for key, text in figures.DEFINITIONS.items() if key not in figures.MEASURES}
    measures = (
        (Both("每日指标（热力图，按行和问题计）", "Daily measures (heat map, by row and issue)"), by_row),
        (Both("月度指标（趋势与排名，按决定计）", "Monthly indicators (trend and ranking, by decision)"), by_decision),
    )
    html = press.render(
        "definitions.html", "definitions.html", word("definitions"), measures=measures, fates=FATES,
        calendar=calendar, used=(queries.CALENDAR,),
    )  # fmt: skip
    return Page("definitions.html", html)


def batch(press: Press, facts: Row, rules: list[Row], verdicts: list[Row], events: list[Row]) -> Page:
    """One delivery from arrival to publication. Its page lies outside the dates: path and tables are below batch/."""
    night = press.night
    name, kind = slug(facts["batch_id"]), facts["kind"]
    rule_table, event_table = tables.batch_rules(night, name, rules), tables.batch_events(name, events)
    row_table = _batch_rows(night, name, kind, verdicts)
    build, declared = facts["build_no"], facts["declared_rows"]
    steps = [
        {"name": word("delivered_at"), "time": facts["delivered_at"], "note": None},
        {"name": word("received_at"), "time": facts["received_at"], "note": None},
        {"name": word("landed_at"), "time": facts["landed_at"], "note": None},
        {"name": word("gated_at"), "time": facts["gated_at"], "note": state(facts["state"]) if facts["gated_at"] else None},
        {"name": word("published_at"), "time": facts["published_at"],
         "note": Both(f"第 {build} 次构建", f"build {build}") if build else None},
    ]  # fmt: skip
    balance = [
        ("rows_read", "t-quiet"), ("rows_accepted", "t-ok"), ("rows_rejected", "t-warn"), ("rows_held", "t-bad"),
        ("rows_out_of_scope", "t-quiet"), ("rows_duplicate", "t-quiet"),
    ]  # fmt: skip
    agrees = declared == facts["rows_read"]
    balance_note = (
        Both("部门没有申报行数。", "The department declared no row count.") if declared is None else
        Both(f"部门申报 {declared:,} 行，与读取{'一致' if agrees else '不一致'}。",
             f"The department declared {declared:,} rows, which {'agrees' if agrees else 'does not agree'} with what was read.")
    )  # fmt: skip
    html = press.render(
        "batch.html", f"../batch/{name}.html", Both(f"批次 {facts['batch_id']}", f"Batch {facts['batch_id']}"),
        root=f"../{night.as_of.isoformat()}/", assets="../assets/", tables_root="tables/", section="batches.html",
        used=(queries.BATCH_FACTS, queries.BATCH_RULES, queries.VERDICTS, queries.EVENTS),
        parameters={"batches": [facts["batch_id"]]},
        batch=facts, kind=night.kinds.title(kind), department=night.department(facts["department"]),
        badge=badge(facts["state"]), reasons=_reasons(night, kind, facts["reasons"]), steps=steps,
        balance=[{"name": word(key), "value": facts[key], "tone": tone} for key, tone in balance],
        balance_note=balance_note, facts=_batch_facts(night, facts), rules=rule_table, rows=row_table, events=event_table,
        data_docs=f"../data_docs/{name}/index.html" if docs_path(night.settings, facts["batch_id"]).exists() else None,
    )  # fmt: skip
    return Page(f"{name}.html", html, (rule_table, row_table, event_table))


def _batch_facts(night: Night, row: Row) -> list[tuple[Both, Any]]:
    returned = row["workbook"] and [
        Both(f"{row['rows_returned']:,} 行，{row['returned_on']}", f"{row['rows_returned']:,} rows, {row['returned_on']}"),
        night.return_file(row["workbook"]),
    ]  # fmt: skip
    return [
        (word("file"), row["file"]),
        (word("channel"), label(CHANNELS, row["channel"])),
        (word("format"), label(FORMATS, row["format"])),
        (Both("报送方式", "Delivery"), label(DELIVERIES, row["delivery"])),
        (word("size"), Both(f"{row['bytes']:,} 字节", f"{row['bytes']:,} bytes")),
        (Both("原件 SHA-256", "SHA-256 as sent"), Code(row["original_sha256"])),
        (Both("归档 SHA-256", "SHA-256 as archived"), Code(row["sha256"])),
        (Both("申报 SHA-256", "SHA-256 declared"), Code(row["declared_sha256"]) if row["declared_sha256"] else None),
        (Both("归档前删除的列", "Columns cut before archiving"), list(row["columns_cut"]) or word("none")),
        (Both("与之相同的批次", "Same content as"), night.batch(row["duplicate_of"]) if row["duplicate_of"] else None),
        (Both("退回部门的行", "Rows returned to the department"), returned or word("none")),
        (word("seconds"), round(float(row["seconds"]), 1)),
    ]


def _batch_rows(night: Night, name: str, kind: str, verdicts: list[Row]) -> Table:
    total = verdicts[0]["of_batch"] if verdicts else 0
    return Table(
        f"{name}-rows",
        Both("未通过的行（已脱敏）", "Rows that did not pass (masked)"),
        (
            Column("row_no", word("row_no"), True),
            Column("verdict", word("severity")),
            Column("rules", word("reason"), wide=True),
            Column("fields", word("field"), wide=True),
            Column("content", Both("内容", "Content"), wide=True),
        ),
        [
            {
                "row_no": row["row_no"],
                "verdict": badge(row["verdict"]),
                "rules": [night.rule(rule_id) for rule_id in row["rule_ids"]],
                "fields": [night.kinds.column(kind, column) for column in row["fields"] or []],
                "content": _content(night, kind, row),
            }
            for row in verdicts
        ],
        Both("该批次没有未通过的行。", "Every row of this batch passed."),
        "verdicts",
        note=Both(f"列出前 {len(verdicts)} 行，共 {total:,} 行。", f"The first {len(verdicts)} of {total:,} rows.")
        if total > len(verdicts)
        else None,
    )


def _content(night: Night, kind: str, row: Row) -> cells.Pairs:
    """A masked row in one cell: the faulty fields, then the first others."""
    shown = masked_row(row["payload"])
    wrong = [name for name in row["fields"] or [] if name in shown]
    order = list(dict.fromkeys([*wrong, *shown]))[:6]
    return cells.Pairs(tuple((night.kinds.column(kind, name), shown[name], name in wrong) for name in order))


def _reasons(night: Night, kind: str, reasons: Any) -> list[dict[str, Any]]:
    """Why a delivery was held or lost rows, with the place to look at where the text does not name it."""
    result: list[dict[str, Any]] = []
    for entry in reasons or []:
        zh, en = str(entry.get("zh") or ""), str(entry.get("en") or "")
        row, column = entry.get("row"), entry.get("field")
        name = night.kinds.column(kind, str(column)) if column else None
        place = None
        if row is not None and f"第 {row} 行" not in zh:
            place = Both(
                f"第 {row} 行" + (f"，字段“{name.zh}”" if name else ""),
                f"row {row}" + (f", field {name.en}" if name else ""),
            )
        result.append({"zh": masked_text(zh or en), "en": masked_text(en or zh), "place": place})
    return result


def past_days(press: Press, days: Sequence[str]) -> Page:
    """The index of business dates that have pages, newest first, by month."""
    months: dict[str, list[str]] = defaultdict(list)
    for day in sorted(days, reverse=True):
        months[day[:7]].append(day)
    html = press.render(
        "days.html", "days.html", word("days"), root=f"{max(days)}/", assets="assets/", months=list(months.items())
    )
    return Page("days.html", html)


def nothing(press: Press) -> Page:
    """What a site without a single published night says."""
    html = press.render(
        "nothing.html", "index.html", Both("还没有夜间运行", "No night yet"), assets="assets/", bare=True
    )
    return Page("index.html", html)


def print_style(night: Night) -> str:
    """Paper size and running footers of one date's pages, by language."""
    build, day = night.build["build_no"] if night.build else 0, night.as_of.isoformat()
    small = 'font: 8pt "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; color: #444;'
    return f"""@page zh {{ size: A4; margin: 14mm 12mm 16mm;
  @bottom-left {{ content: "来源：公共信用信息仓库 · 业务日期 {day} · 第 {build} 次构建 · 市信用办"; {small} }}
  @bottom-right {{ content: "第 " counter(page) " 页，共 " counter(pages) " 页"; {small} }} }}
@page en {{ size: A4; margin: 14mm 12mm 16mm;
  @bottom-left {{ content: "Source: public credit warehouse · business date {day} · build {build} · city credit office"; {small} }}
  @bottom-right {{ content: "page " counter(page) " of " counter(pages); {small} }} }}
html[data-lang="zh"] body {{ page: zh; }}
html[data-lang="en"] body {{ page: en; }}
"""


def environment() -> jinja2.Environment:
    """The template engine of every page: escapes everything, stumbles over what is not defined."""
    engine = jinja2.Environment(
        loader=jinja2.PackageLoader("creditflow.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    engine.globals.update(
        both=cells.both,
        html=cells.html,
        css=cells.css,
        sort_key=cells.sort_key,
        words=WORDS,
        Both=Both,
        wide_spark=lambda spark: cells.sparkline(spark, 220, 26),
    )
    engine.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return engine
