"""The process dbt runs in: ``python -m creditflow.warehouse.dbt_process RESULTS LOG ARGUMENT...``.

Promises
- RESULTS (JSON) holds what became of every node; it is written whenever dbt ran at all.
- LOG gets one JSON line per event of level info and above. dbt's own loggers stay off: they put every debug event into
  words and read the environment for secrets twice before they drop it, a tenth of a night's build.
- rfc3987-syntax is not loaded: jsonschema takes it for one format nothing here uses, and its grammar costs two seconds.
- No event that quotes SQL is written, so no value of a row can reach the log by this road.
- It ends with the process that started it, however that one ends: a dbt that outlived its build would go on writing, under
  the number of the next one.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from creditflow.warehouse.dbt import PARENT

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Let the kernel kill this process when the one that started it is gone (Linux; elsewhere nothing does)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(os.environ[PARENT]):
            sys.exit(2)


if __name__ == "__main__":
    end_with_parent()  # before the seconds that dbt's import takes

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

from dbt.cli.main import dbtRunner  # noqa: E402

LEVELS = frozenset({"info", "warn", "error"})


def _listener(log: IO[str]) -> Any:
    def heard(event: Any) -> None:
        if event.info.level in LEVELS:
            line = {"ts": event.info.ts.ToJsonString(), "level": event.info.level, "event": event.info.name}
            log.write(json.dumps(line | {"msg": event.info.msg}, ensure_ascii=False) + "\n")
            log.flush()

    return heard


def _node(result: Any) -> dict[str, Any]:
    return {
        "unique_id": result.node.unique_id,
        "status": str(result.status),
        "execution_time": result.execution_time,
        "message": result.message,
    }


def main(results: str, log: str, arguments: Sequence[str]) -> int:
    """Run dbt; 0: it ran and its results are written, 2: it did not run, with the reason on standard error."""
    with Path(log).open("a", encoding="utf-8") as lines:
        quiet = ["--log-level", "none", "--log-level-file", "none"]
        outcome = dbtRunner(callbacks=[_listener(lines)]).invoke([*quiet, *arguments])
    nodes = getattr(outcome.result, "results", [] if outcome.success else None)
    if nodes is None:
        sys.stderr.write(f"{outcome.exception or 'dbt gave no result'}\n")
        return 2
    Path(results).write_text(json.dumps({"results": [_node(node) for node in nodes]}, default=str), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
