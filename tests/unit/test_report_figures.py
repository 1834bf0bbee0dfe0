"""Figures of the quality site: ratios without denominators, changes, attention lines, rankings, the night in time."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from creditflow.report import figures
from creditflow.report.words import Both

DAY = date(2026, 11, 20)
ZONE = ZoneInfo("Asia/Shanghai")


def department(code: str, importance: int = 2, *, external: bool = False) -> dict[str, Any]:
    return {
        "department": code,
        "name_zh": f"部门{code}",
        "name_en": f"Department {code}",
        "importance": importance,
        "external": external,
        "expect_by": time(2, 30),
    }


def attention(**given: Any) -> list[figures.Attention]:
    values: dict[str, Any] = {
        "as_of": DAY,
        "departments": {code: department(code, tier) for code, tier in (("a", 1), ("b", 2), ("c", 3))},
        "arrivals": [],
        "held": [],
        "issues": [],
        "daily": {},
        "incidents": [],
        "calendar_years": [2026, 2027],
        "kinds": {"permit": Both("行政许可", "permit")},
    }
    return figures.attention(**(values | given))


def arrival(code: str, state: str) -> dict[str, Any]:
    return {"department": code, "state": state, "detail_zh": "接口无应答", "detail_en": "no answer"}


def test_a_ratio_without_denominator_is_missing() -> None:
    assert figures.ratio(0, 0) is None
    assert figures.ratio(5, None) is None
    assert figures.ratio(1, 4) == 0.25


def test_the_change_is_against_the_mean_of_the_seven_days_before() -> None:
    before: list[float | None] = [1000.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0]
    assert figures.change([*before, 24.0], as_share=False) == Both("较 7 日均值 +14", "+14 against its 7-day mean")
    assert figures.change([10.0, None, 10.0], as_share=False) == Both("与 7 日均值持平", "level with its 7-day mean")
    assert figures.change([0.9, 0.95], as_share=True) == Both(
        "较 7 日均值 +5.0 个百分点", "+5.0 points against its 7-day mean"
    )
    assert figures.change([5.0], as_share=False) is None
    assert figures.change([5.0, None], as_share=False) is None


def test_nothing_to_do_gives_no_line() -> None:
    assert attention(arrivals=[arrival("a", "arrived"), arrival("b", "not_due"), arrival("c", "nothing_new")]) == []


def test_what_is_missing_in_a_small_department_comes_before_old_work_of_a_large_one() -> None:
    overdue = [{"department": "a", "open": 9, "new": 0, "overdue": 1, "oldest_due": DAY - timedelta(days=2)}]
    lines = attention(arrivals=[arrival("c", "late"), arrival("a", "failed"), arrival("b", "late")], issues=overdue)
    assert [(line.importance, line.kind.zh) for line in lines] == [(1, "失败"), (2, "迟报"), (3, "迟报"), (1, "逾期")]
    assert all(line.todo.zh and line.todo.en for line in lines)
    assert "1 issue overdue" in lines[-1].text.en


def test_a_late_department_is_named_with_its_time_and_reason() -> None:
    (line,) = attention(arrivals=[arrival("b", "late")])
    assert line.text.zh == "部门b应于 02:30 前报送，至截止时间未到。接口无应答。"
    assert line.href == "department/b.html"


def test_one_held_batch_says_why_several_are_one_line() -> None:
    def held(number: int) -> dict[str, Any]:
        return {
            "batch_id": f"A-PERMIT-{number}", "department": "a", "kind": "permit", "as_of": DAY, "rows_read": 1200,
            "reasons": [{"code": "X", "zh": "退回率 31%", "en": "31 % rejected"}],
        }  # fmt: skip

    (one,) = attention(held=[held(1)])
    assert one.text.zh == "部门a的行政许可批次 A-PERMIT-1 已暂扣（1,200 行）：退回率 31%。"
    assert one.href == "@batch/A-PERMIT-1"
    (two,) = attention(held=[held(1), held(2)])
    assert "2 个批次" in two.text.zh
    assert "2,400" in two.text.zh


@pytest.mark.parametrize(
    ("today", "jumps"), [((100, 30), True), ((100, 4), False), ((100, 8), False), ((30, 9), False), ((0, 0), False)]
)
def test_a_jump_in_rejects_is_three_times_the_mean_and_worth_the_noise(today: tuple[int, int], jumps: bool) -> None:
    rows = [{"as_of": DAY - timedelta(days=back), "rows_read": 100, "rows_rejected": 3} for back in range(7, 0, -1)]
    rows.append({"as_of": DAY, "rows_read": today[0], "rows_rejected": today[1]})
    assert (figures.reject_jump(rows, DAY) is not None) is jumps


def test_a_jump_needs_a_past() -> None:
    assert figures.reject_jump([{"as_of": DAY, "rows_read": 100, "rows_rejected": 90}], DAY) is None


def test_the_missing_calendar_is_said_from_november_on() -> None:
    (line,) = attention(calendar_years=[2026])
    assert "2027" in line.text.zh
    assert attention(as_of=date(2026, 10, 31), calendar_years=[2026]) == []
    assert attention(calendar_years=None) == []


def test_the_latest_figure_of_thirty_days_is_shown_with_its_day() -> None:
    rows = [
        {"as_of": DAY - timedelta(days=30), "validity": 0.5},
        {"as_of": DAY - timedelta(days=3), "validity": 0.9},
        {"as_of": DAY, "validity": None},
    ]
    assert figures.latest(rows, "validity", DAY) == (0.9, DAY - timedelta(days=3))
    assert figures.latest(rows[:1], "validity", DAY) == (None, None)
    assert figures.latest([{"as_of": DAY, "validity": 1}], "validity", DAY) == (1.0, None)


def test_equal_scores_share_a_rank_and_the_unrated_come_last() -> None:
    rows = [{"department": name, "score": score} for name, score in (("d", None), ("a", 0.9), ("b", 0.97), ("c", 0.9))]
    assert [(row["department"], row["rank"]) for row in figures.ranking(rows)] == [
        ("b", 1),
        ("a", 2),
        ("c", 2),
        ("d", None),
    ]


def test_points_never_round_up_over_the_limit_of_a_band() -> None:
    assert figures.points(0.94999) == 94.9
    assert figures.points(0.95) == 95.0
    assert figures.points(None) is None


def test_tiles_count_the_43_and_not_the_external_sources() -> None:
    departments = {code: department(code, external=code == "x") for code in ("a", "b", "x")}
    days = [{"as_of": DAY, "arrived": 1, "rows_read": 10, "rows_accepted": 9, "rows_rejected": 1, "rows_held": 0,
             "rows_out_of_scope": 0, "rows_duplicate": 0, "accepted_share": 0.9, "batches_held": 0}]  # fmt: skip
    counts = {"open": 4, "new": 2, "overdue": 1}
    shown = figures.tiles(
        DAY, days, [arrival("a", "arrived"), arrival("x", "arrived"), arrival("b", "late")], counts, [], departments
    )
    values = {tile.word: (tile.value, tile.of) for tile in shown}
    assert values["departments_arrived"] == ("1", "/ 2")
    assert values["open_issues"] == ("4", "")
    assert values["accepted_share"] == ("90.0%", "")


def test_a_night_the_warehouse_has_no_day_of_shows_no_share() -> None:
    shown = figures.tiles(DAY, [], [], {}, [], {"a": department("a")})
    assert {tile.word: tile.value for tile in shown}["accepted_share"] == "—"


def test_open_issues_run_through_days_without_change() -> None:
    changes = [{"as_of": DAY - timedelta(days=2), "change": 5}, {"as_of": DAY, "change": -2}]
    assert figures.running(changes, [DAY - timedelta(days=back) for back in (3, 2, 1, 0)]) == (0.0, 5.0, 5.0, 3.0)


def test_the_night_in_minutes_and_the_cut_off_inside_it() -> None:
    start = datetime(2026, 11, 21, 4, 50, tzinfo=ZONE)
    row = {
        "department": "a", "started_at": start, "received_at": start + timedelta(minutes=1), "landed_at": start + timedelta(minutes=2),
        "gated_at": start + timedelta(minutes=20), "published_at": None,
    }  # fmt: skip
    chart = figures.night_chart([row], {}, ZONE)
    assert chart is not None
    assert chart["cut_off"] == 10
    assert chart["rows"][0]["gated"] == 20
    assert chart["rows"][0]["published"] is None
    assert figures.night_chart([row | {"received_at": None}], {}, ZONE) is None
