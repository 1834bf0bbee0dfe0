"""Where each canonical column of a section is taken from: settled once, before the first row.

Promises
- Every canonical column has exactly one place: a cell, a constant, or a blank. What a heading means is the registry's
  word (`HeadingRow`); nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from creditflow.readers import Section
from creditflow.registry import Derive, Feed, Kind, normal_heading


@dataclass(frozen=True)
class Layout:
    """names: canonical columns in the order of picked rows, those that are no person_id first (`plain` of them).

    position: column -> index in a picked row. controls: '@op', '@version_at', '@version_seq' -> cell. again: (index in
    the row, cell) of columns that a second heading feeds too. headings: normal heading -> cells. by_shape: (cell,
    routes). tail: what is appended to the cells before picking (a blank and the constants). cell_of:
    column -> place among the cells with their tail. unnamed: (cell, heading)
    of headings that are no columns but are kept.
    """

    feed: Feed
    kind: Kind
    width: int
    names: tuple[str, ...]
    plain: int
    position: dict[str, int]
    sent: frozenset[str]
    constant: frozenset[str]
    controls: dict[str, int]
    again: tuple[tuple[int, int], ...]
    headings: dict[str, list[int]]
    by_shape: tuple[tuple[int, dict[str, tuple[str, ...]]], ...]
    tail: list[str]
    cell_of: dict[str, int]
    pick: Callable[[Sequence[str]], tuple[str, ...]]
    unnamed: tuple[tuple[int, str], ...]

    def applies(self, item: Derive) -> bool:
        """Whether a derivation can do anything here: its column has no heading (for `scale`: its source has one), and
        what it is made from can be there."""
        if item.column not in self.position:
            return False
        if item.how == "scale":
            return any(normal_heading(source) in self.headings for source in item.source)
        if item.column in self.sent or item.column in self.constant:
            return False
        needs = item.source if item.when is None else (item.when,)
        return not needs or any(name in self.position or normal_heading(name) in self.headings for name in needs)

    def reachable(self, column: str) -> bool:
        """Whether a column can hold anything in this section."""
        routed = any(column in columns for _, routes in self.by_shape for columns in routes.values())
        return (
            column in self.sent
            or column in self.constant
            or routed
            or any(item.column == column and self.applies(item) for item in self.feed.derive)
        )


def lay_out(feed: Feed, kind: Kind, section: Section) -> Layout:
    """The layout of a section's rows."""
    plain = [column.name for column in kind.columns if column.type != "person_id"]
    names = plain + [column.name for column in kind.columns if column.type == "person_id"]
    position = {name: at for at, name in enumerate(names)}
    width = len(section.cells)
    cell_of: dict[str, int] = {}
    again: list[tuple[int, int]] = []
    headings: dict[str, list[int]] = {}
    by_shape: list[tuple[int, dict[str, tuple[str, ...]]]] = []
    for at, target in enumerate(section.headings.targets):
        if target is None:
            continue
        route, _, heading = target.partition(":")
        headings.setdefault(heading or normal_heading(section.cells[at]), []).append(at)
        if route == "shape":
            by_shape.append((at, feed.by_shape[heading]))
        elif route != "source" and target not in cell_of:
            cell_of[target] = at
        elif target in position:
            again.append((position[target], at))
    constants = {name: value for name, value in feed.constants.items() if name in position and name not in cell_of}
    place = {name: width + 1 + at for at, name in enumerate(constants)}
    return Layout(
        feed=feed,
        kind=kind,
        width=width,
        names=tuple(names),
        plain=len(plain),
        position=position,
        sent=frozenset(name for name in cell_of if name in position),
        constant=frozenset(constants),
        controls={name: at for name, at in cell_of.items() if name.startswith("@")},
        again=tuple(again),
        headings=headings,
        by_shape=tuple(by_shape),
        tail=["", *constants.values()],
        cell_of={name: cell_of.get(name, place.get(name, width)) for name in names},
        pick=itemgetter(*(cell_of.get(name, place.get(name, width)) for name in names), width),
        unnamed=tuple((at, section.cells[at].strip()) for at, _ in (*section.headings.unknown, *section.headings.kept)),
    )
