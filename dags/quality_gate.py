"""Judge every landed batch: accept, reject rows, hold.

One run sweeps all batches that wait, so the rules engine is loaded once per sweep; events that arrive while it runs
are answered by one more run. A batch that fails twice inside the gate is held and stops nobody else. **Trigger** it
again at any time: judged batches are not judged twice.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task
from notifiers import CreditOffice
from wiring import LANDED, defaults, discreet, on_asset, registry, settings


@dag(
    schedule=on_asset(LANDED),
    catchup=False,
    max_active_runs=1,
    tags={"quality"},
    doc_md=__doc__,
    default_args=defaults("credit_office", timeout=timedelta(hours=2)),
)
def quality_gate() -> None:
    @task(on_success_callback=[CreditOffice("alarm", closed=False)])
    def sweep() -> None:
        from creditflow.quality import gate

        with discreet():
            gate(settings(), registry())

    sweep()


quality_gate()
