"""A second mask over rows shown on pages, whatever the gate did before.

Promises
- Resident identity numbers, mobile numbers and bank card numbers never appear, in any field, inside any longer text.
- Person identifiers, their hashes and ciphertexts are not shown at all.
- Codes of organisations (USCC, organisation code) stay readable: they are public and the department needs them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

_RESIDENT_ID = re.compile(
    r"(?<![0-9A-Za-z])[1-9]\d{5}(?:1[89]|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[0-9Xx](?![0-9A-Za-z])"
)
_OLD_RESIDENT_ID = re.compile(r"(?<![0-9A-Za-z])[1-9]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<![0-9A-Za-z])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?![0-9A-Za-z])")
_BANK_CARD = re.compile(r"(?<![0-9A-Za-z])(?:\d[ -]?){15,18}\d(?![0-9A-Za-z])")
_FULL_WIDTH = {0xFF10 + digit: 0x30 + digit for digit in range(10)} | {0xFF38: 0x58, 0xFF58: 0x78}
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_CODE = re.compile(r"(?:uscc|org_code|reg_no|tax_no)$")
_PERSON_COLUMN = re.compile(r"(?:_hash|_cipher|person_id_no|representative_id_no|principal_id_no|_id_no)$")


def masked_text(value: str) -> str:
    """The text with every personal number replaced by ***."""
    plain = value.translate(_FULL_WIDTH)
    result = plain
    for pattern in (_RESIDENT_ID, _OLD_RESIDENT_ID, _MOBILE, _BANK_CARD):
        result = pattern.sub(HIDDEN, result)
    return value if result == plain else result


def masked_row(payload: Mapping[str, Any] | None) -> dict[str, str]:
    """A row of a department as shown on a page: canonical column -> text, empty values left out."""
    shown: dict[str, str] = {}
    for column, value in (payload or {}).items():
        if value is None or value == "" or column.endswith(("_hash", "_cipher", "_check")):
            continue
        if _PERSON_COLUMN.search(column):
            shown[column] = HIDDEN
        elif _ORGANISATION_CODE.search(column):
            text = str(value)
            shown[column] = HIDDEN if _is_resident_id(text) else text
        else:
            shown[column] = masked_text(str(value))
    return shown


def _is_resident_id(text: str) -> bool:
    """A person's number typed where an organisation's code belongs: date and check digit (MOD 11-2) both hold."""
    plain = text.strip().translate(_FULL_WIDTH)
    if not _RESIDENT_ID.fullmatch(plain):
        return False
    remainder = sum(int(digit) * weight for digit, weight in zip(plain, _WEIGHTS, strict=False)) % 11
    return "10X98765432"[remainder] == plain[17].upper()
