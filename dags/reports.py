"""The credit office's morning: issues opened and closed, return workbooks written, pages written after every publication.

**Trigger** it again at any time; issues follow from the verdicts, pages are written anew from the warehouse.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, get_current_context, task
from wiring import PUBLISHED, as_of, defaults, discreet, on_asset, registry, settings


@dag(
    schedule=on_asset(PUBLISHED),
    catchup=False,
    max_active_runs=1,
    tags={"report"},
    doc_md=__doc__,
    default_args=defaults("credit_office", timeout=timedelta(hours=1)),
)
def reports() -> None:
    @task
    def settle() -> int:
        """Issues, return workbooks, department figures."""
        from creditflow.quality.morning import settle

        with discreet():
            return settle(settings(), registry(), as_of(get_current_context())).workbooks

    @task
    def quality() -> str:
        from creditflow.report import quality

        with discreet():
            return str(quality(settings(), as_of(get_current_context())))

    settle() >> quality()


reports()
