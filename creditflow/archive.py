"""The archive: what arrived, as it arrived, once; all that is interpreted later can be read again from here.

Promises
- Write once: `<department>/<feed>/<yyyy>/<batch_id>/data.<ext>` and `manifest.json`. Both are written under another
  name and renamed; a delivery is in the archive when its manifest is, and a manifest is never changed.
- The manifest holds all that ops.batch needs, so that a rebuild needs nothing else.
- `original_sha256` is of the bytes as sent. Columns that may not be collected, and where a feed has an allow-list all
  others, never reach the archive: the delivery is then stored as a table (CSV, or a JSON record per line) without them,
  with the physical row numbers, and the manifest names what was cut.
- With CREDITFLOW_ARCHIVE_SEALED=on data is encrypted at rest (`data.<ext>.sealed`); hashes are of the bytes inside. What
  was stored before stays readable. Manifests hold no cell and stay in clear.
- A full disk or a missing permission is an ArchiveError that says so; nothing half-written stays. What a writer that was
  killed left is removed when its delivery is stored again, or by the housekeeping a day later.
"""

from __future__ import annotations

import csv
import datetime as dt
import errno
import hashlib
import io
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import fsspec

from creditflow.connectors.delivery import Delivery
from creditflow.readers import (
    HEAD_BYTES,
    ROW_NUMBER,
    ReadError,
    Section,
    binding_encoding,
    buffered,
    choose_encoding,
    detect_format,
    read,
)
from creditflow.registry import Department, Feed
from creditflow.sealing import Opened, SealBroken, seal, sealed_by
from creditflow.settings import Settings

CHUNK = 1 << 20
SPOOL = 64 << 20
SEALED = ".sealed"
DRAFT = ".part"
_TABLES = ("csv", "xlsx", "xls", "html")


class ArchiveError(Exception):
    """The archive cannot take or give a delivery; zh and en say why and what the operator must do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh, self.en = zh, en


@dataclass(frozen=True)
class Archived:
    """A delivery in the archive. path: of the data, below the archive URL. fresh: False when it was there already."""

    batch_id: str
    path: str
    manifest: dict[str, Any]
    fresh: bool = True


@dataclass(frozen=True)
class _Cut:
    """What must not be stored: headings as sent, by name; refused: the reading fault that stopped the look-through."""

    names: tuple[str, ...]
    refused: ReadError | None = None


def store(
    settings: Settings, department: Department, feed: Feed, delivery: Delivery, batch_id: str, as_of: dt.date
) -> Archived:
    """Write a delivery and its manifest. delivery.stream is read to its end.

    Raises ArchiveError (disk, permission, another delivery under this id) and whatever the stream raises.
    """
    assert delivery.stream is not None
    shelf = _Shelf(settings)
    room = f"{department.code}/{feed.name}/{as_of:%Y}/{batch_id}"
    if shelf.exists(f"{room}/manifest.json"):
        raise ArchiveError(f"归档中已有批次 {batch_id}", f"the archive already holds {batch_id}")
    shelf.forget_drafts(room)
    received = dt.datetime.now(dt.UTC)
    stream, reason, form, encoding = _examine(delivery, feed)
    cut = _Cut(())
    if reason is None:
        assert form is not None
        stream, cut = _columns_to_cut(stream, feed, form, encoding)
    counted = Counted(stream)
    source = cast("BinaryIO", counted)
    if cut.names:
        assert form is not None
        stored_format = "csv" if form in _TABLES else "json"
        written = shelf.write(f"{room}/data.{stored_format}", _without(source, feed, form, encoding, cut))
        stored_encoding: str | None = "utf-8"
    else:
        stored_format, stored_encoding = form or "bin", encoding
        written = shelf.write(f"{room}/data.{stored_format}", _chunks(source), counted)
    counted.drain()
    refused = reason or cut.refused
    manifest: dict[str, Any] = {
        "manifest_version": 1,
        "batch_id": batch_id,
        "department": department.code,
        "feed": feed.name,
        "kind": feed.kind,
        "channel": "manual_upload" if delivery.by_hand else department.channel,
        "format": delivery.format or form or "bin",
        "layout": feed.layout,
        "delivery": feed.delivery,
        "file": delivery.file,
        "archive_path": written.path,
        "sha256": written.sha256,
        "original_sha256": counted.sha256(),
        "original_bytes": counted.size,
        "bytes": written.size,
        "columns_cut": sorted({*cut.names, *delivery.columns_cut}),
        "declared_rows": delivery.declared_rows,
        "declared_sha256": delivery.declared_sha256,
        "produced": delivery.produced,
        "delivered_at": _moment(delivery.delivered_at or business_noon(settings, as_of)),
        "received_at": _moment(received),
        "as_of": as_of.isoformat(),
        "watermark": delivery.watermark_after,
        "stored_format": stored_format,
        "stored_encoding": stored_encoding,
        "encoding_found": encoding if form and encoding and binding_encoding(feed, form) is None else None,
        "rewritten": bool(cut.names),
        "refused": None if refused is None else refused.reason(),
        "problem": delivery.problem,
    }
    shelf.write(f"{room}/manifest.json", iter([json.dumps(manifest, ensure_ascii=False, indent=1).encode()]))
    return Archived(batch_id, written.path, manifest)


def business_noon(settings: Settings, as_of: dt.date) -> dt.datetime:
    """The time of a delivery that does not say its own: noon of the night's business date."""
    return dt.datetime.combine(as_of, dt.time(12), settings.zone)


def open_data(settings: Settings, path: str) -> BinaryIO:
    """The stored bytes. Raises ArchiveError when they are gone or cannot be read."""
    return _Shelf(settings).open(path)


def verify(settings: Settings, manifest: dict[str, Any]) -> bool:
    """Whether the stored bytes are still those of the manifest."""
    with open_data(settings, manifest["archive_path"]) as stream:
        return _sha256(stream) == str(manifest["sha256"])


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def read_manifest(settings: Settings, archive_path: str) -> dict[str, Any]:
    """The manifest beside stored data. Raises ArchiveError."""
    path = f"{archive_path.rsplit('/', 1)[0]}/manifest.json"
    with _Shelf(settings).open(path) as stream:
        return cast("dict[str, Any]", json.loads(stream.read()))


def manifests(settings: Settings, department: str | None = None, feed: str | None = None) -> Iterator[dict[str, Any]]:
    """Every manifest in the archive (of a department, of a feed), by path: what a rebuild starts from."""
    shelf = _Shelf(settings)
    below = "/".join(part for part in (department, feed) if part)
    for path in shelf.manifests(below):
        with shelf.open(path) as stream:
            yield json.loads(stream.read())


def manifest_at(settings: Settings, path: str) -> dict[str, Any]:
    """The manifest at a path below the archive URL. Raises ArchiveError."""
    with _Shelf(settings).open(path) as stream:
        return cast("dict[str, Any]", json.loads(stream.read()))


def stored_ids(settings: Settings, department: str, feed: str) -> dict[str, str]:
    """batch id -> path of its manifest, for every delivery of a feed that is complete in the archive."""
    return {path.split("/")[-2]: path for path in _Shelf(settings).manifests(f"{department}/{feed}")}


def forget_drafts(settings: Settings, before: dt.datetime) -> int:
    """Remove what writers that were killed left, from before this moment (nobody writes one file that long); how many."""
    return _Shelf(settings).forget_drafts("**", before)


def keep_document(settings: Settings, path: str, content: Callable[[], bytes]) -> bool:
    """Write a small document once; False when there is one at this path, which stays as it is. Raises ArchiveError."""
    shelf = _Shelf(settings)
    if shelf.exists(path) or shelf.exists(f"{path}{SEALED}"):
        return False
    shelf.write(path, iter([content()]))
    return True


def kept_documents(settings: Settings, folder: str, ending: str) -> list[str]:
    """Paths of the documents of a folder with this ending, sealed or not, sorted."""
    return _Shelf(settings).documents(folder, ending)


# --- what came, and what may stay ----------------------------------------------------------------------------------


def _examine(delivery: Delivery, feed: Feed) -> tuple[BinaryIO, ReadError | None, str | None, str | None]:
    """(the stream, seekable or with its head looked at; why it cannot be read; its format; its encoding)."""
    stream = buffered(cast("BinaryIO", delivery.stream))
    head = _head(stream)
    try:
        if delivery.format == "table":
            return cast("BinaryIO", stream), None, "csv", "utf-8"
        form = detect_format(delivery.file, head, feed.formats)
        if form in ("xlsx", "xls", "xml"):
            return cast("BinaryIO", stream), None, form, None
        chosen = choose_encoding(stream, delivery.encoding or binding_encoding(feed, form))
    except ReadError as problem:
        return cast("BinaryIO", stream), problem, None, None
    return cast("BinaryIO", stream), None, form, chosen.codec


def _head(stream: io.BufferedReader) -> bytes:
    if stream.seekable():
        start = stream.tell()
        head = stream.read(HEAD_BYTES)
        stream.seek(start)
        return head
    return stream.peek(HEAD_BYTES)[:HEAD_BYTES]


def _columns_to_cut(stream: BinaryIO, feed: Feed, form: str, encoding: str | None) -> tuple[BinaryIO, _Cut]:
    """Look through the headings; returns the stream at its start (spooled when it could not go back)."""
    try:
        if form == "csv":
            sample = _peek(stream, CHUNK)
            for section in read(io.BytesIO(sample), feed, form, encoding):
                return stream, _Cut(_names_to_cut(section))
            return stream, _Cut(())
    except ReadError:
        return stream, _Cut(())
    stream = _seekable(stream)
    start = stream.tell()
    names: set[str] = set()
    refused: ReadError | None = None
    try:
        for section in read(stream, feed, form, encoding):
            names.update(_names_to_cut(section))
            if form in _TABLES:
                break
            for _ in section.rows:
                pass
    except ReadError as problem:
        refused = problem
    stream.seek(start)
    if refused is None or names:
        return stream, _Cut(tuple(sorted(names)), refused if names else None)
    return stream, _Cut(())


def _names_to_cut(section: Section) -> tuple[str, ...]:
    found = section.headings
    return tuple(section.cells[at].strip() for at, _ in (*found.forbidden, *found.cut))


def _peek(stream: BinaryIO, size: int) -> bytes:
    if stream.seekable():
        start = stream.tell()
        sample = stream.read(size)
        stream.seek(start)
        return sample
    return cast("io.BufferedReader", stream).peek(size)


def _seekable(stream: BinaryIO) -> BinaryIO:
    if stream.seekable():
        return stream
    spool = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 - handed over
    while chunk := stream.read(CHUNK):
        spool.write(chunk)
    spool.seek(0)
    return cast("BinaryIO", spool)


def _without(stream: BinaryIO, feed: Feed, form: str, encoding: str | None, cut: _Cut) -> Iterator[bytes]:
    """The delivery's rows without the columns to cut, as CSV (tables) or JSON lines (records), numbered."""
    gone = set(cut.names)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    table = form in _TABLES
    try:
        for section in read(stream, feed, form, encoding):
            keep = [at for at, cell in enumerate(section.cells) if cell.strip() not in gone]
            names = [section.cells[at] for at in keep]
            if table:
                writer.writerow([ROW_NUMBER, *names])
            for number, cells in section.rows:
                if not table:
                    record = {name: cells[at] for name, at in zip(names, keep, strict=True) if cells[at]}
                    out.write(json.dumps({ROW_NUMBER: number, **record}, ensure_ascii=False))
                    out.write("\n")
                elif len(cells) == len(section.cells):
                    writer.writerow([number, *(cells[at] for at in keep)])
                else:
                    writer.writerow([number, *["#"] * (len(keep) + 1)])
                if out.tell() > CHUNK:
                    yield _taken(out)
    except ReadError:
        if cut.refused is None:
            raise
    yield _taken(out)


def _taken(out: io.StringIO) -> bytes:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode("utf-8", "surrogateescape")


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


class Counted(io.RawIOBase):
    """A stream that hashes and counts what is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._took(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._took(data)
        return data

    def _took(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)

    def drain(self) -> None:
        """Read what nobody wanted, so that the hash is of the whole delivery."""
        while self.read(CHUNK):
            pass

    def sha256(self) -> str:
        """Of all that was read."""
        return self._digest.hexdigest()


def reseal(settings: Settings) -> int:
    """Encrypt anew, with the keys in force, what older keys sealed; how many files. Write order as in `store`."""
    return _Shelf(settings).reseal()


def in_clear(settings: Settings, until: dt.date) -> list[str]:
    """Paths of deliveries of business dates up to `until` whose data is not encrypted at rest."""
    shelf = _Shelf(settings)
    old = (item["archive_path"] for item in manifests(settings) if dt.date.fromisoformat(item["as_of"]) <= until)
    return [path for path in old if shelf.exists(path)]


def seal_stored(settings: Settings, paths: list[str]) -> None:
    """Encrypt stored data at rest, with the keys in force. What is in clear goes when the sealed file has been read again
    and holds the same bytes. Raises ArchiveError; a call that was killed is finished by the next one."""
    shelf = _Shelf(settings)
    for path in paths:
        shelf.seal(path)


def _moment(moment: dt.datetime) -> str:
    return moment.isoformat()


# --- the place ------------------------------------------------------------------------------------------------------


class _Unsealed(Opened):
    """A sealed file's bytes; what is wrong with it is an ArchiveError."""

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except SealBroken as problem:
            raise _seal_error(problem) from None


def _seal_error(problem: SealBroken) -> ArchiveError:
    return ArchiveError(
        "加密的归档文件无法打开：请检查密钥文件，或从备份恢复",
        f"cannot open a sealed file ({problem}): check the key file, or restore it from the backup",
    )


@dataclass(frozen=True)
class _Written:
    path: str
    sha256: str
    size: int


class _Shelf:
    """The archive's filesystem: local folder or object store, by URL."""

    def __init__(self, settings: Settings) -> None:
        self._fs, root = fsspec.core.url_to_fs(settings.archive_url)
        self._root = str(root).rstrip("/")
        self._settings = settings

    def exists(self, path: str) -> bool:
        return bool(self._fs.exists(f"{self._root}/{path}"))

    def open(self, path: str) -> BinaryIO:
        ends = ("", SEALED) if path.endswith("/manifest.json") or not self._settings.archive_sealed else (SEALED, "")
        try:
            try:
                return self._opened(path + ends[0])
            except FileNotFoundError:
                return self._opened(path + ends[1])
        except SealBroken as problem:
            raise _seal_error(problem) from None
        except OSError as problem:
            raise ArchiveError(
                f"归档文件无法读取：{path}（{os.strerror(problem.errno or 0)}）", f"cannot read {path} from the archive"
            ) from None

    def _opened(self, path: str) -> BinaryIO:
        stream = cast("BinaryIO", self._fs.open(f"{self._root}/{path}", "rb"))
        return cast("BinaryIO", _Unsealed(stream, self._settings.keys())) if path.endswith(SEALED) else stream

    def reseal(self) -> int:
        """See the module's function of this name."""
        keys, done = self._settings.keys(), 0
        for place in self._fs.glob(f"{self._root}/**/*{SEALED}"):
            with self._fs.open(place, "rb") as stream:
                if sealed_by(stream) == keys.key_id:
                    continue
            path = str(place)[len(self._root) + 1 :].removesuffix(SEALED)
            with self.open(path) as stream:
                self._put(f"{path}{SEALED}", seal(_chunks(stream), keys))
            done += 1
        return done

    def seal(self, path: str) -> None:
        """See seal_stored."""
        with self._opened(path) as stream:
            self._put(f"{path}{SEALED}", seal(_chunks(stream), self._settings.keys()))
        with self._opened(path) as clear, self._opened(f"{path}{SEALED}") as sealed:
            if _sha256(clear) != _sha256(sealed):
                raise ArchiveError(f"加密后的归档文件与原文件不符：{path}", f"the sealed copy of {path} differs")
        self._fs.rm(f"{self._root}/{path}")

    def write(self, path: str, chunks: Iterator[bytes], source: Counted | None = None) -> _Written:
        """Write under another name, then rename: the file is there complete or not at all.

        source: where the chunks come from unchanged, which has their hash already.
        """
        digest, size = hashlib.sha256(), 0

        def seen() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks:
                size += len(chunk)
                if source is None:
                    digest.update(chunk)
                yield chunk

        if self._settings.archive_sealed and not path.endswith("/manifest.json"):
            self._put(f"{path}{SEALED}", seal(seen(), self._settings.keys()))
        else:
            self._put(path, seen())
        return _Written(path, digest.hexdigest() if source is None else source.sha256(), size)

    def forget_drafts(self, folder: str, before: dt.datetime | None = None) -> int:
        """Remove the drafts in a folder (`**`: in all), from before a moment if one is given; how many."""
        drafts = self._fs.glob(f"{self._root}/{folder}/.*{DRAFT}")
        old = [draft for draft in drafts if before is None or self._fs.modified(draft) < before]
        for draft in old:
            self._fs.rm(draft)
        return len(old)

    def _put(self, path: str, chunks: Iterator[bytes]) -> None:
        place = f"{self._root}/{path}"
        folder, name = place.rsplit("/", 1)
        draft = f"{folder}/.{name}.{secrets.token_hex(4)}{DRAFT}"
        with self._clear(draft):
            self._fs.makedirs(folder, exist_ok=True)
            with self._fs.open(draft, "wb") as out:
                with ThreadPoolExecutor(1) as writer:  # one chunk is written while the next is read, hashed or sealed
                    written: Future[object] | None = None
                    for chunk in chunks:
                        if written is not None:
                            written.result()
                        written = writer.submit(out.write, chunk)
                    if written is not None:
                        written.result()
                out.flush()
                if hasattr(out, "fileno"):
                    os.fsync(out.fileno())
            self._fs.mv(draft, place)

    @contextmanager
    def _clear(self, draft: str) -> Iterator[None]:
        try:
            yield
        except BaseException as problem:
            self._forget(draft)
            if isinstance(problem, OSError) and not isinstance(problem, TimeoutError | ConnectionError):
                raise _storage_error(problem) from None
            raise

    def _forget(self, draft: str) -> None:
        try:
            if self._fs.exists(draft):
                self._fs.rm(draft)
            folder = draft.rsplit("/", 1)[0]
            if self._fs.exists(folder) and not self._fs.ls(folder):
                self._fs.rmdir(folder)
        except OSError:
            return

    def manifests(self, below: str) -> list[str]:
        depth = 4 - (below.count("/") + 1 if below else 0)
        base = f"{self._root}/{below}".rstrip("/")
        found = self._fs.glob(f"{base}{'/*' * depth}/manifest.json") if self._fs.exists(base) else []
        return sorted(str(path)[len(self._root) + 1 :] for path in found)

    def documents(self, folder: str, ending: str) -> list[str]:
        base = f"{self._root}/{folder}"
        names = {str(path)[len(self._root) + 1 :].removesuffix(SEALED) for path in self._fs.find(base, maxdepth=1)}
        return sorted(name for name in names if name.endswith(f".{ending}"))


def _storage_error(problem: OSError) -> ArchiveError:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return ArchiveError(
            "归档磁盘空间不足，本次交付未保存；请清理空间后重新运行",
            "the archive's disk is full, nothing was stored: make room and run again",
        )
    if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ArchiveError(
            "没有归档目录的写入权限，本次交付未保存；请检查目录权限",
            "no permission to write to the archive, nothing was stored: check the folder's rights",
        )
    return ArchiveError(
        f"归档写入失败：{os.strerror(problem.errno or errno.EIO)}；本次交付未保存",
        f"writing to the archive failed ({os.strerror(problem.errno or errno.EIO)}): nothing was stored",
    )
