"""The words of the digest and the alarms.

Promises
- Pure functions of `NightFacts`. Chinese first, the English twin complete.
- A digest has at most ten lines that ask for action, ordered by importance and harm; the rest is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from creditflow.alerts.facts import DepartmentFact, NightFacts
from creditflow.identity.masking import mask_text

ALARM_IMPORTANCE = 1
"""Departments of this importance are alarmed about at once."""

MOST_LINES = 10


@dataclass(frozen=True)
class Message:
    """One thing to tell. key: the same for the same fact, to tell it once. level: digest or alarm."""

    key: str
    level: str
    subject_zh: str
    subject_en: str
    body_zh: str
    body_en: str

    @property
    def subject(self) -> str:
        """Both languages, for a mail's subject."""
        return f"{self.subject_zh} / {self.subject_en}"

    @property
    def body(self) -> str:
        """Both languages, for a mail's text."""
        return f"{self.body_zh}\n\n--\n{self.body_en}\n"

    def as_json(self) -> dict[str, str]:
        """For a webhook."""
        return {
            "key": self.key,
            "level": self.level,
            "subject_zh": self.subject_zh,
            "subject_en": self.subject_en,
            "body_zh": self.body_zh,
            "body_en": self.body_en,
        }


@dataclass(frozen=True)
class _Line:
    """One line that asks for action. harm: lower comes first within an importance."""

    harm: int
    zh: str
    en: str


def digest(facts: NightFacts) -> Message:
    """The morning's one message: how the night went and what needs a person."""
    day = facts.as_of.isoformat()
    if facts.silent:
        return Message(
            f"digest/{day}",
            "digest",
            f"信用数据日报 {day}：没有任何部门的数据到达",
            f"credit data {day}: nothing arrived",
            f"{day} 夜间没有收到任何部门的数据。请立即检查调度、网络和交换平台。",
            f"No department's data arrived in the night of {day}. Check scheduler, network and exchange platform at once.",
        )
    late = [item for item in facts.departments if _late(item)]
    held = sum(len(item.held) for item in facts.departments)
    totals = [
        sum(getattr(item, name) for item in facts.departments)
        for name in ("rows_read", "rows_accepted", "rows_rejected")
    ]
    opened = sum(item.issues_opened for item in facts.departments)
    overdue = sum(item.issues_overdue for item in facts.departments)
    came = sum(1 for item in facts.departments if item.state == "arrived" or item.rows_read)
    lines = list(_lines(facts))
    shown, more = lines[:MOST_LINES], len(lines) - MOST_LINES
    zh = [
        f"到达部门 {came}/{len(facts.departments)}，迟到或失败 {len(late)}，暂扣批次 {held}。",
        f"读取 {totals[0]:,} 行，接收 {totals[1]:,} 行，退回 {totals[2]:,} 行。",
        f"新增问题 {opened:,} 个，超期未改 {overdue:,} 个。",
        "",
        "需要处理：" if shown else "没有需要处理的事项。",
        *(f"· {line.zh}" for line in shown),
    ]
    en = [
        f"{came} of {len(facts.departments)} departments arrived, {len(late)} late or failed, {held} batches held.",
        f"{totals[0]:,} rows read, {totals[1]:,} accepted, {totals[2]:,} returned.",
        f"{opened:,} new issues, {overdue:,} overdue.",
        "",
        "Needs attention:" if shown else "Nothing needs attention.",
        *(f"- {line.en}" for line in shown),
    ]
    if more > 0:
        zh.append(f"另有 {more} 项，见质量网站首页。")
        en.append(f"{more} more on the quality site.")
    return Message(
        f"digest/{day}",
        "digest",
        f"信用数据日报 {day}：到达 {came}/{len(facts.departments)}，迟到 {len(late)}，暂扣 {held}",
        f"credit data {day}: {came}/{len(facts.departments)} arrived, {len(late)} late, {held} held",
        "\n".join(zh),
        "\n".join(en),
    )


def alarms(facts: NightFacts, *, closed: bool = True) -> list[Message]:
    """What cannot wait for the morning: nothing arrived at all, or a department of importance 1 is held, late or silent.

    closed: the cut-off has passed. Before it, a department of which nothing is known yet may still come: it is alarmed
    about only when its intake itself ended late or failed.
    """
    day = facts.as_of.isoformat()
    if closed and facts.silent:
        return [
            Message(
                f"alarm/{day}/nothing",
                "alarm",
                f"【警报】{day} 没有任何部门的数据到达",
                f"ALARM: nothing arrived on {day}",
                "没有收到任何部门的数据。请立即检查调度、网络和交换平台。",
                "No department's data arrived. Check scheduler, network and exchange platform at once.",
            )
        ]
    found = []
    for item in facts.departments:
        if item.importance > ALARM_IMPORTANCE:
            continue
        if _late(item) and (closed or item.state != "unknown"):
            zh, en = _late_words(item)
            found.append(
                _alarm(f"alarm/{day}/{item.code}/late", f"{item.name_zh}：数据未到", f"{item.name_en}: late", zh, en)
            )
        for one in item.silent:
            zh, en = f"{one.feed}：{one.reason_zh}", f"{one.feed}: {one.reason_en}"
            key = f"alarm/silent/{item.code}/{one.feed}/{one.since.isoformat()}"
            found.append(_alarm(key, f"{item.name_zh}：数据项久无报送", f"{item.name_en}: a feed fell silent", zh, en))
        for batch in item.held:
            zh = f"批次 {batch.batch_id}（{batch.feed}，{batch.rows:,} 行）整批暂扣：{batch.reason_zh or '见质量网站'}"
            en = f"batch {batch.batch_id} ({batch.feed}, {batch.rows:,} rows) is held: {batch.reason_en or 'see the quality site'}"
            subject_zh, subject_en = f"{item.name_zh}：批次暂扣", f"{item.name_en}: batch held"
            found.append(_alarm(f"alarm/held/{batch.batch_id}", subject_zh, subject_en, zh, en))
    return found


def _alarm(key: str, subject_zh: str, subject_en: str, zh: str, en: str) -> Message:
    return Message(key, "alarm", f"【警报】{subject_zh}", f"ALARM: {subject_en}", mask_text(zh), mask_text(en))


def _late(item: DepartmentFact) -> bool:
    """Due and not there; a department of which nothing is known at all is late too."""
    return item.state in ("late", "failed") or (item.state == "unknown" and not item.rows_read)


def _late_words(item: DepartmentFact) -> tuple[str, str]:
    zh = item.detail_zh or ("接入失败" if item.state == "failed" else "应到未到，请联系该部门数据专员")
    en = item.detail_en or ("intake failed" if item.state == "failed" else "due but not there: call its data officer")
    return mask_text(zh), mask_text(en)


def _lines(facts: NightFacts) -> Iterator[_Line]:
    """Lines that ask for action: the city's, then by importance of the department and harm."""
    for year in facts.missing_years:
        yield _Line(
            0,
            f"{year} 年工作日历尚未发布：落在该年的期限未知，发布后请更新日历包",
            f"the working-day calendar of {year} is not published: deadlines in it are unknown; update the calendar package",
        )
    names = {item.code: item for item in facts.departments}
    ranked: list[tuple[int, int, int, _Line]] = []
    for place, item in enumerate(facts.departments):
        ranked += [(item.importance, line.harm, place, line) for line in _department_lines(item)]
    for department, zh, en in facts.incidents:
        owner = names.get(department)
        label_zh, label_en = (f"{owner.name_zh}：", f"{owner.name_en}: ") if owner else ("", "")
        line = _Line(3, f"{label_zh}{mask_text(zh)}", f"{label_en}{mask_text(en)}")
        ranked.append((owner.importance if owner else 1, line.harm, 0, line))
    ranked.sort(key=lambda entry: (*entry[:3], entry[3].zh))
    yield from (line for *_, line in ranked)


def _department_lines(item: DepartmentFact) -> Iterator[_Line]:
    if _late(item):
        zh, en = _late_words(item)
        yield _Line(1, f"{item.name_zh}：{zh}", f"{item.name_en}: {en}")
    for one in item.silent:
        yield _Line(
            1,
            f"{item.name_zh}：{one.feed} {mask_text(one.reason_zh)}，请联系该部门数据专员",
            f"{item.name_en}: {one.feed}: {mask_text(one.reason_en)}; call its data officer",
        )
    for batch in item.held:
        yield _Line(
            2,
            f"{item.name_zh}：批次 {batch.batch_id} 暂扣 {batch.rows:,} 行。{mask_text(batch.reason_zh)}",
            f"{item.name_en}: batch {batch.batch_id}, {batch.rows:,} rows held. {mask_text(batch.reason_en)}",
        )
    if item.issues_overdue:
        yield _Line(
            4,
            f"{item.name_zh}：{item.issues_overdue:,} 个问题超期未改，请督办",
            f"{item.name_en}: {item.issues_overdue:,} issues overdue: press for correction",
        )
