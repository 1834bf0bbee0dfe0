"""Every published view has a key: no two rows of a stage share it, and none is without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.dbt.conftest import Rows, Story

RECORD = ("record_id",)
KEYS = {
    "associated_person_entry": ("membership_id", "person_subject_id"),
    "build": ("build_no",),
    "city_indicator": ("month", "metric"),
    "credit_report": ("subject_id", "section", "record_id"),
    "data_issue": ("issue_id",),
    "department_quality_daily": ("as_of", "department"),
    "feed_freshness": ("department", "feed"),
    "list_membership": ("membership_id",),
    "measure_target": ("subject_id", "role", "measure_code", "list_code", "executing_department", "trigger_record_id"),
    "reward_eligibility": ("subject_id", "measure_code", "trigger_kind", "trigger_value"),
    "reward_rule": ("measure_code", "trigger_kind", "trigger_value"),
    "score": ("score_id",),
    "score_comparison": ("subject_id", "trial_version"),
    "score_comparison_month": ("month", "subject_id", "official_version", "trial_version"),
    "score_explanation": ("line_id",),
    "score_fairness": ("month", "model_version", "check_code", "dimension", "group_value", "grade"),
    "subject": ("subject_id",),
    "subject_identifier": ("subject_id", "id_type", "id_value"),
    "subject_statement": ("subject_id", "attribute", "department", "record_kind", "record_id"),
}
"""Keys of views that are not one row a record."""
MAY_BE_EMPTY = {("score_fairness", "grade"), ("reward_rule", "trigger_value")}
"""Only shares of grades have one; only lists and grades have a value."""


def faults(name: str, rows: Rows, key: Sequence[str]) -> list[str]:
    """Keys used twice, and key columns that are empty somewhere."""
    twice = [
        f"{name} {value}" for value, number in Counter(tuple(row[c] for c in key) for row in rows).items() if number > 1
    ]
    empty = {c for row in rows for c in key if row[c] is None and (name, c) not in MAY_BE_EMPTY}
    return twice + [f"{name}.{column} is empty" for column in sorted(empty)]


def test_every_published_view_keeps_its_key_at_every_stage(story: Story) -> None:
    found = [
        fault
        for stage in story.stages.values()
        for name, rows in stage.views.items()
        for fault in faults(name, rows, KEYS.get(name, RECORD))
    ]
    assert found == []
    assert set(KEYS) <= set(story["first"].views)


def test_a_key_used_twice_or_empty_is_a_fault() -> None:
    assert faults("score", [{"score_id": 1}, {"score_id": 1}], ("score_id",)) == ["score (1,)"]
    assert faults("score", [{"score_id": None}], ("score_id",)) == ["score.score_id is empty"]
