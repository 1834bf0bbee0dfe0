"""The departments and layouts as this sandbox knows them: `departments.yml` and `layouts.yml` beside this file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sandbox.checkdigits import body_code
from sandbox.words import REGIONS

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Column:
    """One column of a layout: canonical name, Chinese heading, transport code, need and type."""

    name: str
    zh: str
    code: str
    need: str
    type: str


@dataclass(frozen=True)
class Authority:
    """A deciding body: `region` is the division whose decisions it takes."""

    name: str
    uscc: str
    region: str


@dataclass(frozen=True)
class Feed:
    """One record kind of one department; `rows` a year at scale 1.0."""

    dept: str
    kind: str
    rows: int
    format: str
    layout: str

    @property
    def id(self) -> str:
        return f"{self.dept}.{self.kind}"


@dataclass(frozen=True)
class Department:
    """How one department plays its part; `authorities[0]` is the city's own body, then the seven districts."""

    code: str
    no: int
    name: str
    short: str
    external: bool
    channel: str
    encoding: str
    cadence: str
    layout: str
    lag: int
    dates: str
    rare: bool
    feeds: dict[str, Feed]
    authorities: tuple[Authority, ...]
    texts: dict[str, Any] = field(hash=False)

    def mix(self, kind: str) -> dict[str, int]:
        """Share of each sort of subject in a kind of record; persons only where the kind has a place for their number."""
        found: dict[str, int] = self.texts.get("mixes", {}).get(kind, self.texts["mix"])
        if any(c.name == "person_id_no" for c in layouts()[kind]) and kind != "arrears":
            return found
        return {sort: share for sort, share in found.items() if sort != "p"}


def _authorities(raw: dict[str, Any]) -> tuple[Authority, ...]:
    prefix = raw.get("prefix", "11")
    own = Authority(raw["name"], body_code(prefix, raw.get("region", "440500"), raw["number"]), "440500")
    if "bureau" not in raw or raw.get("number") == 43:
        return (own,)
    return (
        own,
        *(
            Authority(f"汕头市{name}{raw['bureau']}", body_code(prefix, region, raw["number"]), region)
            for region, name in REGIONS
        ),
    )


@cache
def departments() -> dict[str, Department]:
    """All departments and external feeds, in the order of the city's list; the 43 also send zero declarations."""
    loaded = yaml.load((HERE / "departments.yml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    made: dict[str, Department] = {}
    for code, raw in loaded.items():
        external = raw.get("external", False)
        rows = dict(raw["feeds"])
        if not external:
            rows["zero_declaration"] = 0
        formats = raw.get("formats", {})
        feeds = {
            kind: Feed(
                code,
                kind,
                count,
                formats.get(kind, raw["format"]),
                raw.get("layout", "2018") if kind in ("permit", "penalty") else "2018",
            )
            for kind, count in rows.items()
        }
        made[code] = Department(
            code=code,
            no=raw["number"],
            name=raw["name"],
            short=raw["short"],
            external=external,
            channel=raw["channel"],
            encoding=raw.get("encoding", "utf-8"),
            cadence=raw["cadence"],
            layout=raw.get("layout", "2018"),
            lag=raw["lag"],
            dates=raw["dates"],
            rare=raw.get("rare", False),
            feeds=feeds,
            authorities=_authorities(raw),
            texts=raw,
        )
    return made


@cache
def layouts() -> dict[str, tuple[Column, ...]]:
    """Columns by record kind, present layout."""
    loaded = yaml.load((HERE / "layouts.yml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    return {kind: tuple(Column(*row) for row in rows) for kind, rows in loaded.items() if not kind.endswith("_2015")}


@cache
def old_layout(kind: str) -> tuple[tuple[str, str], ...]:
    """(canonical name, code) of the 2015 layout of permits or penalties."""
    loaded = yaml.load((HERE / "layouts.yml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    return tuple((name, code) for name, code in loaded[f"{kind}_2015"])
