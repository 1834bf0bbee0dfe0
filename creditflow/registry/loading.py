"""From the files of sources/ to one `Registry`, with every contradiction found before a night starts.

Promises
- `load` reads each file once, sorted by name; strict, it raises with all problems; lenient, it drops the broken
  department only, and tells.
- What crosses files is checked here: kinds, columns, code lists, unique codes and numbers, names, channels, codes of
  authorities, headings that would mean two things.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from creditflow.registry.files import (
    AuthoritiesFile,
    Converted,
    DepartmentFile,
    FeedEntry,
    FileFormat,
    KindEntry,
    KindsFile,
    LayoutsFile,
    Lookups,
    MappingEntry,
    Routes,
    SourceFile,
    heading_keys,
    json_schema,
)
from creditflow.registry.heading import normal_heading, uscc_is_valid
from creditflow.registry.model import (
    FORBIDDEN,
    Alias,
    Column,
    Department,
    Derive,
    Feed,
    Filter,
    Kind,
    Registry,
    RegistryError,
    SourceProblem,
    normal_authority,
)

EXPECTED_DEPARTMENTS = 43
CHANNEL_PREFIX = {"frontend_db": "exchange", "sftp": "sftp", "rest_api": "api", "manual_upload": "drop"}
CHANNEL_FORMATS: dict[str, tuple[FileFormat, ...]] = {
    "frontend_db": ("table",),
    "sftp": ("csv", "xlsx", "xls", "xml", "json", "html"),
    "rest_api": ("json", "xml"),
    "manual_upload": ("xlsx", "xls", "csv", "html"),
}
DROP_FORMATS: tuple[FileFormat, ...] = ("csv", "xlsx", "xls", "json", "xml", "html")
RECORD_PATHS = {"json": ("rows", "data", "records", ""), "xml": ("ROWDATA/ROW", "ROW")}
MANUAL_TITLE_ROWS = 3
OPEN_LISTS = frozenset({"id_type"})  # text starting with 其他- is a value too


def load(project: Path, *, lenient: bool = False) -> Registry:
    """Read `project`/sources. Strict raises `RegistryError`; lenient leaves broken departments out and lists why."""
    return _Loading(project).run(lenient=lenient)


def check(project: Path) -> list[SourceProblem]:
    """Everything wrong with sources/: what `load` refuses, missing departments, an editor schema out of date."""
    try:
        registry = load(project)
    except RegistryError as error:
        return list(error.problems)
    problems = []
    numbers = {department.dept_no for department in registry.departments.values()}
    missing = sorted(set(range(1, EXPECTED_DEPARTMENTS + 1)) - numbers)
    if missing:
        told = ", ".join(str(number) for number in missing)
        problems.append(SourceProblem("sources", 1, f"departments missing, by dept_no: {told}"))
    schema = project / "sources" / "schema.json"
    if not schema.exists() or schema.read_text(encoding="utf-8") != schema_text():
        problems.append(SourceProblem("sources/schema.json", 1, "out of date: run `creditflow sources check --write`"))
    return problems


def schema_text() -> str:
    """The content sources/schema.json must have."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def write_schema(project: Path) -> Path:
    """Write sources/schema.json and return its path."""
    path = project / "sources" / "schema.json"
    path.write_text(schema_text(), encoding="utf-8")
    return path


@dataclass
class _Base:
    """The mapping every feed of one kind and layout starts from."""

    headings: dict[str, str] = field(default_factory=dict)
    controls: dict[str, str] = field(default_factory=dict)
    by_shape: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    ignore: set[str] = field(default_factory=set)
    keep: set[str] = field(default_factory=set)
    lookups: dict[str, dict[str, str]] = field(default_factory=dict)
    flags: dict[str, dict[str, str]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    derive: list[Derive] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)

    def copy(self) -> _Base:
        """An independent copy a feed may add to."""
        return _Base(
            dict(self.headings),
            dict(self.controls),
            dict(self.by_shape),
            set(self.sources),
            set(self.ignore),
            set(self.keep),
            {column: dict(values) for column, values in self.lookups.items()},
            {column: dict(values) for column, values in self.flags.items()},
            dict(self.constants),
            list(self.derive),
            list(self.aliases),
        )

    def forget(self, heading: str) -> None:
        """Let a heading mean nothing, before it is given another meaning."""
        for place in (self.headings, self.controls, self.by_shape):
            place.pop(heading, None)
        for names in (self.sources, self.ignore, self.keep):
            names.discard(heading)

    def add(self, entry: MappingEntry, kind: Kind) -> None:
        """Lay a layout's or a feed's own mapping over this one: the later word wins."""
        for heading, column in entry.headings.items():
            self._point(normal_heading(heading), column)
        for alias in entry.aliases:
            self._point(normal_heading(alias.heading), alias.column)
            self.aliases.append(Alias(alias.heading, alias.column, alias.since, alias.until, alias.note))
        for heading, routes in entry.by_shape.items():
            key = normal_heading(heading)
            self.forget(key)
            self.by_shape[key] = _routes(routes, kind)
        for names, place in ((entry.ignore, self.ignore), (entry.keep, self.keep)):
            for key in heading_keys(names):
                self.forget(key)
                place.add(key)
        self._convert(entry.lookups)
        self.constants.update(entry.constants)
        for item in entry.derive:
            if item.how in ("join", "first", "scale"):
                for key in heading_keys(item.source):
                    self.forget(key)
                    self.sources.add(key)
            self.derive.append(_derive(item.model_dump(), kind))

    def _point(self, heading: str, target: str) -> None:
        self.forget(heading)
        (self.controls if target.startswith("@") else self.headings)[heading] = target

    def _convert(self, lookups: Lookups) -> None:
        for column, values in lookups.items():
            into, flags = self.lookups.setdefault(column, {}), self.flags.setdefault(column, {})
            for raw, meant in values.items():
                flags.pop(raw, None)
                if isinstance(meant, Converted):
                    into[raw], flags[raw] = meant.value, meant.flag
                else:
                    into[raw] = meant


def _routes(routes: Routes, kind: Kind) -> dict[str, tuple[str, ...]]:
    """Where each shape goes in this kind; `@role` is the kind's column for it, a person without a column is cut."""
    found: dict[str, tuple[str, ...]] = {}
    for shape, targets in routes.items():
        columns = [kind.counterparty.get(name[1:]) if name.startswith("@") else name for name in targets]
        known = tuple(dict.fromkeys(column for column in columns if column in kind.by_name))
        if known or shape in ("resident_id", "otherwise") or not targets:
            found[shape] = known
    if not found.get("otherwise"):
        found["otherwise"] = found.get("uscc", ())
    return found


def _derive(values: dict[str, object], kind: Kind) -> Derive:
    how = str(values["how"])
    source = tuple(str(item) for item in values["source"])  # type: ignore[attr-defined]
    if how in ("join", "first", "scale"):
        source = tuple(normal_heading(item) for item in source)
    when = values["when"]
    if when is not None and when not in kind.by_name:
        when = normal_heading(when)
    return Derive(**{**values, "source": source, "when": when, "flag": values["flag"] or how})  # type: ignore[arg-type]


class _Loading:
    """One reading of sources/."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.folder = project / "sources"
        self.problems: list[SourceProblem] = []
        self.kinds: dict[str, Kind] = {}
        self.layouts: LayoutsFile | None = None
        self.authorities: AuthoritiesFile | None = None
        self.lists = _code_lists(project)
        self.bases: dict[tuple[str, str], _Base] = {}

    def run(self, *, lenient: bool) -> Registry:
        """Read the shared files, then every department."""
        self._read_shared()
        if self.problems:
            raise RegistryError(self.problems)
        good: dict[str, tuple[SourceFile, DepartmentFile]] = {}
        for path in sorted(self.folder.glob("*.yml")):
            if path.name.startswith("_"):
                continue
            source = SourceFile(path, self.project)
            content, problems = source.read(DepartmentFile)
            if content is not None:
                problems = list(self._department_problems(source, content))
            if content is not None and not problems:
                problems = list(_clashes(source, content, good))
            self.problems.extend(problems)
            if content is not None and not problems:
                good[content.code] = (source, content)
        if not good and not self.problems:
            self.problems.append(SourceProblem("sources", 1, "no department file found"))
        if self.problems and not lenient:
            raise RegistryError(self.problems)
        return self._registry(good)

    def _registry(self, good: Mapping[str, tuple[SourceFile, DepartmentFile]]) -> Registry:
        bodies = {code: self._department(source, content) for code, (source, content) in sorted(good.items())}
        codes, names = self._authority_tables(bodies.values())
        return Registry(
            departments={code: body for code, body in bodies.items() if not body.external},
            external={code: body for code, body in bodies.items() if body.external},
            kinds=self.kinds,
            authority_codes=codes,
            authority_names=names,
            problems=tuple(self.problems),
        )

    # --- shared files

    def _read_shared(self) -> None:
        source = SourceFile(self.folder / "_kinds.yml", self.project)
        kinds, problems = source.read(KindsFile)
        self.problems.extend(problems)
        for name, entry in (kinds.kinds if kinds else {}).items():
            self.problems.extend(self._kind_problems(source, name, entry))
            self.kinds[name] = Kind(
                name=name,
                title_zh=entry.title_zh,
                title_en=entry.title_en,
                category=entry.category,
                decisive_date=entry.decisive_date,
                counterparty=dict(entry.counterparty),
                record_key=tuple(entry.record_key),
                columns=tuple(Column(**column.model_dump()) for column in entry.columns),
            )
        layouts = SourceFile(self.folder / "_layouts.yml", self.project)
        self.layouts, problems = layouts.read(LayoutsFile)
        self.problems.extend(problems or self._layout_problems(layouts))
        authorities = SourceFile(self.folder / "_authorities.yml", self.project)
        self.authorities, problems = authorities.read(AuthoritiesFile)
        self.problems.extend(problems or self._authority_problems(authorities))

    def _kind_problems(self, source: SourceFile, name: str, entry: KindEntry) -> Iterator[SourceProblem]:
        columns = {column.name for column in entry.columns}
        headings: dict[str, str] = {}
        for position, column in enumerate(entry.columns):
            here = ("kinds", name, "columns", position)
            if column.list and column.list not in self.lists:
                yield source.problem(f"kinds.{name}.{column.name}: no code list {column.list!r}", *here)
            for heading in {normal_heading(text) for text in (column.name, column.zh, column.code)}:
                other = headings.setdefault(heading, column.name)
                if other != column.name:
                    yield source.problem(f"kinds.{name}: heading {heading!r} means {other} and {column.name}", *here)
        for role, column_name in entry.counterparty.items():
            if column_name not in columns:
                where = ("kinds", name, "counterparty", role)
                yield source.problem(f"kinds.{name}.counterparty.{role}: no column {column_name!r}", *where)
        for position, part in enumerate(entry.record_key):
            if part not in columns and part not in ("@counterparty", "@department"):
                told = f"kinds.{name}.record_key: no column {part!r}"
                yield source.problem(told, "kinds", name, "record_key", position)
        if entry.decisive_date and entry.decisive_date not in columns:
            yield source.problem(f"kinds.{name}.decisive_date: no column", "kinds", name, "decisive_date")

    def _layout_problems(self, source: SourceFile) -> Iterator[SourceProblem]:
        if self.layouts is None:
            return
        every = {column for kind in self.kinds.values() for column in kind.by_name}
        roles = {f"@{role}" for kind in self.kinds.values() for role in kind.counterparty}
        for target in self.layouts.common.synonyms:
            if target not in every | roles:
                yield source.problem(f"common.synonyms: no column {target!r} in any kind", "common", "synonyms", target)
        for layout, kinds in self.layouts.layouts.items():
            for name, entry in kinds.items():
                if name not in self.kinds:
                    yield source.problem(f"layouts.{layout}: no kind {name!r}", "layouts", layout, name)
                else:
                    yield from self._mapping_problems(source, entry, self.kinds[name], ("layouts", layout, name))

    def _authority_problems(self, source: SourceFile) -> Iterator[SourceProblem]:
        if self.authorities is None:
            return
        for code, districts in self.authorities.districts.items():
            for region, uscc in districts.items():
                if region not in self.authorities.regions:
                    yield source.problem(f"districts.{code}: no region {region}", "districts", code, region)
                if not uscc_is_valid(uscc) or uscc[2:8] != region:
                    told = f"districts.{code}.{region}: {uscc} is not a valid code of this region"
                    yield source.problem(told, "districts", code, region)

    # --- one department

    def _department_problems(self, source: SourceFile, content: DepartmentFile) -> Iterator[SourceProblem]:
        if content.code != source.path.stem:
            yield source.problem(f"code {content.code!r} does not match the file name {source.path.name}", "code")
        if (content.tier == "external") != content.code.startswith("x_"):
            yield source.problem("tier external goes with codes x_..., and only with them", "tier")
        if (content.tier == "external") != (content.dept_no > 9000):
            yield source.problem("dept_no above 9000 is for external feeds, and only for them", "dept_no")
        if not uscc_is_valid(content.authority_uscc):
            yield source.problem(f"authority_uscc {content.authority_uscc}: check character wrong", "authority_uscc")
        expected = f"{CHANNEL_PREFIX[content.channel]}_{content.code}"
        if content.connection != expected:
            yield source.problem(f"connection must be {expected!r} for channel {content.channel}", "connection")
        if content.format not in CHANNEL_FORMATS[content.channel]:
            yield source.problem(f"format {content.format} does not travel by {content.channel}", "format")
        if content.layout not in self._layout_names():
            yield source.problem(f"no layout {content.layout!r}", "layout")
        if content.tier != "external" and "zero_declaration" not in content.feeds:
            yield source.problem("a department declares zero: feed zero_declaration is missing", "feeds")
        for name, entry in content.feeds.items():
            yield from self._feed_problems(source, content, name, entry)

    def _layout_names(self) -> set[str]:
        return {"own", *(self.layouts.layouts if self.layouts else ())}

    def _feed_problems(
        self, source: SourceFile, content: DepartmentFile, name: str, entry: FeedEntry
    ) -> Iterator[SourceProblem]:
        here = ("feeds", name)
        kind = self.kinds.get(entry.kind or name)
        if kind is None:
            yield source.problem(f"feeds.{name}: no kind {entry.kind or name!r} in _kinds.yml", *here, "kind")
            return
        if entry.format is not None and entry.format not in CHANNEL_FORMATS[content.channel]:
            told = f"feeds.{name}: format {entry.format} does not travel by {content.channel}"
            yield source.problem(told, *here, "format")
        if entry.layout is not None and entry.layout not in self._layout_names():
            yield source.problem(f"feeds.{name}: no layout {entry.layout!r}", *here, "layout")
        allowed_keys = {
            "frontend_db": {"schema", "table"},
            "sftp": {"folder", "prefix"},
            "rest_api": {"path"},
            "manual_upload": {"folder"},
        }[content.channel]
        for key in entry.location:
            if key not in allowed_keys:
                told = f"feeds.{name}.location: {key!r} does not belong to channel {content.channel}"
                yield source.problem(told, *here, "location", key)
        for place, columns in (("allow_columns", entry.allow_columns), ("required_headings", entry.required_headings)):
            for position, column in enumerate(columns or ()):
                if column not in kind.by_name:
                    told = f"feeds.{name}.{place}: no column {column!r} in kind {kind.name}"
                    yield source.problem(told, *here, place, position)
        for position, item in enumerate(entry.out_of_scope):
            if item.column not in kind.by_name:
                told = f"feeds.{name}.out_of_scope: no column {item.column!r} in kind {kind.name}"
                yield source.problem(told, *here, "out_of_scope", position, "column")
        yield from self._mapping_problems(source, entry, kind, here)

    def _mapping_problems(
        self, source: SourceFile, entry: MappingEntry, kind: Kind, here: tuple[str, ...]
    ) -> Iterator[SourceProblem]:
        told = ".".join(here)
        yield from self._column_problems(source, entry, kind, here)
        yield from self._value_problems(source, entry, kind, here)
        taken: dict[str, str] = {}
        uses: list[tuple[str, str, tuple[str | int, ...]]] = [
            *((text, column, ("headings", text)) for text, column in entry.headings.items()),
            *((item.heading, item.column, ("aliases", at, "heading")) for at, item in enumerate(entry.aliases)),
            *((text, f"by shape {text}", ("by_shape", text)) for text in entry.by_shape),
            *((text, "ignored", ("ignore", at)) for at, text in enumerate(entry.ignore)),
            *((text, "kept", ("keep", at)) for at, text in enumerate(entry.keep)),
        ]
        fixed = {normal_heading(text): column.name for column in kind.columns for text in (column.name, column.code)}
        for text, meaning, where in uses:
            key = normal_heading(text)
            if where[0] != "ignore" and FORBIDDEN.search(key):
                yield source.problem(f"{told}: heading {text!r} is data that may not be collected", *here, *where)
            other = taken.setdefault(key, meaning)
            if other != meaning:
                yield source.problem(f"{told}: heading {text!r} means {other} and {meaning}", *here, *where)
            own = fixed.get(key)
            if where[0] in ("headings", "aliases") and own is not None and meaning != own and meaning[0] != "@":
                yield source.problem(f"{told}: heading {text!r} is the code of {own}, not of {meaning}", *here, *where)

    def _column_problems(
        self, source: SourceFile, entry: MappingEntry, kind: Kind, here: tuple[str, ...]
    ) -> Iterator[SourceProblem]:
        controls = {"@op", "@version_at", "@version_seq"}
        roles = {f"@{role}" for role in ("name", "type", "uscc", "org_code", "reg_no", "tax_no", "person_id_no")}
        named: list[tuple[str, tuple[str | int, ...], set[str]]] = [
            *((column, ("headings", text), controls) for text, column in entry.headings.items()),
            *((item.column, ("aliases", at, "column"), controls) for at, item in enumerate(entry.aliases)),
            *((column, ("lookups", column), controls) for column in entry.lookups),
            *((column, ("constants", column), set[str]()) for column in entry.constants),
            *((item.column, ("derive", at, "column"), set[str]()) for at, item in enumerate(entry.derive)),
            *(
                (column, ("by_shape", text, shape), roles)
                for text, routes in entry.by_shape.items()
                for shape, columns in routes.items()
                for column in columns
            ),
            *(
                (column, ("derive", at, "source"), set[str]())
                for at, item in enumerate(entry.derive)
                if item.how in ("copy", "authority_code", "party_type")
                for column in item.source
            ),
        ]
        for column, where, also in named:
            if column not in kind.by_name and column not in also:
                told = f"{'.'.join(here)}.{where[0]}: no column {column!r} in kind {kind.name}"
                yield source.problem(told, *here, *where)

    def _value_problems(
        self, source: SourceFile, entry: MappingEntry, kind: Kind, here: tuple[str, ...]
    ) -> Iterator[SourceProblem]:
        """Converted values and constants must be values of the column's code list."""
        for column, values in entry.lookups.items():
            for raw, meant in values.items():
                text = meant.value if isinstance(meant, Converted) else meant
                if not self._is_value(kind, column, text):
                    told = f"{'.'.join(here)}.lookups.{column}: {text!r} is not in its code list"
                    yield source.problem(told, *here, "lookups", column, raw)
        for column, text in entry.constants.items():
            if not self._is_value(kind, column, text):
                told = f"{'.'.join(here)}.constants.{column}: {text!r} is not in its code list"
                yield source.problem(told, *here, "constants", column)
        for position, item in enumerate(entry.derive):
            if item.value is not None and not self._is_value(kind, item.column, item.value):
                told = f"{'.'.join(here)}.derive: {item.value!r} is not in the code list of {item.column}"
                yield source.problem(told, *here, "derive", position, "value")

    def _is_value(self, kind: Kind, column: str, text: str) -> bool:
        if column == "@op":
            return text in ("I", "U", "D", "W", "R")
        found = kind.by_name.get(column)
        if found is None or found.list is None or text == "":
            return True
        if found.list in OPEN_LISTS and text.startswith("其他-"):
            return True
        values = self.lists.get(found.list, frozenset())
        return all(part in values for part in text.split(";"))

    # --- building

    def _base(self, kind: Kind, layout: str) -> _Base:
        known = self.bases.get((kind.name, layout))
        if known is None:
            known = self.bases[kind.name, layout] = self._make_base(kind, layout)
        return known.copy()

    def _make_base(self, kind: Kind, layout: str) -> _Base:
        base = _Base()
        if self.layouts is None:
            return base
        common = self.layouts.common
        base.ignore.update(heading_keys(common.ignore))
        base.keep.update(heading_keys(common.keep))
        for control, headings in common.controls.items():
            base.controls.update(dict.fromkeys(heading_keys(headings), control))
        for shaped in common.by_shape:
            if kind.counterparty and (shaped.kinds is None or kind.name in shaped.kinds):
                routes = _routes(shaped.routes, kind)
                base.by_shape.update(dict.fromkeys(heading_keys(shaped.headings), routes))
        for target, headings in common.synonyms.items():
            column = kind.counterparty.get(target[1:]) if target.startswith("@") else target
            if column in kind.by_name:
                for key in heading_keys(headings) - base.by_shape.keys():
                    base.headings.setdefault(key, column)
        for item in kind.columns:
            for text in (item.name, item.zh, item.code):
                key = normal_heading(text)
                if key not in base.by_shape:
                    base.forget(key)
                    base.headings[key] = item.name
        mapping = self.layouts.layouts.get(layout, {}).get(kind.name)
        if mapping is not None:
            base.add(mapping, kind)
        return base

    def _department(self, source: SourceFile, content: DepartmentFile) -> Department:
        return Department(
            code=content.code,
            dept_no=content.dept_no,
            name_zh=content.name_zh,
            name_en=content.name_en,
            tier=content.tier,
            importance=content.importance,
            external=content.tier == "external",
            channel=content.channel,
            connection=content.connection,
            cadence=content.cadence,
            expect_by=content.expect_by,
            contact=content.contact.model_dump(),
            legal_ground=content.legal_ground,
            authority_uscc=content.authority_uscc,
            application_fields=tuple(content.application_fields),
            former_names=tuple((item.name_zh, item.until) for item in content.former_names),
            zero_expected=content.zero_expected,
            notes=content.notes,
            feeds={name: self._feed(content, name, entry) for name, entry in content.feeds.items()},
            source_file=source.path,
        )

    def _feed(self, content: DepartmentFile, name: str, entry: FeedEntry) -> Feed:
        kind = self.kinds[entry.kind or name]
        layout = entry.layout or content.layout
        base = self._base(kind, layout)
        base.add(entry, kind)
        expected = entry.format or content.format
        constants = {
            column: value
            for column, value in (("source_unit_name", content.name_zh), ("source_unit_uscc", content.authority_uscc))
            if layout == "2015" and column in kind.by_name
        }
        usual = entry.expect_rows
        manual = content.channel == "manual_upload" and entry.title_rows == 0
        return Feed(
            department=content.code,
            name=name,
            kind=kind.name,
            delivery=entry.delivery,
            formats=_formats(expected, entry.accepts),
            encoding=entry.encoding or content.encoding,
            layout=layout,
            cadence=entry.cadence or content.cadence,
            expect_by=entry.expect_by or content.expect_by,
            importance=entry.importance or content.importance,
            rows_per_year=entry.rows_per_year,
            expect_rows=(usual.min, usual.max) if usual else (entry.rows_per_year // 2, entry.rows_per_year * 2),
            location=_location(content, name) | entry.location,
            headings=base.headings,
            controls=base.controls,
            by_shape=base.by_shape,
            sources=frozenset(base.sources),
            ignore=frozenset(base.ignore - base.headings.keys() - base.controls.keys()),
            keep=frozenset(base.keep),
            required_headings=_required(kind, entry),
            lookups={column: values for column, values in base.lookups.items() if values},
            lookup_flags={column: values for column, values in base.flags.items() if values},
            multi_value=self._multi_value(kind),
            blank=frozenset(entry.blank),
            constants=constants | base.constants,
            derive=tuple(base.derive),
            allow_columns=None if entry.allow_columns is None else tuple(entry.allow_columns),
            out_of_scope=tuple(
                Filter(item.id, item.column, item.op, tuple(item.values), item.title_zh, item.title_en)
                for item in entry.out_of_scope
            ),
            aliases=tuple(base.aliases),
            sheet=entry.sheet,
            title_rows=MANUAL_TITLE_ROWS if manual else entry.title_rows,
            header_search_rows=entry.header_search_rows,
            record_paths=_record_paths(expected, entry.record_paths),
            tolerate_ocr=entry.tolerate_ocr,
            notes=entry.notes,
        )

    def _multi_value(self, kind: Kind) -> frozenset[str]:
        columns = self.layouts.common.multi_value if self.layouts else []
        return frozenset(column for column in columns if column in kind.by_name)

    def _authority_tables(self, bodies: Iterable[Department]) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
        codes: dict[str, tuple[str, str]] = {}
        names: dict[str, str] = {}
        regions = self.authorities.regions if self.authorities else {}
        districts = self.authorities.districts if self.authorities else {}
        for body in bodies:
            codes[body.authority_uscc] = (body.code, body.authority_uscc[2:8])
            called = [part for text in (body.name_zh, *(old for old, _ in body.former_names)) for part in _titles(text)]
            for text in called:
                names.setdefault(normal_authority(text), body.authority_uscc)
            for region, uscc in districts.get(body.code, {}).items():
                codes[uscc] = (body.code, region)
                for text in called:
                    names.setdefault(normal_authority(_district_title(text, regions[region])), uscc)
        return codes, names


def _titles(name: str) -> list[str]:
    """A name, and the names before and inside its brackets: 市新闻出版局(市版权局)."""
    plain = normal_heading(name)
    return [name, *plain.removesuffix(")").split("(")] if plain.endswith(")") else [name]


def _district_title(name: str, district: str) -> str:
    """The district bureau's name: 市教育局 of 龙湖区 is 龙湖区教育局, 汕头海关 keeps its own in front."""
    for before in ("汕头市", "市"):
        if before in name:
            head, tail = name.split(before, 1)
            return f"{head}{before if head else ''}{district}{tail}"
    return f"{name}{district}"


def _clashes(
    source: SourceFile, content: DepartmentFile, good: Mapping[str, tuple[SourceFile, DepartmentFile]]
) -> Iterator[SourceProblem]:
    """What two departments may not share."""
    for other_source, other in good.values():
        for key in ("code", "dept_no", "name_zh", "authority_uscc", "connection"):
            if getattr(other, key) == getattr(content, key):
                told = f"{key} {getattr(content, key)} is already that of {other_source.label}"
                yield source.problem(told, key)


def _formats(expected: FileFormat, accepts: list[FileFormat] | None) -> tuple[str, ...]:
    others = DROP_FORMATS if accepts is None else tuple(accepts)
    return (expected, *(item for item in others if item != expected))


def _location(content: DepartmentFile, feed: str) -> dict[str, str]:
    return {
        "frontend_db": {"schema": content.code, "table": feed},
        "sftp": {"folder": feed, "prefix": f"{content.code}_{feed}_".upper()},
        "rest_api": {"path": f"/{content.code}/{feed}"},
        "manual_upload": {"folder": feed},
    }[content.channel]


def _required(kind: Kind, entry: FeedEntry) -> tuple[str, ...]:
    if entry.required_headings is not None:
        return tuple(entry.required_headings)
    name = kind.counterparty.get("name")
    if name is not None and kind.by_name[name].need == "M":
        return (name,)
    return tuple(column.name for column in kind.columns if column.need == "M")[:1]


def _record_paths(expected: str, own: list[str]) -> tuple[str, ...]:
    first, second = ("xml", "json") if expected == "xml" else ("json", "xml")
    return tuple(dict.fromkeys([*own, *RECORD_PATHS[first], *RECORD_PATHS[second]]))


def _code_lists(project: Path) -> dict[str, frozenset[str]]:
    """Values by code list, from the seed the warehouse uses too."""
    lists: dict[str, set[str]] = {}
    with (project / "dbt_project" / "seeds" / "code_list.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            lists.setdefault(row["list"], set()).add(row["value"])
    return {name: frozenset(values) for name, values in lists.items()}
