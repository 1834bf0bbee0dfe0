"""What a killed writer left in the archive goes: with the next try of its delivery, or a day later."""

from __future__ import annotations

import datetime as dt
import io
import os
from pathlib import Path

from creditflow.archive import forget_drafts, store
from creditflow.connectors.delivery import Delivery
from creditflow.registry import load
from creditflow.settings import Settings
from tests.conftest import PROJECT

DAY = dt.date(2026, 11, 20)
BATCH = "MZJ-PERMIT-20261120-001"


def keep(settings: Settings, batch_id: str) -> Path:
    """A delivery in the archive; its folder."""
    department = load(PROJECT).departments["mzj"]
    delivery = Delivery(file="permit.csv", stream=io.BytesIO("行政相对人名称\n测试甲\n".encode()))
    kept = store(settings, department, department.feeds["permit"], delivery, batch_id, DAY)
    return settings.home / "archive" / Path(kept.path).parent


def test_a_delivery_that_is_stored_again_takes_the_place_of_what_was_half_written(tmp_path: Path) -> None:
    settings = Settings(tmp_path, PROJECT, f"file://{tmp_path}/archive")
    room = tmp_path / "archive" / "mzj" / "permit" / "2026" / BATCH
    room.mkdir(parents=True)
    (room / ".data.csv.0badcafe.part").write_bytes(b"half")
    assert keep(settings, BATCH) == room
    assert sorted(path.name for path in room.iterdir()) == ["data.csv", "manifest.json"]


def test_old_drafts_go_and_young_ones_stay(tmp_path: Path) -> None:
    settings = Settings(tmp_path, PROJECT, f"file://{tmp_path}/archive")
    room = keep(settings, BATCH)
    now = dt.datetime.now(dt.UTC)
    for name, hours in (("old", 25), ("young", 23)):
        draft = room / f".data.csv.{name}.part"
        draft.write_bytes(b"half")
        os.utime(draft, (now.timestamp() - hours * 3600,) * 2)
    assert forget_drafts(settings, now - dt.timedelta(days=1)) == 1
    assert sorted(path.name for path in room.iterdir()) == [".data.csv.young.part", "data.csv", "manifest.json"]
    assert forget_drafts(settings, now - dt.timedelta(days=1)) == 0
