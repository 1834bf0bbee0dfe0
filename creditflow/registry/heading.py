"""Headings and the shapes of identifiers: the two tolerances every reader may use, both declared and both pure.

Promises
- `normal_heading` makes headings comparable (width, blanks, brackets, case) and never changes their wording.
- `shape_of` says what kind of identifier a value looks like; in doubt a value is a person's number, so that it is
  never stored in clear.
- `uscc_is_valid`, `org_code_is_valid` are the registry's own check of the codes it declares (GB 32100-2015, GB 11714);
  rows are judged elsewhere.
"""

from __future__ import annotations

import re
import unicodedata

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
ORG_CODE_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_CHECKS = "10X98765432"
PLACEHOLDER_USCC = "0" * 17 + "X"

_BRACKETS = str.maketrans("〔【[〕】]", "((()))", "《》“”")
_UNSEEN = re.compile(r"[\s\u200b-\u200f\u2028-\u202f\u2060\ufeff\x00-\x1f\x7f\"']+")
_TAIL = re.compile(r"[*:/,;。、_-]+$")
_RESIDENT_DATE = re.compile(r"^[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]$")
_RESIDENT_DATE_15 = re.compile(r"^[1-9]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}$")


def normal_heading(text: object) -> str:
    """The form in which headings are compared: half-width, upper case, one kind of bracket, no blanks or quotes."""
    if text is None:
        return ""
    plain = unicodedata.normalize("NFKC", str(text)).translate(_BRACKETS)
    return _TAIL.sub("", _UNSEEN.sub("", plain)).lstrip("*").upper()


def uscc_is_valid(code: str) -> bool:
    """Whether 18 characters are a unified social credit code by alphabet and check character (GB 32100-2015)."""
    if len(code) != 18 or any(character not in USCC_ALPHABET for character in code):
        return False
    return len(set(code[8:17])) > 1 and uscc_check(code[:17]) == code[17]


def uscc_check(body: str) -> str:
    """The check character of the first 17 characters of a unified social credit code."""
    total = sum(USCC_ALPHABET.index(character) * weight for character, weight in zip(body, USCC_WEIGHTS, strict=True))
    return USCC_ALPHABET[-total % 31]


def org_code_check(body: str) -> str:
    """The check character of the eight characters of an organisation code (GB 11714); letters count from A = 10."""
    total = sum(int(character, 36) * weight for character, weight in zip(body, ORG_CODE_WEIGHTS, strict=True))
    return "0X"[11 - total % 11 == 10] if total % 11 < 2 else str(11 - total % 11)


def org_code_is_valid(code: str) -> bool:
    """Whether nine characters without hyphen are an organisation code."""
    return bool(re.fullmatch(r"[0-9A-Z]{8}[0-9X]", code)) and org_code_check(code[:8]) == code[8]


def authority_code(dept_no: int, *, prefix: str = "11", region: str = "440500") -> str:
    """The made-up but valid code of a body: prefix, region, organisation code `MA4Xnnnn` with its check, check."""
    body = f"MA4X{dept_no:04d}"
    first = f"{prefix}{region}{body}{org_code_check(body)}"
    return first + uscc_check(first)


def shape_of(value: str | None) -> str:
    """What an identifier looks like, after full-width, blanks and hyphens are taken away.

    Returns 'empty', 'placeholder' (17 zeros and X), 'uscc', 'org_code', 'reg_no' (13 or 15 digits), 'resident_id'
    (18 or 15 characters), 'masked' (asterisks) or 'other'. Eighteen characters with a plausible birth date are a
    person's number unless only the credit code's check fits; fifteen always, since the old form had no check.
    """
    text = re.sub(r"[\s\-\u2010-\u2015]+", "", unicodedata.normalize("NFKC", value or "")).upper()
    if not text:
        return "empty"
    if text == PLACEHOLDER_USCC:
        return "placeholder"
    if "*" in text:
        return "uscc" if text[:2] in ("91", "92", "93") else "masked"
    if len(text) == 18:
        plausible = bool(_RESIDENT_DATE.match(text))
        if plausible and not (uscc_is_valid(text) and not _resident_check_fits(text)):
            return "resident_id"
        return "uscc"
    if len(text) == 15 and text.isdigit():
        return "resident_id" if _RESIDENT_DATE_15.match(text) else "reg_no"
    if len(text) == 9 and re.fullmatch(r"[0-9A-Z]{8}[0-9X]", text):
        return "org_code"
    if len(text) == 13 and text.isdigit():
        return "reg_no"
    return "other"


def _resident_check_fits(text: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], RESIDENT_WEIGHTS, strict=True))
    return RESIDENT_CHECKS[total % 11] == text[17]
