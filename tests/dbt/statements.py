"""Firms about which the departments disagree."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.dbt.landed import Landed, enterprise, penalty, uscc

DISPUTED, EQUALS, UNREGISTERED, TAKEN_BACK = range(2101, 2105)


def deliver(landed: Landed, day: dt.date) -> None:
    """The code-giving register says one thing, later registers another; a permit and a penalty about a firm in no register."""
    before = day - dt.timedelta(1)
    landed.batch("registration", [_said(n, "甲") for n in (DISPUTED, TAKEN_BACK)], day=before)
    landed.batch("registration", [_said(EQUALS, "乙")], department="x_bianban", day=before)
    newer = [_said(n, "丙") for n in (DISPUTED, EQUALS, TAKEN_BACK)]
    landed.batch("registration", newer, department="x_gsxt", day=day)
    # the penalty is newer, the permit comes first all the same
    named = {"counterparty_uscc": uscc(UNREGISTERED), "counterparty_type": "法人及非法人组织"}
    fined = penalty(UNREGISTERED, "汕罚〔2026〕2103号") | named
    landed.batch("penalty", [fined | _party("丁")], department="cgj", day=day)
    landed.batch(
        "permit",
        [
            named
            | _party("戊")
            | {
                "decision_document_no": "汕许〔2026〕2103号",
                "decision_date": "2025-03-05",
                "valid_to": "2099/12/31",
                "permit_authority_uscc": uscc(900001, "11440500"),
            }
        ],
        department="cgj",
        day=before,
    )


def deliver_changes(landed: Landed, day: dt.date) -> None:
    """The code-giving register renames one firm."""
    landed.batch("registration", [_said(DISPUTED, "己")], day=day)


def deliver_withdrawal(landed: Landed, day: dt.date) -> None:
    """It takes the other firm's entry back."""
    landed.batch("registration", [_said(TAKEN_BACK, "甲", _op="W")], day=day)


def _said(number: int, mark: str, **changes: Any) -> dict[str, Any]:
    return enterprise(
        number,
        subject_name=f"汕头市说法{mark}贸易有限公司",
        registered_address=f"汕头市金平区说法{mark}路1号",
        legal_representative_name=f"陈{mark}法",
        **changes,
    )


def _party(mark: str) -> dict[str, Any]:
    return {"counterparty_name": f"汕头市说法{mark}贸易有限公司", "legal_representative_name": f"陈{mark}法"}
