"""The command line: quick to start, clear when used wrongly, silent about rows when something breaks."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from creditflow.cli import main
from creditflow.cli.main import creditflow
from tests.conftest import PROJECT

HEAVY = {"airflow", "great_expectations", "dbt", "pandas", "psycopg2", "pydantic", "rich", "httpx", "lxml", "yaml"}
COMMANDS = {
    "sources",
    "sandbox",
    "ingest",
    "drop",
    "gate",
    "build",
    "publish",
    "rollback",
    "diff",
    "rebuild",
    "replay",
    "night",
    "report",
    "decide",
    "review",
    "up",
    "down",
    "dsn",
    "psql",
    "doctor",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CREDITFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CREDITFLOW_WAREHOUSE_URL", raising=False)
    return tmp_path / "home"


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(creditflow.commands) >= COMMANDS

    def walk(group: click.Group, path: list[str]) -> None:
        for name, command in group.commands.items():
            assert command.help, " ".join([*path, name])
            if isinstance(command, click.Group):
                walk(command, [*path, name])
            elif name != "psql":  # its options are psql's
                assert main([*path, name, "--help"]) == 0
                assert "Usage: creditflow" in capsys.readouterr().out

    walk(creditflow, [])


def test_help_loads_nothing_heavy() -> None:
    script = "import sys, creditflow.cli.main; print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert HEAVY & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["ingest"],
        ["night", "--as-of", "2026-13-01"],
        ["night", "--as-of", "yesterday"],
        ["drop", "sjgj", "registration", "/no/such/file.csv"],
        ["decide", "release", "SOME-BATCH"],
        ["build", "--json", "surplus"],
    ],
)
def test_wrong_usage_is_status_2_and_touches_nothing(arguments: list[str], home: Path) -> None:
    assert main(arguments) == 2
    assert not home.exists()


def test_our_errors_are_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from creditflow.settings import SettingsError

    def fail(_: object) -> None:
        raise SettingsError("缺少凭据 / set CREDITFLOW_CONN_X")

    monkeypatch.setattr("creditflow.ops.doctor.examine", fail)
    assert main(["doctor"]) == 1
    shown = capsys.readouterr()
    assert shown.err == "creditflow: 缺少凭据 / set CREDITFLOW_CONN_X\n"
    assert shown.out == ""


def test_a_strangers_error_tells_its_place_but_not_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise ValueError("DETAIL: Key (person_id_no)=(440500199001011234) already exists")

    monkeypatch.setattr("creditflow.ops.doctor.examine", fail)
    assert main(["doctor"]) == 1
    shown = capsys.readouterr()
    assert "internal error: ValueError in" in shown.err
    assert "44050" not in shown.err + shown.out
    assert "Traceback" not in shown.err


def test_figures_are_one_json_object_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sources", "list", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert sum(not item["external"] for item in answer["departments"]) == 43
    assert main(["sources", "show", "jyj", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == "jyj"


def test_sources_check_names_file_and_line_and_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CREDITFLOW_PROJECT", str(project))
    assert main(["sources", "check"]) == 0
    capsys.readouterr()
    file = project / "sources" / "jyj.yml"
    file.write_text(file.read_text() + "\nsurplus_key: 1\n")
    assert main(["sources", "check", "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert any(item["file"].endswith("jyj.yml") and item["line"] > 1 for item in problems)


def test_gate_check_names_file_and_line_of_a_faulty_rule_and_fails(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CREDITFLOW_PROJECT", str(project))
    assert main(["gate", "check"]) == 0
    assert "没有问题" in capsys.readouterr().out
    file = project / "expectations" / "kinds" / "permit.yml"
    file.write_text(file.read_text() + '  - {rule: "R02-{COLUMN}", check: clean_text, column: no_such_column}\n')
    assert main(["gate", "check", "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["file"].endswith("permit.yml")
    assert problem["line"] == len(file.read_text().splitlines())
    assert "no_such_column" in problem["message"]


def test_doctor_on_a_new_machine_finds_work_to_do_but_nothing_ill(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert main(["doctor", "--json"]) == 0
    levels = {item["name"]: item["level"] for item in json.loads(capsys.readouterr().out)["findings"]}
    assert levels["versions"] == "ok"
    assert levels["registry"] == "ok"
    assert levels["warehouse"] == "warn"
    assert not home.exists()


def test_doctor_calls_a_key_that_others_can_read_ill(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from creditflow.settings import Keys

    file = tmp_path / "keys.json"
    file.write_text(Keys.fresh().text())
    file.chmod(0o644)
    monkeypatch.setenv("CREDITFLOW_KEY_FILE", str(file))
    assert main(["doctor", "--json"]) == 1
    found = {item["name"]: item for item in json.loads(capsys.readouterr().out)["findings"]}
    assert found["keys"]["level"] == "ill"
    file.chmod(0o600)
    assert main(["doctor", "--json"]) == 0


def test_the_package_never_imports_airflow_and_imports_great_expectations_and_dbt_in_one_place_each() -> None:
    users: dict[str, set[str]] = {"airflow": set(), "great_expectations": set(), "dbt": set(), "sandbox": set()}
    for path in sorted((PROJECT / "creditflow").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                root = name.partition(".")[0]
                if root in users:
                    users[root].add(path.relative_to(PROJECT).as_posix())
    assert users["airflow"] == set()
    assert users["sandbox"] == set()
    assert len(users["great_expectations"]) <= 1
    assert len(users["dbt"]) <= 1
