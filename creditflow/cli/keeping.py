"""Commands that keep the installation lawful and safe over years: keys, retention, backup, metrics."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import click

from creditflow.cli.output import as_json, as_of_option, business_date, installation, show_json, warehouse


@click.group()
def keys() -> None:
    """The keys of personal numbers: which are in force, and how they are replaced."""


@keys.command("show")
@as_json
def keys_show(as_json: bool) -> int:
    """Ids of the keys in force and of those kept to open older texts; never a key."""
    settings = installation()
    found = settings.keys()
    answer = {"key_id": found.key_id, "previous": [item.key_id for item in found.previous]}
    if as_json:
        show_json(answer)
    else:
        click.echo(f"{found.key_id}  previous: {', '.join(answer['previous']) or '-'}")
    return 0


@keys.command("rotate")
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the new keys here, for a key service or a mounted secret.  [default: in place]",
)
@as_json
def keys_rotate(to: Path | None, as_json: bool) -> int:
    """Make new keys and every hash and ciphertext anew. No night may run meanwhile."""
    from creditflow.ops.keys import rotate

    settings = installation()
    warehouse(settings)
    done = rotate(settings, to=to)
    if as_json:
        show_json(vars(done))
    else:
        click.echo(
            f"{done.old} -> {done.new}: {done.persons} 个号码，{done.values} 处更新 / "
            f"{done.persons} numbers, {done.values} values made anew in {done.tables} tables"
        )
        if to is not None:
            click.echo(f"请将 {to} 存入密钥服务 / put {to} where the keys are kept, before the next delivery", err=True)
    return 0


@keys.command("retire")
@click.option("--yes", is_flag=True, help="Do not ask before forgetting.")
def keys_retire(yes: bool) -> int:
    """Forget the previous keys for good; what was made with them can no longer be opened."""
    from creditflow.ops.keys import retire

    if not yes:
        click.confirm("永久删除旧密钥 / forget the previous keys for good?", abort=True, err=True)
    gone = retire(installation())
    click.echo(f"已删除 / forgotten: {', '.join(gone) or '-'}")
    return 0


@click.group()
def retention() -> None:
    """What the law no longer lets us keep: look, delete, and legal holds."""


@retention.command("due")
@as_of_option("Business date.  [default: that of the published build]")
@as_json
def retention_due(as_of: dt.date | None, as_json: bool) -> int:
    """What is past its period; deletes nothing."""
    from creditflow.ops.retention import due

    settings = installation()
    warehouse(settings)
    return _retained(due(settings, business_date(settings, as_of)), as_json)


@retention.command("delete")
@as_of_option("Business date.  [default: that of the published build]")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@as_json
def retention_delete(as_of: dt.date | None, yes: bool, as_json: bool) -> int:
    """Delete what is past its period; a hash stays, and a report under home/retention/."""
    from creditflow.ops.retention import delete

    settings = installation()
    warehouse(settings)
    day = business_date(settings, as_of)
    if not yes:
        click.confirm(f"删除截至 {day} 到期的数据 / delete what is past its period on {day}?", abort=True, err=True)
    return _retained(delete(settings, day), as_json)


@retention.command("hold")
@click.option("--subject", "subject_id", metavar="UUID", help="Everything about this subject.")
@click.option("--record", "record_id", metavar="UUID", help="This one record.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--reason", required=True)
@click.option("--by", required=True, help="Who orders it.")
@as_of_option("From this business date.  [default: that of the published build]")
def retention_hold(
    subject_id: str | None, record_id: str | None, everything: bool, reason: str, by: str, as_of: dt.date | None
) -> int:
    """Place a legal hold: what it names is not deleted until it is lifted."""
    from creditflow.ops.retention import hold

    if sum(map(bool, (subject_id, record_id, everything))) != 1:
        raise click.UsageError("give exactly one of --subject, --record, --all")
    settings = installation()
    warehouse(settings)
    day = business_date(settings, as_of)
    number = hold(settings, reason=reason, by=by, on=day, subject_id=subject_id, record_id=record_id)
    click.echo(f"保全 / hold {number}")
    return 0


@retention.command("lift")
@click.argument("hold_id", type=int)
@click.option("--by", required=True, help="Who orders it.")
@as_of_option("From this business date.  [default: that of the published build]")
def retention_lift(hold_id: int, by: str, as_of: dt.date | None) -> int:
    """Lift a legal hold."""
    from creditflow.ops.retention import lift

    settings = installation()
    warehouse(settings)
    if lift(settings, hold_id, by=by, on=business_date(settings, as_of)):
        click.echo(f"已解除 / lifted: {hold_id}")
        return 0
    click.echo(f"没有生效的保全 {hold_id} / no hold {hold_id} is in force", err=True)
    return 1


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--keys-to", type=click.Path(path_type=Path, dir_okay=False), help="Write the key file here, apart.")
@as_json
def backup(folder: Path, keys_to: Path | None, as_json: bool) -> int:
    """Back up database and archive into a new FOLDER; the keys only where --keys-to says."""
    from creditflow.ops.backup import backup as make

    settings = installation()
    warehouse(settings)
    manifest = make(settings, folder, keys_to=keys_to)
    if as_json:
        show_json(manifest)
    else:
        click.echo(f"构建 / build {manifest['build']}, 归档文件 / archived files {manifest['archive_files']}: {folder}")
        if keys_to is None:
            click.echo(
                f"密钥 {manifest['key_id']} 不在备份中，请另行保管 / the keys are not in it: keep them apart", err=True
            )
    return 0


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--keys-from", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Key file to take.")
@as_json
def restore(folder: Path, keys_from: Path | None, as_json: bool) -> int:
    """Restore a backup into an empty installation and compare every digest."""
    from creditflow.ops.backup import restore as bring

    done = bring(installation(), folder, keys_from=keys_from)
    if as_json:
        show_json(vars(done))
    else:
        click.echo(
            f"构建 / build {done.build}, {done.files} files, {done.views - len(done.different)}/{done.views} digests equal"
        )
    for name in done.different:
        click.echo(f"摘要不符 / digest differs: publish.{name}", err=True)
    return 1 if done.different else 0


@click.command()
def metrics() -> int:
    """Figures about the pipeline in Prometheus' text format."""
    from creditflow.ops.metrics import exposition

    settings = installation()
    warehouse(settings)
    click.echo(exposition(settings), nl=False)
    return 0


def _retained(report: dict[str, Any], as_json: bool) -> int:
    if as_json:
        show_json(report)
        return 0
    for line in report["rules"]:
        click.echo(
            f"{line['rule']} {line['what']}: {line['records']} records, {line['rows']} rows; kept: "
            f"{line['kept_by_legal_hold']} by legal hold, {line['kept_by_serious_list']} by a serious list. {line['zh']}"
        )
    done = "已处理 / done" if report["deleted"] else "到期 / due"
    click.echo(f"{report['as_of']} {done}: {report['records']}")
    return 0
