"""The deployment's file: lawful by the compose specification, and as closed as docs/deployment.md says.

The specification's schema comes with the package check-jsonschema, so this needs no container engine.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import PROJECT

FILE = PROJECT / "docker-compose.yml"
WITH_TLS = PROJECT / "deploy" / "compose.tls.yml"
ENDS_BY_ITSELF = {"secrets", "prepare"}
CORE = {"api-server", "scheduler", "dag-processor", "triggerer", "worker", "redis", "metadata", "warehouse", "site"}


def specification() -> dict[str, Any]:
    """The compose specification's schema."""
    text = resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def compose(file: Path = FILE) -> dict[str, Any]:
    """A file, with the defaults of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", file.read_text(encoding="utf-8"))
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


every_service = pytest.mark.parametrize("name", sorted(services()))
every_server = pytest.mark.parametrize("name", sorted(set(services()) - ENDS_BY_ITSELF))


@pytest.mark.parametrize("file", [FILE, WITH_TLS], ids=lambda path: path.name)
def test_the_file_is_lawful(file: Path) -> None:
    jsonschema.validate(compose(file), specification())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file["services"]["redis"].update(restrat="always"),
        lambda file: file["services"]["worker"].update(healthcheck={"test": 5}),
        lambda file: file["services"]["site"].update(depends_on={"secrets": {"condition": "when ready"}}),
    ],
)
def test_a_spoiled_file_is_not(spoil: Any) -> None:
    file = compose()
    spoil(file)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(file, specification())


def test_the_parts_are_there_and_the_pretended_ones_only_by_profile() -> None:
    found = services()
    assert {name for name, service in found.items() if "profiles" not in service} == CORE | ENDS_BY_ITSELF
    assert {name: service["profiles"] for name, service in found.items() if "profiles" in service} == {
        "sandbox": ["sandbox"],
        "exchange": ["sandbox"],
        "mariadb": ["mariadb"],
    }
    assert found["worker"]["deploy"]["replicas"] == 2
    assert found["warehouse"]["image"] == found["metadata"]["image"] == "postgres:18"
    assert found["worker"]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


def test_no_more_tasks_at_once_than_there_are_places_for_them() -> None:
    worker = services()["worker"]
    places = worker["deploy"]["replicas"] * int(worker["environment"]["AIRFLOW__CELERY__WORKER_CONCURRENCY"])
    assert int(worker["environment"]["AIRFLOW__CORE__PARALLELISM"]) == places


@every_service
def test_a_service_is_locked_down(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["logging"]["options"]["max-size"]
    if name == "secrets":
        assert service["network_mode"] == "none"
    else:
        assert "cap_add" not in service
        assert not service.get("user", "50000:0").startswith("0")


@every_server
def test_a_server_is_watched_and_started_again(name: str) -> None:
    service = services()[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"]


@every_service
def test_nothing_listens_beyond_this_host_by_default(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in services()[name].get("ports", []))


@every_service
def test_no_password_stands_in_the_file(name: str) -> None:
    environment = services()[name].get("environment", {})
    telling = re.compile("PASSWORD|SECRET|TOKEN|_KEY$|_CONN$|_URL$")
    named = {key for key in environment if telling.search(key) and not key.endswith("_FILE")}
    assert named <= {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL"}


@every_service
def test_state_lies_in_named_volumes_and_a_reader_of_secrets_cannot_write_them(name: str) -> None:
    file = compose()
    for mount in file["services"][name].get("volumes", []):
        source, target, *mode = mount.split(":")
        assert source in file["volumes"] or (source.startswith("./deploy/") and mode == ["ro"])
        if target.startswith("/run/creditflow/") and name != "secrets":
            assert mode == ["ro"]


def test_only_the_makers_of_logins_read_more_than_their_own_secret() -> None:
    readers = {
        name: sorted(mount.split(":")[0] for mount in service["volumes"] if mount.startswith("secrets_"))
        for name, service in services().items()
    }
    assert readers["warehouse"] == ["secrets_warehouse"]
    assert readers["metadata"] == ["secrets_metadata"]
    assert readers["site"] == ["secrets_site"]
    assert readers["sandbox"] == ["secrets_exchange"]
    assert readers["worker"] == ["secrets_airflow"]


def test_every_variable_of_the_file_is_explained_beside_it() -> None:
    used = {name for file in (FILE, WITH_TLS) for name in re.findall(r"\$\{(\w+):-", file.read_text(encoding="utf-8"))}
    told = set(re.findall(r"^# ([A-Z_]+)=", (PROJECT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert used == told


def test_the_image_is_built_from_the_locked_requirements_and_runs_as_nobody_special() -> None:
    lines = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    assert "ARG PYTHON_IMAGE=python:3.12-slim-bookworm" in lines
    assert "--require-hashes -r requirements-bootstrap.lock" in lines
    assert "requirements/install.sh /usr/local requirements.lock" in lines
    assert "USER 50000:0" in lines
    assert not re.search(r"https?://", lines)
