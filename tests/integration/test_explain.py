"""What `creditflow diff A B` says of two builds: rows by kind, who entered or left a list, whose grade moved."""

from __future__ import annotations

import uuid

import pytest

from creditflow import warehouse
from tests.conftest import Warehouse

OPEN = 2147483647
ONE, TWO, THREE = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
TABLES = """
create table entity.subject (subject_id uuid, uscc text, known_from_build int, known_to_build int);
create table core.penalty (record_id uuid, row_hash uuid, state text, known_from_build int, known_to_build int);
create table lists.list_membership (membership_id uuid, subject_id uuid, list_code text, record_id uuid, state text,
    entered_on date, ended_on date, known_from_build int, known_to_build int);
create table scores.score (subject_id uuid, score int, grade text, is_official boolean, known_from_build int, known_to_build int);
insert into ops.build (build_no, as_of, state, code_hash, started_at) values
    (1, '2026-11-02', 'published', 'c', now()), (2, '2026-11-03', 'published', 'c', now()),
    (3, '2026-11-04', 'abandoned', 'c', now());
"""


@pytest.fixture
def told(warehouse: Warehouse) -> Warehouse:
    """Two builds: a penalty changed, one withdrawn, one new, one suppressed since; a list left by the calendar alone."""
    warehouse.query(TABLES)
    for subject, uscc in ((ONE, "CODE-1"), (TWO, "CODE-2"), (THREE, None)):
        warehouse.query("insert into entity.subject values (%s, %s, 1, %s)", (subject, uscc, OPEN))
    rows = [
        (11, 1, "active", 1, 2), (11, 2, "active", 2, OPEN),  # changed
        (12, 3, "active", 1, 2), (12, 4, "withdrawn", 2, OPEN),  # gone for readers
        (13, 5, "active", 2, OPEN),  # new
        (14, 6, "active", 1, OPEN),  # as it was
        (15, 7, "active", 2, OPEN),  # new, and suppressed since
    ]  # fmt: skip
    for record, content, state, first, last in rows:
        warehouse.query(
            "insert into core.penalty values (%s, %s, %s, %s, %s)",
            (str(uuid.UUID(int=record)), str(uuid.UUID(int=content)), state, first, last),
        )
    warehouse.query(
        "insert into ops.suppression (record_id, since, reason) values (%s, '2026-11-03', 'deleted')",
        (str(uuid.UUID(int=15)),),
    )
    member = "insert into lists.list_membership values (%s, %s, %s, null, 'active', '2026-01-01', %s, %s, %s)"
    warehouse.query(member, (str(uuid.UUID(int=21)), ONE, "RL01", "2026-11-03", 1, OPEN))
    warehouse.query(member, (str(uuid.UUID(int=22)), TWO, "SL05", None, 2, OPEN))
    warehouse.query(member, (str(uuid.UUID(int=23)), THREE, "SL05", None, 1, OPEN))
    score = "insert into scores.score values (%s, %s, %s, %s, %s, %s)"
    warehouse.query(score, (ONE, 900, "A", True, 1, 2))
    warehouse.query(score, (ONE, 749, "C", True, 2, OPEN))
    warehouse.query(score, (TWO, 860, "B", True, 1, 2))
    warehouse.query(score, (TWO, 865, "B", True, 2, OPEN))
    warehouse.query(score, (THREE, 900, "A", False, 2, OPEN))
    return warehouse


def test_two_builds_are_explained_by_records_lists_and_grades(told: Warehouse) -> None:
    found = warehouse.explain(told.settings, 1, 2)
    assert found.records == {"penalty": {"added": 1, "removed": 1, "changed": 1}}
    assert [(m["list_code"], m["uscc"], m["change"]) for m in found.memberships] == [
        ("RL01", "CODE-1", "left"),
        ("SL05", "CODE-2", "entered"),
    ]
    assert [(g["uscc"], g["grade_a"], g["grade_b"], g["score_a"], g["score_b"]) for g in found.grades] == [
        ("CODE-1", "A", "C", 900, 749)
    ]


def test_the_other_way_round_says_the_opposite_and_a_build_against_itself_nothing(told: Warehouse) -> None:
    back = warehouse.explain(told.settings, 2, 1)
    assert back.records == {"penalty": {"added": 1, "removed": 1, "changed": 1}}
    assert [m["change"] for m in back.memberships] == ["entered", "left"]
    assert [(g["grade_a"], g["grade_b"]) for g in back.grades] == [("C", "A")]
    same = warehouse.explain(told.settings, 2, 2)
    assert (same.records, same.memberships, same.grades) == ({}, (), ())


def test_a_build_that_was_given_up_or_never_was_is_refused(told: Warehouse) -> None:
    for number in (3, 99):
        with pytest.raises(warehouse.UnknownBuild, match=str(number)):
            warehouse.explain(told.settings, 1, number)
