"""Background processes of ours: started in sessions of their own, remembered, and the only ones we ever end.

Promises
- A process is recorded with its start time, so a number that the system gave to somebody else is never signalled.
- Ending one ends what it started (its whole process group): politely first, then for good.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A started process; it leads its own process group. ticks: its start time as the kernel counts it."""

    name: str
    pid: int
    ticks: int

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return _ticks(self.pid) == self.ticks


def start(
    name: str, command: Sequence[str], *, environ: Mapping[str, str], log: Path, cwd: Path, nice: int = 0
) -> Process:
    """Start `command` with its output appended to `log`; it outlives us and does not hear our Ctrl-C."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["nice", "-n", str(nice), *command] if nice else list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
        )
    child.returncode = 0  # it is no longer ours to wait for; without this its destructor warns
    return Process(name, child.pid, _ticks(child.pid) or 0)


def stop(processes: Sequence[Process], *, grace: float = 20.0) -> None:
    """End these processes and their groups: SIGTERM, up to `grace` seconds, then SIGKILL."""
    alive = [item for item in processes if item.alive()]
    for item in alive:
        _signal_group(item, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(item.alive() for item in alive) and time.monotonic() < deadline:
        _reap(alive)
        time.sleep(0.1)
    for item in alive:
        _signal_group(item, signal.SIGKILL)
    while any(item.alive() for item in alive):
        _reap(alive)
        time.sleep(0.02)
    _reap(alive)


def save(file: Path, processes: Sequence[Process]) -> None:
    """Remember processes for a later `load`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps([asdict(item) for item in processes]), encoding="utf-8")
    draft.replace(file)


def load(file: Path) -> list[Process]:
    """The remembered processes that still run."""
    try:
        known = [Process(**item) for item in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    return [item for item in known if item.alive()]


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _ticks(pid: int) -> int | None:
    """Start time of a living process in clock ticks since boot; None when it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _signal_group(item: Process, number: signal.Signals) -> None:
    """Signal the group it leads. The group outlives its leader as long as a child lives."""
    try:
        os.killpg(item.pid, number)
    except ProcessLookupError:
        return


def _reap(processes: Sequence[Process]) -> None:
    for item in processes:
        try:
            os.waitpid(item.pid, os.WNOHANG)
        except ChildProcessError:
            continue
