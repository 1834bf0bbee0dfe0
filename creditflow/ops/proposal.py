"""A proposal to interpret deliveries again, and their earlier interpretation, kept until somebody decides.

Promises
- At most one is open. `prepare` copies what landing and gate made of its deliveries into schema kept and takes their rows
  out of landing; `withdraw` gives exactly that back; `accept` drops the copy. Each in the caller's transaction.
- Whatever else changes deliveries or builds on them (a gate sweep, a decision on a held batch, a deletion by law, a build,
  a rollback) withdraws an open proposal first: it was made for a warehouse that is no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from creditflow.ops import restated
from creditflow.ops.database import Connection
from creditflow.ops.journal import note

JUDGED = (
    ("ops", "batch"),
    ("quality", "rule_result"),
    ("quality", "row_verdict"),
    ("quality", "incident"),
    ("quality", "restated_row"),
)
"""Tables beside landing that say what became of a delivery, by batch_id."""
EARLIER = ("kept", "ops_batch")
"""How the deliveries of the open proposal stood before it."""
REGISTER = ("quality", "register")
"""The register as the gate knows it: not by batch, so it is kept as a whole."""


@dataclass(frozen=True)
class Proposal:
    """The line of ops.replay that is being prepared (build_no is None) or waits for a decision."""

    replay_id: str
    build_no: int | None
    batches: tuple[str, ...]


def open_proposal(conn: Connection) -> Proposal | None:
    """The one that is open, if any; locked until the transaction ends."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select replay_id::text, build_no, batches from ops.replay where state in ('preparing', 'proposed') for update"
        )
        row = cursor.fetchone()
    return Proposal(row[0], row[1], tuple(row[2])) if row else None


def prepare(conn: Connection, **told: Any) -> None:
    """Open a proposal and keep the earlier interpretation of its deliveries.

    told: replay_id, from_day, to_day, department, reason, proposed_by, proposed_at, made_with, batches.
    """
    names = sorted(told)
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL("insert into ops.replay (state, {}) values ('preparing', {})").format(
                sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join(map(sql.Placeholder, names))
            ),
            told,
        )
        for place in [*_landing(conn), *JUDGED]:
            cursor.execute(
                sql.SQL("create table {} as select * from {} where batch_id = any(%s)").format(
                    _copy(*place), sql.Identifier(*place)
                ),
                (told["batches"],),
            )
        cursor.execute(
            sql.SQL("create table {} as select * from {}").format(_copy(*REGISTER), sql.Identifier(*REGISTER))
        )
        restated.take_back(conn, told["batches"])
        for place in _landing(conn):
            cursor.execute(
                sql.SQL("delete from {} where batch_id = any(%s)").format(sql.Identifier(*place)), (told["batches"],)
            )
    note(conn, "replay", event="prepared", **told)


def resumable(conn: Connection, **asked: Any) -> Proposal | None:
    """The open proposal, when it was prepared for just this.

    asked: from_day, to_day, department, reason, made_with.
    """
    found = open_proposal(conn)
    if found is None:
        return None
    names = sorted(asked)
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL("select ({}) is not distinct from ({}) from ops.replay where replay_id = %(replay_id)s").format(
                sql.SQL(", ").join(map(sql.Identifier, names)), sql.SQL(", ").join(map(sql.Placeholder, names))
            ),
            {**asked, "replay_id": found.replay_id},
        )
        return found if cursor.fetchone() == (True,) else None


def landed_anew(conn: Connection) -> set[str]:
    """Which deliveries of the open proposal have landed since it was prepared."""
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "select batch_id from ops.batch as b join {} as e using (batch_id)"
                " where b.landed_at is distinct from e.landed_at"
            ).format(sql.Identifier(*EARLIER))
        )
        return {str(batch_id) for (batch_id,) in cursor.fetchall()}


def propose(conn: Connection, replay_id: str, build_no: int) -> None:
    """The build on the new interpretation is tested: the proposal waits for a decision."""
    with conn.cursor() as cursor:
        cursor.execute(
            "update ops.replay set state = 'proposed', build_no = %s where replay_id = %s", (build_no, replay_id)
        )
    note(conn, "replay", event="proposed", replay_id=replay_id, build_no=build_no)


def accept(conn: Connection, build_no: int, decided_by: str) -> bool:
    """The new interpretation stands, if this is the build of an open proposal; part of the move of the pointer to it."""
    found = open_proposal(conn)
    if found is None or found.build_no != build_no:
        return False
    _let_go(conn)
    _decide(conn, found.replay_id, "accepted", decided_by)
    return True


def withdraw(conn: Connection, decided_by: str) -> bool:
    """The earlier interpretation of an open proposal stands again; False when none is open."""
    found = open_proposal(conn)
    if found is None:
        return False
    restated.take_back(conn, found.batches)
    with conn.cursor() as cursor:
        for place in _copied(conn):
            table = sql.Identifier(*place)
            if place == REGISTER:
                cursor.execute(sql.SQL("delete from {}").format(table))
            else:
                cursor.execute(sql.SQL("delete from {} where batch_id = any(%s)").format(table), (list(found.batches),))
            overriding = sql.SQL(" overriding system value" if place == ("quality", "incident") else "")
            cursor.execute(sql.SQL("insert into {}{} select * from {}").format(table, overriding, _copy(*place)))
    restated.restate_again(conn, found.batches)
    _let_go(conn)
    _decide(conn, found.replay_id, "withdrawn", decided_by)
    note(conn, "replay", event="withdrawn", replay_id=found.replay_id, decided_by=decided_by)
    return True


def remember_records(conn: Connection, build_no: int, batches: list[str]) -> None:
    """Note for a build the records that its replayed deliveries named before or name now."""
    parts = [
        sql.SQL("select record_key from {}").format(_copy(*place)) for place in _copied(conn) if place[0] == "landing"
    ]
    parts += [
        sql.SQL("select record_key from {} where batch_id = any(%(batches)s)").format(sql.Identifier(*place))
        for place in _landing(conn)
    ]
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "insert into ops.replayed_record select %(build)s, record_key from ({}) named on conflict do nothing"
            ).format(sql.SQL(" union ").join(parts)),
            {"build": build_no, "batches": batches},
        )


def accepted_in(conn: Connection, builds: list[int]) -> list[str]:
    """The deliveries whose new interpretation was accepted in one of these builds."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select distinct unnest(batches) from ops.replay where state = 'accepted' and build_no = any(%s) order by 1",
            (builds,),
        )
        return [str(batch_id) for (batch_id,) in cursor.fetchall()]


def carry_over(conn: Connection, builds: list[int], build_no: int) -> None:
    """What was accepted in these builds, which are given up (a rollback), is built again in `build_no`: landing holds it."""
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into ops.replayed_record select distinct %s, record_id from ops.replayed_record r"
            " join ops.replay p using (build_no) where p.state = 'accepted' and p.build_no = any(%s) on conflict do nothing",
            (build_no, builds),
        )
        cursor.execute(
            "update ops.replay set build_no = %s where state = 'accepted' and build_no = any(%s)", (build_no, builds)
        )


def _decide(conn: Connection, replay_id: str, state: str, decided_by: str) -> None:
    with conn.cursor() as cursor:
        cursor.execute(
            "update ops.replay set state = %s, decided_by = %s, decided_at = clock_timestamp() where replay_id = %s",
            (state, decided_by, replay_id),
        )


def _let_go(conn: Connection) -> None:
    with conn.cursor() as cursor:
        for place in _copied(conn):
            cursor.execute(sql.SQL("drop table {}").format(_copy(*place)))


def _landing(conn: Connection) -> list[tuple[str, str]]:
    with conn.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = 'landing' order by 1")
        return [("landing", str(name)) for (name,) in cursor.fetchall()]


def _copied(conn: Connection) -> list[tuple[str, str]]:
    with conn.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = 'kept'")
        there = {str(name) for (name,) in cursor.fetchall()}
    return [place for place in [*_landing(conn), *JUDGED, REGISTER] if "_".join(place) in there]


def _copy(schema: str, table: str) -> sql.Identifier:
    return sql.Identifier("kept", f"{schema}_{table}")
