"""Every command of every runbook is one that exists, with options that exist; its SQL runs on a warehouse."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from creditflow.cli.main import creditflow
from tests.conftest import PROJECT, Warehouse

RUNBOOKS = PROJECT / "docs" / "runbooks"
PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.name != "README.md")
COMMANDS = [
    (path.name, line)
    for path in PAGES
    for block in re.findall(r"^```\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def resolved(arguments: list[str]) -> click.Context:
    """The innermost command with its options parsed, not run. Raises UsageError as the command line would."""
    context = creditflow.make_context("creditflow", arguments)
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            break
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context


def test_every_page_is_on_the_first_one_and_has_commands() -> None:
    first = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in PAGES} == set(re.findall(r"\]\(([a-z-]+\.md)\)", first))
    assert {name for name, _ in COMMANDS} == {path.name for path in PAGES}


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_the_command_exists_as_written(page: str, line: str, tmp_path: Path, warehouse: Warehouse) -> None:
    there = tmp_path / "there"
    there.write_text("")
    words = {"FILE": str(there), "KEYFILE": str(there), "FOLDER": str(tmp_path), "EARLIER": "1", "LATER": "2"}
    program, *arguments = [words.get(word, word) for word in shlex.split(line)]
    assert program == "creditflow"
    context = resolved(arguments)
    assert not isinstance(context.command, click.Group) or context.command.invoke_without_command
    if context.command.name == "psql":
        warehouse.query(arguments[arguments.index("-c") + 1])


@pytest.mark.parametrize("line", ["gate releese B --reason x", "backup", "keys rotate --too x", "rollback one"])
def test_a_command_that_does_not_exist_would_be_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        resolved(line.split())
