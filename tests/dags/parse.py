"""Parse a DAG folder as Airflow does and print what it found as JSON. Run in a process of its own:

python parse.py DAG_FOLDER
"""

import json
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization

folder = sys.argv[1]
bag = BundleDagBag(folder, bundle_path=Path(folder))
found = {}
for dag_id, dag in sorted(bag.dags.items()):
    found[dag_id] = {
        "tags": sorted(dag.tags),
        "doc": dag.doc_md or "",
        "schedule": type(dag.timetable).__name__,
        "cron": getattr(dag.timetable, "expression", None),
        "timezone": str(getattr(dag.timetable, "timezone", "")),
        "max_active_runs": dag.max_active_runs,
        "catchup": dag.catchup,
        "tasks": [
            {
                "id": task.task_id,
                "owner": task.owner,
                "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
                "retries": task.retries,
                "pool": task.pool,
                "backoff": bool(task.retry_exponential_backoff),
                "after": sorted(task.upstream_task_ids),
                "outlets": sorted(str(getattr(asset, "name", asset)) for asset in task.outlets),
            }
            for task in dag.tasks
        ],
        "serialized": DagSerialization.to_dict(dag),
    }
sys.stdout.write(
    "JSON:" + json.dumps({"dags": found, "errors": dict(bag.import_errors)}, sort_keys=True, default=str) + "\n"
)
