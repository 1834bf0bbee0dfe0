"""Commands that go through history again: rebuild, replay."""

from __future__ import annotations

import datetime as dt
import getpass
from typing import TYPE_CHECKING

import click

from creditflow.cli.output import (
    DAY,
    as_json,
    feed_exists,
    installation,
    known_departments,
    progress,
    show_json,
    tell_difference,
    warehouse,
)

if TYPE_CHECKING:
    from creditflow.ops.journal import Entry


@click.command()
@as_json
def rebuild(as_json: bool) -> int:
    """Make the warehouse again, build by build, from the archive alone; into an empty database.

    Stopped, it goes on where it was. The person keys must be those of the archive (CREDITFLOW_KEY_FILE).
    """
    settings = installation()
    warehouse(settings)

    from creditflow.rebuild import rebuild as make_again

    with progress(counted=True) as shown:
        line = shown.add_task("rebuild", total=None)

        def tell(done: int, entries: int, entry: Entry) -> None:
            what = entry.body.get("batch_id") or entry.body.get("build_no") or entry.body.get("as_of") or ""
            shown.update(line, completed=done, total=entries, description=f"{entry.kind} {what}")

        summary = make_again(settings, tell)
        shown.update(line, completed=summary.entries, total=summary.entries, description="rebuild")
    if as_json:
        show_json(summary.as_dict())
    else:
        click.echo(
            f"重建完成，当前发布 / rebuilt, published now: build {summary.build} ({summary.entries:,} steps,"
            f" {summary.batches:,} batches, {summary.builds:,} builds, {summary.seconds:.0f} s)"
        )
        for batch_id in summary.not_landed:
            click.echo(f"下次采集时入库 / the next ingest lands it: {batch_id}")
    return 0


_by = click.option("--by", default=getpass.getuser, help="Who decides.  [default: the system user]")


@click.group(invoke_without_command=True)
@click.option("--from", "first", type=DAY, help="First night whose deliveries are interpreted again.")
@click.option("--to", "last", type=DAY, help="Last of these nights.")
@click.option("--department", help="Only this department's.  [default: all]")
@click.option("--reason", help="Which rule changed, and why; kept for ever.")
@click.option("--yes", is_flag=True, help="Publish at once, without a look at the difference first.")
@_by
@as_json
@click.pass_context
def replay(
    context: click.Context,
    first: dt.date | None,
    last: dt.date | None,
    department: str | None,
    reason: str | None,
    yes: bool,
    by: str,
    as_json: bool,
) -> int:
    """Interpret the archived deliveries of a span of nights again, after a rule changed or a reader was mended.

    The answer is one new build and its difference to what readers see. Nobody sees it before `creditflow replay accept`;
    `creditflow replay withdraw` gives it up, and so does whatever is delivered, decided or built first. Stopped or killed,
    it goes on where it was when the same command is given again.
    """
    if context.invoked_subcommand is not None:
        return 0
    if first is None or last is None or not reason:
        raise click.UsageError("give --from DATE, --to DATE and --reason TEXT, or a command: accept, withdraw")
    if last < first:
        raise click.UsageError("--to is before --from")
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)
    if department is not None:
        feed_exists(registry, department, None)

    from creditflow.replay import accept as publish_it
    from creditflow.replay import propose

    with progress(counted=False) as shown:
        line = shown.add_task("replay", total=None)
        found = propose(
            settings,
            registry,
            first,
            last,
            reason,
            by,
            department,
            lambda step, done, of: shown.update(line, completed=done, total=of, description=step),
        )
    if yes:
        publish_it(settings, registry, by)
    if as_json:
        show_json({**found.as_dict(), "accepted": yes})
        return 0
    for batch in found.batches:
        before, after = batch["before"], batch["after"]
        click.echo(
            f"{batch['batch_id']}: {before['state']} -> {after['state']},"
            f" 通过 / accepted {before['rows_accepted']:,} -> {after['rows_accepted']:,},"
            f" 退回 / rejected {before['rows_rejected']:,} -> {after['rows_rejected']:,}"
        )
    tell_difference(found.difference)
    if found.resumed_at:
        click.echo(f"接续上次 / went on with an interrupted replay: {found.resumed_at:,} 个批次 / deliveries were done")
    click.echo(f"{found.deliveries:,} 个批次 / deliveries; build {found.published} -> {found.build_no}", nl=False)
    click.echo("，已发布 / published" if yes else "：creditflow replay accept | creditflow replay withdraw")
    return 0


@replay.command("accept")
@_by
@as_json
def replay_accept(by: str, as_json: bool) -> int:
    """Publish the replay that waits."""
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)

    from creditflow.replay import accept

    number = accept(settings, registry, by)
    if as_json:
        show_json({"build": number})
    else:
        click.echo(f"当前发布 / published now: build {number}")
    return 0


@replay.command("withdraw")
@_by
@as_json
def replay_withdraw(by: str, as_json: bool) -> int:
    """Give the replay that waits up; everything stays as readers see it."""
    settings = installation()
    warehouse(settings)

    from creditflow.replay import withdraw

    found = withdraw(settings, by)
    if as_json:
        show_json({"withdrawn": found})
    else:
        click.echo("已撤回 / withdrawn" if found else "没有待确认的重新解释 / no replay waits")
    return 0 if found else 1
