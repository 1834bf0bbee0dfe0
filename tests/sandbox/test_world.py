"""The world: identifiers that anybody's validator accepts, persons nobody can take for real, skew, the same every time."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
import pytest

from sandbox import checkdigits as cd
from sandbox import days
from sandbox.description import departments
from sandbox.world import SORTS, World, make

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def uscc_is_valid(code: str) -> bool:
    """GB 32100-2015, written out from the standard's formula."""
    if len(code) != 18 or any(c not in ALPHABET for c in code):
        return False
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(code[:17]))
    return ALPHABET[-total % 31] == code[17]


def org_code_is_valid(code: str) -> bool:
    """GB 11714."""
    values = [int(c) if c.isdigit() else ord(c) - 55 for c in code[:8]]
    check = 11 - sum(v * w for v, w in zip(values, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    return code[8] == {10: "X", 11: "0"}.get(check, str(check))


def reg_no_is_valid(number: str) -> bool:
    """ISO 7064 MOD 11,10 over 15 digits."""
    product = 10
    for c in number[:14]:
        total = (product + int(c)) % 10 or 10
        product = total * 2 % 11
    return len(number) == 15 and (product + int(number[14])) % 10 == 1


def resident_no_is_valid(number: str) -> bool:
    """GB 11643-1999."""
    try:
        dt.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(c) * (2 ** (17 - i) % 11) for i, c in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17]


@pytest.fixture(scope="module")
def world() -> World:
    return make(42, 0.02, dt.date(2026, 11, 20))


def test_our_arithmetic_agrees_with_published_vectors() -> None:
    assert all(
        map(uscc_is_valid, ("9144030071526726XG", "91440400192548256N", "N2440513MF0000013T", "52440500MA4X33746U"))
    )
    assert not uscc_is_valid("91110000600037341M")
    assert org_code_is_valid("71526726X")
    assert org_code_is_valid("MA1B3N1N2")
    assert reg_no_is_valid("440301103448669")
    assert not reg_no_is_valid("440501000012344")
    assert resident_no_is_valid("44052319991231004X")
    assert not resident_no_is_valid("440513197102290038")


def test_every_code_of_every_entity_is_valid_and_its_own(world: World) -> None:
    codes = world.uscc.tolist()
    assert all(map(uscc_is_valid, codes))
    assert all(org_code_is_valid(c[8:17]) for c in codes)
    assert len(set(codes)) == len(codes)
    numbers = [n for n in world.reg_no.tolist() if n]
    assert all(map(reg_no_is_valid, numbers))
    assert len(set(numbers)) == len(numbers)
    assert len(set(world.name.tolist())) == len(world)


def test_codes_begin_as_their_sort_demands(world: World) -> None:
    begins = {"e": "91", "h": "92", "c": "93", "l": "31", "i": "12", "n": "N2", "b": "91"}
    for sort, prefix in begins.items():
        assert {str(c)[:2] for c in world.uscc[world.sort == sort]} == {prefix}
    assert {str(c)[:2] for c in world.uscc[world.sort == "s"]} == {"51", "52", "53"}
    assert all((world.sort == s).sum() >= 12 for s in SORTS)


def test_a_household_without_code_has_a_registration_number(world: World) -> None:
    without = ~world.has_code
    assert without.any()
    assert set(world.sort[without].tolist()) == {"h"}
    assert all(world.reg_no[without])


def test_resident_numbers_are_valid_and_marked_as_examples(world: World) -> None:
    numbers = world.resident_no(np.arange(world.persons)).tolist()
    assert all(map(resident_no_is_valid, numbers))
    assert len(set(numbers)) == len(numbers)
    assert {n[14:17] for n in numbers} == {f"{k:03d}" for k in range(1, 10)}


def test_names_of_persons_say_that_they_are_examples(world: World) -> None:
    names = set(world.person_name(np.arange(world.persons)).tolist())
    assert all(
        any(mark in name[1:] for mark in ("测", "例", "样", "拟", "演", "示", "虚", "仿", "假")) for name in names
    )
    assert {len(name) for name in names} == {2, 3}


def test_activity_is_skewed(world: World) -> None:
    rng = np.random.default_rng(1)
    picked = world.pick("e", np.full(20_000, world.baseline), rng)
    busiest = [n for _, n in Counter(picked.tolist()).most_common(len(world.members["e"]) // 10)]
    assert sum(busiest) > 0.4 * 20_000


def test_nobody_is_picked_before_registration_or_after_the_end(world: World) -> None:
    when = np.full(5000, world.baseline - 200)
    picked = world.pick("e", when, np.random.default_rng(2))
    assert (world.registered[picked] < when).all()
    assert (world.deregistered[picked] > when).all()


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    day = dt.date(2026, 11, 20)
    one, two, other = make(7, 0.005, day), make(7, 0.005, day), make(8, 0.005, day)
    assert one.name.tolist() == two.name.tolist()
    assert one.uscc.tolist() == two.uscc.tolist()
    assert one.uscc.tolist() != other.uscc.tolist()


def test_scale_counts_entities() -> None:
    assert make(1, 0.1, dt.date(2026, 11, 20)).count == 45_000


def test_authorities_have_valid_codes_and_the_zone_its_own() -> None:
    codes = [a.uscc for d in departments().values() for a in d.authorities]
    assert all(map(uscc_is_valid, codes))
    assert len(set(codes)) == len(codes)
    assert departments()["hqj"].authorities[0].region == "440500"


def test_working_days_follow_the_published_calendar() -> None:
    number = days.number
    assert days.is_workday(number(dt.date(2026, 2, 14)))  # a Saturday made up for
    assert not days.is_workday(number(dt.date(2026, 10, 1)))
    before = days.workdays_before(np.array([number(dt.date(2026, 10, 15))]), np.array([7]))
    assert days.date(int(before[0])) == dt.date(2026, 9, 30)


def test_check_digits_work_on_columns() -> None:
    body = cd.repeat("9144030071526726X", 3)
    assert bytes(cd.uscc_check(body)) == b"GGG"
