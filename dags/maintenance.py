"""Housekeeping on Sunday night: left-over work tables, statistics, a look at disk, calendar and stale batches.

**Trigger** it again at any time. It fails when something needs a person, and says what.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task
from wiring import defaults, discreet, settings, timed


@dag(
    schedule=timed("30 1 * * 0"),
    catchup=False,
    max_active_runs=1,
    tags={"operations"},
    doc_md=__doc__,
    default_args=defaults("data_engineer", timeout=timedelta(hours=2), retries=1),
)
def maintenance() -> None:
    @task
    def tidy() -> list[str]:
        from creditflow.ops.maintenance import tidy

        with discreet():
            return tidy(settings())

    @task
    def examine() -> None:
        from creditflow.ops.doctor import examine, raise_if_ill

        with discreet():
            raise_if_ill(examine(settings()))

    tidy() >> examine()


maintenance()
