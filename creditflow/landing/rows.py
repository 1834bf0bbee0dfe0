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

import json
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from hashlib import sha256
from itertools import starmap
from typing import cast

from creditflow.identity.masking import mask_text
from creditflow.identity.normal import BLANKS, normal_code
from creditflow.identity.persons import PersonKeys
from creditflow.landing.amend import Notes, amendments
from creditflow.landing.delivered import Controls, Delivered, Tally
from creditflow.landing.keys import key_maker, unreadable_key
from creditflow.landing.layout import lay_out
from creditflow.landing.plain import PlainLane
from creditflow.landing.shared import shared_out
from creditflow.landing.tables import PERSON_PARTS
from creditflow.readers import PlainLines, ReadError, Row, Section

CODE_TYPES = ("uscc", "org_code", "reg_no", "tax_no")
CHUNK_ROWS = 500
ALONE_PIECES = 8
"""How many chunks, or blocks of plain lines, of a section are made before other processes join in: 4 MB of a CSV."""
_SPECIAL = b"\t\\\n\r\0"

_surrogates = re.compile("[\ud800-\udfff]")


LineMaker = Callable[[int, list[str]], bytes]
"""(row number, cells) -> its line"""

_Piece = tuple[int, bytes, bytes] | list[Row]
"""A run of plain lines (number of the first, the lines with their ends, what stands between cells), or rows as text"""


class RowWriter:
    """Turns the rows of one section into COPY lines (text format, NULL ''). columns: theirs, in order."""

    def __init__(self, delivered: Delivered, section: Section) -> None:
        self._delivered = delivered
        self._section = section
        self._tally = Tally()
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
        self._controls = Controls(delivered, layout.controls) if layout.controls else None
        self._amendments = amendments(layout, delivered.registry)
        self._line = self._line_maker()
        self._lane = self._lane_maker()
        self.columns = self._column_names()

    def _column_names(self) -> list[str]:
        names = ["row_no", "version_seq", "record_key", "content_hash"]
        if self._controls is not None:
            names += ["op", "version_at"]
        names += ["defect", "defect_detail", "changes", "extra"]
        for column in self._person_columns:
            names += [f"{column}_{part}" for part in PERSON_PARTS]
        return [*names, *self._layout.names[: self._layout.plain]]

    def chunks(self, processes: int = 1) -> Generator[bytes]:
        """The section's rows as COPY text, some hundred rows at a time, in their order; no chunk is empty.

        processes: how many may share the work of a long section. To be closed when it is not consumed.
        """
        tally = self._delivered.tally
        with closing(shared_out(self._made, self._pieces(), processes, alone=ALONE_PIECES)) as made:
            for chunk, *counts in made:
                tally.add(Tally(*counts))
                if chunk:
                    yield chunk

    def _pieces(self) -> Iterator[_Piece]:
        """Runs of plain lines and, between them, single rows gathered; rows before a reading fault are not lost."""
        rows: list[Row] = []
        try:
            for piece in self._section.rows if self._section.pieces is None else self._section.pieces:
                if isinstance(piece, PlainLines):
                    if rows:
                        yield rows
                        rows = []
                    yield piece.first, piece.block, piece.delimiter
                    continue
                rows.append(piece)
                if len(rows) >= CHUNK_ROWS:
                    yield rows
                    rows = []
        except ReadError as problem:
            if rows:
                yield rows
            raise problem
        if rows:
            yield rows

    def _made(self, piece: _Piece) -> tuple[bytes, int, int, int]:
        """(the COPY text of a piece, what `Tally` counts of it)."""
        self._tally = Tally()
        lines = self._plain(*piece) if isinstance(piece, tuple) else list(starmap(self._text, piece))
        return b"\n".join([*filter(None, lines), b""]), self._tally.rows, self._tally.undecodable, self._tally.misfits

    def _text(self, number: int, cells: list[str]) -> bytes:
        """A row of text."""
        self._tally.rows += 1
        return self._line(number, cells) if len(cells) == self._layout.width else self._misfit(number, cells)

    def _plain(self, first: int, block: bytes, delimiter: bytes) -> list[bytes]:
        """A run of plain lines: ordinary ones on the short way, the others as text like any row."""
        made = self._lane.lines(first, block, delimiter) if self._lane is not None else [None] * len(block.splitlines())
        left = made.count(None)
        self._tally.rows += len(made) - left
        if left:
            for at, line in enumerate(block.splitlines()):
                if made[at] is None:
                    cells = [cell.decode("utf-8") for cell in line.split(delimiter)]
                    blank = not any(cell and not cell.isspace() for cell in cells)
                    made[at] = b"" if blank else self._text(first + at, cells)
        return cast("list[bytes]", made)

    def _lane_maker(self) -> PlainLane | None:
        if self._section.pieces is None or not PlainLane.suits(self._layout):
            return None
        places = [at for at, _ in self._codes]
        return PlainLane(self._layout, self._delivered, places, self._persons, self._controls)

    def _line_maker(self) -> LineMaker:
        """The function that turns one fitting row into its line, with everything it needs at hand."""
        delivered, layout = self._delivered, self._layout
        keys, codes = delivered.keys, delivered.codes
        tail, pick, plain = layout.tail, layout.pick, layout.plain
        tabs = plain - 1
        steps, places, persons, controls = self._amendments, self._codes, self._persons, self._controls
        text_position = {name: at for name, at in layout.position.items() if at < plain}
        key_of = key_maker(delivered.kind, delivered.feed.department, text_position, codes.valid, reg_ok=codes.valid)
        known = codes.known
        notes = Notes()
        nobody, no_marks = "\t\t\t" * len(persons), b"\0" + b"-" * len(persons)

        def line(number: int, cells: list[str]) -> bytes:
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
            try:
                data = "\t".join(row[:plain]).encode()
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
            if notes.any():
                head = f"{head}{_remember(notes)}{people}"
                notes.forget()
                return head.encode("utf-8", "replace") + data
            return f"{head}\t\t\t\t{people}".encode() + data

        return line

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
        self._tally.undecodable += 1
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
        self._tally.misfits += 1
        notes = Notes(defect="column_count", detail=f"{len(cells)} / {layout.width}")
        notes.extra["@cells"] = [mask_text(cell[:200]) for cell in cells[:60]]
        content = sha256("\t".join(cells).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        key = unreadable_key(delivered.kind, content)
        control = f"I\t{delivered.at}\t" if self._controls is not None else ""
        blanks = "\t\t\t" * len(self._persons) + "\t" * (layout.plain - 1)
        return f"{number}\t{number}\t{key}\t{content}\t{control}{_remember(notes)}{blanks}".encode("utf-8", "replace")


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
