"""The linter of the models can fail: what `make lint` says of a sound and of an unsound piece of compiled SQL."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SOUND = "select a.subject_id\nfrom core.penalty as a\nwhere a.subject_id is not null\n"
UNSOUND = {
    "CP01": SOUND.replace("select", "SELECT"),
    "CV05": SOUND.replace("is not null", "= null"),
    "ST11": SOUND.replace("where", "left join core.permit as p on a.subject_id = p.subject_id\nwhere"),
    "PRS": SOUND.replace("from core.penalty as a", "from core.penalty as a from"),
}


def lint(folder: Path, models: dict[str, str]) -> int:
    for name, text in models.items():
        (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    status: int = runpy.run_path(str(PROJECT / "dbt_project" / "lint.py"))["lint"](folder)
    return status


def test_a_sound_model_passes(tmp_path: Path) -> None:
    assert lint(tmp_path, {"sound": SOUND}) == 0


def test_an_unsound_model_is_named_with_the_rule_it_breaks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert lint(tmp_path, UNSOUND) == 1
    said = {part.split("]")[0].rsplit("/", 1)[-1]: part for part in capfd.readouterr().out.split("== [")[1:]}
    assert set(said) == {f"{rule}.sql" for rule in UNSOUND}
    assert all(f"| {rule} |" in " ".join(said[f"{rule}.sql"].split()) for rule in UNSOUND)
