"""What follows every judgement, in its order: issues, what goes back to the departments, the figures of the day.

Promises
- `settle` may be called after any gate sweep, drop, release or refusal, and any number of times; it follows from verdicts,
  batches, arrivals and events of the business date and adds nothing of its own.
- A returned row counts as returned only once its workbook lies in home/returns.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from creditflow.ops.database import transaction
from creditflow.ops.journal import keep, keep_rules, note
from creditflow.quality.indicators import refresh_indicators
from creditflow.quality.issues import SweepSummary, sweep_issues
from creditflow.quality.returns import write_returns
from creditflow.registry import Registry
from creditflow.settings import Settings


@dataclass(frozen=True)
class Morning:
    """issues: how they stand after the sweep. workbooks: return files written or found unchanged."""

    issues: SweepSummary
    workbooks: int


def settle(settings: Settings, registry: Registry, as_of: dt.date) -> Morning:
    """Open and close issues, write the return workbooks, mark what was returned, refresh the department figures."""
    sweep_issues(settings, registry, as_of)
    files = write_returns(settings, registry, as_of)
    issues = sweep_issues(settings, registry, as_of)
    refresh_indicators(settings, registry, as_of)
    with transaction(settings, "settled") as conn:
        note(conn, "settled", as_of=as_of, rules=keep_rules(settings))
    keep(settings)
    return Morning(issues, sum(file.suffix == ".xlsx" for file in files))
