"""What a connector hands over: one delivery of one feed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO


def _nothing() -> None:
    return None


@dataclass
class Delivery:
    """One delivery, not yet stored.

    file: what the department called it. stream: its bytes; None when there is nothing that could be stored yet (the
    department is late, `problem` says why). format: 'table' for rows of an exchange database, else None (found from
    name and bytes). encoding: where the transport named one. declared_rows, declared_sha256: control totals.
    produced: decisions the department says it produced, by month ('2026-10'); None when it says nothing.
    delivered_at: business time of the delivery. watermark_after: where the feed stands once it is committed.
    columns_cut: columns that were never fetched. problem: entry for ops.batch.reasons (`readers.reason`).
    acknowledge: called after the batch is committed. by_hand: dropped by a person, whatever the feed's channel.
    """

    file: str
    stream: BinaryIO | None
    format: str | None = None
    encoding: str | None = None
    declared_rows: int | None = None
    declared_sha256: str | None = None
    produced: dict[str, int] | None = None
    delivered_at: dt.datetime | None = None
    watermark_after: dict[str, Any] | None = None
    columns_cut: tuple[str, ...] = ()
    problem: dict[str, Any] | None = None
    by_hand: bool = False
    acknowledge: Callable[[], None] = field(default=_nothing, repr=False)


class FetchError(Exception):
    """A department cannot be reached or refuses us. zh, en: what happened and who must act; never a credential."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh, self.en = zh, en
