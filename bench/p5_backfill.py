"""P5, P6, P7 and P9 of the budgets: a backfill of five years, a night on top of it, and what analysts ask of it.

P5: the files of five years are dropped, judged, built and published by the commands a user has; the limit is the hand-written SQL of
`bench.limit` on the same files, same server, same run. P6: a night of 10,000 changed rows on that stock, and the same night
on a tenth of the stock. P7: the largest process of ours in P5. P9: the questions of `bench.questions` on that stock.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from bench import limit, questions
from bench.place import own_server
from bench.stock import AS_OF, NIGHT, Step, build, five_years, land, night_of_changes
from creditflow.ops.database import transaction
from creditflow.settings import Settings

NIGHT_ROWS = 10_000


def measure(rows: int, *, with_limit: bool) -> dict[str, Any]:
    """A backfill of `rows` records, a night on it and the questions, on a server of their own."""
    with own_server() as (settings, registry):
        folder = settings.home / "source"
        _tell(f"writing {rows:,} rows")
        feeds = five_years(folder, rows)
        night = night_of_changes(feeds, folder / "night", NIGHT_ROWS)
        found: dict[str, Any] = {"rows": rows}
        if with_limit:
            _tell("the limit")
            found["limit"] = limit.run(settings, registry, feeds)
        _tell("backfill")
        found["backfill"] = _figures([*land(settings, feeds, AS_OF), *build(settings, AS_OF)])
        found["counts"] = _counts(settings)
        _tell("a night")
        landed, changed = list(land(settings, night, NIGHT)), list(build(settings, NIGHT))
        found["night"] = _figures(changed) | {"landing_seconds": round(sum(step.seconds for step in landed), 1)}
        _tell("questions")
        questions.history_of_nights(settings)
        found["questions"] = questions.ask(settings)
        return found


def _figures(steps: Sequence[Step]) -> dict[str, Any]:
    """Seconds in all and by step, and the peak of memory."""
    by_step: dict[str, float] = {}
    for step in steps:
        by_step[step.name] = round(by_step.get(step.name, 0) + step.seconds, 1)
    return {
        "seconds": round(sum(step.seconds for step in steps), 1),
        "steps": by_step,
        "peak_mb": {name: max(step.peak_mb for step in steps if step.name == name) for name in by_step},
    }


def _counts(settings: Settings) -> dict[str, int]:
    """What became of the rows."""
    with transaction(settings, "bench") as conn, conn.cursor() as cursor:
        cursor.execute("select sum(rows_read), sum(rows_accepted), sum(rows_rejected), sum(rows_held) from ops.batch")
        read, accepted, rejected, held = cursor.fetchone() or (0, 0, 0, 0)
        cursor.execute("select count(*) from publish.subject")
        (subjects,) = cursor.fetchone() or (0,)
    counted = {"read": read, "accepted": accepted, "rejected": rejected, "held": held, "subjects": subjects}
    return {name: int(rows) for name, rows in counted.items()}


def _tell(what: str) -> None:
    print(f"  {what} ...", file=sys.stderr, flush=True)


def run(rows: int = 10_000_000, *, compared: bool = True) -> dict[str, Any]:
    """P5, P6, P7 and P9 on `rows` records, and, if compared, on a tenth of them what P6 and P7 are compared with."""
    tenth = measure(rows // 10, with_limit=True) if compared else None
    return lines(measure(rows, with_limit=True), tenth)


def lines(large: dict[str, Any], small: dict[str, Any] | None = None) -> dict[str, Any]:
    """P5, P6, P7 and P9 of a measurement, compared with that of a smaller stock where there is one."""
    night, asked = large["night"]["seconds"], large["questions"]
    seconds, limit_seconds = large["backfill"]["seconds"], round(sum(large["limit"].values()), 1)
    steps = ", ".join(f"{name} {taken} s" for name, taken in large["backfill"]["steps"].items())
    nights, memory, ratio = [f"{night} s on {large['rows']:,} rows"], [_memory(large)], {}
    if small is not None:
        ratio["ratio"] = round(night / small["night"]["seconds"], 2)
        nights.append(f"{ratio['ratio']:.2f}x of the {small['night']['seconds']} s on {small['rows']:,}")
        memory.append(_memory(small))
    return {
        "P5": {
            "ratio": round(seconds / limit_seconds, 2),
            "points": [large] if small is None else [small, large],
            "text": (
                f"{seconds / limit_seconds:.2f}x on {large['rows']:,} rows ({seconds:,} s: {steps}; limit {limit_seconds:,} s;"
                f" {large['counts']['rejected']:,} refused, {large['counts']['subjects']:,} subjects)"
            ),
        },
        "P6": {"seconds": night, **ratio, "text": "; ".join(nights)},
        "P7": {"peak_mb": large["backfill"]["peak_mb"], "text": ", ".join(memory)},
        "P9": {
            "questions": asked,
            "text": f"on {large['rows']:,} rows: "
            + "; ".join(
                f"{item['what']} {item['p95_ms']} ms (median {item['median_ms']}, {item['rows']:,} rows)"
                for item in asked.values()
            ),
        },
    }


def _memory(point: dict[str, Any]) -> str:
    peak = point["backfill"]["peak_mb"]
    by_step = ", ".join(f"{name} {megabytes}" for name, megabytes in peak.items())
    return f"{max(peak.values())} MB on {point['rows']:,} rows ({by_step})"


def growth(rows: int = 10_000_000) -> dict[str, Any]:
    """The points between and below those of `run`, for the curves: a hundredth and three tenths of its rows."""
    points = [measure(share, with_limit=False) for share in (rows // 100, rows * 3 // 10)]
    return {"points": points, "text": " and ".join(f"{point['rows']:,} rows" for point in points)}
