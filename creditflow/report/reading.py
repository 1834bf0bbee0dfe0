"""One consistent reading of the warehouse for one business date: every query of the site in one snapshot, with the names.

Promises
- All pages of a run come from the same snapshot, so two pages never disagree.
- What could not be read is kept beside what could, in words for the page.
"""

from __future__ import annotations

import logging
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from creditflow.ops.database import connect
from creditflow.registry import load
from creditflow.report import figures, queries
from creditflow.report.cells import Badge, Code, Link
from creditflow.report.kinds import KindNames, kind_names
from creditflow.report.queries import Answer, Query, Row
from creditflow.report.rules import NOTICE, Rule, notice, rule_book, titled
from creditflow.report.words import CITY, Both, state
from creditflow.settings import Settings

log = logging.getLogger(__name__)

BATCH_PAGES = 1500
"""At most this many deliveries get a page of their own in one run; the others are lines of the tables."""

TONES = {
    "arrived": "ok", "nothing_new": "quiet", "late": "bad", "failed": "bad", "not_due": "quiet",
    "accepted": "ok", "partly_accepted": "note", "held": "bad", "refused": "bad", "duplicate": "quiet",
    "landed": "quiet", "archived": "quiet", "hold": "bad", "reject": "warn", "rejected": "warn", "flag": "note",
    "flagged": "note", "out_of_scope": "quiet", "open": "note", "returned": "note", "overdue": "bad",
    "corrected": "ok", "closed": "ok", "reopened": "warn",
}  # fmt: skip


@dataclass
class Night:
    """Everything one run reads: answers by query name, names, rule book, and what could not be read."""

    settings: Settings
    as_of: date
    answers: dict[str, Answer]
    parameters: dict[str, Any]
    kinds: KindNames
    book: dict[str, Rule]
    batch_pages: set[str] = field(default_factory=set)

    def rows(self, query: Query) -> list[Row]:
        """Rows of an answered query."""
        return self.answers[query.name].rows

    @property
    def build(self) -> Row | None:
        """The build this report stands on."""
        rows = self.rows(queries.BUILD)
        return rows[0] if rows else None

    @cached_property
    def departments(self) -> dict[str, Row]:
        """Departments by code, the 43 before the external ones, tier 1 first."""
        return {row["department"]: row for row in self.rows(queries.DEPARTMENTS)}

    def name(self, code: str) -> Both:
        """Name of a department; its code when the registry no longer has it."""
        row = self.departments.get(code)
        return Both(row["name_zh"], row["name_en"]) if row else Both(code, code) if code else CITY

    @cached_property
    def daily(self) -> dict[str, list[Row]]:
        """The last 90 days of each department that has any, oldest first: counts, and measures as far as they exist."""
        measures = {(row["department"], row["as_of"]): row for row in self.rows(queries.MEASURES)}
        none = dict.fromkeys(figures.MEASURES)
        return _grouped(
            [
                {**none, **measures.get((row["department"], row["as_of"]), {}), **row}
                for row in self.rows(queries.HEAT_MAP)
            ],
            "department",
        )

    @cached_property
    def open_issues(self) -> dict[str, Row]:
        """Counts of open issues by department."""
        return {row["department"]: row for row in self.rows(queries.ISSUE_COUNTS)}

    @cached_property
    def by_department(self) -> dict[str, dict[str, list[Row]]]:
        """Rows of a query by department: {query name: {department: rows}}."""
        return {query.name: _grouped(self.rows(query), "department") for query in queries.OF_DEPARTMENT}

    @cached_property
    def by_rule(self) -> dict[str, dict[str, list[Row]]]:
        """Rows of a query by rule: {query name: {rule_id: rows}}."""
        return {query.name: _grouped(self.rows(query), "rule_id") for query in queries.OF_RULE}

    def of_department(self, query: Query, code: str) -> list[Row]:
        """A query's rows about one department."""
        return self.by_department[query.name].get(code, [])

    def of_rule(self, query: Query, rule_id: str) -> list[Row]:
        """A query's rows about one rule."""
        return self.by_rule[query.name].get(rule_id, [])

    def problems(self) -> list[tuple[str, Both]]:
        """What could not be read: name of the query and the reason in words."""
        return [
            (
                name,
                Both(
                    f"“{queries.ALL[name].title.zh}”暂缺：数据库回答 {answer.missing}",
                    f"No figures for “{queries.ALL[name].title.en}”: the database says {answer.missing}",
                ),
            )
            for name, answer in self.answers.items()
            if answer.missing
        ]

    def batch(self, batch_id: str) -> Any:
        """A batch as a link to its page, or as plain code when it has no page."""
        return (
            Link(Code(batch_id), f"../batch/{slug(batch_id)}.html") if batch_id in self.batch_pages else Code(batch_id)
        )

    def return_file(self, path: str) -> Link:
        """A workbook below home/returns, or its twin, as a link to where it lies."""
        start = self.settings.site / self.as_of.isoformat()
        return Link(Code(Path(path).name), os.path.relpath(self.settings.home / "returns" / path, start))

    def department(self, code: str) -> Any:
        """A department as a link to its page."""
        return Link(self.name(code), f"department/{slug(code)}.html") if code in self.departments else self.name(code)

    def rule(self, rule_id: str) -> Any:
        """A rule's title as a link to its page, or to its line in the rule book when no row ever failed it."""
        title = titled(self.book, rule_id)
        if rule_id in self.rule_pages:
            return Link(title, f"rule/{slug(rule_id)}.html")
        if rule_id in self.book and self.book[rule_id].kind != NOTICE:
            file, line = self.book[rule_id].place
            return Link(title, f"rulebook/{slug(file)}.html#L{line}")
        return title

    @cached_property
    def rule_pages(self) -> set[str]:
        """Rules that have a page: those that some row failed in the last 90 days, or that an issue or verdict names."""
        named = {
            row["rule_id"]
            for query in (queries.RULES_DAILY, queries.BATCH_RULES)
            for row in self.rows(query)
            if row["rows_failed"]
        }
        named |= {row["rule_id"] for query in (queries.ISSUE_GROUPS, queries.ISSUES) for row in self.rows(query)}
        named |= {rule_id for row in self.rows(queries.VERDICTS) for rule_id in row["rule_ids"]}
        return {rule_id for rule_id in named if rule_id}


def read_night(settings: Settings, as_of: date, besides: Sequence[str] = ()) -> Night:
    """Run every query of the site in one read-only snapshot. besides: deliveries that get a page whatever their age.

    Raises DatabaseUnavailable.
    """
    parameters: dict[str, Any] = {
        "as_of": as_of,
        "since": as_of - timedelta(days=figures.TREND_DAYS - 1),
        "month": as_of.replace(day=1),
        "half_year": _months_back(as_of, 5),
        "batches": [],
    }
    answers: dict[str, Answer] = {}
    conn = connect(settings, name="report")
    try:
        conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
        for query in queries.ALL.values():
            if not query.needs_batches:
                answers[query.name] = queries.ask(conn, query, parameters)
        pages = list(dict.fromkeys([*batches_with_pages(answers), *besides]))
        parameters["batches"] = pages
        for query in queries.ALL.values():
            if query.needs_batches:
                answers[query.name] = queries.ask(conn, query, parameters)
        conn.rollback()
    finally:
        conn.close()
    for name, answer in answers.items():
        if answer.missing:
            log.warning("report: %s: %s", name, answer.missing)
    registry = load(settings.project, lenient=True)
    book = rule_book(settings, registry)
    for row in answers["doubts"].rows:
        book.setdefault(row["rule_id"], notice(row["rule_id"], Both(row["name_zh"], row["name_en"])))
    return Night(settings, as_of, answers, parameters, kind_names(registry), book, set(pages))


def _months_back(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def batches_with_pages(answers: Mapping[str, Answer]) -> list[str]:
    """Batches that get a page: those held, this night's, then the newest of the last 30 days, up to a limit."""
    held = [row["batch_id"] for row in answers["held"].rows]
    tonight = sorted(
        answers["batches"].rows,
        key=lambda row: (row["rows_rejected"] + row["rows_held"] == 0, row["delivered_at"]),
    )
    newest = sorted(answers["history"].rows, key=lambda row: (row["as_of"], row["delivered_at"]), reverse=True)
    order = dict.fromkeys([*held, *(row["batch_id"] for row in tonight), *(row["batch_id"] for row in newest)])
    return list(order)[:BATCH_PAGES]


def _grouped(rows: list[Row], key: str) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[key]].append(row)
    return dict(grouped)


def slug(text: str) -> str:
    """A name that is safe as a file name and in a link."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)


def badge(value: str | None) -> Badge:
    """A state or verdict in words, with its tone."""
    return Badge(state(value), TONES.get(value or "", "quiet"))
