"""P8 and P10: nights under the real scheduler, and the first minute of a newcomer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
FIRST, NEXT = "2026-11-20", "2026-11-23"


def _night(home: Path, as_of: str, *options: str) -> dict[str, Any]:
    environ = {**os.environ, "CREDITFLOW_HOME": str(home)}
    subprocess.run(
        [sys.executable, "-m", "creditflow", "night", "--as-of", as_of, *options],
        env=environ,
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return dict(json.loads((home / "last_night.json").read_text(encoding="utf-8")))


def p8() -> dict[str, Any]:
    """A night of small deltas on top of a loaded warehouse, from first trigger to published, in seconds."""
    home = Path(tempfile.mkdtemp(prefix="creditflow-bench-"))
    try:
        _night(home, FIRST)
        summary = _night(home, NEXT)
        steps = summary["steps"]
        seconds = round(sum(steps.get(name, 0) for name in ("ingest", "gate", "warehouse")), 1)
        batches = sum(len(item["batches"]) for item in summary["departments"])
        rows = sum(batch["rows_read"] for item in summary["departments"] for batch in item["batches"])
        return {
            "seconds": seconds,
            "steps": steps,
            "batches": batches,
            "rows": rows,
            "text": f"{seconds} s ({batches} batches, {rows:,} rows; whole command {summary['seconds']} s)",
        }
    finally:
        _wipe(home)


def _wipe(home: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "creditflow", "down", "--wipe", "--yes"],
        env={**os.environ, "CREDITFLOW_HOME": str(home)},
        cwd=PROJECT,
        check=False,
        stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(home, ignore_errors=True)


def truth(scale: float = 0.05) -> dict[str, Any]:
    """All 43 departments at `scale`, ingested and gated without a scheduler, compared with the sandbox's truth ledger."""
    from bench.truth import compare
    from creditflow.server import ensure_server
    from creditflow.settings import load_settings

    home = Path(tempfile.mkdtemp(prefix="creditflow-bench-"))
    try:
        _night(home, FIRST, "--in-process", "--scale", str(scale))
        settings = load_settings({**os.environ, "CREDITFLOW_HOME": str(home)})
        ensure_server(settings)
        return compare(settings, settings.sandbox_home / "truth").as_dict()
    finally:
        _wipe(home)


def p10() -> dict[str, Any]:
    """Wall seconds of `make run` in a fresh clone without a virtual environment; package downloads come from the cache."""
    place = Path(tempfile.mkdtemp(prefix="creditflow-newcomer-"))
    place.chmod(0o755)
    clone = place / "project"
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    try:
        subprocess.run(["git", "clone", "-q", str(PROJECT), str(clone)], check=True)
        started = time.monotonic()
        subprocess.run(["make", "run"], cwd=clone, env=environ, check=True, stdout=subprocess.DEVNULL)
        seconds = round(time.monotonic() - started, 1)
        return {"seconds": seconds, "text": f"{seconds} s"}
    finally:
        subprocess.run(["make", "down"], cwd=clone, env=environ, check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(place, ignore_errors=True)
