"""What people are told at 07:00: the night's digest, and an alarm when nothing arrived or a department of the first rank is late.

Runs also on a night in which the gate had nothing to judge, so silence is told too. Off while no target is configured
(connections `alert_smtp`, `alert_webhook`). **Trigger** it again at any time: nobody is told twice.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task
from notifiers import CreditOffice
from wiring import DIGEST, defaults, timed


@dag(
    schedule=timed(DIGEST),
    catchup=False,
    max_active_runs=1,
    tags={"alerts"},
    doc_md=__doc__,
    default_args=defaults("credit_office", timeout=timedelta(minutes=10)),
)
def digest() -> None:
    @task(on_success_callback=[CreditOffice("alarm"), CreditOffice("digest")])
    def morning() -> None:
        """The moment; the notifiers look at what the night left."""

    morning()


digest()
