"""`make bench`: measure the lines that exist, keep the run in bench/results.json, write docs/performance.md anew.

python -m bench                 every line of performance.md, P1 to P10
python -m bench P1 GROWTH       some lines; GROWTH, TRUTH, MATCHING and REALDATA only when they are named
python -m bench --small         `make bench-small`: a hundredth of the rows, without the nights under a scheduler, nothing kept
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench import nights, p1_landing, p2_dlt, p4_gate, p5_backfill, record

Measure = Callable[[int], dict[str, Any]]
"""rows -> the lines it measured, by name"""

ROUNDS = 3
"""How often two sides are measured in turn."""

STOCK = 10
"""Records of the backfill for each row of P1."""


def _lines(small: bool) -> list[tuple[tuple[str, ...], Measure]]:
    """What one measurement gives, and how it is taken. small: once, and of one size only."""
    rounds = 1 if small else ROUNDS
    return [
        (("P1", "P3"), lambda rows: p1_landing.run(rows, rounds)),
        (("P2",), lambda rows: {"P2": p2_dlt.run(rows, rounds)}),
        (("P4",), lambda rows: {"P4": p4_gate.run(rows)}),
        (("P4-NIGHT",), lambda _: {"P4-NIGHT": nights.gate_of_a_night()}),
        (("P5", "P6", "P7", "P9"), lambda rows: p5_backfill.run(STOCK * rows, compared=not small)),
        (("P8",), lambda _: {"P8": nights.p8()}),
        (("P10",), lambda _: {"P10": nights.p10()}),
        (("GROWTH",), lambda rows: {"GROWTH": p5_backfill.growth(STOCK * rows)}),
        (("TRUTH",), lambda _: {"TRUTH": nights.truth()}),
        (("MATCHING",), lambda _: {"MATCHING": nights.matched()}),
        (("REALDATA",), lambda _: {"REALDATA": nights.realdata()}),
    ]


SMALL = ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P9")
NAMED = ("GROWTH", "TRUTH", "MATCHING", "REALDATA")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    known = [name for names, _ in _lines(False) for name in names]
    parser.add_argument("lines", nargs="*", metavar="LINE", help=f"{' '.join(known)}; default: P1 to P10")
    parser.add_argument(
        "--small", action="store_true", help=f"a hundredth of the rows, {' '.join(SMALL)}, nothing kept"
    )
    parser.add_argument(
        "--rows", type=int, help=f"permits for P1 to P4, a {STOCK}th of the stock of P5; default: 1,000,000"
    )
    asked = parser.parse_args()
    unknown = set(asked.lines) - set(known)
    if unknown:
        parser.error(f"no such line: {' '.join(sorted(unknown))}; there are {' '.join(known)}")
    rows = asked.rows or (10_000 if asked.small else 1_000_000)
    wanted = set(asked.lines) or (set(SMALL) if asked.small else set(known) - set(NAMED))
    lines: dict[str, Any] = {}
    try:
        for names, measure in _lines(asked.small):
            if wanted & set(names):
                lines.update(_measured(names, measure, rows))
    finally:  # what was measured before a line failed stands
        run = record.entry(lines)
        if lines and not asked.small:
            record.keep(run)
        json.dump(run, sys.stdout, ensure_ascii=False, indent=1)
        print()


def _measured(names: Sequence[str], measure: Measure, rows: int) -> dict[str, Any]:
    told = ", ".join(names)
    print(f"measuring {told} ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    found = measure(rows)
    print(f"{told}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main()
