"""What all rows of a delivery share: keys, known codes, counts, and how a row says when and what happened to it.

Promises
- Codes that came once are not worked out again; what is remembered is limited, whatever the delivery holds.
- A change time is either read or named as unreadable; it is never guessed.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from creditflow.identity.codes import is_personal, reg_no_ok, uscc_ok
from creditflow.identity.normal import BLANKS, normal_code, parse_date
from creditflow.identity.persons import PersonKeys
from creditflow.landing.amend import Notes
from creditflow.registry import Feed, Kind, Registry

CACHE_LIMIT = 20_000

_person_like = re.compile(
    r"[1-9]\d{5}(?:(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX](?:\d\d)?"
    r"|\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})",
    re.ASCII,
).fullmatch


@dataclass
class Tally:
    """What went through. rows: rows read; undecodable, misfits: rows with that defect."""

    rows: int = 0
    undecodable: int = 0
    misfits: int = 0

    def add(self, other: Tally) -> None:
        """Count what another part of the same delivery counted."""
        self.rows += other.rows
        self.undecodable += other.undecodable
        self.misfits += other.misfits


class CodeBook:
    """Written forms of identifier codes and which are valid, remembered: the same codes come again and again."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._valid: dict[str, bool] = {}

    def normal(self, raw: str) -> str:
        """The written form; '' for a personal number, which must not be stored."""
        if len(self.known) > CACHE_LIMIT:
            self.known.clear()
        found = normal_code(raw)
        if _person_like(found) and (is_personal(found) or (len(found) == 18 and not uscc_ok(found))):
            found = ""
        self.known[raw] = found
        return found

    def valid(self, code: str) -> bool:
        """Whether a written USCC (18 characters) or registration number (13, 15) identifies somebody."""
        found = self._valid.get(code)
        if found is None:
            if len(self._valid) > CACHE_LIMIT:
                self._valid.clear()
            found = self._valid[code] = uscc_ok(code) if len(code) == 18 else reg_no_ok(code)
        return found


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


class Controls:
    """What a row says of itself: operation, change time, sequence."""

    def __init__(self, delivered: Delivered, places: dict[str, int]) -> None:
        self._at, self._zone = delivered.at, delivered.zone
        self.delivered_at = delivered.at.encode()
        self.op_at, self.time_at, self.seq_at = (places.get(name) for name in ("@op", "@version_at", "@version_seq"))
        self._lookup = delivered.feed.lookups.get("@op", {})
        self._flags = delivered.feed.lookup_flags.get("@op", {})
        self._operations: dict[str, tuple[str, str]] = {}
        self._days: set[str] = set()

    def read(self, number: int, cells: list[str], notes: Notes) -> tuple[str, str, int]:
        """(operation, change time as PostgreSQL reads it, sequence) of a row; the delivery's time where it has none."""
        operation, moment, sequence = "I", self._at, number
        if self.op_at is not None:
            raw = cells[self.op_at]
            known = self._operations.get(raw) or self.operation(raw)
            operation = known[0]
            if known[1] == "?":
                notes.defect, notes.detail = "bad_operation", "@op"
            elif known[1]:
                notes.derived.append(known[1])
        if self.time_at is not None:
            raw = cells[self.time_at]
            if raw[:10] in self._days and _clock(raw, 10):
                moment = raw
            elif raw:
                moment = self.moment(raw, notes)
        if self.seq_at is not None:
            raw = cells[self.seq_at]
            if raw.isdecimal() and raw.isascii() and len(raw) <= 18:
                sequence = int(raw)
        return operation, moment, sequence

    def operation(self, raw: str) -> tuple[str, str]:
        """(operation, note); note '?' for a word that is none."""
        word = raw.strip(BLANKS)
        meant = self._lookup.get(word, word.upper() or "I")
        flag = self._flags.get(word)
        answer = (meant, f"@op:{flag}" if flag else "") if meant in ("I", "U", "D", "W", "R") else ("I", "?")
        if len(self._operations) < 1000:
            self._operations[raw] = answer
        return answer

    def moment(self, raw: str, notes: Notes) -> str:
        """Read a change time in full; days that PostgreSQL reads as they stand are remembered."""
        text = raw.strip(BLANKS)
        found = read_moment(text, self._zone)
        if not found:
            notes.derived.append("@version_at:unreadable")
            return self._at
        if _simple_day(raw) and _clock(raw, 10):
            if len(self._days) < CACHE_LIMIT:
                self._days.add(raw[:10])
            return raw
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
