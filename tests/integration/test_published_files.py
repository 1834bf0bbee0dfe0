"""Published files of real registers and lists, dropped by hand, through the gate: what is read, kept and sent back."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from creditflow.ingest import drop
from creditflow.landing import ensure_tables
from creditflow.ops.batches import BatchSummary
from creditflow.ops.database import transaction
from creditflow.ops.ledger import batches_by_id
from creditflow.ops.registry_sync import sync_registry
from creditflow.quality import gate
from creditflow.registry import load
from tests.conftest import Warehouse

AS_OF = dt.date(2026, 11, 20)


def deliver(warehouse: Warehouse, department: str, feed: str, path: Path) -> dict[str, object]:
    """Drop one file and judge it; its counts, state and reasons."""
    settings = warehouse.settings
    registry = load(settings.project)
    sync_registry(settings, registry)
    with transaction(settings, "tables") as conn:
        ensure_tables(conn, registry)
    done: list[BatchSummary] = drop(settings, registry, department, feed, [path], AS_OF)
    gate(settings, registry, [done[0].batch_id])
    with transaction(settings, "look") as conn:
        return batches_by_id(conn, [done[0].batch_id])[0]


@pytest.mark.parametrize(
    ("file", "read", "rejected"), [("csv/广东_2005.csv", 10577, 1), ("defective/广东_2002_badcols.csv", 4698, 49)]
)
def test_the_company_register_loses_only_its_broken_rows(
    warehouse: Warehouse, realdata: Path, file: str, read: int, rejected: int
) -> None:
    batch = deliver(warehouse, "sjgj", "registration", realdata / "companies" / file)
    assert (batch["rows_read"], batch["rows_rejected"]) == (read, rejected)
    assert batch["rows_accepted"] == read - rejected
    assert batch["state"] == "partly_accepted"
    told = warehouse.query("select count(*) from quality.row_verdict where verdict = 'rejected'")
    assert told == [(rejected,)]


def test_a_broken_register_is_held_with_its_line(warehouse: Warehouse, realdata: Path) -> None:
    batch = deliver(warehouse, "sjgj", "registration", realdata / "companies" / "defective" / "广东_1988_broken.json")
    assert batch["state"] == "held"
    assert "1912" in str(batch["reasons"])
    assert batch["rows_held"] == batch["rows_read"] > 0
