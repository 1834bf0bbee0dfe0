"""Four deliveries of one feed of complete snapshots, in every order and in every way to share them out over builds; and three
versions of one penalty (decided, corrected, withdrawn) in every order.

Each department of this little world gets the same four deliveries about its own firms, in an order of its own. One build
serves all of them, so that every order costs no build more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import combinations, permutations
from typing import Any

from tests.dbt.landed import Landed, party, penalty

FIRST = dt.date(2026, 11, 1)
DELIVERIES: tuple[tuple[str, int], ...] = (("abcef", 0), ("ac", 0), ("ae", 3), ("abd", 0))
"""What each delivery names, and how many rows more it read that nobody can name: then it is no complete snapshot."""
END: dict[str, tuple[str, dt.date | None]] = {
    "a": ("active", None),  # always there
    "b": ("active", None),  # missing from the second, there again in the fourth
    "c": ("ended", FIRST + dt.timedelta(3)),  # the third misses it, but the third is not complete
    "d": ("active", None),  # new in the fourth
    "e": ("ended", FIRST + dt.timedelta(3)),  # missing from the second, named by the incomplete third
    "f": ("ended", FIRST + dt.timedelta(1)),  # never seen after the first
}
"""State and end of each firm's arrears once all four are known, whatever the order they came in."""
Order = tuple[tuple[int, ...], ...]
"""Which deliveries each build brings."""


def orders() -> Iterator[Order]:
    """Every order one by one, every two and two, and all at once."""
    everything = range(len(DELIVERIES))
    for order in permutations(everything):
        yield tuple((delivery,) for delivery in order)
    for pair in combinations(everything, 2):
        yield (pair, tuple(other for other in everything if other not in pair))
    yield (tuple(everything),)


ORDERS: tuple[Order, ...] = tuple(orders())


CHANGES: tuple[tuple[str, str], ...] = (("I", "2"), ("U", "3"), ("W", "3"))
"""What happened to a penalty, in the order it happened: operation and fine in 万元."""
CHANGE_ORDERS: tuple[tuple[int, ...], ...] = tuple(permutations(range(len(CHANGES))))


def document(number: int) -> str:
    """The penalty whose versions arrive in this order."""
    return f"汕序罚〔2026〕{number}号"


def department(number: int) -> str:
    """The department whose deliveries come in this order."""
    return f"late{number:02d}"


def firm(number: int, letter: str) -> int:
    """The firm a department means by a letter."""
    return 1000 + 10 * number + ord(letter) - ord("a")


def deliver(landed: Landed, step: int) -> None:
    """What the build at this step (0 to 3) brings, of every department."""
    for number, order in enumerate(ORDERS):
        for delivery in order[step] if step < len(order) else ():
            names, unnamed = DELIVERIES[delivery]
            day = FIRST + dt.timedelta(delivery)
            rows = [_arrears(firm(number, letter), day) for letter in names]
            batch = landed.batch("arrears", rows, department=department(number), delivery="full_snapshot", day=day)
            if unnamed:
                landed.execute(
                    "update ops.batch set rows_read = rows_read + %s, rows_rejected = %s where batch_id = %s",
                    (unnamed, unnamed, batch),
                )

    for number, order in enumerate(CHANGE_ORDERS):
        for change in order[step : step + 1]:
            operation, fine = CHANGES[change]
            told = penalty(1500 + number, document(number), fine_amount_wan=fine, _op=operation)
            landed.batch("penalty", [told], department="cgj", day=FIRST + dt.timedelta(change))


def _arrears(number: int, day: dt.date) -> dict[str, Any]:
    return party(number) | {
        "arrears_type": "housing_fund",
        "period": "2026-08",
        "amount_yuan": str(1000 + day.day),
        "decision_date": "2026-09-15",
    }
