"""Return workbooks: each department gets its own faulty rows back, marked and explained, and can send them in again.

Promises
- One workbook (XLSX) and one JSON twin per department and delivery under home/returns/<department>/<as_of>/, the same
  bytes whenever it is written again for the same verdicts.
- One line for each fault: the department's own row, read again from the archive by its physical number under the
  Chinese headings of the kind, the field at fault marked. The corrected workbook goes back in as it is, by `creditflow
  drop` or on the department's channel; the lines of one row become one row again (`readers.answers`).
- No personal number is in it: the cell holds the ciphertext under the format ****** and means the same number when it
  comes back; a number that is itself wrong is left out and asked for again.
- Department text is hostile: no cell is ever a formula, in this program or after an edit in a spreadsheet.
- Rows that come back and were never returned, or belong to another department or feed, are told apart one by one
  (`answer_faults_sql`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import RealDictCursor

from creditflow.archive import ArchiveError, open_data, read_manifest
from creditflow.identity.persons import PersonKeys
from creditflow.ops.database import advisory_lock, transaction
from creditflow.quality.indicators import rule_words
from creditflow.quality.issues import DEFAULT_DUE_DAYS
from creditflow.quality.return_workbook import workbook_bytes
from creditflow.quality.returned import Fault, OwnRow, Return, ReturnedRow, twin_parts
from creditflow.quality.rulebook import Rule
from creditflow.readers import ReadError, read
from creditflow.readers.answers import BATCH_HEADING, DISPUTED, ROW_HEADING, answered
from creditflow.registry import Feed, Kind, Registry, shape_of
from creditflow.settings import Settings


def write_returns(settings: Settings, registry: Registry, as_of: dt.date) -> list[Path]:
    """Write what goes back for the deliveries judged up to `as_of`; returns the files of that date, workbook and twin.

    A delivery goes back once: on the first date on which this runs after its verdicts. Running it again for the same
    date writes the same bytes. Remembers each in quality.return_file; `sweep_issues` makes the issues 'returned'.
    """
    rules = rule_words(settings, registry)
    with transaction(settings, "returns") as conn, conn.cursor(cursor_factory=RealDictCursor) as cursor:
        advisory_lock(conn, "creditflow.issues")
        paths: list[Path] = []
        for batch in _batches(cursor, as_of):
            if batch["department"] in registry.all() and batch["feed"] in registry.all()[batch["department"]].feeds:
                paths += _Delivery(settings, registry, cursor, batch, as_of, rules).write()
        return paths


def _batches(cursor: Cursor, as_of: dt.date) -> list[dict[str, Any]]:
    """Deliveries with something to mend that did not go back before this date."""
    cursor.execute(
        """
        select b.*
        from ops.batch b
        left join quality.return_file f using (batch_id)
        where b.as_of <= %(as_of)s and b.state in ('accepted', 'partly_accepted', 'held', 'refused')
          and (f.batch_id is null or f.as_of = %(as_of)s)
          and (b.state in ('held', 'refused')
               or exists (select from quality.row_verdict v where v.batch_id = b.batch_id and v.verdict in ('rejected', 'flagged')))
        order by b.department, b.feed, b.delivered_at, b.batch_id
        """,
        {"as_of": as_of},
    )
    return list(cursor.fetchall())  # type: ignore[arg-type]


class _Delivery:
    """One delivery that goes back, row by row: verdicts from the database and rows from the archive, both in the order of
    their row numbers, go into the twin as they come. cursor: a RealDictCursor."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        cursor: Cursor,
        batch: Mapping[str, Any],
        as_of: dt.date,
        rules: Mapping[str, Rule],
    ) -> None:
        self._settings, self._cursor, self._rules = settings, cursor, rules
        department = registry.all()[batch["department"]]
        feed = department.feeds[batch["feed"]]
        kind = registry.kinds[feed.kind]
        self._return = Return(batch, department, feed, kind, as_of, self._due(batch), code_lists(settings, kind))

    def write(self) -> list[Path]:
        """Write workbook and twin, remember them; nothing where nothing goes back."""
        one = self._return
        batch_id = one.batch["batch_id"]
        below = Path(one.department.code, one.as_of.isoformat())
        names = [below / f"{batch_id}.xlsx", below / f"{batch_id}.json"]
        workbook, twin = [self._settings.home / "returns" / name for name in names]
        with _Draft(twin) as draft_twin, _Draft(workbook) as draft_workbook:
            for part in twin_parts(one, self._rows()):
                draft_twin.write(part)
            if not one.returned and one.batch["state"] not in ("held", "refused"):
                return []
            draft_workbook.write(workbook_bytes(one, PersonKeys.of(self._settings.keys())))
            hashes = [draft_workbook.keep(), draft_twin.keep()]
        self._cursor.execute(
            """
            insert into quality.return_file as f
                (batch_id, department, feed, as_of, rows_returned, faults, workbook, workbook_sha256, twin, twin_sha256)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (batch_id) do update
            set rows_returned = excluded.rows_returned, faults = excluded.faults, workbook = excluded.workbook,
                workbook_sha256 = excluded.workbook_sha256, twin = excluded.twin, twin_sha256 = excluded.twin_sha256
            """,
            (
                batch_id,
                one.department.code,
                one.feed.name,
                one.as_of,
                one.returned,
                one.faults,
                names[0].as_posix(),
                hashes[0],
                names[1].as_posix(),
                hashes[1],
            ),
        )
        return [workbook, twin]

    def _rows(self) -> Iterator[ReturnedRow]:
        """The faulty rows that the department can mend; each is counted as it goes by."""
        one = self._return
        own = _Own(own_rows(self._settings, one.feed, one.batch))
        for line in self._verdicts():
            faults = _faults(line, self._rules, one.kind)
            if not faults:
                continue
            row = ReturnedRow(
                row_no=line["row_no"],
                verdict=line["verdict"],
                record_key=line["record_key"],
                faults=faults,
                suggestion=line["suggestion"],
                own=own.of(line["row_no"]) or _from_payload(line["payload"]),
            )
            one.take(row)
            yield row

    def _verdicts(self) -> Iterator[Mapping[str, Any]]:
        conn = self._cursor.connection
        with conn.cursor("returned_rows", cursor_factory=RealDictCursor) as lines:
            lines.itersize = 2000
            lines.execute(
                """
                select v.row_no, v.verdict, v.record_key::text, v.rule_ids, v.fields, v.payload, v.suggestion,
                       array(select r.severity from unnest(v.rule_ids) with ordinality as u(rule_id, place)
                             left join quality.rule_result r on r.batch_id = v.batch_id and r.rule_id = u.rule_id
                             order by u.place) as severities
                from quality.row_verdict v
                where v.batch_id = %s and v.verdict in ('rejected', 'flagged')
                order by v.row_no, v.verdict desc
                """,
                (self._return.batch["batch_id"],),
            )
            yield from lines

    def _due(self, batch: Mapping[str, Any]) -> dict[int, dt.date | None]:
        """Days to mend -> the date they end on."""
        days = sorted({rule.due_days for rule in self._rules.values()} | {DEFAULT_DUE_DAYS})
        self._cursor.execute(
            "select d.days, ops.add_workdays(%s, d.days) as due_on from unnest(%s::integer[]) as d(days) where d.days > 0",
            (batch["as_of"], days),
        )
        return {line["days"]: line["due_on"] for line in self._cursor.fetchall()}  # type: ignore[call-overload]


class _Own:
    """Rows of an archived delivery, asked for in the order of their numbers."""

    def __init__(self, rows: Iterator[tuple[int, Callable[[], OwnRow]]]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self._number, self._found = -1, OwnRow()
        self._there = False

    def of(self, number: int) -> OwnRow | None:
        """The row of this number; the last of them where there are several, None where there is none."""
        if self._number != number:
            self._number, self._there = number, False
            while self._next is not None and self._next[0] <= number:
                if self._next[0] == number:
                    self._found, self._there = self._next[1](), True
                self._next = next(self._rows, None)
        return self._found if self._there else None


def code_lists(settings: Settings, kind: Kind) -> dict[str, tuple[str, ...]]:
    """Values of the code lists that a kind's columns use, in file order."""
    from creditflow.quality.rulebook import load_lists

    known = load_lists(settings.project)
    return {column.list: known[column.list] for column in kind.columns if column.list and column.list in known}


def _faults(line: Mapping[str, Any], rules: Mapping[str, Rule], kind: Kind) -> tuple[Fault, ...]:
    """The faults of a verdict's row that the department can mend, by rule."""
    found = []
    for rule_id, severity in zip(line["rule_ids"], line["severities"], strict=True):
        if severity not in ("reject", "flag"):
            continue
        rule = rules.get(rule_id)
        blamed = [*rule.fields] if rule else list(line["fields"])
        column = next((name for name in blamed if name in kind.by_name), "")
        found.append(
            Fault(
                rule_id=rule_id,
                severity=severity,
                column=column,
                reason_zh=rule.title_zh if rule else rule_id,
                reason_en=rule.title_en if rule else rule_id,
                remedy_zh=rule.remedy_zh if rule else "请核对后重新报送。",
                remedy_en=rule.remedy_en if rule else "Check the row and send it again.",
                return_code=rule.return_code if rule else "E99",
                due_days=rule.due_days if rule else DEFAULT_DUE_DAYS,
            )
        )
    return tuple(fault for fault in found if fault.due_days > 0)


# --- the department's own row ---------------------------------------------------------------------------------------


def own_rows(settings: Settings, feed: Feed, batch: Mapping[str, Any]) -> Iterator[tuple[int, Callable[[], OwnRow]]]:
    """(physical row number, what makes the row as the department wrote it) of an archived delivery, in order.

    Personal numbers are in clear: keep them in memory. Ends where the delivery can no longer be read.
    """
    try:
        manifest = read_manifest(settings, batch["archive_path"])
        with open_data(settings, batch["archive_path"]) as stream:
            for sent in read(stream, feed, manifest["stored_format"], manifest["stored_encoding"]):
                section, _ = answered(sent)
                names, targets = section.cells, section.headings.targets
                for number, cells in section.rows:
                    yield number, partial(_own_row, feed, names, targets, cells)
    except (ArchiveError, ReadError, FileNotFoundError):
        return


def _own_row(feed: Feed, names: Sequence[str], targets: Sequence[str | None], cells: Sequence[str]) -> OwnRow:
    if len(cells) != len(names):
        return OwnRow(raw=" | ".join(cells))
    disputed = cells[names.index(DISPUTED)] if DISPUTED in names else ""
    values: dict[str, str] = {}
    others: dict[str, str] = {}
    operation = ""
    for name, target, cell in zip(names, targets, cells, strict=True):
        if target is None or not cell.strip():
            continue
        if target == "@op":
            operation = feed.lookups.get("@op", {}).get(cell.strip(), cell.strip())
        elif target.startswith("@"):
            continue
        elif target.startswith("shape:"):
            routes = feed.by_shape[target.removeprefix("shape:")]
            for column in routes.get(shape_of(cell), routes["otherwise"]):
                values.setdefault(column, cell)
        elif target.startswith("source:"):
            others[name.strip()] = cell
        else:
            values.setdefault(target, cell)
    return OwnRow(values, others, operation, disputed=disputed)


def _from_payload(payload: Mapping[str, Any] | None) -> OwnRow:
    """The masked row of the verdict, when the archive no longer has the delivery."""
    return OwnRow({name: str(value) for name, value in (payload or {}).items() if isinstance(value, str)})


# --- writing ---------------------------------------------------------------------------------------------------------


class _Draft:
    """A file that is complete or not there; readable by its owner only: it holds names."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._file = os.fdopen(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def write(self, content: bytes) -> None:
        """Append."""
        self._file.write(content)
        self._digest.update(content)

    def keep(self) -> str:
        """The file takes its place; its SHA-256 in hexadecimal."""
        self._file.close()
        self._draft.replace(self._path)
        return self._digest.hexdigest()

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)


# --- what comes back ------------------------------------------------------------------------------------------------

ANSWER_FAULTS: dict[str, tuple[str, str]] = {
    "not_returned": (
        "该行不在退回清单内：请勿在退回表中添加其他数据，新增数据请按平时渠道报送",
        "the row was not returned: send new rows by your usual way",
    ),
    "unknown_batch": (
        "退回批次不存在：请勿改动“退回批次”列",
        "no such returned batch: leave the column 退回批次 as it was",
    ),
    "other_department": ("退回批次属于其他部门，不得代报", "the returned batch belongs to another department"),
    "other_feed": ("退回批次属于其他数据项，请按该数据项报送", "the returned batch belongs to another feed"),
    "unknown_row": (
        "退回行号不在该批次的退回清单内：请勿改动“退回行号”列",
        "no such row was returned of that batch: leave the column 退回行号 as it was",
    ),
}
"""Why a row of a corrected workbook is refused: code -> Chinese, English."""


def answer_faults_sql(work: str, department: str, feed: str) -> str:
    """SQL of the rows of a work table that answer no return of this department and feed: (row_no, code).

    For the gate: a rule 'the row answers a return of ours' rejects these row by row, the rest goes on. A delivery none
    of whose rows names a returned batch is no corrected workbook and yields nothing. department, feed: SQL literals or
    parameters of the delivery being judged. Codes: see ANSWER_FAULTS.
    """
    return f"""
        select w.row_no, case
            when w.extra->>'{BATCH_HEADING}' is null then 'not_returned'
            when b.batch_id is null then 'unknown_batch'
            when b.department <> {department} then 'other_department'
            when b.feed <> {feed} then 'other_feed'
            else 'unknown_row' end as code
        from {work} w
        left join ops.batch b on b.batch_id = w.extra->>'{BATCH_HEADING}'
        where exists (select from {work} o where o.extra ? '{BATCH_HEADING}')
          and not exists (
              select from quality.row_verdict v
              where b.department = {department} and b.feed = {feed} and v.batch_id = b.batch_id
                and v.verdict in ('rejected', 'flagged')
                and v.row_no::text = w.extra->>'{ROW_HEADING}')"""
