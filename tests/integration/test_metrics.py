"""Metrics say what the control tables say, in a format that Prometheus' own parser reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from creditflow.ops.metrics import METRICS, exposition
from tests.conftest import PROJECT, Warehouse
from tests.integration.test_night import AS_OF, add_batch, publish


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_an_empty_warehouse_has_metrics_too(warehouse: Warehouse) -> None:
    assert samples(exposition(warehouse.settings))["creditflow_build", ()] == 0


def test_rows_batches_and_the_build_are_told(warehouse: Warehouse) -> None:
    add_batch(warehouse, "JYJ-PERMIT-20261120-001")
    add_batch(warehouse, "JYJ-PERMIT-20261120-002")
    add_batch(warehouse, "JYJ-PERMIT-20261120-003", "landed")
    publish(warehouse, 7, AS_OF, "rules")
    found = samples(exposition(warehouse.settings))
    assert found["creditflow_build", ()] == 7
    assert found["creditflow_batches", ("jyj", "accepted")] == 2
    assert found["creditflow_batches", ("jyj", "landed")] == 1
    assert found["creditflow_rows", ("jyj", "accepted")] == 4
    assert found["creditflow_rows", ("jyj", "rejected")] == 2
    assert found["creditflow_batch_waiting_seconds", ()] > 0
    assert found["creditflow_database_bytes", ()] > 0


def test_every_metric_is_documented() -> None:
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert [metric.name for metric in METRICS if f"`{metric.name}`" not in page] == []
