"""What a night shows while it runs: its step, and every department's state and rows.

Promises
- Everything goes to standard error; standard output is for results.
- On a terminal one live picture; elsewhere one line per event, so a log stays readable.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

State = Literal["waiting", "queued", "running", "done", "nothing", "held", "late", "failed"]

MARKS: dict[State, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "queued": ("·", "dim"),
    "running": ("▶", "cyan"),
    "done": ("●", "green"),
    "nothing": ("○", "dim green"),
    "held": ("■", "yellow"),
    "late": ("◔", "yellow"),
    "failed": ("✗", "red"),
}
SETTLED = frozenset({"done", "nothing", "held", "late", "failed"})


@dataclass(frozen=True)
class Line:
    """One department in the picture. rows: read so far tonight."""

    name: str
    state: State = "waiting"
    rows: int = 0


@dataclass
class Progress:
    """Use as a context manager around a night."""

    console: Console = field(default_factory=lambda: Console(stderr=True))
    quiet: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    _lines: dict[str, Line] = field(default_factory=dict)
    _step: str = ""
    _since: float = 0.0
    _live: Live | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.quiet:
            self._live = Live(get_renderable=self._picture, console=self.console, refresh_per_second=2, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @contextmanager
    def step(self, key: str, text: str) -> Iterator[None]:
        """One step of the night; its seconds are kept under `key`."""
        self._step, self._since = text, time.monotonic()
        self.say(text)
        try:
            yield
        finally:
            self.seconds[key] = round(time.monotonic() - self._since, 1)

    def say(self, text: str) -> None:
        """One line for the reader of a log."""
        if not self.quiet and self._live is None:
            self.console.print(f"[creditflow] {text}", highlight=False, markup=False)

    def departments(self, names: Mapping[str, str]) -> None:
        """The departments to show, code -> name, in their order."""
        self._lines = {code: Line(name) for code, name in names.items()}

    def department(self, code: str, state: State, rows: int) -> None:
        """What is known about one department now."""
        before = self._lines[code]
        if (state, rows) == (before.state, before.rows):
            return
        self._lines[code] = replace(before, state=state, rows=rows)
        if state in SETTLED and before.state not in SETTLED:
            settled = sum(line.state in SETTLED for line in self._lines.values())
            self.say(f"{settled:2}/{len(self._lines)} {code:6} {before.name} {state}, {rows:,} rows")

    def _picture(self) -> RenderableType:
        width = 24
        grid = Table.grid(padding=(0, 1))
        columns = max(1, self.console.width // (width + 1))
        for _ in range(columns):
            grid.add_column(width=width, no_wrap=True)
        cells = []
        for code, line in self._lines.items():
            mark, style = MARKS[line.state]
            cells.append(Text(f"{mark} {code:<15}{line.rows or '':>7}", style=style))
        for start in range(0, len(cells), columns):
            grid.add_row(*cells[start : start + columns])
        settled = sum(line.state in SETTLED for line in self._lines.values())
        head = f"{self._step}  {time.monotonic() - self._since:.0f} s"
        if self._lines:
            head += f"  {settled}/{len(self._lines)} departments"
        return Group(Text(head, style="bold"), grid)
