"""Fetch, archive and land: one DAG per department, made from sources/.

`ingest__<code>` for each of the 43, `external__<code>` for the suppliers outside them. A run fetches what is new since
the watermark, which moves only with the landed batch: **trigger** a DAG again at any time, **clear** a failed run; both
do no more than what is still missing. A department whose YAML is broken has no DAG until it is mended; `registry_health`
says so.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context, get_parsing_context, task
from notifiers import CreditOffice
from wiring import LANDED, as_of, cron_of, defaults, discreet, registry, settings, take_credential, timed


def make(department: Any) -> DAG:
    """The DAG of one department."""
    dag_id = f"external__{department.code}" if department.external else f"ingest__{department.code}"
    feeds = "\n".join(f"- `{feed.name}`: {feed.delivery}, {feed.formats[0]}" for feed in department.feeds.values())
    with DAG(
        dag_id,
        dag_display_name=f"{department.code} {department.name_zh}",
        description=f"{department.name_zh} {department.name_en}",
        doc_md=(
            f"### {department.name_zh}\n{department.name_en}; {department.tier}, {department.channel}, "
            f"{department.cadence}, expected by {department.expect_by}.\n\n{feeds}\n\n"
            f"Legal ground: {department.legal_ground}\n\n{__doc__}"
        ),
        schedule=timed(cron_of(department.cadence, str(department.expect_by))),
        catchup=False,
        max_active_runs=1,
        tags={
            department.tier,
            department.channel,
            f"importance {department.importance}",
            "external" if department.external else "department",
        },
        default_args=defaults(
            department.code, timeout=timedelta(hours=2 if department.importance == 1 else 1), retries=3
        ),
    ) as dag:
        # A pool for each channel (pools.json): one kind of source cannot take every place, nor be asked by all at once.
        @task(
            outlets=[LANDED],
            pool=department.channel,
            on_failure_callback=[CreditOffice("alarm", closed=False)],
        )
        def ingest(code: str, connection: str) -> list[dict[str, Any]]:
            """Archive and land what is new; the counts of its batches."""
            from creditflow.ingest import ingest_department
            from creditflow.ops.ledger import raise_if_failed

            take_credential(connection)
            day = as_of(get_current_context())
            with discreet():
                done = ingest_department(settings(), registry(), code, day)
                raise_if_failed(settings(), day, code)
            return [{"batch_id": item.batch_id, "state": item.state, "rows_read": item.rows_read} for item in done]

        ingest(department.code, department.connection)
    return dag


for problem in registry().problems:
    logging.getLogger(__name__).error("left out: %s:%s %s", problem.file, problem.line, problem.message)

# A task's own process needs its own DAG only.
wanted = get_parsing_context().dag_id
for item in registry().all().values():
    if wanted is None or wanted.endswith(f"__{item.code}"):
        made = make(item)
        globals()[made.dag_id] = made
