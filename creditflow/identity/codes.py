"""Identifier rules of the People's Republic's registers: is this text a code that could have been issued?

Promises
- Every check has a twin in SQL (migration 0002, schema ops) with the same name and the same answer for every text.
- Checks judge the text as it stands: `normal.normal_code` brings it into the written form first.
- A repair is only ever suggested, and only when exactly one substitution of a mistyped letter gives a valid code.
Sources: domain page 02: GB 32100-2015 (USCC), GB 11714 (organisation code), GS 15-2006 (registration number),
GB 11643-1999 (resident ID).
"""

from __future__ import annotations

import datetime as dt
import re
from itertools import combinations
from operator import mul

USCC_PLACEHOLDER = "00000000000000000X"
"""Official filler for a household business without a code (dual-publication rule C2): no identity."""

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)

_uscc_values = bytes(USCC_ALPHABET.find(chr(i)) if i < 128 and chr(i) in USCC_ALPHABET else 255 for i in range(256))


def uscc_check(code: str) -> str:
    """Judge a unified social credit code.

    Returns 'ok', 'placeholder' (17 zeros and X), 'bad_length', 'bad_character' (outside the alphabet, or a letter in
    the region), 'repeated' (positions 9-17 are one character: nobody's) or 'bad_check'.
    """
    if code == USCC_PLACEHOLDER:
        return "placeholder"
    if len(code) != 18:
        return "bad_length"
    if code.strip(USCC_ALPHABET) or code[2:8].strip("0123456789"):
        return "bad_character"
    if code[8] * 9 == code[8:17]:
        return "repeated"
    values = code.encode("ascii").translate(_uscc_values)
    return "ok" if -sum(map(mul, values, USCC_WEIGHTS)) % 31 == values[17] else "bad_check"


def uscc_ok(code: str) -> bool:
    """True for a code that identifies somebody (a placeholder does not)."""
    return uscc_check(code) == "ok"


_org_shape = re.compile("[0-9A-Z]{8}[0-9X]").fullmatch
_org_values = bytes(int(chr(i), 36) if i < 128 and chr(i).isalnum() else 255 for i in range(256))
ORG_CODE_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def org_code_ok(code: str) -> bool:
    """True for a 9-character organisation code whose check character fits and whose body is not one character."""
    if not _org_shape(code) or code[0] * 8 == code[:8]:
        return False
    check = 11 - sum(map(mul, code.encode("ascii").translate(_org_values), ORG_CODE_WEIGHTS)) % 11
    return code[8] == "0123456789X0"[check]


_mod_11_10 = [[((product + byte - 48) % 10 or 10) * 2 % 11 for byte in range(58)] for product in range(11)]
"""Next state of ISO 7064 MOD 11,10 by present state and byte of the digit."""


def reg_no_ok(number: str) -> bool:
    """True for a 15-digit registration number with its ISO 7064 MOD 11,10 check digit, and for any 13-digit one.

    The 13-digit numbers of old files carry no check digit. One repeated digit is nobody's number.
    """
    if len(number) not in (13, 15) or not (number.isascii() and number.isdecimal()) or number[0] * 13 == number[:13]:
        return False
    if len(number) == 13:
        return True
    product = 10
    digits = number.encode("ascii")
    for digit in digits[:14]:
        product = _mod_11_10[product][digit]
    return (product + digits[14] - 48) % 10 == 1


_resident_shape = re.compile("[1-9][0-9]{16}[0-9X]").fullmatch
_resident_15_shape = re.compile("[1-9][0-9]{14}").fullmatch
_RESIDENT_CHECKS = "10X98765432"


def resident_id_check(number: str) -> str:
    """Judge a resident ID number (also a residence permit of Hong Kong, Macao or Taiwan residents, same form).

    Returns 'ok', 'converted_15' (a sound 15-digit number, see `resident_id_18`), 'bad_length', 'bad_character',
    'bad_date' (no such day, or a year outside 1800-2099) or 'bad_check'. The region is not judged: regions end.
    """
    if len(number) == 15:
        if not _resident_15_shape(number):
            return "bad_character"
        return "converted_15" if _is_day(1900 + int(number[6:8]), number[8:12]) else "bad_date"
    if len(number) != 18:
        return "bad_length"
    if not _resident_shape(number):
        return "bad_character"
    year = int(number[6:10])
    if not 1800 <= year <= 2099 or not _is_day(year, number[10:14]):
        return "bad_date"
    return "ok" if _resident_check_character(number) == number[17] else "bad_check"


def resident_id_ok(number: str) -> bool:
    """True for a sound 18-character number or a sound 15-digit one."""
    return resident_id_check(number) in ("ok", "converted_15")


def resident_id_18(number: str) -> str:
    """The 18-character form of a sound number; 15 digits get the century 19 and the check character."""
    if len(number) == 18:
        return number
    long = number[:6] + "19" + number[6:]
    return long + _resident_check_character(long)


def region_is_historic(number: str) -> bool:
    """True when a resident ID starts with a region code of Shantou that has ended (a warning, never a fault)."""
    return number[:6] in ENDED_REGIONS


ENDED_REGIONS = frozenset({"440506", "440508", "440509", "440521", "440524", "440582", "440583"})
"""Region codes of Shantou that no longer exist but stand in resident IDs and old registrations (page 02 section 5)."""


def _resident_check_character(number: str) -> str:
    """By ISO 7064 MOD 11-2, whose weights are powers of two: 13 is 2 modulo 11, and a number can be read to that base."""
    return _RESIDENT_CHECKS[int(number[:17], 13) * 2 % 11]


def _is_day(year: int, month_day: str) -> bool:
    try:
        dt.date(year, int(month_day[:2]), int(month_day[2:]))
    except ValueError:
        return False
    return True


_tax_region = re.compile("[0-9]{6}").match
_tax_person = re.compile("[0-9]{17}[0-9X][0-9]{2}").fullmatch


def tax_no_ok(number: str) -> bool:
    """True for a tax number in one of its forms.

    18 characters: the USCC, or an owner's resident ID; 15: region and organisation code; 20: resident ID and a serial.
    """
    if len(number) == 18:
        return uscc_ok(number) or resident_id_check(number) == "ok"
    if len(number) == 15:
        return bool(_tax_region(number)) and (org_code_ok(number[6:]) or resident_id_check(number) == "converted_15")
    return bool(_tax_person(number)) and resident_id_check(number[:18]) == "ok"


def is_personal(number: str) -> bool:
    """True when a code field in truth holds a resident ID number: it must not be stored in clear.

    18 or 15 characters, or a 20-digit tax number made from one. A code that also fits its own register (USCC, 15-digit
    registration number, tax number with organisation code) is not taken for a person's.
    """
    if len(number) == 18:
        return resident_id_check(number) == "ok" and not uscc_ok(number)
    if len(number) == 15:
        return resident_id_check(number) == "converted_15" and not reg_no_ok(number) and not org_code_ok(number[6:])
    return len(number) == 20 and bool(_tax_person(number)) and resident_id_check(number[:18]) == "ok"


CONFUSABLE = {"O": "0", "I": "1", "Z": "2", "S": "5"}
"""Letters typed in place of digits."""

_confusable_table = str.maketrans(CONFUSABLE)


def uscc_suggestion(code: str) -> str | None:
    """The one valid USCC that mistyped O, I, Z, S could stand for, or None.

    The four letters are outside the alphabet, so all of them must be digits: there is at most one candidate.
    """
    candidate = code.translate(_confusable_table)
    return candidate if candidate != code and uscc_ok(candidate) else None


def org_code_suggestion(code: str) -> str | None:
    """The one valid organisation code that replacing some of the letters O, I, Z, S by digits gives, or None.

    The letters are legal here, so every choice of them is tried; two valid candidates are no suggestion.
    """
    if len(code) != 9 or org_code_ok(code):
        return None
    places = [place for place, letter in enumerate(code) if letter in CONFUSABLE]
    candidates = set()
    for count in range(1, len(places) + 1):
        for chosen in combinations(places, count):
            candidate = "".join(CONFUSABLE[c] if i in chosen else c for i, c in enumerate(code))
            if org_code_ok(candidate):
                candidates.add(candidate)
    return candidates.pop() if len(candidates) == 1 else None


def reg_no_suggestion(number: str) -> str | None:
    """The one valid 15-digit registration number that mistyped letters could stand for, or None."""
    candidate = number.translate(_confusable_table)
    return candidate if candidate != number and len(candidate) == 15 and reg_no_ok(candidate) else None
