"""The truth: what was delivered, what is wrong with it on purpose, what only looks wrong, who each row is about.

Below `<home>/truth`: `subjects.csv`, `deliveries.csv`, `faults.csv`, `near_misses.csv`, `batches.csv` and
`row_subjects/<dept>/<feed>/<delivery>.csv`. Persons appear as P and a running number; no resident number is in here.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sandbox import days
from sandbox.plan import ELSEWHERE, HEADS
from sandbox.world import NEVER, World

FAULTS = ("department", "feed", "kind", "delivery", "row_no", "seq", "document_no", "fault", "field", "expected")
NEAR = ("department", "feed", "kind", "delivery", "row_no", "seq", "document_no", "traits")
DELIVERIES = (
    "department",
    "feed",
    "kind",
    "delivery",
    "day",
    "channel",
    "format",
    "rows",
    "first_row_no",
    "first_seq",
    "faulty",
    "near_misses",
)
BATCHES = ("department", "feed", "delivery", "day", "fault", "expected", "healed_by")
_HEADS = {"faults": FAULTS, "near_misses": NEAR, "deliveries": DELIVERIES, "batches": BATCHES}


def subject_text(subject: int) -> str:
    """E, P, X (another city) or H (head office) and a number; empty where a row is about nobody."""
    if subject <= -(1 << 40):
        return ""
    if subject < 0:
        return f"P{-1 - subject:07d}"
    if subject >= HEADS:
        return f"H{subject - HEADS:03d}"
    return f"X{subject - ELSEWHERE:03d}" if subject >= ELSEWHERE else f"E{subject:07d}"


class Ledger:
    """Part files per delivery, joined by `gather`."""

    def __init__(self, home: Path) -> None:
        self.root = home / "truth"
        self.parts = self.root / "parts"

    def part(self, table: str, delivery: str, lines: Sequence[Sequence[object]]) -> None:
        """Write what one delivery adds to a table; written again it says the same."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.parts.mkdir(exist_ok=True)
        path = self.parts / f"{delivery.replace('/', '.')}.{table}"
        if not lines:
            path.unlink(missing_ok=True)
            return
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows(lines)

    def read_part(self, table: str, delivery: str) -> list[list[str]]:
        """The lines of one delivery."""
        path = self.parts / f"{delivery.replace('/', '.')}.{table}"
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as handle:
            return list(csv.reader(handle))

    def row_subjects(
        self, dept: str, feed: str, delivery: str, first_row: int, subjects: list[npt.NDArray[np.int64]]
    ) -> None:
        """Who each row of a delivery is about."""
        path = self.root / "row_subjects" / dept / feed / f"{delivery.rsplit('/', 1)[-1]}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as handle:
            handle.write("row_no,subject\n")
            row = first_row
            for lot in subjects:
                handle.writelines(f"{row + k},{subject_text(s)}\n" for k, s in enumerate(lot.tolist()))
                row += len(lot)

    def gather(self) -> None:
        """Join the parts into the tables."""
        for table, heads in _HEADS.items():
            target = self.root / f"{table}.csv"
            draft = target.with_suffix(".tmp")
            with draft.open("w", encoding="utf-8", newline="") as out:
                csv.writer(out, lineterminator="\n").writerow(heads)
                out.writelines(part.read_text("utf-8") for part in sorted(self.parts.glob(f"*.{table}")))
            draft.replace(target)

    def subjects(self, world: World) -> None:
        """The true subjects: every entity of the world, with what identifies it."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.root / "subjects.csv").open("w", encoding="utf-8", newline="") as handle:
            out = csv.writer(handle, lineterminator="\n")
            out.writerow(
                (
                    "subject",
                    "sort",
                    "name",
                    "later_name",
                    "renamed_on",
                    "uscc",
                    "org_code",
                    "reg_no",
                    "region",
                    "registered_on",
                    "deregistered_on",
                )
            )
            codes = np.where(world.has_code, world.uscc, "")
            renamed = np.where(world.renamed < NEVER, days.text(world.renamed, "dash"), "")
            gone = np.where(world.deregistered < NEVER, days.text(world.deregistered, "dash"), "")
            for i, row in enumerate(
                zip(
                    world.sort.tolist(),
                    world.name.tolist(),
                    world.later_name.tolist(),
                    renamed.tolist(),
                    codes.tolist(),
                    world.reg_no.tolist(),
                    world.region.tolist(),
                    days.text(world.registered, "dash").tolist(),
                    gone.tolist(),
                    strict=True,
                )
            ):
                sort, name, later, on, code, reg, region, since, until = row
                out.writerow(
                    (
                        subject_text(i),
                        sort,
                        name,
                        later if later != name else "",
                        on,
                        code,
                        code[8:17],
                        reg,
                        region,
                        since,
                        until,
                    )
                )
