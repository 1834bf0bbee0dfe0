"""The journal: what was done to the warehouse, step by step, kept in the archive beside what was delivered.

Promises
- A step and its entry are one transaction: what the journal tells happened, and what happened is in it.
- Entries are numbered without a gap in the order of commits and lie in the archive under `_journal/`, written once,
  several to a file; `keep` brings the archive up to date and may be called at any time and by anybody.
- The rules of each step (sources/, expectations/, dbt_project/) lie in the archive once per version, by their hash.
- An archive whose journal differs from the database's is never written to: one of the two is not the other's.
- Nothing in it is a value of a row: ids, states, counts, reasons and names of those who decided.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from psycopg2.extras import Json

from creditflow.archive import ArchiveError, keep_document, kept_documents, open_data
from creditflow.ops.database import Connection, advisory_lock, transaction
from creditflow.settings import Settings

log = logging.getLogger(__name__)

FOLDER = "_journal"
RULES = ("sources", "expectations", "dbt_project")
"""Folders of a checkout that decide what a step makes of the same bytes."""
_repeating: list[bool] = []
EPOCH = (1980, 1, 1, 0, 0, 0)
SKIPPED = {"__pycache__", "target", "logs", "dbt_packages"}


class JournalError(Exception):
    """The archived journal cannot be continued or read; the message says where and what to do."""


@dataclass(frozen=True)
class Entry:
    """One step. kind names the method of creditflow.rebuild that repeats it."""

    seq: int
    kind: str
    body: dict[str, Any]


def note(conn: Connection, kind: str, **body: Any) -> None:
    """Note a step inside the transaction of `conn`: its last statement, for it holds a lock until the end."""
    with conn.cursor() as cursor:
        cursor.execute("select ops.note(%s, %s, %s)", (kind, as_json(body), bool(_repeating)))
        if cursor.fetchone() == (False,):
            raise JournalError(
                "数据仓库正在重建，请等 creditflow rebuild 完成 / the warehouse is being rebuilt: let creditflow rebuild"
                " finish first"
            )


@contextmanager
def repeating() -> Iterator[None]:
    """What this process does here is a step being repeated: it is in the journal already and not noted again."""
    _repeating.append(True)
    try:
        yield
    finally:
        _repeating.pop()


def as_json(body: dict[str, Any]) -> Json:
    """The body of an entry as a parameter of a statement; dates as ISO text."""
    return Json(body, dumps=_dumps)


def keep(settings: Settings) -> None:
    """Write all entries that are not in the archive yet into one file there.

    A full or missing archive is logged and nothing is lost: the entries go with the next call. Raises JournalError when
    the archive belongs to another warehouse, or knows more than this one.
    """
    try:
        with transaction(settings, "keep journal") as conn:
            advisory_lock(conn, "creditflow.journal.keep")
            _keep(settings, conn)
    except ArchiveError as problem:
        log.warning("journal: %s", problem.en)


def _keep(settings: Settings, conn: Connection) -> None:
    with conn.cursor() as cursor:
        cursor.execute("select seq from ops.journal_archived")
        (last,) = cursor.fetchone() or (0,)
        cursor.execute("select seq, entry_type, body from ops.journal where seq > %s order by seq", (last,))
        waiting = [{"seq": seq, "kind": kind, "body": body} for seq, kind, body in cursor.fetchall()]
        while waiting:
            path = f"{FOLDER}/{last + 1:012}.json"
            written = waiting
            if not keep_document(settings, path, partial(_file, waiting)):
                # an earlier call was cut short after writing: the file stands, with what was waiting then
                with open_data(settings, path) as stream:
                    written = json.loads(stream.read())["entries"]
                if written != waiting[: len(written)]:
                    raise JournalError(
                        f"归档中的作业日志（{path}）与数据库不一致：归档属于另一个数据仓库，或数据库是旧备份；"
                        f"请核对归档地址，或用 creditflow rebuild 重建 / the archived journal {path} is not this database's:"
                        " the archive belongs to another warehouse, or the database is an old copy; check the archive URL,"
                        " or rebuild from the archive"
                    )
            last, waiting = written[-1]["seq"], waiting[len(written) :]
        cursor.execute("update ops.journal_archived set seq = %s where seq <> %s", (last, last))


def archived(settings: Settings) -> list[Entry]:
    """Every entry in the archive, in order. Raises JournalError when a part is missing or cannot be read."""
    entries: list[Entry] = []
    for path in kept_documents(settings, FOLDER, "json"):
        with open_data(settings, path) as stream:
            try:
                document = json.loads(stream.read())
                digest, found = document["sha256"], document["entries"]
            except (ValueError, KeyError, TypeError):
                digest, found = None, []
        if digest != _digest(found):
            raise JournalError(
                f"归档的作业日志 {path} 已损坏，请从备份恢复后重试 / the archived journal file {path} is damaged:"
                " restore it from the backup and run again"
            )
        for item in found:
            if item["seq"] != len(entries) + 1:
                raise JournalError(
                    f"归档的作业日志缺少第 {len(entries) + 1} 条（{path} 之前）/ entry {len(entries) + 1} of the archived"
                    f" journal is missing (before {path}): restore the file from the backup and run again"
                )
            entries.append(Entry(item["seq"], item["kind"], item["body"]))
    return entries


def keep_rules(settings: Settings) -> str:
    """Make sure the rules of this checkout lie in the archive; returns their hash. Raises ArchiveError."""
    files = tuple(_rule_files(settings.project))
    found = _hash(files, tuple((path.stat().st_mtime_ns, path.stat().st_size) for _, path in files))
    keep_document(settings, _rules_path(found), lambda: _zip(files))
    return found


def rules_of(settings: Settings, rules: str, folder: Path) -> Path:
    """A checkout with the rules of this hash, below `folder`; unpacked once. Raises ArchiveError."""
    place = folder / rules
    if not place.exists():
        draft = folder / f".{rules}"
        with open_data(settings, _rules_path(rules)) as stream, zipfile.ZipFile(io.BytesIO(stream.read())) as packed:
            packed.extractall(draft)
        draft.rename(place)
    return place


def _rules_path(rules: str) -> str:
    return f"{FOLDER}/rules/{rules}.zip"


def _rule_files(project: Path) -> Iterator[tuple[str, Path]]:
    for room in RULES:
        folder = (project / room).resolve()
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not SKIPPED & set(name.parts) and not name.name.startswith("."):
                yield f"{room}/{name.as_posix()}", path


@lru_cache(maxsize=16)
def _hash(files: tuple[tuple[str, Path], ...], marks: tuple[tuple[int, int], ...]) -> str:
    """Hash of the rules. marks: times and sizes of the files, so that unchanged ones are not read for every step."""
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _zip(files: Iterable[tuple[str, Path]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, path in files:
            packed.writestr(zipfile.ZipInfo(name, EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _file(entries: list[dict[str, Any]]) -> bytes:
    return _dumps({"sha256": _digest(entries), "entries": entries}).encode()


def _digest(entries: list[dict[str, Any]]) -> str:
    return hashlib.sha256(_dumps(entries).encode()).hexdigest()


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
