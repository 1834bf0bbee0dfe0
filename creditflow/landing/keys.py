"""Which record a row speaks of: `record_key`, made from the parts that its kind names.

Promises
- The same record has the same key in every delivery, whatever the width, blanks or brackets of its document number,
  and whatever keys are in force: no personal number and no keyed hash goes into it.
- A record without an identifying document number is its own content: rows that cannot be told apart never collapse
  with rows that differ.
"""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import Protocol

import numpy as np

from creditflow.identity.codes import org_code_ok, reg_no_ok
from creditflow.identity.normal import BLANKS, normal_document_no, normal_name
from creditflow.registry import Kind

Part = Callable[[Sequence[str]], str]
"""Reads one part of the key from a row's canonical values; '' when it is absent."""


def key_maker(
    kind: Kind,
    department: str,
    position: dict[str, int],
    uscc_ok: Callable[[str], bool],
    *,
    reg_ok: Callable[[str], bool] = reg_no_ok,
) -> Callable[[Sequence[str], str], str]:
    """A function (row, its content hash) -> record_key.

    position: where each canonical column stands in the rows; columns that are not among them are blank. uscc_ok,
    reg_ok: whether a code identifies somebody.
    """
    party = _counterparty(kind, position, uscc_ok, reg_ok)
    parts = [_part(kind, department, name, position, party) for name in kind.record_key]
    needed = _needed(kind)
    prefix = kind.name + "|"

    def key_of(row: Sequence[str], content: str) -> str:
        found = [part(row) for part in parts]
        for at in needed:
            if not found[at]:
                found[at] = "#" + content
        return sha256((prefix + record_key_text(found)).encode("utf-8", "replace")).hexdigest()[:32]

    return key_of


class Rows(Protocol):
    """Some rows, as UTF-8 without NUL, by the places of their values."""

    def column(self, place: int, /) -> Sequence[bytes]:
        """A value of every row."""

    def cell(self, place: int, row: int, /) -> bytes:
        """A value of one row."""


def keys_maker(
    kind: Kind, department: str, position: dict[str, int], identifying: Collection[bytes], valid: Callable[[str], bool]
) -> Callable[[Rows, Sequence[bytes]], list[bytes]]:
    """What `key_maker` says, for many rows at once: a function (rows, their content hashes) -> record keys.

    valid: whether a code identifies somebody, by USCC or registration number alike. identifying: codes of which that is
    known.
    """
    weaker = _weaker(kind, position, valid)
    uscc = position.get(kind.counterparty.get("uscc", ""))
    needed = _needed(kind)
    prefix = kind.name.encode()

    def party(rows: Rows, row: int, code: bytes) -> bytes:
        """Who one row is about."""
        if code and valid(code.decode()):
            return code
        return weaker(lambda place: rows.cell(place, row).decode()).encode()

    def part(name: str, rows: Rows, count: int) -> Sequence[bytes]:
        if name == "@counterparty":
            codes = [b""] * count if uscc is None else rows.column(uscc)
            return [code if code in identifying else party(rows, row, code) for row, code in enumerate(codes)]
        if name == "@department" or name not in position:
            return [department.encode() if name == "@department" else b""] * count
        return _values(_reading(kind, name), rows.column(position[name]))

    def keys_of(rows: Rows, contents: Sequence[bytes]) -> list[bytes]:
        parts = [part(name, rows, len(contents)) for name in kind.record_key]
        for at in needed:
            if not all(parts[at]):
                parts[at] = [value or b"#" + content for value, content in zip(parts[at], contents, strict=True)]
        texts = list(map(b"|".join, zip([prefix] * len(contents), *parts, strict=True)))
        signs = np.frombuffer(b"".join(texts), dtype=np.uint8)
        if np.count_nonzero(signs == ord("|")) != len(texts) * len(parts):
            texts = [
                b"%b|%b" % (prefix, record_key_text(list(map(bytes.decode, found))).encode())
                for found in zip(*parts, strict=True)
            ]
        return hashes(texts)

    return keys_of


def hashes(texts: Sequence[bytes]) -> list[bytes]:
    """The first half of each text's SHA-256, in hexadecimal."""
    digits = hexlify(b"".join([sha256(text).digest() for text in texts]))
    return [digits[at : at + 32] for at in range(0, len(digits), 64)]


def _needed(kind: Kind) -> list[int]:
    """Which parts a record cannot be told by when they are blank: document numbers."""
    return [
        index
        for index, name in enumerate(kind.record_key)
        if name in kind.by_name and kind.by_name[name].type == "document_no"
    ]


def _values(reading: Callable[[str], str], column: Sequence[bytes]) -> Sequence[bytes]:
    """A column as a part of keys. No reading touches NUL, so one pass over the joined values mostly shows that nothing
    is to be done."""
    if reading is _as_written:
        return column
    if reading is _trimmed:
        known = {value: _trimmed(value.decode()).encode() for value in set(column)}
        return [known[value] for value in column]
    text = b"\0".join(column).decode()
    read = reading(text)
    return column if read is text else read.encode().split(b"\0")


def record_key_text(parts: list[str]) -> str:
    """The parts joined by |, so that no two lists of parts give the same text."""
    text = "|".join(parts)
    if text.count("|") != len(parts) - 1:
        text = "|".join([part.replace("\\", "\\\\").replace("|", "\\|") for part in parts])
    return text


def unreadable_key(kind: Kind, content: str) -> str:
    """The key of a row whose values cannot be told apart: its content."""
    return sha256(f"{kind.name}|#{content}".encode()).hexdigest()[:32]


def _part(kind: Kind, department: str, name: str, position: dict[str, int], party: Part) -> Part:
    if name == "@department":
        return _constant(department)
    if name == "@counterparty":
        return party
    if name not in position:
        return _constant("")
    at, reading = position[name], _reading(kind, name)
    return lambda row: reading(row[at])


def _constant(value: str) -> Part:
    def constant(row: Sequence[str]) -> str:
        return value

    return constant


def _reading(kind: Kind, name: str) -> Callable[[str], str]:
    """How the value of a column stands in a key."""
    column = kind.by_name[name]
    if column.type == "document_no":
        return normal_document_no
    if column.person_name:
        return normal_name
    return _as_written if column.type in _WRITTEN else _trimmed


def _as_written(text: str) -> str:
    return text


def _trimmed(text: str) -> str:
    return text.strip(BLANKS)


_WRITTEN = ("uscc", "org_code", "reg_no", "tax_no")


def _counterparty(
    kind: Kind, position: dict[str, int], uscc_ok: Callable[[str], bool], reg_ok: Callable[[str], bool]
) -> Part:
    weaker = _weaker(kind, position, reg_ok)
    uscc = position.get(kind.counterparty.get("uscc", ""))

    def party(row: Sequence[str]) -> str:
        code = "" if uscc is None else row[uscc]
        return code if code and uscc_ok(code) else weaker(row.__getitem__)

    return party


def _weaker(
    kind: Kind, position: dict[str, int], reg_ok: Callable[[str], bool]
) -> Callable[[Callable[[int], str]], str]:
    """Who a row is about when no USCC says it: a function of what gives the row's values by their place."""
    places = {role: position.get(column) for role, column in kind.counterparty.items()}
    org, reg, tax, name = (places.get(role) for role in ("org_code", "reg_no", "tax_no", "name"))
    regions = [position[column] for column in ("region_code", "city", "province") if column in position]
    with_region = kind.record_key == ("@counterparty",)

    def weaker(value: Callable[[int], str]) -> str:
        if org is not None and org_code_ok(code := value(org)):
            return "org:" + code
        if reg is not None and reg_ok(code := value(reg)):
            return "reg:" + code
        if tax is not None and len(code := value(tax)) >= 15 and code.isalnum():
            return "tax:" + code
        if name is None or not (text := value(name)):
            return ""
        found = "name:" + normal_name(text)
        if with_region:
            found += "@" + next((region.strip(BLANKS) for region in map(value, regions) if region), "")
        return found

    return weaker
