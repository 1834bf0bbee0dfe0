"""The night's build: what has been accepted by the cut-off becomes subjects, lists, scores, and is published.

Runs at 05:00 business time with the last accepted batches; who is late is in the report. The pointer moves only when
the build's tests pass. **Clear** a failed run: the build starts over under a new number, readers never saw the old one.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, get_current_context, task
from notifiers import CreditOffice
from wiring import CUT_OFF, PUBLISHED, as_of, defaults, discreet, registry, settings, timed


@dag(
    schedule=timed(CUT_OFF),
    catchup=False,
    max_active_runs=1,
    tags={"warehouse"},
    doc_md=__doc__,
    default_args=defaults("data_engineer", timeout=timedelta(hours=4), retries=1),
)
def warehouse() -> None:
    @task(on_success_callback=[CreditOffice("alarm")], on_failure_callback=[CreditOffice("alarm")])
    def sweep() -> None:
        """Batches that landed after the gate's last sweep. From here on who is not there is late: alarm."""
        from creditflow.quality import gate

        with discreet():
            gate(settings(), registry())

    @task
    def build() -> int:
        from creditflow.warehouse import build

        with discreet():
            return build(settings(), as_of(get_current_context())).build_no

    @task(outlets=[PUBLISHED])
    def publish(build_no: int) -> None:
        from creditflow.warehouse import publish

        with discreet():
            publish(settings(), build_no)

    built = build()
    sweep() >> built
    publish(built)


warehouse()
