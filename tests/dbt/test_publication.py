"""The pointer, the views people build on, and builds that fail. Runs after the story, on its last night."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from creditflow import warehouse
from creditflow.report import score_report
from creditflow.settings import Settings
from creditflow.warehouse import dbt
from tests.dbt.conftest import Story, repaired
from tests.dbt.landed import load_kinds, penalty, uscc

PROJECT = Path(__file__).resolve().parents[2]
LATER = dt.date(2027, 6, 1)


def edited(story: Story, tmp_path: Path) -> Settings:
    """The same warehouse with a copy of the dbt project that a test may change."""
    shutil.copytree(PROJECT / "dbt_project", tmp_path / "dbt_project")
    return replace(story.settings, project=tmp_path)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, path.name
    path.write_text(text.replace(old, new), encoding="utf-8")


def _add_a_trial(seeds: Path) -> None:
    """A second scorecard beside the one in force: the same but for penalties of the serious class, which cost 300."""
    for path in seeds.glob("score_*.csv"):
        lines = path.read_text(encoding="utf-8").splitlines()
        more = [line.replace("ecs_v1,", "ecs_trial,", 1) for line in lines if line.startswith("ecs_v1,")]
        more = [line.replace(",-120,-350,", ",-300,-350,") if ",P_SERIOUS," in line else line for line in more]
        if path.name == "score_model.csv":
            more = ["ecs_trial,试算评分卡,scorecard on trial,enterprise|cooperative,false,2027-06-01,,test data"]
        path.write_text("\n".join([*lines, *more]) + "\n", encoding="utf-8")


def _compare_the_trial(story: Story, settings: Settings) -> None:
    """Enterprise 13 has a serious penalty a year old (x 0.6): it falls to C, on trial only."""
    moved = story.landed.execute(
        "select uscc, official_grade, official_score, trial_grade, trial_score, moved from publish.score_comparison"
        " where moved <> 'same'"
    )
    assert (uscc(13), "B", 828, "C", 720, "down") in moved
    assert {move[-1] for move in moved} == {"down"}
    assert story.landed.execute("select distinct model_version from publish.score") == [("ecs_v1",)]
    over_the_month = story.landed.execute(
        "select uscc, official_grade, trial_grade, moved, days_moved, days_compared, still_moved"
        " from publish.score_comparison_month where month = '2027-06-01'"
    )
    assert (uscc(13), "B", "C", "down", 1, 1, True) in over_the_month
    assert len(over_the_month) == len(moved)
    page = score_report(settings, LATER)
    text, twin = page.read_text(encoding="utf-8"), json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert "试算，未生效" in text
    assert twin["side_by_side"]["ecs_trial"]["status"] == "trial, not in force"
    assert uscc(13) in {row["uscc"] for row in twin["side_by_side"]["ecs_trial"]["moved_over_the_month"]}
    assert {row["check_code"] for row in twin["fairness"]} >= {"grade_share", "moved_over_100"}


def test_a_view_an_analyst_built_survives_a_changed_definition(story: Story, tmp_path: Path) -> None:
    story.landed.execute("create view public.mine as select build_no, state from publish.build")
    settings = edited(story, tmp_path)
    models = settings.project / "dbt_project" / "models" / "publish"
    _replace(models / "publish_build.sql", " as is_shown", " as is_shown,\n    1 as added")
    # a column in the middle: the view must go and come back, and the credit report, which reads it, with it
    _replace(models / "publish_list_entry.sql", "    r.subject_id,\n", "    r.subject_id,\n    2 as inserted,\n")
    for view, after, column in (("build", "is_shown", "added"), ("list_entry", "subject_id", "inserted")):
        told = f'      - name: {column}\n        data_type: integer\n        description: "试验 / trial"\n'
        _replace(models / f"publish_{view}.yml", f"      - name: {after}\n", f"{told}      - name: {after}\n")
    _add_a_trial(settings.project / "dbt_project" / "seeds")
    warehouse.publish(settings, warehouse.build(settings, LATER).build_no)
    _compare_the_trial(story, settings)
    assert story.landed.execute("select count(*) from public.mine where state = 'published'")[0][0] >= 1
    assert story.landed.execute("select distinct added from publish.build") == [(1,)]
    assert story.landed.execute("select distinct inserted from publish.list_entry") == [(2,)]
    assert story.landed.execute("select count(*) > 0 from publish.credit_report") == [(True,)]

    # the way back takes `added` away again, which somebody reads: the build says who, and readers keep what they have
    story.landed.execute("create view public.in_the_way as select added from publish.build")
    with pytest.raises(warehouse.BuildFailed, match=r"public\.(in_the_way|mine)"):
        warehouse.build(story.settings, LATER)
    story.landed.execute("drop view public.in_the_way, public.mine")
    warehouse.publish(story.settings, warehouse.build(story.settings, LATER).build_no)
    for view in ("score_comparison", "score_comparison_month"):
        assert story.landed.execute(f"select 1 from publish.{view}") == [], "a trial that was given up leaves"


@contextmanager
def scores_come_out_wrong(story: Story) -> Iterator[None]:
    """Every score that is written meanwhile is a point less than its explanation says."""
    story.landed.execute(
        "create function public.spoil() returns trigger language plpgsql as"
        " 'begin new.score := new.score - 1; return new; end';"
        "create trigger spoil before insert on scores.score for each row execute function public.spoil()"
    )
    try:
        yield
    finally:
        story.landed.execute("drop function public.spoil() cascade")


def test_a_failed_build_moves_nothing_but_what_must_vanish(story: Story) -> None:
    story.landed.batch(
        "penalty", [penalty(5, "汕市监罚〔2027〕5号", decision_date="2027/05/25")], day=dt.date(2027, 5, 26)
    )
    warehouse.publish(story.settings, warehouse.build(story.settings, LATER).build_no)
    pointer = story.landed.execute("select build_no from ops.pointer")[0][0]
    assert (
        len(story.landed.execute("select 1 from publish.penalty where decision_document_no = '汕市监罚〔2027〕5号'"))
        == 1
    )

    story.landed.batch(
        "repair", [repaired(5, "修复5号", "汕市监罚〔2027〕5号")], department="x_creditchina", day=dt.date(2027, 6, 2)
    )
    with scores_come_out_wrong(story), pytest.raises(warehouse.BuildFailed) as failed:
        warehouse.build(story.settings, LATER)
    assert "explanation_sums_to_score" in str(failed.value)
    assert story.landed.execute("select build_no from ops.pointer")[0][0] == pointer
    state = story.landed.execute("select state from ops.build where build_no = %s", (failed.value.summary.build_no,))
    assert state == [("failed",)]
    gone = story.landed.execute("select 1 from publish.penalty where decision_document_no = '汕市监罚〔2027〕5号'")
    assert gone == [], "the repair a failed build learnt of must take effect all the same"
    document = "汕市监罚〔2027〕5号"
    for told in (
        "open_data.penalty where decision_document_no",
        "publish.credit_report where content ->> 'decision_document_no'",
    ):
        assert story.landed.execute(f"select 1 from {told} = %s", (document,)) == [], (
            "neither shown nor shared nor used"
        )
    assert story.landed.execute("select score, grade from publish.score where uscc = %s", (uscc(5),)) == [
        (None, "PENDING")
    ]
    with pytest.raises(warehouse.UnknownBuild):
        warehouse.publish(story.settings, failed.value.summary.build_no)

    # the next build takes back what the failed one left and brings the repair in properly
    healed = warehouse.build(story.settings, LATER)
    warehouse.publish(story.settings, healed.build_no)
    assert healed.batches == 1
    assert story.landed.execute(
        "select distinct state from core.penalty where decision_document_no = '汕市监罚〔2027〕5号'"
        " and known_to_build = 2147483647"
    ) == [("repaired",)]


def test_one_build_at_a_time(story: Story) -> None:
    from creditflow.ops.database import connect, try_session_lock

    other = connect(story.settings, name="another build", autocommit=True)
    try:
        assert try_session_lock(other, "creditflow.build")
        with pytest.raises(warehouse.BuildBusy):
            warehouse.build(story.settings, LATER)
        with pytest.raises(warehouse.BuildBusy):
            warehouse.rollback(story.settings)
    finally:
        other.close()


def test_an_empty_run_is_refused(story: Story) -> None:
    story.landed.execute("update ops.build set state = 'running' where build_no = (select build_no from ops.pointer)")
    try:
        result = dbt.run(
            story.settings, "build", ["--select", "scores_score", "--empty", "--exclude-resource-type", "test"]
        )
    finally:
        story.landed.execute(
            "update ops.build set state = 'published' where build_no = (select build_no from ops.pointer)"
        )
    assert any("--empty" in failure for failure in result.failures)


def test_staging_reads_every_column_of_every_kind() -> None:
    for kind, declared in load_kinds(PROJECT).items():
        text = (PROJECT / "dbt_project" / "models" / "staging" / f"staging_{kind}.sql").read_text(encoding="utf-8")
        missing = [
            column["name"]
            for column in declared["columns"]
            if f"a.{column['name']}" not in text and column["type"] != "person_id"
        ]
        assert missing == [], f"staging_{kind} does not read {missing}"


def test_the_project_knows_every_kind() -> None:
    text = (PROJECT / "dbt_project" / "macros" / "kinds.sql").read_text(encoding="utf-8")
    listed = text.split("record_kinds() -%}")[1].split("{%- endmacro")[0]
    assert [kind for kind in load_kinds(PROJECT) if f"'{kind}'" not in listed] == []


def test_names_stay_within_forty_letters() -> None:
    names = [path.stem for path in (PROJECT / "dbt_project" / "models").rglob("*.sql")]
    assert [name for name in names if len(name) > 40] == []


def test_no_model_reads_the_clock() -> None:
    for path in (PROJECT / "dbt_project").rglob("*.sql"):
        text = path.read_text(encoding="utf-8").lower()
        for clock in ("now()", "current_date", "current_timestamp", "clock_timestamp"):
            assert clock not in text, f"{path.name} reads the clock"
