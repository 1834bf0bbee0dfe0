"""Check characters of the four Chinese identifiers, for whole columns at once.

All functions take and give ASCII codes as `uint8`; a matrix has one row per identifier and one column per character.
Sources: GB 32100-2015 (credit code), GB 11714 (organisation code), GS 15-2006 (registration number), GB 11643-1999 (resident number).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint8]

ALPHABET = np.frombuffer(b"0123456789ABCDEFGHJKLMNPQRTUWXY", dtype=np.uint8)
_POSITION = np.zeros(128, dtype=np.int64)
_POSITION[ALPHABET] = np.arange(31)
_ORG_VALUE = np.zeros(128, dtype=np.int64)
_ORG_VALUE[np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)] = np.arange(36)
_USCC_WEIGHTS = np.array([1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28])
_ORG_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2])
_RESIDENT_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_ORG_CHECK = np.frombuffer(b"0X987654321", dtype=np.uint8)
_RESIDENT_CHECK = np.frombuffer(b"10X98765432", dtype=np.uint8)


def digits(values: npt.NDArray[np.int64], width: int) -> Codes:
    """Numbers as decimal digits with leading zeros: (n,) -> (n, width)."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return ((values[:, None] // powers) % 10 + 48).astype(np.uint8)


def base31(values: npt.NDArray[np.int64], width: int) -> Codes:
    """Numbers in the 31-character alphabet of the credit code: (n,) -> (n, width)."""
    powers = 31 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return np.asarray(ALPHABET[(values[:, None] // powers) % 31])


def repeat(text: str, n: int) -> Codes:
    """The same characters n times: (n, len(text))."""
    return np.tile(np.frombuffer(text.encode("ascii"), dtype=np.uint8), (n, 1))


def texts(matrix: Codes) -> npt.NDArray[np.object_]:
    """A character matrix as an object array of str."""
    flat = np.ascontiguousarray(matrix).view(f"S{matrix.shape[1]}").ravel()
    return np.asarray(flat.astype(f"U{matrix.shape[1]}").astype(object))


def org_check(body: Codes) -> Codes:
    """Check character of organisation codes: (n, 8) -> (n,)."""
    total = (_ORG_VALUE[body] * _ORG_WEIGHTS).sum(axis=1)
    return np.asarray(_ORG_CHECK[total % 11])


def uscc_check(body: Codes) -> Codes:
    """Check character of unified social credit codes: (n, 17) -> (n,)."""
    total = (_POSITION[body] * _USCC_WEIGHTS).sum(axis=1)
    return np.asarray(ALPHABET[(31 - total % 31) % 31])


def reg_check(body: Codes) -> Codes:
    """Check digit of 15-digit registration numbers, ISO 7064 MOD 11,10: (n, 14) -> (n,)."""
    product = np.full(body.shape[0], 10, dtype=np.int64)
    for column in range(14):
        total = (product + body[:, column] - 48) % 10
        total[total == 0] = 10
        product = total * 2 % 11
    return ((11 - product) % 10 + 48).astype(np.uint8)


def resident_check(body: Codes) -> Codes:
    """Check character of resident numbers, ISO 7064 MOD 11-2: (n, 17) -> (n,)."""
    total = ((body.astype(np.int64) - 48) * _RESIDENT_WEIGHTS).sum(axis=1)
    return np.asarray(_RESIDENT_CHECK[total % 11])


def uscc(authority: Codes, region: Codes, body: Codes) -> Codes:
    """Complete credit codes from authority and kind (n, 2), region (n, 6) and organisation body (n, 8): (n, 18)."""
    seventeen = np.hstack([authority, region, body, org_check(body)[:, None]])
    return np.hstack([seventeen, uscc_check(seventeen)[:, None]])


def body_code(prefix: str, region: str, number: int) -> str:
    """Credit code of a public body: its number of the department list stands in the organisation code."""
    body = repeat(f"MA4X{number:04d}", 1)
    return str(texts(uscc(repeat(prefix, 1), repeat(region, 1), body))[0])
