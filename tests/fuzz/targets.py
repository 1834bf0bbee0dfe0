"""What is fuzzed: each reader of deliveries, and the rules of identifiers and personal numbers.

A target takes bytes and returns; a refusal with a reason (ReadError) is an answer. Anything else it raises, and a rule that
does not hold, is a finding. tests/unit/test_fuzz_corpus.py gives every kept input to its target.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from creditflow.identity.codes import resident_id_check, uscc_ok
from creditflow.identity.masking import holds_personal_number, mask_text
from creditflow.identity.normal import normal_code
from creditflow.readers import PlainLines, ReadError, Row, delimited, detect_format, json_records, read, xml_records
from creditflow.registry import Feed, load

PROJECT = Path(__file__).resolve().parents[2]
CORPUS = PROJECT / "tests" / "data" / "fuzz"
HOSTILE = PROJECT / "tests" / "data" / "hostile"
AT_ONCE: dict[str, tuple[ModuleType, str]] = {
    "json": (json_records, "MISSED_BATCHES"),
    "xml": (xml_records, "MOST_PATTERNS"),
}
"""Readers that read records alike at once, and what forbids it when it is 0."""
READERS = ("csv", "json", "xml", "xlsx", "html")


@cache
def _feed() -> Feed:
    return load(PROJECT, lenient=True).feed("hyj", "inspection")


def _reader(form: str, content: bytes) -> None:
    with suppress(ReadError):
        detect_format(f"delivery.{form}", content[:4096], _feed().formats)
    whole = _told(form, content)
    assert all(isinstance(cell, str) for _, cells in whole[0] for cell in cells), "a cell is text"
    if form in AT_ONCE:
        module, limit = AT_ONCE[form]
        with patch.object(module, "CHUNK", 200):
            at_once = _told(form, content)
            with patch.object(module, limit, 0):
                assert at_once == _told(form, content), "records read at once are those read one by one"
    if form == "csv":
        with patch.multiple(delimited, BLOCK=200, _FIRST_LINES=2, _WORTH_IT=1):
            assert _told(form, content, plain=True) == _told(form, content), "plain lines say what their text says"


def _told(form: str, content: bytes, *, plain: bool = False) -> tuple[list[Row], str | None]:
    """(the rows of a delivery, the code of what ended it). plain: of a CSV, as runs of lines as far as they are plain."""
    rows: list[Row] = []
    try:
        for section in read(io.BytesIO(content), _feed(), form, "utf-8"):
            if not plain or section.pieces is None:
                rows.extend(section.rows)
                continue
            for piece in section.pieces:
                rows.extend(_of_lines(piece) if isinstance(piece, PlainLines) else [piece])
    except ReadError as problem:
        return rows, problem.code
    return rows, None


def _of_lines(piece: PlainLines) -> Iterator[Row]:
    """The rows of plain lines, as landing makes them of those it has to look at."""
    for number, line in enumerate(piece.block.splitlines(), piece.first):
        cells = [cell.decode("utf-8") for cell in line.split(piece.delimiter)]
        if any(cell and not cell.isspace() for cell in cells):
            yield number, cells


def _identity(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    uscc_ok(text)
    assert resident_id_check(normal_code(text)), "every text gets an answer"
    assert not holds_personal_number(mask_text(text)), "no personal number is left readable"


TARGETS: dict[str, Callable[[bytes], None]] = {
    **{form: partial(_reader, form) for form in READERS},
    "identity": _identity,
}
