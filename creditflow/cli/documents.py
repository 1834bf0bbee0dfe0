"""Command that documents the warehouse: docs."""

from __future__ import annotations

import click

from creditflow.cli.output import installation, warehouse


@click.command()
@click.option(
    "--pages", is_flag=True, help="Only write docs/dictionary.md and the entity diagram anew, from the contracts."
)
@click.option("--check", is_flag=True, help="Only say whether those pages agree with the contracts.")
def docs(pages: bool, check: bool) -> int:
    """The warehouse documented: one HTML file that opens offline, the data dictionary, the entity diagram."""
    from creditflow.warehouse import dictionary
    from creditflow.warehouse.docs import build_docs

    settings = installation()
    if check:
        stale = dictionary.drifted(settings.project)
        for name in stale:
            click.echo(f"{name} 与合同不符 / no longer agrees with the contracts: creditflow docs --pages")
        return 1 if stale else 0
    for name in dictionary.write(settings.project):
        click.echo(name)
    if not pages:
        warehouse(settings)
        click.echo(str(build_docs(settings)))
    return 0
