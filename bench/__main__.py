"""`make bench`: measure the lines that exist, keep the run in bench/results.json, write docs/performance.md anew.

python -m bench                 every line
python -m bench P1 P8           some of them
python -m bench --small         a two-minute form: fewer rows, one line, nothing kept
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import nights, record


def _landing(rows: int) -> dict[str, Any]:
    from bench.p1_landing import run

    return run(rows)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("lines", nargs="*", help="P1 P3 P8 P10 TRUTH; default: all")
    parser.add_argument(
        "--small", action="store_true", help="100,000 rows for P1 and P3, the rest left out, nothing kept"
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="permits for P1 and P3")
    asked = parser.parse_args()
    rows = 100_000 if asked.small else asked.rows
    wanted = set(asked.lines) or ({"P1", "P3"} if asked.small else {"P1", "P3", "P8", "P10", "TRUTH"})
    lines: dict[str, Any] = {}
    if wanted & {"P1", "P3"}:
        lines.update(_measure("P1, P3", lambda: _landing(rows)))
    for name, measure in {"P8": nights.p8, "P10": nights.p10, "TRUTH": nights.truth}.items():
        if name in wanted:
            lines[name] = _measure(name, measure)
    run = record.entry(lines)
    if not asked.small:
        record.keep(run)
    json.dump(run, sys.stdout, ensure_ascii=False, indent=1)
    print()


def _measure(name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    print(f"measuring {name} ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    found = measure()
    print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    main()
