"""Work shared out among forked processes: the same results in the same order, every fault seen, nobody left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psutil
import pytest

from creditflow.landing.shared import _MEMORY as MEMORY
from creditflow.landing.shared import WorkerLost, shared_out

HERE = os.getpid()


def doubled(piece: bytes) -> tuple[bytes, int]:
    return piece * 2, os.getpid()


def pieces(count: int, size: int = 300_000) -> Iterator[bytes]:
    """More than any pipe holds."""
    for number in range(count):
        yield b"%d " % number * (size // 4)


@pytest.fixture(autouse=True)
def _nobody_is_left_behind() -> Iterator[None]:
    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= before


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 12])
def test_results_come_in_order_from_no_more_processes_than_allowed(processes: int, count: int) -> None:
    results = list(shared_out(doubled, pieces(count), processes, alone=2))
    assert [result for result, _ in results] == [piece * 2 for piece in pieces(count)]
    others = {who for _, who in results} - {os.getpid()}
    assert len(others) == (0 if processes == 1 else min(processes, max(count - 2, 0)))
    assert {who for _, who in results[:2]} <= {os.getpid()}, "the first ones are done here"


@pytest.mark.parametrize(
    "piece",
    [
        b"",
        b"short",
        b"x" * MEMORY,
        b"x" * (MEMORY + 1),
        (),
        (b"", 1, b"y" * 100_000, None),
        (b"x" * (MEMORY - 1), b"y" * 2, b"z"),
        (7, b"x" * (MEMORY + 1), "字", b"z"),
        [(1, ["甲", ""])],
        0,
        None,
    ],
    ids=lambda piece: str(piece)[:20],
)
def test_whatever_is_passed_arrives_as_it_was(piece: object) -> None:
    """In the shared memory as far as it goes, else through the pipe; the memory is used again for every piece."""
    back = shared_out(lambda given: given, iter([b"before" * 9, piece, (b"behind", 1), piece]), 2, alone=0)
    assert list(back) == [b"before" * 9, piece, (b"behind", 1), piece]


def test_a_fault_of_the_pieces_comes_after_what_was_before_it() -> None:
    def broken() -> Iterator[bytes]:
        yield from pieces(7)
        raise ValueError("line 8")

    results = shared_out(doubled, broken(), 2, alone=1)
    assert [result for result, _ in islice(results, 7)] == [piece * 2 for piece in pieces(7)]
    with pytest.raises(ValueError, match="line 8"):
        next(results)


def test_a_fault_of_the_work_is_raised_as_itself() -> None:
    def halved(piece: int) -> int:
        if piece == 5:
            raise ArithmeticError("odd")
        return piece

    results = shared_out(halved, iter(range(9)), 2, alone=1)
    with pytest.raises(ArithmeticError, match="odd"):
        list(results)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_is_never_a_gap(how: signal.Signals) -> None:
    def deadly(piece: int) -> int:
        if piece == 5 and os.getpid() != HERE:
            os.kill(os.getpid(), how)
        return piece

    with pytest.raises(WorkerLost, match=how.name):
        list(shared_out(deadly, iter(range(9)), 2, alone=1))


def test_a_process_killed_between_two_pieces_is_noticed() -> None:
    results = shared_out(doubled, pieces(9), 2, alone=0)
    _, who = next(results)
    os.kill(who, signal.SIGKILL)
    with pytest.raises(WorkerLost):
        list(results)


def test_closing_ends_the_processes() -> None:
    results = shared_out(doubled, pieces(100), 3, alone=0)
    next(results)
    results.close()


def test_processes_hold_no_file_of_ours(tmp_path: Path) -> None:
    def open_files(piece: int) -> list[str]:
        return [
            str(file.readlink())
            for file in map(Path, map("/proc/self/fd/{}".format, range(3, 500)))
            if file.is_symlink()
        ]

    with (tmp_path / "held").open("w"):
        for files in shared_out(open_files, iter(range(6)), 3, alone=0):
            assert len(files) == 1
            assert files[0].startswith("socket:")


def _in_a_daemon(out: str) -> None:
    results = [result for result, _ in shared_out(doubled, pieces(5), 2, alone=0)]
    Path(out).write_text(str(results == [piece * 2 for piece in pieces(5)]), encoding="utf-8")


def test_daemonic_processes_may_share_work(tmp_path: Path) -> None:
    """Celery's and multiprocessing's workers are daemonic: they may start no process, but fork."""
    process = multiprocessing.get_context("fork").Process(
        target=_in_a_daemon, args=(str(tmp_path / "out"),), daemon=True
    )
    process.start()
    process.join(60)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "True"


PARENT = """
import os, time
from creditflow.landing.shared import shared_out
def work(piece):
    time.sleep(0.05)
    return os.getpid()
for who in shared_out(work, iter(range(10_000)), 2, alone=0):
    print(who, flush=True)
"""


def test_processes_end_with_the_one_that_forked_them() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = {int(parent.stdout.readline()) for _ in range(4)}
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    until = time.monotonic() + 30
    while any(map(_lives, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    parent.stdout.close()
    assert not any(map(_lives, workers))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
