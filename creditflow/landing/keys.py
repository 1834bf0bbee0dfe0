"""Which record a row speaks of: `record_key`, made from the parts that its kind names.

Promises
- The same record has the same key in every delivery, whatever the width, blanks or brackets of its document number,
  and whatever keys are in force: no personal number and no keyed hash goes into it.
- A record without an identifying document number is its own content: rows that cannot be told apart never collapse
  with rows that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from creditflow.identity.codes import org_code_ok, reg_no_ok
from creditflow.identity.normal import BLANKS, normal_document_no, normal_name
from creditflow.registry import Kind

Part = Callable[[Sequence[Any]], str]
"""Reads one part of the key from a row's canonical values; '' when it is absent."""


def key_maker(
    kind: Kind,
    department: str,
    position: dict[str, int],
    uscc_ok: Callable[[str], bool],
    *,
    reg_ok: Callable[[str], bool] = reg_no_ok,
    read: Callable[[Any], str] = str,
) -> Callable[[Sequence[Any], str], str]:
    """A function (row, its content hash) -> record_key.

    position: where each canonical column stands in the rows; columns that are not among them are blank. uscc_ok,
    reg_ok: whether a code identifies somebody. read: makes
    text of a value (rows of bytes bring `bytes.decode`).
    """
    party = _counterparty(kind, position, uscc_ok, reg_ok, read)
    parts: list[Part] = []
    needed: list[int] = []
    for index, name in enumerate(kind.record_key):
        parts.append(_part(kind, department, name, position, party, read))
        if name in kind.by_name and kind.by_name[name].type == "document_no":
            needed.append(index)
    prefix = kind.name + "|"

    def key_of(row: Sequence[Any], content: str) -> str:
        found = [part(row) for part in parts]
        for at in needed:
            if not found[at]:
                found[at] = "#" + content
        return sha256((prefix + record_key_text(found)).encode("utf-8", "replace")).hexdigest()[:32]

    return key_of


def record_key_text(parts: list[str]) -> str:
    """The parts joined by |, so that no two lists of parts give the same text."""
    text = "|".join(parts)
    if text.count("|") != len(parts) - 1:
        text = "|".join([part.replace("\\", "\\\\").replace("|", "\\|") for part in parts])
    return text


def unreadable_key(kind: Kind, content: str) -> str:
    """The key of a row whose values cannot be told apart: its content."""
    return sha256(f"{kind.name}|#{content}".encode()).hexdigest()[:32]


def _part(
    kind: Kind, department: str, name: str, position: dict[str, int], party: Part, read: Callable[[Any], str]
) -> Part:
    if name == "@department":
        return _constant(department)
    if name == "@counterparty":
        return party
    if name not in position:
        return _constant("")
    at, column = position[name], kind.by_name[name]
    if column.type == "document_no":
        return lambda row: normal_document_no(read(row[at]))
    if column.person_name:
        return lambda row: normal_name(read(row[at]))
    if column.type in _WRITTEN:
        return lambda row: read(row[at])
    return lambda row: read(row[at]).strip(BLANKS)


def _constant(value: str) -> Part:
    def constant(row: Sequence[Any]) -> str:
        return value

    return constant


_WRITTEN = ("uscc", "org_code", "reg_no", "tax_no")


def _counterparty(
    kind: Kind,
    position: dict[str, int],
    uscc_ok: Callable[[str], bool],
    reg_ok: Callable[[str], bool],
    read: Callable[[Any], str],
) -> Part:
    places = {role: position.get(column) for role, column in kind.counterparty.items()}
    uscc, org, reg, tax = (places.get(role) for role in ("uscc", "org_code", "reg_no", "tax_no"))
    name = places.get("name")
    regions = [position[column] for column in ("region_code", "city", "province") if column in position]
    with_region = kind.record_key == ("@counterparty",)

    def weaker(row: Sequence[Any]) -> str:
        if org is not None and row[org] and org_code_ok(code := read(row[org])):
            return "org:" + code
        if reg is not None and row[reg] and reg_ok(code := read(row[reg])):
            return "reg:" + code
        if tax is not None and row[tax] and len(code := read(row[tax])) >= 15 and code.isalnum():
            return "tax:" + code
        if name is None or not row[name]:
            return ""
        found = "name:" + normal_name(read(row[name]))
        if with_region:
            found += "@" + next((read(row[at]).strip(BLANKS) for at in regions if row[at]), "")
        return found

    if uscc is None:
        return weaker

    def party(row: Sequence[Any]) -> str:
        if row[uscc]:
            code = read(row[uscc])
            if uscc_ok(code):
                return code
        return weaker(row)

    return party
