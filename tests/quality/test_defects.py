"""Every defect we were told of or have seen is a fault type of the generator, and every fault type has rules that catch it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from creditflow.quality.rulebook import RuleBook
from sandbox.deliver import batch_faults
from sandbox.faults import SPOILERS

PROJECT = Path(__file__).resolve().parents[2]
DEFECTS: dict[str, Any] = yaml.safe_load((PROJECT / "bench" / "defects.yml").read_text(encoding="utf-8"))
LOTS = {"extra_cell", "document_no_reused", "same_key_other_content", "exact_duplicate", "out_of_scope"}
"""Fault types that are made over a whole lot of rows; `test_every_type_of_the_generator_is_told` looks for them."""


def entries() -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, what becomes of it) of every defect."""
    for section in ("page_01", "realdata"):
        for name, found in DEFECTS[section].items():
            yield f"{section}: {name}", found
    for department, habits in DEFECTS["departments"].items():
        for name, found in habits.items():
            yield f"{department}: {name}", found


def test_every_rule_and_rate_of_page_01_is_told(realdata: Path) -> None:
    text = (realdata.parent / "domain" / "01-dual-publication-standard.md").read_text(encoding="utf-8")
    rules = re.findall(r"^\| (R\d\d|C[\d-]+C?\d?) \|", text, re.MULTILINE)
    rates = {"瞒报", "错报", "迟报", "零报送"}
    assert len(rules) > 20
    assert all(rate in text for rate in rates)
    assert {*rules, *rates} <= DEFECTS["page_01"].keys()


def test_every_habit_of_the_departments_is_told(realdata: Path) -> None:
    with (realdata.parent / "domain" / "departments.csv").open(encoding="utf-8", newline="") as stream:
        for line in csv.DictReader(stream):
            habits = {habit.strip() for habit in line["typical_faults"].split(";")}
            assert habits == DEFECTS["departments"][line["dept_code"]].keys(), line["dept_code"]


def test_every_kind_of_dirt_of_the_published_files_is_told(realdata: Path) -> None:
    text = " ".join((realdata / "README.md").read_text(encoding="utf-8").split())
    missing = [name for name in DEFECTS["realdata"] if name not in text]
    assert missing == [], "named as the README names it"
    (dirt,) = re.findall(r"dirt of real life: (.*?)\.", text)
    told = {re.sub(r"^and ", "", word.strip()) for word in dirt.split(",")}
    assert told <= DEFECTS["realdata"].keys()


def test_every_type_of_the_generator_is_told() -> None:
    source = (PROJECT / "sandbox" / "faults.py").read_text(encoding="utf-8")
    source += (PROJECT / "sandbox" / "deliver.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in LOTS)
    made = {*SPOILERS, *LOTS, *(item["fault"] for item in batch_faults().values())}
    assert made == DEFECTS["faults"].keys()


def test_what_a_defect_names_exists() -> None:
    traits = set(
        re.findall(
            r'near\["(\w+)"\]',
            "".join((PROJECT / "sandbox" / name).read_text(encoding="utf-8") for name in ("records.py", "faults.py")),
        )
    )
    named: set[str] = set()
    for name, found in entries():
        assert found, name
        assert found.keys() <= {"faults", "near", "lawful", "shown"}, name
        named.update(found.get("faults", ()))
        assert set(found.get("faults", ())) <= DEFECTS["faults"].keys(), name
        assert set(found.get("near", ())) <= traits, name
        assert "shown" not in found or (PROJECT / found["shown"]).is_file(), name
    known_otherwise = {"wrong_control_total", "wrong_sha256", "truncated", "empty_file", "missing_column"}
    known_otherwise |= {"extra_column", "column_order"}
    assert DEFECTS["faults"].keys() - named == known_otherwise, "page 12, not page 01"


OTHERWISE = {
    "ARRIVAL-LATE": "creditflow/quality/issues.py",
    "same_bytes": "creditflow/landing/__init__.py",
    "INTAKE-UNKNOWN-COLUMN": "creditflow/landing/__init__.py",
    "wrong_encoding": "creditflow/readers/encoding.py",
    "xml_broken": "creditflow/readers/xml_records.py",
    "empty": "creditflow/readers/table.py",
    "column_missing": "creditflow/readers/table.py",
    "read by headings": "creditflow/readers/table.py",
}
"""What meets a delivery as a whole before any rule is asked: word -> where it is said."""


@pytest.mark.parametrize("fault", sorted(DEFECTS["faults"]))
def test_every_fault_type_has_rules_that_exist(fault: str, book: RuleBook) -> None:
    keys = {rule.key for rules in (*book.kinds.values(), *book.departments.values()) for rule in rules}
    keys |= {"DUPLICATE", "SCOPE"}  # notices of the gate itself
    assert DEFECTS["faults"][fault]
    for key in DEFECTS["faults"][fault]:
        if key in OTHERWISE:
            assert key == "read by headings" or key in (PROJECT / OTHERWISE[key]).read_text(encoding="utf-8"), key
        else:
            assert key in keys, key


def test_what_no_rule_can_catch_is_said_with_its_reason() -> None:
    assert all(item["what"] and item["why"].endswith(".") for item in DEFECTS["beyond"])
