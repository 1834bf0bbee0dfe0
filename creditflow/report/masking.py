"""A second mask over rows shown on pages, whatever the gate did before.

Promises
- Resident identity numbers, telephone and bank card numbers never appear, in any field, inside any longer text, also
  when they are written in groups.
- Person identifiers are hidden, their hashes and ciphertexts are not shown at all.
- Codes of organisations stay readable: they are public and the department needs them to find its row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from creditflow.identity.codes import resident_id_ok
from creditflow.identity.masking import mask_text
from creditflow.identity.normal import normal_code

HIDDEN = "***"

_GROUPED_MOBILE = re.compile(r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]\d{4}[- ]?\d{4}(?!\d)")
_GROUPED_CARD = re.compile(r"(?<![0-9A-Za-z])(?:\d[ -]?){15,18}\d(?![0-9A-Za-z])")
_ORGANISATION_CODE = re.compile(r"(?:uscc|org_code|reg_no|tax_no|taxpayer_no)$")
_PERSON_NUMBER = re.compile(r"_id_no$")


def masked_text(value: str) -> str:
    """The text with every personal number replaced by ***."""
    return _GROUPED_CARD.sub(HIDDEN, _GROUPED_MOBILE.sub(HIDDEN, mask_text(value)))


def masked_row(payload: Mapping[str, Any] | None) -> dict[str, str]:
    """A row of a department as shown on a page: canonical column -> text, empty and nested values left out."""
    shown: dict[str, str] = {}
    for column, value in (payload or {}).items():
        if value is None or value == "" or isinstance(value, (dict, list)):
            continue
        text = str(value)
        if column.endswith(("_hash", "_cipher", "_check")):
            continue
        if _PERSON_NUMBER.search(column):
            shown[column] = HIDDEN
        elif _ORGANISATION_CODE.search(column):
            shown[column] = HIDDEN if resident_id_ok(normal_code(text)) else text
        else:
            shown[column] = masked_text(text)
    return shown
