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
from operator import itemgetter

from creditflow.identity.codes import org_code_ok, reg_no_ok
from creditflow.identity.normal import BLANKS, normal_document_no, normal_name
from creditflow.registry import Kind

Part = Callable[[Sequence[str]], str]
"""Reads one part of the key from a row's canonical values; '' when it is absent."""


def key_maker(
    kind: Kind, department: str, position: dict[str, int], uscc_ok: Callable[[str], bool]
) -> Callable[[Sequence[str], str], str]:
    """A function (row, its content hash) -> record_key.

    position: where each canonical column stands in the rows; columns that are not among them are blank.
    """
    parts: list[Part] = []
    needed: list[int] = []
    for index, name in enumerate(kind.record_key):
        if name == "@department":
            parts.append(_constant(department))
        elif name == "@counterparty":
            parts.append(_counterparty(kind, position, uscc_ok))
        elif name not in position:
            parts.append(_constant(""))
        else:
            column = kind.by_name[name]
            if column.type == "document_no":
                parts.append(_document(position[name]))
            elif column.person_name:
                parts.append(_name(position[name]))
            else:
                parts.append(itemgetter(position[name]) if column.type in _WRITTEN else _text(position[name]))
        if name in kind.by_name and kind.by_name[name].type == "document_no":
            needed.append(index)
    prefix, bars = kind.name + "|", len(parts) - 1

    def key_of(row: Sequence[str], content: str) -> str:
        found = [part(row) for part in parts]
        for at in needed:
            if not found[at]:
                found[at] = "#" + content
        text = "|".join(found)
        if text.count("|") != bars:
            text = "|".join([part.replace("\\", "\\\\").replace("|", "\\|") for part in found])
        return sha256((prefix + text).encode("utf-8", "replace")).hexdigest()[:32]

    return key_of


_WRITTEN = ("uscc", "org_code", "reg_no", "tax_no")


def unreadable_key(kind: Kind, content: str) -> str:
    """The key of a row whose values cannot be told apart: its content."""
    return sha256(f"{kind.name}|#{content}".encode()).hexdigest()[:32]


def _constant(value: str) -> Part:
    def constant(row: Sequence[str]) -> str:
        return value

    return constant


def _document(at: int) -> Part:
    return lambda row: normal_document_no(row[at])


def _name(at: int) -> Part:
    return lambda row: normal_name(row[at])


def _text(at: int) -> Part:
    return lambda row: row[at].strip(BLANKS)


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
