"""Rows as a reader yields them -> lines of COPY for the work table: the hot path of a backfill.

Promises
- One pass, no look back: memory holds one chunk of lines. What is the same for every row of a section (which cell goes
  where, which lookups, constants and derivations apply) is settled once; a row costs what it needs.
- Nothing is altered but identifier codes (written form) and what the feed declares; what came in differently is kept
  in `changes`, what was filled in is named in extra '@derived'.
- Personal numbers leave here hashed and encrypted, or not at all.
- A row that cannot be taken as it is becomes a row with a `defect`: nothing is dropped.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from zoneinfo import ZoneInfo

from creditflow.identity.codes import is_personal, uscc_ok
from creditflow.identity.masking import mask_text
from creditflow.identity.normal import BLANKS, normal_code, parse_date
from creditflow.identity.persons import PersonKeys
from creditflow.landing.amend import Notes, amendments
from creditflow.landing.keys import key_maker, unreadable_key
from creditflow.landing.layout import lay_out
from creditflow.landing.tables import PERSON_PARTS
from creditflow.readers import Section
from creditflow.registry import Feed, Kind, Registry

CODE_TYPES = ("uscc", "org_code", "reg_no", "tax_no")
CHUNK_ROWS = 500
_CACHE_LIMIT = 20_000
_SPECIAL = b"\t\\\n\r\0"

_person_like = re.compile(
    r"[1-9]\d{5}(?:(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX](?:\d\d)?"
    r"|\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})",
    re.ASCII,
).fullmatch
_surrogates = re.compile("[\ud800-\udfff]")


@dataclass
class Tally:
    """What went through. rows: rows read; undecodable, misfits: rows with that defect."""

    rows: int = 0
    undecodable: int = 0
    misfits: int = 0


@dataclass(frozen=True)
class Delivered:
    """What all sections of a batch share. at: the delivery's own time as timestamptz text; zone: business time."""

    registry: Registry
    feed: Feed
    kind: Kind
    keys: PersonKeys
    codes: CodeBook
    tally: Tally
    at: str
    zone: ZoneInfo


class CodeBook:
    """Written forms of identifier codes and which USCCs are valid, remembered: the same codes come again and again."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._valid: dict[str, bool] = {}

    def normal(self, raw: str) -> str:
        """The written form; '' for a personal number, which must not be stored."""
        if len(self.known) > _CACHE_LIMIT:
            self.known.clear()
        found = normal_code(raw)
        if _person_like(found) and (is_personal(found) or (len(found) == 18 and not uscc_ok(found))):
            found = ""
        self.known[raw] = found
        return found

    def uscc_ok(self, code: str) -> bool:
        """Whether a written USCC identifies somebody."""
        found = self._valid.get(code)
        if found is None:
            if len(self._valid) > _CACHE_LIMIT:
                self._valid.clear()
            found = self._valid[code] = uscc_ok(code)
        return found


class RowWriter:
    """Turns the rows of one section into COPY lines (text format, NULL ''). columns: theirs, in order."""

    def __init__(self, delivered: Delivered, section: Section) -> None:
        self._delivered = delivered
        self._section = section
        self._layout = layout = lay_out(delivered.feed, delivered.kind, section)
        position = layout.position
        self._persons = [
            (position[c.name], position.get(f"{c.name.removesuffix('_no')}_type"))
            for c in delivered.kind.columns
            if c.type == "person_id" and layout.reachable(c.name)
        ]
        self._person_columns = [layout.names[at] for at, _ in self._persons]
        self._codes = [
            (position[c.name], c.name)
            for c in delivered.kind.columns
            if c.type in CODE_TYPES and layout.reachable(c.name)
        ]
        self._controls = _Controls(delivered, layout.controls) if layout.controls else None
        self.columns = self._column_names()

    def _column_names(self) -> list[str]:
        names = ["row_no", "version_seq", "record_key", "content_hash"]
        if self._controls is not None:
            names += ["op", "version_at"]
        names += ["defect", "defect_detail", "changes", "extra"]
        for column in self._person_columns:
            names += [f"{column}_{part}" for part in PERSON_PARTS]
        return [*names, *self._layout.names[: self._layout.plain]]

    def chunks(self) -> Iterator[bytes]:
        """The section's rows as COPY text, some hundred rows at a time."""
        delivered, layout = self._delivered, self._layout
        tally, keys, codes = delivered.tally, delivered.keys, delivered.codes
        width, tail, pick, plain = layout.width, layout.tail, layout.pick, layout.plain
        tabs = plain - 1
        steps, places, persons, controls = (
            amendments(layout, delivered.registry),
            self._codes,
            self._persons,
            self._controls,
        )
        text_position = {name: at for name, at in layout.position.items() if at < plain}
        key_of = key_maker(delivered.kind, delivered.feed.department, text_position, codes.uscc_ok)
        known = codes.known
        notes = Notes()
        nobody, no_marks = "\t\t\t" * len(persons), b"\0" + b"-" * len(persons)
        lines: list[bytes] = []
        for number, cells in self._section.rows:
            tally.rows += 1
            if len(cells) != width:
                lines.append(self._misfit(number, cells))
                continue
            cells += tail
            row = list(pick(cells))
            for step in steps:
                step(row, cells, notes)
            for at, name in places:
                raw = row[at]
                if raw:
                    code = known.get(raw)
                    if code is None:
                        code = codes.normal(raw)
                    if code != raw:
                        row[at] = _changed(name, raw, code, notes)
            people, marks = nobody, no_marks
            for at, _ in persons:
                if row[at]:
                    people, marks = self._protect(row, keys)
                    break
            values = row[:plain]
            try:
                data = "\t".join(values).encode()
            except UnicodeEncodeError:
                data = self._undecodable(row, notes)
            if len(data) - len(data.translate(None, _SPECIAL)) != tabs:
                data = self._escaped(row, notes)
            content = sha256(data + marks).hexdigest()[:32]
            key = key_of(row, content)
            if controls is None:
                head = f"{number}\t{number}\t{key}\t{content}\t"
            else:
                op, moment, sequence = controls.read(number, cells, notes)
                if op in "DWR":
                    content = sha256(data + marks + op.encode()).hexdigest()[:32]
                head = f"{number}\t{sequence}\t{key}\t{content}\t{op}\t{moment}\t"
            if notes.changes or notes.derived or notes.extra or notes.defect:
                lines.append(f"{head}{_remember(notes)}{people}".encode("utf-8", "replace") + data + b"\n")
                notes.forget()
            else:
                lines.append(f"{head}\t\t\t\t{people}".encode() + data + b"\n")
            if len(lines) >= CHUNK_ROWS:
                yield b"".join(lines)
                lines.clear()
        if lines:
            yield b"".join(lines)

    # --- rows that need more ---------------------------------------------------------------------------------------

    def _protect(self, row: list[str], keys: PersonKeys) -> tuple[str, bytes]:
        """(the person columns as COPY text, the marks that stand for the numbers in the content hash)."""
        text, marks = "", b"\0"
        for at, type_at in self._persons:
            if row[at]:
                kept = keys.protect(row[at], row[type_at] if type_at is not None else None)
                text += f"{kept.hash or ''}\t{kept.cipher or ''}\t{kept.check}\t"
                marks += b"%c" % kept.mark
            else:
                text += "\t\t\t"
                marks += b"-"
        return text, marks

    def _undecodable(self, row: list[str], notes: Notes) -> bytes:
        """Bytes that were no text become U+FFFD, and the row says so."""
        plain = self._layout.plain
        self._delivered.tally.undecodable += 1
        damaged = [
            name for name, value in zip(self._layout.names, row[:plain], strict=False) if _surrogates.search(value)
        ]
        notes.defect, notes.detail = "undecodable", ", ".join(damaged)
        row[:plain] = [_surrogates.sub("\ufffd", value) for value in row[:plain]]
        return "\t".join(row[:plain]).encode()

    def _escaped(self, row: list[str], notes: Notes) -> bytes:
        """Values with characters that COPY gives a meaning; NUL, which no text can hold, becomes U+FFFD."""
        plain = self._layout.plain
        damaged = [name for name, value in zip(self._layout.names, row[:plain], strict=False) if "\0" in value]
        if damaged:
            notes.defect, notes.detail = "nul_character", ", ".join(damaged)
            row[:plain] = [value.replace("\0", "\ufffd") for value in row[:plain]]
        return "\t".join(map(_escape, row[:plain])).encode()

    def _misfit(self, number: int, cells: list[str]) -> bytes:
        """A row with another number of cells than the headings: which value belongs where is not known."""
        delivered, layout = self._delivered, self._layout
        delivered.tally.misfits += 1
        notes = Notes(defect="column_count", detail=f"{len(cells)} / {layout.width}")
        notes.extra["@cells"] = [mask_text(cell[:200]) for cell in cells[:60]]
        content = sha256("\t".join(cells).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        key = unreadable_key(delivered.kind, content)
        control = f"I\t{delivered.at}\t" if self._controls is not None else ""
        blanks = "\t\t\t" * len(self._persons) + "\t" * (layout.plain - 1)
        return f"{number}\t{number}\t{key}\t{content}\t{control}{_remember(notes)}{blanks}\n".encode("utf-8", "replace")


class _Controls:
    """What a row says of itself: operation, change time, sequence."""

    def __init__(self, delivered: Delivered, places: dict[str, int]) -> None:
        self._at, self._zone = delivered.at, delivered.zone
        self._op, self._time, self._seq = (places.get(name) for name in ("@op", "@version_at", "@version_seq"))
        self._lookup = delivered.feed.lookups.get("@op", {})
        self._flags = delivered.feed.lookup_flags.get("@op", {})
        self._operations: dict[str, tuple[str, str]] = {}
        self._days: set[str] = set()

    def read(self, number: int, cells: list[str], notes: Notes) -> tuple[str, str, int]:
        """(operation, change time as PostgreSQL reads it, sequence) of a row; the delivery's time where it has none."""
        operation, moment, sequence = "I", self._at, number
        if self._op is not None:
            raw = cells[self._op]
            known = self._operations.get(raw) or self._operation(raw)
            operation = known[0]
            if known[1] == "?":
                notes.defect, notes.detail = "bad_operation", "@op"
            elif known[1]:
                notes.derived.append(known[1])
        if self._time is not None:
            raw = cells[self._time]
            if raw[:10] in self._days and _clock(raw, 10):
                moment = raw
            elif raw:
                moment = self._moment(raw, notes)
        if self._seq is not None:
            raw = cells[self._seq]
            if raw.isdecimal() and raw.isascii() and len(raw) <= 18:
                sequence = int(raw)
        return operation, moment, sequence

    def _operation(self, raw: str) -> tuple[str, str]:
        """(operation, note); note '?' for a word that is none."""
        word = raw.strip(BLANKS)
        meant = self._lookup.get(word, word.upper() or "I")
        flag = self._flags.get(word)
        answer = (meant, f"@op:{flag}" if flag else "") if meant in ("I", "U", "D", "W", "R") else ("I", "?")
        if len(self._operations) < 1000:
            self._operations[raw] = answer
        return answer

    def _moment(self, raw: str, notes: Notes) -> str:
        """Read a change time in full; days that PostgreSQL reads as they stand are remembered."""
        text = raw.strip(BLANKS)
        found = read_moment(text, self._zone)
        if not found:
            notes.derived.append("@version_at:unreadable")
            return self._at
        if _simple_day(raw) and len(self._days) < _CACHE_LIMIT:
            self._days.add(raw[:10])
        return found


_simple_day = re.compile(r"\d{4}-\d\d-\d\d[ T]", re.ASCII).match
_clock = re.compile(r"[ T](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?", re.ASCII).fullmatch
_compact = re.compile(r"\d{14}|\d{12}|\d{8}", re.ASCII).fullmatch


def read_moment(text: str, zone: ZoneInfo) -> str:
    """A change time as PostgreSQL reads it, with its offset; '' when the text is none.

    Accepts ISO forms with - or /, YYYYMMDD[HHMM[SS]], dates alone (midnight), times without zone in business time.
    """
    plain = text.replace("/", "-")
    try:
        if _compact(plain):
            clock = f"{plain[8:10] or '00'}:{plain[10:12] or '00'}:{plain[12:] or '00'}"
            plain = f"{plain[:4]}-{plain[4:6]}-{plain[6:8]} {clock}"
        moment = dt.datetime.fromisoformat(plain)
    except ValueError:
        day = parse_date(text)
        if day is None:
            return ""
        moment = dt.datetime.combine(day, dt.time(), zone)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.isoformat() if 1900 <= moment.year <= 2200 else ""


def _changed(column: str, raw: str, code: str, notes: Notes) -> str:
    """What is stored for a code that was not in its written form, and what is remembered of it."""
    if not code and normal_code(raw):
        notes.changes[column] = "******"
        notes.derived.append(f"{column}:personal_number_removed")
    elif raw.strip(BLANKS) != code:
        notes.changes[column] = raw
    return code


def _remember(notes: Notes) -> str:
    """defect, defect_detail, changes and extra as COPY text."""
    extra = {**notes.extra, "@derived": notes.derived} if notes.derived else notes.extra
    return f"{notes.defect}\t{_escape(notes.detail)}\t{_json(notes.changes)}\t{_json(extra)}\t"


def _json(value: object) -> str:
    """JSON as COPY text, '' for nothing; NUL and half characters, which PostgreSQL refuses in JSON, become U+FFFD."""
    if not value:
        return ""
    text = _surrogates.sub("\ufffd", json.dumps(value, ensure_ascii=False))
    return _escape(re.sub(r"(?<!\\)((?:\\\\)*)\\u0000", "\\1\ufffd", text))


def _escape(text: str) -> str:
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\t" in text or "\n" in text or "\r" in text:
        text = text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text
