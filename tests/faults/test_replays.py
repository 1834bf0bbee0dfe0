"""A replay that is killed goes on when it is asked for again, and ends like one that nothing disturbed."""

from __future__ import annotations

import datetime as dt
import random

import psycopg2
import pytest

from creditflow.replay import accept, propose
from creditflow.settings import Settings
from tests.faults.builds import Built
from tests.faults.night import AS_OF, Trap, apart, cases, differences, kill
from tests.warm import fork_dbt

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]


def replay(built: Built, settings: Settings) -> str:
    """Everything of the first night interpreted again; how many deliveries an earlier call had landed."""
    fork_dbt(manifest=built.manifest)
    found = propose(settings, built.town.registry, AS_OF, AS_OF, "规则调整 / the rule changed", "王经办")
    return str(found.resumed_at)


@pytest.fixture(scope="module")
def undisturbed(built: Built) -> tuple[int, dict[str, list[str]]]:
    """Statements of a replay until it waits for a decision; and what it leaves when it is accepted."""
    settings = built.fresh()

    def counted() -> str:
        trap = Trap()
        trap.spring()
        assert replay(built, settings) == "0"
        steps = trap.steps
        accept(settings, built.town.registry, "李复核")
        return str(steps)

    ended = apart(counted)
    assert ended.how == "done", ended
    return int(ended.told), built.town.left(settings)


def landed(settings: Settings) -> dict[str, dt.datetime]:
    """When each delivery landed last."""
    conn = psycopg2.connect(settings.warehouse_url)
    with conn, conn.cursor() as cursor:
        cursor.execute("select batch_id, landed_at from ops.batch")
        found = dict(cursor.fetchall())
    conn.close()
    return found


@pytest.mark.parametrize("seed", cases(4))
def test_a_replay_is_killed_at_a_statement(
    built: Built, undisturbed: tuple[int, dict[str, list[str]]], seed: int
) -> None:
    statements, expected = undisturbed
    settings = built.fresh()
    before = landed(settings)

    def killed() -> None:
        Trap(random.Random(f"replay {seed}").randint(1, statements), kill).spring()
        replay(built, settings)

    assert apart(killed).how == "killed"
    now = landed(settings)
    done = {batch_id: moment for batch_id, moment in now.items() if moment != before[batch_id]}
    again = apart(lambda: replay(built, settings))
    assert (again.how, again.told) == ("done", str(len(done)))
    assert done.items() <= landed(settings).items(), "what had landed does not land once more"
    assert apart(lambda: str(accept(settings, built.town.registry, "李复核"))).how == "done"
    left = differences(expected, built.town.left(settings))
    assert not left, "\n".join(left[:20])
