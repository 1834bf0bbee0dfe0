"""`creditflow night`: the whole night, and the table a person reads afterwards."""

from __future__ import annotations

import datetime as dt
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from creditflow.cli.output import as_json, as_of_option, console, installation, show_json
from creditflow.settings import DEFAULT_AS_OF

if TYPE_CHECKING:
    from creditflow.night import Night
    from creditflow.settings import Settings


@click.command()
@as_of_option(f"Business date.  [default: the published day; at first {DEFAULT_AS_OF}]")
@click.option("--in-process", is_flag=True, help="The same steps without a scheduler.")
@click.option("--real", is_flag=True, help="The departments are real: no sandbox.")
@click.option("--scale", type=float, default=0.01, show_default=True, help="Sandbox: share of the real yearly volume.")
@click.option("--years", type=int, default=1, show_default=True, help="Sandbox: years of history.")
@click.option("--seed", type=int, default=42, show_default=True, help="Sandbox: random seed.")
@as_json
def night(
    as_of: dt.date | None, in_process: bool, real: bool, scale: float, years: int, seed: int, as_json: bool
) -> int:
    """One night of all departments, from their servers to what people read.

    Run again, it finds nothing new and changes nothing; --as-of a later day brings that day's deliveries.
    """
    from creditflow.night import run_night
    from creditflow.progress import Progress
    from creditflow.sandbox import Shape

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    settings = installation()
    done = run_night(
        settings,
        as_of,
        in_process=in_process,
        shape=None if real else Shape(scale, years, seed),
        progress=Progress(),
    )
    if as_json:
        show_json(done.summary)
    else:
        show_night(settings, done)
    return 1 if done.problems else 0


def show_night(settings: Settings, done: Night) -> None:
    """The night as tables: every department and feed, lists, grades, what failed, where to look next."""
    from rich.table import Table

    out = console()
    summary = done.summary
    table = Table(title=f"{summary['as_of']}  build {summary['build']}", box=None, header_style="bold")
    table.add_column("department", no_wrap=True, min_width=15)
    table.add_column("部门", no_wrap=True, max_width=30)
    table.add_column("feed", no_wrap=True, min_width=20)
    for name in ("read", "accepted", "rejected", "held", "out of scope", "duplicate", "seconds"):
        table.add_column(name, justify="right", no_wrap=name != "out of scope", min_width=6)
    totals = [0] * 6
    for department in summary["departments"]:
        lines = _feeds(department["batches"])
        if not lines:
            table.add_row(department["code"], department["name_zh"], f"[dim]{department['state']}[/dim]", *[""] * 7)
        for number, (feed, counts, seconds, held) in enumerate(lines):
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
            table.add_row(
                department["code"] if number == 0 else "",
                department["name_zh"] if number == 0 else "",
                feed,
                *(f"{count:,}" if count else "·" for count in counts),
                f"{seconds:.1f}",
                style="yellow" if held else None,
            )
    table.add_section()
    table.add_row("43" if _all_43(summary) else "", "合计 / total", "", *(f"{total:,}" for total in totals), "")
    out.print(table)
    _show_counts(out, "名单成员 / list memberships", summary["lists"])
    _show_counts(out, "信用等级 / scores by grade", summary["grades"])
    for department in summary["departments"]:
        if department["state"] in ("late", "failed"):
            out.print(
                f"{department['state']}: {department['code']} {department['name_zh']} {department['detail_zh']} / "
                f"{department['detail_en']}",
                style="yellow",
                highlight=False,
            )
    for problem in done.problems:
        out.print(f"failed: {problem}", style="red", highlight=False, markup=False)
    if not summary["changed"]:
        out.print("没有新数据，数据仓库未变 / nothing new arrived: the warehouse is unchanged", style="green")
    steps = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in summary["steps"].items())
    out.print(f"{summary['seconds']:.0f} s in all ({steps})", highlight=False)
    _where_next(out, settings, summary["as_of"])


def _feeds(batches: list[dict[str, Any]]) -> list[tuple[str, list[int], float, bool]]:
    """(feed, six counts, seconds, anything held) by feed."""
    from creditflow.ops.ledger import COUNTS

    feeds: dict[str, tuple[str, list[int], float, bool]] = {}
    for batch in batches:
        name, counts, seconds, held = feeds.get(batch["feed"], (batch["feed"], [0] * 6, 0.0, False))
        feeds[name] = (
            name,
            [count + batch[column] for count, column in zip(counts, COUNTS, strict=True)],
            seconds + batch["seconds"],
            held or batch["state"] == "held",
        )
    return list(feeds.values())


def _all_43(summary: dict[str, Any]) -> bool:
    return sum(not department["external"] for department in summary["departments"]) == 43


def _show_counts(out: Any, title: str, counts: dict[str, int]) -> None:
    if counts:
        text = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        out.print(f"{title}: {text}", highlight=False)


def _where_next(out: Any, settings: Settings, as_of: str) -> None:
    from creditflow.night import last_night_file

    command = _command()
    lines = {
        "晨报 / morning report": settings.site / "index.html",
        "figures": last_night_file(settings),
        "ask the warehouse": f"{command} psql -c 'select * from publish.score limit 5'",
        "scheduler and report in a browser": "make up",
        "the day after": f"{command} night --as-of {dt.date.fromisoformat(as_of) + dt.timedelta(days=1)}",
    }
    for name, place in lines.items():
        out.print(f"  {name}: {place}", highlight=False, soft_wrap=True)


def _command() -> str:
    """How to call this command again from here."""
    here = Path(sys.executable).with_name("creditflow")
    return str(here.relative_to(Path.cwd())) if here.is_relative_to(Path.cwd()) else "creditflow"
