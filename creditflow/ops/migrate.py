"""Numbered SQL migrations: forward only, each applied once, in order, in one transaction.

Promises
- `migrations/NNNN_name.sql` is applied exactly once and recorded with its sha256 in ops.schema_migration.
- Two processes migrating together do it once: the second waits and finds nothing to do.
- A released migration that was edited afterwards is refused, because the warehouse would not be what the files say.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from creditflow.ops.database import Connection, advisory_lock, transaction
from creditflow.settings import Settings

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


class MigrationError(Exception):
    """The numbered files and the warehouse disagree."""


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    number: int
    path: Path

    @property
    def sql(self) -> str:
        """Its statements."""
        return self.path.read_text(encoding="utf-8")

    @property
    def sha256(self) -> str:
        """Hash of its bytes."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def find_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All numbered files in order. Raises MigrationError on a bad name or a number used twice."""
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise MigrationError(f"migration must be named NNNN_name.sql: {path.name}")
        number = int(match[1])
        if number in found:
            raise MigrationError(f"migration number {number:04} is used twice: {found[number].path.name}, {path.name}")
        found[number] = Migration(number, path)
    return [found[number] for number in sorted(found)]


def migrate(settings: Settings, *, folder: Path = MIGRATIONS) -> list[str]:
    """Bring the warehouse to the newest migration; returns the names applied now (empty when up to date)."""
    with transaction(settings, "migrate") as conn:
        advisory_lock(conn, "creditflow.migrate")
        return _apply(conn, find_migrations(folder))


def _apply(conn: Connection, migrations: list[Migration]) -> list[str]:
    applied: list[str] = []
    with conn.cursor() as cursor:
        cursor.execute("create schema if not exists ops")
        cursor.execute(
            "create table if not exists ops.schema_migration ("
            " number integer primary key, name text not null, sha256 text not null,"
            " applied_at timestamptz not null)"
        )
        cursor.execute("select number, sha256 from ops.schema_migration")
        known = dict(cursor.fetchall())
        for migration in migrations:
            if migration.number in known:
                if known[migration.number] != migration.sha256:
                    raise MigrationError(
                        f"{migration.path.name} was edited after it had been applied: add a new migration instead"
                    )
                continue
            cursor.execute(migration.sql)
            cursor.execute(
                "insert into ops.schema_migration values (%s, %s, %s, clock_timestamp())",
                (migration.number, migration.path.name, migration.sha256),
            )
            applied.append(migration.path.name)
    return applied
