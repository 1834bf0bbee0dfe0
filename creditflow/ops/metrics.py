"""Figures about the pipeline in Prometheus' text format, from the control tables: `creditflow metrics`.

Promises
- Reads, and changes nothing; one short transaction. No label holds a name of a firm or person: departments, states, rules.
- Names and meaning stand in METRICS and, for people, in docs/operations.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from creditflow.ops.database import transaction
from creditflow.settings import Settings


@dataclass(frozen=True)
class Metric:
    """One gauge: its labels and the query that gives (labels..., value) lines."""

    name: str
    help: str
    labels: tuple[str, ...]
    query: str


METRICS = (
    Metric(
        "creditflow_build",
        "Number of the published build",
        (),
        "select build_no from ops.pointer",
    ),
    Metric(
        "creditflow_published_timestamp_seconds",
        "When the pointer moved last (Unix time)",
        (),
        "select extract(epoch from moved_at) from ops.pointer where build_no > 0",
    ),
    Metric(
        "creditflow_business_date_timestamp_seconds",
        "Business date of the published build (Unix time of its midnight UTC)",
        (),
        "select extract(epoch from as_of) from ops.pointer where as_of is not null",
    ),
    Metric(
        "creditflow_batches",
        "Batches by department and state",
        ("department", "state"),
        "select department, state, count(*) from ops.batch group by 1, 2",
    ),
    Metric(
        "creditflow_batch_waiting_seconds",
        "Age of the oldest batch that waits for landing or the gate",
        (),
        "select coalesce(extract(epoch from max(clock_timestamp() - received_at)), 0) from ops.batch"
        " where state in ('archived', 'landed')",
    ),
    Metric(
        "creditflow_rows",
        "Rows of the newest night by department and outcome; they sum to the rows read",
        ("department", "outcome"),
        "select b.department, o.outcome, sum(o.rows) from ops.batch b cross join lateral (values"
        " ('accepted', b.rows_accepted), ('rejected', b.rows_rejected), ('held', b.rows_held),"
        " ('out_of_scope', b.rows_out_of_scope), ('duplicate', b.rows_duplicate)) as o (outcome, rows)"
        " where b.as_of = (select max(as_of) from ops.batch) group by 1, 2",
    ),
    Metric(
        "creditflow_arrivals",
        "Departments of the newest night by how they arrived",
        ("state",),
        "select state, count(*) from ops.arrival where as_of = (select max(as_of) from ops.arrival) group by 1",
    ),
    Metric(
        "creditflow_issues_open",
        "Issues that are not closed, by department and severity",
        ("department", "severity"),
        "select department, severity, count(*) from quality.issue where state <> 'closed' group by 1, 2",
    ),
    Metric(
        "creditflow_builds_failed",
        "Builds that failed since the published one",
        (),
        "select count(*) from ops.build where state = 'failed' and build_no > (select build_no from ops.pointer)",
    ),
    Metric(
        "creditflow_suppressed_records",
        "Records that must not be seen, by reason",
        ("reason",),
        "select reason, count(*) from ops.suppression group by 1",
    ),
    Metric("creditflow_database_bytes", "Size of the warehouse", (), "select pg_database_size(current_database())"),
)


def exposition(settings: Settings) -> str:
    """All metrics as text, for a scraper or the node exporter's textfile collector."""
    registry = CollectorRegistry()
    with transaction(settings, "metrics") as conn:
        conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with conn.cursor() as cursor:
            for metric in METRICS:
                gauge = Gauge(metric.name, metric.help, metric.labels, registry=registry)
                cursor.execute(metric.query)
                for *labels, value in cursor.fetchall():
                    (gauge.labels(*labels) if labels else gauge).set(float(value))
    return generate_latest(registry).decode("utf-8")
