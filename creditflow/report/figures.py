"""From rows to figures: tiles, attention lines, heat map, trends and rankings, without any HTML.

Promises
- Pure functions of the rows they are given and of the business date; the same rows give the same figures.
- A ratio with a zero denominator is missing, never 0 % and never 100 %.
- Attention lines come ordered by the department's tier and by harm; every one says what to do.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

from creditflow.report.cells import Spark, band, count, share
from creditflow.report.queries import Row
from creditflow.report.words import CITY, Both, state

COUNTS = ("rows_read", "rows_accepted", "rows_rejected", "rows_held", "rows_out_of_scope", "rows_duplicate")
MEASURES = ("completeness", "validity", "timeliness", "correction")
INDICATORS = ("reporting_rate", "compliance_rate", "timeliness_rate", "code_error_rate", "correction_rate")
UPWARD = tuple(key for key in INDICATORS if key != "code_error_rate")
"""Indicators of which more is better."""
CUT_OFF = time(5, 0)
TREND_DAYS = 90
STALE_DAYS = 30
ATTENTION_LINES = 10
CALENDAR_RULE = "CALENDAR-YEAR"
"""Incident that the calendar line says already."""
JUMP_FACTOR, JUMP_SHARE, JUMP_ROWS = 3.0, 0.05, 10

DEFINITIONS: dict[str, Both] = {
    "completeness": Both(
        "必填字段齐全的行数 ÷ 应检查的行数（读取减去范围外和重复）。",
        "Rows with every mandatory field ÷ rows judged (read less out of scope and duplicates).",
    ),
    "validity": Both(
        "通过全部差错级规则的行数 ÷ 应检查的行数（读取减去范围外和重复）。",
        "Rows passing every error-level rule ÷ rows judged (read less out of scope and duplicates).",
    ),
    "timeliness": Both(
        "作出决定后 7 个工作日内收到的许可、处罚决定数 ÷ 可计时的决定数；自决定次日起算，调休上班日算工作日。",
        "Permits and penalties received within 7 working days after the decision ÷ those with a clock; counted from "
        "the day after the decision, make-up days are working days.",
    ),
    "correction": Both(
        "近 30 天到期的问题中，按期纠正的 ÷ 到期的。",
        "Of the issues due in the last 30 days: corrected in time ÷ due.",
    ),
    "reporting_rate": Both(
        "部门自报产生数的，为收到的决定数 ÷ 产生数；未自报的，为已报送或已零报送的数据项 ÷ 上月应报送的许可、处罚数据项。",
        "Where the department returns its own count: decisions received ÷ produced; otherwise feeds reported or "
        "declared zero ÷ permit and penalty feeds due for the month before.",
    ),
    "compliance_rate": Both(
        "通过全部差错级规则的决定数 ÷ 收到的决定数。",
        "Decisions passing every error-level rule ÷ decisions received.",
    ),
    "timeliness_rate": Both(
        "7 个工作日内收到的决定数 ÷ 可计时的决定数。",
        "Decisions received within 7 working days ÷ decisions with a clock.",
    ),
    "code_error_rate": Both(
        "重复或错误的主体代码数 ÷ 检查的主体代码数；越低越好。",
        "Duplicate or wrong codes of subjects ÷ codes checked; lower is better.",
    ),
    "correction_rate": Both(
        "按期纠正的问题数 ÷ 到期的问题数。",
        "Issues corrected in time ÷ issues due.",
    ),
    "score": Both(
        "上报率、合规率、及时率、1 − 重错码率、纠正率中有数的各项的平均值 × 100，按决定日期所在月份计算；"
        "优秀 ≥ 95，良好 ≥ 85，合格 ≥ 70，不合格 < 70；都没有数的为未评。迟到的数据会改变已过去的月份，每次改变记为一版。",
        "Mean of reporting, compliance, timeliness, 1 − code error and correction rates as far as they exist, × 100, "
        "by month of decision; excellent ≥ 95, good ≥ 85, pass ≥ 70, fail < 70; not rated without any. "
        "Late data change past months; every change is a version.",
    ),
}


@dataclass(frozen=True)
class Tile:
    """One headline number with its change against its own mean of the seven days before."""

    word: str
    value: str
    of: str
    detail: Both
    change: Both | None
    spark: Spark
    tone: str
    query: str


@dataclass(frozen=True)
class Attention:
    """One thing to act on. importance: the department's tier, 1 is the loudest; harm: smaller is worse."""

    importance: int
    harm: float
    kind: Both
    tone: str
    text: Both
    todo: Both
    href: str


def number(value: Any) -> float | None:
    """A database number as float; None stays None."""
    return None if value is None else float(value)


def ratio(part: Any, whole: Any) -> float | None:
    """part / whole, None without a denominator."""
    return float(part) / float(whole) if part is not None and whole else None


def change(values: Sequence[float | None], *, as_share: bool) -> Both | None:
    """Last value against the mean of up to seven known values before it; None without a past."""
    before = [value for value in values[-8:-1] if value is not None]
    if not values or values[-1] is None or not before:
        return None
    difference = values[-1] - fmean(before)
    if as_share:
        points = round(difference * 100, 1)
        if not points:
            return Both("与 7 日均值持平", "level with its 7-day mean")
        return Both(f"较 7 日均值 {points:+.1f} 个百分点", f"{points:+.1f} points against its 7-day mean")
    rounded = round(difference, 1)
    if not rounded:
        return Both("与 7 日均值持平", "level with its 7-day mean")
    text = f"{rounded:+,.0f}" if abs(rounded) >= 10 or rounded == int(rounded) else f"{rounded:+,.1f}"
    return Both(f"较 7 日均值 {text}", f"{text} against its 7-day mean")


def tiles(
    as_of: date,
    days: Sequence[Row],
    arrivals: Sequence[Row],
    issues: Row,
    issue_changes: Sequence[Row],
    departments: Mapping[str, Row],
) -> list[Tile]:
    """The five tiles of the city page, about the 43 departments.

    days: the city's days up to `as_of`, oldest first. issues: open, new and overdue. issue_changes: by day.
    A night of which the warehouse has no day shows zeros.
    """
    inside = {code for code, row in departments.items() if not row["external"]}
    states = Counter(row["state"] for row in arrivals if row["department"] in inside)
    past = [row for row in days if row["as_of"] < as_of]
    today: Row = next((row for row in days if row["as_of"] == as_of), {})
    series: dict[str, tuple[float | None, ...]] = {
        key: tuple(number(row.get(key)) for row in [*past, today])[-30:]
        for key in ("rows_read", "accepted_share", "batches_held")
    }
    arrived = (*(number(row["arrived"]) for row in past[-29:]), float(states["arrived"]))
    opened = running(issue_changes, [*(row["as_of"] for row in past[-29:]), as_of])
    total = {key: int(issues.get(key) or 0) for key in ("open", "new", "overdue")}
    n = {key: int(today.get(key) or 0) for key in (*COUNTS, "batches_held")}
    accepted = number(today.get("accepted_share"))
    others = [name for name in ("nothing_new", "not_due", "late", "failed") if states[name]]
    return [
        Tile(
            "departments_arrived",
            count(states["arrived"]),
            f"/ {len(inside)}",
            Both(
                "，".join(f"{state(name).zh} {states[name]}" for name in others) or "全部到达",
                ", ".join(f"{states[name]} {state(name).en}" for name in others) or "all arrived",
            ),
            change(arrived, as_share=False),
            Spark(arrived),
            "bad" if states["late"] or states["failed"] else "ok",
            "city_days",
        ),
        Tile(
            "tile_rows_read",
            count(n["rows_read"]),
            "",
            Both(
                f"范围外 {count(n['rows_out_of_scope'])}，重复 {count(n['rows_duplicate'])}",
                f"{count(n['rows_out_of_scope'])} out of scope, {count(n['rows_duplicate'])} duplicate",
            ),
            change(series["rows_read"], as_share=False),
            Spark(series["rows_read"], low=0),
            "quiet",
            "city_days",
        ),
        Tile(
            "accepted_share",
            share(accepted),
            "",
            Both(
                f"接收 {count(n['rows_accepted'])}，退回 {count(n['rows_rejected'])}",
                f"{count(n['rows_accepted'])} accepted, {count(n['rows_rejected'])} rejected",
            ),
            change(series["accepted_share"], as_share=True),
            Spark(series["accepted_share"]),
            {"excellent": "ok", "good": "warn", "unrated": "quiet"}.get(band(accepted), "bad"),
            "city_days",
        ),
        Tile(
            "open_issues",
            count(total["open"]),
            "",
            Both(
                f"新增 {count(total['new'])}，逾期 {count(total['overdue'])}",
                f"{count(total['new'])} new, {count(total['overdue'])} overdue",
            ),
            change(opened, as_share=False),
            Spark(opened, low=0),
            "bad" if total["overdue"] else "quiet",
            "city_open",
        ),
        Tile(
            "batches_held",
            count(n["batches_held"]),
            "",
            Both(f"暂扣 {count(n['rows_held'])} 行，待人工决定", f"{count(n['rows_held'])} rows waiting for a decision")
            if n["batches_held"]
            else Both("没有批次等待决定", "no batch waits for a decision"),
            change(series["batches_held"], as_share=False),
            Spark(series["batches_held"], low=0),
            "bad" if n["batches_held"] else "ok",
            "city_days",
        ),
    ]


def running(changes: Sequence[Row], days: Sequence[date]) -> tuple[float | None, ...]:
    """The running total of changes at the end of each day."""
    return tuple(float(sum(row["change"] for row in changes if row["as_of"] <= day)) for day in days)


def attention(
    as_of: date,
    departments: Mapping[str, Row],
    arrivals: Sequence[Row],
    held: Sequence[Row],
    issues: Sequence[Row],
    daily: Mapping[str, Sequence[Row]],
    incidents: Sequence[Row],
    calendar_years: Iterable[int] | None,
    kinds: Mapping[str, Both],
) -> list[Attention]:
    """Everything that needs a person today, worst first: a department's tier (1 to 3) and the harm of what happened
    weigh the same. calendar_years None: the calendar could not be read."""
    lines = [
        *_missing(departments, arrivals),
        *_held(departments, held, kinds),
        *_overdue(departments, issues),
        *_jumps(as_of, departments, daily),
        *_incidents(departments, incidents),
    ]
    if calendar_years is not None and as_of.month >= 11 and as_of.year + 1 not in set(calendar_years):
        lines.append(_calendar(as_of.year + 1))
    return sorted(lines, key=lambda line: (line.importance + line.harm, line.harm, line.text.zh))


HARM = {"failed": 0.0, "late": 0.1, "held": 0.2, "jump": 1.2, "calendar": 2.2, "overdue": 3.0, "incident": 3.5}
"""What is missing or stopped first, then what has just got worse, then what is being worked on."""


def _about(departments: Mapping[str, Row], code: str) -> tuple[int, Both]:
    row = departments.get(code)
    if row:
        return row["importance"], Both(row["name_zh"], row["name_en"])
    return (2, CITY) if not code else (3, Both(code, code))


def _begun(text: str) -> str:
    """An English sentence that follows another."""
    return text[:1].upper() + text[1:]


def _missing(departments: Mapping[str, Row], arrivals: Sequence[Row]) -> Iterator[Attention]:
    for row in arrivals:
        code = row["department"]
        importance, name = _about(departments, code)
        detail_zh, detail_en = sentence(row["detail_zh"]), sentence(row["detail_en"], ".")
        if row["state"] == "late":
            by = f"{departments[code]['expect_by']:%H:%M}" if code in departments else ""
            text = Both(
                f"{name.zh}应于 {by} 前报送，至截止时间未到。{detail_zh}",
                f"{name.en} was expected by {by} and had not arrived at the cut-off. {_begun(detail_en)}".strip(),
            )
            todo = Both("联系部门，催报并查明原因。", "Call the department and ask why.")
        elif row["state"] == "failed":
            text = Both(
                f"{name.zh}取数失败。{detail_zh}",
                f"Taking in the data of {name.en} failed. {_begun(detail_en)}".strip(),
            )
            todo = Both(
                "由运维检查通道后重跑该部门。", "Let operations check the channel, then run the department again."
            )
        else:
            continue
        yield Attention(
            importance, HARM[row["state"]], state(row["state"]), "bad", text, todo, f"department/{code}.html"
        )


def _held(departments: Mapping[str, Row], held: Sequence[Row], kinds: Mapping[str, Both]) -> Iterator[Attention]:
    todo = Both(
        "请部门更正后重新报送；或核对后由人工放行或整批退回。",
        "Ask the department to correct and deliver again, or release or refuse it after a check.",
    )
    for code, rows in _by_department(held).items():
        importance, name = _about(departments, code)
        first = rows[0]
        total = sum(row["rows_read"] for row in rows)
        if len(rows) == 1:
            kind = kinds.get(first["kind"], Both(first["kind"], first["kind"]))
            why = reason(first["reasons"])
            text = Both(
                f"{name.zh}的{kind.zh}批次 {first['batch_id']} 已暂扣（{count(total)} 行）：{why.zh}",
                f"Batch {first['batch_id']} of {name.en} ({kind.en}, {plural(total, 'row')}) is held: {why.en}",
            )
        else:
            text = Both(
                f"{name.zh}有 {len(rows)} 个批次暂扣，共 {count(total)} 行，最早的是 {first['as_of']} 的 {first['batch_id']}。",
                f"{name.en} has {len(rows)} batches held, {plural(total, 'row')}, the oldest {first['batch_id']} "
                f"of {first['as_of']}.",
            )
        href = f"@batch/{first['batch_id']}" if len(rows) == 1 else f"department/{code}.html"
        yield Attention(importance, HARM["held"], state("held"), "bad", text, todo, href)


def _overdue(departments: Mapping[str, Row], issues: Sequence[Row]) -> Iterator[Attention]:
    for row in issues:
        if not row["overdue"]:
            continue
        importance, name = _about(departments, row["department"])
        yield Attention(
            importance,
            HARM["overdue"],
            state("overdue"),
            "warn",
            Both(
                f"{name.zh}有 {count(row['overdue'])} 个问题逾期未改，最早应于 {row['oldest_due']} 改正。",
                f"{name.en}: {plural(row['overdue'], 'issue')} overdue, the oldest due on {row['oldest_due']}.",
            ),
            Both("催办；再次发送退回清单。", "Remind the department and send its return workbook again."),
            f"department/{row['department']}.html#issues" if row["department"] in departments else "issues.html",
        )


def _jumps(as_of: date, departments: Mapping[str, Row], daily: Mapping[str, Sequence[Row]]) -> Iterator[Attention]:
    for code, rows in daily.items():
        jump = reject_jump(rows, as_of)
        if jump is None:
            continue
        importance, name = _about(departments, code)
        yield Attention(
            importance,
            HARM["jump"],
            Both("退回突增", "jump in rejects"),
            "warn",
            Both(
                f"{name.zh}的退回率为 {share(jump[0])}，前 7 次平均为 {share(jump[1])}。",
                f"{name.en}: {share(jump[0])} of rows rejected, against {share(jump[1])} in the seven deliveries before.",
            ),
            Both(
                "查看退回最多的规则，确认模板或系统是否有变。",
                "Look at the costliest rules: has a template or system changed?",
            ),
            f"department/{code}.html#rules",
        )


def _incidents(departments: Mapping[str, Row], incidents: Sequence[Row]) -> Iterator[Attention]:
    grouped: dict[tuple[str | None, str], Row] = {}
    for row in incidents:
        if row["rule_id"] != CALENDAR_RULE:
            grouped.setdefault((row["department"], row["message_zh"]), row)
    for (code, _), row in grouped.items():
        importance, name = _about(departments, code or "")
        yield Attention(
            importance,
            HARM["incident"],
            state("incident"),
            "note",
            Both(f"{name.zh}：{sentence(row['message_zh'])}", f"{name.en}: {sentence(row['message_en'], '.')}"),
            Both("告知部门调整报送内容。", "Tell the department to change what it sends.")
            if code
            else Both("由运维核查。", "Let operations look into it."),
            f"department/{code}.html" if code else "definitions.html",
        )


def _calendar(year: int) -> Attention:
    return Attention(
        1,
        HARM["calendar"],
        Both("日历缺失", "calendar missing"),
        "warn",
        Both(
            f"{year} 年的工作日历尚未载入，落在 {year} 年的期限显示为“未知”。",
            f"The working-day calendar of {year} is not loaded; deadlines in {year} show as unknown.",
        ),
        Both(
            "国务院办公厅通知公布后，由运维更新日历。",
            "Once the State Council's notice is out, let operations update the calendar.",
        ),
        "definitions.html#calendar",
    )


def _by_department(rows: Iterable[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["department"]].append(row)
    return grouped


def plural(number: int, noun: str) -> str:
    """1 issue, 2 issues."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def reason(reasons: Any) -> Both:
    """First reason of a batch in both languages."""
    for entry in reasons or []:
        if isinstance(entry, dict):
            zh, en = str(entry.get("zh") or ""), str(entry.get("en") or "")
            if zh or en:
                return Both(sentence(zh or en), sentence(en or zh, "."))
    return Both("未记录原因。", "no reason recorded.")


def sentence(text: str | None, stop: str = "。") -> str:
    """The text ending in exactly one full stop; nothing stays nothing."""
    trimmed = (text or "").strip().rstrip("。.;； ")
    return trimmed + stop if trimmed else ""


def reject_jump(rows: Sequence[Row], as_of: date) -> tuple[float, float] | None:
    """(today's share of rejected rows, mean of the seven deliveries before) when today jumped, else None."""
    shares = [
        (row["as_of"], ratio(row["rows_rejected"], row["rows_read"]), row["rows_rejected"] or 0)
        for row in rows
        if row["rows_read"]
    ]
    if len(shares) < 4 or shares[-1][0] != as_of:
        return None
    before = [value for _, value, _ in shares[-8:-1] if value is not None]
    today, rejected = shares[-1][1], shares[-1][2]
    if today is None or not before or rejected < JUMP_ROWS:
        return None
    mean = fmean(before)
    return (today, mean) if today >= JUMP_SHARE and today >= JUMP_FACTOR * mean else None


def latest(rows: Sequence[Row], key: str, as_of: date) -> tuple[float | None, date | None]:
    """The measure's newest value of the last 30 days and its day when that is not today."""
    for row in reversed(rows):
        if (as_of - row["as_of"]).days >= STALE_DAYS:
            break
        if row.get(key) is not None:
            return float(row[key]), None if row["as_of"] == as_of else row["as_of"]
    return None, None


def line(rows: Sequence[Row], key: str, as_of: date, days: int) -> tuple[float | None, ...]:
    """The measure day by day over the last `days` days, None where there is no value."""
    values = {row["as_of"]: number(row.get(key)) for row in rows}
    return tuple(values.get(as_of - timedelta(days=back)) for back in range(days - 1, -1, -1))


def points(value: float | None) -> float | None:
    """A score in points with one decimal, never rounded up across a band's limit."""
    return None if value is None else math.floor(value * 1000 + 1e-9) / 10


def ranking(rows: Sequence[Row]) -> list[Row]:
    """Departments of a month by score; equal scores share a rank, those without a score come last without one."""
    scored = sorted(rows, key=lambda row: (row["score"] is None, -(row["score"] or 0), row["department"]))
    ranked: list[Row] = []
    for place, row in enumerate(scored, 1):
        same = bool(ranked) and ranked[-1]["score"] == row["score"]
        rank = None if row["score"] is None else ranked[-1]["rank"] if same else place
        ranked.append({**row, "rank": rank})
    return ranked


def night_chart(rows: Sequence[Row], names: Mapping[str, Both], zone: ZoneInfo) -> dict[str, Any] | None:
    """Minutes of each department's night: arrived, landed, gated, published, from the first start; None without rows."""
    begun = [row for row in rows if row["received_at"] is not None]
    if not begun:
        return None
    start = min(row["started_at"] for row in begun)
    ends = [row[key] for row in begun for key in ("received_at", "landed_at", "gated_at", "published_at") if row[key]]
    finish = max(ends)

    def minutes(moment: datetime | None) -> float | None:
        return None if moment is None else round(max((moment - start).total_seconds(), 0.0) / 60, 3)

    cut = next(
        (
            stop
            for stop in (
                datetime.combine(start.astimezone(zone).date() + timedelta(days=ahead), CUT_OFF, zone)
                for ahead in (0, 1)
            )
            if start <= stop <= finish
        ),
        None,
    )
    local = start.astimezone(zone)
    return {
        "start": local.strftime("%Y-%m-%d %H:%M"),
        "base_minute": local.hour * 60 + local.minute + local.second / 60,
        "cut_off": minutes(cut),
        "rows": [
            {
                "zh": names.get(row["department"], Both(row["department"], row["department"])).zh,
                "en": names.get(row["department"], Both(row["department"], row["department"])).en,
                "code": row["department"],
                "started": minutes(row["started_at"]),
                "received": minutes(row["received_at"]),
                "landed": minutes(row["landed_at"]),
                "gated": minutes(row["gated_at"]),
                "published": minutes(row["published_at"]),
            }
            for row in begun
        ],
    }
