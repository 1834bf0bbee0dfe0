"""Hand-made accepted rows: what the gate would have left in landing, without departments, files or gate."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import yaml
from psycopg2 import sql
from psycopg2.extras import execute_values

from creditflow.ops.registry_sync import calendar_rows
from creditflow.settings import Settings

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
DEFAULT_DAY = dt.date(2026, 11, 1)


def uscc(number: int, lead: str = "91440500") -> str:
    """A valid unified social credit code of the test world; distinct for every number."""
    weights = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
    body = lead + org_code(number)
    total = sum(ALPHABET.index(letter) * weight for letter, weight in zip(body, weights, strict=True))
    return body + ALPHABET[(31 - total % 31) % 31]


def org_code(number: int) -> str:
    """A valid organisation code of the test world."""
    body = f"MT{number:06d}"
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    total = sum((int(c) if c.isdigit() else ord(c) - 55) * w for c, w in zip(body, weights, strict=True))
    check = 11 - total % 11
    return body + {10: "X", 11: "0"}.get(check, str(check))


def reg_no(number: int) -> str:
    """A valid 15-digit registration number of the test world."""
    body = f"440500{number:08d}"
    carry = 10
    for digit in body:
        carry = (carry + int(digit)) % 10 or 10
        carry = carry * 2 % 11
    return body + str((11 - carry) % 10)


@dataclass
class Landed:
    """Puts batches of rows into landing as the gate would leave them."""

    settings: Settings
    kinds: Mapping[str, Any]
    numbers: dict[str, int] = field(default_factory=dict)

    def execute(self, statement: str | sql.Composed, parameters: Any = None) -> list[tuple[Any, ...]]:
        """One statement, committed; its rows if it has any."""
        conn = psycopg2.connect(self.settings.warehouse_url)
        try:
            with conn, conn.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            conn.close()

    def columns(self, kind: str) -> list[str]:
        """Landing columns of a kind, behind the fixed ones."""
        found: list[str] = []
        for column in self.kinds[kind]["columns"]:
            if column["type"] == "person_id":
                found += [f"{column['name']}_{part}" for part in ("hash", "cipher", "check")]
            else:
                found.append(column["name"])
        return found

    def make_tables(self) -> None:
        """Landing tables of every kind."""
        for kind in self.kinds:
            fixed = (
                "batch_id text not null, department text not null, feed text not null, row_no integer not null,"
                " op text not null, version_at timestamptz not null, version_seq bigint not null,"
                " record_key uuid not null, content_hash uuid not null, changes jsonb, extra jsonb, flags text[]"
            )
            typed = "".join(f", {name} text" for name in self.columns(kind))
            self.execute(f'create table landing."{kind}" ({fixed}{typed})')
            self.execute(f'create index on landing."{kind}" (batch_id)')
            self.execute(f'create index on landing."{kind}" (record_key)')

    def department(self, code: str, *, external: bool = False) -> None:
        """A department, once."""
        self.execute(
            "insert into ops.department (department, name_zh, name_en, tier, importance, external, channel, cadence, expect_by)"
            " values (%s, %s, %s, 'municipal', 1, %s, 'sftp', 'daily', '05:00') on conflict do nothing",
            (code, f"{code}局", f"{code} bureau", external),
        )

    def working_days(self) -> None:
        """The calendar of working days, as the registry brings it."""
        with psycopg2.connect(self.settings.warehouse_url) as conn, conn.cursor() as cursor:
            execute_values(cursor, "insert into ops.calendar values %s on conflict do nothing", calendar_rows())

    def batch(
        self,
        kind: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        department: str = "sjgj",
        day: dt.date = DEFAULT_DAY,
        delivery: str = "delta",
        state: str = "accepted",
    ) -> str:
        """One accepted delivery. Keys starting with `_` are not columns: _op, _at (change time), _seq. Returns its batch id."""
        self.department(department)
        self.execute(
            "insert into ops.feed values (%s, %s, %s, %s, '2018', 'csv', 100, 'daily') on conflict do nothing",
            (department, kind, kind, delivery),
        )
        number = self.numbers[f"{department}-{kind}"] = self.numbers.get(f"{department}-{kind}", 0) + 1
        batch_id = f"{department.upper()}-{kind.upper()}-{day:%Y%m%d}-{number:03d}"
        at = dt.datetime.combine(day, dt.time(2), dt.timezone(dt.timedelta(hours=8)))
        self.execute(
            "insert into ops.batch (batch_id, department, feed, kind, channel, format, layout, delivery, file, archive_path,"
            " sha256, original_sha256, bytes, delivered_at, received_at, as_of, state, rows_read, rows_accepted)"
            " values (%s, %s, %s, %s, 'sftp', 'csv', '2018', %s, 'f', 'p', 's', %s, 1, %s, %s, %s, %s, %s, %s)",
            (batch_id, department, kind, kind, delivery, batch_id, at, at, day, state, len(rows), len(rows)),
        )
        names = self.columns(kind)
        for row_no, row in enumerate(rows, start=2):
            values = {name: value for name, value in row.items() if not name.startswith("_")}
            unknown = set(values) - set(names)
            assert not unknown, f"{kind} has no column {unknown}"
            content = hashlib.sha256(
                json.dumps([values, row.get("_op", "I")], sort_keys=True, default=str).encode()
            ).digest()
            fixed = {
                "batch_id": batch_id,
                "department": department,
                "feed": kind,
                "row_no": row_no,
                "op": row.get("_op", "I"),
                "version_at": row.get("_at", at),
                "version_seq": row.get("_seq", row_no),
                "record_key": str(self.record_key(kind, department, values)),
                "content_hash": str(uuid.UUID(bytes=content[:16])),
                "changes": None,
                "extra": None,
                "flags": [],
            }
            both = fixed | {name: None if value is None else str(value) for name, value in values.items()}
            self.execute(
                sql.SQL("insert into landing.{} ({}) values ({})").format(
                    sql.Identifier(kind),
                    sql.SQL(", ").join(map(sql.Identifier, both)),
                    sql.SQL(", ").join(sql.Placeholder() * len(both)),
                ),
                list(both.values()),
            )
        return batch_id

    def record_key(self, kind: str, department: str, values: Mapping[str, Any]) -> uuid.UUID:
        """Identity of a record, by the parts the kind names."""
        party = self.kinds[kind].get("counterparty") or {}
        parts = [kind]
        for part in self.kinds[kind]["record_key"]:
            if part == "@department":
                parts.append(department)
            elif part == "@counterparty":
                ids = [values.get(party.get(name, "")) for name in ("uscc", "org_code", "reg_no", "tax_no", "name")]
                parts.append(str(next((i for i in ids if i and i != "00000000000000000X"), "")))
            else:
                parts.append(str(values.get(part) or ""))
        return uuid.UUID(bytes=hashlib.sha256("|".join(parts).encode()).digest()[:16])


def load_kinds(project: Path) -> Mapping[str, Any]:
    """sources/_kinds.yml."""
    document: Mapping[str, Any] = yaml.safe_load((project / "sources" / "_kinds.yml").read_text(encoding="utf-8"))[
        "kinds"
    ]
    return document


def enterprise(number: int, **changes: Any) -> dict[str, Any]:
    """A registration row of a living enterprise."""
    return {
        "subject_name": f"汕头市测试{number}号贸易有限公司",
        "subject_type": "法人及非法人组织",
        "subject_uscc": uscc(number),
        "entity_status": "存续",
        "registered_on": "2015-03-02",
        "legal_representative_name": "张测试",
        "registered_capital": "100(万人民币元)",
        "region_code": "440511",
    } | changes


def penalty(number: int, document_no: str, **changes: Any) -> dict[str, Any]:
    """A penalty row on a test enterprise: a fine of 20,000 yuan, ordinary procedure, decided 2026-05-20."""
    return {
        "counterparty_name": f"汕头市测试{number}号贸易有限公司",
        "counterparty_type": "法人及非法人组织",
        "counterparty_uscc": uscc(number),
        "decision_document_no": document_no,
        "violation_type": "违反广告管理规定",
        "violation_facts": "发布虚假广告",
        "penalty_basis": "《中华人民共和国广告法》第五十五条",
        "penalty_category": "罚款",
        "penalty_content": "罚款2万元",
        "fine_amount_wan": "2",
        "decision_date": "2026/05/20",
        "penalty_valid_to": "2099/12/31",
        "penalty_authority_name": "汕头市市场监督管理局",
        "penalty_authority_uscc": uscc(900001, "11440500"),
        "source_unit_name": "汕头市市场监督管理局",
        "source_unit_uscc": uscc(900001, "11440500"),
        "procedure_type": "普通程序",
    } | changes


def party(number: int) -> dict[str, Any]:
    """The counterparty columns most kinds share."""
    return {
        "subject_name": f"汕头市测试{number}号贸易有限公司",
        "subject_type": "法人及非法人组织",
        "subject_uscc": uscc(number),
    }
