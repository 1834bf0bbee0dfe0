"""Names for people: titles of record kinds and headings of their columns, as the registry has them."""

from __future__ import annotations

from dataclasses import dataclass

from creditflow.registry import Registry
from creditflow.report.words import Both


@dataclass(frozen=True)
class KindNames:
    """Titles of every kind, and headings of every kind's canonical columns."""

    titles: dict[str, Both]
    columns: dict[str, dict[str, Both]]

    def column(self, kind: str, name: str) -> Both:
        """Heading of a column; its canonical name when the kind does not declare it."""
        found = self.columns.get(kind, {}).get(name)
        return found or Both(name, name.replace("_", " "))

    def title(self, kind: str) -> Both:
        """Title of a kind; its name when it is not declared."""
        return self.titles.get(kind, Both(kind, kind.replace("_", " ")))


def kind_names(registry: Registry) -> KindNames:
    """The names in `registry`."""
    return KindNames(
        {name: Both(kind.title_zh, kind.title_en) for name, kind in registry.kinds.items()},
        {
            name: {column.name: Both(column.zh, column.name.replace("_", " ")) for column in kind.columns}
            for name, kind in registry.kinds.items()
        },
    )
