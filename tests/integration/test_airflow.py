"""What we tell Airflow: its home, its secrets, its environment. A real scheduler runs in tests/e2e."""

from __future__ import annotations

import configparser
import json
import stat
from pathlib import Path

import pytest

from creditflow import airflow
from creditflow.server import Server
from creditflow.settings import Settings, load_settings, write_secret
from tests.conftest import PROJECT


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    write_secret(home / "keys" / "postgres_airflow", "the airflow password")
    return Settings(home, PROJECT, f"file://{home}/archive")


def read(settings: Settings) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(airflow.airflow_home(settings) / "airflow.cfg")
    return parser


def test_everything_stays_on_loopback_and_nothing_is_reported_home(settings: Settings, server: Server) -> None:
    airflow.write_config(settings, server, 18080, slots=4)
    config = read(settings)
    assert config["api"]["host"] == "127.0.0.1"
    assert config["core"]["execution_api_server_url"] == "http://127.0.0.1:18080/execution/"
    assert config["usage_data_collection"]["enabled"] == "False"
    assert config["core"]["load_examples"] == "False"
    assert config["core"]["executor"] == "LocalExecutor"
    assert config["core"]["dags_folder"] == str(PROJECT / "dags")
    assert config["database"]["sql_alchemy_conn"].startswith("postgresql+psycopg2://airflow:")
    assert config["database"]["sql_alchemy_conn"].endswith(f"@127.0.0.1:{server.port}/airflow")


def test_secrets_stay_the_same_and_are_readable_by_their_owner_only(settings: Settings, server: Server) -> None:
    airflow.write_config(settings, server, 18080, slots=4)
    first = read(settings)
    airflow.write_config(settings, server, 18081, slots=8)
    second = read(settings)
    for section, name in (("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret")):
        assert len(first[section][name]) >= 32
        assert first[section][name] == second[section][name]
    assert second["api"]["port"] == "18081"
    home = airflow.airflow_home(settings)
    for file in (home / "airflow.cfg", home / "login.json", *(settings.home / "keys").iterdir()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    password = json.loads((home / "login.json").read_text())["admin"]
    described = airflow.Airflow(home, "http://127.0.0.1:18080", password)
    assert password not in repr(described)


def test_the_environment_carries_our_settings_and_no_foreign_airflow(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_HOME", "/somewhere/else")
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "x")
    environ = airflow.environment(settings, {"CREDITFLOW_SCHEDULES": "off"})
    assert environ["AIRFLOW_HOME"] == str(settings.home / "airflow")
    assert "AIRFLOW__CORE__EXECUTOR" not in environ
    assert "PYTEST_CURRENT_TEST" not in environ
    assert environ["CREDITFLOW_HOME"] == str(settings.home)
    assert environ["CREDITFLOW_SCHEDULES"] == "off"
    assert "127.0.0.1" in environ["NO_PROXY"]
    assert environ["PYTHONPATH"].split(":")[0] == str(PROJECT)


def test_nothing_runs_before_it_was_started(settings: Settings) -> None:
    assert airflow.running(settings) is None
    assert not airflow.stop(settings)


def test_an_airflow_elsewhere_is_named_with_its_login(tmp_path: Path) -> None:
    home = {"CREDITFLOW_HOME": str(tmp_path)}
    assert airflow.elsewhere(load_settings(home)) is None
    settings = load_settings({**home, "CREDITFLOW_AIRFLOW_URL": "http://engineer:p%40ss@api-server:8080/"})
    named = airflow.elsewhere(settings)
    assert named is not None
    assert (named.url, named.login, named.password) == ("http://api-server:8080", "engineer", "p@ss")
    assert "p%40ss" not in repr(settings)
    with pytest.raises(airflow.AirflowError, match="login:password"):
        airflow.elsewhere(load_settings({**home, "CREDITFLOW_AIRFLOW_URL": "http://api-server:8080"}))
