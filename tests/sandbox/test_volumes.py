"""Volumes: the planning figures of the city at scale 1.0, and something from everybody at small scale."""

from __future__ import annotations

import datetime as dt

import pytest

from sandbox.description import departments
from sandbox.plan import Planner, feeds
from sandbox.world import make
from tests.sandbox.conftest import City


def total(kind: str) -> int:
    return sum(d.feeds[kind].rows for d in departments().values() if kind in d.feeds and not d.external)


def test_the_yearly_figures_are_those_of_the_city() -> None:
    assert total("permit") == 515_932
    assert total("penalty") == 99_843
    others = sum(
        f.rows
        for d in departments().values()
        if not d.external
        for f in d.feeds.values()
        if f.kind not in ("permit", "penalty")
    )
    assert others == 1_497_920 - 340  # three bodies have other rows but no kind to send them in
    assert sum(f.rows for d in departments().values() if d.external for f in d.feeds.values()) == 484_920


def test_there_are_43_departments_and_ten_external_feeds() -> None:
    inside = [d for d in departments().values() if not d.external]
    assert len(inside) == 43
    assert len(departments()) == 53
    assert all("zero_declaration" in d.feeds for d in inside)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_a_planning_year_has_the_scaled_number_of_records(scale: float) -> None:
    planner = Planner(make(42, scale, dt.date(2026, 11, 20)), scale, 1)
    for feed in feeds():
        if feed.kind in ("permit", "penalty", "inspection") and feed.rows * scale > 20:
            assert len(planner.year_of(feed, -1)) == round(feed.rows * scale)


def test_every_department_delivers_on_the_first_night(city: City) -> None:
    sent = {d["department"] for d in city.truth("deliveries")}
    assert sent == set(departments())


def test_every_feed_that_has_work_exists_at_small_scale(city: City) -> None:
    sent = {(d["department"], d["feed"]) for d in city.truth("deliveries")}
    rare = {d.code for d in departments().values() if d.rare}
    missing = {(f.dept, f.kind) for f in feeds() if f.kind != "zero_declaration"} - sent
    assert all(dept in rare and kind in ("permit", "penalty") for dept, kind in missing), missing


def test_who_is_usually_at_zero_declares_it(city: City) -> None:
    declared = {d["department"]: int(d["rows"]) for d in city.truth("deliveries") if d["feed"] == "zero_declaration"}
    for dept in ("sjj", "daj", "mmj", "qxj", "hqj"):
        assert declared.get(dept, 0) >= 5, dept


def test_the_register_comes_as_a_baseline_with_changes(city: City) -> None:
    register = next(d for d in city.truth("deliveries") if (d["department"], d["feed"]) == ("sjgj", "registration"))
    rows = city.rows(register)
    entities = city.world
    mine = sum(1 for i in range(entities.count) if str(entities.sort[i]) in "ehcb")
    operations = [r["_OP"] for r in rows.values()]
    assert operations[:mine] == ["I"] * mine
    assert operations[mine:].count("U") == len(rows) - mine == 420


def test_tax_ratings_come_in_april_and_at_most_once_a_year(city: City) -> None:
    delivery = next(d for d in city.truth("deliveries") if (d["department"], d["feed"]) == ("swj", "rating"))
    rows = list(city.rows(delivery).values())
    in_april = sum(r["_UPDATED_AT"][5:7] == "04" for r in rows)
    assert in_april > 0.7 * len(rows)
    rated = [r["ZT_SHXYM"] for r in rows if r["_OP"] == "I" and uscc_shaped(r["ZT_SHXYM"])]
    assert len(set(rated)) > 0.98 * len(rated)


def uscc_shaped(code: str) -> bool:
    return len(code) == 18 and code.isascii() and code.isupper()
