"""Commands that only tell: sources, thresholds, report."""

from __future__ import annotations

import dataclasses
import datetime as dt
import getpass
from pathlib import Path
from typing import Any, Literal

import click

from creditflow.cli.output import as_json, as_of_option, business_date, installation, show_json, warehouse


@click.group()
def sources() -> None:
    """The registry: who supplies what, how, and on what legal ground."""


@sources.command("list")
@as_json
def list_sources(as_json: bool) -> int:
    """All departments and the suppliers outside them."""
    from creditflow.registry import load

    registry = load(installation().project)
    rows: list[dict[str, Any]] = [
        {
            "code": item.code,
            "name_zh": item.name_zh,
            "name_en": item.name_en,
            "external": item.external,
            "tier": item.tier,
            "channel": item.channel,
            "cadence": item.cadence,
            "feeds": list(item.feeds),
        }
        for item in registry.all().values()
    ]
    if as_json:
        show_json({"departments": rows})
        return 0
    from rich.table import Table

    from creditflow.cli.output import console

    table = Table(box=None, header_style="bold")
    for name in ("code", "部门", "tier", "channel", "cadence", "feeds"):
        table.add_column(name)
    for row in rows:
        table.add_row(row["code"], row["name_zh"], row["tier"], row["channel"], row["cadence"], " ".join(row["feeds"]))
    console().print(table)
    return 0


@sources.command()
@click.argument("department")
@as_json
def show(department: str, as_json: bool) -> int:
    """One department, complete: its feeds with every heading they understand."""
    from creditflow.cli.output import feed_exists
    from creditflow.registry import load

    registry = load(installation().project)
    feed_exists(registry, department, None)
    answer = _plain(dataclasses.asdict(registry.all()[department]))
    if as_json:
        show_json(answer)
    else:
        import yaml

        click.echo(yaml.safe_dump(answer, allow_unicode=True, sort_keys=False, width=110), nl=False)
    return 0


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    return str(value) if isinstance(value, Path) else value


@sources.command()
@click.option("--write", is_flag=True, help="Write sources/schema.json for editors anew first.")
@as_json
def check(write: bool, as_json: bool) -> int:
    """Read everything strictly; every problem with its file and line."""
    from creditflow.registry import check as problems_of
    from creditflow.registry import load, write_schema

    project = installation().project
    if write:
        write_schema(project)
    problems = problems_of(project)
    if as_json:
        show_json({"problems": [{"file": p.file, "line": p.line, "message": p.message} for p in problems]})
    elif problems:
        for problem in problems:
            click.echo(str(problem))
    else:
        registry = load(project)
        click.echo(f"{len(registry.departments)} departments, {len(registry.external)} external: no problem")
    return 1 if problems else 0


@click.command()
@click.argument("departments", nargs=-1)
def thresholds(departments: tuple[str, ...]) -> int:
    """Propose limits for DEPARTMENTS (default: all 43) from their own past deliveries, as YAML.

    Nothing is in force until a person accepts it: fill in accepted_by, accepted_on and reason, and put the
    department's block into expectations/departments/<code>.yml.
    """
    settings = installation()
    warehouse(settings)

    from creditflow.cli.output import feed_exists
    from creditflow.quality.thresholds import propose_thresholds
    from creditflow.registry import load

    registry = load(settings.project)
    for code in departments:
        feed_exists(registry, code, None)
    click.echo(propose_thresholds(settings, registry, departments or None), nl=False)
    return 0


@click.group()
def report() -> None:
    """Pages for the credit office."""


@report.command()
@as_of_option("Business date.  [default: the published build's]")
@as_json
def quality(as_of: dt.date | None, as_json: bool) -> int:
    """Write the morning pages under .creditflow/site; --json answers with their figures instead."""
    settings = installation()
    warehouse(settings)

    from creditflow.report import quality_figures, quality_site

    day = business_date(settings, as_of)
    if as_json:
        show_json(quality_figures(settings, day))
    else:
        click.echo(quality_site(settings, day))
    return 0


@report.command()
@click.argument("batch_id", metavar="BATCH")
@click.option(
    "--data-docs", is_flag=True, help="Also list every verdict as Great Expectations Data Docs, linked from the page."
)
@as_of_option("Business date.  [default: the published build's]")
def batch(batch_id: str, data_docs: bool, as_of: dt.date | None) -> int:
    """Write the page of one delivery anew; tells where it lies, and where its Data Docs."""
    settings = installation()
    warehouse(settings)

    from creditflow.report import NoSuchDelivery, batch_page
    from creditflow.report import data_docs as write_docs

    try:
        docs = write_docs(settings, batch_id) if data_docs else None
        click.echo(batch_page(settings, business_date(settings, as_of), batch_id))
    except NoSuchDelivery as problem:
        raise click.ClickException(str(problem)) from None
    if docs:
        click.echo(docs)
    return 0


@report.command()
@click.argument("uscc")
@as_of_option("Business date.  [default: the published build's]")
@click.option(
    "--scope",
    type=click.Choice(["public", "government", "subject"]),
    default="public",
    show_default=True,
    help="Who will read it; decides what is shown and what is masked.",
)
@click.option("--purpose", required=True, help="Why it is asked for; kept in the query log.")
@click.option("--by", "asked_by", default=getpass.getuser, help="Who asks.  [default: the system user]")
@click.option("--authorisation", default="", help="Number of the written authorisation, where one is needed.")
def subject(
    uscc: str,
    as_of: dt.date | None,
    scope: Literal["public", "government", "subject"],
    purpose: str,
    asked_by: str,
    authorisation: str,
) -> int:
    """The credit report of the subject with this unified social credit code; every query is logged."""
    settings = installation()
    warehouse(settings)

    from creditflow.report import subject as write

    page = write(
        settings,
        uscc,
        business_date(settings, as_of),
        scope=scope,
        purpose=purpose,
        asked_by=asked_by,
        authorisation=authorisation,
    )
    click.echo(page)
    return 0


@report.command()
@as_of_option("Business date.  [default: the published build's]")
def scores(as_of: dt.date | None) -> int:
    """Write the monthly fairness checks of the scores, and what a scorecard on trial would move; tells where it lies."""
    settings = installation()
    warehouse(settings)

    from creditflow.report import score_report

    click.echo(score_report(settings, business_date(settings, as_of)))
    return 0
