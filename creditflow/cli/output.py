"""What commands share: options, the ready warehouse, figures as JSON or as a table."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from creditflow.registry import Registry
    from creditflow.settings import Settings
    from creditflow.warehouse import Explained

NARROWEST = 138
"""Characters the widest table needs; a narrower terminal folds its lines instead of losing figures."""

as_json = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object on standard output.")


class _Day(click.ParamType):  # type: ignore[type-arg]
    """A date as YYYY-MM-DD."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        if isinstance(value, dt.date):
            return value
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date (YYYY-MM-DD)", param, ctx)


DAY = _Day()


def as_of_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The --as-of option with this help text."""
    return click.option("--as-of", type=DAY, help=text)


@contextmanager
def progress(*, counted: bool) -> Iterator[Progress]:
    """A line on standard error: what is done, how much of it, since when and how long it may take by its speed so far.

    counted: how many of how many; else per cent.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn() if counted else TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=600) as shown:
        yield shown


def installation() -> Settings:
    """Settings from the environment."""
    from creditflow.settings import load_settings

    return load_settings()


def warehouse(settings: Settings) -> None:
    """Make sure the warehouse runs and has the newest schema."""
    from creditflow.ops.migrate import migrate
    from creditflow.server import ensure_server, server_running

    if settings.embedded:
        if server_running(settings) is None:
            click.echo("starting the embedded database; `creditflow down` stops it", err=True)
        ensure_server(settings)
    migrate(settings)


def known_departments(settings: Settings) -> Registry:
    """The registry, strictly read, also as tables in the warehouse."""
    from creditflow.landing import ensure_tables
    from creditflow.ops.database import transaction
    from creditflow.ops.registry_sync import sync_registry
    from creditflow.registry import load

    registry = load(settings.project)
    sync_registry(settings, registry)
    with transaction(settings, "landing tables") as conn:
        ensure_tables(conn, registry)
    return registry


def business_date(settings: Settings, asked: dt.date | None) -> dt.date:
    """`asked`, else the date of the published build, else the default night's."""
    from creditflow.ops.database import transaction
    from creditflow.settings import DEFAULT_AS_OF

    if asked is not None:
        return asked
    with transaction(settings, "business date") as conn, conn.cursor() as cursor:
        cursor.execute("select as_of from ops.pointer")
        row = cursor.fetchone()
    return row[0] if row and row[0] else dt.date.fromisoformat(DEFAULT_AS_OF)


def feed_exists(registry: Registry, department: str, feed: str | None) -> None:
    """Refuse an unknown department or feed as wrong usage, naming what exists."""
    bodies = registry.all()
    if department not in bodies:
        raise click.BadParameter(f"no department {department!r}; known: {', '.join(bodies)}")
    if feed is not None and feed not in bodies[department].feeds:
        known = ", ".join(bodies[department].feeds)
        raise click.BadParameter(f"{department} has no feed {feed!r}; known: {known}")


def show_json(answer: Mapping[str, Any]) -> None:
    """One object on standard output."""
    click.echo(json.dumps(answer, ensure_ascii=False, indent=1, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    dump = getattr(value, "_asdict", None) or getattr(value, "__dict__", None)
    if callable(dump):
        return dump()
    return dump if dump is not None else str(value)


def console() -> Console:
    """Standard output for tables: never so narrow that figures would be cut off, whatever reads it."""
    from rich.console import Console as RichConsole

    found = RichConsole()
    return found if found.width >= NARROWEST else RichConsole(width=NARROWEST)


def show_batches(batches: Sequence[Mapping[str, Any]]) -> None:
    """Batches as a table with the reasons below."""
    from rich.table import Table

    from creditflow.ops.ledger import COUNTS

    out = console()
    table = Table(box=None, header_style="bold")
    for name in ("batch", "file", "state"):
        table.add_column(name)
    for name in COUNTS:
        table.add_column(name.removeprefix("rows_").replace("_", " "), justify="right")
    for batch in batches:
        table.add_row(batch["batch_id"], batch["file"], batch["state"], *(f"{batch[name]:,}" for name in COUNTS))
    out.print(table)
    for batch in batches:
        for reason in batch["reasons"]:
            row = f" (row {reason['row']})" if reason.get("row") is not None else ""
            out.print(f"{batch['batch_id']}: {reason['zh']} / {reason['en']}{row}", highlight=False, markup=False)


def bad_batches(batches: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any was held or refused: the command's exit status is 1 then."""
    return any(batch["state"] in ("held", "refused") for batch in batches)


def answer_batches(settings: Settings, batch_ids: Sequence[str], as_json: bool, **more: Any) -> int:
    """Tell what became of batches, with `more` beside them in JSON; the exit status: 1 when one was held or refused."""
    from creditflow.ops.database import transaction
    from creditflow.ops.ledger import batches_by_id

    with transaction(settings, "tell batches") as conn:
        batches = batches_by_id(conn, batch_ids)
    if as_json:
        for batch in batches:
            del batch["seconds"]
        show_json({**more, "batches": batches})
    elif batches:
        show_batches(batches)
    else:
        click.echo("没有新数据 / nothing new")
    return 1 if bad_batches(batches) else 0


def tell_difference(explained: Explained) -> None:
    """What readers of one build see otherwise than readers of another: rows by kind, lists, grades."""
    for kind, change in sorted(explained.records.items()):
        click.echo(f"{kind}: +{change['added']:,} -{change['removed']:,} ~{change['changed']:,}")
    for entry in explained.memberships:
        sign = "+" if entry["change"] == "entered" else "-"
        click.echo(f"名单 / list {entry['list_code']} {sign} {entry['uscc'] or entry['subject_id']}")
    for moved in explained.grades:
        click.echo(
            f"等级 / grade {moved['uscc'] or moved['subject_id']}: {moved['grade_a'] or '·'} -> {moved['grade_b'] or '·'}"
            f" ({moved['score_a'] or '·'} -> {moved['score_b'] or '·'})"
        )
    if not (explained.records or explained.memberships or explained.grades):
        click.echo("对读者没有变化 / nothing changed for readers")
