"""Commands about this installation: up, down, sandbox, dsn, psql, doctor."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from creditflow.cli.output import as_json, as_of_option, installation, show_json, warehouse
from creditflow.settings import DEFAULT_AS_OF

if TYPE_CHECKING:
    from creditflow.sandbox import Shape
    from creditflow.settings import Settings


@click.command()
@click.option("--schedules/--no-schedules", default=False, show_default=True, help="DAGs follow their own schedules.")
def up(schedules: bool) -> int:
    """Keep the scheduler's UI and the report site running; `creditflow down` ends it."""
    from creditflow.services import start

    for line in start(installation(), schedules=schedules):
        click.echo(line)
    return 0


@click.command()
@click.option("--wipe", is_flag=True, help="Also delete everything it holds: database, archive, keys, site.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
def down(wipe: bool, yes: bool) -> int:
    """Stop everything of this installation: scheduler, site, sandbox, database."""
    from creditflow.services import stop
    from creditflow.services import wipe as delete

    settings = installation()
    if wipe and not yes:
        click.confirm(f"删除全部数据 / delete everything under {settings.home}?", abort=True, err=True)
    for line in stop(settings):
        click.echo(line)
    if wipe:
        delete(settings)
    return 0


@click.command()
def dsn() -> int:
    """The warehouse's connection URL (it holds the password)."""
    settings = installation()
    warehouse(settings)
    click.echo(settings.warehouse_url)
    return 0


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> int:
    """Open psql on the warehouse; ARGUMENTS go to psql."""
    from psycopg2.extensions import parse_dsn

    from creditflow.server import wheel_binaries

    settings = installation()
    warehouse(settings)
    parts = parse_dsn(settings.warehouse_url)
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    environ = {
        **os.environ,
        **{names[key]: value for key, value in parts.items() if key in names},
        "PGTZ": settings.timezone,
        "PGCLIENTENCODING": "UTF8",
    }
    program = str(wheel_binaries() / "bin" / "psql")
    sys.stdout.flush()
    os.execve(program, ["psql", *arguments], environ)  # noqa: S606 - psql takes our place


@click.command()
@as_json
def doctor(as_json: bool) -> int:
    """Is this installation well: connections, disk, versions, calendar, keys, batches that wait."""
    from creditflow.ops.doctor import examine

    findings = examine(installation())
    if as_json:
        show_json({"findings": [vars(item) for item in findings]})
    else:
        mark = {"ok": "✓", "warn": "!", "ill": "✗"}
        for item in findings:
            click.echo(f"{mark[item.level]} {item.name}: {item.zh}" + (f" / {item.en}" if item.en != item.zh else ""))
    return 1 if any(item.level == "ill" for item in findings) else 0


@click.group()
def sandbox() -> None:
    """43 pretended departments on this machine: real servers, seeded data, known faults."""


def _shape_options(command: Callable[..., int]) -> Callable[..., int]:
    """--scale, --years, --seed and --as-of."""
    for option in (
        as_of_option(f"Business date.  [default: {DEFAULT_AS_OF}]"),
        click.option("--seed", type=int, default=42, show_default=True, help="Random seed."),
        click.option("--years", type=int, default=1, show_default=True, help="Years of history."),
        click.option("--scale", type=float, default=0.01, show_default=True, help="Share of the real yearly volume."),
    ):
        command = option(command)
    return command


@sandbox.command("up")
def sandbox_up() -> int:
    """Start its servers."""
    from creditflow import sandbox as control

    settings = installation()
    warehouse(settings)
    control.up(settings)
    return 0


@sandbox.command("down")
def sandbox_down() -> int:
    """Stop its servers."""
    from creditflow import sandbox as control

    control.down(installation())
    return 0


@sandbox.command("seed")
@_shape_options
def sandbox_seed(scale: float, years: int, seed: int, as_of: dt.date | None) -> int:
    """Make the city."""
    _city(scale, years, seed, as_of)
    return 0


@sandbox.command("deliver")
@_shape_options
def sandbox_deliver(scale: float, years: int, seed: int, as_of: dt.date | None) -> int:
    """Put out what the departments deliver up to a day."""
    from creditflow import sandbox as control

    settings, shape, day = _city(scale, years, seed, as_of)
    control.deliver(settings, shape, day)
    return 0


def _city(scale: float, years: int, seed: int, as_of: dt.date | None) -> tuple[Settings, Shape, dt.date]:
    """The seeded city, with its servers up."""
    from creditflow import sandbox as control

    settings = installation()
    warehouse(settings)
    control.up(settings)
    shape, day = control.Shape(scale, years, seed), as_of or dt.date.fromisoformat(DEFAULT_AS_OF)
    control.seed(settings, shape, day)
    return settings, shape, day
