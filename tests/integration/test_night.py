"""The night's own decisions: who may run, whether there is anything to build, what is told afterwards."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from creditflow import night as night_module
from creditflow.night import NightError, run_night, summarize
from creditflow.ops.database import connect, try_session_lock
from creditflow.ops.ledger import reconciles
from creditflow.ops.registry_sync import sync_registry
from creditflow.registry import load
from creditflow.settings import DEFAULT_AS_OF
from tests.conftest import PROJECT, Warehouse

AS_OF = dt.date(2026, 11, 20)
BATCH = (
    "insert into ops.batch (batch_id, department, feed, kind, channel, format, layout, delivery, file, archive_path,"
    " sha256, original_sha256, bytes, delivered_at, received_at, as_of, state, rows_read, rows_accepted, rows_rejected,"
    " seconds) values (%s, 'jyj', 'permit', 'permit', 'sftp', 'xlsx', '2018', 'delta', 'a.xlsx', 'x', 'x', %s, 1,"
    " '2026-11-20', '2026-11-20', %s, %s, %s, %s, %s, 1.25)"
)


def add_batch(warehouse: Warehouse, name: str, state: str = "accepted", day: dt.date = AS_OF) -> None:
    read, accepted, rejected = (0, 0, 0) if state == "landed" else (3, 2, 1)
    warehouse.query(BATCH, (name, name, day, state, read, accepted, rejected))


def publish(warehouse: Warehouse, number: int, day: dt.date, code: str, *batches: str) -> None:
    warehouse.query(
        "insert into ops.build (build_no, as_of, state, code_hash, started_at) values (%s, %s, 'published', %s, now())",
        (number, day, code),
    )
    for place, batch in enumerate(batches):
        warehouse.query("insert into ops.build_batch values (%s, %s, %s)", (number, batch, place))
    warehouse.query("update ops.pointer set build_no = %s, as_of = %s", (number, day))


def needs_build(warehouse: Warehouse, day: dt.date = AS_OF) -> bool:
    conn = connect(warehouse.settings, name="test", autocommit=True)
    try:
        return night_module._needs_build(warehouse.settings, conn, day)
    finally:
        conn.close()


def test_a_build_is_made_for_new_batches_a_new_day_or_new_rules_and_not_otherwise(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditflow.warehouse.code_hash", lambda _: "rules 1", raising=False)
    assert needs_build(warehouse)
    add_batch(warehouse, "JYJ-PERMIT-20261120-001")
    publish(warehouse, 1, AS_OF, "rules 1", "JYJ-PERMIT-20261120-001")
    assert not needs_build(warehouse)
    assert needs_build(warehouse, AS_OF + dt.timedelta(days=1))
    add_batch(warehouse, "JYJ-PERMIT-20261120-002", "held")
    assert not needs_build(warehouse)
    add_batch(warehouse, "JYJ-PERMIT-20261120-003", "partly_accepted")
    assert needs_build(warehouse)
    publish(warehouse, 2, AS_OF, "rules 1", "JYJ-PERMIT-20261120-003")
    assert not needs_build(warehouse)
    monkeypatch.setattr("creditflow.warehouse.code_hash", lambda _: "rules 2", raising=False)
    assert needs_build(warehouse)


def test_a_batch_of_a_build_above_the_pointer_still_waits_for_a_build(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditflow.warehouse.code_hash", lambda _: "rules", raising=False)
    add_batch(warehouse, "JYJ-PERMIT-20261120-001")
    publish(warehouse, 1, AS_OF, "rules")
    publish(warehouse, 2, AS_OF, "rules", "JYJ-PERMIT-20261120-001")
    assert not needs_build(warehouse)
    warehouse.query("update ops.pointer set build_no = 1")
    assert needs_build(warehouse)


def test_two_nights_at_once_the_second_is_refused(warehouse: Warehouse) -> None:
    first = connect(warehouse.settings, name="night", autocommit=True)
    try:
        assert try_session_lock(first, night_module.LOCK)
        with pytest.raises(NightError, match="another night is running"):
            run_night(warehouse.settings, AS_OF, in_process=True, shape=None)
    finally:
        first.close()


def test_a_night_before_the_published_day_is_refused(warehouse: Warehouse) -> None:
    publish(warehouse, 1, AS_OF, "rules")
    with pytest.raises(NightError, match="back in time"):
        run_night(warehouse.settings, AS_OF - dt.timedelta(days=1), in_process=True, shape=None)


def test_a_night_that_nobody_dated_is_of_the_published_day_or_of_the_first_look(warehouse: Warehouse) -> None:
    conn = connect(warehouse.settings, name="test", autocommit=True)
    try:
        assert night_module._business_date(conn, None) == dt.date.fromisoformat(DEFAULT_AS_OF)
        publish(warehouse, 1, dt.date(2026, 11, 23), "rules")
        assert night_module._business_date(conn, None) == dt.date(2026, 11, 23)
        assert night_module._business_date(conn, dt.date(2026, 11, 24)) == dt.date(2026, 11, 24)
    finally:
        conn.close()


def test_a_real_warehouse_and_an_own_scheduler_exclude_each_other(warehouse: Warehouse) -> None:
    with pytest.raises(NightError, match="--in-process"):
        run_night(warehouse.settings, AS_OF, shape=None)


def test_one_department_that_breaks_costs_only_itself(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ingest(_: object, __: object, code: str, ___: object) -> list[object]:
        asked.append(code)
        if code == "jyj":
            raise OSError("the server said 440500199001011234")
        return []

    monkeypatch.setattr("creditflow.ingest.ingest_department", ingest)
    monkeypatch.setattr(night_module, "_needs_build", lambda *_: False)
    monkeypatch.setattr("creditflow.report.quality", lambda *_: None)
    done = run_night(warehouse.settings, AS_OF, in_process=True, shape=None)
    assert asked == list(load(PROJECT).all())
    assert done.problems == ["jyj: ingest failed"]
    assert not done.summary["changed"]
    written = json.loads(night_module.last_night_file(warehouse.settings).read_text())
    assert written["problems"] == done.problems
    assert "440500" not in json.dumps(written)


def test_a_build_that_fails_is_told_and_the_report_is_written_all_the_same(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def fail(*_: object) -> object:
        raise NightError("构建 1 未通过 / build 1 failed")

    monkeypatch.setattr("creditflow.ingest.ingest_department", lambda *_: [])
    monkeypatch.setattr("creditflow.warehouse.build", fail)
    monkeypatch.setattr("creditflow.report.quality", lambda *_: written.append("report"))
    done = run_night(warehouse.settings, AS_OF, in_process=True, shape=None)
    assert done.problems == ["warehouse: 构建 1 未通过 / build 1 failed"]
    assert written == ["report"]
    assert json.loads(night_module.last_night_file(warehouse.settings).read_text())["build"] == 0


def test_the_summary_lists_every_department_with_its_batches(warehouse: Warehouse) -> None:
    registry = load(PROJECT)
    sync_registry(warehouse.settings, registry)
    add_batch(warehouse, "JYJ-PERMIT-20261120-001", "partly_accepted")
    add_batch(warehouse, "JYJ-PERMIT-20261119-001", day=AS_OF - dt.timedelta(days=1))
    warehouse.query("insert into ops.arrival values (%s, 'jyj', 'arrived', '', '', now(), now())", (AS_OF,))
    conn = connect(warehouse.settings, name="test", autocommit=True)
    try:
        summary = summarize(warehouse.settings, conn, registry, AS_OF)
    finally:
        conn.close()
    assert len([item for item in summary["departments"] if not item["external"]]) == 43
    (jyj,) = [item for item in summary["departments"] if item["code"] == "jyj"]
    assert (jyj["state"], jyj["name_zh"]) == ("arrived", "市教育局")
    (batch,) = jyj["batches"]
    assert batch["batch_id"] == "JYJ-PERMIT-20261120-001"
    assert batch["seconds"] == 1.25
    assert reconciles(batch)
    assert not reconciles({**batch, "rows_accepted": 1})
    assert {item["state"] for item in summary["departments"]} == {"arrived", "failed"}


def test_syncing_the_registry_twice_changes_nothing_and_a_department_taken_out_is_gone(warehouse: Warehouse) -> None:
    registry = load(PROJECT)
    sync_registry(warehouse.settings, registry)
    rows = "select xmin::text, d.* from ops.department d order by department"
    feeds = "select xmin::text, f.* from ops.feed f order by department, feed"
    before = warehouse.query(rows), warehouse.query(feeds)
    assert len(before[0]) == len(registry.all())
    assert {row[1] for row in before[0]} == set(registry.all())
    assert len(before[1]) == sum(len(item.feeds) for item in registry.all().values())
    sync_registry(warehouse.settings, registry)
    assert (warehouse.query(rows), warehouse.query(feeds)) == before
    smaller = type(registry)(
        {code: item for code, item in registry.departments.items() if code != "jyj"},
        registry.external,
        registry.kinds,
        registry.authority_codes,
        registry.authority_names,
    )
    sync_registry(warehouse.settings, smaller)
    assert warehouse.query("select count(*) from ops.department where department = 'jyj'") == [(0,)]
    assert warehouse.query("select count(*) from ops.feed where department = 'jyj'") == [(0,)]
    calendar = warehouse.query("select count(*), min(day)::text, bool_and(source_notice <> '') from ops.calendar")
    assert calendar == [(calendar[0][0], "2004-01-01", True)]
