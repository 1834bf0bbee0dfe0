"""What may be said about an error, wherever it is said: terminal, log, scheduler, last_night.json.

Promises
- Our own errors are written to be read: their message is told as it is.
- A stranger's message (a driver, a parser, a library) may quote a row, and with it a person's number: only its kind
  and the place in our code are told.
"""

from __future__ import annotations

import traceback
from pathlib import Path


def tell(problem: BaseException) -> str:
    """One sentence about `problem` that holds no value of any row."""
    if type(problem).__module__.partition(".")[0] == "creditflow":
        return str(problem) or type(problem).__name__
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [frame for frame in frames if "creditflow" in Path(frame.filename).parts]
    kind = type(problem).__name__
    if not frames:
        return f"内部错误 / internal error: {kind}"
    frame = (ours or frames)[-1]
    return f"内部错误 / internal error: {kind} in {frame.name} ({Path(frame.filename).name}:{frame.lineno})"


PASSING = frozenset(
    {
        "BuildBusy",
        "ConnectionError",
        "DatabaseUnavailable",
        "DepartmentFailed",
        "GateBusy",
        "InterfaceError",
        "OperationalError",
        "TimeoutError",
    }
)
"""Kinds of errors that another try may not meet: a server away, a lock held, a department not answering."""


def may_pass(problem: BaseException) -> bool:
    """Whether trying again makes sense. A failed test or a wrong rule fails the second time as well."""
    return any(kind.__name__ in PASSING for kind in type(problem).__mro__)


def places(problem: BaseException) -> str:
    """The trace of `problem` without its message, for a log that an engineer reads."""
    return "".join(traceback.format_list(traceback.extract_tb(problem.__traceback__)))
