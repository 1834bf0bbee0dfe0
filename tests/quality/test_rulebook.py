"""The rule book is read strictly: what is wrong is refused with file and line, and the city's own book is complete."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from creditflow.quality.marked_yaml import RuleBookError
from creditflow.quality.rulebook import BATCH, RuleBook, load_rulebook
from creditflow.registry import Registry

PERMIT = "expectations/kinds/permit.yml"


def refused(project: Path, registry: Registry) -> list[str]:
    """The problems of a rule book that must not load."""
    with pytest.raises(RuleBookError) as caught:
        load_rulebook(project, registry)
    return [str(problem) for problem in caught.value.problems]


def edit(project: Path, name: str, old: str, new: str) -> int:
    """Replace the first `old` in a file; returns the line it stood on."""
    file = project / name
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "check: clean_text, column: counterparty_name",
            "check: clean_text, column: counterparty_nam",
            "unknown column",
        ),
        (
            "check: clean_text, column: counterparty_name",
            "check: tidy_text, column: counterparty_name",
            "unknown check: tidy_text",
        ),
        ("check: together,", "check: together, severity: fatal,", "unknown severity: fatal"),
        ("check: together,", "check: together, colour: red,", "colour"),
        ("rule: C5-CERTIFICATE", "rule: C9-CERTIFICATE", "C9-CERTIFICATE is not in the catalogue"),
        ("list: permit_category", "list: permit_categories", "unknown code list: permit_categories"),
        ("when: {column: counterparty_type, in", "when: {column: counterparty_type, among", "among"),
        ("when: {column: counterparty_type", "when: {column: party_type", "unknown column of permit: party_type"),
        (
            "check: together, columns: [certificate_no, certificate_name]",
            "check: declared_rows",
            "about whole deliveries",
        ),
    ],
)
def test_a_wrong_word_in_a_rule_is_refused_with_file_and_line(
    project: Path, registry: Registry, old: str, new: str, said: str
) -> None:
    line = edit(project, PERMIT, old, new)
    shutil.rmtree(project / "expectations" / "departments")
    problems = refused(project, registry)
    assert len(problems) == 1
    assert problems[0].startswith(f"{PERMIT}:{line}:"), problems
    assert said in problems[0]


def test_all_problems_of_all_files_are_told_at_once(project: Path, registry: Registry) -> None:
    edit(project, PERMIT, "check: known_authority,", "check: known_stranger,")
    edit(project, "expectations/kinds/award.yml", "kind: award", "kind: awards")
    edit(project, "expectations/departments/gxj.yml", "PENALTY-R10-FINE_AMOUNT_WAN-LIMIT", "PENALTY-R99")
    (project / "expectations" / "departments" / "abc.yml").write_text(
        "department: abc\nwhy: {zh: 无, en: none}\nkinds: {}\n", encoding="utf-8"
    )
    problems = refused(project, registry)
    assert [re.sub(r":\d+:.*", "", problem) for problem in problems] == [
        "expectations/kinds/permit.yml",
        "expectations/kinds/award.yml",
        "expectations/departments/abc.yml",
        "expectations/departments/gxj.yml",
    ]


def test_a_parameter_changed_by_a_department_is_checked_too(project: Path, registry: Registry) -> None:
    line = edit(project, "expectations/departments/gxj.yml", "{limit: 50}", "{limit: many}")
    assert refused(project, registry)[0].startswith(f"expectations/departments/gxj.yml:{line}:")


@pytest.mark.parametrize("text", ["rules: [", "rules: {}\nrules: {}\n", "- 1\n", ""])
def test_a_file_that_is_no_rule_file_is_refused(project: Path, registry: Registry, text: str) -> None:
    (project / "expectations" / "kinds" / "award.yml").write_text(text, encoding="utf-8")
    assert any("kinds/award.yml" in problem for problem in refused(project, registry))


def test_a_missing_file_of_a_kind_is_refused(project: Path, registry: Registry) -> None:
    (project / "expectations" / "kinds" / "honour.yml").unlink()
    assert refused(project, registry) == ["expectations/kinds/honour.yml:1: file is missing"]


def test_adding_a_rule_is_yaml_only(project: Path, registry: Registry) -> None:
    edit(
        project,
        PERMIT,
        "  # The permit\n",
        '  # The permit\n  - {rule: "R02-{COLUMN}", check: clean_text, column: permit_content}\n',
    )
    added = load_rulebook(project, registry)
    assert added.by_id["PERMIT-R02-PERMIT_CONTENT"].title_zh == "许可内容含非法字符或测试数据"


def test_a_process_compiles_the_same_files_once_and_sees_at_once_that_one_changed(
    project: Path, registry: Registry
) -> None:
    before = load_rulebook(project, registry)
    assert load_rulebook(project, registry) is before
    (project / "expectations" / "kinds" / "honour.yml").rename(project / "honour.yml")
    assert refused(project, registry) == ["expectations/kinds/honour.yml:1: file is missing"]
    (project / "honour.yml").rename(project / "expectations" / "kinds" / "honour.yml")
    edit(project, PERMIT, "check: clean_text, column: counterparty_name", "check: clean_text, column: permit_content")
    assert load_rulebook(project, registry).digest != before.digest
    with_fewer = replace(registry, departments=dict(list(registry.departments.items())[1:]))
    assert any("no such department" in problem for problem in refused(project, with_fewer))


def test_a_department_changes_severity_and_parameters_for_itself_only(book: RuleBook) -> None:
    everywhere = {rule.rule_id: rule for rule in book.rules("permit", "cgj")}["PERMIT-X-ADDRESS"]
    there = {rule.rule_id: rule for rule in book.rules("permit", "zrj")}["PERMIT-X-ADDRESS"]
    assert (everywhere.severity, there.severity) == ("flag", "reject")
    limits = {
        d: {r.rule_id: r for r in book.rules("penalty", d)}["PENALTY-R10-FINE_AMOUNT_WAN-LIMIT"] for d in ("cgj", "gxj")
    }
    assert limits["cgj"].title_zh == "罚款金额(万元)超过 10000，疑似单位错误"
    assert limits["gxj"].title_zh == "罚款金额(万元)超过 50，疑似单位错误"


def test_every_rule_can_be_read_aloud(book: RuleBook) -> None:
    for rule in book.by_id.values():
        for text in (rule.title_zh, rule.title_en, rule.remedy_zh, rule.remedy_en, rule.source):
            assert text, rule.rule_id
            assert "{" not in text, f"{rule.rule_id}: {text}"
        assert re.match(r"^[A-Z0-9_]+(-[A-Z0-9_]+)+$", rule.rule_id), rule.rule_id
        assert len(rule.column) <= 63
        assert rule.due_days == 3


def test_every_catalogue_entry_is_used(book: RuleBook, registry: Registry) -> None:
    from creditflow.quality.marked_yaml import read

    path = Path(__file__).resolve().parents[2] / "expectations" / "catalogue.yml"
    entries = set(read(path, "catalogue.yml").data["rules"])
    used = {rule.key for rules in (*book.kinds.values(), *book.departments.values()) for rule in rules}
    once_accepted = {"DRIFT-VOLUME", "NULLS-{COLUMN}", "CODES-{COLUMN}", "AMOUNTS-{COLUMN}"}  # see test_deliveries.py
    assert entries == used | once_accepted


def test_every_department_of_the_city_has_its_page(registry: Registry) -> None:
    folder = Path(__file__).resolve().parents[2] / "expectations" / "departments"
    assert {path.stem for path in folder.glob("*.yml")} >= set(registry.departments)


def test_batch_rules_hold_or_open_an_incident(book: RuleBook) -> None:
    assert {rule.severity for rule in book.kinds[BATCH]} == {"hold", "flag"}
