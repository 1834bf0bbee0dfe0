"""The generated pages agree with the contracts, and a changed contract is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

from creditflow.warehouse import dictionary
from tests.conftest import PROJECT


def test_the_written_pages_agree_with_the_contracts() -> None:
    assert dictionary.drifted(PROJECT) == [], "run `creditflow docs --pages` and commit what it writes"


def test_a_changed_contract_is_noticed_and_written_again(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "dbt_project" / "models", tmp_path / "dbt_project" / "models")
    (tmp_path / "docs").mkdir()
    dictionary.write(tmp_path)
    assert dictionary.drifted(tmp_path) == []
    contract = tmp_path / "dbt_project" / "models" / "publish" / "publish_score.yml"
    contract.write_text(contract.read_text(encoding="utf-8").replace("name: thin_file", "name: thin"), encoding="utf-8")
    assert dictionary.drifted(tmp_path) == ["docs/dictionary.md"]
    dictionary.write(tmp_path)
    assert "| `thin` | boolean |" in (tmp_path / "docs" / "dictionary.md").read_text(encoding="utf-8")


def test_what_belongs_to_what_is_told_by_the_keys() -> None:
    known = dictionary.tables(PROJECT)
    found = set(dictionary.relations(known))
    assert {("subject", "penalty", "subject_id"), ("score", "score_explanation", "score_id")} <= found
    assert ("subject", "subject", "subject_id") not in found
    assert not {relation for relation in found if relation[1] == "department_quality_daily"}
    assert "subject ||--o{ penalty : subject_id" in dictionary.diagram(known)


def test_the_picture_is_well_formed_and_names_every_view_with_a_subject() -> None:
    known = dictionary.tables(PROJECT)
    texts = {
        node.text for node in ElementTree.fromstring(dictionary.drawing(known)).iter() if node.tag.endswith("text")
    }
    assert {name for _, name, _ in dictionary.relations(known)} <= texts
