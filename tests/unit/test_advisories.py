"""Known vulnerabilities of locked packages, from a copy of an advisory database: the rule of versions, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from requirements.advisories import Unreadable, accepted, advisories, locked, matching
from tests.conftest import PROJECT


def advisory(*events: dict[str, str], name: str = "Some_Package", **more: Any) -> dict[str, Any]:
    """An advisory in the OSV format about one package."""
    parts = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    affected = {"package": {"ecosystem": "PyPI", "name": name}, "ranges": parts, "versions": more.pop("versions", [])}
    return {"id": "PYSEC-0-1", "modified": "2026-11-01T00:00:00Z", "affected": [affected], **more}


@pytest.mark.parametrize(
    ("events", "version", "expected"),
    [
        ([{"introduced": "0"}, {"fixed": "2.7.0"}], "2.6.3", True),
        ([{"introduced": "0"}, {"fixed": "2.7.0"}], "2.7.0", False),
        ([{"introduced": "0"}, {"fixed": "2.10"}], "2.9", True),
        ([{"introduced": "2.0"}, {"fixed": "2.7.0"}], "1.9", False),
        ([{"introduced": "2.0"}, {"last_affected": "2.5"}], "2.5", True),
        ([{"introduced": "2.0"}, {"last_affected": "2.5"}], "2.5.1", False),
        ([{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0"}, {"fixed": "2.1"}], "1.5", False),
        ([{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0"}, {"fixed": "2.1"}], "2.0.4", True),
        ([{"introduced": "0"}, {"fixed": "3.0"}], "3.0rc1", True),
    ],
)
def test_a_version_is_spoken_of_between_its_events(events: list[dict[str, str]], version: str, expected: bool) -> None:
    found = list(matching({("some-package", version)}, [advisory(*events)]))
    assert bool(found) is expected


def test_a_version_named_without_a_range_counts_and_another_package_does_not() -> None:
    named = advisory(versions=["1.0", "1.1"])
    assert [f.version for f in matching({("some-package", "1.1"), ("other", "1.1")}, [named])] == ["1.1"]
    assert not list(matching({("some-package", "1.2")}, [named]))


def test_what_was_withdrawn_or_speaks_of_another_ecosystem_does_not_count() -> None:
    everything = {"introduced": "0"}
    elsewhere = advisory(everything)
    elsewhere["affected"][0]["package"]["ecosystem"] = "npm"
    packages = {("some-package", "1.0")}
    assert not list(matching(packages, [advisory(everything, withdrawn="2026-01-01T00:00:00Z"), elsewhere]))
    assert [f.fixed for f in matching(packages, [advisory(everything, {"fixed": "1.10"}, {"fixed": "1.9"})])] == ["1.9"]


def test_a_folder_of_yaml_and_a_zip_of_json_say_the_same(tmp_path: Path) -> None:
    told = advisory({"introduced": "0"}, {"fixed": "2.10"})
    (tmp_path / "vulns").mkdir()
    yaml_text = (
        "id: PYSEC-0-1\nmodified: 2026-11-01T00:00:00Z\naffected:\n- package:\n    ecosystem: PyPI\n    name: Some_Package\n"
        "  ranges:\n  - type: ECOSYSTEM\n    events:\n    - introduced: 0\n    - fixed: 2.10\n  versions: []\n"
    )
    (tmp_path / "vulns" / "one.yaml").write_text(yaml_text, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("PYSEC-0-1.json", json.dumps(told))
    packages = {("some-package", "2.9")}
    by_folder = list(matching(packages, advisories(tmp_path / "vulns")))
    assert by_folder == list(matching(packages, advisories(tmp_path / "all.zip")))
    assert [(f.advisory, f.fixed) for f in by_folder] == [("PYSEC-0-1", "2.10")], "2.10 is no number"


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(Unreadable, match=r"broken\.json"):
        list(advisories(tmp_path))


def test_what_a_person_accepted_ends_on_its_day_and_needs_a_reason() -> None:
    text = "- {package: Some_Package, advisory: PYSEC-0-1, reason: not reached, until: 2026-12-31}"
    assert accepted(text, dt.date(2026, 12, 31)) == {("some-package", "PYSEC-0-1")}
    assert accepted(text, dt.date(2027, 1, 1)) == set()
    with pytest.raises(ValueError, match="needs a reason"):
        accepted("- {package: some-package, advisory: PYSEC-0-1, until: 2026-12-31}", dt.date(2026, 1, 1))


def test_the_command_says_what_is_open_and_ends_with_1(tmp_path: Path) -> None:
    name, version = next((name, version) for name, version in sorted(locked(PROJECT)) if name == "jinja2")
    (tmp_path / "a.json").write_text(json.dumps(advisory({"introduced": "0"}, name=name)), encoding="utf-8")

    def run(database: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "requirements/advisories.py", str(database)], cwd=PROJECT, capture_output=True, text=True
        )

    open_ones = run(tmp_path)
    assert open_ones.returncode == 1
    assert f"OPEN jinja2 {version}: PYSEC-0-1" in open_ones.stdout
    nothing = run(tmp_path / "missing")
    assert (nothing.returncode, "Traceback" in nothing.stderr) == (2, False)
    (tmp_path / "a.json").write_text(json.dumps(advisory({"introduced": "0"}, {"fixed": "0.1"}, name=name)))
    assert run(tmp_path).returncode == 0
