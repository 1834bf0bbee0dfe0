"""A small city for the tests of issues, returns and figures: deliveries, accepted rows and verdicts written directly.

It writes what landing and the gate write (contract of ops.batch, landing.<kind>, quality.row_verdict), so that these
tests need neither. Persons and enterprises are made up.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.registry import Kind, Registry, load

DAY = dt.date(2026, 11, 16)
"""A Monday in a month without holidays."""


def key(text: str) -> str:
    """A record key for a word."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))


def at(day: dt.date, clock: str = "04:00") -> str:
    """A time of that day in Shantou."""
    return f"{day.isoformat()} {clock}:00+08"


@dataclass
class City:
    """The registry in a warehouse, and short ways to say what arrived."""

    warehouse: Any
    registry: Registry

    @property
    def settings(self) -> Any:
        return self.warehouse.settings

    def query(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        return self.warehouse.query(statement, parameters)

    def landing(self, kind: Kind) -> None:
        """The landing table of a kind, as the contract describes it."""
        columns = []
        for column in kind.columns:
            names = (
                [f"{column.name}_{part}" for part in ("hash", "cipher", "check")]
                if column.type == "person_id"
                else [column.name]
            )
            columns += [f"{name} text" for name in names]
        self.query(
            f"create table if not exists landing.{kind.name} (batch_id text, department text, feed text, row_no integer, op text,"
            " version_at timestamptz, version_seq bigint, record_key uuid, content_hash uuid, changes jsonb, extra jsonb,"
            f" flags text[], {', '.join(columns)});"
            f" create index on landing.{kind.name} (batch_id); create index on landing.{kind.name} (record_key)"
        )

    def batch(
        self,
        batch_id: str,
        day: dt.date,
        *,
        department: str = "sjgj",
        feed: str = "penalty",
        state: str = "partly_accepted",
        delivery: str = "delta",
        clock: str = "04:00",
        accepted: int = 0,
        rejected: int = 0,
        held: int = 0,
        reasons: Sequence[dict[str, str]] = (),
        **more: Any,
    ) -> str:
        """One judged delivery."""
        values = {
            "batch_id": batch_id,
            "department": department,
            "feed": feed,
            "kind": more.pop("kind", feed),
            "channel": "sftp",
            "format": "csv",
            "layout": "2018",
            "delivery": delivery,
            "file": f"{batch_id}.csv",
            "archive_path": f"{department}/{feed}/{day.year}/{batch_id}",
            "sha256": "0" * 64,
            "original_sha256": batch_id,
            "bytes": 1,
            "delivered_at": at(day, clock),
            "received_at": at(day, clock),
            "as_of": day,
            "state": state,
            "reasons": json.dumps(list(reasons), ensure_ascii=False),
            "rows_read": accepted + rejected + held,
            "rows_accepted": accepted,
            "rows_rejected": rejected,
            "rows_held": held,
            "gated_at": at(day, "05:00"),
            **more,
        }
        names = ", ".join(values)
        self.query(
            f"insert into ops.batch ({names}) values ({', '.join(['%s'] * len(values))})"
            " on conflict (batch_id) do update set state = excluded.state, rows_accepted = excluded.rows_accepted,"
            " rows_rejected = excluded.rows_rejected, rows_held = excluded.rows_held, rows_read = excluded.rows_read",
            list(values.values()),
        )
        return batch_id

    def accept(
        self,
        batch_id: str,
        row_no: int,
        record: str,
        *,
        version: str,
        flags: Sequence[str] = (),
        extra: Any = None,
        **row: str,
    ) -> None:
        """An accepted row."""
        (department, feed, kind) = self.query(
            "select department, feed, kind from ops.batch where batch_id = %s", (batch_id,)
        )[0]
        self.landing(self.registry.kinds[kind]) if not self._has(kind) else None
        names = [
            "batch_id",
            "department",
            "feed",
            "row_no",
            "op",
            "version_at",
            "version_seq",
            "record_key",
            "extra",
            "flags",
            *row,
        ]
        values = [
            batch_id,
            department,
            feed,
            row_no,
            "I",
            version,
            row_no,
            key(record),
            json.dumps(extra or {}),
            list(flags),
            *row.values(),
        ]
        self.query(
            f"insert into landing.{kind} ({', '.join(names)}) values ({', '.join(['%s'] * len(values))})", values
        )

    def _has(self, kind: str) -> bool:
        return bool(self.query("select to_regclass(%s) is not null", (f"landing.{kind}",))[0][0])

    def fault(
        self,
        batch_id: str,
        row_no: int,
        record: str | None,
        rules: Sequence[str],
        *,
        verdict: str = "rejected",
        severity: str = "reject",
        version: str | None = None,
        fields: Sequence[str] = (),
        **row: str,
    ) -> None:
        """A row that did not pass."""
        for rule in rules:
            self.query(
                "insert into quality.rule_result values (%s, %s, %s, 10, 1) on conflict (batch_id, rule_id)"
                " do update set rows_failed = rule_result.rows_failed + 1",
                (batch_id, rule, severity),
            )
        self.query(
            "insert into quality.row_verdict (batch_id, row_no, record_key, verdict, rule_ids, fields, payload, version_at, version_seq)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                batch_id,
                row_no,
                record and key(record),
                verdict,
                list(rules),
                list(fields),
                json.dumps(row, ensure_ascii=False),
                version,
                row_no,
            ),
        )

    def arrival(self, day: dt.date, department: str, state: str, zh: str = "", en: str = "") -> None:
        """How a department's night ended."""
        self.query(
            "insert into ops.arrival (as_of, department, state, detail_zh, detail_en, started_at) values (%s, %s, %s, %s, %s, %s)"
            " on conflict (as_of, department) do update set state = excluded.state",
            (day, department, state, zh, en, at(day)),
        )

    def issues(self, columns: str = "rule_id, state") -> list[tuple[Any, ...]]:
        """Row issues and others, without the standing one about next year's calendar."""
        return self.query(
            f"select {columns} from quality.issue where rule_id <> 'CALENDAR-YEAR' order by rule_id, record"
        )

    def history(self, rule: str) -> list[tuple[str, dt.date]]:
        """Steps of the issues of a rule, in order."""
        return self.query(
            "select event, on_date from quality.issue_event e join quality.issue using (issue_id) where rule_id = %s"
            " order by e.episode, on_date, array_position(array['opened','reopened','returned','corrected','overdue','closed'], event)",
            (rule,),
        )


def settle(warehouse: Any) -> City:
    """A migrated warehouse with the registry and the calendar in it, and landing tables for penalties and permits."""
    migrate(warehouse.settings)
    registry = load(warehouse.settings.project)
    sync_registry(warehouse.settings, registry)
    city = City(warehouse, registry)
    for kind in ("penalty", "permit"):
        city.landing(registry.kinds[kind])
    return city
