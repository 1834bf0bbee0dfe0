"""Health of a part of Airflow for the container engine: exit status 0 when the API server knows it as alive.

Cheap on purpose: Airflow's own command takes seconds of a processor each time. Parts: scheduler, dag_processor, triggerer
(by their heartbeats in the metadata database), metadatabase.
"""

from __future__ import annotations

import json
import sys
import urllib.request

URL = "http://api-server:8080/api/v2/monitor/health"


def main(part: str) -> int:
    """0 when `part` is healthy, else 1."""
    with urllib.request.urlopen(URL, timeout=8) as answer:
        state = json.load(answer).get(part) or {}
    print(part, state.get("status"))
    return 0 if state.get("status") == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
