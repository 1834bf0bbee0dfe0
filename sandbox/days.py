"""Days as whole numbers since 1970-01-01, working days, and dates as the departments write them."""

from __future__ import annotations

import datetime as dt
from functools import cache

import chinese_calendar
import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

FIRST = (dt.date(1949, 1, 1) - dt.date(1970, 1, 1)).days
LAST = (dt.date(2105, 1, 1) - dt.date(1970, 1, 1)).days
LONG_TERM = (dt.date(2099, 12, 31) - dt.date(1970, 1, 1)).days
_SERIAL_ZERO = (dt.date(1899, 12, 30) - dt.date(1970, 1, 1)).days


def number(day: dt.date) -> int:
    """Days since 1970-01-01."""
    return (day - dt.date(1970, 1, 1)).days


def date(day: int) -> dt.date:
    """The date of a day number."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))


@cache
def _pool(style: str) -> Texts:
    days = np.arange(FIRST, LAST)
    if style == "serial":
        return np.array([str(d - _SERIAL_ZERO) for d in days.tolist()], dtype=object)
    iso = days.astype("datetime64[D]").astype(str).tolist()
    if style == "slash":
        made = [s.replace("-", "/") for s in iso]
    elif style == "compact":
        made = [s.replace("-", "") for s in iso]
    elif style == "zh":
        made = [f"{s[:4]}年{int(s[5:7])}月{int(s[8:])}日" for s in iso]
    else:
        made = iso
    return np.array(made, dtype=object)


def text(days: Days, style: str = "slash") -> Texts:
    """Day numbers as dates: slash 2026/11/20, dash, compact, zh 2026年11月20日, or serial (a spreadsheet's number)."""
    return np.asarray(_pool(style)[np.asarray(days) - FIRST])


def years(days: Days) -> Days:
    """Calendar year of each day."""
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


@cache
def _workday_table() -> npt.NDArray[np.bool_]:
    days = np.arange(FIRST, LAST)
    table = (days + 3) % 7 < 5  # 1970-01-01 was a Thursday
    start = dt.date(2004, 1, 1)
    for offset in range((dt.date(2026, 12, 31) - start).days + 1):
        day = start + dt.timedelta(days=offset)
        table[number(day) - FIRST] = chinese_calendar.is_workday(day)
    return table


def is_workday(day: int) -> bool:
    """Working day by the published calendar; outside 2004-2026 Monday to Friday."""
    return bool(_workday_table()[day - FIRST])


def workdays(days: Days) -> npt.NDArray[np.bool_]:
    """`is_workday` for a column."""
    return np.asarray(_workday_table()[days - FIRST])


@cache
def _ordinals() -> tuple[Days, Days]:
    table = _workday_table()
    return np.cumsum(table) - 1, np.flatnonzero(table) + FIRST


def workdays_before(days: Days, count: npt.NDArray[np.int64]) -> Days:
    """The working day that lies `count` working days before each day."""
    ordinal, listed = _ordinals()
    return np.asarray(listed[np.maximum(ordinal[days - FIRST] - count, 0)])


def stamp(days: Days, seconds: npt.NDArray[np.int64]) -> Texts:
    """Day and second of the day as `2026-11-20 09:12:33`."""
    if not len(days):
        return np.empty(0, dtype=object)
    moments = days.astype("datetime64[D]").astype("datetime64[s]") + seconds.astype("timedelta64[s]")
    return np.asarray(np.char.replace(moments.astype(str), "T", " ").astype(object))


def month_text(month: int) -> str:
    """Months since January 1970 as `2026-11`."""
    return f"{1970 + month // 12:04d}-{month % 12 + 1:02d}"


def months(days: Days) -> Days:
    """Months since January 1970 of each day."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
