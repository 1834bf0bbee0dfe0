"""Housekeeping on Sunday night: left-over work tables, statistics, a look at disk, calendar and stale batches; on the
first one of a month what is past its legal period is deleted, with a report under home/retention/.

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
    def retain() -> int:
        """Records deleted; how many of what by which rule stands in the report."""
        from creditflow.ops.retention import monthly

        with discreet():
            report = monthly(settings())
            return report["records"] if report else 0

    @task
    def examine() -> None:
        from creditflow.ops.doctor import examine, raise_if_ill

        with discreet():
            raise_if_ill(examine(settings()))

    tidy() >> retain() >> examine()


maintenance()
