"""Batches for the gate without connectors: a clean row of every kind, and a work table made of rows.

Every person here is fictitious: names are 测试 and a letter, personal numbers are never made (landing only leaves what
it found out about them).
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

from creditflow.landing.tables import create_work_table, ensure_tables, work_table
from creditflow.quality.sweep import GateSummary, gate
from creditflow.registry import Kind, Registry
from creditflow.settings import Settings

FIRM, FIRM_NAME = "91440500MA4X022965", "汕头市晨光测试有限公司"
SHOP, SHOP_NAME = "92440513MA4X86143K", "潮阳区晨光测试小食店"
ORG_CODE = "MA1B3N1N2"
REG_NO = "440501000012343"
PLACEHOLDER = "00000000000000000X"
TODAY = date(2026, 11, 20)

VALUES_BY_TYPE = {
    "date": "2026/11/02",
    "datetime": "2026-11-02 09:30:00",
    "decimal": "12.5",
    "integer": "3",
    "flag": "是",
    "document_no": "汕测字〔2026〕12号",
    "uscc": FIRM,
    "org_code": ORG_CODE,
    "reg_no": REG_NO,
    "tax_no": FIRM,
    "text": "晨光测试内容",
    "code": "01",
}


def clean_row(kind: Kind, registry: Registry, lists: Mapping[str, Sequence[str]], department: str) -> dict[str, Any]:
    """A row of the kind that keeps every rule, every column filled where the rules allow it."""
    row: dict[str, Any] = {}
    authority = registry.all()[department].authority_uscc
    for column in kind.columns:
        if column.type == "person_id":
            row[f"{column.name}_hash"] = row[f"{column.name}_cipher"] = row[f"{column.name}_check"] = None
        elif column.list:
            row[column.name] = lists[column.list][0]
        elif column.type == "uscc" and ("authority" in column.name or "source_unit" in column.name):
            row[column.name] = authority
        else:
            row[column.name] = VALUES_BY_TYPE[column.type]
    for role in ("name", "type"):
        if role in kind.counterparty:
            row[kind.counterparty[role]] = {"name": FIRM_NAME, "type": "法人及非法人组织"}[role]
    fixed = {
        "legal_representative_name": "测试甲",
        "person_id_type": None,
        "legal_representative_id_type": "身份证",
        "valid_from": "2026/11/02",
        "valid_to": "2099/12/31",
        "penalty_valid_to": "2099/12/31",
        "publicity_end_date": "2027/11/02",
        "penalty_category": "罚款",
        "penalty_content": "处以罚款",
        "entity_status": "存续",
        "deregistered_on": None,
        "rating_year": "2026",
        "period": "2026-11" if kind.name == "zero_declaration" else "2026年第3季度",
        "region_code": "440507",
        "exit_date": None,
        "breach_found_on": None,
        "breach_document_no": None,
        "declared_kind": "permit",
        "target_kind": "permit",
    }
    return {**row, **{name: value for name, value in fixed.items() if name in row}}


class Gatehouse:
    """Puts batches in front of the gate of one warehouse and reads what became of them."""

    def __init__(self, settings: Settings, registry: Registry, lists: Mapping[str, Sequence[str]]) -> None:
        self.settings = settings
        self.registry = registry
        self.lists = lists
        self.numbers = 0
        with psycopg2.connect(settings.warehouse_url) as conn:
            ensure_tables(conn, registry)
        conn.close()

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of one committed statement."""
        conn = psycopg2.connect(self.settings.warehouse_url)
        try:
            with conn, conn.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            conn.close()

    def clean(self, kind: str, department: str = "sjgj", **changes: Any) -> dict[str, Any]:
        """A clean row of a kind with some values changed."""
        return {**clean_row(self.registry.kinds[kind], self.registry, self.lists, department), **changes}

    def deliver(
        self,
        kind: str,
        rows: Sequence[Mapping[str, Any]],
        department: str = "sjgj",
        *,
        batch_id: str = "",
        **batch: Any,
    ) -> str:
        """A landed batch of these rows. Keys beginning with @ set row facts: @op, @key, @defect, @at, @changes, @extra."""
        self.numbers += 1
        batch_id = batch_id or f"{department.upper()}-{kind.upper()}-20261120-{self.numbers:03}"
        model = self.registry.kinds[kind]
        table = f"work.{work_table(batch_id)}"
        facts = {
            "channel": "sftp",
            "delivery": "delta",
            "delivered_at": datetime(2026, 11, 20, 1, self.numbers % 60, tzinfo=UTC),
            "as_of": TODAY,
            "declared_rows": None,
            "declared_sha256": None,
            "columns_cut": [],
            "original_sha256": hashlib.sha256(batch_id.encode()).hexdigest(),
            "rows_read": len(rows),
            **batch,
        }
        conn = psycopg2.connect(self.settings.warehouse_url)
        with conn, conn.cursor() as cursor:
            create_work_table(conn, model, batch_id, department, kind, "2026-11-20 00:00:00+00")
            cursor.execute(
                "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum",
                (table,),
            )
            names = [name for (name,) in cursor.fetchall()]
            values = [self._line(model, department, number, row, names) for number, row in enumerate(rows, start=2)]
            if values:
                execute_values(cursor, f"insert into {table} ({', '.join(names)}) values %s", values, page_size=500)
            columns = ", ".join(facts)
            marks = ", ".join(["%s"] * len(facts))
            cursor.execute(
                "insert into ops.batch (batch_id, department, feed, kind, format, layout, file, archive_path, sha256, bytes,"
                f" received_at, state, {columns}) values (%s, %s, %s, %s, 'csv', '2018', 'test.csv', 'test', 'x', 1, now(),"
                f" 'landed', {marks})",
                (batch_id, department, kind, kind, *facts.values()),
            )
        conn.close()
        return batch_id

    def _line(
        self, kind: Kind, department: str, number: int, row: Mapping[str, Any], names: Sequence[str]
    ) -> list[Any]:
        content = {name: row.get(name) for name in names if name in row}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).digest()[:16]
        key = row.get("@key", f"{number}")
        facts = {
            "department": department,
            "feed": kind.name,
            "row_no": number,
            "op": row.get("@op", "I"),
            "version_at": row.get("@at", datetime(2026, 11, 20, tzinfo=UTC)),
            "version_seq": row.get("@seq", number),
            "record_key": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind.name}/{department}/{key}")),
            "content_hash": str(uuid.UUID(bytes=digest)),
            "defect": row.get("@defect"),
            "defect_detail": None,
            "changes": json.dumps(row["@changes"]) if "@changes" in row else None,
            "extra": json.dumps(row["@extra"], ensure_ascii=False) if "@extra" in row else None,
        }
        return [facts[name] if name in facts else row.get(name) for name in names]

    def judge(self, *batch_ids: str) -> GateSummary:
        """Run the gate."""
        return gate(self.settings, self.registry, list(batch_ids) or None)

    def verdicts(self, batch_id: str) -> dict[int, dict[str, list[str]]]:
        """row_no -> verdict -> rule ids."""
        found: dict[int, dict[str, list[str]]] = {}
        for row_no, verdict, rules in self.query(
            "select row_no, verdict, rule_ids from quality.row_verdict where batch_id = %s", batch_id
        ):
            found.setdefault(row_no, {})[verdict] = rules
        return found

    def batch(self, batch_id: str) -> dict[str, Any]:
        """State, reasons and counts of a batch."""
        names = (
            "state, reasons, rows_read, rows_accepted, rows_rejected, rows_held, rows_out_of_scope, rows_duplicate,"
            " gate_failures"
        )
        row = self.query(f"select {names} from ops.batch where batch_id = %s", batch_id)[0]
        return dict(zip((name.strip() for name in names.split(",")), row, strict=True))
