"""What people are told without asking: one digest in the morning, an alarm at once for the departments that matter most.

Promises
- Messages are pure: facts in, Chinese text with its English twin out. Only `sending` opens a connection, to targets of
  the configuration; the scheduler's notifier (dags/notifiers.py) calls it.
- The same facts give the same message, with the same key: nothing is told twice.
- "Nothing arrived" is a message of its own, not an empty digest.
- No row of data and no personal number is in a message, only counts, departments and what to do.
"""

from __future__ import annotations

from creditflow.alerts.facts import BatchFact, DepartmentFact, NightFacts, SilentFact, night_facts
from creditflow.alerts.messages import Message, alarms, digest
from creditflow.alerts.sending import AlertError, MailServer, Targets, configured, send

__all__ = [
    "AlertError",
    "BatchFact",
    "DepartmentFact",
    "MailServer",
    "Message",
    "NightFacts",
    "SilentFact",
    "Targets",
    "alarms",
    "configured",
    "digest",
    "night_facts",
    "send",
]
