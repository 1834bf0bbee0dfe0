"""A published view is what its contract says, column by column; a query that says otherwise is refused, not published."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from creditflow.warehouse import dbt
from tests.conftest import PROJECT, Warehouse

MODEL = "publish_build"


def one_view(folder: Path, change: tuple[str, str]) -> Path:
    """A checkout whose dbt project holds one published view, its contract changed."""
    project = folder / "dbt_project"
    shutil.copytree(PROJECT / "dbt_project" / "macros", project / "macros")
    models = project / "models" / "publish"
    models.mkdir(parents=True)
    for name in ("dbt_project.yml", "profiles.yml", "models/sources.yml", f"models/publish/{MODEL}.sql"):
        shutil.copy(PROJECT / "dbt_project" / name, project / name)
    contract = (PROJECT / "dbt_project" / "models" / "publish" / f"{MODEL}.yml").read_text(encoding="utf-8")
    assert change[0] in contract
    (models / f"{MODEL}.yml").write_text(contract.replace(*change), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("- name: as_of\n        data_type: date", "- name: as_of\n        data_type: text"), "as_of"),
        (("- name: is_shown", "- name: is_shown_now"), "is_shown_now"),
    ],
    ids=["type", "name"],
)
def test_a_changed_column_is_refused(warehouse: Warehouse, tmp_path: Path, change: tuple[str, str], told: str) -> None:
    settings = dataclasses.replace(warehouse.settings, project=one_view(tmp_path, change))
    result = dbt.run(settings, "run", ["--select", MODEL, "--vars", "{build_no: 1, as_of: 2026-11-02}"])
    assert not result.ok
    assert "enforced contract that failed" in " ".join(result.failures)
    assert warehouse.query("select 1 from pg_views where schemaname = 'publish' and viewname = 'build'") == []


def test_a_kept_contract_is_published(warehouse: Warehouse, tmp_path: Path) -> None:
    settings = dataclasses.replace(warehouse.settings, project=one_view(tmp_path, ("构建号", "构建编号")))
    result = dbt.run(settings, "run", ["--select", MODEL, "--vars", "{build_no: 1, as_of: 2026-11-02}"])
    assert result.failures == ()
    assert warehouse.query("select 1 from pg_views where schemaname = 'publish' and viewname = 'build'") == [(1,)]
