"""评分月报: the monthly fairness checks of the scores, and a scorecard on trial beside the one in force, with the moved grades.

Promises
- Every figure is a row of publish.score_fairness, publish.score_comparison or publish.score_comparison_month of the
  published build; nothing is computed here but sums and shares of those rows.
- A scorecard on trial is called so wherever it is named: it is not in force before a new version is signed off.
- The page is for the credit office: enterprises are named, so it is written below home/score_reports, never on the site.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from creditflow.ops.database import transaction
from creditflow.report import queries
from creditflow.report.cells import Badge, Code, Column, Rate, Table
from creditflow.report.credit_report import ReportRefused, plain, print_style
from creditflow.report.pages import environment
from creditflow.report.queries import Query, Row, ask
from creditflow.report.words import Both, label, word
from creditflow.report.writing import copy_assets, write_text
from creditflow.settings import Settings

GRADES = ("A", "B", "C", "D", "NR")
DIMENSIONS = {
    "all": Both("全部", "all"),
    "district": Both("区县", "district"),
    "industry": Both("行业门类", "industry"),
    "age_years": Both("成立年数", "years since registration"),
    "department": Both("扣分来源部门", "department that produced the deductions"),
    "day": Both("日", "day"),
    "month": Both("上月", "month before"),
}
AGES = ("0", "1-2", "3-4", "5-9", "10+", "unknown")
GROUPED = ("all", "district", "industry", "age_years", "department")
MOVES = {
    "up": Badge(Both("升", "up"), "ok"),
    "down": Badge(Both("降", "down"), "warn"),
    "rating": Badge(Both("评与不评之间", "rated or not"), "note"),
}

FAIRNESS = Query(
    "fairness",
    Both("公平性月检", "monthly fairness checks"),
    """select f.month, f.model_version, f.check_code, f.check_name_zh, f.check_name_en, f.dimension, f.group_value, f.grade,
       f.numerator, f.denominator, f.value, f.alarm_above, f.is_alarm,
       coalesce(r.name_zh, d.name_zh) as group_zh, coalesce(r.name_en, d.name_en) as group_en
from publish.score_fairness f
left join ops.region r on f.dimension = 'district' and r.region_code = f.group_value
left join ops.department d on f.dimension = 'department' and d.department = f.group_value
where f.month = date_trunc('month', %(as_of)s)
order by f.model_version, f.check_code, f.dimension, f.group_value, f.grade""",
)

COMPARISON = Query(
    "comparison",
    Both("并行试算", "scorecards side by side"),
    """select trial_version, official_version, subject_name, uscc, official_score, official_grade, trial_score, trial_grade,
       points, moved, contested
from publish.score_comparison
order by trial_version, official_grade, trial_grade, points, uscc""",
)

MONTH = Query(
    "month",
    Both("本月并行试算的等级变动", "moved grades over the month"),
    """select month, trial_version, official_version, subject_name, uscc, official_score, official_grade, trial_score, trial_grade,
       moved, first_moved_on, last_moved_on, days_moved, days_compared, still_moved
from publish.score_comparison_month
order by trial_version, still_moved desc, days_moved desc, uscc""",
)

MODELS = Query(
    "models",
    Both("评分卡版本", "scorecards"),
    """select model_version, name_zh, name_en, is_official, valid_from, valid_to, mark
from ops.score_model
where %(as_of)s >= valid_from and (valid_to is null or %(as_of)s < valid_to)
order by is_official desc, model_version""",
)
QUERIES = (FAIRNESS, COMPARISON, MONTH, MODELS)


@dataclass(frozen=True)
class Reading:
    """What the report says, read once. build: its number and date."""

    build: Row
    fairness: list[Row]
    comparison: list[Row]
    month: list[Row]
    models: list[Row]

    @property
    def trials(self) -> list[str]:
        """Scorecards on trial that have scores."""
        return sorted({row["trial_version"] for row in self.comparison})


def score_report(settings: Settings, as_of: date) -> Path:
    """Write the report of that day's published build; returns the page, its JSON twin beside it. Raises ReportRefused."""
    with transaction(settings, "score report") as conn:
        conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
        builds = ask(conn, queries.BUILD, {"as_of": as_of}).rows
        if not builds:
            raise ReportRefused(
                Both(f"{as_of} 或更早没有已发布的构建，无法出具月报。", f"No build of {as_of} or earlier is published.")
            )
        with conn.cursor() as cursor:
            cursor.execute("select publish.look_at(%s)", (builds[0]["build_no"],))
        values = {"as_of": builds[0]["as_of"]}
        reading = Reading(builds[0], *(ask(conn, query, values).rows for query in QUERIES))
    folder = settings.home / "score_reports"
    copy_assets(folder / "assets")
    name = as_of.isoformat()
    write_text(
        folder / f"{name}.json", json.dumps(document(reading), ensure_ascii=False, indent=1, default=plain) + "\n"
    )
    write_text(folder / f"{name}.css", print_style(Both("评分月报", "Score report"), as_of, reading.build["build_no"]))
    page = folder / f"{name}.html"
    write_text(page, _page(reading, as_of, f"{name}.css"))
    return page


def document(reading: Reading) -> dict[str, Any]:
    """The report as one JSON object; of the enterprises on trial those whose grade moves, on the day and over the month."""
    return {
        "as_of": reading.build["as_of"],
        "build": reading.build["build_no"],
        "scorecards": reading.models,
        "fairness": reading.fairness,
        "side_by_side": {
            trial: {
                "status": "trial, not in force",
                "subjects": len(_of(reading, trial)),
                "grades": [
                    {"official": official, "trial": tried, "subjects": number}
                    for (official, tried), number in sorted(_matrix(_of(reading, trial)).items())
                ],
                "moved": [row for row in _of(reading, trial) if row["moved"] != "same"],
                "moved_over_the_month": [row for row in reading.month if row["trial_version"] == trial],
            }
            for trial in reading.trials
        },
    }


def _of(reading: Reading, trial: str) -> list[Row]:
    return [row for row in reading.comparison if row["trial_version"] == trial]


def _matrix(rows: Iterable[Row]) -> Counter[tuple[str, str]]:
    return Counter((row["official_grade"], row["trial_grade"]) for row in rows)


def _page(reading: Reading, as_of: date, style: str) -> str:
    values = {"as_of": reading.build["as_of"]}
    return (
        environment()
        .get_template("scores.html")
        .render(
            title=Both(f"评分月报 {as_of}", f"Score report {as_of}"),
            document=Both("评分月报", "Score report"),
            style=style,
            root="",
            tables_root=None,
            source_numbers={query.name: number for number, query in enumerate(QUERIES, start=1)},
            as_of=as_of,
            build=reading.build["build_no"],
            models=_models(reading),
            checks=_checks(reading),
            shares=[table for dimension in GROUPED if (table := _shares(reading, dimension)).rows],
            trials=[_trial(reading, trial) for trial in reading.trials],
            sources=[
                {"name": query.name, "title": query.title, "relations": query.relations, "sql": query.text(values)}
                for query in QUERIES
            ],
        )
    )


def _models(reading: Reading) -> Table:
    rows = [
        {
            "version": Code(row["model_version"]),
            "name": Both(row["name_zh"], row["name_en"]),
            "state": Badge(Both("现行", "in force"), "ok")
            if row["is_official"]
            else Badge(Both("试算，未生效", "on trial, not in force"), "warn"),
            "from": row["valid_from"],
            "to": row["valid_to"],
        }
        for row in reading.models
    ]
    columns = (
        Column("version", Both("版本", "Version")),
        Column("name", Both("名称", "Name"), wide=True),
        Column("state", Both("状态", "State")),
        Column("from", Both("起", "From")),
        Column("to", Both("止", "To")),
    )
    return Table(
        "models", Both("评分卡", "Scorecards"), columns, rows, Both("没有评分卡。", "No scorecard."), MODELS.name
    )


def _group(row: Row) -> Any:
    if row["group_zh"]:
        return Both(row["group_zh"], row["group_en"])
    return label({"all": DIMENSIONS["all"], "unknown": word("unknown")}, row["group_value"])


def _checks(reading: Reading) -> Table:
    """The checks with an alarm, alarms first."""
    rows = [
        {
            "check": Both(row["check_name_zh"], row["check_name_en"]),
            "model": Code(row["model_version"]),
            "group": Both(f"{DIMENSIONS[row['dimension']].zh} {row['group_value']}", row["group_value"])
            if row["dimension"] != "all"
            else DIMENSIONS["all"],
            "value": f"{row['value'].normalize():f}" if row["value"] is not None else None,
            "limit": f"{row['alarm_above'].normalize():f}",
            "mark": Badge(Both("超过警戒线", "alarm"), "bad") if row["is_alarm"] else Badge(Both("正常", "well"), "ok"),
        }
        for row in sorted(reading.fairness, key=lambda row: not row["is_alarm"])
        if row["alarm_above"] is not None
    ]
    columns = (
        Column("check", Both("检查项", "Check"), wide=True),
        Column("model", Both("评分卡", "Scorecard")),
        Column("group", Both("范围", "Of"), wide=True),
        Column("value", Both("值", "Value"), True),
        Column("limit", Both("警戒线", "Alarm above"), True),
        Column("mark", Both("结果", "Result")),
    )
    empty = Both("本月没有可检查的评分。", "No score to check this month.")
    return Table(
        "checks", Both("警戒项", "Checks with an alarm"), columns, rows, empty, FAIRNESS.name, filterable=False
    )


def _shares(reading: Reading, dimension: str) -> Table:
    """Share of each grade by group of one dimension, official scorecard."""
    official = {row["model_version"] for row in reading.models if row["is_official"]}
    groups: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in reading.fairness:
        if row["check_code"] == "grade_share" and row["dimension"] == dimension and row["model_version"] in official:
            groups[row["group_value"]][row["grade"]] = row
    rows = [
        {
            "group": _group(next(iter(grades.values()))),
            "subjects": int(next(iter(grades.values()))["denominator"]),
            **{
                grade: Rate(float(grades[grade]["value"]) if grade in grades else 0.0, banded=False) for grade in GRADES
            },
        }
        for _, grades in sorted(groups.items(), key=lambda item: _place(item[0]))
    ]
    columns = (
        Column("group", DIMENSIONS[dimension], wide=True),
        Column("subjects", Both("户数", "Subjects"), True),
        *map(_grade_column, GRADES),
    )
    title = Both(f"等级占比：{DIMENSIONS[dimension].zh}", f"Share of grades: {DIMENSIONS[dimension].en}")
    return Table(f"share-{dimension}", title, columns, rows, word("unknown"), FAIRNESS.name, filterable=False)


def _place(group: str) -> tuple[int, str]:
    """Ages in their order, other groups by code, what is unknown last."""
    return (AGES.index(group) if group in AGES else 0, group)


def _grade_column(grade: str) -> Column:
    return Column(grade, Both("不评", "not rated") if grade == "NR" else Both(grade, grade), True)


def _trial(reading: Reading, trial: str) -> dict[str, Any]:
    """One scorecard on trial: how many grades move from what to what, and whose."""
    rows = _of(reading, trial)
    matrix = _matrix(rows)
    official = sorted({row["official_version"] for row in rows})
    table = Table(
        f"matrix-{trial}",
        Both("等级变动", "Moves of grades"),
        (
            Column("official", Both("现行＼试算", "in force \\ on trial")),
            *map(_grade_column, GRADES),
        ),
        [
            {"official": _grade_column(grade).title, **{tried: matrix[grade, tried] for tried in GRADES}}
            for grade in GRADES
        ],
        word("unknown"),
        COMPARISON.name,
        filterable=False,
    )
    moved = Table(
        f"moved-{trial}",
        Both("等级变动的主体", "Subjects whose grade moves"),
        (
            Column("name", Both("名称", "Name"), wide=True),
            Column("uscc", Both("统一社会信用代码", "Unified social credit code")),
            Column("from", Both("现行", "In force")),
            Column("to", Both("试算（未生效）", "On trial (not in force)")),
            Column("points", Both("分差", "Points"), True),
            Column("mark", Both("变动", "Move")),
        ),
        [
            {
                "name": row["subject_name"],
                "uscc": Code(row["uscc"]) if row["uscc"] else None,
                "from": _graded(row["official_grade"], row["official_score"]),
                "to": _graded(row["trial_grade"], row["trial_score"]),
                "points": None if row["points"] is None else f"{row['points']:+d}",
                "mark": [MOVES[row["moved"]]]
                + ([Badge(Both("有异议", "contested"), "warn")] if row["contested"] else []),
            }
            for row in rows
            if row["moved"] != "same"
        ],
        Both("没有主体的等级因此变动。", "No grade moves."),
        COMPARISON.name,
    )
    counts = Counter(row["moved"] for row in rows)
    return {
        "title": Both(f"试算 {trial} 对照现行 {'、'.join(official)}", f"{trial} on trial beside {', '.join(official)}"),
        "lead": Both(
            f"共 {len(rows):,} 户：升 {counts['up']:,}，降 {counts['down']:,}，等级不变 {counts['same']:,}。",
            f"{len(rows):,} subjects: {counts['up']:,} up, {counts['down']:,} down, {counts['same']:,} as before.",
        ),
        "matrix": table,
        "moved": moved,
        "month": _month(reading, trial),
    }


def _month(reading: Reading, trial: str) -> Table:
    """Whose grade differed on any day of the month: since when, how often, and whether it still does."""
    rows = [
        {
            "name": row["subject_name"],
            "uscc": Code(row["uscc"]) if row["uscc"] else None,
            "from": _graded(row["official_grade"], row["official_score"]),
            "to": _graded(row["trial_grade"], row["trial_score"]),
            "first": row["first_moved_on"],
            "last": row["last_moved_on"],
            "days": f"{row['days_moved']} / {row['days_compared']}",
            "mark": [MOVES[row["moved"]]]
            + ([] if row["still_moved"] else [Badge(Both("已恢复一致", "no longer differs"), "ok")]),
        }
        for row in reading.month
        if row["trial_version"] == trial
    ]
    columns = (
        Column("name", Both("名称", "Name"), wide=True),
        Column("uscc", Both("统一社会信用代码", "Unified social credit code")),
        Column("from", Both("现行", "In force")),
        Column("to", Both("试算（未生效）", "On trial (not in force)")),
        Column("first", Both("首次不同", "First differed")),
        Column("last", Both("最近不同", "Last differed")),
        Column("days", Both("不同天数 / 对照天数", "Days moved / compared"), True),
        Column("mark", Both("变动", "Move")),
    )
    return Table(
        f"month-{trial}",
        Both("本月等级变动的主体", "Subjects whose grade moved during the month"),
        columns,
        rows,
        Both("本月没有主体的等级因此变动。", "No grade moved during the month."),
        MONTH.name,
    )


def _graded(grade: str, score: int | None) -> Both:
    if score is None:
        return Both("不评", "not rated")
    return Both(f"{grade}（{score} 分）", f"{grade} ({score})")
