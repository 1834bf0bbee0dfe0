"""Parse a DAG folder as Airflow does and print what it found as JSON. Run in a process of its own:

python parse.py DAG_FOLDER

Reads one JSON object of environment variables a line; for each, a fork of the process that has Airflow imported already parses
in that environment and prints one line.
"""

import json
import os
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization


def parse(folder: str) -> dict[str, object]:
    """DAGs by their id, and what could not be imported."""
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
    return {"dags": found, "errors": dict(bag.import_errors)}


for line in sys.stdin:
    child = os.fork()
    if not child:
        os.environ.update(json.loads(line))
        sys.stdout.write("JSON:" + json.dumps(parse(sys.argv[1]), sort_keys=True, default=str) + "\n")
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    sys.stdout.write(f"END:{os.waitstatus_to_exitcode(status)}\n")
    sys.stdout.flush()
