"""Identifier checks over many codes at once, for landing, where one at a time costs more than everything else.

Promises
- `uscc_ok_many` gives for every code the answer of `codes.uscc_ok`; a property test proves it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from creditflow.identity.codes import USCC_ALPHABET, USCC_WEIGHTS

_VALUES = np.full(256, 255, dtype=np.uint8)
_VALUES[np.frombuffer(USCC_ALPHABET.encode(), dtype=np.uint8)] = np.arange(len(USCC_ALPHABET), dtype=np.uint8)
_WEIGHTS = np.array(USCC_WEIGHTS, dtype=np.int32)


def uscc_ok_many(codes: Sequence[bytes]) -> list[bool]:
    """For each code of 18 bytes, whether it identifies somebody (`codes.uscc_ok`)."""
    values = _VALUES[np.frombuffer(b"".join(codes), dtype=np.uint8)].reshape(-1, 18)
    sums = values[:, :17].astype(np.int32) @ _WEIGHTS
    found = (-sums % 31 == values[:, 17]) & (values != 255).all(axis=1) & (values[:, 2:8] < 10).all(axis=1)
    found &= (values[:, 8:17] != values[:, 8:9]).any(axis=1)
    return list(found.tolist())
