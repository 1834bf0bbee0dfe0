"""Every rule of the rule book, on its own example, through the whole gate: the good row keeps it, the bad one breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from creditflow.quality.compiling import cross_row_tables, pass_over, powers
from creditflow.quality.rulebook import BATCH, Rule, RuleBook, load_rulebook
from creditflow.registry import Registry, load
from tests.quality.examples import ENDED_FIRM, example
from tests.quality.world import FIRM, FIRM_NAME, Gatehouse, work_table

PROJECT = Path(__file__).resolve().parents[2]
REGISTRY = load(PROJECT)
BOOK = load_rulebook(PROJECT, REGISTRY)


def owner(registry: Registry, kind: str) -> str:
    """The department on whose rows a kind's own rules are tried: one that changes none of them, if there is one."""
    suppliers = [d.code for d in registry.all().values() if kind in {feed.kind for feed in d.feeds.values()}]
    plain = [code for code in suppliers if (kind, code) not in BOOK.departments]
    return min(plain or suppliers)


def cases(book: RuleBook, registry: Registry) -> Iterator[tuple[str, Rule]]:
    """(department, rule) for every rule of the kinds and every rule or parameter special to a department."""
    for kind, rules in book.kinds.items():
        if kind != BATCH:
            for rule in rules:
                yield owner(registry, kind), rule
    for (kind, department), rules in book.departments.items():
        if kind != BATCH:
            for rule in rules:
                if "departments/" in rule.origin:
                    yield department, rule


CASES = list(cases(BOOK, REGISTRY))


class Answers:
    """What each rule said of its own example, and what the gate did with the rows."""

    def __init__(self, house: Gatehouse, book: RuleBook) -> None:
        self.house = house
        self.book = book
        self.known: dict[tuple[str, str], dict[str, tuple[bool | None, bool | None, list[str], list[str]]]] = {}

    def of(self, department: str, kind: str) -> dict[str, tuple[bool | None, bool | None, list[str], list[str]]]:
        """rule_id -> (said of good, said of bad, verdict rules of good, verdict rules of bad)."""
        if (department, kind) not in self.known:
            self.known[department, kind] = self._judge(department, kind)
        return self.known[department, kind]

    def _judge(self, department: str, kind: str) -> dict[str, tuple[bool | None, bool | None, list[str], list[str]]]:
        model = self.house.registry.kinds[kind]
        rules = [rule for where, rule in CASES if where == department and rule.kind == kind]
        numbers = [name for name in ("decision_document_no", "document_no") if name in model.by_name]
        rows, places = [], {}
        for rule in rules:
            found = example(rule, model)
            starts = []
            for changes in (found.good, found.bad):
                starts.append(len(rows) + 2)
                for change in changes:
                    row = {
                        **self.house.clean(kind, department),
                        **{n: f"汕测〔2026〕{len(rows)}号" for n in numbers},
                        **change,
                    }
                    if row.get("@key") == "known subject":
                        self._known_subject(kind, department)
                    rows.append(row)
            places[rule.rule_id] = starts
        if any(rule.check_name == "answers_return" for rule in rules):
            returned = self.house.clean(kind, department, **{"@defect": "column_count"})
            self.house.judge(self.house.deliver(kind, [returned], department, batch_id=f"RETURNED-{kind}"))
        batch_id = self.house.deliver(kind, rows, department)
        said = self._said(kind, department, batch_id)
        self.house.judge(batch_id)
        verdicts = self.house.verdicts(batch_id)
        lines = {row: [rule for rules in found.values() for rule in rules] for row, found in verdicts.items()}
        return {
            rule_id: (said[good][rule_id], said[bad][rule_id], lines.get(good, []), lines.get(bad, []))
            for rule_id, (good, bad) in places.items()
        }

    def _known_subject(self, kind: str, department: str) -> None:
        if not self.house.query(f"select 1 from landing.{kind} where department = %s", department):
            self.house.judge(
                self.house.deliver(kind, [self.house.clean(kind, department, **{"@key": "known subject"})], department)
            )

    def _said(self, kind: str, department: str, batch_id: str) -> dict[int, dict[str, bool | None]]:
        rules = self.book.rules(kind, department)
        one = pass_over(
            self.house.registry.kinds[kind],
            self.book,
            rules,
            batch_id=batch_id,
            department=department,
            work=f"work.{work_table(batch_id)}",
            received="2026-11-20",
            filters=(),
            authorities=powers(self.house.registry, kind),
        )
        self.house.query(cross_row_tables())
        for statement in one.before:
            self.house.query(statement)
        return {
            row[1]: {rule.rule_id: value for rule, value in zip(rules, row[2:], strict=True)}
            for row in self.house.query(one.select)
        }


@pytest.fixture(scope="module")
def answers(gatehouse: Gatehouse, book: RuleBook) -> Answers:
    """Examples judged once for each department and kind."""
    for uscc, name, ended in ((FIRM, FIRM_NAME, None), (ENDED_FIRM, "潮南区晨光测试专业合作社", "2026-03-01")):
        gatehouse.query(
            "insert into quality.register values (%s, %s, array[ops.normal_name(%s)], %s, '2026-01-01', 1)",
            uscc,
            name,
            name,
            ended,
        )
    return Answers(gatehouse, book)


@pytest.mark.parametrize(("department", "rule"), CASES, ids=[f"{d}-{r.rule_id}" for d, r in CASES])
def test_rule_keeps_its_good_row_and_catches_its_bad_row(department: str, rule: Rule, answers: Answers) -> None:
    good, bad, good_verdict, bad_verdict = answers.of(department, rule.kind)[rule.rule_id]
    assert good is True, f"{rule.rule_id} must be true for its good row, is {good}"
    assert bad is False, f"{rule.rule_id} must be false for its bad row, is {bad}"
    assert rule.rule_id in bad_verdict, f"the gate did not blame {rule.rule_id}: {bad_verdict}"
    assert rule.rule_id not in good_verdict


def test_every_kind_of_the_registry_has_rules(book: RuleBook, registry: Registry) -> None:
    assert set(registry.kinds) == set(book.kinds) - {BATCH}


def test_a_clean_row_of_every_kind_breaks_no_rule(fresh: Gatehouse, registry: Registry) -> None:
    batches = {}
    for kind in registry.kinds:
        department = owner(registry, kind)
        batches[kind] = fresh.deliver(kind, [fresh.clean(kind, department)], department)
    fresh.judge()
    assert {kind: fresh.verdicts(batch_id) for kind, batch_id in batches.items() if fresh.verdicts(batch_id)} == {}


def test_a_row_with_nothing_but_what_is_needed_breaks_no_rule(fresh: Gatehouse, registry: Registry) -> None:
    batches = {}
    for name, kind in registry.kinds.items():
        department = owner(registry, name)
        kept = {
            kind.counterparty.get("uscc"),
            kind.counterparty.get("type"),
            "legal_representative_name",
            "fine_amount_wan",
        }
        blank = {c.name: None for c in kind.columns if c.need != "M" and c.name not in kept and c.type != "person_id"}
        if name == "list_entry":
            del blank["list_name"]
        if name == "decision":  # what a decision needs depends on its type
            blank = {
                column: None
                for column in blank
                if column not in ("target_kind", "target_document_no", "decision_value")
            }
        batches[name] = fresh.deliver(name, [{**fresh.clean(name, department), **blank}], department)
    fresh.judge()
    assert {name: found for name, batch_id in batches.items() if (found := fresh.verdicts(batch_id))} == {}
