"""Every check of the doctor: a well one and an ill one."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from creditflow.ops import doctor
from creditflow.ops.database import transaction
from creditflow.ops.keys import hold_keys
from creditflow.ops.registry_sync import published_years
from creditflow.settings import Keys, Settings
from tests.conftest import Warehouse
from tests.integration.test_night import add_batch

DAY = dt.date(2026, 11, 20)


def level(settings: Settings, name: str, today: dt.date = DAY) -> str:
    """The worst level of the findings of that name."""
    found = [item.level for item in doctor.examine(settings, today=today) if item.name == name]
    assert found, f"the doctor does not look at {name}"
    return max(found, key=("ok", "warn", "ill").index)


def test_a_fresh_installation_is_not_ill(warehouse: Warehouse) -> None:
    warehouse.settings.keys()
    findings = doctor.examine(warehouse.settings, today=DAY)
    assert [item for item in findings if item.level == "ill"] == []
    looked = {item.name for item in findings}
    assert looked >= {
        "versions",
        "disk",
        "archive",
        "keys",
        "registry",
        "connections",
        "calendar",
        "clock",
        "warehouse",
        "batches",
    }


def test_a_warehouse_that_does_not_answer(warehouse: Warehouse) -> None:
    away = replace(warehouse.settings, external_warehouse="postgresql://nobody:x@127.0.0.1:1/none")
    assert level(away, "warehouse") == "ill"


def test_a_full_disk(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    assert level(warehouse.settings, "disk") == "ill"


def test_an_archive_that_cannot_be_reached(warehouse: Warehouse) -> None:
    assert level(replace(warehouse.settings, archive_url="nosuchprotocol://x"), "archive") == "ill"


def test_clocks_that_lie_apart(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ahead(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return super().now(tz) + dt.timedelta(minutes=5)

    assert level(warehouse.settings, "clock") == "ok"
    monkeypatch.setattr(doctor.dt, "datetime", Ahead)
    assert level(warehouse.settings, "clock") == "ill"


def test_keys_that_others_can_read_are_missing_or_are_not_the_warehouses(warehouse: Warehouse) -> None:
    settings = warehouse.settings
    assert level(settings, "keys") == "warn"
    settings.keys()
    assert level(settings, "keys") == "ok"
    file = settings.home / "keys" / "person.json"
    file.chmod(0o644)
    assert level(settings, "keys") == "ill"
    file.chmod(0o600)
    with transaction(settings, "test") as conn:
        hold_keys(conn, settings.keys())
    file.write_text(Keys.fresh().text())
    assert level(replace(settings), "keys") == "ill"
    assert level(replace(settings, key_command="false"), "keys") == "ill"


@pytest.mark.parametrize(("month", "expected"), [(5, "ok"), (12, "warn")])
def test_next_years_calendar_is_asked_for_when_deadlines_reach_into_it(
    warehouse: Warehouse, month: int, expected: str
) -> None:
    newest = published_years()[-1]
    assert level(warehouse.settings, "calendar", dt.date(newest, month, 20)) == expected
    told = [
        item.en
        for item in doctor.examine(warehouse.settings, today=dt.date(newest, month, 20))
        if item.name == "calendar"
    ]
    assert f"no working-day calendar for {newest + 1}" in told[0]
    assert level(warehouse.settings, "calendar", dt.date(newest - 1, 12, 20)) == "ok"


def test_batches_that_wait_or_are_held(warehouse: Warehouse) -> None:
    assert level(warehouse.settings, "batches") == "ok"
    add_batch(warehouse, "JYJ-PERMIT-20261120-001", "held")
    assert level(warehouse.settings, "batches") == "warn"
    add_batch(warehouse, "JYJ-PERMIT-20261120-002", "landed")
    warehouse.query("update ops.batch set received_at = now() - interval '2 days' where state = 'landed'")
    assert level(warehouse.settings, "batches") == "ill"


def test_a_migration_that_waits(warehouse: Warehouse) -> None:
    warehouse.query("delete from ops.schema_migration where number = (select max(number) from ops.schema_migration)")
    assert level(warehouse.settings, "warehouse") == "warn"
