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

from creditflow.identity.codes import org_code_ok, reg_no_ok
from creditflow.identity.normal import BLANKS, normal_document_no, normal_name
from creditflow.registry import Kind

Part = Callable[[Sequence[str]], str]
"""Reads one part of the key from a row's canonical values; '' when it is absent."""


def key_parts(
    kind: Kind, department: str, position: dict[str, int], uscc_ok: Callable[[str], bool]
) -> tuple[list[Part], set[int]]:
    """The parts of a kind's key, and which of them (by index) must not be blank: the document numbers.

    position: where each canonical column stands in the rows; columns that are not among them are blank.
    """
    parts: list[Part] = []
    needed: set[int] = set()
    for index, name in enumerate(kind.record_key):
        if name == "@department":
            parts.append(_constant(department))
        elif name == "@counterparty":
            parts.append(_counterparty(kind, position, uscc_ok))
        else:
            column = kind.by_name[name]
            if column.type == "document_no":
                needed.add(index)
                parts.append(_document(position.get(name)))
            elif column.person_name:
                parts.append(_name(position.get(name)))
            else:
                parts.append(_text(position.get(name)))
    return parts, needed


def record_key(kind: str, parts: Sequence[str]) -> str:
    """32 hexadecimal digits: the first half of sha256 over kind and parts, joined by |."""
    text = "|".join(parts)
    if text.count("|") != len(parts) - 1:
        text = "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)
    return sha256(f"{kind}|{text}".encode("utf-8", "replace")).hexdigest()[:32]


def _constant(value: str) -> Part:
    def constant(row: Sequence[str]) -> str:
        return value

    return constant


def _document(at: int | None) -> Part:
    return _constant("") if at is None else lambda row: normal_document_no(row[at])


def _name(at: int | None) -> Part:
    return _constant("") if at is None else lambda row: normal_name(row[at])


def _text(at: int | None) -> Part:
    return _constant("") if at is None else lambda row: row[at].strip(BLANKS)


def _counterparty(kind: Kind, position: dict[str, int], uscc_ok: Callable[[str], bool]) -> Part:
    places = {role: position.get(column) for role, column in kind.counterparty.items()}
    uscc, org, reg, tax = (places.get(role) for role in ("uscc", "org_code", "reg_no", "tax_no"))
    name = places.get("name")
    regions = [position[column] for column in ("region_code", "city", "province") if column in position]
    with_region = kind.record_key == ("@counterparty",)

    def weaker(row: Sequence[str]) -> str:
        if org is not None and org_code_ok(row[org]):
            return "org:" + row[org]
        if reg is not None and reg_no_ok(row[reg]):
            return "reg:" + row[reg]
        if tax is not None and len(row[tax]) >= 15 and row[tax].isalnum():
            return "tax:" + row[tax]
        if name is None or not row[name]:
            return ""
        found = "name:" + normal_name(row[name])
        if with_region:
            found += "@" + next((row[at].strip(BLANKS) for at in regions if row[at]), "")
        return found

    if uscc is None:
        return weaker

    def party(row: Sequence[str]) -> str:
        code = row[uscc]
        return code if code and uscc_ok(code) else weaker(row)

    return party
