"""Backup and restore: the database as a dump, the archive as files, the keys apart; restored, it has the same digests.

Promises
- A backup folder is complete or absent: it is written under another name and renamed. It never holds a key.
- The database is dumped first and the archive, which only grows, is copied afterwards: every delivery the dump knows is
  in the copy. Nothing is dumped while a night runs.
- `restore` writes only into an empty warehouse and an empty archive, and ends by comparing the digest of every published
  view with the one taken at the backup.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from psycopg2.extensions import parse_dsn

from creditflow import __version__
from creditflow.ops.database import connect, transaction, try_session_lock
from creditflow.ops.keys import current_key
from creditflow.ops.migrate import migrate
from creditflow.server import ensure_server, wheel_binaries
from creditflow.settings import Settings, write_secret
from creditflow.warehouse import digest, rights

NIGHT = "creditflow.night"
"""The lock a running night holds."""
DUMP, MANIFEST, ARCHIVE = "warehouse.dump", "backup.json", "archive"


class BackupRefused(Exception):
    """The backup or the restore cannot be made as things are; nothing was changed."""


@dataclass(frozen=True)
class Restored:
    """What a restore brought back. different: published views whose digest is not that of the backup."""

    build: int
    files: int
    views: int
    different: tuple[str, ...]


def backup(settings: Settings, folder: Path, *, keys_to: Path | None = None) -> dict[str, Any]:
    """Write a backup; its manifest. keys_to: also write the key file there, outside of `folder`.

    Raises BackupRefused: the folder exists, a night runs, the keys would lie beside the data, a dump failed.
    """
    folder = folder.absolute()
    if folder.exists():
        raise BackupRefused(f"{folder.name} 已存在，请另选目录 / {folder.name} exists already: choose another folder")
    if keys_to is not None and keys_to.absolute().is_relative_to(folder):
        raise BackupRefused("密钥不得与备份放在一起 / keys must not lie in the backup: choose another place for them")
    draft = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    conn = connect(settings, name="backup", autocommit=True)
    try:
        if not try_session_lock(conn, NIGHT):
            raise BackupRefused("夜间作业正在运行，请稍后备份 / a night is running: back up when it is over")
        with conn.cursor() as cursor:
            cursor.execute("select build_no, as_of::text, current_setting('server_version') from ops.pointer")
            build, as_of, version = cursor.fetchone() or (0, None, "")
        manifest = {
            "creditflow": __version__,
            "postgresql": version,
            "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "build": build,
            "as_of": as_of,
            "key_id": current_key(conn),
            "digests": digest(settings, build),
        }
        _postgres(settings, "pg_dump", "--format=custom", "--exclude-table-data=work.*", f"--file={draft / DUMP}")
        manifest["archive_files"] = _copy(settings.archive_url, f"file://{draft / ARCHIVE}")
        (draft / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        if keys_to is not None:
            write_secret(keys_to.absolute(), settings.keys().text())
        draft.rename(folder)
    finally:
        conn.close()
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def restore(settings: Settings, folder: Path, *, keys_from: Path | None = None) -> Restored:
    """Bring a backup into an empty installation. keys_from: a key file, for a home that has none yet.

    Raises BackupRefused: no backup there, something is here already, the keys are others.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BackupRefused(f"{folder.name} 不是完整的备份 / {folder.name} is not a complete backup") from None
    if settings.embedded:
        ensure_server(settings)
    with transaction(settings, "restore: look") as conn, conn.cursor() as cursor:
        cursor.execute("select to_regclass('ops.batch') is not null")
        if (cursor.fetchone() or (False,))[0]:
            raise BackupRefused("仓库不为空，只能恢复到空仓库 / the warehouse is not empty: restore into an empty one")
    if _files(settings.archive_url):
        raise BackupRefused("归档不为空，只能恢复到空归档 / the archive is not empty: restore into an empty one")
    if keys_from is not None and settings.key_file is None and settings.key_command is None:
        write_secret(settings.home / "keys" / "person.json", keys_from.read_text(encoding="utf-8"))
    if manifest["key_id"] not in (None, settings.keys().key_id):
        raise BackupRefused(
            f"备份使用密钥 {manifest['key_id']}，当前密钥为 {settings.keys().key_id} / "
            f"the backup was made with keys {manifest['key_id']}, these are {settings.keys().key_id}"
        )
    with transaction(settings, "restore: roles") as conn:
        rights.ensure_roles(conn)
    _postgres(
        settings, "pg_restore", "--no-owner", "--no-acl", "--single-transaction", "--exit-on-error", str(folder / DUMP)
    )
    migrate(settings)
    with transaction(settings, "restore: grants") as conn:
        rights.grant(conn)
    files = _copy(f"file://{(folder / ARCHIVE).absolute()}", settings.archive_url)
    found = digest(settings, manifest["build"])
    return Restored(
        manifest["build"],
        files,
        len(found),
        tuple(sorted(name for name, value in manifest["digests"].items() if found.get(name) != value)),
    )


def _postgres(settings: Settings, program: str, *arguments: str) -> None:
    """Run a client program on the warehouse; the password goes by the environment."""
    parts = parse_dsn(settings.warehouse_url)
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    environ = {**os.environ, **{names[key]: value for key, value in parts.items() if key in names}}
    target = ["--dbname", parts["dbname"]] if program == "pg_restore" else []
    done = subprocess.run(
        [str(wheel_binaries() / "bin" / program), *target, *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith(program) and "Command was" not in line]
        raise BackupRefused(f"{program} 失败 / {program} failed: {(told or ['?'])[0]}")


def _files(url: str) -> list[str]:
    """Paths of the files below a URL, relative to it."""
    fs, root = fsspec.core.url_to_fs(url)
    return sorted(str(path)[len(root) + 1 :] for path in fs.find(root)) if fs.exists(root) else []


def _copy(source: str, target: str) -> int:
    """Copy every file below a URL to another; how many."""
    source_fs, source_root = fsspec.core.url_to_fs(source)
    target_fs, target_root = fsspec.core.url_to_fs(target)
    names = [name for name in _files(source) if not name.endswith(".part")]
    for name in names:
        place = f"{target_root}/{name}"
        target_fs.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
        with source_fs.open(f"{source_root}/{name}", "rb") as inside, target_fs.open(place, "wb") as out:
            shutil.copyfileobj(inside, out, 1 << 20)
    return len(names)
