"""A delivery judged by several sessions: the same warehouse as by one, row for row, and faults that leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import psycopg2
import pytest

from creditflow.quality.sessions import Sessions
from creditflow.quality.sweep import _LAST_ROW, _most_sessions, _parts
from creditflow.settings import Settings
from tests.quality.world import FIRM, FIRM_NAME, Gatehouse

NUMBER = "decision_document_no"
LEFT_BEHIND = {
    "landing.permit": "l.*::text",
    "landing.penalty": "l.*::text",
    "landing.registration": "l.*::text",
    "quality.register": "l.*::text",
    "quality.row_verdict": "l.*::text",
    "quality.rule_result": "l.*::text",
    "quality.incident": "(to_jsonb(l) - '{incident_id,opened_at,recorded_at,created_at}'::text[])::text",
    "ops.batch": "(to_jsonb(l) - '{seconds,received_at,gated_at,registered_at}'::text[])::text",
}
"""What a sweep leaves behind, and how a row of it is compared: all but clocks and running numbers."""


def deliver(house: Gatehouse) -> None:
    """Deliveries that depend on each other: within themselves across every cut, on the one before, on the register's."""

    def permits(numbers: range, **changes: Any) -> list[dict[str, Any]]:
        return [
            house.clean("permit", "cgj", **{NUMBER: f"汕测许〔2026〕{n}号", "@key": f"p{n}", **changes})
            for n in numbers
        ]

    first = permits(range(60))
    first[3]["counterparty_name"] = first[57]["counterparty_name"] = "无"  # rejected at both ends
    first[50] |= {NUMBER: first[5][NUMBER], "decision_date": "2026/10/09"}  # one number, two decisions, in two spans
    first[55] |= {"@key": "p8", "permit_content": "另一内容"}  # one record twice new, in two spans
    first[40] = dict(first[20])  # the same content again
    second = permits(
        range(30, 90), **{"@at": datetime(2026, 11, 20, 1, tzinfo=UTC)}
    )  # half of it is known from the first
    second[10]["counterparty_name"] = "汕头市别名测试有限公司"  # not what the register says
    house.deliver("permit", first, "cgj", batch_id="CGJ-PERMIT-20261120-001")
    house.deliver("penalty", [house.clean("penalty", "cgj")] * 3, "cgj", batch_id="CGJ-PENALTY-20261120-001")
    house.deliver("permit", second, "cgj", batch_id="CGJ-PERMIT-20261120-002")
    firms = [
        house.clean("registration", subject_uscc=FIRM, subject_name=FIRM_NAME, **{"@key": f"r{n}", "@seq": n})
        for n in range(25)
    ]
    house.deliver("registration", firms, batch_id="SJGJ-REGISTRATION-20261120-001")


def left_behind(house: Gatehouse) -> dict[str, list[str]]:
    """Rows of every table a sweep writes, and its notes in the journal in their order."""
    found = {
        table: [row for (row,) in house.query(f"select {told} from {table} l order by 1")]
        for table, told in LEFT_BEHIND.items()
    }
    notes = house.query(
        "select (body - '{sweep,rules}'::text[])::text from ops.journal where entry_type = 'judged' order by seq"
    )
    return found | {"notes": [note for (note,) in notes]}


def clear(house: Gatehouse) -> None:
    """Empty what a sweep writes."""
    house.query(f"truncate {', '.join(LEFT_BEHIND)}, ops.event, ops.journal")


@pytest.mark.parametrize(("processes", "slice_rows"), [(2, 25), (3, 1000)])
def test_several_sessions_leave_behind_what_one_does(
    fresh: Gatehouse, monkeypatch: pytest.MonkeyPatch, processes: int, slice_rows: int
) -> None:
    monkeypatch.setattr("creditflow.quality.sweep.SHARED_ROWS", 10)
    monkeypatch.setattr("creditflow.quality.sweep.SLICE_ROWS", slice_rows)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(4))
    used = []
    honest = Sessions.run

    def counted(self: Sessions, statements: list[str], meanwhile: Callable[[], object]) -> int:
        used.append(len(statements))
        return honest(self, statements, meanwhile)

    monkeypatch.setattr(Sessions, "run", counted)
    told = {}
    for many in (1, processes):
        clear(fresh)
        fresh.numbers = 0
        fresh.settings = replace(fresh.settings, landing_processes=many)
        deliver(fresh)
        fresh.judge()
        told[many] = left_behind(fresh)
        assert bool(used) == (many > 1)
    assert max(used) >= processes
    assert told[processes] == told[1]
    assert len(told[1]["landing.permit"]) > 80
    assert {"PERMIT-X-NUMBER", "PERMIT-X-VERSION", "DUPLICATE", "PERMIT-R19-NAME"} <= {
        rule for (rules,) in fresh.query("select rule_ids from quality.row_verdict") for rule in rules
    }


@pytest.mark.parametrize(("processes", "cores", "sessions"), [(1, 8, 1), (3, 2, 2), (4, 1, 1), (2, 8, 2)])
def test_there_are_never_more_sessions_than_cores(
    monkeypatch: pytest.MonkeyPatch, places: Settings, processes: int, cores: int, sessions: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(cores))
    assert _most_sessions(replace(places, landing_processes=processes)) == sessions


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
@pytest.mark.parametrize("span", [None, (0, 249_999), (250_000, 499_999)])
def test_the_parts_of_a_slice_are_the_slice(parts: int, span: tuple[int, int] | None) -> None:
    batch = {"batch_id": "B", "rows_read": 200_000}
    cut = list(_parts([(batch, span)], parts))
    if parts == 1:
        assert cut == [(batch, span)]
        return
    spans = [one for _, one in cut if one is not None]
    first, last = span or (0, _LAST_ROW)
    assert (len(spans), spans[0][0], spans[-1][1]) == (parts, first, last)
    assert all(before[1] + 1 == after[0] for before, after in pairwise(spans))


@pytest.fixture
def places(fresh: Gatehouse) -> Settings:
    """A warehouse with a table for statements to write to."""
    fresh.query("drop table if exists work.places; create unlogged table work.places (n integer, session integer)")
    return fresh.settings


def test_statements_run_side_by_side_on_no_more_sessions_than_asked_for(places: Settings, fresh: Gatehouse) -> None:
    together = (
        "insert into work.places select n, pg_backend_pid() from generate_series(1, 10) n, pg_sleep(0.2);"
        " select 1 from generate_series(1, 10)"
    )
    seen = []
    with Sessions(places, "test pass", 2) as sessions:
        assert sessions.run([together] * 5, meanwhile=lambda: seen.append(1)) == 50
        assert sessions.run([together], meanwhile=lambda: seen.append(2)) == 10
    assert seen == [1, 2]
    assert fresh.query("select count(*), count(distinct session) from work.places") == [(60, 2)]
    assert fresh.query("select 1 from pg_stat_activity where application_name = 'creditflow test pass'") == []


def test_a_fault_cancels_the_rest_and_the_sessions_go_on(places: Settings, fresh: Gatehouse) -> None:
    slow = "insert into work.places select 1 from pg_sleep(60)"
    with Sessions(places, "test pass", 2) as sessions:
        with pytest.raises(psycopg2.errors.DivisionByZero):
            sessions.run(["select 1 / 0", slow, slow, slow], meanwhile=lambda: None)
        with pytest.raises(RuntimeError):
            sessions.run([slow, slow], meanwhile=_trouble)
        ended = "select pg_terminate_backend(pg_backend_pid())"
        with pytest.raises(psycopg2.OperationalError):
            sessions.run([ended, ended], meanwhile=lambda: None)
        assert sessions.run(["insert into work.places values (7, 7)"] * 3, meanwhile=lambda: None) == 3
    assert fresh.query("select count(*), min(n) from work.places") == [(3, 7)]


def _trouble() -> None:
    raise RuntimeError
