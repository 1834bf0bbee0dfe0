"""Five years of deliveries for P5, P6, P7 and P9, and the steps that take them in, as a user would call them.

Promises
- The files depend on the number of rows alone. A year is what the sandbox renders for one feed; the years before it are the
  same decisions with all their dates and document numbers that many years earlier, so every year's records are its own.
  Registrations keep their holders: each year brings a newer version of them. Who is on a register until the fault is
  corrected left it before being entered anew: entries of the years before carry the day on which they ended.
- Every step is a command of its own, `creditflow drop`, `gate`, `build`, `publish`, with its process start, and its peak of
  memory is that of the largest process it was or waited for.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.nights import PROJECT
from creditflow.identity.normal import parse_date
from creditflow.settings import Settings
from sandbox.bulk import write_csv

AS_OF, NIGHT = dt.date(2026, 11, 20), dt.date(2026, 11, 23)
YEARS = 5
MIX = (
    ("sjgj", "registration", 0.10),
    ("zsj", "approval_case", 0.30),
    ("swj", "rating", 0.14),
    ("sjgj", "permit", 0.22),
    ("gaj", "permit", 0.10),
    ("gaj", "penalty", 0.07),
    ("sjgj", "inspection", 0.03),
    ("swj", "abnormal_entry", 0.03),
    ("x_court", "list_entry", 0.01),
)
"""(department, feed, its share of the rows), in the order in which they are dropped: the feeds that bring most rows a year,
rounded from their yearly volumes."""
DELTA = (("sjgj", "permit", 0.7), ("gaj", "penalty", 0.3))
"""What changes in a night: (department, feed, its share)."""
NEW = 0.3
"""Share of the night's rows that are new records; the others are new versions of known ones."""

UNTIL_CORRECTED = ("abnormal_entry", "lr_rq", "yc_rq", "GXSJ")
"""(feed, headings of the days of entry and of leaving, and of the time of change) of registers that are left by correction."""

_CHUNK = 1 << 24
_YEAR = re.compile("(?<=4405|_FEE)20[0-4][0-9]|(?<![0-9A-Z])20[0-4][0-9](?=/|-|年|〕|\\)|第|,)".encode())
"""How years stand in the files: in the numbers of cases and ratings, in dates and document numbers, as a year of their own."""


@dataclass(frozen=True)
class Feed:
    """One feed's files, oldest year first."""

    department: str
    name: str
    files: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{self.department}_{self.name}"


@dataclass
class Step:
    """What one command took. seconds: wall. peak_mb: resident memory of its largest process."""

    name: str
    seconds: float
    peak_mb: int


def five_years(folder: Path, rows: int) -> list[Feed]:
    """Write `rows` records in all; the files by feed. Years are equally large."""
    feeds = []
    for department, kind, share in MIX:
        newest = write_csv(folder / "year_0", round(rows * share / YEARS), kind=kind, faults=True, dept=department)
        files = [newest]
        for back in range(1, YEARS):
            files.insert(0, _earlier(newest, folder / f"year_{back}", back))
            if kind == UNTIL_CORRECTED[0]:
                _all_left(files[0])
        feeds.append(Feed(department, kind, tuple(files)))
    return feeds


def _earlier(newest: Path, folder: Path, years: int) -> Path:
    """The file of `years` years before."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / newest.name
    then = {f"{year}".encode(): f"{year - years}".encode() for year in range(2000, 2050)}
    with newest.open("rb") as source, path.open("wb") as out:
        out.write(source.readline())
        while lines := source.readlines(_CHUNK):
            out.write(_YEAR.sub(lambda found: then[found[0]], b"".join(lines)))
    return path


def _all_left(path: Path) -> None:
    """Let every entry that names its day end 30 to 329 days later."""
    rows = list(_rows(path))
    entered, left, changed = (rows[0].index(heading) for heading in UNTIL_CORRECTED[1:])
    for number, row in enumerate(rows):
        if len(row) == len(rows[0]) and (day := parse_date(row[entered])):
            end = day + dt.timedelta(days=30 + number * 7 % 300)
            row[left], row[changed] = f"{end:%Y/%m/%d}", f"{end} 17:00:00"
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(rows)


def night_of_changes(feeds: list[Feed], folder: Path, rows: int) -> list[Feed]:
    """What a night brings to that stock: `rows` records, NEW of them unknown so far, the others spread over all years."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for department, kind, share in DELTA:
        feed = next(item for item in feeds if (item.department, item.name) == (department, kind))
        path = folder / f"{department.upper()}_{kind.upper()}_{NIGHT:%Y%m%d}173000_001.csv"
        wanted = round(rows * share)
        fresh = round(wanted * NEW)
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\r\n")
            heads = next(_rows(feed.files[-1]))
            number, content = (
                next(at for at, head in enumerate(heads) if head.endswith(end)) for end in ("_wsh", "_nr")
            )
            writer.writerow(heads)
            for at, row in enumerate(_spread(feed.files, wanted)):
                if at < fresh:
                    row[number] = row[number].replace("〕", f"〕{NIGHT:%m%d}")
                row[content] += f"（{NIGHT} 变更）"
                row[-2:] = ["I" if at < fresh else "U", f"{NIGHT} 09:00:00"]
                writer.writerow(row)
        made.append(Feed(department, kind, (path,)))
    return made


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as source:
        yield from csv.reader(source)


def _spread(files: tuple[Path, ...], wanted: int) -> Iterator[list[str]]:
    """`wanted` rows with document numbers, as many from every file, at equal distances."""
    for place, path in enumerate(files):
        share = wanted * (place + 1) // len(files) - wanted * place // len(files)
        with path.open("rb") as source:
            lines = sum(1 for _ in source) - 1
        step = max(lines // max(share, 1), 1)
        yield from islice(islice(_rows(path), 1, None, step), share)


def take(settings: Settings, name: str, *command: str, allowed: tuple[int, ...] = (0,)) -> Step:
    """One creditflow command in a process of its own. Raises RuntimeError when its exit status is not an allowed one."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.measured", sys.executable, "-m", "creditflow", *command],
        env={**os.environ, "CREDITFLOW_HOME": str(settings.home), "CREDITFLOW_PROJECT": str(settings.project)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    if found["code"] not in allowed:
        raise RuntimeError(f"creditflow {' '.join(command)} ended with {found['code']}:\n{done.stderr[-2000:]}")
    return Step(name, round(found["seconds"], 2), found["peak_mb"])


def land(settings: Settings, feeds: list[Feed], as_of: dt.date) -> Iterator[Step]:
    """Deliver and land the files, feed by feed."""
    for feed in feeds:
        files = map(str, feed.files)
        yield take(
            settings, "land", "drop", feed.department, feed.name, *files, "--as-of", as_of.isoformat(), "--no-gate"
        )


def build(settings: Settings, as_of: dt.date) -> Iterator[Step]:
    """Judge what landed, build it, show it. Of very few rows so many may be faulty that a delivery is held: exit status 1."""
    yield take(settings, "gate", "gate", allowed=(0, 1))
    yield take(settings, "build", "build", "--as-of", as_of.isoformat())
    yield take(settings, "publish", "publish")
