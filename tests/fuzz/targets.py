"""What is fuzzed: each reader of deliveries, and the rules of identifiers and personal numbers.

A target takes bytes and returns; a refusal with a reason (ReadError) is an answer. Anything else it raises, and a rule that
does not hold, is a finding. tests/unit/test_fuzz_corpus.py gives every kept input to its target.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

from creditflow.identity.codes import resident_id_check, uscc_ok
from creditflow.identity.masking import holds_personal_number, mask_text
from creditflow.identity.normal import normal_code
from creditflow.readers import ReadError, detect_format, read
from creditflow.registry import Feed, load

PROJECT = Path(__file__).resolve().parents[2]
CORPUS = PROJECT / "tests" / "data" / "fuzz"
HOSTILE = PROJECT / "tests" / "data" / "hostile"
READERS = ("csv", "json", "xml", "xlsx", "html")


@cache
def _feed() -> Feed:
    return load(PROJECT, lenient=True).feed("hyj", "inspection")


def _reader(form: str, content: bytes) -> None:
    with suppress(ReadError):
        detect_format(f"delivery.{form}", content[:4096], _feed().formats)
    with suppress(ReadError):
        for section in read(io.BytesIO(content), _feed(), form, "utf-8"):
            for _, cells in section.rows:
                assert all(isinstance(cell, str) for cell in cells), "a cell is text"


def _identity(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    uscc_ok(text)
    assert resident_id_check(normal_code(text)), "every text gets an answer"
    assert not holds_personal_number(mask_text(text)), "no personal number is left readable"


TARGETS: dict[str, Callable[[bytes], None]] = {
    **{form: partial(_reader, form) for form in READERS},
    "identity": _identity,
}
