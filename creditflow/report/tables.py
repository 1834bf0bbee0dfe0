"""The tables of the site, each from the rows of one reading: one builder gives the page and its CSV.

Promises: the order of rows is meaningful before anybody sorts; every table explains itself when it is empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from creditflow.report import cells, figures, queries
from creditflow.report.cells import Code, Column, Link, Rate, Spark, Table
from creditflow.report.queries import Row
from creditflow.report.reading import Night, badge, slug
from creditflow.report.rules import NOTICE
from creditflow.report.words import CADENCES, CHANNELS, DELIVERIES, FORMATS, TIERS, Both, label, state, word

LAG = Both("距最近一次报送的天数，只看近 30 天。", "Days since the last delivery, within the last 30 days.")
COUNTS = figures.COUNTS


def heat_map(night: Night) -> Table:
    """Departments by four measures; a cell without a figure tonight shows the latest one of 30 days with its day."""
    arrivals = {row["department"]: row["state"] for row in night.rows(queries.ARRIVALS)}
    rows: list[dict[str, Any]] = []
    for code, department in night.departments.items():
        if department["external"]:
            continue
        own = night.daily.get(code, [])
        today = own[-1] if own and own[-1]["as_of"] == night.as_of else {}
        line: dict[str, Any] = {
            "importance": department["importance"],
            "department": night.department(code),
            "state": badge(arrivals.get(code)),
            **{
                key: today[key] if today.get("rows_read") else None
                for key in ("rows_read", "rows_rejected", "rows_held")
            },
            "issues_open": night.open_issues.get(code, {}).get("open", 0),
            "trend30": Spark(figures.line(own, "validity", night.as_of, 30), low=0.85, high=1.0),
            "_href": f"department/{slug(code)}.html",
        }
        for key in figures.MEASURES:
            value, day = figures.latest(own, key, night.as_of)
            line[key] = Rate(value)
            if day is not None:
                line[f"_note_{key}"] = day.strftime("%m-%d")
        rows.append(line)
    measures = tuple(Column(key, word(key), True, hint=figures.DEFINITIONS[key]) for key in figures.MEASURES)
    return Table(
        "heat-map",
        Both("各部门数据质量", "Data quality by department"),
        (
            Column("importance", word("importance"), True),
            Column("department", word("department"), wide=True),
            Column("state", word("state")),
            Column("rows_read", word("rows_read"), True),
            Column("rows_rejected", word("rows_rejected"), True),
            Column("rows_held", word("rows_held"), True),
            *measures,
            Column("issues_open", word("open_issues"), True),
            Column("trend30", Both("合规率 30 天", "Validity, 30 days"), screen_only=True),
        ),
        rows,
        Both("登记册里还没有部门。", "The registry holds no department yet."),
        "measures",
    )


def departments(night: Night) -> Table:
    """Every department's line of the night, external sources last."""
    today = {code: rows[-1] for code, rows in night.daily.items() if rows[-1]["as_of"] == night.as_of}
    arrivals = {row["department"]: row for row in night.rows(queries.ARRIVALS)}
    counts = (
        "batches",
        "rows_read",
        "rows_accepted",
        "rows_rejected",
        "rows_held",
        "rows_out_of_scope",
        "rows_duplicate",
    )
    rows: list[dict[str, Any]] = []
    for code, department in night.departments.items():
        arrival = arrivals.get(code, {})
        own = today.get(code, {})
        numbers = {key: own[key] if own.get("batches") else None for key in counts}
        rows.append(
            {
                "importance": department["importance"],
                "department": night.department(code),
                "tier": label(TIERS, department["tier"]),
                "channel": label(CHANNELS, department["channel"]),
                "cadence": label(CADENCES, department["cadence"]),
                "state": badge(arrival.get("state")),
                **numbers,
                "_class": "external" if department["external"] else "",
                "_href": f"department/{slug(code)}.html",
            }
        )
    total = {"department": word("total")} | {key: sum(int(row[key] or 0) for row in rows) for key in counts}
    return Table(
        "departments",
        word("departments"),
        cells.columns("importance", Column("department", word("department"), wide=True), "tier", "channel", "cadence", "state",
                      Column("batches", word("batches"), True), *counts[1:], numeric=("importance", *counts)),
        rows,
        Both("登记册里还没有部门。", "The registry holds no department yet."),
        "heat_map",
        total,
    )  # fmt: skip


def night_times(night: Night) -> Table:
    """The time chart as a table."""
    rows = [
        {
            "department": night.department(row["department"]),
            "state": badge(row["state"]),
            **{key: row[key] for key in ("received_at", "landed_at", "gated_at", "published_at")},
        }
        for row in night.rows(queries.NIGHT)
    ]
    return Table(
        "night-times", Both("当晚时间", "The night in time"),
        cells.columns(Column("department", word("department"), wide=True), "state", "received_at", "landed_at", "gated_at", "published_at"),
        rows, Both("当晚没有批次到达。", "No batch arrived this night."), "night",
    )  # fmt: skip


def indicators(night: Night) -> Table:
    """The five state-style indicators today."""
    rows = night.rows(queries.INDICATORS)
    today = rows[-1] if rows and rows[-1]["as_of"] == night.as_of else None
    lines = [] if today is None else [
        {
            "indicator": word(key),
            "value": Rate(figures.number(today[key]), banded=False),
            "note": Both("本期没有分母，不计算。", "No denominator in this period.") if today[key] is None else None,
            "trend30": Spark(tuple(figures.number(row[key]) for row in rows[-30:])),
        }
        for key in figures.INDICATORS
    ]  # fmt: skip
    return Table(
        "indicators", Both("五项指标", "The five indicators"),
        (Column("indicator", Both("指标", "Indicator")), Column("value", Both("近 30 天", "Last 30 days"), True),
         Column("trend30", word("trend30"), screen_only=True), Column("note", Both("说明", "Note"), wide=True)),
        lines, Both("还没有可算的指标。", "No indicator can be computed yet."), "indicators", filterable=False,
    )  # fmt: skip


def rule_totals(night: Night) -> list[tuple[str, str, int]]:
    """(rule, severity, rows failed) of the night, most failures first."""
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for row in night.rows(queries.RULES_TONIGHT):
        totals[(row["rule_id"], row["severity"])] += int(row["rows_failed"])
    return sorted(
        ((rule, severity, failed) for (rule, severity), failed in totals.items()), key=lambda item: (-item[2], item[0])
    )


def rules(night: Night, limit: int | None = None) -> Table:
    """Rules that rows failed this night, by rows. With a limit: the costliest, lawful drops and duplicates left out."""
    evaluated: dict[str, int] = defaultdict(int)
    hit: dict[str, set[str]] = defaultdict(set)
    for row in night.rows(queries.RULES_TONIGHT):
        evaluated[row["rule_id"]] += int(row["rows_evaluated"])
        if row["rows_failed"]:
            hit[row["rule_id"]].add(row["department"])
    rows = [
        {
            "title": night.rule(rule_id),
            "rule": Code(rule_id),
            "severity": badge(severity),
            "rows_failed": failed,
            "rows_evaluated": evaluated[rule_id],
            "departments": len(hit[rule_id]),
            "_href": f"rule/{slug(rule_id)}.html" if rule_id in night.rule_pages else "",
        }
        for rule_id, severity, failed in rule_totals(night)
        if failed and (limit is None or severity in ("hold", "reject", "flag"))
    ][:limit]
    return Table(
        "rules-top" if limit else "rules",
        Both("各规则未通过行数", "Rows failed by rule"),
        (
            Column("title", word("rule"), wide=True),
            Column("rule", Both("编号", "Id")),
            Column("severity", word("severity")),
            Column("rows_failed", word("rows_failed"), True),
            Column("rows_evaluated", word("rows_evaluated"), True),
            Column("departments", Both("涉及部门", "Departments"), True),
        ),
        rows,
        Both("当晚没有行未通过规则。", "No row failed a rule this night."),
        "rules_tonight",
    )


def rule_kinds(night: Night) -> Table:
    """The rule book in force by record kind: rules, those checked this night, those some row failed, its file."""
    checked = {row["rule_id"] for row in night.rows(queries.RULES_TONIGHT)}
    failed = {rule_id for rule_id, _, rows in rule_totals(night) if rows}
    grouped: dict[str, list[str]] = defaultdict(list)
    for rule_id, rule in night.book.items():
        if rule.kind != NOTICE:
            grouped[rule.kind].append(rule_id)
    rows = [
        {
            "kind": night.kinds.title(kind) if kind != "batch" else Both("整个批次", "the batch as a whole"),
            "rules": len(rule_ids),
            "checked": sum(rule_id in checked for rule_id in rule_ids),
            "failed": sum(rule_id in failed for rule_id in rule_ids),
            "file": Link(
                Code(f"expectations/{night.book[rule_ids[0]].place[0]}"),
                f"rulebook/{slug(night.book[rule_ids[0]].place[0])}.html",
            ),
        }
        for kind, rule_ids in sorted(grouped.items())
    ]
    return Table(
        "rule-book",
        Both("规则书", "Rule book"),
        (
            Column("kind", word("kind")),
            Column("rules", Both("规则数", "Rules"), True),
            Column("checked", Both("当晚检查", "Checked this night"), True),
            Column("failed", Both("有行未通过", "Some row failed"), True),
            Column("file", word("file"), wide=True),
        ),
        rows,
        Both("规则书没有载入。", "No rule book is loaded."),
        "rules_tonight",
        filterable=False,
    )


def batches(night: Night) -> Table:
    """Deliveries of the night and where their rows went."""
    rows = [
        {
            "batch": night.batch(row["batch_id"]),
            "department": night.department(row["department"]),
            "feed": night.kinds.title(row["kind"]),
            "state": badge(row["state"]),
            **{key: row[key] for key in COUNTS},
            "seconds": round(float(row["seconds"]), 1),
        }
        for row in night.rows(queries.BATCHES)
    ]
    total = {"batch": word("total")} | {key: sum(row[key] for row in rows) for key in COUNTS}
    return Table(
        "batches", word("batches"),
        cells.columns(Column("batch", word("batch"), wide=True), Column("department", word("department"), wide=True), "feed", "state",
                      *COUNTS, "seconds", numeric=(*COUNTS, "seconds")),
        rows, Both("当晚没有批次到达。", "No batch arrived this night."), "batches", total, limit=1500,
    )  # fmt: skip


def issue_groups(night: Night) -> Table:
    """Open issues of all departments by department and rule, overdue first."""
    rows = [
        {
            "department": night.department(row["department"]),
            "kind": night.kinds.title(row["record_kind"]) if row["record_kind"] else None,
            "rule": night.rule(row["rule_id"]) if row["rule_id"] else None,
            "severity": badge(row["severity"]),
            "open": row["open"],
            "new": row["new"],
            "overdue": row["overdue"],
            "oldest": row["oldest"],
            "next_due": row["next_due"] or (word("unknown") if row["severity"] != "warehouse" else None),
            "_href": f"department/{slug(row['department'])}.html" if row["department"] in night.departments else "",
        }
        for row in night.rows(queries.ISSUE_GROUPS)
    ]
    numbers = ("open", "new", "overdue")
    total = {"department": word("total")} | {key: sum(row[key] for row in rows) for key in numbers}
    return Table(
        "issues",
        word("open_issues"),
        (
            Column("department", word("department"), wide=True),
            Column("kind", word("kind")),
            Column("rule", word("rule"), wide=True),
            Column("severity", word("severity")),
            Column("open", word("open_issues"), True),
            Column("new", word("new_issues"), True),
            Column("overdue", word("overdue_issues"), True),
            Column("oldest", Both("最早发现", "Oldest")),
            Column("next_due", Both("最早应改", "First due")),
        ),
        rows,
        Both("没有未解决的问题。", "There is no open issue."),
        "issue_groups",
        total,
        limit=800,
    )


AGES = (
    Both("3 天以内", "up to 3 days"),
    Both("4 至 7 天", "4 to 7 days"),
    Both("8 至 30 天", "8 to 30 days"),
    Both("30 天以上", "more than 30 days"),
)


def issue_ages(night: Night, code: str) -> Table:
    """Open issues of one department by age in days, the oldest first."""
    rows = [
        {
            "age": AGES[row["age"]],
            "open": row["open"],
            "overdue": row["overdue"],
            "next_due": row["next_due"],
        }
        for row in reversed(night.of_department(queries.ISSUE_AGES, code))
    ]
    return Table(
        f"department-{slug(code)}-ages",
        Both("未解决问题，按已历天数", "Open issues by age"),
        (
            Column("age", word("age_days")),
            Column("open", word("open_issues"), True),
            Column("overdue", word("overdue_issues"), True),
            Column("next_due", Both("下一个应改日期", "Next due")),
        ),
        rows,
        Both("没有未解决的问题。", "There is no open issue."),
        "issue_ages",
        filterable=False,
    )


def issues(night: Night, code: str) -> Table:
    """Open issues of one department, first due first."""
    found = night.of_department(queries.ISSUES, code)
    rows = []
    for row in found:
        late = row["due_on"] is not None and row["due_on"] < night.as_of
        kind = row["record_kind"] or ""
        rows.append(
            {
                "feed": night.kinds.title(kind) if kind else None,
                "rule": night.rule(row["rule_id"]) if row["rule_id"] else None,
                "field": night.kinds.column(kind, row["field"]) if row["field"] else None,
                "batch": night.batch(row["batch_id"]) if row["batch_id"] else None,
                "row_no": row["row_no"],
                "opened_on": row["opened_on"],
                "age_days": (night.as_of - row["opened_on"]).days,
                "due_on": row["due_on"] or (word("unknown") if row["severity"] != "warehouse" else None),
                "state": badge("overdue" if late else row["state"]),
            }
        )
    total = found[0]["of_department"] if found else 0
    return Table(
        f"department-{slug(code)}-issues",
        word("open_issues"),
        cells.columns(
            "feed", Column("rule", word("rule"), wide=True), "field", Column("batch", word("batch"), wide=True),
            "row_no", "opened_on", "age_days", "due_on", "state", numeric=("row_no", "age_days"),
        ),
        rows,
        Both("没有未解决的问题。", "There is no open issue."),
        "issues",
        note=Both(f"列出应改日期最早的 {len(rows)} 个，共 {total:,} 个。", f"The {len(rows)} first due of {total:,}.")
        if total > len(rows)
        else None,
    )  # fmt: skip


MONTH_COLUMNS = (
    Column("score", word("score"), True, hint=figures.DEFINITIONS["score"]),
    Column("band", word("band")),
    *(Column(key, word(key), True, hint=figures.DEFINITIONS[key]) for key in figures.INDICATORS),
    Column("decisions", Both("许可处罚数", "Decisions"), True),
    Column("days_late", Both("迟报天数", "Days late"), True),
    Column("batches_held", word("batches_held"), True),
    Column("version", Both("版次", "Version"), True),
)
NO_MONTH = Both(
    "还没有可评的月份：月度指标在夜间运行后计算。",
    "There is no month to rate yet: monthly figures come with the night.",
)


def _month(night: Night, row: Row) -> dict[str, Any]:
    """Score, band and rates of one department's month with the deliveries of that month."""
    days = {item["month"]: item for item in night.of_department(queries.MONTH_DAYS, row["department"])}
    score = figures.number(row["score"])
    return {
        "score": figures.points(score),
        "band": cells.band_badge(score),
        **{key: Rate(figures.number(row[key]), banded=key in figures.UPWARD) for key in figures.INDICATORS},
        "decisions": row["decisions_received"],
        "days_late": days.get(row["month"], {}).get("days_late"),
        "batches_held": days.get(row["month"], {}).get("batches_held"),
        "version": row["version"] or Both("当月", "running"),
    }


def ranking(night: Night) -> Table:
    """Departments of the current month by score and band."""
    month = night.as_of.replace(day=1)
    ranked = figures.ranking([row for row in night.rows(queries.MONTHS) if row["month"] == month])
    rows = [
        {
            "rank": row["rank"],
            "department": night.department(row["department"]),
            **_month(night, row),
            "_href": f"department/{slug(row['department'])}.html",
        }
        for row in ranked
    ]
    return Table(
        "ranking",
        Both(f"{month:%Y-%m} 月度排名", f"Ranking of {month:%Y-%m}"),
        (Column("rank", word("rank"), True), Column("department", word("department"), wide=True), *MONTH_COLUMNS),
        rows,
        NO_MONTH,
        "months",
    )


def months(night: Night, code: str) -> Table:
    """A department's band month by month, newest first."""
    rows = [
        {"month": f"{row['month']:%Y-%m}", **_month(night, row)}
        for row in reversed(night.of_department(queries.MONTHS, code))
    ]
    return Table(
        f"department-{slug(code)}-months",
        Both("各月等次", "Band by month"),
        (Column("month", word("month")), *MONTH_COLUMNS),
        rows,
        NO_MONTH,
        "months",
        filterable=False,
    )


def returns(night: Night, code: str) -> Table:
    """Return workbooks of the last 30 days, linked where they lie."""
    rows = [
        {
            "batch": night.batch(row["batch_id"]),
            "feed": night.kinds.title(row["feed"]),
            "date": row["as_of"],
            "rows_returned": row["rows_returned"],
            "faults": row["faults"],
            "workbook": night.return_file(row["workbook"]),
            "twin": night.return_file(row["twin"]),
        }
        for row in night.of_department(queries.RETURN_FILES, code)
    ]
    return Table(
        f"department-{slug(code)}-returns",
        Both("退回清单", "Return workbooks"),
        (
            Column("batch", word("batch"), wide=True),
            Column("feed", word("feed")),
            Column("date", word("date")),
            Column("rows_returned", Both("退回行数", "Rows returned"), True),
            Column("faults", Both("差错数", "Faults"), True),
            Column("workbook", Both("工作簿", "Workbook"), wide=True),
            Column("twin", Both("系统对接文件", "File for systems"), wide=True),
        ),
        rows,
        Both("近 30 天没有需要部门更正的退回清单。", "No return workbook for this department in the last 30 days."),
        "return_files",
        filterable=False,
    )


def rule_departments(night: Night, rule_id: str, results: Sequence[Row]) -> Table:
    """Departments whose rows failed a rule this night, most first."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in results:
        totals[row["department"]][0] += int(row["rows_evaluated"])
        totals[row["department"]][1] += int(row["rows_failed"])
    return Table(
        f"rule-{slug(rule_id)}", Both("各部门未通过行数", "Departments by rows failed"),
        (Column("department", word("department"), wide=True), Column("rows_failed", word("rows_failed"), True),
         Column("rows_evaluated", word("rows_evaluated"), True), Column("share", Both("占比", "Share"), True)),
        [{"department": night.department(code), "rows_failed": failed, "rows_evaluated": evaluated,
          "share": Rate(figures.ratio(failed, evaluated), banded=False)}
         for code, (evaluated, failed) in sorted(totals.items(), key=lambda item: (-item[1][1], item[0])) if failed],
        Both("当晚没有部门的行未通过这条规则。", "No department's row failed this rule this night."), "rules_tonight",
    )  # fmt: skip


def batch_rules(night: Night, name: str, rows: Sequence[Row]) -> Table:
    """A delivery's verdicts by rule."""
    return Table(
        f"{name}-rules", Both("规则结果", "Verdicts by rule"),
        (Column("title", word("rule"), wide=True), Column("rule", Both("编号", "Id")), Column("severity", word("severity")),
         Column("rows_failed", word("rows_failed"), True), Column("rows_evaluated", word("rows_evaluated"), True)),
        [{"title": night.rule(row["rule_id"]), "rule": Code(row["rule_id"]), "severity": badge(row["severity"]),
          "rows_failed": row["rows_failed"], "rows_evaluated": row["rows_evaluated"]} for row in rows],
        Both("该批次没有规则结果：它还没有检查，或整批被暂扣、判为重复。",
             "No verdicts: the batch was not gated yet, or was held or a duplicate as a whole."), "batch_rules",
    )  # fmt: skip


def batch_events(name: str, rows: Sequence[Row]) -> Table:
    """What people decided about a delivery."""
    return Table(
        f"{name}-events", Both("人工决定", "Decisions by people"),
        (Column("decided_at", Both("时间", "Time")), Column("event", Both("决定", "Decision")),
         Column("decided_by", Both("决定人", "By")), Column("reason", word("reason"), wide=True)),
        [{"decided_at": row["decided_at"], "event": state(row["event_type"]), "decided_by": row["decided_by"],
          "reason": row["reason"]} for row in rows],
        Both("没有人对该批次作过决定。", "Nobody decided anything about this batch."), "events", filterable=False,
    )  # fmt: skip


def feeds(night: Night, code: str) -> Table:
    """A department's feeds with what the night brought."""
    tonight: dict[str, list[Row]] = defaultdict(list)
    last: dict[str, date] = {}
    for row in night.of_department(queries.HISTORY, code):
        last[row["feed"]] = max(last.get(row["feed"], row["as_of"]), row["as_of"])
    for row in night.of_department(queries.BATCHES, code):
        tonight[row["feed"]].append(row)
    rows = []
    for feed in night.of_department(queries.FEEDS, code):
        batches = tonight[feed["feed"]]
        rows.append(
            {
                "feed": night.kinds.title(feed["kind"]),
                "delivery": label(DELIVERIES, feed["delivery"]),
                "format": label(FORMATS, feed["format"]),
                "cadence": label(CADENCES, feed["cadence"]),
                **{key: sum(row[key] for row in batches) if batches else None for key in COUNTS},
                "lag_days": (night.as_of - last[feed["feed"]]).days if feed["feed"] in last else None,
                "batch": [night.batch(row["batch_id"]) for row in batches[-3:]] or None,
            }
        )
    return Table(
        f"department-{slug(code)}-feeds", Both("当晚各数据项", "Feeds of the night"),
        cells.columns("feed", Column("delivery", Both("报送方式", "Delivery")), "format", "cadence", *COUNTS,
                      Column("lag_days", word("lag_days"), True, hint=LAG),
                      Column("batch", word("batch"), wide=True), numeric=COUNTS),
        rows, Both("该部门没有登记数据项。", "This department has no registered feed."), "batches", filterable=False,
    )  # fmt: skip


def history(night: Night, code: str) -> Table:
    """A department's deliveries of the last 30 days."""
    rows = [
        {
            "batch": night.batch(row["batch_id"]),
            "feed": night.kinds.title(row["kind"]),
            "file": row["file"],
            "delivered_at": row["delivered_at"],
            "state": badge(row["state"]),
            **{key: row[key] for key in ("rows_read", "rows_accepted", "rows_rejected", "rows_held")},
            "reason": figures.reason(row["reasons"]) if row["reasons"] else None,
        }
        for row in night.of_department(queries.HISTORY, code)
    ]
    return Table(
        f"department-{slug(code)}-history", Both("近 30 天报送记录", "Deliveries of the last 30 days"),
        cells.columns(Column("batch", word("batch"), wide=True), "feed", Column("file", word("file"), wide=True), "delivered_at", "state",
                      "rows_read", "rows_accepted", "rows_rejected", "rows_held", Column("reason", word("reason"), wide=True),
                      numeric=("rows_read", "rows_accepted", "rows_rejected", "rows_held")),
        rows, Both("近 30 天没有报送。", "No delivery in the last 30 days."), "history", limit=100,
    )  # fmt: skip
