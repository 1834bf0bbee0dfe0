"""Landing: a delivery in the archive -> its work table, by COPY, in one transaction.

Promises
- `land` either commits everything (work table, state, counts, watermark, incidents) or nothing.
- The same bytes for the same feed are one batch: a second one is 'duplicate' and nothing else.
- What cannot be read is held with the reason, the place and what the department must do; the rows that could be read
  are counted and held with it.
- It reads only the archive: landing again gives the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, BinaryIO, cast

from psycopg2 import sql

from creditflow.archive import ArchiveError, Counted, open_data, read_manifest
from creditflow.identity.persons import PersonKeys
from creditflow.landing.delivered import CodeBook, Delivered, Tally
from creditflow.landing.rows import RowWriter
from creditflow.landing.tables import canonical_columns, create_work_table, drop_work_table, ensure_tables, work_table
from creditflow.ops.batches import (
    BatchSummary,
    add_incident,
    lock_batch,
    move_watermark,
    same_bytes,
    set_batch,
    summaries,
)
from creditflow.ops.database import Connection, transaction
from creditflow.ops.journal import keep_rules, note
from creditflow.ops.keys import hold_keys
from creditflow.readers import ReadError, Section, read, reason
from creditflow.readers.answers import answered
from creditflow.registry import Registry
from creditflow.settings import Settings

__all__ = ["canonical_columns", "ensure_tables", "land", "work_table"]

COPY_BYTES = 1 << 18
LANDABLE = ("archived", "landed", "held", "accepted", "partly_accepted")


def land(settings: Settings, registry: Registry, batch_id: str, *, overrule: bool = False) -> BatchSummary:
    """Land one archived batch; a batch that landed before lands again (its work table is made anew).

    overrule: a person released it: control totals and the department's own control file no longer hold it.
    Raises KeyError (no such batch), ArchiveError, DatabaseUnavailable, WorkerLost (a process of ours was killed). State
    afterwards: landed, held or duplicate.
    """
    rules = keep_rules(settings)
    with transaction(settings, f"land {batch_id}") as conn:
        batch = lock_batch(conn, batch_id)
        if batch["state"] not in LANDABLE:
            return summaries(conn, [batch_id])[0]
        again = batch["state"] == "landed"  # its work table was lost: no step of its own
        first_time = batch["state"] == "archived"
        if first_time:
            move_watermark(conn, batch)
            earlier = same_bytes(conn, batch)
            if earlier is not None:
                summary = _duplicate(conn, batch, earlier)
                note(conn, "landed", batch_id=batch_id, overrule=overrule, state=summary.state, rules=rules)
                return summary
        _Landing(settings, registry, conn, batch, overrule).run()
        summary = summaries(conn, [batch_id])[0]
        if not again:
            note(conn, "landed", batch_id=batch_id, overrule=overrule, state=summary.state, rules=rules)
        return summary


def _duplicate(conn: Connection, batch: dict[str, Any], earlier: str) -> BatchSummary:
    with conn.cursor() as cursor:
        cursor.execute("select rows_read from ops.batch where batch_id = %s", (earlier,))
        rows = (cursor.fetchone() or (0,))[0]
    reasons = [
        reason(
            "same_bytes",
            f"与批次 {earlier} 内容完全相同，未重复入库；无需处理",
            f"the same bytes as batch {earlier}: not landed twice, nothing to do",
        )
    ]
    set_batch(
        conn,
        batch["batch_id"],
        state="duplicate",
        duplicate_of=earlier,
        rows_read=rows,
        rows_duplicate=rows,
        reasons=reasons,
    )
    with conn.cursor() as cursor:
        cursor.execute("update ops.batch set landed_at = clock_timestamp() where batch_id = %s", (batch["batch_id"],))
    return summaries(conn, [batch["batch_id"]])[0]


class _Landing:
    """One batch on its way into its work table."""

    def __init__(
        self, settings: Settings, registry: Registry, conn: Connection, batch: dict[str, Any], overrule: bool
    ) -> None:
        self._settings, self._registry, self._conn, self._batch, self._overrule = (
            settings,
            registry,
            conn,
            batch,
            overrule,
        )
        self._feed = registry.feed(batch["department"], batch["feed"])
        self._kind = registry.kinds[self._feed.kind]
        self._manifest = read_manifest(settings, batch["archive_path"])
        self._reasons: list[dict[str, Any]] = []
        self._tally = Tally()
        self._merged = 0
        keys = settings.keys()
        hold_keys(conn, keys)
        self._delivered = Delivered(
            registry=registry,
            feed=self._feed,
            kind=self._kind,
            keys=PersonKeys.of(keys),
            codes=CodeBook(),
            tally=self._tally,
            at=batch["delivered_at"].isoformat(),
            zone=settings.zone,
        )

    def run(self) -> None:
        """Read, copy, judge the delivery as a whole, write the batch's row."""
        started = time.monotonic()
        batch_id = self._batch["batch_id"]
        self._table = create_work_table(
            self._conn, self._kind, batch_id, self._batch["department"], self._batch["feed"], self._delivered.at
        )
        if self._manifest["refused"] is not None:
            self._reasons.append(self._manifest["refused"])
        if self._manifest["problem"] is not None and not self._overrule:
            self._reasons.append(self._manifest["problem"])
        if self._manifest["refused"] is None or self._manifest["rewritten"]:
            self._copy()
        if not self._overrule:
            self._control_totals()
        self._tell_cut_columns()
        self._tell_merged()
        held = bool(self._reasons)
        if held:
            drop_work_table(self._conn, batch_id)
        rows = self._tally.rows
        set_batch(
            self._conn,
            batch_id,
            state="held" if held else "landed",
            reasons=self._reasons,
            rows_read=rows,
            rows_held=rows if held else 0,
            rows_accepted=0,
            rows_rejected=0,
            rows_out_of_scope=0,
            rows_duplicate=0,
            seconds=round(time.monotonic() - started, 3),
        )
        with self._conn.cursor() as cursor:
            cursor.execute("update ops.batch set landed_at = clock_timestamp() where batch_id = %s", (batch_id,))

    # --- reading and copying ---------------------------------------------------------------------------------------

    def _copy(self) -> None:
        with open_data(self._settings, self._batch["archive_path"]) as stream:
            counted = Counted(stream)
            try:
                for section in read(
                    cast("BinaryIO", counted),
                    self._feed,
                    self._manifest["stored_format"],
                    self._manifest["stored_encoding"],
                ):
                    self._copy_section(section)
            except ReadError as problem:
                self._reasons.append(problem.reason())
            counted.drain()
        if counted.sha256() != self._batch["sha256"]:
            raise ArchiveError(
                f"归档文件 {self._batch['archive_path']} 已损坏（SHA-256 不符），请从备份恢复后重试",
                f"the archived file {self._batch['archive_path']} is damaged (SHA-256): restore it from the backup",
            )

    def _copy_section(self, sent: Section) -> None:
        section, merged = answered(sent)
        self._tell_headings(section)
        writer = RowWriter(self._delivered, section)
        statement = sql.SQL("copy {} ({}) from stdin with (format text, null '', encoding 'UTF8')").format(
            sql.Identifier("work", self._table), sql.SQL(", ").join(map(sql.Identifier, writer.columns))
        )
        before = self._tally.rows
        with self._conn.cursor() as cursor, closing(writer.chunks(self._settings.landing_processes)) as chunks:
            source = _Source(chunks)
            cursor.copy_expert(statement, source, COPY_BYTES)
        if source.failure is not None:
            raise source.failure
        if cursor.rowcount != self._tally.rows - before:
            raise RuntimeError(f"{self._tally.rows - before} rows were read, {cursor.rowcount} were copied")
        self._merged += len(merged)

    # --- the delivery as a whole -----------------------------------------------------------------------------------

    def _control_totals(self) -> None:
        declared_sha = self._batch["declared_sha256"]
        if declared_sha and declared_sha.lower() != self._batch["original_sha256"]:
            self._reasons.append(
                reason(
                    "control_sha256",
                    "文件与控制文件的 SHA-256 不一致，可能传输不完整；请重新传送数据文件和控制文件",
                    "the file's SHA-256 is not the one in its control file: send both files again",
                )
            )
        declared = self._batch["declared_rows"]
        unread = any(entry["code"] != "control_sha256" for entry in self._reasons)
        read = self._tally.rows
        if declared is not None and declared not in (read, read + self._merged) and not unread:
            self._reasons.append(
                reason(
                    "control_rows",
                    f"控制文件声明 {declared} 行，实际读到 {self._tally.rows} 行；请核对后重新报送",
                    f"the control file declares {declared} rows, {self._tally.rows} were read: check and send again",
                )
            )
        if self._tally.undecodable * 2 > self._tally.rows:
            self._reasons.append(
                reason(
                    "wrong_encoding",
                    f"{self._tally.rows} 行中有 {self._tally.undecodable} 行无法按约定编码解码；请按约定编码重新导出",
                    f"{self._tally.undecodable} of {self._tally.rows} rows do not decode: export in the agreed encoding",
                )
            )

    def _tell_headings(self, section: Section) -> None:
        found = section.headings
        if found.unknown:
            names = [section.cells[at].strip() for at, _ in found.unknown]
            self._incident(
                "INTAKE-UNKNOWN-COLUMN",
                f"出现未登记的列：{'、'.join(names[:20])}；已随数据保留，请核对接口约定",
                f"undeclared columns: {', '.join(names[:20])}; kept beside the data, check the agreement",
                names,
            )
        if found.ocr:
            names = [section.cells[at].strip() for at, _, _ in found.ocr]
            self._incident(
                "INTAKE-OCR-HEADING",
                f"列名疑似识别错误，已按最接近的列名读取：{'、'.join(names)}",
                f"headings read as their nearest known ones: {', '.join(names)}",
                names,
            )

    def _tell_cut_columns(self) -> None:
        names = list(self._batch["columns_cut"])
        if names:
            self._incident(
                "INTAKE-COLUMN-CUT",
                f"含不得采集或未约定的列，已在归档前删除：{'、'.join(names[:20])}；请部门停止报送这些列",
                f"columns that may not be collected were cut before storing: {', '.join(names[:20])}",
                names,
            )
        if self._manifest["encoding_found"] == "gb18030":
            self._incident(
                "INTAKE-ENCODING",
                "文件为 GB18030 编码，已按此读取",
                "the file was read as GB18030, as its bytes say",
                [],
            )

    def _tell_merged(self) -> None:
        if self._merged:
            rows, lines = self._tally.rows, self._tally.rows + self._merged
            self._incident(
                "INTAKE-ANSWER-LINES",
                f"退回表 {lines} 行按退回行号合并为 {rows} 条记录",
                f"{lines} lines of a return workbook answer {rows} returned rows and were merged",
                [],
            )

    def _incident(self, rule_id: str, zh: str, en: str, names: list[str]) -> None:
        add_incident(self._conn, self._batch, rule_id, zh, en, {"columns": names[:200]})


class _Source:
    """A file for COPY that is fed by chunks; a fault ends it and is kept, so that the rows before a reading fault stand and
    every other one is raised as itself."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """The next chunk, whatever its size (COPY takes any); b'' at the end."""
        try:
            return next(self._chunks, b"")
        except Exception as problem:  # noqa: BLE001 - raised by whoever copies
            self.failure = problem
            return b""

    def readline(self, size: int = -1) -> bytes:
        """As COPY's interface demands."""
        return self.read(size)
