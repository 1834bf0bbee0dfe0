"""Health of a part of Airflow for the container engine: exit status 0 when it is alive.

Cheap on purpose: Airflow's own command takes seconds of a processor each time. Parts: scheduler, dag_processor, triggerer
(by their heartbeats in the metadata database), metadatabase, as the API server knows them; worker, by the age of the file
that it leaves behind each heartbeat (config/airflow_local_settings.py).
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from pathlib import Path

HEARTBEAT, SILENT = Path("/tmp/worker.heartbeat"), 60  # noqa: S108 - a container's own; seconds
URL = "http://api-server:8080/api/v2/monitor/health"


def main(part: str) -> int:
    """0 when `part` is healthy, else 1."""
    if part == "worker":
        silent = time.time() - HEARTBEAT.stat().st_mtime if HEARTBEAT.exists() else None
        print(part, "no heartbeat yet" if silent is None else f"last heartbeat {silent:.0f} s ago")
        return 0 if silent is not None and silent < SILENT else 1
    with urllib.request.urlopen(URL, timeout=8) as answer:
        state = json.load(answer).get(part) or {}
    print(part, state.get("status"))
    return 0 if state.get("status") == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
