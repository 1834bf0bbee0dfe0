"""What every exchange database has in common, whichever protocol it speaks: the agreed columns, and what one fetch took.

Promises
- Columns that may not be collected are never asked for; their names are told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from creditflow.connectors.delivery import FetchError
from creditflow.registry import Feed

NOT_ROWS = ("status",)
AGREED = frozenset({"seq", "op", "updated_at"})


@dataclass(frozen=True)
class Taken:
    """Rows of one snapshot. content: csv with a heading, UTF-8. last: highest sequence. newest: latest change, with zone."""

    content: BinaryIO
    rows: int
    last: int
    newest: dt.datetime | None
    cut: tuple[str, ...]


def columns_to_ask_for(feed: Feed, found: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """(columns to ask for, in the table's order; columns that may not be collected).

    found: the table's columns as the database tells them. Raises FetchError without a table or an agreed column.
    """
    schema, table = feed.location["schema"], feed.location["table"]
    present = [name for name in found if name not in NOT_ROWS]
    if not present:
        raise FetchError(
            f"前置机上没有表 {schema}.{table}，或没有读取权限",
            f"the exchange database has no table {schema}.{table}, or we may not read it",
        )
    absent = AGREED - set(present)
    if absent:
        raise FetchError(
            f"交换表缺少约定列：{'、'.join(sorted(absent))}",
            f"the exchange table lacks columns: {', '.join(sorted(absent))}",
        )
    meaning = feed.recognise(present)
    gone = {at for at, _ in (*meaning.forbidden, *meaning.cut)}
    kept = [name for at, name in enumerate(present) if at not in gone]
    return kept, tuple(present[at] for at in sorted(gone))
