"""From a delivered file to verdicts: archive, landing and gate together, and a held batch released from the archive."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from creditflow.ingest import drop
from creditflow.ops.registry_sync import sync_registry
from creditflow.quality import gate, release
from creditflow.quality.rulebook import load_lists
from creditflow.registry import Registry
from tests.quality.conftest import PROJECT
from tests.quality.world import FIRM, clean_row

AS_OF = date(2026, 11, 20)


@pytest.fixture
def delivered(warehouse: Any, registry: Registry, tmp_path: Path) -> Any:
    """Drops a CSV of permits of the civil affairs bureau; gives the batch id."""
    sync_registry(warehouse.settings, registry)
    kind = registry.kinds["permit"]
    base = clean_row(kind, registry, load_lists(PROJECT), "mzj")
    columns = [column for column in kind.columns if column.type != "person_id"]

    def deliver(*changes: dict[str, Any]) -> str:
        path = tmp_path / "MZJ_PERMIT_20261120090000_001.csv"
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow([column.code for column in columns])
            for number, change in enumerate(changes):
                row = {**base, "decision_document_no": f"汕民许〔2026〕{number}号", **change}
                writer.writerow([row[column.name] or "" for column in columns])
        return drop(warehouse.settings, registry, "mzj", "permit", [path], AS_OF)[0].batch_id

    return deliver


def state(warehouse: Any, batch_id: str) -> tuple[Any, ...]:
    """State and counts of a batch."""
    found: tuple[Any, ...] = warehouse.query(
        "select state, rows_read, rows_accepted, rows_rejected, rows_held, rows_duplicate from ops.batch where batch_id = %s",
        (batch_id,),
    )[0]
    return found


def test_a_file_is_judged_row_by_row_and_what_passes_is_landed(
    warehouse: Any, registry: Registry, delivered: Any
) -> None:
    batch_id = delivered({}, {"valid_to": ""}, {"counterparty_uscc": FIRM.lower()}, {"counterparty_name": "null"})
    gate(warehouse.settings, registry)
    assert state(warehouse, batch_id) == ("partly_accepted", 4, 2, 2, 0, 0)
    assert warehouse.query("select row_no, rule_ids from quality.row_verdict order by 1") == [
        (3, ["PERMIT-R01-VALID_TO"]),
        (5, ["PERMIT-R02-COUNTERPARTY_NAME"]),
    ]
    assert warehouse.query("select row_no, counterparty_uscc from landing.permit order by 1") == [(2, FIRM), (4, FIRM)]


def test_a_held_file_is_released_from_the_archive(warehouse: Any, registry: Registry, delivered: Any) -> None:
    bad = {"counterparty_uscc": ""}
    batch_id = delivered(*[bad] * 25, {}, {})
    gate(warehouse.settings, registry)
    assert state(warehouse, batch_id) == ("held", 27, 0, 25, 2, 0)
    assert warehouse.query("select count(*) from landing.permit") == [(0,)]
    release(warehouse.settings, registry, batch_id, "已核实，合格部分先行入库", "测试员")
    assert state(warehouse, batch_id) == ("partly_accepted", 27, 2, 25, 0, 0)
    assert warehouse.query("select verdict, count(*) from quality.row_verdict group by 1") == [("rejected", 25)]


def test_verdicts_are_reproducible_from_the_archive(warehouse: Any, registry: Registry, delivered: Any) -> None:
    batch_id = delivered({}, {"valid_to": "2020/01/01"}, {"permit_category": "其他"})
    question = "select row_no, record_key, verdict, rule_ids, fields, payload from quality.row_verdict order by 1, 3"
    gate(warehouse.settings, registry)
    first = warehouse.query(question)
    warehouse.query("truncate landing.permit")
    warehouse.query("update ops.batch set state = 'landed' where batch_id = %s", (batch_id,))
    gate(warehouse.settings, registry)
    assert first
    assert warehouse.query(question) == first
