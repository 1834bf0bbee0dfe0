"""The rules of the scorecard, the lists and the publication periods, as dbt's own unit tests in a scratch database."""

from __future__ import annotations

from creditflow.warehouse import dbt
from tests.dbt.conftest import Story


def test_every_unit_test_of_the_project_passes(story: Story) -> None:
    result = dbt.run(story.settings, "test", ["--select", "test_type:unit"])
    assert result.failures == ()
    assert result.tests_passed >= 65


def test_every_data_test_holds_over_the_whole_history(story: Story) -> None:
    result = dbt.run(story.settings, "test", ["--select", "test_type:data"])
    assert result.failures == ()
    assert result.tests_passed >= 60
