"""Hide personal numbers and names on the way out (domain page 11 section 3).

Promises
- `mask_text` leaves no resident ID, mobile or fixed telephone, or bank-card number readable in free text, half or
  full width; twins `ops.mask_text` and `ops.mask_name` give the same answer.
- When in doubt it hides too much: a registration number that looks like a 15-digit ID is hidden in free text.
"""

from __future__ import annotations

import re

_D = "[0-9０-９]"
_EDGE, _END = "(?<![0-9０-９A-Za-zＡ-Ｚａ-ｚ])", "(?![0-9０-９A-Za-zＡ-Ｚａ-ｚ])"
_MONTH_DAY = "([0０][1-9１-９]|[1１][0-2０-２])([0０][1-9１-９]|[12１２][0-9０-９]|[3３][01０１])"

PERSONAL_PATTERNS = (
    f"{_EDGE}[1-9１-９]{_D}{{5}}([1１][89８９]|[2２][0０]){_D}{{2}}{_MONTH_DAY}{_D}{{3}}[0-9０-９XxＸｘ]{_END}",
    f"{_EDGE}[1-9１-９]{_D}{{7}}{_MONTH_DAY}{_D}{{3}}{_END}",
    f"{_EDGE}([6６][2２]{_D}{{14,17}}|[3-6３-６]{_D}{{15}}){_END}",
    f"(?<![0-9０-９])([+＋]?[8８][6６][- －]?)?[1１][3-9３-９]{_D}{{9}}(?![0-9０-９])",
    f"(?<![0-9０-９])[0０]{_D}{{2,3}}[-－]{_D}{{7,8}}(?![0-9０-９])",
)
"""18-character ID, 15-digit ID, bank card, mobile, fixed line; the same text works in Python and PostgreSQL."""

_digits = re.compile(f"{_D}{{7}}").search
_patterns = [re.compile(pattern) for pattern in PERSONAL_PATTERNS]


def mask_text(text: str) -> str:
    """Free text with every personal number replaced by ***."""
    if not _digits(text):
        return text
    for pattern in _patterns:
        text = pattern.sub("***", text)
    return text


def holds_personal_number(text: str) -> bool:
    """True when `mask_text` would hide something."""
    return bool(_digits(text)) and any(pattern.search(text) for pattern in _patterns)


def mask_name(name: str) -> str:
    """A natural person's name for the public: first character and one * for each other (张**)."""
    return name[:1] + "*" * (len(name) - 1)
