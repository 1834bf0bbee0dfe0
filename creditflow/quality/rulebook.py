"""The rule book: `expectations/` read strictly and compiled into rules for each kind and department.

Promises
- `catalogue.yml` says what a rule means to people (title, remedy, source, due days); `kinds/<kind>.yml` which checks
  make it; `departments/<code>.yml` what is special there. `columns: auto` turns each column's need, list, type and
  length of `sources/_kinds.yml` into rules with their own id and title.
- Strict: an unknown key, column, list, check, severity, kind, department or rule is refused with file and line, all of
  them at once. Nothing is half loaded.
- A rule that is not in the files does not exist: no column is computed for it and no verdict can come from it.
- The last rule book that loaded is kept under home/rulebook; `load_or_previous` falls back to it and says so.
- A process compiles the same files for the same registry once; a file that changes counts from the next call on.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from creditflow.quality.checks import CHECKS, BatchCheck, Check, Condition, FeedCheck
from creditflow.quality.marked_yaml import Document, Location, Model, Problem, RuleBookError, read, validated
from creditflow.registry import Column, Kind, Registry
from creditflow.settings import Settings

Severity = Literal["hold", "reject", "flag"]
BATCH = "batch"
"""The kind name of rules about a delivery as a whole."""

STRICT_KINDS = ("permit", "penalty")
"""Kinds whose layout is a published standard: a failed code rejects the row."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bilingual(_Strict):
    """Chinese with its English twin."""

    zh: str
    en: str


class Entry(_Strict):
    """One line of the catalogue. Titles and remedies may name {zh}, {column}, {limit}, {list}, {length}."""

    title: Bilingual
    severity: Severity
    remedy: Bilingual
    source: str
    return_code: str = Field("E99", pattern=r"^E\d\d$")
    due_days: int = Field(3, ge=0)


class Notice(_Strict):
    """What the gate itself says: words for ids that are no rule."""

    title: Bilingual
    remedy: Bilingual


class Catalogue(_Strict):
    """catalogue.yml."""

    notices: dict[str, Notice] = Field(default_factory=dict)
    rules: dict[Annotated[str, Field(pattern=r"^[A-Z0-9]+(-[A-Z0-9]+|-\{COLUMN\})*$")], Entry]


class RuleFile(_Strict):
    """kinds/<kind>.yml and batch.yml. Rules are validated one by one, for their lines."""

    kind: str
    columns: Literal["auto", "none"] = "auto"
    optional: Literal["reject", "flag"] = "flag"
    identity: Literal["strict", "register", "lenient", "none"] = "lenient"
    exempt: dict[str, str] = Field(default_factory=dict)
    rules: list[dict[str, Any]] = Field(default_factory=list)


class Change(_Strict):
    """What a department changes of a rule, with the reason a person gave."""

    reason: Bilingual
    severity: Severity | None = None
    params: dict[str, Any] = Field(default_factory=dict)
    off: bool = False


class DepartmentKind(_Strict):
    """A department's changes and additions for one kind."""

    change: dict[str, Change] = Field(default_factory=dict)
    rules: list[dict[str, Any]] = Field(default_factory=list)


Share = Annotated[float, Field(ge=0, le=1)]


class UsualVolume(_Strict):
    """Rows of an ordinary delivery."""

    least: int = Field(ge=0)
    most: int = Field(ge=0)


class UsualAmounts(_Strict):
    """Quartiles of the amounts above zero, their 99th percentile, and the most that is still usual."""

    quarter: float = Field(ge=0)
    median: float = Field(ge=0)
    three_quarters: float = Field(gt=0)
    p99: float = Field(gt=0)
    most: float = Field(gt=0)


class Thresholds(_Strict):
    """What is usual for one feed, as `creditflow thresholds` proposed and a person accepted it.

    kind, rests_on and too_little_history are the proposal's own account; nothing counts without a name, a day and a reason.
    """

    accepted_by: str = Field(min_length=1)
    accepted_on: date
    reason: Bilingual
    kind: str
    rests_on: dict[str, int]
    too_little_history: list[str] = Field(default_factory=list)
    volume: UsualVolume | None = None
    null_share: dict[str, Share] = Field(default_factory=dict)
    code_share: dict[str, dict[str, Share]] = Field(default_factory=dict)
    amount: dict[str, UsualAmounts] = Field(default_factory=dict)

    def specs(self, feed: str) -> Iterator[tuple[Location, dict[str, Any]]]:
        """(place below the feed, specification) of the rules they make."""
        if self.volume is not None:
            yield ("volume",), {"rule": "DRIFT-VOLUME", "check": "accepted_volume", **self.volume.model_dump()}
        for column, most in self.null_share.items():
            if most < 1:
                yield (
                    ("null_share", column),
                    {"rule": "NULLS-{COLUMN}", "check": "null_share", "column": column, "most": most},
                )
        for column, shares in self.code_share.items():
            yield (
                ("code_share", column),
                {"rule": "CODES-{COLUMN}", "check": "code_shares", "column": column, "shares": shares},
            )
        for column, usual in self.amount.items():
            limits = usual.model_dump(include={"quarter", "three_quarters", "most"})
            yield (
                ("amount", column),
                {"rule": "AMOUNTS-{COLUMN}", "check": "amount_distribution", "column": column, **limits},
            )


class DepartmentFile(_Strict):
    """departments/<code>.yml. thresholds: by feed."""

    department: str
    why: Bilingual
    thresholds: dict[str, Thresholds] = Field(default_factory=dict)
    kinds: dict[str, DepartmentKind] = Field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One rule as it stands for one kind (and, where changed, one department).

    rule_id: `KIND-KEY`. fields: canonical columns it blames, first the one to mark. nulls: column to take out of the
    record when the rule fails (a failed code beside a good one). feed: the only feed whose deliveries a batch rule
    judges (accepted thresholds); None: all. origin: file and line.
    """

    rule_id: str
    key: str
    kind: str
    check_name: str
    check: Check
    conditions: tuple[Condition, ...]
    severity: Severity
    fields: tuple[str, ...]
    title_zh: str
    title_en: str
    remedy_zh: str
    remedy_en: str
    source: str
    return_code: str
    due_days: int
    origin: str
    nulls: str | None = None
    feed: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)

    @property
    def column(self) -> str:
        """Name of its boolean column in work.gate_<kind>."""
        return self.rule_id.lower().replace("-", "_")

    @property
    def is_batch(self) -> bool:
        """Whether it judges a delivery as a whole."""
        return self.kind == BATCH


@dataclass(frozen=True)
class RuleBook:
    """All rules. digest: sha256 over the files it was made of. notices: words for ids that the gate itself gives.

    fallback: why the present files were refused, when this is the previous rule book.
    """

    kinds: Mapping[str, tuple[Rule, ...]]
    departments: Mapping[tuple[str, str], tuple[Rule, ...]]
    lists: Mapping[str, tuple[str, ...]]
    digest: str
    notices: Mapping[str, Notice] = field(default_factory=dict)
    fallback: tuple[Problem, ...] = ()

    def rules(self, kind: str, department: str) -> tuple[Rule, ...]:
        """The rules for one department's rows of a kind."""
        return self.departments.get((kind, department), self.kinds[kind])

    def batch_rules(self, department: str, feed: str) -> tuple[Rule, ...]:
        """The rules for the deliveries of one feed as a whole."""
        rules = self.departments.get((BATCH, department), self.kinds[BATCH])
        return tuple(rule for rule in rules if rule.feed in (None, feed))

    def union(self, kind: str, departments: Iterable[str]) -> tuple[Rule, ...]:
        """Every rule that some of the departments have for a kind, once each."""
        found: dict[str, Rule] = {}
        for department in departments:
            for rule in self.rules(kind, department):
                found.setdefault(rule.rule_id, rule)
        return tuple(found.values())

    @cached_property
    def by_id(self) -> Mapping[str, Rule]:
        """Every rule by id, as the kind has it, or as its department does for rules only a department has."""
        found = {rule.rule_id: rule for rules in self.kinds.values() for rule in rules}
        for rules in self.departments.values():
            for rule in rules:
                found.setdefault(rule.rule_id, rule)
        return found


def load_rulebook(project: Path, registry: Registry) -> RuleBook:
    """Read and compile `project`/expectations. Raises RuleBookError with every problem found."""
    return _compiled(project / "expectations", load_lists(project), registry)


def load_or_previous(settings: Settings, registry: Registry) -> RuleBook:
    """The rule book in force: the present files when they load, else the last ones that did.

    `fallback` then holds the problems, for an incident and for the operator. Raises RuleBookError when there is no
    earlier rule book either.
    """
    kept = settings.home / "rulebook"
    try:
        book = load_rulebook(settings.project, registry)
    except RuleBookError as error:
        if not (kept / "expectations").is_dir():
            raise
        previous = _compiled(kept / "expectations", load_lists(settings.project), registry)
        return replace(previous, fallback=error.problems)
    marker = kept / "digest"
    if not marker.exists() or marker.read_text(encoding="utf-8") != book.digest:
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(settings.project / "expectations", kept / "expectations")
        marker.write_text(book.digest, encoding="utf-8")
    return book


def load_lists(project: Path) -> dict[str, tuple[str, ...]]:
    """Values of every code list of dbt_project/seeds/code_list.csv, in file order."""
    found: dict[str, list[str]] = {}
    with (project / "dbt_project" / "seeds" / "code_list.csv").open(encoding="utf-8", newline="") as stream:
        for line in csv.DictReader(stream):
            found.setdefault(line["list"], []).append(line["value"])
    return {name: tuple(values) for name, values in found.items()}


_FORMATTER = Formatter()


@dataclass(frozen=True)
class _Made:
    """A rule book and what it was made of."""

    files: Mapping[str, bytes]
    lists: Mapping[str, tuple[str, ...]]
    registry: Registry
    book: RuleBook


_last: _Made | None = None


def _compiled(folder: Path, lists: dict[str, tuple[str, ...]], registry: Registry) -> RuleBook:
    """The rule book of a folder: the last one of this process where nothing it was made of has changed."""
    global _last
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.yml"))}
    if _last is None or _last.registry is not registry or (_last.files, _last.lists) != (files, lists):
        _last = _Made(files, lists, registry, _Loader(folder, lists, registry).load())
    return _last.book


class _Loader:
    """One reading of expectations/: collects problems, builds rules."""

    def __init__(self, folder: Path, lists: dict[str, tuple[str, ...]], registry: Registry) -> None:
        self.folder = folder
        self.lists = lists
        self.registry = registry
        self.problems: list[Problem] = []
        self.catalogue: dict[str, Entry] = {}
        self.notices: dict[str, Notice] = {}
        self.digest = hashlib.sha256()

    def load(self) -> RuleBook:
        """Everything, or RuleBookError."""
        self.catalogue = self._read_catalogue()
        kinds: dict[str, tuple[Rule, ...]] = {}
        batch = self._document(self.folder / "batch.yml")
        if batch:
            kinds[BATCH] = self._kind_rules(batch, BATCH)
        for name in self.registry.kinds:
            document = self._document(self.folder / "kinds" / f"{name}.yml")
            if document:
                kinds[name] = self._kind_rules(document, name)
        for path in sorted((self.folder / "kinds").glob("*.yml")):
            if path.stem not in self.registry.kinds:
                self.problems.append(Problem(self._name(path), 1, f"no such record kind: {path.stem}"))
        departments = self._departments(kinds)
        if self.problems:
            raise RuleBookError(self.problems)
        return RuleBook(kinds, departments, self.lists, self.digest.hexdigest(), self.notices)

    def _name(self, path: Path) -> str:
        return f"expectations/{path.relative_to(self.folder)}"

    def _document(self, path: Path) -> Document | None:
        name = self._name(path)
        if not path.is_file():
            self.problems.append(Problem(name, 1, "file is missing"))
            return None
        self.digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
        try:
            return read(path, name)
        except RuleBookError as error:
            self.problems.extend(error.problems)
            return None

    def _validated(self, model: type[Model], data: Any, document: Document, at: Location = ()) -> Model | None:
        try:
            return validated(model, data, document, at)
        except RuleBookError as error:
            self.problems.extend(error.problems)
            return None

    def _read_catalogue(self) -> dict[str, Entry]:
        document = self._document(self.folder / "catalogue.yml")
        catalogue = self._validated(Catalogue, document.data, document) if document else None
        if catalogue is None:
            return {}
        self.notices = catalogue.notices
        return catalogue.rules

    def _kind_rules(self, document: Document, name: str) -> tuple[Rule, ...]:
        file = self._validated(RuleFile, document.data, document)
        if file is None:
            return ()
        if file.kind != name:
            self.problems.append(document.problem(("kind",), f"the file is called {name}, not {file.kind}"))
            return ()
        kind = self.registry.kinds.get(name)
        specs: list[tuple[Location, dict[str, Any]]] = []
        if kind is not None:
            specs += [((), spec) for spec in _automatic(kind, file)]
            self._check_exempt(document, file, specs)
            specs = [(at, spec) for at, spec in specs if _auto_id(spec) not in file.exempt]
        specs += [(("rules", index), spec) for index, spec in enumerate(file.rules)]
        return self._rules(document, name, kind, specs)

    def _check_exempt(self, document: Document, file: RuleFile, specs: list[tuple[Location, dict[str, Any]]]) -> None:
        known = {_auto_id(spec) for _, spec in specs}
        for key in file.exempt:
            if key not in known:
                self.problems.append(document.problem(("exempt", key), f"no automatic rule {key} to exempt"))

    def _rules(
        self, document: Document, name: str, kind: Kind | None, specs: Iterable[tuple[Location, dict[str, Any]]]
    ) -> tuple[Rule, ...]:
        rules: dict[str, Rule] = {}
        for at, spec in specs:
            rule = self._rule(document, at, name, kind, spec)
            if rule is None:
                continue
            if rule.rule_id in rules:
                self.problems.append(document.problem(at, f"rule {rule.rule_id} is written twice"))
            if len(rule.column) > 63:
                self.problems.append(document.problem(at, f"rule id {rule.rule_id} is longer than 63 characters"))
            rules[rule.rule_id] = rule
        return tuple(rules.values())

    def _rule(
        self, document: Document, at: Location, name: str, kind: Kind | None, spec: Mapping[str, Any]
    ) -> Rule | None:
        """One rule from its specification: {rule, check, severity?, when?, name?, nulls?, ...parameters of the check}."""
        spec = dict(spec)
        key, check_name = spec.pop("rule", None), spec.pop("check", None)
        severity, conditions, nulls = spec.pop("severity", None), spec.pop("when", []), spec.pop("nulls", None)
        entry = self._entry(document, at, key)
        check_type = CHECKS.get(str(check_name))
        if check_type is None:
            self.problems.append(document.problem((*at, "check"), f"unknown check: {check_name}"))
        if entry is None or check_type is None:
            return None
        feed = spec.get("feed") if issubclass(check_type, FeedCheck) else None
        if issubclass(check_type, BatchCheck) != (name == BATCH):
            what = "rows" if name == BATCH else "whole deliveries"
            self.problems.append(
                document.problem((*at, "check"), f"check {check_name} is about {what}: not in this file")
            )
            return None
        if severity is not None and severity not in ("hold", "reject", "flag"):
            self.problems.append(document.problem((*at, "severity"), f"unknown severity: {severity}"))
            return None
        check = self._validated(check_type, spec, document, at)
        when = [
            self._validated(Condition, item, document, (*at, "when", index))
            for index, item in enumerate(conditions if isinstance(conditions, list) else [conditions])
        ]
        if check is None or any(condition is None for condition in when):
            return None
        rule_conditions = tuple(condition for condition in when if condition is not None)
        if kind is not None and not self._names_known(document, at, kind, check, rule_conditions, nulls):
            return None
        fields = check.columns()
        column = kind.by_name.get(fields[0]) if kind and fields else None
        words = _Words(kind, column, spec)
        return Rule(
            rule_id="-".join(
                part.upper()
                for part in (name, feed, str(key).replace("{COLUMN}", fields[0] if fields else ""))
                if part is not None
            ),
            key=str(key),
            kind=name,
            check_name=str(check_name),
            check=check,
            conditions=rule_conditions,
            severity=severity or entry.severity,
            fields=fields,
            title_zh=words.fill(entry.title.zh),
            title_en=words.fill(entry.title.en),
            remedy_zh=words.fill(entry.remedy.zh),
            remedy_en=words.fill(entry.remedy.en),
            source=entry.source,
            return_code=entry.return_code,
            due_days=entry.due_days,
            origin=f"{document.file}:{document.line(at)}",
            nulls=nulls,
            feed=feed,
            parameters=spec,
        )

    def _entry(self, document: Document, at: Location, key: object) -> Entry | None:
        entry = self.catalogue.get(str(key))
        if entry is None:
            self.problems.append(document.problem((*at, "rule"), f"rule {key} is not in the catalogue"))
        return entry

    def _names_known(
        self,
        document: Document,
        at: Location,
        kind: Kind,
        check: Check,
        conditions: tuple[Condition, ...],
        nulls: str | None,
    ) -> bool:
        before = len(self.problems)
        named = [*check.columns(), *(c for condition in conditions for c in condition.columns())]
        for column in [*named, *([nulls] if nulls else [])]:
            if column not in kind.by_name:
                self.problems.append(document.problem(at, f"unknown column of {kind.name}: {column}"))
        if len(self.problems) > before:
            return False
        for column in check.columns():
            if kind.by_name[column].type == "person_id" and not {"*", "person_id"} & set(check.types):
                self.problems.append(document.problem(at, f"{column} is a personal number: it has no text to check"))
        for name in check.lists():
            if name not in self.lists:
                self.problems.append(document.problem(at, f"unknown code list: {name}"))
        return len(self.problems) == before

    def _departments(self, kinds: dict[str, tuple[Rule, ...]]) -> dict[tuple[str, str], tuple[Rule, ...]]:
        result: dict[tuple[str, str], tuple[Rule, ...]] = {}
        known = self.registry.all()
        for path in sorted((self.folder / "departments").glob("*.yml")):
            document = self._document(path)
            file = self._validated(DepartmentFile, document.data, document) if document else None
            if document is None or file is None:
                continue
            if file.department != path.stem or file.department not in known:
                self.problems.append(document.problem(("department",), f"no such department: {file.department}"))
                continue
            drift = self._accepted(document, file) if file.thresholds else ()
            if drift:
                result[BATCH, file.department] = (*kinds.get(BATCH, ()), *drift)
            for name, special in file.kinds.items():
                if name not in kinds:
                    self.problems.append(document.problem(("kinds", name), f"no such record kind: {name}"))
                    continue
                rules = result.get((name, file.department), kinds[name])
                result[name, file.department] = self._special(document, file.department, name, rules, special)
        return result

    def _accepted(self, document: Document, file: DepartmentFile) -> tuple[Rule, ...]:
        """The rules that a department's accepted thresholds make, each for one feed."""
        rules: list[Rule] = []
        for name, accepted in file.thresholds.items():
            at: Location = ("thresholds", name)
            feed = self.registry.all()[file.department].feeds.get(name)
            if feed is None or feed.kind != accepted.kind:
                told = f"{file.department} has no feed {name}" + ("" if feed is None else f" of kind {accepted.kind}")
                self.problems.append(document.problem(at, told))
                continue
            kind = self.registry.kinds[feed.kind]
            for place, spec in accepted.specs(name):
                rule = self._rule(document, (*at, *place), BATCH, kind, {**spec, "feed": name})
                if rule is not None and len(rule.column) > 63:
                    self.problems.append(document.problem((*at, *place), f"rule id {rule.rule_id} is too long"))
                elif rule is not None:
                    rules.append(rule)
        return tuple(rules)

    def _special(
        self, document: Document, department: str, name: str, rules: tuple[Rule, ...], special: DepartmentKind
    ) -> tuple[Rule, ...]:
        kind = self.registry.kinds.get(name)
        at: Location = ("kinds", name)
        by_id = {rule.rule_id: rule for rule in rules}
        for rule_id, change in special.change.items():
            where: Location = (*at, "change", rule_id)
            rule = by_id.get(rule_id)
            if rule is None:
                self.problems.append(document.problem(where, f"unknown rule: {rule_id}"))
            elif change.off:
                del by_id[rule_id]
            else:
                feed = self.registry.feed(department, rule.feed) if rule.feed else None
                about = self.registry.kinds[feed.kind] if feed else kind
                by_id[rule_id] = self._changed(document, where, rule, change, about)
        specs = [((*at, "rules", index), spec) for index, spec in enumerate(special.rules)]
        for rule in self._rules(document, name, kind, specs):
            if rule.rule_id in by_id:
                self.problems.append(document.problem(at, f"rule {rule.rule_id} exists already: change it instead"))
            by_id[rule.rule_id] = rule
        return tuple(by_id.values())

    def _changed(self, document: Document, at: Location, rule: Rule, change: Change, kind: Kind | None) -> Rule:
        check, parameters = rule.check, {**rule.parameters, **change.params}
        if change.params:
            try:
                check = type(rule.check).model_validate(parameters)
            except ValidationError as error:
                for fault in error.errors(include_url=False, include_input=False):
                    name = ".".join(map(str, fault["loc"]))
                    self.problems.append(document.problem((*at, "params", *fault["loc"]), f"{name}: {fault['msg']}"))
                return rule
            if kind is not None and not self._names_known(document, at, kind, check, rule.conditions, rule.nulls):
                return rule
        entry = self.catalogue[rule.key]
        words = _Words(kind, kind.by_name.get(rule.fields[0]) if kind and rule.fields else None, parameters)
        return replace(
            rule,
            check=check,
            parameters=parameters,
            severity=change.severity or rule.severity,
            title_zh=words.fill(entry.title.zh),
            title_en=words.fill(entry.title.en),
            remedy_zh=words.fill(entry.remedy.zh),
            remedy_en=words.fill(entry.remedy.en),
            origin=f"{document.file}:{document.line(at)}",
        )


class _Words:
    """Fills {zh}, {column}, {length}, {list} and parameters into titles and remedies."""

    def __init__(self, kind: Kind | None, column: Column | None, parameters: Mapping[str, Any]) -> None:
        self.values: dict[str, Any] = {
            **{name: value for name, value in parameters.items() if isinstance(value, (str, int, float))},
            "kind_zh": kind.title_zh if kind else "",
            "kind_en": kind.title_en if kind else "",
            "zh": column.zh if column else "",
            "column": column.name if column else "",
        }
        for name in ("first", "second", "text_column", "category"):
            other = kind.by_name.get(str(parameters.get(name))) if kind else None
            if other is not None:
                self.values[f"{name}_zh"] = other.zh

    def fill(self, text: str) -> str:
        """The text with its words; an unknown word stays visible as it is written."""
        return "".join(
            literal + ("" if name is None else str(self.values.get(name, "{" + name + "}")))
            for literal, name, _, _ in _FORMATTER.parse(text)
        )


def _auto_id(spec: Mapping[str, Any]) -> str:
    return str(spec["rule"]).replace("{COLUMN}", str(spec.get("column", "")).upper())


def _automatic(kind: Kind, file: RuleFile) -> Iterator[dict[str, Any]]:
    """The rules that a kind's own columns make."""
    yield {"rule": "READ", "check": "no_reader_defect"}
    yield {"rule": "FFFD", "check": "no_replacement_character"}
    yield {"rule": "OP", "check": "known_operation"}
    yield {"rule": "X-VERSION", "check": "one_version"}
    yield {"rule": "RETURNED", "check": "answers_return"}
    yield {"rule": "RETURNED-ONE", "check": "one_answer"}
    if kind.counterparty:
        yield {"rule": "R13-CODE", "check": "no_personal_number_in_code"}
    if file.columns == "auto":
        for column in kind.columns:
            yield from _of_column(kind, column, file)
    if file.identity in ("register", "lenient") and kind.counterparty:
        yield from _of_identity(kind, file.identity)


def _of_column(kind: Kind, column: Column, file: RuleFile) -> Iterator[dict[str, Any]]:
    severity = "reject" if column.need == "M" else file.optional
    name = column.name
    identity = {value for role, value in kind.counterparty.items() if role not in ("name", "type")}
    if column.need == "M":
        yield {"rule": "R01-{COLUMN}", "check": "required", "column": name}
        if column.type == "text":
            yield {"rule": "R01F-{COLUMN}", "check": "not_filler", "column": name}
    if column.list:
        yield {"rule": "LIST-{COLUMN}", "check": "code_list", "column": name, "list": column.list, "severity": severity}
    if column.type == "date":
        yield {"rule": "R06-{COLUMN}", "check": "date", "column": name, "severity": severity}
    elif column.type == "datetime":
        yield {"rule": "R06-{COLUMN}", "check": "time", "column": name, "severity": severity}
    elif column.type in ("decimal", "integer"):
        decimals = 6 if column.type == "decimal" else 0
        yield {"rule": "R10-{COLUMN}", "check": "amount", "column": name, "severity": severity}
        yield {"rule": "R10-{COLUMN}-DECIMALS", "check": "decimals", "column": name, "decimals": decimals}
    elif column.type == "flag":
        yield {"rule": "LIST-{COLUMN}", "check": "match", "column": name, "pattern": FLAG_PATTERN, "severity": severity}
    elif column.type == "uscc" and name not in identity:
        strict = {"severity": "reject"} if kind.name in STRICT_KINDS else {"severity": "flag", "nulls": name}
        yield {"rule": "R12-{COLUMN}", "check": "uscc", "column": name, **strict}
    elif column.type == "person_id" and name not in identity:
        strict = {"severity": "reject"} if kind.name in STRICT_KINDS else {"severity": "flag", "nulls": name}
        yield {"rule": "R18-{COLUMN}", "check": "person_id", "column": name, **strict}
    if column.length and column.type not in ("person_id", "uscc", "date", "datetime") and not column.list:
        yield {
            "rule": "LEN-{COLUMN}",
            "check": "max_length",
            "column": name,
            "length": column.length,
            "severity": severity,
        }
    if column.free_text:
        yield {"rule": "R13-{COLUMN}", "check": "no_personal_data", "column": name}


FLAG_PATTERN = "^(是|否|有|无|Y|N|y|n|1|0|true|false|TRUE|FALSE)$"
"""What a yes/no column may say."""


def _of_identity(kind: Kind, identity: str) -> Iterator[dict[str, Any]]:
    """Outside permit and penalty a wrong code is lost, not the row; a row that identifies nobody waits for review.

    identity `register`: an entry of the register itself that identifies nobody is rejected.
    """
    alone: dict[str, Any] = {"severity": "reject"} if identity == "register" else {"severity": "flag"}
    roles = ("uscc", "org_code", "reg_no", "tax_no", "person_id_no")
    for role in roles:
        column = kind.counterparty.get(role)
        if column is None:
            continue
        loses = {} if identity == "register" else {"nulls": column}
        yield {"rule": "ID-{COLUMN}", "check": "identifier_fails", "column": column, **alone, **loses}
        yield {"rule": "ID-NULLED-{COLUMN}", "check": "identifier_nulled", "column": column, "nulls": column}
        if role != "person_id_no":
            yield {"rule": "ID-MASKED-{COLUMN}", "check": "identifier_masked", "column": column, "nulls": column}
        else:
            yield {"rule": "R05-15-{COLUMN}", "check": "person_id_new", "column": column}
        if role == "uscc":
            yield {"rule": "ID-REPAIRED-{COLUMN}", "check": "identifier_repaired", "column": column}
    yield {"rule": "ID-NONE", "check": "identified"}
