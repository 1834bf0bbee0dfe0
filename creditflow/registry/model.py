"""What a department, a feed and a record kind are once sources/ has been read: complete, computed and unchangeable.

Promises
- A `Feed` needs no other file to be understood: layout, synonyms and the kind's own names are already in `headings`.
- `Feed.recognise` is the only place that decides what a heading means; it never guesses silently: everything it did
  not take literally is listed in the `HeadingRow` it returns.
- Nothing here opens a file or a socket.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from creditflow.registry.heading import normal_heading

Delivery = Literal["delta", "full_snapshot", "register"]
Channel = Literal["frontend_db", "sftp", "rest_api", "manual_upload"]
FilterOp = Literal["in", "not_in", "prefix", "not_prefix"]
DeriveHow = Literal["copy", "constant", "join", "first", "authority_code", "party_type", "scale"]

FORBIDDEN_PATTERN = r"宗教|信仰|基因|指纹|血型|病史|疾病|诊断|虹膜|人脸|民族"
"""Data that may not be collected (Credit Reporting Regulation Art. 14, sister laws): the column is cut, not the row."""

PERSONAL_PATTERN = (
    r"身份证|证件号|证件编号|护照号|手机|电话|联系方式|家庭住址|家庭地址|居住地址|银行卡|银行账|账号|社保卡|医保卡|电子邮箱"
    r"|(?:^|_)(?:SFZH?|ZJHM|IDCARD|ID_NO|MOBILE|PHONE|TEL|LXDH|SJH)$|CARDNUM"
)
"""Headings under which a person's number or address would lie: cut unless the feed maps them to a column."""

FORBIDDEN = re.compile(FORBIDDEN_PATTERN)
PERSONAL = re.compile(PERSONAL_PATTERN)


@dataclass(frozen=True, slots=True)
class Column:
    """One canonical column of a record kind; see the head of sources/_kinds.yml for the words."""

    name: str
    zh: str
    code: str
    type: str
    need: str
    length: int | None = None
    list: str | None = None
    free_text: bool = False
    person_name: bool = False


@dataclass(frozen=True)
class Kind:
    """One record kind: its canonical columns in order and what identifies a record."""

    name: str
    title_zh: str
    title_en: str
    category: str | None
    decisive_date: str | None
    counterparty: dict[str, str]
    record_key: tuple[str, ...]
    columns: tuple[Column, ...]

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by canonical name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def by_code(self) -> dict[str, Column]:
        """Columns by transport field code."""
        return {column.code: column for column in self.columns}


@dataclass(frozen=True, slots=True)
class Derive:
    """How a column is filled when the delivery has no heading for it (`scale`: whenever its source has one).

    copy: from `source[0]`; constant: `value` where the column or heading `when` is filled; join / first: from the
    headings in `source`; authority_code: looked up by the name in `source[0]`; party_type: from which identifiers are
    filled; scale: number in heading `source[0]` times `factor`. `flag` is what the row remembers.
    """

    column: str
    how: DeriveHow
    source: tuple[str, ...] = ()
    value: str | None = None
    when: str | None = None
    separator: str = ";"
    factor: str | None = None
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """A lawful drop: the row is out of scope when `column` is filled and the test holds."""

    id: str
    column: str
    op: FilterOp
    values: tuple[str, ...]
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class Alias:
    """A heading a department used for a while; dates are documentation, the heading is understood at any time."""

    heading: str
    column: str
    since: str | None = None
    until: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class HeadingRow:
    """What a row of cells means as headings. Indexes are positions in the row.

    targets: canonical column, '@op' / '@version_at' / '@version_seq', 'shape:<heading>', 'source:<heading>' or None.
    """

    targets: tuple[str | None, ...]
    unknown: tuple[tuple[int, str], ...] = ()
    ignored: tuple[int, ...] = ()
    kept: tuple[tuple[int, str], ...] = ()
    forbidden: tuple[tuple[int, str], ...] = ()
    cut: tuple[tuple[int, str], ...] = ()
    missing: tuple[str, ...] = ()
    repeated: tuple[tuple[int, str], ...] = ()
    ocr: tuple[tuple[int, str, str], ...] = ()
    score: int = 0
    filled: int = 0

    @property
    def is_header(self) -> bool:
        """Whether the row is the heading row: nothing required is missing and at least half of its cells are known."""
        return not self.missing and self.score >= 2 and 2 * self.score >= self.filled


@dataclass(frozen=True)
class Feed:
    """One record kind as one department sends it; headings are in their normal form. See sources/README.md."""

    department: str
    name: str
    kind: str
    delivery: Delivery
    formats: tuple[str, ...]
    encoding: str | None
    layout: str
    cadence: str
    expect_by: str
    importance: int
    rows_per_year: int
    expect_rows: tuple[int, int]
    location: dict[str, str]
    headings: dict[str, str]
    controls: dict[str, str]
    by_shape: dict[str, dict[str, tuple[str, ...]]]
    sources: frozenset[str]
    ignore: frozenset[str]
    keep: frozenset[str]
    required_headings: tuple[str, ...]
    lookups: dict[str, dict[str, str]]
    lookup_flags: dict[str, dict[str, str]]
    multi_value: frozenset[str]
    blank: frozenset[str]
    constants: dict[str, str]
    derive: tuple[Derive, ...]
    allow_columns: tuple[str, ...] | None
    out_of_scope: tuple[Filter, ...]
    aliases: tuple[Alias, ...]
    sheet: str | None
    title_rows: int
    header_search_rows: int
    record_paths: tuple[str, ...]
    tolerate_ocr: bool
    notes: str = ""

    @property
    def format(self) -> str:
        """The format expected on the department's channel."""
        return self.formats[0]

    @property
    def record_path(self) -> str:
        """Where the records lie in the expected JSON or XML answer."""
        return self.record_paths[0] if self.record_paths else ""

    def target_of(self, heading: object) -> str | None:
        """The canonical column, control or route of one heading taken literally; None when it is ignored or unknown."""
        key = normal_heading(heading)
        if key in self.headings:
            return self.headings[key]
        if key in self.controls:
            return self.controls[key]
        if key in self.by_shape:
            return f"shape:{key}"
        return f"source:{key}" if key in self.sources else None

    def recognise(self, cells: Sequence[object]) -> HeadingRow:
        """Read a row of cells as headings: what maps where, what is unknown, forbidden, missing or repeated."""
        row = _Recognition(self)
        for index, cell in enumerate(cells):
            row.take(index, cell)
        return row.result()

    @cached_property
    def _ocr_candidates(self) -> dict[int, tuple[str, ...]]:
        known = [*self.headings, *self.by_shape, *self.sources]
        by_length: dict[int, list[str]] = {}
        for key in known:
            if len(key) >= 4 and not key.isascii():
                by_length.setdefault(len(key), []).append(key)
        return {length: tuple(keys) for length, keys in by_length.items()}

    def misread_heading(self, key: str) -> str | None:
        """The one known heading that differs from `key` in exactly one character, if the feed tolerates scans."""
        if not self.tolerate_ocr or len(key) < 4:
            return None
        near = {
            known
            for known in self._ocr_candidates.get(len(key), ())
            if sum(left != right for left, right in zip(key, known, strict=True)) == 1
        }
        reached = {self.columns_reached(target) for known in near if (target := self.target_of(known)) is not None}
        return min(near) if len(reached) == 1 else None

    def columns_reached(self, target: str) -> frozenset[str]:
        """The canonical columns (or the control) that a target of `target_of` may fill."""
        if target.startswith("shape:"):
            routes = self.by_shape[target.removeprefix("shape:")]
            return frozenset(column for columns in routes.values() for column in columns)
        if target.startswith("source:"):
            heading = target.removeprefix("source:")
            return frozenset(item.column for item in self.derive if heading in item.source)
        return frozenset({target})


class _Recognition:
    """One pass over a row of headings."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.targets: list[str | None] = []
        self.seen: set[str] = set()
        self.score = 0
        self.filled = 0
        self.found: dict[str, list[Any]] = {
            name: [] for name in ("unknown", "ignored", "kept", "forbidden", "cut", "repeated", "ocr")
        }

    def take(self, index: int, cell: object) -> None:
        """Decide about one cell."""
        key = normal_heading(cell)
        target = self._target(index, key)
        if target is not None:
            self.score += 1
            if not self._reaches_allowed(target):
                self.found["cut"].append((index, key))
                target = None
            elif target in self.seen and not target.startswith(("shape:", "source:")):
                self.found["repeated"].append((index, target))
            if target is not None:
                self.seen.add(target)
        self.targets.append(target)

    def _target(self, index: int, key: str) -> str | None:
        if not key:
            return None
        self.filled += 1
        target = self.feed.target_of(key)
        if target is not None:
            return target
        if key in self.feed.ignore:
            self.score += 1
            self.found["ignored"].append(index)
        elif FORBIDDEN.search(key) or PERSONAL.search(key):
            self.found["forbidden"].append((index, key))
        elif key in self.feed.keep:
            self.score += 1
            self.found["kept"].append((index, key))
        elif self.feed.allow_columns is not None:
            self.found["cut"].append((index, key))
        else:
            return self._misread(index, key)
        return None

    def _misread(self, index: int, key: str) -> str | None:
        known = self.feed.misread_heading(key)
        if known is None:
            self.found["unknown"].append((index, key))
            return None
        target = self.feed.target_of(known)
        self.found["ocr"].append((index, key, known))
        return target

    def _reaches_allowed(self, target: str) -> bool:
        allow = self.feed.allow_columns
        if allow is None or target.startswith("@"):
            return True
        return not self.feed.columns_reached(target).isdisjoint(allow)

    def result(self) -> HeadingRow:
        """The finished reading."""
        reached = {column for target in self.seen for column in self.feed.columns_reached(target)}
        missing = tuple(column for column in self.feed.required_headings if column not in reached)
        return HeadingRow(
            targets=tuple(self.targets),
            missing=missing,
            score=self.score,
            filled=self.filled,
            **{name: tuple(items) for name, items in self.found.items()},
        )


@dataclass(frozen=True)
class Department:
    """One body that supplies data: a department of the 43, or an external feed."""

    code: str
    dept_no: int
    name_zh: str
    name_en: str
    tier: str
    importance: int
    external: bool
    channel: Channel
    connection: str
    cadence: str
    expect_by: str
    contact: dict[str, str]
    legal_ground: str
    authority_uscc: str
    application_fields: tuple[str, ...]
    former_names: tuple[tuple[str, str | None], ...]
    zero_expected: bool
    notes: str
    feeds: dict[str, Feed]
    source_file: Path


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """One thing that is wrong in a file of sources/: where (line counted from 1) and what."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class RegistryError(Exception):
    """sources/ cannot be used; `.problems` lists every file and line."""

    def __init__(self, problems: Sequence[SourceProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Registry:
    """All of sources/, read once. Departments and externals are sorted by code."""

    departments: dict[str, Department]
    external: dict[str, Department]
    kinds: dict[str, Kind]
    authority_codes: dict[str, tuple[str, str]]
    authority_names: dict[str, str] = field(repr=False)
    problems: tuple[SourceProblem, ...] = ()

    def all(self) -> dict[str, Department]:
        """The departments of the city, then the external feeds."""
        return {**self.departments, **self.external}

    def feed(self, department: str, feed: str) -> Feed:
        """One feed. KeyError names what exists instead."""
        bodies = self.all()
        if department not in bodies:
            raise KeyError(f"没有部门 / no department {department!r}; known: {', '.join(bodies)}")
        feeds = bodies[department].feeds
        if feed not in feeds:
            raise KeyError(f"{department} 没有数据 / has no feed {feed!r}; known: {', '.join(feeds)}")
        return feeds[feed]

    def authority_code(self, name: str | None) -> str | None:
        """The code of the deciding body called `name` (present, former or district name), or None."""
        return self.authority_names.get(normal_authority(name)) if name else None


def normal_authority(name: str) -> str:
    """The form in which names of authorities are compared: as a heading, without the city's and province's name."""
    return re.sub(r"^(?:广东省(?=汕头))?(?:汕头市|市)(?=.{2})", "", normal_heading(name))
