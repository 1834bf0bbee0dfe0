"""Values as people read them: one definition of a table gives its HTML, its sort order and its CSV.

Promises
- Counts carry thousands separators, dates are 2026-11-23, shares never round up to 100 % or down to 0 %.
- Whatever a department wrote is escaped in HTML and neutralised as a spreadsheet formula in CSV.
- A missing value is a dash, never a zero.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from creditflow.report.words import BANDS, Both, word

Language = Literal["zh", "en"]
DASH = "—"
ZONE = ZoneInfo("Asia/Shanghai")

BAND_LIMITS: tuple[tuple[str, float], ...] = (("excellent", 0.95), ("good", 0.85), ("pass", 0.70), ("fail", 0.0))
"""Lower limits of the four bands (supervision page, section 7)."""


@dataclass(frozen=True)
class Rate:
    """A share between 0 and 1, None when its denominator is zero. banded: coloured by the four bands."""

    value: float | None
    banded: bool = True
    title: Both | None = None


@dataclass(frozen=True)
class Badge:
    """A state in words with a tone: ok, note, warn, bad, quiet."""

    text: Both
    tone: str = "quiet"


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere; href is relative to the day's folder."""

    cell: Any
    href: str


@dataclass(frozen=True)
class Spark:
    """A small line through shares or counts, oldest first; days without one (None) are passed over, at their place."""

    values: tuple[float | None, ...]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Code:
    """An identifier (batch, rule, hash), set in a fixed-width face and allowed to break anywhere."""

    text: str


@dataclass(frozen=True)
class Pairs:
    """Fields of a row in one cell: (heading, value, whether it is at fault)."""

    items: tuple[tuple[Both, Any, bool], ...]


@dataclass(frozen=True)
class Column:
    """One column of a table. numeric: right-aligned; screen_only: left out of the CSV; wide: may wrap freely."""

    key: str
    title: Both
    numeric: bool = False
    screen_only: bool = False
    wide: bool = False
    hint: Both | None = None


@dataclass(frozen=True)
class Table:
    """A table of a page: rows are mappings from column key to cell. `empty` explains why there is nothing."""

    name: str
    title: Both
    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Any]]
    empty: Both
    query: str = ""
    total: Mapping[str, Any] | None = None
    note: Both | None = None
    limit: int | None = None
    filterable: bool = field(default=True)


def count(value: float | Decimal) -> str:
    """12345 -> 12,345; a float keeps one decimal, 6.0 as well."""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if value == int(value) else f"{value:,.1f}"


def share(value: float | None) -> str:
    """A share as text: one decimal; 0.9999 is 99.9%, not 100%; 0.0001 is <0.1%, not 0."""
    if value is None:
        return DASH
    if value >= 1:
        return "100%"
    if value <= 0:
        return "0%"
    tenths = math.floor(value * 1000 + 1e-9) if value > 0.5 else round(value * 1000)
    if tenths == 0:
        return "<0.1%"
    return f"{tenths / 10:.1f}%"


def band(value: float | None) -> str:
    """Band of a share: excellent, good, pass, fail, or unrated without a value."""
    if value is None:
        return "unrated"
    return next(name for name, limit in BAND_LIMITS if value >= limit or limit == 0.0)


def moment(value: datetime) -> str:
    """A time in business time, to the minute."""
    return value.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")


def both(zh: object, en: object) -> Markup:
    """Both languages side by side, escaped; the style sheet shows one."""
    if zh == en:
        return escape(zh)
    return Markup(f'<span class="zh" lang="zh-Hans">{escape(zh)}</span><span class="en" lang="en">{escape(en)}</span>')  # noqa: S704


def html(cell: Any, root: str = "") -> Markup:
    """A cell as HTML, escaped. root: prefix from this page to the day's folder."""
    if cell is None or cell == "":
        return Markup('<span class="nil">—</span>')
    if isinstance(cell, Link):
        return Markup(f'<a href="{escape(root + cell.href)}">{html(cell.cell, root)}</a>')  # noqa: S704
    if isinstance(cell, Both):
        return both(cell.zh, cell.en)
    if isinstance(cell, Rate):
        return escape(share(cell.value))
    if isinstance(cell, Badge):
        return Markup(f'<span class="badge t-{escape(cell.tone)}">{both(*cell.text)}</span>')  # noqa: S704
    if isinstance(cell, Code):
        return Markup(f"<code>{escape(cell.text)}</code>")  # noqa: S704
    if isinstance(cell, Spark):
        return sparkline(cell)
    if isinstance(cell, Pairs):
        return Markup("").join(
            Markup('<span class="pair-item{}"><i>{}</i> {}</span>').format(
                " wrong" if wrong else "", both(*name), html(value)
            )
            for name, value, wrong in cell.items
        )
    if isinstance(cell, (list, tuple)):
        return Markup("").join(Markup('<span class="item">{}</span>').format(html(part, root)) for part in cell)
    return escape(text(cell))


def css(cell: Any) -> str:
    """Class of the cell's <td>: the band of a rate, `when` for a time."""
    inner = cell.cell if isinstance(cell, Link) else cell
    if isinstance(inner, date):
        return "when"
    return f"rate band-{band(inner.value)}" if isinstance(inner, Rate) and inner.banded else ""


def sort_key(cell: Any) -> str:
    """What the page sorts by: a number, an ISO date or the text; missing values sort last."""
    if isinstance(cell, Link):
        return sort_key(cell.cell)
    if cell is None or cell == "":
        return ""
    if isinstance(cell, Rate):
        return "" if cell.value is None else f"{cell.value:.6f}"
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, (int, float, Decimal)):
        return str(cell)
    if isinstance(cell, Badge):
        return cell.text.zh
    if isinstance(cell, Spark):
        known = [value for value in cell.values if value is not None]
        return f"{known[-1]:.6f}" if known else ""
    return text(cell)


def text(cell: Any, language: Language = "zh") -> str:
    """A cell as plain text, for CSV and for sorting."""
    if cell is None:
        return ""
    if isinstance(cell, Link):
        return text(cell.cell, language)
    if isinstance(cell, Both):
        return getattr(cell, language)  # type: ignore[no-any-return]
    if isinstance(cell, Badge):
        return getattr(cell.text, language)  # type: ignore[no-any-return]
    if isinstance(cell, Code):
        return cell.text
    if isinstance(cell, Rate):
        return "" if cell.value is None else f"{cell.value:.4f}"
    if isinstance(cell, datetime):
        return moment(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, (int, float, Decimal)):
        return count(cell)
    if isinstance(cell, Pairs):
        return "; ".join(f"{getattr(name, language)}={text(value, language)}" for name, value, _ in cell.items)
    if isinstance(cell, (list, tuple)):
        return "; ".join(text(part, language) for part in cell)
    return str(cell)


def plain(cell: Any, language: Language) -> str:
    """A cell for a CSV file: numbers without separators, everything else as read, formulas neutralised."""
    if isinstance(cell, Link):
        return plain(cell.cell, language)
    if isinstance(cell, (int, float, Decimal)) and not isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, Rate):
        return text(cell)
    return neutral(text(cell, language))


def neutral(value: str) -> str:
    """Text that a spreadsheet will not run as a formula: a leading = + - @, tab or line end gets an apostrophe."""
    head = value.lstrip(" \u00a0\u3000\ufeff")[:1]
    if value[:1] in ("\t", "\r", "\n") or head in ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"):
        return "'" + value
    return value


def csv_bytes(table: Table, language: Language) -> bytes:
    """The whole table as CSV: UTF-8 with byte order mark, CRLF, headings in the language asked for."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    columns = [column for column in table.columns if not column.screen_only]
    writer.writerow([neutral(getattr(column.title, language)) for column in columns])
    for row in table.rows:
        writer.writerow([plain(row.get(column.key), language) for column in columns])
    return b"\xef\xbb\xbf" + buffer.getvalue().encode("utf-8")


def sparkline(spark: Spark, width: int = 110, height: int = 22) -> Markup:
    """The line as inline SVG with its last point marked; a single value is a dot, none is a dash."""
    points = list(spark.values)
    known = [value for value in points if value is not None]
    if not known:
        return Markup('<span class="nil">{}</span>').format(DASH)
    low = min(known) if spark.low is None else min(spark.low, min(known))
    high = max(known) if spark.high is None else max(spark.high, max(known))
    reach = (high - low) or 1.0
    step = (width - 6) / max(len(points) - 1, 1)
    line: list[str] = []
    last = (0.0, 0.0)
    for index, value in enumerate(points):
        if value is None:
            continue
        x = 3 + index * step if len(points) > 1 else width - 3
        y = 3 + (height - 6) * (1 - (value - low) / reach) if high > low else height / 2
        line.append(f"{x:.1f},{y:.1f}")
        last = (x, y)
    lines = Markup('<polyline points="{}"/>').format(" ".join(line)) if len(line) > 1 else ""
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" width="{}" height="{}" aria-hidden="true">{}<circle cx="{}" cy="{}" r="2"/></svg>'
    ).format(width, height, width, height, lines, f"{last[0]:.1f}", f"{last[1]:.1f}")


def band_badge(value: float | None) -> Badge:
    """The band of a share in words."""
    tones = {"excellent": "ok", "good": "note", "pass": "warn", "fail": "bad", "unrated": "quiet"}
    name = band(value)
    return Badge(BANDS[name], tones[name])


def columns(*keys: str | Column, numeric: Iterable[str] = ()) -> tuple[Column, ...]:
    """Columns by vocabulary key; those named in `numeric` are right-aligned."""
    right = set(numeric)
    return tuple(key if isinstance(key, Column) else Column(key, word(key), key in right) for key in keys)
