"""A complete snapshot ends what it no longer holds: never what something newer names, and whatever the order of arrival.

Versions of one record give the same end in every order too, a withdrawal before its decision among them.
"""

from __future__ import annotations

import pytest

from tests.dbt.conftest import Story
from tests.dbt.landed import uscc
from tests.dbt.out_of_order import CHANGE_ORDERS, DELIVERIES, END, FIRST, ORDERS, department, document, firm

LAST = "decided"
"""The night after which every department's four deliveries are known."""


def ends(story: Story, stage: str, number: int) -> dict[str, tuple[str, object]]:
    rows = {row["subject_uscc"]: row for row in story[stage].all("arrears", department=department(number))}
    found = {letter: rows.get(uscc(firm(number, letter))) for letter in END}
    return {letter: (row["state"], row["snapshot_ended_on"]) for letter, row in found.items() if row}


@pytest.mark.parametrize("number", range(len(ORDERS)), ids=lambda number: str(ORDERS[number]))
def test_deliveries_in_any_order_end_the_same(story: Story, number: int) -> None:
    assert ends(story, LAST, number) == END


@pytest.mark.parametrize("number", range(len(ORDERS)), ids=lambda number: str(ORDERS[number]))
def test_the_newest_delivery_gives_the_amounts(story: Story, number: int) -> None:
    rows = {
        row["subject_uscc"]: row["amount_yuan"] for row in story[LAST].all("arrears", department=department(number))
    }
    for letter in END:
        newest = max(day for day, (names, _) in enumerate(DELIVERIES) if letter in names)
        assert rows[uscc(firm(number, letter))] == 1000 + FIRST.day + newest


def test_a_late_snapshot_ends_nothing_a_newer_one_names(story: Story) -> None:
    # the fourth first, the second after it: b and d are not in the second
    number = ORDERS.index(((3,), (1,), (0,), (2,)))
    assert ends(story, "first", number) == {"a": END["a"], "b": END["b"], "d": END["d"]}
    assert ends(story, "changed", number) == {"a": END["a"], "b": END["b"], "c": END["c"], "d": END["d"]}


def test_of_two_snapshots_in_one_build_the_newer_ends_what_only_the_older_names(story: Story) -> None:
    number = ORDERS.index(((0, 1), (2, 3)))
    found = ends(story, "first", number)
    assert {letter for letter, (state, _) in found.items() if state == "active"} == {"a", "c"}
    assert found["f"] == END["f"]


def test_an_incomplete_snapshot_ends_nothing_and_shows_what_it_names(story: Story) -> None:
    number = ORDERS.index(((0,), (1,), (2,), (3,)))
    before, after = ends(story, "changed", number), ends(story, "before the decisions", number)
    assert before["e"] == ("ended", END["f"][1])
    assert after == before | {"e": ("active", None)}


@pytest.mark.parametrize("number", range(len(CHANGE_ORDERS)), ids=lambda number: str(CHANGE_ORDERS[number]))
def test_versions_in_any_order_end_withdrawn_and_nothing_after_the_withdrawal_is_shown(
    story: Story, number: int
) -> None:
    open_version = "select state, fine_amount_yuan from core.penalty where decision_document_no = %s and known_to_build = 2147483647"
    assert story.landed.execute(open_version, (document(number),)) == [("withdrawn", 30_000)]
    steps = ("first", "changed", "before the decisions")
    for step, stage in enumerate(steps):
        shown = story[stage].all("penalty", decision_document_no=document(number))
        arrived = CHANGE_ORDERS[number][: step + 1]
        fines = [] if 2 in arrived else [10_000 * (2 + max(arrived))]
        assert [row["fine_amount_yuan"] for row in shown] == fines
