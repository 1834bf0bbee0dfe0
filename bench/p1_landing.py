"""P1 and P3 of the budgets: landing against raw COPY, readers against the CSV reader.

P1: a CSV of permits is archived, read and landed; the limit is COPY of the very same rows, already in COPY's own form on
disk, into an unlogged table of the same shape, same server, same run. Both in turn, some rounds, and the one with the
median ratio stands: on a machine just started, who comes first pays for memory that nobody has used yet. P3: the same
records as XLSX, XML, JSON and GB18030 CSV, read through without landing.
"""

from __future__ import annotations

import datetime as dt
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg2
import xlsxwriter

from bench.place import own_server
from creditflow.archive import store
from creditflow.connectors.delivery import Delivery
from creditflow.landing import ensure_tables, land, work_table
from creditflow.ops.batches import next_batch_id, register
from creditflow.ops.database import connect
from creditflow.readers import binding_encoding, read
from creditflow.registry import Registry
from creditflow.settings import Settings
from sandbox.bulk import write_csv

AS_OF = dt.date(2026, 11, 20)
DEPARTMENT, FEED = "mzj", "permit"


def landing(settings: Settings, registry: Registry, source: Path) -> dict[str, Any]:
    """P1 for one file on a running server. Returns rows, seconds of each part, rows/s and the ratio to raw COPY."""
    department, feed = registry.departments[DEPARTMENT], registry.feed(DEPARTMENT, FEED)
    conn = connect(settings, name="bench", autocommit=True)
    ensure_tables(conn, registry)
    batch_id = next_batch_id(conn, department.code, feed.kind, AS_OF)
    begun = time.perf_counter()
    with source.open("rb") as stream:
        archived = store(settings, department, feed, Delivery(source.name, stream, by_hand=True), batch_id, AS_OF)
    stored = time.perf_counter()
    register(conn, archived.manifest)
    summary = land(settings, registry, batch_id)
    landed = time.perf_counter()
    if summary.state != "landed":
        raise RuntimeError(f"the benchmark's file did not land: {summary.reasons}")
    raw = _raw_copy(settings, work_table(batch_id))
    _remove(conn, batch_id)
    shutil.rmtree(Path(settings.archive_url.removeprefix("file://")) / archived.path.rsplit("/", 1)[0])
    conn.close()
    rows = summary.rows_read
    seconds = landed - begun
    return {
        "rows": rows,
        "bytes": source.stat().st_size,
        "archive_seconds": round(stored - begun, 2),
        "land_seconds": round(landed - stored, 2),
        "copy_seconds": round(raw, 2),
        "rows_per_second": round(rows / seconds),
        "copy_rows_per_second": round(rows / raw),
        "ratio": round(raw / seconds, 3),
        "budget": 0.35,
        "aim": 0.60,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The round with the median `ratio`, with the ratios of all as `rounds`."""
    ratios = [found["ratio"] for found in rounds]
    chosen = sorted(rounds, key=lambda found: float(found["ratio"]))[len(rounds) // 2]
    return {**chosen, "rounds": ratios}


def _raw_copy(settings: Settings, table: str) -> float:
    """Seconds COPY needs for the rows of a work table, from a file in COPY's form into an empty table of the same shape."""
    conn = psycopg2.connect(settings.warehouse_url)
    with tempfile.TemporaryFile(dir=settings.home) as rows, conn.cursor() as cursor:
        cursor.copy_expert(f"copy work.{table} to stdout", rows, 1 << 18)
        rows.seek(0)
        cursor.execute(f"create unlogged table work.raw_copy (like work.{table} including defaults)")
        begun = time.perf_counter()
        cursor.copy_expert("copy work.raw_copy from stdin", rows, 1 << 18)
        conn.commit()
        seconds = time.perf_counter() - begun
        cursor.execute("drop table work.raw_copy")
        conn.commit()
    conn.close()
    return seconds


def _remove(conn: Any, batch_id: str) -> None:
    with conn.cursor() as cursor:
        cursor.execute(f"drop table work.{work_table(batch_id)}")
        cursor.execute("delete from ops.batch where batch_id = %s", (batch_id,))


def readers(registry: Registry, source: Path, folder: Path, rows: int = 100_000) -> dict[str, Any]:
    """P3: rows/s of each reader over the first `rows` records of `source`, and the ratio to the CSV reader."""
    feed = registry.feed(DEPARTMENT, FEED)
    headings, records = _first(source, registry, rows)
    files = {
        "csv": _csv(folder / "p3.csv", headings, records, "utf-8"),
        "csv_gb18030": _csv(folder / "p3_gb.csv", headings, records, "gb18030"),
        "json": _json(folder / "p3.json", headings, records),
        "xml": _xml(folder / "p3.xml", headings, records),
        "xlsx": _xlsx(folder / "p3.xlsx", headings, records),
    }
    figures: dict[str, Any] = {"rows": len(records)}
    for name, path in files.items():
        form = name.split("_")[0]
        encoding = "gb18030" if name.endswith("gb18030") else "utf-8"
        begun = time.perf_counter()
        count = 0
        with path.open("rb") as stream:
            for section in read(stream, feed, form, encoding):
                for _ in section.rows:
                    count += 1
        if count != len(records):
            raise RuntimeError(f"{name}: {count} rows of {len(records)}")
        figures[name] = {"rows_per_second": round(count / (time.perf_counter() - begun))}
    limit = figures["csv"]["rows_per_second"]
    for name in files:
        figures[name]["ratio"] = round(figures[name]["rows_per_second"] / limit, 3)
    return figures


def _first(source: Path, registry: Registry, rows: int) -> tuple[list[str], list[list[str]]]:
    feed = registry.feed(DEPARTMENT, FEED)
    records: list[list[str]] = []
    with source.open("rb") as stream:
        for section in read(stream, feed, "csv", binding_encoding(feed, "csv")):
            for _, cells in section.rows:
                records.append(cells)
                if len(records) == rows:
                    break
            return list(section.cells), records
    raise RuntimeError("the benchmark's file is empty")


def _csv(path: Path, headings: list[str], records: list[list[str]], encoding: str) -> Path:
    import csv

    with path.open("w", encoding=encoding, newline="") as out:
        csv.writer(out).writerows([headings, *records])
    return path


def _json(path: Path, headings: list[str], records: list[list[str]]) -> Path:
    path.write_bytes(orjson.dumps({"rows": [dict(zip(headings, record, strict=True)) for record in records]}))
    return path


def _xml(path: Path, headings: list[str], records: list[list[str]]) -> Path:
    from xml.sax.saxutils import escape

    def lines() -> Iterator[str]:
        yield '<?xml version="1.0" encoding="UTF-8"?>\n<ROWDATA>\n'
        for record in records:
            cells = (f"<{name}>{escape(value)}</{name}>" for name, value in zip(headings, record, strict=True))
            yield f"<ROW>{''.join(cells)}</ROW>\n"
        yield "</ROWDATA>\n"

    with path.open("w", encoding="utf-8") as out:
        out.writelines(lines())
    return path


def _xlsx(path: Path, headings: list[str], records: list[list[str]]) -> Path:
    book = xlsxwriter.Workbook(
        str(path), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    sheet = book.add_worksheet()
    for at, record in enumerate([headings, *records]):
        sheet.write_row(at, 0, record)
    book.close()
    return path


def run(rows: int, rounds: int) -> dict[str, Any]:
    """P1 and P3 on a server of their own. Returns {"P1": ..., "P3": ...}."""
    with own_server() as (settings, registry):
        source = write_csv(settings.home / "source", rows, kind="permit", faults=False)
        figures = {"P1": middle([landing(settings, registry, source) for _ in range(rounds)])}
        shutil.rmtree(settings.home / "archive")
        figures["P3"] = readers(registry, source, settings.home, min(rows, 100_000))
    return figures
