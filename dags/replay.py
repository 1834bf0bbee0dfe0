"""A span of archived deliveries interpreted again after a rule changed or a reader was mended: one new build.

**Trigger** it with `first` and `last` (nights), `reason`, and a `department` for only one. The log of `interpret` and its
XCom tell what would change for readers; nobody sees it yet. Trigger it with `publish` on to let it be seen at once, or run
`creditflow replay accept`; whatever is delivered, decided or built first withdraws it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from wiring import PUBLISHED, defaults, discreet, registry, settings


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags={"warehouse"},
    doc_md=__doc__,
    default_args=defaults("data_engineer", timeout=timedelta(hours=12), retries=0),
    params={
        "first": Param(type="string", format="date", title="起 / first night"),
        "last": Param(type="string", format="date", title="止 / last night"),
        "department": Param(None, type=["null", "string"], title="部门代码 / department code"),
        "reason": Param(type="string", minLength=1, title="理由 / reason"),
        "publish": Param(False, type="boolean", title="直接发布 / publish at once"),
    },
)
def replay() -> None:
    @task
    def interpret() -> dict[str, Any]:
        """Land, judge and build again; the new build and, by kind, the records it adds, removes and changes."""
        from creditflow.replay import propose

        asked = get_current_context()["params"]
        with discreet():
            found = propose(
                settings(),
                registry(),
                date.fromisoformat(asked["first"]),
                date.fromisoformat(asked["last"]),
                asked["reason"],
                "airflow",
                asked["department"],
            )
            return {
                "build": found.build_no,
                "deliveries": found.deliveries,
                "records": dict(found.difference.records),
                "memberships": len(found.difference.memberships),
                "grades": len(found.difference.grades),
            }

    @task(outlets=[PUBLISHED])
    def publish() -> int:
        """Let readers see it, if the run was asked to."""
        from airflow.sdk.exceptions import AirflowSkipException

        from creditflow.replay import accept

        if not get_current_context()["params"]["publish"]:
            raise AirflowSkipException("creditflow replay accept | creditflow replay withdraw")
        with discreet():
            return accept(settings(), registry(), "airflow")

    interpret() >> publish()


replay()
