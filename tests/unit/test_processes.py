"""Background processes: ended with everything they started, and never somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from creditflow import processes
from creditflow.processes import Process

FAMILY = (
    "import subprocess, sys, time, pathlib\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "pathlib.Path(sys.argv[1]).write_text(str(child.pid))\n"
    "time.sleep(600)\n"
)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[Process, int]]:
    """A process with a child: (process, child's pid)."""
    note = tmp_path / "child"
    process = processes.start(
        "family", [sys.executable, "-c", FAMILY, str(note)], environ=os.environ, log=tmp_path / "log", cwd=tmp_path
    )
    while not (note.exists() and note.read_text()):
        assert process.alive()
        time.sleep(0.01)
    yield process, int(note.read_text())
    processes.stop([process], grace=0)


def living(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_stopping_a_process_ends_what_it_started(family: tuple[Process, int]) -> None:
    process, child = family
    assert living(child)
    processes.stop([process])
    assert not process.alive()
    for _ in range(500):
        if not living(child):
            break
        time.sleep(0.01)
    assert not living(child)


def test_a_process_that_ignores_politeness_is_ended_all_the_same(tmp_path: Path) -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    log = tmp_path / "log"
    process = processes.start("stubborn", [sys.executable, "-c", script], environ=os.environ, log=log, cwd=tmp_path)
    while "ready" not in log.read_text():
        time.sleep(0.01)
    processes.stop([process], grace=0.2)
    assert not process.alive()


def test_a_number_given_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        ours_once = Process("gone", stranger.pid, 1)
        assert not ours_once.alive()
        processes.stop([ours_once], grace=0)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_only_living_processes_are_remembered(family: tuple[Process, int], tmp_path: Path) -> None:
    process, _ = family
    file = tmp_path / "state" / "processes.json"
    assert processes.load(file) == []
    processes.save(file, [process, replace(process, name="older", ticks=process.ticks - 1)])
    assert processes.load(file) == [process]
    processes.stop([process])
    assert processes.load(file) == []


def test_a_free_port_is_free_until_somebody_listens() -> None:
    import socket

    port = processes.free_port()
    assert processes.port_is_free(port)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert not processes.port_is_free(port)
