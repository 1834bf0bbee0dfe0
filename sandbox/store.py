"""What the sandbox remembers between nights, below its home: settings of the seed, the clock, and one small file per feed."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

DEFAULT_DAY = dt.date(2026, 11, 20)


def write(path: Path, value: Any, mode: int = 0o644) -> None:
    """Replace a small JSON file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as handle:
        handle.write(orjson.dumps(value, option=orjson.OPT_INDENT_2))
    draft.replace(path)


def read(path: Path) -> Any:
    """A JSON file, or None where there is none."""
    return orjson.loads(path.read_bytes()) if path.exists() else None


@dataclass(frozen=True)
class Seed:
    """What decides every byte: seed, scale (1.0 = real volumes), years of backlog, baseline day."""

    seed: int = 42
    scale: float = 0.01
    years: int = 1
    baseline: str = DEFAULT_DAY.isoformat()

    @property
    def day(self) -> dt.date:
        return dt.date.fromisoformat(self.baseline)


@dataclass
class FeedState:
    """Where a feed stands: last day sent, number of deliveries, next sequence number, rows and bytes behind the API."""

    through: int = 0
    number: int = 0
    next_seq: int = 1
    lines_first: int = 1
    lines_rows: int = 0
    lines_bytes: int = 0
    pending: list[dict[str, Any]] = field(default_factory=list)
    sample: list[dict[str, Any]] = field(default_factory=list)
    heal: dict[str, Any] | None = None


class Store:
    """The home folder of a sandbox."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.state = self.home / "state"

    def seed(self) -> Seed | None:
        """The seed of this home, or None before `seed`."""
        found = read(self.state / "seed.json")
        return Seed(**found) if found else None

    def plant(self, seed: Seed) -> bool:
        """Remember the seed; False when the same one was there (its baseline day stays). ValueError when another one was."""
        there = self.seed()
        if there is None:
            self.home.mkdir(parents=True, exist_ok=True)
            self.state.mkdir(mode=0o700, exist_ok=True)
            write(self.state / "seed.json", asdict(seed))
            return True
        if replace(there, baseline=seed.baseline) != seed:
            raise ValueError(
                f"this home was seeded with {there}; a sandbox keeps its seed, take another --home or remove this one"
            )
        return False

    def through(self) -> int | None:
        """Day number up to which everything was delivered."""
        clock = read(self.state / "clock.json")
        return None if clock is None else int(clock["through"])

    def advance(self, day: int) -> None:
        """Move the clock."""
        write(self.state / "clock.json", {"through": day})

    def feed(self, name: str) -> FeedState:
        """The state of a feed, empty at first."""
        found = read(self.state / "feeds" / f"{name}.json")
        return FeedState(**found) if found else FeedState()

    def keep(self, name: str, state: FeedState) -> None:
        """Commit the state of a feed: from now on its last delivery counts as made."""
        write(self.state / "feeds" / f"{name}.json", asdict(state), 0o600)
