"""P2 of the budgets: landing a CSV of permits against dlt's Arrow route into the same PostgreSQL, in turn.

The peer has an environment of its own under .cache/bench, installed from bench/peers/dlt.lock when it is missing or the
lock has changed. It loads every column as text and nothing more: no archive, no codes, no keys, no personal numbers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.p1_landing import landing, middle
from bench.place import own_server
from creditflow.ops.database import transaction
from creditflow.registry import Registry
from creditflow.settings import Settings
from sandbox.bulk import write_csv

PROJECT = Path(__file__).resolve().parent.parent
LOCK = PROJECT / "bench" / "peers" / "dlt.lock"
PEER = PROJECT / ".cache" / "bench" / "dlt"


def environment() -> Path:
    """The peer's interpreter, its environment made first where it is missing or older than the lock."""
    python, mark = PEER / "bin" / "python", PEER / "installed.lock"
    if not mark.exists() or mark.read_bytes() != LOCK.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(PEER)], check=True)
        ours = Path(sys.executable).parent
        (PEER / "bin" / "uv").symlink_to(ours / "uv")
        subprocess.run(["requirements/install.sh", str(PEER), str(LOCK)], cwd=PROJECT, check=True)
        mark.write_bytes(LOCK.read_bytes())
    return python


def peer(settings: Settings, source: Path) -> dict[str, Any]:
    """Rows, seconds and versions of the peer's load of `source`; what it loaded is removed."""
    with tempfile.TemporaryDirectory(dir=settings.home) as folder:
        done = subprocess.run(
            [
                str(environment()),
                str(PROJECT / "bench" / "peers" / "load_with_dlt.py"),
                str(source),
                settings.warehouse_url,
            ],
            cwd=folder,
            env={**os.environ, "HOME": folder, "DO_NOT_TRACK": "1", "RUNTIME__DLTHUB_TELEMETRY": "false"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the peer failed: {done.stderr[-2000:]}")
    with transaction(settings, "bench") as conn, conn.cursor() as cursor:
        cursor.execute("drop schema dlt_bench cascade")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run(rows: int, rounds: int) -> dict[str, Any]:
    """P2 on a server of its own."""
    environment()
    with own_server() as (settings, registry):
        source = write_csv(settings.home / "source", rows, kind="permit", faults=False)
        found = middle([_round(settings, registry, source) for _ in range(rounds)])
    return {
        **found,
        "budget": 3,
        "aim": 5,
        "text": (
            f"{found['ratio']:.2f}x ({found['rows_per_second']:,} rows/s; {found['peer']} {found['peer_rows_per_second']:,} rows/s,"
            f" columns as text, nothing checked or archived; in turn, ratios {', '.join(map(str, found['rounds']))})"
        ),
    }


def _round(settings: Settings, registry: Registry, source: Path) -> dict[str, Any]:
    ours, theirs = landing(settings, registry, source), peer(settings, source)
    if theirs["rows"] != ours["rows"]:
        raise RuntimeError(f"landing read {ours['rows']} rows, the peer {theirs['rows']}")
    speed = theirs["rows"] / theirs["seconds"]
    return {
        "rows": ours["rows"],
        "rows_per_second": ours["rows_per_second"],
        "peer_rows_per_second": round(speed),
        "ratio": round(ours["rows_per_second"] / speed, 2),
        "peer": f"dlt {theirs['dlt']} with pyarrow {theirs['pyarrow']}",
    }
