"""Commands of the credit office: decide about records and subjects, look at what waits for a person."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from creditflow.cli.flow import refuse, release
from creditflow.cli.output import (
    answer_batches,
    as_json,
    as_of_option,
    business_date,
    console,
    feed_exists,
    installation,
    known_departments,
    show_json,
    warehouse,
)

_by = click.option("--by", default=getpass.getuser, help="Who decides.  [default: the system user]")
_reason = click.option("--reason", required=True, help="Why; kept for ever.")
_dated = as_of_option("Business date of the decision.  [default: the published build's]")


@click.group()
def decide() -> None:
    """Decisions by people; archived, and repeated by a rebuild.

    \b
    About a record:    creditflow decide repair --kind penalty --document 汕市监罚〔2026〕1号 --reason 已纠正
    About subjects:    creditflow decide same 91440500MA4X022965 --record RECORD --reason 地址一致
    Many at once:      creditflow decide template 决定.xlsx, fill it in,
                       creditflow drop x_credit_office decision 决定.xlsx
    """


for _of_the_pipeline in (release, refuse):
    decide.add_command(_of_the_pipeline)


def _send(decision_type: str, by: str, as_of: dt.date | None, ahead: bool, as_json: bool, **about: Any) -> int:
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)

    from creditflow.decisions import Decision
    from creditflow.decisions import decide as enter

    day = business_date(settings, as_of)
    remark = f"录入：{getpass.getuser()}"
    decision = Decision(decision_type, about.pop("reason"), by, day, remark=remark, **about)
    decision, batch_ids = enter(settings, registry, decision, day, ahead=ahead)
    if not as_json:
        click.echo(f"{decision.document_no}: 已登记，下次构建生效 / entered, takes effect with the next build")
        if decision_type == "deletion":
            click.echo(
                f"须第二人复核 / needs a second person: creditflow decide confirm {decision.document_no} --by ..."
            )
    return answer_batches(settings, batch_ids, as_json, decision=decision.document_no)


def _about_a_record(
    name: str, decision_type: str, text: str, value: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
) -> None:
    """Add the command `decide <name>`: a decision of this type about one record."""

    @click.option("--kind", "target_kind", required=True, help="Kind of the record, such as penalty.")
    @click.option("--document", "target_document_no", help="Its document number.")
    @click.option("--record", "target_record_id", help="Or its record id.")
    @click.option("--uscc", "subject_uscc", help="Code of the party, where a document has several.")
    @click.option("--ahead", is_flag=True, help="The record has not arrived yet: the decision waits for it.")
    @_reason
    @_by
    @_dated
    @as_json
    def command(**given: Any) -> int:
        return _send(decision_type, **given)

    if value is not None:
        command = value(command)
    decide.add_command(click.command(name, help=text)(command))


_about_a_record("repair", "repair", "The penalty or entry is repaired: gone from public, sharing, use and score.")
_about_a_record("objection-upheld", "objection_upheld", "An objection is right: the record is taken away.")
_about_a_record("objection-mark", "objection_mark", "An objection is being checked: mark the record as contested.")
_about_a_record("withdrawal", "withdrawal", "The authority withdrew its decision.")
_about_a_record("deletion", "deletion", "Delete a record; takes effect when a second person says `decide confirm`.")
_about_a_record("hold", "publication_hold", "Keep a record off the public site while it is looked at.")
_about_a_record(
    "regime",
    "regime_override",
    "Publication rules that apply to a penalty, whatever its date.",
    click.option("--value", "decision_value", type=click.Choice(["R2019", "R2023", "R2026"]), required=True),
)
_about_a_record(
    "severity",
    "severity",
    "Severity class of a penalty.",
    click.option("--value", "decision_value", type=click.Choice(["轻微", "一般", "严重"]), required=True),
)
_about_a_record(
    "notice-date",
    "notice_date",
    "Day on which the person behind a list entry, or the subject of a measure, was told of it; --reason says the way.",
    click.option(
        "--value", "decision_value", required=True, metavar="YYYY-MM-DD", callback=lambda *given: _day(given[2])
    ),
)
_about_a_record(
    "nominee",
    "nominee",
    "Whether the person behind a list entry only lent the name: 是, and the entry does not reach the person; 否, and it does.",
    click.option("--value", "decision_value", type=click.Choice(["是", "否"]), required=True),
)
_about_a_record(
    "split",
    "person_split",
    "The person whom a record names is not the other one under the same id, and gets an id of his own; see `review --persons`.",
)


def _day(text: str) -> str:
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a date (YYYY-MM-DD)") from None


def _judgement(name: str, decision_type: str, text: str) -> None:
    """Add the command `decide <name>`: whether two subjects, or a record and a subject, are the same."""

    @click.argument("subject_uscc", metavar="USCC")
    @click.argument("other_subject_uscc", metavar="[OTHER]", required=False)
    @click.option("--record", "target_record_id", help="A record of the review list instead of another subject.")
    @_reason
    @_by
    @_dated
    @as_json
    def command(**given: Any) -> int:
        return _send(decision_type, ahead=False, **given)

    decide.add_command(click.command(name, help=text)(command))


_judgement("same", "identity_same", "OTHER, or the record, is the subject USCC.")
_judgement("different", "identity_different", "OTHER, or the record, is not the subject USCC.")


@decide.command()
@click.argument("number", metavar="DECISION")
@_by
@_dated
@as_json
def confirm(number: str, by: str, as_of: dt.date | None, as_json: bool) -> int:
    """A second person's yes to the deletion DECISION."""
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)

    from creditflow.decisions import confirm as second_yes

    batch_ids = second_yes(settings, registry, number, by, business_date(settings, as_of))
    return answer_batches(settings, batch_ids, as_json, decision=number)


@decide.command("take-back")
@click.argument("number", metavar="DECISION")
@_reason
@_by
@_dated
@as_json
def take_back(number: str, reason: str, by: str, as_of: dt.date | None, as_json: bool) -> int:
    """End the effect of DECISION; it stays readable."""
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)

    from creditflow.decisions import take_back as end

    batch_ids = end(settings, registry, number, reason, by, business_date(settings, as_of))
    return answer_batches(settings, batch_ids, as_json, decision=number)


@decide.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="信用办人工决定.xlsx")
def template(file: Path) -> int:
    """Write an empty workbook with drop-down lists to FILE; `creditflow drop x_credit_office decision FILE` brings it in."""
    from creditflow.decisions import workbook
    from creditflow.registry import load

    settings = installation()
    if file.exists():
        raise click.ClickException(f"{file.name}: 文件已存在，未覆盖 / exists already, left as it is")
    file.write_bytes(workbook(load(settings.project), [], settings))
    click.echo(file)
    return 0


@decide.command()
@click.argument("department")
@click.argument("kind", type=click.Choice(["permit", "penalty"]))
@click.argument("month", type=click.DateTime(["%Y-%m"]))
@click.argument("count", type=click.IntRange(min=0))
@click.option("--reason", required=True, help="Number of the signed monthly return; kept for ever.")
@click.option("--by", "decided_by", default=getpass.getuser, help="Who enters it.  [default: the system user]")
@as_of_option("Business date of the entry.")
def produced(
    department: str, kind: str, month: dt.datetime, count: int, reason: str, decided_by: str, as_of: dt.date | None
) -> int:
    """Enter a monthly return: DEPARTMENT produced COUNT decisions of KIND in MONTH (2026-10). 上报率 counts against it."""
    settings = installation()
    warehouse(settings)
    registry = known_departments(settings)
    feed_exists(registry, department, None)

    from creditflow.quality.produced import ReturnError, declare_produced

    day = business_date(settings, as_of)
    try:
        declare_produced(
            settings,
            registry,
            department,
            kind,
            month.date(),
            count,
            reason=reason,
            decided_by=decided_by,
            as_of=day,
        )
    except ReturnError as problem:
        raise click.ClickException(str(problem)) from None
    return 0


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Rows at most.")
@click.option("--department", help="Only records of this department.")
@click.option(
    "--persons", is_flag=True, help="Persons with different numbers under one id instead; `decide split` judges."
)
@as_json
def review(limit: int, department: str | None, persons: bool, as_json: bool) -> int:
    """Records that nobody could be found for with certainty, best suggestion first; `decide same|different` judges them."""
    settings = installation()
    warehouse(settings)

    from creditflow.decisions import open_questions, shared_ids

    if persons:
        shared = shared_ids(settings)
        if as_json:
            show_json({"persons": shared})
        elif not shared:
            click.echo("没有多人共用的标识 / no id is shared by several persons")
        for row in () if as_json else shared:
            click.echo(
                f"{row['person_subject_id']}  {row['persons']} 人 / persons  "
                f"{row['record_kind']} {row['record_id'] or '-'}  {row['department'] or ''} {row['person_name'] or ''}"
            )
        return 0

    rows = open_questions(settings, limit, department)
    if as_json:
        show_json({"review": rows})
        return 0
    if not rows:
        click.echo("没有待核记录 / nothing to review")
        return 0
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for name in ("record", "kind", "部门", "记录所写名称", "建议主体", "代码", "相似度"):
        table.add_column(name)
    for row in rows:
        similarity = "" if row["similarity"] is None else f"{row['similarity']:.2f}"
        suggested = (row["suggested_name"] or "", row["suggested_uscc"] or "")
        table.add_row(
            row["record_id"], row["record_kind"], row["department"], row["party_name"], *suggested, similarity
        )
    console().print(table)
    return 0
