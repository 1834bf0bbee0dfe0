"""The registry as it stands in this checkout, and a copy of it that a test may spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from creditflow.registry import Registry, load

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def registry() -> Registry:
    """sources/ of this checkout."""
    return load(PROJECT)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with everything the registry reads."""
    shutil.copytree(PROJECT / "sources", tmp_path / "sources")
    seeds = tmp_path / "dbt_project" / "seeds"
    seeds.mkdir(parents=True)
    shutil.copy(PROJECT / "dbt_project" / "seeds" / "code_list.csv", seeds)
    return tmp_path


@pytest.fixture
def spoil(project: Path) -> Callable[[str, str, str], int]:
    """Replace a text that stands once in a file of sources/; the line (from 1) on which the new text begins."""

    def replace(name: str, old: str, new: str) -> int:
        path = project / "sources" / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name}: {old!r} stands {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return text[: text.index(old)].count("\n") + 1

    return replace
