"""Whatever disturbs a night, one more night makes good: the warehouse equals that of a night nothing disturbed.

Every case has a seed, which says where it strikes. CREDITFLOW_FAULT_ROUNDS=10 makes ten times as many cases.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psycopg2
import pytest
from starlette.responses import PlainTextResponse, Response

import creditflow.ingest
from creditflow.settings import Settings
from tests.faults.night import (
    Ended,
    Town,
    Trap,
    apart,
    cases,
    clock_off_by,
    cut,
    differences,
    disk_full_after,
    kill,
)
from tests.faults.sources import SFTP

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]


class Case:
    """A fresh warehouse, and what must be so after the disturbance."""

    def __init__(self, town: Town, undisturbed: Mapping[str, Sequence[str]], name: str) -> None:
        self.town, self.undisturbed, self.name = town, undisturbed, name
        self.settings = town.fresh(name)

    def disturbed_by(self, prepare: Callable[[], None] = lambda: None, *, kill_after: float | None = None) -> Ended:
        """A night in a process of its own; `prepare` runs in that process first."""

        def night() -> None:
            prepare()
            self.town.night(self.settings)

        return apart(night, kill_after=kill_after)

    def leaves_no_trace(self) -> None:
        """One more night, and everything is as if nothing had been."""
        again = apart(lambda: self.town.night(self.settings))
        assert again.how == "done", again
        left = differences(self.undisturbed, self.town.state(self.settings))
        assert not left, "\n".join(left[:20])
        self.town.forget(self.name)


@pytest.fixture
def case(town: Town, undisturbed: Mapping[str, Sequence[str]], request: pytest.FixtureRequest) -> Case:
    """The case of this test."""
    return Case(town, undisturbed, f"case_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**8}")


def place(case: Case, kind: str, seed: int) -> int:
    """The statement at which a case strikes."""
    return random.Random(f"{kind} {seed}").randint(1, case.town.night_statements)


@pytest.mark.parametrize("seed", cases(60))
def test_killed_at_a_statement(case: Case, seed: int) -> None:
    trap = Trap(place(case, "kill", seed), kill)
    assert case.disturbed_by(trap.spring).how == "killed"
    case.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(20))
def test_killed_at_any_moment(case: Case, seed: int) -> None:
    moment = random.Random(f"moment {seed}").uniform(0, case.town.night_seconds)
    case.disturbed_by(kill_after=moment)
    case.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(5))
def test_killed_again_and_again(case: Case, seed: int) -> None:
    for stroke in range(3):
        case.disturbed_by(Trap(place(case, f"again {stroke}", seed), kill).spring)
    case.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(20))
def test_a_connection_to_the_database_is_cut(case: Case, seed: int) -> None:
    case.disturbed_by(Trap(place(case, "cut", seed), cut).spring)
    case.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(12))
def test_the_disk_is_full(case: Case, seed: int) -> None:
    size = random.Random(f"disk {seed}").randint(0, 12_000)
    case.disturbed_by(lambda: disk_full_after(size))
    case.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(4))
def test_sftp_ends_in_the_middle_of_a_file(case: Case, seed: int) -> None:
    case.town.sources.spoil_read += [lambda: None] * (seed + 1)
    case.disturbed_by()
    case.leaves_no_trace()


ANSWERS: dict[str, Callable[[Town], Callable[[int], Response]]] = {
    "500": lambda town: lambda since: PlainTextResponse("x", 500),
    "429": lambda town: lambda since: PlainTextResponse("x", 429, headers={"retry-after": "0"}),
    "garbage": lambda town: lambda since: Response(b"\x00<html>\xff", media_type="application/json"),
    "half_a_page": lambda town: town.sources.half_a_page,
    "a_page_twice": lambda town: town.sources.twice,
}


@pytest.mark.parametrize("answer", list(ANSWERS))
@pytest.mark.parametrize("page", [0, 2])
def test_an_api_answers_badly(case: Case, answer: str, page: int) -> None:
    sources = case.town.sources
    for times in (1, 60):
        sources.answers += [sources.page] * page + [ANSWERS[answer](case.town)] * times
        case.disturbed_by()
        sources.answers.clear()
    case.leaves_no_trace()


@pytest.mark.parametrize("file", ["/.data.", "/.manifest.", "/rules/."], ids=["data", "manifest", "rules"])
def test_killed_before_a_file_of_the_archive_has_its_name(case: Case, file: str) -> None:
    sync = os.fsync

    def killing(number: int) -> None:
        if file in str(Path(f"/proc/self/fd/{number}").readlink()):
            kill(None)
        sync(number)

    def prepare() -> None:
        os.fsync = killing

    assert case.disturbed_by(prepare).how == "killed"
    (draft,) = (case.settings.home / "archive").rglob(".*.part")
    assert file in draft.as_posix()
    case.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(5))
def test_a_file_of_the_archive_is_spoiled_and_comes_back(case: Case, seed: int) -> None:
    def die_before_landing() -> None:
        creditflow.ingest.land = lambda *_: kill(None)  # type: ignore[assignment]

    assert case.disturbed_by(die_before_landing).how == "killed"
    (stored,) = [path for path in (case.settings.home / "archive" / SFTP).rglob("data.*") if path.is_file()]
    good = stored.read_bytes()
    spot = random.Random(f"spoil {seed}").randrange(len(good))
    _write(stored, good[:spot] + bytes([good[spot] ^ 1]) + good[spot + 1 :])
    assert case.disturbed_by().how == "done"
    assert _arrival(case.settings) == "failed", "a spoiled file is not landed, and the night says so"
    _write(stored, good)
    case.leaves_no_trace()


def _write(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def _arrival(settings: Settings) -> str:
    conn = psycopg2.connect(settings.warehouse_url)
    with conn, conn.cursor() as cursor:
        cursor.execute("select state from ops.arrival where department = %s", (SFTP,))
        (state,) = cursor.fetchone() or ("",)
    conn.close()
    return str(state)


@pytest.mark.parametrize("seed", cases(5))
def test_two_nights_at_once(case: Case, seed: int) -> None:
    ended: list[Ended] = []
    both = [threading.Thread(target=lambda: ended.append(case.disturbed_by())) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [end.how for end in ended] == ["done", "done"], "the second waits for the first, department by department"
    case.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(8))
def test_the_database_server_stops(case: Case, seed: int) -> None:
    case.town.crashing(lambda act: case.disturbed_by(Trap(place(case, "server", seed), act).spring))
    case.leaves_no_trace()


@pytest.mark.parametrize("days", [-4000, -40, -3, 3, 40, 4000])
def test_the_clock_is_wrong(case: Case, days: int) -> None:
    assert case.disturbed_by(lambda: clock_off_by(days)).how == "done"
    case.leaves_no_trace()


def test_the_clock_is_wrong_and_the_process_is_killed_again_and_again(case: Case) -> None:
    for stroke, days in enumerate((40, -40, 3)):
        trap = Trap(place(case, f"clock {stroke}", days), kill)

        def prepare(trap: Trap = trap, days: int = days) -> None:
            clock_off_by(days)
            trap.spring()

        case.disturbed_by(prepare)
    case.leaves_no_trace()
