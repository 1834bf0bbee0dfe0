"""Firms on lists, and the persons their entries reach or do not reach: one firm per rule of domain page 04 section 5."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.dbt.landed import Landed, enterprise, party

BEHAVIOUR = {"behaviour_from": "2025-10-01", "behaviour_to": "2025-12-31"}
NOTIFIED = {"person_notified_on": "2026-02-05"}
RELATION_ONLY, NAMED, BY_RULE, NO_RULE, LATER, FORMER, CONTROLLER, CONTROLLER_NAMED = range(2001, 2009)
PARENT_LEFT, PARENT_WITHDRAWN, ALONE, NEW_IN_POST, LONG_IN_POST, MANY_POSTS, NOT_TOLD, NO_ROLE, TOLD_LATE = range(
    2009, 2018
)
POSTS = range(2030, 2034)
"""Four more firms that the person of MANY_POSTS represents."""


def deliver_register(landed: Landed, day: dt.date) -> None:
    """Who represents whom, long before anything happened."""
    rows = [_represented(number) for number in range(RELATION_ONLY, TOLD_LATE)]
    rows += [_represented(number, person=MANY_POSTS) for number in POSTS]
    landed.batch("registration", rows, day=day)


def deliver_entries(landed: Landed, day: dt.date) -> None:
    """The lists' decisions, and new representatives of two firms."""
    changed = [_represented(number, person=number + 500, since="2026-01-15") for number in (LATER, FORMER)]
    landed.batch("registration", changed, day=day)
    labour = [
        party(RELATION_ONLY) | _entry(RELATION_ONLY, "SL03"),
        _about(NAMED, "SL03", named="是"),
        _about(BY_RULE, "SL03"),
        _about(LATER, "SL03", named="是", person=LATER + 500),
        _about(FORMER, "SL03", named="是"),
        _about(CONTROLLER, "SL03", role="actual_controller"),
        _about(CONTROLLER_NAMED, "SL03", role="actual_controller", named="是"),
        _about(PARENT_LEFT, "SL03", named="是"),
        _about(PARENT_WITHDRAWN, "SL03", named="是"),
        party(ALONE) | _entry(ALONE, "SL03"),
        _about(ALONE, "SL03", named="是", exit_date="2026-09-01", exit_reason="early_exit"),
        _about(NEW_IN_POST, "SL03", named="是"),
        _about(LONG_IN_POST, "SL03", named="是"),
        _about(MANY_POSTS, "SL03", named="是"),
        _about(NOT_TOLD, "SL03", named="是", person_notified_on=None),
        _about(NO_ROLE, "SL03", role=None),
        _about(TOLD_LATE, "SL03", named="是"),
    ]
    landed.batch("list_entry", labour, department="rsj", day=day)
    landed.batch("list_entry", [_about(NO_RULE, "SL04")], department="scjg", day=day)


def deliver_ends(landed: Landed, day: dt.date) -> None:
    """Two parents end; a register tells only now that its firm's person took office after the behaviour."""
    rows = [
        _about(PARENT_LEFT, "SL03", named="是", exit_date="2027-05-01", exit_reason="early_exit"),
        _about(PARENT_WITHDRAWN, "SL03", named="是", _op="W"),
    ]
    landed.batch("list_entry", rows, department="rsj", day=day)
    landed.batch("registration", [_represented(TOLD_LATE, since="2026-01-15")], day=day)


def _represented(number: int, *, person: int | None = None, since: str | None = None) -> dict[str, Any]:
    taken_up = since or {NEW_IN_POST: "2025-08-15", LONG_IN_POST: "2025-05-01"}.get(number, "2018-01-01")
    return enterprise(number, legal_representative_since=taken_up) | _person("legal_representative", person or number)


def document(number: int) -> str:
    """Number of the decision that put a firm on its list."""
    return f"汕列〔2026〕{number}号"


def _entry(number: int, list_code: str) -> dict[str, Any]:
    return {"list_code": list_code, "document_no": document(number), "decision_date": "2026-02-01"} | BEHAVIOUR


def _about(
    number: int,
    list_code: str,
    *,
    role: str | None = "legal_representative",
    named: str = "否",
    person: int | None = None,
    **changes: Any,
) -> dict[str, Any]:
    told = {"responsible_person_role": role, "responsible_person_named": named}
    return (
        party(number)
        | _entry(number, list_code)
        | told
        | NOTIFIED
        | _person("responsible_person", person or number)
        | changes
    )


def _person(prefix: str, number: int) -> dict[str, Any]:
    return {
        f"{prefix}_name": f"测试{number}",
        f"{prefix}_id_no_hash": f"hash-of-fictitious-person-{number}",
        f"{prefix}_id_no_cipher": "k1:DDDD",
        f"{prefix}_id_no_check": "ok",
    }
