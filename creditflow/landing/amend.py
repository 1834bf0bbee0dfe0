"""What a feed declares beside its headings, applied to a row: shapes, blanks, lookups, derivations, kept columns.

Promises
- Only what the feed declares, in the registry's order: repeated headings, blanks, shapes, lookups, derivations.
- Lookups and derivations that a reader should know of are named in the row's notes ('@derived').
- Kept and unknown columns go along as they came, with personal numbers masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from creditflow.identity.masking import mask_text
from creditflow.identity.normal import BLANKS, normal_code, parse_decimal
from creditflow.landing.layout import Layout
from creditflow.registry import Derive, Registry, normal_heading, shape_of

_CACHE_LIMIT = 50_000


@dataclass
class Notes:
    """What a row remembers beside its values; one object is used for row after row."""

    changes: dict[str, str] = field(default_factory=dict)
    derived: list[str] = field(default_factory=list)
    extra: dict[str, object] = field(default_factory=dict)
    defect: str = ""
    detail: str = ""

    def any(self) -> bool:
        """Whether there is anything to remember."""
        return bool(self.changes or self.derived or self.extra or self.defect)

    def forget(self) -> None:
        """Ready for the next row."""
        self.changes, self.derived, self.extra = {}, [], {}
        self.defect = self.detail = ""


Step = Callable[[list[str], list[str], Notes], None]
"""Amends a row's picked values, given its cells."""


def amendments(layout: Layout, registry: Registry) -> list[Step]:
    """What rows of this layout need, in order; empty for a feed that sends just what is wanted."""
    feed = layout.feed
    steps: list[Step] = []
    if layout.again:
        steps.append(_fill_again(layout.again))
    if feed.blank:
        steps.append(_blank(feed.blank))
    if layout.by_shape:
        steps.append(_route(layout))
    lookups = meanings(layout)
    if lookups:
        steps.append(_look_up(lookups))
    derive = [item for item in feed.derive if layout.applies(item)]
    if derive:
        steps.append(_derive(layout, derive, registry))
    if layout.unnamed:
        steps.append(_keep(layout.unnamed))
    return steps


def only_lookups(layout: Layout) -> bool:
    """Whether rows of this layout need nothing but lookups, but for words of the feed that stand for nothing."""
    return not (
        layout.again
        or not layout.feed.blank.isdisjoint(layout.tail)
        or layout.by_shape
        or layout.unnamed
        or any(layout.applies(item) for item in layout.feed.derive)
    )


def _fill_again(places: tuple[tuple[int, int], ...]) -> Step:
    def fill(row: list[str], cells: list[str], notes: Notes) -> None:
        for at, source in places:
            if not row[at]:
                row[at] = cells[source]

    return fill


def _blank(nothing: frozenset[str]) -> Step:
    longest = max(map(len, nothing)) + 8

    def blank(row: list[str], cells: list[str], notes: Notes) -> None:
        for at, value in enumerate(row):
            if value and len(value) <= longest and (value in nothing or value.strip(BLANKS) in nothing):
                row[at] = ""

    return blank


def _route(layout: Layout) -> Step:
    places = [
        (source, {shape: [layout.position[column] for column in columns] for shape, columns in routes.items()})
        for source, routes in layout.by_shape
    ]

    def route(row: list[str], cells: list[str], notes: Notes) -> None:
        for source, routes in places:
            value = cells[source]
            if not value or value.isspace():
                continue
            for at in routes.get(shape_of(value), routes.get("otherwise", ())):
                if not row[at]:
                    row[at] = value

    return route


Meaning = Callable[[str], tuple[str, str]]
"""value -> (what it means, note or '')"""


def meanings(layout: Layout) -> list[tuple[int, Meaning]]:
    """(index in the row, meaning of its values) for every column with lookups."""
    feed = layout.feed
    return [
        (
            layout.position[column],
            _meaning(column, table, feed.lookup_flags.get(column, {}), column in feed.multi_value),
        )
        for column, table in feed.lookups.items()
        if column in layout.position and layout.reachable(column)
    ]


def _look_up(lookups: list[tuple[int, Meaning]]) -> Step:
    """Each value as the feed's lookups mean it; answers are remembered, for the same few values come again."""
    known: list[tuple[int, dict[str, tuple[str, str]], Meaning]] = [(at, {}, meaning) for at, meaning in lookups]

    def look_up(row: list[str], cells: list[str], notes: Notes) -> None:
        for at, answers, meaning in known:
            value = row[at]
            answer = answers.get(value)
            if answer is None:
                if len(answers) > _CACHE_LIMIT:
                    answers.clear()
                answer = answers[value] = meaning(value)
            row[at] = answer[0]
            if answer[1]:
                notes.derived.append(answer[1])

    return look_up


def _meaning(column: str, table: dict[str, str], flags: dict[str, str], several: bool) -> Meaning:
    canonical = set(table.values())

    def meaning(raw: str) -> tuple[str, str]:
        value = raw.strip(BLANKS)
        flag = flags.get(value)
        note = f"{column}:{flag}" if flag else ""
        if value in table:
            return table[value], note
        parts = [part for part in re.split("[;；,，、]", value) if part] if several else []
        if len(parts) > 1 and all(part in table or part in canonical for part in parts):
            return ";".join(dict.fromkeys(table.get(part, part) for part in parts)), note
        return raw, ""

    return meaning


def _derive(layout: Layout, items: list[Derive], registry: Registry) -> Step:
    position = layout.position

    def texts(source: str, row: list[str], cells: list[str]) -> list[str]:
        """The filled texts of a column or heading, trimmed."""
        found = [cells[at] for at in layout.headings.get(normal_heading(source), ())]
        if source in position:
            found = [row[position[source]]]
        return [text.strip(BLANKS) for text in found if text and not text.isspace()]

    def value_of(item: Derive, row: list[str], cells: list[str]) -> str:
        if item.how == "constant":
            return (item.value or "") if item.when is None or texts(item.when, row, cells) else ""
        if item.how == "party_type":
            return _party_type(layout, row)
        found = [text for source in item.source for text in texts(source, row, cells)]
        if item.how == "join":
            table = layout.feed.lookups.get(item.column, {})
            return item.separator.join(dict.fromkeys(table.get(text, text) for text in found))
        first = found[0] if found else ""
        if item.how == "authority_code":
            return registry.authority_code(first) or ""
        return _scaled(first, item.factor) if item.how == "scale" else first

    def derive(row: list[str], cells: list[str], notes: Notes) -> None:
        for item in items:
            at = position[item.column]
            if row[at] and item.how != "scale":
                continue
            value = value_of(item, row, cells)
            if value:
                row[at] = value
                notes.derived.append(f"{item.column}:{item.flag or item.how}")

    return derive


def _scaled(text: str, factor: str | None) -> str:
    """A number times a factor; text that is no number stays as it is."""
    amount, by = parse_decimal(text), parse_decimal(factor or "1")
    return text if amount is None or by is None else f"{amount * by:f}"


def _party_type(layout: Layout, row: list[str]) -> str:
    """What kind of party the identifiers say it is: household business, body, natural person; '' when they say nothing.

    The seventh digit of a 15-digit registration number is 6 to 9 for household businesses (GS 15-2006).
    """
    party = {role: row[layout.position[column]] for role, column in layout.kind.counterparty.items()}
    uscc, reg_no = normal_code(party.get("uscc", "")), normal_code(party.get("reg_no", ""))
    household = len(reg_no) == 15 and reg_no[6] in "6789"
    if uscc.startswith("92") or shape_of(uscc) == "placeholder" or (not uscc and household):
        return "个体工商户"
    if uscc or party.get("org_code") or reg_no:
        return "法人及非法人组织"
    return "自然人" if party.get("person_id_no") else ""


def _keep(names: tuple[tuple[int, str], ...]) -> Step:
    def keep(row: list[str], cells: list[str], notes: Notes) -> None:
        for at, name in names:
            if cells[at]:
                notes.extra[name] = mask_text(cells[at])

    return keep
