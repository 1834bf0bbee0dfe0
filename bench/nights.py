"""P8 and P10: nights under the real scheduler, and the first minute of a newcomer. Nights without a scheduler for the
comparison with the truth ledger and for the gate's own time."""

from __future__ import annotations

import datetime as dt
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from creditflow import sandbox
from creditflow.ingest import ingest_department
from creditflow.ops.ledger import raise_if_failed
from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.registry import load
from creditflow.server import ensure_server
from creditflow.settings import Settings, load_settings

PROJECT = Path(__file__).resolve().parent.parent
FIRST, NEXT = "2026-11-20", "2026-11-23"
TRUTH_DAYS = (FIRST, NEXT, "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27", "2026-12-04")
"""The backlog, then a week of days on which the sandbox's deliveries go wrong as a whole, then the weekly ones mended."""

GATE = """
import json, os, time
begun = time.perf_counter()
from creditflow.quality import gate
from creditflow.registry import load
from creditflow.settings import load_settings
settings = load_settings()
summary = gate(settings, load(settings.project))
used = os.times()
print(json.dumps({
    "seconds": round(time.perf_counter() - begun, 1),
    "processor_seconds": round(used.user + used.system, 1),
    "batches": len(summary.batches),
    "rows": sum(batch.rows_read for batch in summary.batches),
    "peak_mb": int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) // 1024,
}))
"""


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
    """All 43 departments at `scale` over a fortnight, ingested and gated without a scheduler, against the truth ledger.

    Adds seconds and peak_mb (of this process, database apart) to the comparison.
    """
    from bench.truth import compare

    started = time.monotonic()
    with _city(scale) as night:
        for day in TRUTH_DAYS:
            night.deliver(day)
            night.ingest(day)
            night.gate()
            night.sweep(day)
        found = compare(night.settings, night.settings.sandbox_home / "truth").as_dict()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {
        "scale": scale,
        "days": TRUTH_DAYS,
        "seconds": round(time.monotonic() - started),
        "peak_mb": peak_mb,
        **found,
    }


def gate_of_a_night() -> dict[str, Any]:
    """P4's second part: what all departments bring in a small night, judged in one process, import included."""
    with _city(0.01) as night:
        night.deliver(FIRST)
        night.ingest(FIRST)
        environ = {**os.environ, "CREDITFLOW_HOME": str(night.settings.home)}
        done = subprocess.run(
            [sys.executable, "-c", GATE], env=environ, cwd=PROJECT, capture_output=True, text=True, check=True
        )
    found = dict(json.loads(done.stdout.splitlines()[-1]))
    found["text"] = (
        f"{found['seconds']} s wall, {found['processor_seconds']} s of processor in the process ({found['batches']} "
        f"batches, {found['rows']:,} rows, {found['peak_mb']} MB)"
    )
    return found


class _Night:
    """The steps of a night in this process, without build and report."""

    def __init__(self, settings: Settings, shape: sandbox.Shape) -> None:
        self.settings, self._shape = settings, shape
        self._registry = load(settings.project)
        migrate(settings)
        sync_registry(settings, self._registry)
        sandbox.up(settings)
        sandbox.seed(settings, shape, dt.date.fromisoformat(FIRST))

    def deliver(self, day: str) -> None:
        """The departments put out what they have up to a day."""
        sandbox.deliver(self.settings, self._shape, dt.date.fromisoformat(day))

    def ingest(self, day: str) -> None:
        """Fetch and land everything new. Raises RuntimeError when a department failed."""
        for code in self._registry.all():
            ingest_department(self.settings, self._registry, code, dt.date.fromisoformat(day))
            raise_if_failed(self.settings, dt.date.fromisoformat(day), code)

    def gate(self) -> None:
        """Judge what landed."""
        from creditflow.quality import gate

        gate(self.settings, self._registry)

    def sweep(self, day: str) -> None:
        """Open and close issues by what the night brought."""
        from creditflow.quality.issues import sweep_issues

        sweep_issues(self.settings, self._registry, dt.date.fromisoformat(day))


@contextmanager
def _city(scale: float) -> Iterator[_Night]:
    """An installation of its own with the sandbox's servers up and the city seeded; removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="creditflow-bench-"))
    try:
        settings = load_settings({**os.environ, "CREDITFLOW_HOME": str(home)})
        ensure_server(settings)
        yield _Night(settings, sandbox.Shape(scale=scale))
    finally:
        _wipe(home)


def matched(scale: float = 0.05) -> dict[str, Any]:
    """A night of all 43 departments at `scale` without a scheduler: whom the records were given to, against the truth ledger."""
    from bench.matching import measure

    home = Path(tempfile.mkdtemp(prefix="creditflow-bench-"))
    try:
        _night(home, FIRST, "--in-process", "--scale", str(scale))
        settings = load_settings({**os.environ, "CREDITFLOW_HOME": str(home)})
        ensure_server(settings)
        found = measure(settings, settings.sandbox_home / "truth")
        return {
            **found.as_dict(),
            "text": f"{found.linked - found.wrong:,} of {found.linked:,} links right, {found.found:,} of {found.to_find:,} found",
        }
    finally:
        _wipe(home)


def realdata() -> dict[str, Any]:
    """Subjects of the published files beside the checkout, dropped into an empty warehouse."""
    from bench.realdata import drop_in, figures, files

    home = Path(tempfile.mkdtemp(prefix="creditflow-bench-"))
    try:
        settings = load_settings({**os.environ, "CREDITFLOW_HOME": str(home)})
        ensure_server(settings)
        migrate(settings)
        drop_in(settings, files(PROJECT.parent / "shared" / "realdata"))
        found = figures(settings)
        coded = [item for item in found if item["carries"] != "name"]
        linked = sum(item["records"] for item in coded if item["grade"] in ("exact", "strong"))
        total = sum(item["records"] for item in coded)
        return {"figures": found, "text": f"{linked:,} of {total:,} rows with an identifier linked by it"}
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
