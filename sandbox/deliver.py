"""A night's deliveries: what became ready since the last one, spoiled a little, written the way each department sends.

`deliver(home, upto)` plays every day up to and including `upto` once. The first time the baseline day brings one delivery
per feed with the backlog of the seeded years (registers in full, arrears as they stand); after it each working day brings
what is due by the department's rhythm. A feed's state is written after its delivery: a killed run makes the same one again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from sandbox import days, exchange
from sandbox.description import HERE, Department, Feed, departments, layouts
from sandbox.faults import (
    Fault,
    copies_of,
    corrected,
    extra_cells,
    inject,
    later_changes,
    out_of_scope,
    register_faults,
    reuse_numbers,
    typed_oddly,
)
from sandbox.formats import (
    CsvFile,
    HtmlTable,
    Lines,
    OldWorkbook,
    Spool,
    Workbook,
    Writer,
    XmlFile,
    carries_operations,
    headings,
    values,
)
from sandbox.ledger import Ledger
from sandbox.plan import DECISIONS, Events, Planner
from sandbox.records import Rows, fill, joined, pool, render, render_arrears, render_zero
from sandbox.store import FeedState, Seed, Store, write
from sandbox.world import make

LOT = 50_000
_KEPT_FOR_CORRECTION = 150
_KEPT_FOR_CHANGE = 20
Say = Callable[[str], None]


@cache
def batch_faults() -> dict[tuple[str, str, int], dict[str, Any]]:
    """Planned faults of whole deliveries by department, feed and number of the delivery."""
    loaded = yaml.safe_load((HERE / "batch_faults.yml").read_text("utf-8"))
    return {(f["dept"], f["feed"], f["nth"]): f for f in loaded}


def due(cadence: str, day: int) -> bool:
    """Whether a department of this rhythm sends on a day: hourly always, daily on working days, weekly on the first working
    day from Friday on, monthly from the 25th on (quarterly and yearly in the last month of the period)."""
    if cadence == "hourly":
        return True
    if not days.is_workday(day):
        return False
    if cadence == "daily":
        return True
    date = days.date(day)
    if cadence in ("weekly", "as_needed"):
        anchor = day - (date.weekday() - 4) % 7
    else:
        month_end = {"monthly": 1, "quarterly": 3, "yearly": 12}[cadence]
        anchor_date = (
            date.replace(day=25) if date.day >= 25 else (date.replace(day=1) - dt.timedelta(days=1)).replace(day=25)
        )
        if anchor_date.month % month_end:
            return False
        anchor = days.number(anchor_date)
    return not any(days.is_workday(d) for d in range(anchor, day))


class Night:
    """One run of `deliver`."""

    def __init__(self, store: Store, seed: Seed, say: Say, batch_faults_on: bool, everybody: bool) -> None:
        self.store, self.seed, self.say = store, seed, say
        self.home = store.home
        self.world = make(seed.seed, seed.scale, seed.day)
        self.planner = Planner(self.world, seed.scale, seed.years)
        self.ledger = Ledger(self.home)
        self.baseline = days.number(seed.day)
        self.batch_faults_on, self.everybody = batch_faults_on, everybody
        self.rows = 0
        self.deliveries = 0

    def day(self, day: int) -> None:
        """Everything that is due on a day."""
        for dept in departments().values():
            first = day == self.baseline
            if not first and not self.everybody and not due(dept.cadence, day):
                continue
            sent = 0
            for feed in dept.feeds.values():
                state = self.store.feed(feed.id)
                if state.number and state.through >= day:
                    sent += 1
                    continue
                sent += self._feed(dept, feed, state, day, first)
            if not sent and not dept.rare and not dept.external:
                self._filler(dept, day)

    # what a delivery holds

    def _lots(
        self, dept: Department, feed: Feed, state: FeedState, day: int, first: bool
    ) -> Iterator[tuple[str, Rows, npt.NDArray[np.bool_]]]:
        """Clean rows in lots, each with a name for its random numbers and a mask of rows out of scope."""
        after = self.baseline - 365 * self.seed.years if first else state.through
        nothing = np.zeros(0, dtype=bool)
        if feed.kind == "zero_declaration":
            declared = self._zero_months(dept, after, day)
            if declared:
                yield "zero", render_zero(feed, declared), np.zeros(len(declared), dtype=bool)
            return
        if feed.kind == "arrears":
            every = dept.texts["arrears"]["every"]
            if first or self.everybody or due(every, day):
                rows = render_arrears(self.planner, feed, day)
                if "out_of_scope" in dept.texts:
                    rows, mask = self._persons_among(feed, rows, day)
                else:
                    mask = np.zeros(len(rows), dtype=bool)
                yield f"snapshot {day}", rows, mask
            return
        if first and feed.kind == "registration":
            entities = self.planner.baseline_entities.get(dept.code, nothing.astype(np.int64))
            for start in range(0, len(entities), LOT):
                part = entities[start : start + LOT]
                yield (
                    f"baseline {start}",
                    render(self.planner, feed, self._entries(part), day),
                    np.zeros(len(part), dtype=bool),
                )
        for events in self.planner.slice(feed, after, day):
            for start in range(0, len(events), LOT):
                lot = events.take(slice(start, start + LOT))
                name = f"{after} {int(lot.ready[0])} {start}"
                lot, mask = out_of_scope(self.planner, feed, lot, self.planner.rng("scope", feed.id, name))
                rows = render(self.planner, feed, lot, day)
                if feed.kind == "registration":
                    fresh = self.world.registered[np.minimum(lot.subject, len(self.world) - 1)] > self.baseline
                    rows.op[:] = np.where(fresh, "I", "U")
                yield name, rows, mask

    def _entries(self, entity: npt.NDArray[np.int64]) -> Events:
        """The register as it stood when the backlog begins, entry by entry."""
        n = len(entity)
        here = np.minimum(entity, len(self.world) - 1)
        start = self.baseline - 365 * self.seed.years
        ready = np.maximum(np.where(entity < len(self.world), self.world.registered[here], start), start)
        zero = np.zeros(n, dtype=np.int64)
        return Events(
            ready,
            ready,
            zero + 30_600,
            entity,
            zero,
            np.arange(n) + 1,
            days.years(ready),
            (entity * 2_654_435_761) % (1 << 31),
            zero - 1,
        )

    def _persons_among(self, feed: Feed, rows: Rows, day: int) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """Accounts of persons in a list of debtors that should only hold employers."""
        rng = self.planner.rng("scope", feed.id, day)
        mask = rng.random(len(rows)) < departments()[feed.dept].texts["out_of_scope"][feed.kind]
        person = rng.integers(0, self.world.persons, int(mask.sum()))
        rows.subject[mask] = -1 - person
        rows.columns["subject_name"][mask] = self.world.person_name(person)
        rows.columns["subject_type"][mask] = "自然人"
        for column in (
            "subject_uscc",
            "subject_org_code",
            "subject_reg_no",
            "taxpayer_no",
            "legal_representative_name",
        ):
            rows.columns[column][mask] = ""
        return rows, mask

    def _zero_months(self, dept: Department, after: int, day: int) -> list[tuple[str, int, int]]:
        """Months without a decision, declared on the third of the next month: (kind, month, day); some forget."""
        made = []
        for kind in (k for k in ("permit", "penalty", "list_entry") if k in dept.feeds):
            feed = dept.feeds[kind]
            first_month = int(days.months(np.array([after + 1]))[0]) - 1
            last_month = int(days.months(np.array([day]))[0])
            busy: set[int] = set()
            for events in self.planner.slice(feed, max(after - 70, self.baseline - 365 * self.seed.years), day):
                busy |= set(np.unique(days.months(events.day)).tolist())
            for month in range(first_month, last_month):
                declared = int((np.datetime64(month + 1, "M").astype("datetime64[D]")).astype(np.int64)) + 2
                if not after < declared <= day or month in busy:
                    continue
                if dept.texts.get("zero") == "patchy" and zlib.crc32(f"{dept.code}{kind}{month}".encode()) % 5 < 2:
                    self._forgotten(dept, feed, month, declared)
                    continue
                made.append((kind, month, declared))
        return sorted(made, key=lambda m: (m[2], m[0]))

    def _forgotten(self, dept: Department, feed: Feed, month: int, declared: int) -> None:
        """Write down that a month's zero declaration never comes. It is owed for permits and penalties only."""
        if feed.kind not in DECISIONS:
            return
        name = str(np.datetime64(month, "M"))
        line = [dept.code, feed.kind, name, days.date(declared).isoformat(), "zero_declaration_forgotten", "issue", ""]
        self.ledger.part("batches", f"{feed.id}.{name}", [line])

    # one delivery

    def _feed(self, dept: Department, feed: Feed, state: FeedState, day: int, first: bool) -> int:
        lots = self._lots(dept, feed, state, day, first)
        return self._send(dept, feed, state, day, lots, first)

    def _filler(self, dept: Department, day: int) -> None:
        """A body with something to do every week does not send an empty envelope: one to three records of its main feed."""
        feed = max(
            (f for f in dept.feeds.values() if f.kind not in ("zero_declaration", "arrears", "registration")),
            key=lambda f: f.rows,
        )
        state = self.store.feed(feed.id)
        events = self.planner.year_of(feed, 60)
        start = (day - self.baseline) * 3 % max(len(events) - 3, 1)
        lot = events.take(slice(start, start + 1 + day % 3))
        ready = np.full(len(lot), day)
        decided = days.workdays_before(ready, np.full(len(lot), dept.lag))
        number = (day - self.baseline) * 10 + np.arange(len(lot)) + 9 * 10 ** len(str(len(events)))
        lot = replace(lot, ready=ready, day=decided, year=days.years(decided), serial=number)
        self._send(
            dept,
            feed,
            state,
            day,
            iter([("filler", render(self.planner, feed, lot, day), np.zeros(len(lot), dtype=bool))]),
            False,
        )

    def _send(
        self,
        dept: Department,
        feed: Feed,
        state: FeedState,
        day: int,
        lots: Iterator[tuple[str, Rows, npt.NDArray[np.bool_]]],
        first: bool,
    ) -> int:
        number = state.number + 1
        operations = carries_operations(dept, feed)
        forbidden = feed.kind in dept.texts.get("forbidden", {}) and (dept.channel == "frontend_db" or number % 2 == 1)
        delivery = self._delivery_name(dept, feed, day, number)
        extra = self._second_thoughts(feed, state, day, operations) if not first else []
        healed = self._heal(dept, feed, state, day)
        writer: Writer | None = None
        target: Path | None = None
        row = 0
        faulty: list[list[object]] = []
        near: list[list[object]] = []
        subjects: list[npt.NDArray[np.int64]] = []
        pending = list(state.pending)
        sample = list(state.sample)
        for name, rows, lawful in self._with_extras(lots, extra):
            notes, before, rows, blocked, superseded = self._spoil(dept, feed, rows, lawful, name, day, operations)
            if writer is None:
                writer, target = self._open(dept, feed, state, day, number, forbidden, operations)
                planned = self._planned(dept, feed, number)
                moved = len(_titles(dept)) if planned and planned["fault"] == "header_moved" else 0
                first_row = writer.first_row + moved
            table: Iterable[tuple[str, ...]] = zip(*values(dept, feed, rows, forbidden), strict=True)
            broken = {note.row for note in notes if note.type == "extra_cell"}
            if broken:
                table = ((*r[:3], "（另附）", *r[3:]) if i in broken else r for i, r in enumerate(table))
            writer.add(table, rows.op.tolist(), rows.updated.tolist())
            faulty += self._fault_lines(dept, feed, delivery, rows, notes, row, first_row, state.next_seq)
            near += self._near_lines(dept, feed, delivery, rows, blocked, row, first_row, state.next_seq)
            subjects.append(rows.subject)
            row += len(rows)
            if feed.kind not in ("arrears", "zero_declaration", "registration"):
                kept = sorted(before)[: max(0, _KEPT_FOR_CORRECTION - len(pending))]
                pending += [{"row": before[i], "subject": int(rows.subject[i])} for i in kept]
                free = np.flatnonzero(~blocked & ~superseded)[: max(0, _KEPT_FOR_CHANGE - len(sample))]
                if feed.kind not in ("receipt", "return", "decision", "measure"):
                    sample += [
                        {"row": {k: v[i] for k, v in rows.columns.items()}, "subject": int(rows.subject[i])}
                        for i in free.tolist()
                    ]
        if writer is None:
            state.through = day
            self.store.keep(feed.id, state)
            return healed
        writer.close()
        self.ledger.part("faults", delivery, faulty)
        self.ledger.part("near_misses", delivery, near)
        self.ledger.row_subjects(dept.code, feed.kind, delivery, first_row, subjects)
        seq = state.next_seq if dept.channel in ("frontend_db", "rest_api") else ""
        line = [
            dept.code,
            feed.kind,
            feed.kind,
            delivery,
            days.date(day).isoformat(),
            dept.channel,
            feed.format,
            row,
            first_row,
            seq,
            len(faulty),
            len(near),
        ]
        self.ledger.part("deliveries", delivery, [line])
        assert target is not None
        self._put(dept, feed, state, day, number, target, row, writer, delivery)
        state.through, state.number = day, number
        state.next_seq += row
        state.pending, state.sample = pending, sample
        self.store.keep(feed.id, state)
        self.rows += row
        self.deliveries += 1
        return 1

    def _with_extras(
        self, lots: Iterator[tuple[str, Rows, npt.NDArray[np.bool_]]], extra: list[Rows]
    ) -> Iterator[tuple[str, Rows, npt.NDArray[np.bool_]]]:
        yield from lots
        if extra:
            rows = joined(extra)
            yield "extra", rows, np.zeros(len(rows), dtype=bool)

    def _spoil(
        self,
        dept: Department,
        feed: Feed,
        rows: Rows,
        lawful: npt.NDArray[np.bool_],
        name: str,
        day: int,
        operations: bool,
    ) -> tuple[list[Fault], dict[int, dict[str, str]], Rows, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Faults, the rows as they were before them, the rows to send, which of these are spoiled or copies, and which are
        no longer what the department holds: changed by a later row of the lot, or withdrawn. To change or withdraw one of
        these again would send an exact duplicate that the ledger does not know."""
        rng = self.planner.rng("faults", feed.id, name, day)
        blocked = lawful.copy()
        notes: list[Fault] = []
        before: dict[int, dict[str, str]] = {}
        if name == "extra":
            return notes, before, rows, blocked, rows.op == "W"
        if name.startswith("baseline"):
            notes = register_faults(self.planner, feed, rows, rng, day, blocked) if dept.code == "sjgj" else []
        else:
            notes, before = inject(self.planner, feed, rows, rng, day, blocked)
            if feed.format == "csv" and dept.channel == "sftp":
                notes += extra_cells(rows, rng, blocked)
            notes += reuse_numbers(feed, rows, rng, dept.texts["faults"].get("document_no_reused", 0.0), blocked)
        typed_oddly(rows, rng, blocked)
        notes += [Fault(int(i), "out_of_scope", "", "out_of_scope") for i in np.flatnonzero(lawful).tolist()]
        size = len(rows)
        parts = [rows]
        changes, changed = later_changes(feed, rows, rng, day, blocked, operations)
        if changes is not None:
            parts.append(changes)
            size += len(changes)
        again, twice = copies_of(rows, rng, blocked, feed)
        if again is not None:
            parts.append(again)
            notes += [
                Fault(size + k, type_, "", "duplicate" if type_ == "exact_duplicate" else "flag") for k, type_ in twice
            ]
        if len(parts) > 1:
            rows = joined(parts)
            added = len(rows) - len(blocked)
            blocked = np.concatenate([blocked, np.ones(added, dtype=bool)])
        superseded = np.zeros(len(rows), dtype=bool)
        superseded[changed] = True
        return notes, before, rows, blocked, superseded

    def _second_thoughts(self, feed: Feed, state: FeedState, day: int, operations: bool) -> list[Rows]:
        """Corrections of earlier faulty rows, and now and then a change or withdrawal of a good one."""
        rng = self.planner.rng("again", feed.id, day)
        made: list[Rows] = []
        stamp = str(days.stamp(np.array([day]), np.array([60_000]))[0])
        count = min(len(state.pending), max(1, round(len(state.pending) * 0.3))) if state.pending else 0
        mended = [state.pending.pop(int(rng.integers(0, len(state.pending)))) for _ in range(count)]
        made += [self._single(feed, item, "U" if operations else "I", stamp) for item in mended]
        if state.sample and rng.random() < 0.35:
            item = state.sample.pop(int(rng.integers(0, len(state.sample))))
            withdraw = operations and feed.kind in DECISIONS and rng.random() < 0.3
            if not withdraw:
                column = next((c for c in ("remark", "satisfaction") if c in item["row"]), "")
                if column:
                    item["row"][column] = corrected(column, item["row"][column])
            made.append(self._single(feed, item, "W" if withdraw else ("U" if operations else "I"), stamp))
        return made

    def _single(self, feed: Feed, item: dict[str, Any], op: str, stamp: str) -> Rows:
        columns = {c.name: pool([item["row"].get(c.name, "")]) for c in layouts()[feed.kind]}
        return Rows(feed.kind, columns, np.array([item["subject"]], dtype=np.int64), fill(1, op), fill(1, stamp))

    # the ledger's lines

    def _document_no(self, rows: Rows, i: int) -> str:
        return (
            str(rows.columns["decision_document_no" if "decision_document_no" in rows.columns else "document_no"][i])
            if "document_no" in rows.columns or "decision_document_no" in rows.columns
            else ""
        )

    def _fault_lines(
        self,
        dept: Department,
        feed: Feed,
        delivery: str,
        rows: Rows,
        notes: list[Fault],
        row: int,
        first: int,
        seq: int,
    ) -> list[list[object]]:
        sequenced = dept.channel in ("frontend_db", "rest_api")
        return [
            [
                dept.code,
                feed.kind,
                feed.kind,
                delivery,
                row + f.row + first,
                seq + row + f.row if sequenced else "",
                self._document_no(rows, f.row),
                f.type,
                f.field,
                f.expected,
            ]
            for f in sorted(notes, key=lambda f: f.row)
        ]

    def _near_lines(
        self,
        dept: Department,
        feed: Feed,
        delivery: str,
        rows: Rows,
        blocked: npt.NDArray[np.bool_],
        row: int,
        first: int,
        seq: int,
    ) -> list[list[object]]:
        if not rows.near:
            return []
        traits = list(rows.near)
        masks = np.vstack([rows.near[t] for t in traits]) & ~blocked
        sequenced = dept.channel in ("frontend_db", "rest_api")
        return [
            [
                dept.code,
                feed.kind,
                feed.kind,
                delivery,
                row + i + first,
                seq + row + i if sequenced else "",
                self._document_no(rows, i),
                "+".join(t for t, m in zip(traits, masks, strict=True) if m[i]),
            ]
            for i in np.flatnonzero(masks.any(axis=0)).tolist()
        ]

    # the channels

    def _delivery_name(self, dept: Department, feed: Feed, day: int, number: int) -> str:
        """How the delivery is called in the ledger: the file name, or `dept/feed#number`."""
        if dept.channel in ("frontend_db", "rest_api"):
            return f"{dept.code}/{feed.kind}#{number}"
        return self._file_name(dept, feed, day, 1)

    def _file_name(self, dept: Department, feed: Feed, day: int, running: int) -> str:
        return f"{dept.code.upper()}_{feed.kind.upper()}_{days.date(day):%Y%m%d}173000_{running:03d}.{feed.format}"

    def _folder(self, dept: Department, feed: Feed) -> Path:
        return self.home / ("drop" if dept.channel == "manual_upload" else "sftp") / dept.code / feed.kind

    def _open(
        self, dept: Department, feed: Feed, state: FeedState, day: int, number: int, forbidden: bool, operations: bool
    ) -> tuple[Writer, Path]:
        heads = headings(dept, feed, forbidden)
        draft = self.home / "draft" / f"{feed.id}.{feed.format}"
        draft.parent.mkdir(parents=True, exist_ok=True)
        if dept.channel == "frontend_db":
            target = self.home / "spool" / dept.code / f"{feed.kind}.{number:05d}.csv"
            return Spool(target, state.next_seq), target
        if dept.channel == "rest_api":
            snapshot = feed.kind == "arrears"
            target = (
                self.home / "api" / dept.code / (f"{feed.kind}.{number:05d}.rows" if snapshot else f"{feed.kind}.rows")
            )
            offset = 0 if snapshot else state.lines_bytes
            return Lines(target, heads, feed.format == "xml", state.next_seq, offset), target
        if feed.format == "csv":
            return CsvFile(draft, heads, dept.encoding, operations), draft
        if feed.format == "xlsx":
            title = f"{dept.name}{feed.kind}信用信息归集表" if dept.channel == "manual_upload" else ""
            dated = (
                frozenset(i for i, c in enumerate(layouts()[feed.kind]) if c.type == "date")
                if dept.dates == "serial" and feed.layout != "2015"
                else frozenset()
            )
            return Workbook(draft, heads, operations, title, dated), draft
        if feed.format == "xls":
            return OldWorkbook(draft, heads), draft
        if feed.format == "html":
            return HtmlTable(draft, heads, dept.name), draft
        return XmlFile(draft, heads), draft

    def _put(
        self,
        dept: Department,
        feed: Feed,
        state: FeedState,
        day: int,
        number: int,
        target: Path,
        rows: int,
        writer: Writer,
        delivery: str,
    ) -> None:
        if dept.channel == "frontend_db":
            exchange.announce(
                self.home,
                dept.code,
                feed.kind,
                target,
                snapshot=feed.kind == "arrears",
                forbidden=dept.texts.get("forbidden", {}).get(feed.kind),
            )
        elif isinstance(writer, Lines):
            snapshot = feed.kind == "arrears"
            before = 0 if snapshot else state.lines_rows
            writer.write_index(before)
            state.lines_first = state.next_seq if snapshot else 1
            state.lines_rows, state.lines_bytes = before + rows, writer.size
            write(
                self.home / "api" / dept.code / f"{feed.kind}.json",
                {
                    "format": feed.format,
                    "file": target.name,
                    "first": state.lines_first,
                    "rows": state.lines_rows,
                    "bytes": state.lines_bytes,
                },
            )
        else:
            self._put_file(dept, feed, state, day, number, target, rows, delivery)

    def _planned(self, dept: Department, feed: Feed, number: int) -> dict[str, Any] | None:
        """What goes wrong with a delivery as a whole."""
        if not self.batch_faults_on or dept.channel != "sftp":
            return None
        return batch_faults().get((dept.code, feed.kind, number))

    def _put_file(
        self,
        dept: Department,
        feed: Feed,
        state: FeedState,
        day: int,
        number: int,
        draft: Path,
        rows: int,
        delivery: str,
    ) -> None:
        folder = self._folder(dept, feed)
        folder.mkdir(parents=True, exist_ok=True)
        planned = self._planned(dept, feed, number)
        final = folder / delivery
        if planned is None:
            draft.replace(final)
            if dept.channel == "sftp":
                _control(final, rows, _sha256(final))
            return
        good = self.home / "state" / "held" / final.name
        good.parent.mkdir(parents=True, exist_ok=True)
        good.write_bytes(draft.read_bytes())
        draft.unlink()
        healing = _spoil_file(good, final, rows, str(planned["fault"]), dept, feed)
        self.ledger.part(
            "batches",
            delivery,
            [[dept.code, feed.kind, delivery, days.date(day).isoformat(), planned["fault"], planned["expected"], ""]],
        )
        if healing:
            state.heal = {
                "how": healing,
                "file": final.name,
                "rows": rows,
                "fault": planned["fault"],
                "expected": planned["expected"],
                "day": days.date(day).isoformat(),
            }
        else:
            good.unlink()

    def _heal(self, dept: Department, feed: Feed, state: FeedState, day: int) -> int:
        """Send again, and right, what went wrong as a whole last time."""
        if not state.heal:
            return 0
        heal, state.heal = state.heal, None
        folder, good = self._folder(dept, feed), self.home / "state" / "held" / str(heal["file"])
        if heal["how"] == "control":
            name = str(heal["file"])
            _control(folder / name, int(heal["rows"]), _sha256(folder / name))
        else:
            name = self._file_name(dept, feed, day, 2)
            (folder / name).write_bytes(good.read_bytes())
            _control(folder / name, int(heal["rows"]), _sha256(folder / name))
            for table in ("faults", "near_misses", "deliveries"):
                lines = self.ledger.read_part(table, str(heal["file"]))
                self.ledger.part(
                    table, name, [[name if cell == heal["file"] else cell for cell in line] for line in lines]
                )
        self.ledger.part(
            "batches",
            str(heal["file"]),
            [[dept.code, feed.kind, heal["file"], heal["day"], heal["fault"], heal["expected"], name]],
        )
        return 1


def _titles(dept: Department) -> list[str]:
    """Lines above the headings."""
    return [f"{dept.name}报送", "（内部资料）"]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _control(path: Path, rows: int, sha256: str) -> None:
    """The control file beside a delivered file: same name, `.ok` in place of the extension."""
    write(path.with_suffix(".ok"), {"rows": rows, "sha256": sha256})


def _spoil_file(good: Path, final: Path, rows: int, fault: str, dept: Department, feed: Feed) -> str:
    """Write the bad twin of a file; how it is to be healed: `control`, `again`, or empty where a reader can cope."""
    data = good.read_bytes()
    if fault == "ok_missing":
        final.write_bytes(data)
        return "control"
    if fault in ("wrong_control_total", "wrong_sha256"):
        final.write_bytes(data)
        _control(
            final,
            rows + (7 if fault == "wrong_control_total" else 0),
            "0" * 64 if fault == "wrong_sha256" else _sha256(final),
        )
        return "again"
    if fault == "truncated":
        final.write_bytes(data[: len(data) * 6 // 10])
        _control(final, rows, _sha256(good))
        return "again"
    if fault == "empty_file":
        final.write_bytes(b"")
        _control(final, rows, _sha256(final))
        return "again"
    if fault == "broken_content":
        final.write_bytes(data[: len(data) * 6 // 10])
    elif fault == "same_bytes_twice":
        final.write_bytes(data)
        twin = final.with_name(final.name.replace("_001.", "_002."))
        twin.write_bytes(data)
        _control(twin, rows, _sha256(twin))
    elif feed.format == "xml" and fault == "extra_column":
        final.write_bytes(data.replace(b"</ROW>", "<SPLSH>内部流水</SPLSH></ROW>".encode()))
    else:
        lines = data.decode(dept.encoding).split("\r\n")
        if fault == "header_moved":
            lines = [*_titles(dept), *lines]
        elif fault == "column_order":
            lines = (
                [",".join(reversed(line.split(","))) if '"' not in line else line for line in lines]
                if '"' not in data.decode(dept.encoding)
                else lines
            )
        elif fault == "missing_column":
            lines = [line.split(",", 1)[1] if "," in line else line for line in lines]
        final.write_bytes("\r\n".join(lines).encode("gb18030" if fault == "wrong_encoding" else dept.encoding))
    _control(final, rows, _sha256(final))
    return "again" if fault in ("broken_content", "missing_column", "wrong_encoding") else ""


def deliver(
    home: Path, upto: dt.date, *, say: Say = lambda _: None, batch_faults_on: bool = True, everybody: bool = False
) -> dict[str, int]:
    """Play every day up to `upto`; counts of days, deliveries and rows made now. ValueError before `seed`."""
    store = Store(home)
    seed = store.seed()
    if seed is None:
        raise ValueError(f"{home}: nothing seeded yet, run `seed` first")
    through = store.through()
    first = days.number(seed.day) if through is None else through + 1
    last = days.number(upto)
    for dept in departments().values():
        for feed in dept.feeds.values():
            if dept.channel in ("sftp", "manual_upload"):
                (store.home / ("drop" if dept.channel == "manual_upload" else "sftp") / dept.code / feed.kind).mkdir(
                    parents=True, exist_ok=True
                )
    if last < first:
        exchange.load(store.home, say)
        return {"days": 0, "deliveries": 0, "rows": 0}
    night = Night(store, seed, say, batch_faults_on, everybody)
    for day in range(first, last + 1):
        night.day(day)
        exchange.load(store.home, say)
        store.advance(day)
        say(f"{days.date(day).isoformat()}: {night.deliveries} deliveries, {night.rows} rows so far")
    night.ledger.gather()
    return {"days": last - first + 1, "deliveries": night.deliveries, "rows": night.rows}
