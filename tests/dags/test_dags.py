"""The DAG folder, parsed as Airflow parses it: complete, without errors, the same every time, and hard to break."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from creditflow.airflow import ingest_dag_id as dag_id
from creditflow.registry import RegistryError, load
from tests.conftest import PROJECT

Parse = Callable[..., dict[str, Any]]
OTHERS = {"quality_gate", "warehouse", "reports", "digest", "maintenance", "registry_health", "replay"}


@contextmanager
def parsing(home: Path, **environment: str) -> Iterator[Parse]:
    """A process that has Airflow imported: parse(project, **environment) -> what it finds in the DAG folder when sources/ is that
    of `project`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "CREDITFLOW"))}
    environ.update(
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{home}/unused.db",
        AIRFLOW__CORE__UNIT_TEST_MODE="False",
        CREDITFLOW_HOME=str(home / "creditflow"),
        PYTHONPATH=str(PROJECT),
        **environment,
    )
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("parse.py")), str(PROJECT / "dags")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environ,
        cwd=home,
    ) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None
        assert answers is not None

        def parse(project: Path = PROJECT, **environment: str) -> dict[str, Any]:
            asked.write(json.dumps({"CREDITFLOW_PROJECT": str(project), **environment}) + "\n")
            asked.flush()
            said = list(itertools.takewhile(lambda line: not line.startswith("END:"), answers))
            found = [line.removeprefix("JSON:") for line in said if line.startswith("JSON:")]
            assert found, "".join(said)[-3000:]
            return {**json.loads(found[0]), "log": "".join(said)}

        yield parse
        asked.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="session")
def parse(home: Path) -> Iterator[Parse]:
    """What Airflow finds in the DAG folder, here and now."""
    with parsing(home) as here:
        yield here


@pytest.fixture(scope="session")
def parsed(parse: Parse) -> dict[str, Any]:
    return parse()


@pytest.fixture(scope="session")
def dags(parsed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = parsed["dags"]
    return found


def test_no_dag_file_has_an_import_error(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}


def test_there_is_one_ingest_dag_for_each_of_the_43_and_one_for_each_supplier_outside(dags: dict[str, Any]) -> None:
    registry = load(PROJECT)
    ingests = {name for name in dags if name.startswith("ingest__")}
    assert len(ingests) == 43
    assert ingests == {f"ingest__{code}" for code in registry.departments}
    assert {name for name in dags if name.startswith("external__")} == {
        f"external__{code}" for code in registry.external
    }
    assert set(dags) == {dag_id(item) for item in registry.all().values()} | OTHERS


def test_every_department_waits_in_the_pool_of_its_channel(dags: dict[str, Any]) -> None:
    pools = json.loads((PROJECT / "dags" / "pools.json").read_text(encoding="utf-8"))
    departments = {dag_id(item): item for item in load(PROJECT).all().values()}
    assert set(pools) == {item.channel for item in departments.values()}
    assert all(pool["slots"] >= 1 for pool in pools.values())
    for name, department in departments.items():
        assert [task["pool"] for task in dags[name]["tasks"]] == [department.channel]


def test_every_task_has_an_owner_a_time_limit_and_backs_off(dags: dict[str, Any]) -> None:
    for name, dag in dags.items():
        assert dag["tasks"], name
        for task in dag["tasks"]:
            where = f"{name}.{task['id']}"
            assert task["timeout"], where
            assert task["timeout"] > 0, where
            assert task["owner"] not in ("", "airflow"), where
            assert task["backoff"], where


def test_ingest_dags_say_who_where_and_how(dags: dict[str, Any]) -> None:
    for item in load(PROJECT).all().values():
        dag = dags[dag_id(item)]
        kind = "external" if item.external else "department"
        assert {item.tier, item.channel, kind} <= set(dag["tags"])
        assert ("external" in dag["tags"]) is item.external
        assert item.name_zh in dag["doc"]
        assert item.legal_ground.strip()[:10] in dag["doc"]
        assert dag["max_active_runs"] == 1
        assert [task["owner"] for task in dag["tasks"]] == [item.code]
        assert dag["tasks"][0]["retries"] >= 1
        assert dag["tasks"][0]["outlets"] == ["landed"]


def test_every_department_is_asked_in_its_own_rhythm_in_business_time(dags: dict[str, Any]) -> None:
    shapes = {"hourly": "{m} * * * *", "daily": "{m} {h} * * *", "monthly": "{m} {h} 1-10 * 1"}
    for item in load(PROJECT).all().values():
        dag = dags[dag_id(item)]
        hour, minute = (int(part) for part in item.expect_by.split(":"))
        assert dag["schedule"] == "CronTriggerTimetable"
        assert dag["timezone"] == "Asia/Shanghai"
        assert dag["catchup"] is False
        assert dag["cron"] == shapes.get(item.cadence, "{m} {h} * * 1-5").format(m=minute, h=hour), item.code


def test_the_gate_follows_landings_and_the_warehouse_the_clock(dags: dict[str, Any]) -> None:
    assert "Asset" in dags["quality_gate"]["schedule"]
    assert dags["quality_gate"]["max_active_runs"] == 1
    assert "Asset" in dags["reports"]["schedule"]
    assert (dags["warehouse"]["cron"], dags["warehouse"]["timezone"]) == ("0 5 * * *", "Asia/Shanghai")
    tasks = {task["id"]: task for task in dags["warehouse"]["tasks"]}
    assert {name: task["after"] for name, task in tasks.items()} == {
        "sweep": [],
        "build": ["sweep"],
        "publish": ["build"],
    }
    assert tasks["publish"]["outlets"] == ["published"]


def test_a_replay_is_started_by_a_person_who_says_which_nights_and_why(dags: dict[str, Any]) -> None:
    dag = dags["replay"]
    assert (dag["schedule"], dag["max_active_runs"]) == ("NullTimetable", 1)
    tasks = {task["id"]: task for task in dag["tasks"]}
    assert {name: task["after"] for name, task in tasks.items()} == {"interpret": [], "publish": ["interpret"]}
    assert {name: task["outlets"] for name, task in tasks.items()} == {"interpret": [], "publish": ["published"]}
    assert tasks["interpret"]["retries"] == 0, "a second try would begin anew: a person looks first"
    params = dict(dag["serialized"]["dag"]["params"])
    needed = {name for name, param in params.items() if "arg_not_set" in json.dumps(param["default"])}
    assert needed == {"first", "last", "reason"}
    assert params["publish"]["default"] is False


def test_parsing_twice_gives_the_same_dags_whatever_the_hash_seed(home: Path, dags: dict[str, Any]) -> None:
    with parsing(home, PYTHONHASHSEED="4711", TZ="America/New_York") as elsewhere:
        assert elsewhere()["dags"] == dags


def test_with_schedules_off_nothing_starts_by_itself(parse: Parse, dags: dict[str, Any]) -> None:
    off = parse(CREDITFLOW_SCHEDULES="off")
    assert off["errors"] == {}
    assert set(off["dags"]) == set(dags)
    assert {dag["schedule"] for dag in off["dags"].values()} == {"NullTimetable"}


@pytest.mark.parametrize("damage", ["name_zh: [", "feeds: 7\n", ""])
def test_one_broken_yaml_takes_no_other_department_down_and_is_told(
    parse: Parse, project: Path, dags: dict[str, Any], damage: str
) -> None:
    (project / "sources" / "jyj.yml").write_text(damage)
    broken = parse(project)
    assert broken["errors"] == {}
    assert set(broken["dags"]) == set(dags) - {"ingest__jyj"}
    assert "jyj.yml" in broken["log"]
    with pytest.raises(RegistryError, match=r"jyj\.yml"):
        load(project)  # what registry_health runs


def test_department_44_of_known_kinds_is_one_file(parse: Parse, project: Path, dags: dict[str, Any]) -> None:
    text = (project / "sources" / "lyj.yml").read_text()
    registry = load(project)
    number = max(item.dept_no for item in registry.departments.values())
    old = registry.departments["lyj"]
    new = (
        text.replace("code: lyj", "code: newj")
        .replace(f"dept_no: {old.dept_no}", f"dept_no: {number + 1}")
        .replace("sftp_lyj", "sftp_newj")
        .replace(old.name_zh, "市新设部门")
        .replace(old.authority_uscc, _authority(number + 1))
    )
    (project / "sources" / "newj.yml").write_text(new)
    grown = parse(project)
    assert set(grown["dags"]) == set(dags) | {"ingest__newj"}
    assert grown["dags"]["ingest__newj"]["tasks"][0]["owner"] == "newj"


def _authority(number: int) -> str:
    """The pretended city's code of department `number` (see sources/_authorities.yml)."""
    from creditflow.identity.codes import org_code_ok, uscc_ok

    characters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = next(code for code in (f"MA4X{number:04d}{last}" for last in characters) if org_code_ok(code))
    return next(code for code in (f"11440500{body}{last}" for last in characters) if uscc_ok(code))


def test_a_tasks_own_process_builds_its_own_dag_only(parse: Parse, dags: dict[str, Any]) -> None:
    """Airflow tells a task's process which DAG it needs; the factory then skips the other 52."""
    alone = parse(_AIRFLOW_PARSING_CONTEXT_DAG_ID="ingest__jyj", _AIRFLOW_PARSING_CONTEXT_TASK_ID="ingest")
    assert {name for name in alone["dags"] if "__" in name} == {"ingest__jyj"}
    assert alone["dags"]["ingest__jyj"] == dags["ingest__jyj"]
