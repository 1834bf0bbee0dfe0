"""Inputs that fuzzing found to reach each part of the readers and of the identifier rules: none is more than a refusal."""

from __future__ import annotations

import pytest

from tests.fuzz.run import TARGETS as NAMES
from tests.fuzz.targets import CORPUS, TARGETS


def test_every_target_has_its_kept_inputs() -> None:
    assert set(TARGETS) == set(NAMES) == {path.name for path in CORPUS.iterdir()}


@pytest.mark.parametrize("target", NAMES)
def test_kept_inputs_are_rows_or_refusals(target: str) -> None:
    kept = sorted((CORPUS / target).iterdir())
    assert kept
    for path in kept:
        TARGETS[target](path.read_bytes())
