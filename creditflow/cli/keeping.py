"""Commands that keep the installation safe over years: keys."""

from __future__ import annotations

from pathlib import Path

import click

from creditflow.cli.output import as_json, installation, show_json, warehouse


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
