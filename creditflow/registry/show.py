"""The registry on a screen: what `creditflow sources list|show|check` print, as a table or as one JSON object.

Promises
- Tables go to the console given; JSON is returned as text, so that the caller decides where it goes.
- No secret can appear: the registry holds none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from creditflow.registry.model import Department, Feed, Kind, Registry, SourceProblem

_LIST_HEADINGS = (
    "No.", "code", "名称 / name", "tier", "1-3", "channel", "format", "cadence", "by", "rows/yr", "feeds",
)  # fmt: skip
_FEED_HEADINGS = (
    "feed", "delivery", "format", "layout", "cadence", "rows/yr", "headings", "constants", "out of scope",
)  # fmt: skip


def list_table(registry: Registry) -> Table:
    """One line for each department and external feed."""
    count = f"{len(registry.departments)} + {len(registry.external)}"
    table = Table(title=f"部门 / departments: {count}", row_styles=["", "dim"])
    for heading in _LIST_HEADINGS:
        number = heading in ("No.", "1-3", "rows/yr")
        table.add_column(heading, justify="right" if number else "left", no_wrap=heading != "feeds")
    for body in sorted(registry.all().values(), key=lambda item: item.dept_no):
        feeds = body.feeds.values()
        table.add_row(
            str(body.dept_no),
            body.code,
            body.name_zh,
            body.tier,
            str(body.importance),
            body.channel,
            _formats(body),
            body.cadence,
            body.expect_by,
            f"{sum(feed.rows_per_year for feed in feeds):,}",
            " ".join(body.feeds),
        )
    return table


def print_department(console: Console, registry: Registry, code: str) -> None:
    """The card of one department and its feeds. KeyError if there is none."""
    body = registry.all()[code]
    card = Table(title=f"{body.name_zh} / {body.name_en}", show_header=False)
    for label, value in _card(body):
        card.add_row(label, value)
    console.print(card)
    table = Table(title="数据 / feeds")
    for heading in _FEED_HEADINGS:
        table.add_column(heading, justify="right" if heading in ("rows/yr", "headings") else "left")
    for feed in body.feeds.values():
        table.add_row(
            feed.name,
            feed.delivery,
            feed.format,
            feed.layout,
            feed.cadence,
            f"{feed.rows_per_year:,}",
            str(len(feed.headings) + len(feed.by_shape)),
            " ".join(f"{column}={value}" for column, value in feed.constants.items()),
            " ".join(item.id for item in feed.out_of_scope),
        )
    console.print(table)


def print_feed(console: Console, registry: Registry, code: str, feed_name: str) -> None:
    """The mapping of one feed: canonical column, type, need, and every heading that reaches it. KeyError if none."""
    feed = registry.feed(code, feed_name)
    kind = registry.kinds[feed.kind]
    table = Table(title=f"{code}/{feed.name} -> {kind.title_zh} / {kind.title_en}")
    for heading in ("column", "中文", "type", "need", "headings"):
        table.add_column(heading)
    for column in kind.columns:
        cut = feed.allow_columns is not None and column.name not in feed.allow_columns
        known = "(not allowed)" if cut else ", ".join(_headings_of(feed, column.name))
        table.add_row(column.name, column.zh, column.type, column.need, known)
    console.print(table)


def problems_table(problems: Sequence[SourceProblem]) -> Table:
    """Every problem with its file and line."""
    table = Table(title=f"登记文件问题 / problems in sources: {len(problems)}")
    table.add_column("file:line", no_wrap=True)
    table.add_column("problem")
    for problem in problems:
        table.add_row(f"{problem.file}:{problem.line}", problem.message)
    return table


def list_json(registry: Registry) -> str:
    """`sources list --json`: departments and feeds, short."""
    departments = [_short(body) for body in registry.all().values()]
    return _text({"departments": departments, "problems": _problems(registry.problems)})


def department_json(registry: Registry, code: str) -> str:
    """`sources show --json`: everything about one department. KeyError if there is none."""
    body = registry.all()[code]
    return _text(
        {
            **_short(body),
            "name_en": body.name_en,
            "legal_ground": body.legal_ground,
            "contact": body.contact,
            "authority_uscc": body.authority_uscc,
            "former_names": [{"name_zh": name, "until": until} for name, until in body.former_names],
            "file": body.source_file.name,
            "feeds": [_feed(feed, registry.kinds[feed.kind]) for feed in body.feeds.values()],
        }
    )


def check_json(problems: Sequence[SourceProblem]) -> str:
    """`sources check --json`: whether sources/ is in order, and what is not."""
    return _text({"ok": not problems, "problems": _problems(problems)})


def _formats(body: Department) -> str:
    return "/".join(dict.fromkeys(feed.format for feed in body.feeds.values()))


def _card(body: Department) -> list[tuple[str, str]]:
    return [
        ("code", f"{body.code} ({body.dept_no}, {body.tier}, {body.importance})"),
        ("机关代码 / authority", body.authority_uscc),
        ("依据 / legal ground", body.legal_ground),
        ("渠道 / channel", f"{body.channel} {body.connection}, {body.cadence}, by {body.expect_by}"),
        ("领域 / fields", " ".join(body.application_fields) or "-"),
        ("联系 / contact", f"{body.contact['office']} {body.contact['phone']} {body.contact['email']}"),
        ("曾用名 / former names", "; ".join(f"{name} (until {until})" for name, until in body.former_names) or "-"),
        ("file", f"sources/{body.source_file.name}"),
    ]


def _headings_of(feed: Feed, column: str) -> list[str]:
    plain = [heading for heading, target in feed.headings.items() if target == column]
    shaped = [f"{key} (by shape)" for key in feed.by_shape if column in feed.columns_reached(f"shape:{key}")]
    derived = [f"<{' '.join([item.how, *item.source])}>" for item in feed.derive if item.column == column]
    return plain + shaped + derived


def _short(body: Department) -> dict[str, Any]:
    return {
        "code": body.code,
        "dept_no": body.dept_no,
        "name_zh": body.name_zh,
        "tier": body.tier,
        "external": body.external,
        "importance": body.importance,
        "channel": body.channel,
        "connection": body.connection,
        "cadence": body.cadence,
        "expect_by": body.expect_by,
        "rows_per_year": sum(feed.rows_per_year for feed in body.feeds.values()),
        "feeds": list(body.feeds),
    }


def _feed(feed: Feed, kind: Kind) -> dict[str, Any]:
    return {
        "name": feed.name,
        "kind": kind.name,
        "delivery": feed.delivery,
        "formats": list(feed.formats),
        "encoding": feed.encoding,
        "layout": feed.layout,
        "cadence": feed.cadence,
        "rows_per_year": feed.rows_per_year,
        "location": feed.location,
        "required_headings": list(feed.required_headings),
        "columns": {column.name: _headings_of(feed, column.name) for column in kind.columns},
        "constants": feed.constants,
        "lookups": feed.lookups,
        "allow_columns": None if feed.allow_columns is None else list(feed.allow_columns),
        "out_of_scope": [item.id for item in feed.out_of_scope],
    }


def _problems(problems: Sequence[SourceProblem]) -> list[dict[str, Any]]:
    return [{"file": problem.file, "line": problem.line, "message": problem.message} for problem in problems]


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)
