"""The 43 departments of the city and their external feeds, played on one machine.

What this package promises:
- the same seed, scale, years and day give the same bytes, whatever was delivered before in how many steps;
- everything injected on purpose is in the truth ledger below `<home>/truth`, which no server here shows;
- it imports nothing from the pipeline and reads none of its files: both sides keep their own description of the feeds;
- nobody in it is real: names of persons say so, resident numbers carry a sequence between 001 and 009.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command of the sandbox, see `sandbox.cli`; the exit status."""
    from sandbox.cli import main as run

    return run(argv)
