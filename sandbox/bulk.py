"""One big csv of permits or penalties in the layout of the contract, for benchmarks: a million rows in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sandbox.description import departments
from sandbox.faults import inject, typed_oddly
from sandbox.formats import CsvFile, headings, values
from sandbox.plan import Planner
from sandbox.records import render
from sandbox.store import DEFAULT_DAY
from sandbox.world import make

LOT = 50_000


def write_csv(
    folder: Path, rows: int, *, kind: str = "permit", seed: int = 42, faults: bool = True, dept: str = "wlj"
) -> Path:
    """Write `rows` records of a kind as one department sends them (utf-8, transport codes, CZBS and GXSJ); the file."""
    folder.mkdir(parents=True, exist_ok=True)
    department = departments()[dept]
    feed = department.feeds[kind]
    scale = max(rows / feed.rows, 0.01)
    planner = Planner(make(seed, min(scale, 1.0), DEFAULT_DAY), scale, 1)
    events = planner.year_of(feed, -1)
    path = folder / f"{dept.upper()}_{kind.upper()}_{DEFAULT_DAY:%Y%m%d}173000_001.csv"
    out = CsvFile(path, headings(department, feed, False), "utf-8", True)
    for start in range(0, rows, LOT):
        lot = events.take(np.arange(start, min(start + LOT, rows)) % len(events))
        if start + LOT > len(events):
            lot = replace(lot, serial=np.arange(len(lot)) + start + 1)
        made = render(planner, feed, lot, planner.world.baseline)
        blocked = np.zeros(len(made), dtype=bool)
        if faults:
            rng = planner.rng("bulk", start)
            inject(planner, feed, made, rng, planner.world.baseline, blocked)
            typed_oddly(made, rng, blocked)
        out.add(zip(*values(department, feed, made, False), strict=True), made.op.tolist(), made.updated.tolist())
    out.close()
    return path
