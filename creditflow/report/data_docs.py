"""Great Expectations Data Docs of one delivery, made when somebody asks for them.

Promises
- The results are those the gate wrote down when it judged the delivery: nothing is judged again, nothing is changed.
- The page names rules and row numbers and never the content of a row; it needs no network and no script.
- It lies below settings.site/data_docs/, where the delivery's own page links to it from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psycopg2.extras import RealDictCursor

from creditflow.ops.database import transaction
from creditflow.quality.verdicts import TOO_MANY
from creditflow.registry import load
from creditflow.report import cells
from creditflow.report.kinds import KindNames, kind_names
from creditflow.report.reading import slug
from creditflow.report.rules import Rule, rule_book
from creditflow.report.words import Both, state
from creditflow.report.writing import copy_assets, write_text
from creditflow.settings import Settings

MOST_ROWS = 200
"""Row numbers shown for one rule."""


class NoSuchDelivery(Exception):
    """There is nothing to show of the delivery; the message says why and what to do."""

    @classmethod
    def unknown(cls, batch_id: str) -> NoSuchDelivery:
        """No delivery has this number."""
        return cls(f"没有批次 {batch_id}，批次编号见质量网站的批次页 / no batch {batch_id}: see the batches page")


def docs_path(settings: Settings, batch_id: str) -> Path:
    """Where the Data Docs of a delivery lie once they were asked for."""
    return settings.site / "data_docs" / slug(batch_id) / "index.html"


def data_docs(settings: Settings, batch_id: str) -> Path:
    """Write the Data Docs of one delivery; returns the page.

    Raises NoSuchDelivery for one that does not exist or was not judged by rules.
    """
    from creditflow.quality.expectations import Recorded, docs_page  # costs seconds and is needed by nobody else here

    with transaction(settings, "data docs") as conn, conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(
            "select batch_id, department, feed, kind, state, rows_read, gated_at from ops.batch where batch_id = %s",
            (batch_id,),
        )
        batch = cursor.fetchone()
        if batch is None:
            raise NoSuchDelivery.unknown(batch_id)
        cursor.execute(_RESULTS, {"batch": batch_id, "most": MOST_ROWS, "too_many": TOO_MANY})
        found = cursor.fetchall()
    if not found:
        raise NoSuchDelivery(
            f"批次 {batch_id} 没有规则结果（{state(batch['state']).zh}），先运行 creditflow gate"
            f" / batch {batch_id} has no verdicts ({state(batch['state']).en}): run creditflow gate first"
        )
    registry = load(settings.project, lenient=True)
    book, names = rule_book(settings, registry), kind_names(registry)
    results = [
        Recorded(
            rule_id=line["rule_id"],
            severity=line["severity"],
            field=_field(names, batch["kind"], book.get(line["rule_id"])),
            title=_words(book[line["rule_id"]].title) if line["rule_id"] in book else line["rule_id"],
            remedy=_words(book[line["rule_id"]].remedy) if line["rule_id"] in book else "",
            evaluated=line["rows_evaluated"],
            failed=line["rows_failed"],
            failing=tuple(line["failing"] or ()),
        )
        for line in found
    ]
    path = docs_path(settings, batch_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    copy_assets(settings.site / "assets")
    write_text(
        path, docs_page(batch_id, results, _facts(registry.all(), names, batch), f"../../batch/{slug(batch_id)}.html")
    )
    return path


def _facts(departments: Mapping[str, Any], names: KindNames, batch: Mapping[str, Any]) -> list[tuple[str, str]]:
    department = departments.get(batch["department"])
    return [
        ("部门 / department", f"{department.name_zh} / {department.name_en}" if department else batch["department"]),
        ("数据项 / feed", _words(names.title(batch["kind"]))),
        ("状态 / state", _words(state(batch["state"]))),
        ("读取行数 / rows read", f"{batch['rows_read']:,}"),
        ("检查时间 / judged at", cells.moment(batch["gated_at"]) if batch["gated_at"] else cells.DASH),
    ]


def _field(names: KindNames, kind: str, rule: Rule | None) -> str:
    if rule is None or not rule.fields:
        return "整个批次 / the batch as a whole" if rule and rule.kind == "batch" else "整行 / the row as a whole"
    return names.column(kind, rule.fields[0]).zh


def _words(text: Both | None) -> str:
    return f"{text.zh} / {text.en}" if text else ""


_RESULTS = """
select r.rule_id, r.severity, r.rows_evaluated, r.rows_failed, v.failing
from quality.rule_result r
left join lateral (
    select array_agg(row_no order by row_no) as failing
    from (select distinct row_no from quality.row_verdict
          where batch_id = r.batch_id and r.rule_id = any(rule_ids) order by row_no limit %(most)s) first
) v on r.rows_failed > 0
where r.batch_id = %(batch)s and r.severity in ('hold', 'reject', 'flag') and r.rule_id <> %(too_many)s
order by r.rule_id
"""
