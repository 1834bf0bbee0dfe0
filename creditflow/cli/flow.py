"""Commands that move data one step: ingest, drop, gate, build, publish, rollback, diff; and the decisions on a held batch."""

from __future__ import annotations

import datetime as dt
import getpass
from pathlib import Path
from typing import Any

import click

from creditflow.cli.output import (
    answer_batches,
    as_json,
    as_of_option,
    business_date,
    feed_exists,
    installation,
    known_departments,
    progress,
    show_json,
    tell_difference,
    warehouse,
)


@click.command()
@click.argument("department")
@click.option("--feed", help="Only this feed.")
@as_of_option("Business date of the night this belongs to.")
@click.option("--gate/--no-gate", "judge", default=True, show_default=True, help="Judge what landed at once.")
@as_json
def ingest(department: str, feed: str | None, as_of: dt.date | None, judge: bool, as_json: bool) -> int:
    """Fetch what is new from DEPARTMENT, archive it, land it, judge it."""
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)
    feed_exists(registry, department, feed)

    from creditflow.ingest import ingest_department

    day = business_date(settings, as_of)
    done = ingest_department(settings, registry, department, day, feeds=[feed] if feed else None)
    batch_ids = [batch.batch_id for batch in done]
    if judge and batch_ids:
        from creditflow.quality import gate as judge_batches

        judge_batches(settings, registry, batch_ids)
    return answer_batches(settings, batch_ids, as_json)


@click.command()
@click.argument("department")
@click.argument("feed")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_of_option("Business date of the night this belongs to.")
@click.option("--gate/--no-gate", "judge", default=True, show_default=True, help="Judge what landed at once.")
@as_json
def drop(department: str, feed: str, files: tuple[Path, ...], as_of: dt.date | None, judge: bool, as_json: bool) -> int:
    """Deliver FILES by hand for FEED of DEPARTMENT: the same path as every other delivery."""
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)
    feed_exists(registry, department, feed)

    from creditflow.ingest import drop as deliver

    day = business_date(settings, as_of)
    with progress(counted=False) as shown:
        line = shown.add_task(f"{department} {feed}", total=sum(path.stat().st_size for path in files))
        done = deliver(
            settings,
            registry,
            department,
            feed,
            list(files),
            day,
            lambda path: shown.update(line, advance=path.stat().st_size, description=path.name),
        )
    batch_ids = [batch.batch_id for batch in done]
    if judge:
        from creditflow.quality import gate as judge_batches
        from creditflow.quality.morning import settle

        judge_batches(settings, registry, batch_ids)
        settle(settings, registry, day)
    return answer_batches(settings, batch_ids, as_json)


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def gate(context: click.Context, as_json: bool) -> int:
    """Judge every batch that waits; or decide on one that is held (release, refuse)."""
    if context.invoked_subcommand is not None:
        return 0
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)

    from creditflow.ops.database import transaction
    from creditflow.quality import gate as judge_batches

    with transaction(settings, "waiting batches") as conn, conn.cursor() as cursor:
        cursor.execute("select batch_id, rows_read from ops.batch where state in ('archived', 'landed') order by 1")
        rows = dict(cursor.fetchall())
    with progress(counted=False) as shown:
        line = shown.add_task("gate", total=sum(rows.values()))
        judge_batches(
            settings,
            registry,
            tell=lambda batch_id: shown.update(line, advance=rows.get(batch_id, 0), description=batch_id),
        )
    return answer_batches(settings, list(rows), as_json)


@click.command()
@as_of_option("Business date of the build; lists and scores are as of this day.")
@click.option("--publish/--no-publish", "move", default=False, help="Move the pointer when the tests pass.")
@as_json
def build(as_of: dt.date | None, move: bool, as_json: bool) -> int:
    """Build subjects, lists and scores from all accepted batches; readers see it after `publish`."""
    settings = installation()
    warehouse(settings)
    known_departments(settings)

    from creditflow.warehouse import build as make
    from creditflow.warehouse import publish as move_pointer

    done = make(settings, business_date(settings, as_of))
    if move:
        move_pointer(settings, done.build_no)
    if as_json:
        show_json({"build": done.build_no, "published": move})
    else:
        click.echo(f"构建 / build {done.build_no}: {'published' if move else 'tested; creditflow publish shows it'}")
    return 0


@click.command()
@click.argument("build_no", metavar="[BUILD]", type=int, required=False)
@as_json
def publish(build_no: int | None, as_json: bool) -> int:
    """Show readers BUILD (default: the newest tested one)."""
    settings = installation()
    warehouse(settings)

    from creditflow.warehouse import publish as move_pointer

    move_pointer(settings, build_no)
    return _pointer(settings, as_json)


@click.command()
@click.argument("build_no", metavar="[BUILD]", type=int, required=False)
@click.option("--reason", default="未说明 / not given", help="Why; kept for ever.")
@click.option("--by", "decided_by", default=getpass.getuser, help="Who decides.  [default: the system user]")
@as_json
def rollback(build_no: int | None, reason: str, decided_by: str, as_json: bool) -> int:
    """Show readers an earlier BUILD again (default: the one before)."""
    settings = installation()
    warehouse(settings)

    from creditflow.warehouse import rollback as move_back

    move_back(settings, build_no, reason=reason, decided_by=decided_by)
    return _pointer(settings, as_json)


def _pointer(settings: Any, as_json: bool) -> int:
    from creditflow.ops.database import transaction

    with transaction(settings, "tell pointer") as conn, conn.cursor() as cursor:
        cursor.execute("select build_no, as_of from ops.pointer")
        number, day = cursor.fetchone() or (0, None)
    if as_json:
        show_json({"build": number, "as_of": day})
    else:
        click.echo(f"当前发布 / published now: build {number} ({day})")
    return 0


@click.command()
@click.argument("build_a", metavar="A", type=int)
@click.argument("build_b", metavar="B", type=int)
@as_json
def diff(build_a: int, build_b: int, as_json: bool) -> int:
    """What changed for readers between builds A and B: rows by kind, list memberships, grades that moved."""
    settings = installation()
    warehouse(settings)

    from creditflow.warehouse import diff as compare
    from creditflow.warehouse import explain

    explained = explain(settings, build_a, build_b)
    if as_json:
        tables = compare(settings, build_a, build_b)
        show_json({"a": build_a, "b": build_b, "tables": tables, **explained.as_dict()})
        return 0
    tell_difference(explained)
    return 0


@click.command()
@click.argument("batch_id", metavar="BATCH")
@click.option("--reason", required=True, help="Why; kept for ever.")
@click.option("--by", "decided_by", default=getpass.getuser, help="Who decides.  [default: the system user]")
def release(batch_id: str, reason: str, decided_by: str) -> int:
    """Let a held BATCH through."""
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)

    from creditflow.quality import release as let_through

    let_through(settings, registry, batch_id, reason, decided_by)
    return answer_batches(settings, [batch_id], False)


@click.command()
@click.argument("batch_id", metavar="BATCH")
@click.option("--reason", required=True, help="Why; kept for ever.")
@click.option("--by", "decided_by", default=getpass.getuser, help="Who decides.  [default: the system user]")
def refuse(batch_id: str, reason: str, decided_by: str) -> int:
    """Refuse a held BATCH for good; the department delivers again."""
    settings = installation()
    warehouse(settings)

    from creditflow.quality import refuse as turn_down

    turn_down(settings, batch_id, reason, decided_by)
    answer_batches(settings, [batch_id], False)
    return 0


@click.command("check")
@as_json
def check_rules(as_json: bool) -> int:
    """Read the rule files strictly; every problem with its file and line. Nothing is judged."""
    project = installation().project

    from creditflow.quality.marked_yaml import RuleBookError
    from creditflow.quality.rulebook import load_rulebook
    from creditflow.registry import load

    problems: tuple[Any, ...] = ()
    book = None
    try:
        book = load_rulebook(project, load(project))
    except RuleBookError as refused:
        problems = tuple(refused.problems)
    if as_json:
        show_json({"problems": [{"file": p.file, "line": p.line, "message": p.message} for p in problems]})
    elif book is not None:
        rules = {rule.rule_id for found in (*book.kinds.values(), *book.departments.values()) for rule in found}
        click.echo(f"{len(rules)} 条规则，没有问题 / rules: no problem")
    else:
        for problem in problems:
            click.echo(str(problem))
    return 1 if problems else 0


for _command in (release, refuse, check_rules):
    gate.add_command(_command)
