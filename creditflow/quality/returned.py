"""What goes back to a department: a delivery, its faulty rows and their faults; and the JSON twin that tells it to a program.

Promises
- No personal number leaves: `shown_value` gives its ciphertext for a cell, the twin masks it.
- However many rows are at fault, only those a workbook shows are kept.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any

from creditflow.identity.codes import is_personal
from creditflow.identity.masking import holds_personal_number, mask_text
from creditflow.identity.normal import normal_code
from creditflow.identity.persons import PersonKeys
from creditflow.quality.issues import DEFAULT_DUE_DAYS
from creditflow.registry import Column, Department, Feed, Kind, shape_of

MAX_LINES = 20_000
"""Lines of a workbook: more than anybody mends by hand, and what a workbook of a delivery of any size may take of our
memory. The twin has all."""

HIDDEN = "******"
_CODE_TYPES = ("uscc", "org_code", "reg_no", "tax_no")


@dataclass(frozen=True)
class Fault:
    """One rule that one row broke. column: canonical name of the field to mark, '' for the row as a whole."""

    rule_id: str
    severity: str
    column: str
    reason_zh: str
    reason_en: str
    remedy_zh: str
    remedy_en: str
    return_code: str
    due_days: int


@dataclass(frozen=True)
class OwnRow:
    """A row as the department sent it. values: by canonical column; others: by the department's own heading, where the
    heading is no column by itself; raw: the cells as one text, for a row that does not fit its headings; disputed: the
    headings that lines of one returned row contradicted each other about."""

    values: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    operation: str = ""
    raw: str = ""
    disputed: str = ""


@dataclass(frozen=True)
class ReturnedRow:
    """A faulty row on its way back."""

    row_no: int
    verdict: str
    record_key: str | None
    faults: tuple[Fault, ...]
    suggestion: Mapping[str, str] | None
    own: OwnRow


@dataclass
class Return:
    """One delivery on its way back. rows: those the workbook shows, the first MAX_LINES faults; faults, by_rule, returned:
    of all rows, complete when the last has been taken."""

    batch: Mapping[str, Any]
    department: Department
    feed: Feed
    kind: Kind
    as_of: dt.date
    due: Mapping[int, dt.date | None]
    lists: Mapping[str, tuple[str, ...]]
    rows: list[ReturnedRow] = field(default_factory=list)
    faults: int = 0
    returned: int = 0
    by_rule: dict[str, tuple[Fault, int]] = field(default_factory=dict)
    _last: int = -1

    def take(self, row: ReturnedRow) -> None:
        """Count a row, rows being in the order of their numbers; keep it while the workbook has room."""
        if self.faults < MAX_LINES:
            self.rows.append(row)
        self.faults += len(row.faults)
        self.returned += row.row_no != self._last
        self._last = row.row_no
        for fault in row.faults:
            self.by_rule[fault.rule_id] = (fault, self.by_rule.get(fault.rule_id, (fault, 0))[1] + 1)


def shown_value(column: Column | None, value: str, protect: PersonKeys, *, at_fault: bool) -> tuple[str, bool]:
    """(what the cell holds, whether something was hidden). A personal number becomes its ciphertext, or nothing when it
    is itself at fault; personal numbers inside other text become ***."""
    if not value:
        return "", False
    if column is not None and column.type == "person_id":
        cipher = protect.protect(value).cipher
        return ("" if at_fault or cipher is None else cipher), True
    if column is not None and column.type in _CODE_TYPES:
        return ("", True) if _may_be_personal(value) else (value, False)
    if holds_personal_number(value):
        return mask_text(value), True
    return value, False


def _may_be_personal(code: str) -> bool:
    """Whether a personal number stands where a code belongs; in doubt it does."""
    return shape_of(code) == "resident_id" or is_personal(normal_code(code))


def suggested(row: ReturnedRow, fault: Fault) -> str | None:
    """The value the gate thinks was meant in the field at fault."""
    suggestion = row.suggestion or {}
    return suggestion.get("value") if fault.column and suggestion.get("field") == fault.column else None


def _masked(kind: Kind, name: str, own: OwnRow) -> str | None:
    value = own.values.get(name)
    if value is None:
        return None
    column = kind.by_name.get(name)
    if column is not None and column.type == "person_id":
        return HIDDEN
    if column is not None and column.type in _CODE_TYPES and _may_be_personal(value):
        return HIDDEN
    return mask_text(value)


def twin_parts(one: Return, rows: Iterable[ReturnedRow]) -> Iterator[bytes]:
    """The JSON twin, piece by piece: the same faults for a program, one entry each. Personal numbers are masked, not
    enciphered."""
    batch = one.batch
    default = one.due.get(DEFAULT_DUE_DAYS)
    head = {
        "batch_id": batch["batch_id"],
        "department": one.department.code,
        "department_zh": one.department.name_zh,
        "feed": one.feed.name,
        "kind": one.kind.name,
        "file": batch["file"],
        "state": batch["state"],
        "delivered_at": batch["delivered_at"].isoformat(),
        "returned_at": one.as_of.isoformat(),
        "due_at": default.isoformat() if default else None,
        "counts": {
            name: batch[f"rows_{name}"]
            for name in ("read", "accepted", "rejected", "held", "out_of_scope", "duplicate")
        },
        "reasons": [{key: item[key] for key in ("code", "zh", "en") if key in item} for item in batch["reasons"]],
    }
    yield json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}").encode()
    yield b',\n "faults": ['
    comma = b"\n"
    for row in rows:
        values = {name: _masked(one.kind, name, row.own) for name in row.own.values}
        for fault in row.faults:
            entry = json.dumps(_twin_entry(one, row, fault, values), ensure_ascii=False, indent=1)
            yield comma + indent(entry, "  ").encode()
            comma = b",\n"
    yield b"]\n}\n" if comma == b"\n" else b"\n ]\n}\n"


def _twin_entry(one: Return, row: ReturnedRow, fault: Fault, values: Mapping[str, str | None]) -> dict[str, Any]:
    due = one.due.get(fault.due_days)
    return {
        "batch_id": one.batch["batch_id"],
        "row_no": row.row_no,
        "record_id": row.record_key,
        "rule_id": fault.rule_id,
        "return_code": fault.return_code,
        "severity": fault.severity,
        "verdict": row.verdict,
        "field": fault.column or None,
        "field_code": one.kind.by_name[fault.column].code if fault.column else None,
        "value_masked": values.get(fault.column),
        "message_zh": fault.reason_zh,
        "message_en": fault.reason_en,
        "remedy_zh": fault.remedy_zh,
        "remedy_en": fault.remedy_en,
        "suggestion": suggested(row, fault),
        "due_at": due.isoformat() if due else None,
        "values": values,
    }
