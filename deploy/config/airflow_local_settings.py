"""Read by every Airflow process of a deployment: a Celery worker leaves a file behind each heartbeat it has sent.

Its age is the worker's health (healthy.py): the worker's loop turns and the broker takes what it says. Celery's own ping
starts Airflow anew for each question, ten seconds of a processor every time.
"""

from __future__ import annotations

import sys
from pathlib import Path

HEARTBEAT = Path("/tmp/worker.heartbeat")  # noqa: S108 - a container's own

if "celery" in sys.argv and "worker" in sys.argv:
    from celery.signals import heartbeat_sent

    def leave(**_: object) -> None:
        """Each time a heartbeat has been sent."""
        HEARTBEAT.touch()

    heartbeat_sent.connect(leave, weak=False)
