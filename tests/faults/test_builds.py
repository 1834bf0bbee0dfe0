"""Whatever disturbs a build, the next one makes good; and readers never see half of one."""

from __future__ import annotations

import random

import pytest

from tests.faults.builds import Built, Disturbed
from tests.faults.night import Trap, cases, clock_off_by, cut, kill

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]


@pytest.fixture
def disturbed(built: Built) -> Disturbed:
    """The case of this test."""
    return Disturbed(built)


@pytest.mark.parametrize("seed", cases(8))
def test_a_build_is_killed_at_a_statement(disturbed: Disturbed, seed: int) -> None:
    at = random.Random(f"build {seed}").randint(1, disturbed.built.statements)
    assert disturbed.by(Trap(at, kill).spring).how == "killed"
    disturbed.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(8))
def test_a_build_is_killed_with_its_dbt_at_any_moment(disturbed: Disturbed, seed: int) -> None:
    disturbed.by(kill_after=random.Random(f"moment {seed}").uniform(0, disturbed.built.seconds))
    disturbed.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(4))
def test_a_build_is_killed_and_its_dbt_is_not(disturbed: Disturbed, seed: int) -> None:
    moment = random.Random(f"alone {seed}").uniform(0.2, 0.8) * disturbed.built.seconds
    disturbed.by(kill_after=moment, alone=True)
    disturbed.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(6))
def test_dbt_alone_is_killed_at_a_statement(disturbed: Disturbed, seed: int) -> None:
    at = disturbed.in_dbt(f"kill {seed}")
    assert disturbed.by(in_dbt=Trap(at, kill).spring).how == "DbtFailed"
    disturbed.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(4))
def test_a_connection_of_a_build_is_cut(disturbed: Disturbed, seed: int) -> None:
    at = random.Random(f"cut {seed}").randint(1, disturbed.built.statements)
    disturbed.by(Trap(at, cut).spring)
    disturbed.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(4))
def test_a_connection_of_dbt_is_cut(disturbed: Disturbed, seed: int) -> None:
    at = disturbed.in_dbt(f"cut {seed}")
    assert disturbed.by(in_dbt=Trap(at, cut).spring).how != "done"
    disturbed.leaves_no_trace()


@pytest.mark.parametrize("seed", cases(4))
def test_the_database_server_stops_under_a_build(disturbed: Disturbed, seed: int) -> None:
    at = disturbed.in_dbt(f"server {seed}")
    ended = disturbed.built.town.crashing(lambda act: disturbed.by(in_dbt=Trap(at, act).spring))
    assert ended.how != "done"
    disturbed.leaves_no_trace()


@pytest.mark.parametrize("days", [-40, 40])
def test_the_clock_of_a_build_is_wrong(disturbed: Disturbed, days: int) -> None:
    assert disturbed.by(lambda: clock_off_by(days)).how == "done"
    disturbed.leaves_no_trace()
