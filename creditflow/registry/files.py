"""The files of sources/ as they are written: pydantic models that refuse what they do not know, and a YAML reader.

Promises
- Every scalar is text until a model says otherwise: `06:30`, `01`, `on` and `440500` arrive as written.
- A key given twice, an unknown key, a wrong value: each is a `SourceProblem` with file and line.
- `json_schema()` is the same models for editors (sources/schema.json).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from creditflow.registry.heading import normal_heading
from creditflow.registry.model import Channel, Delivery, DeriveHow, FilterOp, SourceProblem

FileFormat = Literal["table", "csv", "xlsx", "xls", "json", "xml", "html"]
Cadence = Literal["hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "as_needed"]
Shape = Literal["uscc", "placeholder", "org_code", "reg_no", "resident_id", "masked", "otherwise"]
ColumnType = Literal[
    "text", "code", "date", "datetime", "decimal", "integer", "flag",
    "document_no", "uscc", "org_code", "reg_no", "tax_no", "person_id",
]  # fmt: skip
Need = Literal["M", "O", "I", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8"]

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Target = Annotated[str, StringConstraints(pattern=r"^@?[a-z][a-z0-9_]{0,39}$")]
ApplicationField = Annotated[str, StringConstraints(pattern=r"^AF(0[1-9]|1\d|2[0-2])$")]


def _listed(value: object) -> object:
    """One value where a list may stand; `cut` is the empty list."""
    if value == "cut":
        return []
    return [value] if isinstance(value, str) else value


Targets = Annotated[list[Target], BeforeValidator(_listed, json_schema_input_type=str | list[str])]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Converted(_Strict):
    """A lookup whose use is remembered on the row."""

    value: str
    flag: Text


Lookups = dict[Target, dict[str, str | Converted]]
Routes = dict[Shape, Targets]


class DeriveEntry(_Strict):
    """Fill a column that this delivery has no heading for."""

    column: Target
    how: DeriveHow
    source: Annotated[list[Text], BeforeValidator(_listed, json_schema_input_type=str | list[str])] = []
    value: str | None = None
    when: Text | None = None
    separator: str = ";"
    factor: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?$")] | None = None
    flag: Text | None = None

    @model_validator(mode="after")
    def _complete(self) -> DeriveEntry:
        if self.how == "constant" and (self.value is None or self.when is None):
            raise ValueError("constant needs value and when")
        if self.how == "scale" and self.factor is None:
            raise ValueError("scale needs factor")
        if self.how != "constant" and not self.source:
            raise ValueError(f"{self.how} needs source")
        return self


class FilterEntry(_Strict):
    """Rows that are lawfully not ours: counted out of scope, nobody's fault."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9-]{3,40}$")]
    column: Name
    op: FilterOp
    values: list[Text] = Field(min_length=1)
    title_zh: Text
    title_en: Text


class AliasEntry(_Strict):
    """A heading that was, or will be, used for a while."""

    heading: Text
    column: Target
    since: Day | None = None
    until: Day | None = None
    note: str = ""

    @model_validator(mode="after")
    def _dated(self) -> AliasEntry:
        if self.since is None and self.until is None:
            raise ValueError("an alias is dated: give since or until")
        if self.since and self.until and self.since > self.until:
            raise ValueError("since is after until")
        return self


class RowRange(_Strict):
    """Rows a year outside of which somebody should ask why."""

    min: int = Field(ge=0)
    max: int = Field(ge=1)


class MappingEntry(_Strict):
    """How headings and values of a layout reach the kind's canonical columns."""

    headings: dict[Text, Target] = {}
    aliases: list[AliasEntry] = []
    by_shape: dict[Text, Routes] = {}
    ignore: list[Text] = []
    keep: list[Text] = []
    lookups: Lookups = {}
    constants: dict[Name, Text] = {}
    derive: list[DeriveEntry] = []


class FeedEntry(MappingEntry):
    """One kind of record from one department. What is absent here comes from the department or the layout."""

    kind: Name | None = None
    delivery: Delivery = "delta"
    format: FileFormat | None = None
    accepts: list[FileFormat] | None = None
    encoding: Text | None = None
    layout: Text | None = None
    cadence: Cadence | None = None
    expect_by: TimeOfDay | None = None
    importance: int | None = Field(default=None, ge=1, le=3)
    rows_per_year: int = Field(ge=0)
    expect_rows: RowRange | None = None
    location: dict[Name, Text] = {}
    required_headings: list[Name] | None = None
    blank: list[Text] = []
    allow_columns: list[Name] | None = None
    out_of_scope: list[FilterEntry] = []
    sheet: Text | None = None
    title_rows: int = Field(default=0, ge=0, le=50)
    header_search_rows: int = Field(default=20, ge=1, le=200)
    record_paths: list[str] = []
    tolerate_ocr: bool = False
    notes: str = ""


class FormerName(_Strict):
    """What the body was called before."""

    name_zh: Text
    until: Day
    note: str = ""


class Contact(_Strict):
    """Whom to call: an office, never a private number."""

    office: Text
    phone: Annotated[str, StringConstraints(pattern=r"^0\d{2,3}-[0-9-]{4,12}$")]
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]


class DepartmentFile(_Strict):
    """The index card of one department (sources/<code>.yml)."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="creditflow department")

    code: Name
    dept_no: int = Field(ge=1, le=9999)
    name_zh: Text
    name_en: Text
    tier: Literal["municipal", "vertical", "zone", "external"]
    importance: int = Field(ge=1, le=3)
    authority_uscc: Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{18}$")]
    application_fields: list[ApplicationField] = []
    legal_ground: Text
    contact: Contact
    former_names: list[FormerName] = []
    zero_expected: bool = False
    channel: Channel
    connection: Name
    format: FileFormat
    encoding: Text | None = None
    cadence: Cadence
    expect_by: TimeOfDay
    layout: Text = "2018"
    notes: str = ""
    feeds: dict[Name, FeedEntry] = Field(min_length=1)


class ColumnEntry(_Strict):
    """One canonical column in _kinds.yml."""

    name: Name
    zh: Text
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,29}$")]
    type: ColumnType
    need: Need
    length: int | None = Field(default=None, ge=1)
    list: Name | None = None
    free_text: bool = False
    person_name: bool = False


class KindEntry(_Strict):
    """One record kind in _kinds.yml."""

    title_zh: Text
    title_en: Text
    category: Text | None = None
    decisive_date: Name | None = None
    counterparty: dict[Name, Name] = {}
    record_key: list[Target] = Field(min_length=1)
    columns: list[ColumnEntry] = Field(min_length=1)


class KindsFile(_Strict):
    """sources/_kinds.yml."""

    kinds: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")], KindEntry]


class ShapedHeadings(_Strict):
    """Headings that carry different identifiers, and where each shape goes; `@uscc` is the kind's own column for it."""

    headings: list[Text]
    kinds: list[Name] | None = None
    routes: Routes


class CommonEntry(_Strict):
    """What every department's files may use, whatever the kind."""

    controls: dict[Literal["@op", "@version_at", "@version_seq"], list[Text]]
    ignore: list[Text]
    keep: list[Text] = []
    multi_value: list[Name]
    synonyms: dict[Target, list[Text]]
    by_shape: list[ShapedHeadings]


class LayoutsFile(_Strict):
    """sources/_layouts.yml: the city's words for columns, and the editions of the dual-publication layout."""

    common: CommonEntry
    layouts: dict[str, dict[Name, MappingEntry]]


class AuthoritiesFile(_Strict):
    """sources/_authorities.yml: the district bureaus behind each department."""

    regions: dict[Annotated[str, StringConstraints(pattern=r"^\d{6}$")], Text]
    districts: dict[Name, dict[Annotated[str, StringConstraints(pattern=r"^\d{6}$")], Text]]


Model = TypeVar("Model", bound=BaseModel)

_PARSER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Loader(_PARSER):  # type: ignore[misc]
    """All scalars are text, and a key may stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        mapping: dict[str, Any] = super().construct_mapping(node, deep=deep)
        return mapping


class SourceFile:
    """One YAML file and where everything in it stands."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self.label = path.relative_to(root).as_posix()
        self._text = ""

    def read(self, model: type[Model]) -> tuple[Model | None, list[SourceProblem]]:
        """The file as `model`, or None and what is wrong with it."""
        try:
            self._text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return None, [SourceProblem(self.label, 1, f"cannot be read: {error.__class__.__name__}")]
        try:
            content = yaml.load(self._text, Loader=_Loader)  # noqa: S506 - builds text, lists and dicts only
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            return None, [SourceProblem(self.label, mark.line + 1 if mark else 1, error.problem or "not YAML")]
        except yaml.YAMLError as error:
            return None, [SourceProblem(self.label, 1, str(error).splitlines()[0])]
        if not isinstance(content, dict):
            return None, [SourceProblem(self.label, 1, "the file is empty or not a mapping")]
        try:
            return model.model_validate(content), []
        except ValidationError as error:
            return None, [self._explain(detail["loc"], detail["msg"], detail["type"]) for detail in error.errors()]

    def problem(self, message: str, *location: str | int) -> SourceProblem:
        """A problem at `location` (keys and list positions from the top of the file)."""
        return SourceProblem(self.label, self.line(location), message)

    def line(self, location: Sequence[str | int]) -> int:
        """The line, counted from 1, of the deepest part of `location` that exists."""
        return self._locate(location)[0]

    def _locate(self, location: Sequence[str | int]) -> tuple[int, list[str]]:
        """The line of a location, and its steps that are the file's own (a branch of a union is not)."""
        node, line, steps = self._root, 1, []
        for step in location:
            found = _child(node, step)
            if found is not None:
                key, node = found
                line = key.start_mark.line + 1
                steps.append(str(step))
        return line, steps

    @cached_property
    def _root(self) -> yaml.Node | None:
        root: yaml.Node | None = yaml.compose(self._text, Loader=_PARSER)
        return root

    def _explain(self, location: tuple[str | int, ...], message: str, kind: str) -> SourceProblem:
        line, steps = self._locate(location)
        if kind == "extra_forbidden":
            steps, message = steps[:-1], f"unknown key {location[-1]!r}"
        elif kind == "missing":
            message = f"{location[-1]!r} is missing"
        path = ".".join(steps)
        return SourceProblem(self.label, line, (f"{path}: " if path else "") + message.removeprefix("Value error, "))


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def heading_keys(headings: Sequence[str]) -> frozenset[str]:
    """Several headings in their comparable form."""
    return frozenset(normal_heading(heading) for heading in headings)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a department file, for editors: the content of sources/schema.json."""
    schema = DepartmentFile.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "schema.json", **schema}
