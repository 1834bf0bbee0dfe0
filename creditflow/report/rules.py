"""What the rule book says to people about a rule: title, remedy, source, and the line it stands on.

Promises
- A rule the rule book in force no longer knows is shown by its id; a rule book that does not load never stops the site.
- The rule book's text is copied into the site page by page with line numbers, so that a rule links to its own line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from creditflow.quality.marked_yaml import RuleBookError
from creditflow.quality.rulebook import load_or_previous
from creditflow.registry import Registry
from creditflow.report.words import RULES, Both
from creditflow.settings import Settings

log = logging.getLogger(__name__)


NOTICE = "notice"
"""Kind of what the gate itself says (duplicate, out of scope, held with its batch): words, no rule."""


@dataclass(frozen=True)
class Rule:
    """One rule for people. due_days: working days to correct. place: (file below expectations/, line)."""

    rule_id: str
    title: Both
    severity: str
    kind: str
    fields: tuple[str, ...]
    remedy: Both | None
    clause: str
    due_days: int
    place: tuple[str, int]


def rule_book(settings: Settings, registry: Registry) -> dict[str, Rule]:
    """Every rule in force by id; empty, with a line in the log, when no rule book loads."""
    try:
        book = load_or_previous(settings, registry)
    except (RuleBookError, OSError) as problem:
        log.warning("report: the rule book does not load, rules are shown by id: %s", problem)
        return {}
    rules = {
        name: notice(name, Both(said.title.zh, said.title.en), Both(said.remedy.zh, said.remedy.en))
        for name, said in book.notices.items()
    }
    for rule_id, rule in book.by_id.items():
        file, _, line = rule.origin.rpartition(":")
        rules[rule_id] = Rule(
            rule_id=rule_id,
            title=Both(rule.title_zh, _capital(rule.title_en)),
            severity=rule.severity,
            kind=rule.kind,
            fields=tuple(rule.fields),
            remedy=Both(rule.remedy_zh, rule.remedy_en),
            clause=rule.source,
            due_days=rule.due_days,
            place=(file.removeprefix("expectations/"), int(line)),
        )
    return rules


def notice(rule_id: str, title: Both, remedy: Both | None = None) -> Rule:
    """Words for an id that is no rule of the rule book."""
    words = Both(title.zh, _capital(title.en))
    return Rule(rule_id, words, "", NOTICE, (), remedy, "", 0, ("catalogue.yml", 1))


def rule_files(settings: Settings) -> dict[str, list[str]]:
    """Lines of every YAML file of the rule book, by path below expectations/."""
    folder = settings.project / "expectations"
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8").splitlines()
        for path in sorted(folder.rglob("*.yml"))
    }


def titled(book: Mapping[str, Rule], rule_id: str) -> Both:
    """Title of a rule or of a fact that is treated like one; its id when nobody named it."""
    rule = book.get(rule_id)
    if rule:
        return rule.title
    if rule_id.startswith("SCOPE-") and "SCOPE" in book:
        name, scope = rule_id.removeprefix("SCOPE-"), book["SCOPE"].title
        return Both(f"{scope.zh}：{name}", f"{scope.en}: {name}")
    return RULES.get(rule_id, Both(rule_id, rule_id))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
