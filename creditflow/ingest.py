"""Ingest: fetch what is new from a department, archive it, land it; and the same road for files dropped by hand.

Promises
- One feed's failure (connection, archive, a fault of ours) never stops the other feeds of the department.
- Killed at any point and run again, the result is that of an undisturbed run: what is complete in the archive but not
  in ops is registered first, what was registered but not landed is landed, and only then is anything fetched.
- A feed is worked on by one process at a time.
- ops.arrival says for every department and night: arrived, nothing_new, late or failed, in both languages.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from creditflow.archive import ArchiveError, manifest_at, store, stored_ids
from creditflow.connectors import fetch
from creditflow.connectors.delivery import Delivery, FetchError
from creditflow.landing import ensure_tables, land
from creditflow.ops import journal
from creditflow.ops.batches import (
    BatchSummary,
    known_batches,
    next_batch_id,
    read_watermark,
    record_arrival,
    register,
    summaries,
)
from creditflow.ops.database import Connection, DatabaseUnavailable, connect, transaction
from creditflow.registry import Department, Feed, Registry
from creditflow.settings import Settings, SettingsError

log = logging.getLogger(__name__)


@dataclass
class _Outcome:
    """What a department's feeds brought in one go."""

    batches: list[BatchSummary] = field(default_factory=list)
    late: list[tuple[str, str, str]] = field(default_factory=list)
    failed: list[tuple[str, str, str]] = field(default_factory=list)

    def state(self) -> str:
        """For ops.arrival; the gravest wins."""
        if self.failed:
            return "failed"
        if self.late:
            return "late"
        return "arrived" if self.batches else "nothing_new"

    def detail(self, titles: Mapping[str, str]) -> tuple[str, str]:
        """In Chinese and English: each feed that is late or failed. titles: of the feeds, in Chinese."""
        told = [*self.failed, *self.late]
        return (
            "；".join(f"{titles[feed]}：{zh}" for feed, zh, _ in told),
            "; ".join(f"{feed}: {en}" for feed, _, en in told),
        )


def ingest_department(
    settings: Settings, registry: Registry, code: str, as_of: dt.date, feeds: Sequence[str] | None = None
) -> list[BatchSummary]:
    """Fetch, archive and land everything new of a department; returns its batches of this call.

    feeds: only these. Raises KeyError for an unknown department or feed and DatabaseUnavailable when the warehouse
    does not answer; everything a department or a connection can do wrong ends in ops.arrival instead.
    """
    department = registry.all()[code]
    chosen = [registry.feed(code, name) for name in (feeds or department.feeds)]
    titles = {feed.name: registry.kinds[feed.kind].title_zh for feed in chosen}
    started = dt.datetime.now(dt.UTC)
    outcome = _Outcome()
    conn = connect(settings, name=f"ingest {code}", autocommit=True)
    try:
        ensure_tables(conn, registry)
        for feed in chosen:
            with _locked(conn, code, feed.name):
                _ingest_feed(settings, registry, conn, department, feed, as_of, outcome)
        with transaction(settings, f"arrival {code}") as told:
            record_arrival(told, as_of, code, outcome.state(), *outcome.detail(titles), started)
    finally:
        conn.close()
    journal.keep(settings)
    return outcome.batches


def _ingest_feed(
    settings: Settings,
    registry: Registry,
    conn: Connection,
    department: Department,
    feed: Feed,
    as_of: dt.date,
    outcome: _Outcome,
) -> None:
    try:
        outcome.batches += _recover(settings, registry, conn, department, feed)
        watermark = read_watermark(conn, department.code, feed.name)
        for delivery in fetch(settings, department, feed, watermark, as_of):
            if delivery.stream is None:
                problem = delivery.problem or {"zh": "交付不完整", "en": "the delivery is incomplete"}
                outcome.late.append((feed.name, problem["zh"], problem["en"]))
                continue
            with delivery.stream:
                outcome.batches.append(_take(settings, registry, conn, department, feed, delivery, as_of))
            _acknowledge(delivery, feed)
    except (FetchError, ArchiveError) as problem:
        log.warning("%s/%s: %s", department.code, feed.name, problem.en)
        outcome.failed.append((feed.name, problem.zh, problem.en))
    except SettingsError as problem:
        zh, _, en = str(problem).partition(" / ")
        outcome.failed.append((feed.name, zh, en or zh))
    except DatabaseUnavailable:
        raise
    except Exception as problem:  # noqa: BLE001 - a fault of ours in one feed must not stop the others
        # Neither its message nor its traceback is told: both may hold what the department sent.
        log.error("%s/%s: %s", department.code, feed.name, _where(problem))
        outcome.failed.append(
            (feed.name, f"处理时出现内部错误（{_where(problem)}）", f"internal error ({_where(problem)})")
        )


def _where(problem: Exception) -> str:
    """Kind of an error and the place in our code, without its message."""
    frame = problem.__traceback__
    place = ""
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if "creditflow" in name and "site-packages" not in name:
            place = f"{Path(name).name}:{frame.tb_lineno}"
        frame = frame.tb_next
    return f"{type(problem).__name__} {place}"


def drop(
    settings: Settings,
    registry: Registry,
    code: str,
    feed: str,
    paths: Sequence[Path],
    as_of: dt.date,
    tell: Callable[[Path], object] = lambda _: None,
) -> list[BatchSummary]:
    """Archive and land files that a person hands in; the same road as the rest, one batch a file.

    tell: called with each file that has landed.

    Raises KeyError, ArchiveError, DatabaseUnavailable, and OSError for a file that cannot be opened.
    """
    department, declared = registry.all()[code], registry.feed(code, feed)
    batches = []
    conn = connect(settings, name=f"drop {code}", autocommit=True)
    try:
        ensure_tables(conn, registry)
        with _locked(conn, code, feed):
            batches += _recover(settings, registry, conn, department, declared)
            for path in paths:
                with path.open("rb") as stream:
                    delivery = Delivery(file=path.name, stream=stream, by_hand=True)
                    batches.append(_take(settings, registry, conn, department, declared, delivery, as_of))
                tell(path)
    finally:
        conn.close()
    journal.keep(settings)
    return batches


def _take(
    settings: Settings,
    registry: Registry,
    conn: Connection,
    department: Department,
    feed: Feed,
    delivery: Delivery,
    as_of: dt.date,
) -> BatchSummary:
    """Archive, register and land one delivery."""
    taken = list(stored_ids(settings, department.code, feed.name))
    batch_id = next_batch_id(conn, department.code, feed.kind, as_of, taken)
    archived = store(settings, department, feed, delivery, batch_id, as_of)
    register(conn, archived.manifest)
    return land(settings, registry, batch_id)


def _recover(
    settings: Settings, registry: Registry, conn: Connection, department: Department, feed: Feed
) -> list[BatchSummary]:
    """Finish what an earlier run left: deliveries in the archive that ops does not know, batches that never landed."""
    known = known_batches(conn, department.code, feed.name)
    stored = stored_ids(settings, department.code, feed.name)
    for batch_id in sorted(stored.keys() - known.keys()):
        register(conn, manifest_at(settings, stored[batch_id]))
        known[batch_id] = "archived"
    waiting = sorted(batch_id for batch_id, state in known.items() if state == "archived")
    for batch_id in waiting:
        land(settings, registry, batch_id)
    return summaries(conn, waiting)


def _acknowledge(delivery: Delivery, feed: Feed) -> None:
    """Tell the department that its delivery was taken; if that fails, the next run's delivery says it again."""
    try:
        delivery.acknowledge()
    except FetchError as problem:
        log.warning("%s/%s: not acknowledged: %s", feed.department, feed.name, problem.en)


@contextmanager
def _locked(conn: Connection, department: str, feed: str) -> Iterator[None]:
    key = f"creditflow.feed.{department}.{feed}"
    with conn.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (key,))
    try:
        yield
    finally:
        if not conn.closed:
            with conn.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (key,))
