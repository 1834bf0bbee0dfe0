"""Statements shared out among several sessions of the warehouse, so that a large delivery is judged on more than one core.

Promises
- What the statements leave behind is what running them one after the other would, if none of them looks at what another
  writes; the caller sees to that.
- Bounded: never more sessions than asked for. They are opened when first needed, used again, and closed with their owner.
- A fault ends the rest: statements that run are cancelled, those that wait are never begun, and it is raised when none runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self

import psycopg2

from creditflow.ops.database import Connection, connect
from creditflow.settings import Settings


class Sessions:
    """A few connections in autocommit. name: shown in pg_stat_activity. most: how many at a time; 1: nothing is shared out."""

    def __init__(self, settings: Settings, name: str, most: int) -> None:
        self._settings, self._name = settings, name
        self._connections: list[Connection] = []
        self.most = most

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for conn in self._connections:
            conn.close()

    def run(self, statements: Sequence[str], meanwhile: Callable[[], object]) -> int:
        """Run every statement, side by side, and `meanwhile` in this thread; rows touched in all. Raises the first fault."""
        self._connections = [conn for conn in self._connections if not conn.closed]
        while len(self._connections) < min(self.most, len(statements)):
            self._connections.append(connect(self._settings, name=self._name, autocommit=True))
        waiting = list(reversed(statements))
        with ThreadPoolExecutor(max(1, len(self._connections))) as pool:
            try:
                shares = [pool.submit(_work_off, conn, waiting) for conn in self._connections]
                meanwhile()
                return sum(share.result() for share in shares)
            except BaseException:
                waiting.clear()
                for conn in self._connections:
                    with suppress(psycopg2.Error):
                        conn.cancel()
                raise


def _work_off(conn: Connection, waiting: list[str]) -> int:
    """Run the next statement until none is left; rows touched."""
    rows = 0
    with conn.cursor() as cursor:
        while True:
            try:
                statement = waiting.pop()
            except IndexError:
                return rows
            cursor.execute(statement)
            rows += max(0, cursor.rowcount)
