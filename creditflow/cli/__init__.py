"""The command line: every step of the house, by hand, with the same functions the scheduler calls.

Promises
- Results go to standard output (with `--json` as one object), everything else to standard error.
- Exit status: 0 done, 1 something was held or failed (it says what), 2 wrong usage.
- What a person did wrong is told in a sentence; a stack trace never reaches them, nor a value of any row.
- `creditflow --help` answers at once: commands import what they need when they run.
"""

from __future__ import annotations

from creditflow.cli.main import main

__all__ = ["main"]
