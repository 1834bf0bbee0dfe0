"""Which person keys the warehouse was filled with, and how they are replaced.

Promises
- A delivery lands only with the keys the warehouse's persons were hashed with: another key would part a person in two.
- `rotate` makes every hash and ciphertext anew, in one transaction, or changes nothing; joins hold before and after,
  and no id, digest or published row changes, because none derives from the hash.
- The new keys are on disk before the warehouse uses them, and the old ones stay beside them until `retire`: a crash
  between the two leaves nothing that cannot be opened; running `rotate` again finishes it.
- Numbers are in clear in this process's memory only; nothing is logged but counts and key ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg2 import sql
from psycopg2.extras import execute_values

from creditflow.archive import reseal
from creditflow.identity.persons import RESIDENT_ID, CipherError, PersonKeys
from creditflow.ops import journal
from creditflow.ops.database import Connection, advisory_lock, transaction
from creditflow.settings import Keys, Settings, write_secret

CURRENT = "select key_id from ops.person_key where replaced_at is null"
HASH_AND_CIPHER = (("_hash", "_cipher"), ("_key", "_cipher"))
"""Endings of two columns of a table that hold the same number, hashed and encrypted."""


class KeysDiffer(Exception):
    """The keys given are not those the warehouse was filled with."""


class RotationRefused(Exception):
    """The keys cannot be rotated as things are; nothing was changed."""


@dataclass(frozen=True)
class Rotation:
    """What a rotation did. values: hashes made anew, over all tables."""

    old: str
    new: str
    persons: int
    values: int
    tables: int


@dataclass(frozen=True)
class _Pair:
    schema: str
    table: str
    hashed: str
    cipher: str

    @property
    def name(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.table)


def hold_keys(conn: Connection, keys: Keys) -> None:
    """Make sure these are the warehouse's keys, and keep them so until this transaction ends.

    Raises KeysDiffer. The first keys ever used become the warehouse's.
    """
    with conn.cursor() as cursor:
        cursor.execute("insert into ops.person_key (key_id) values (%s) on conflict do nothing", (keys.key_id,))
        cursor.execute(f"{CURRENT} for share")
        row = cursor.fetchone()
    if row is None or row[0] != keys.key_id:
        raise KeysDiffer(
            f"当前密钥 {keys.key_id} 不是仓库所用密钥 {row and row[0]}：请配置正确的密钥文件后重试 / "
            f"these are keys {keys.key_id}, the warehouse was filled with {row and row[0]}: give the right key file"
        )


def current_key(conn: Connection) -> str | None:
    """Id of the keys the warehouse was filled with; None before the first delivery."""
    with conn.cursor() as cursor:
        cursor.execute(CURRENT)
        row = cursor.fetchone()
    return str(row[0]) if row else None


def key_file(settings: Settings) -> Path:
    """Where the key file lies. Raises RotationRefused when a command gives the keys."""
    if settings.key_command is not None:
        raise RotationRefused(
            "密钥由 CREDITFLOW_KEY_COMMAND 提供：请用 --to FILE 写出新密钥，轮换后存入密钥服务 / "
            "the keys come from CREDITFLOW_KEY_COMMAND: give --to FILE and put that file into the key service afterwards"
        )
    return settings.key_file or settings.home / "keys" / "person.json"


def rotate(settings: Settings, *, to: Path | None = None) -> Rotation:
    """Replace the person keys. to: where the new keys are written and left (default: they take the key file's place).

    Raises RotationRefused, KeysDiffer. No delivery lands meanwhile: landings wait, then need the new keys.
    """
    old = settings.keys()
    draft = to or key_file(settings).with_suffix(".next")
    write_secret(draft, Keys.fresh().replacing(old).text())
    new = Keys.parse(draft.read_text(encoding="utf-8"))
    if old.key_id not in {item.key_id for item in new.previous}:
        raise RotationRefused(
            f"{draft.name} 不是由当前密钥 {old.key_id} 轮换而来，请移开后重试 / "
            f"{draft.name} does not follow keys {old.key_id}: move it away and run again"
        )
    done = _in_warehouse(settings, old, new)
    if to is None:
        draft.replace(key_file(settings))
    journal.keep(settings)
    return done


def retire(settings: Settings) -> list[str]:
    """Forget the previous keys for good; ids of those forgotten. What was made with them can no longer be opened, but
    for the archive, which is sealed anew first."""
    path = key_file(settings)
    keys = settings.keys()
    if keys.previous:
        reseal(settings)
        draft = path.with_suffix(".retired")
        draft.unlink(missing_ok=True)
        write_secret(draft, replace(keys, previous=()).text())
        draft.replace(path)
    return [item.key_id for item in keys.previous]


def _in_warehouse(settings: Settings, old: Keys, new: Keys) -> Rotation:
    with transaction(settings, "rotate person keys") as conn:
        advisory_lock(conn, "creditflow.rotate")
        with conn.cursor() as cursor:
            cursor.execute(f"{CURRENT} for update")
            row = cursor.fetchone()
            if row is not None and row[0] == new.key_id:  # an earlier run got this far
                return Rotation(old.key_id, new.key_id, 0, 0, 0)
            if row is not None and row[0] != old.key_id:
                raise KeysDiffer(f"the warehouse was filled with keys {row[0]}, not {old.key_id}")
            pairs = _pairs(conn)
            persons = _map(conn, pairs, old, new)
            changed = sum(_renew(conn, pair) for pair in pairs) + sum(_follow(conn, *column) for column in _lone(conn))
            cursor.execute("update ops.person_key set replaced_at = clock_timestamp() where replaced_at is null")
            cursor.execute("insert into ops.person_key (key_id, values_changed) values (%s, %s)", (new.key_id, changed))
        journal.note(conn, "keys_rotated", old=old.key_id, new=new.key_id)
    return Rotation(old.key_id, new.key_id, persons, changed, len(pairs))


def _columns(conn: Connection) -> dict[tuple[str, str], set[str]]:
    """Columns of every table outside the database's own schemas."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select table_schema, table_name, array_agg(column_name::text) from information_schema.columns"
            " join information_schema.tables using (table_schema, table_name) where table_type = 'BASE TABLE'"
            " and table_schema not in ('pg_catalog', 'information_schema') group by 1, 2 order by 1, 2"
        )
        return {(schema, table): set(names) for schema, table, names in cursor.fetchall()}


def _pairs(conn: Connection) -> list[_Pair]:
    return [
        _Pair(schema, table, base + hashed, base + sealed)
        for (schema, table), names in _columns(conn).items()
        for hashed, sealed in HASH_AND_CIPHER
        for base in sorted(name.removesuffix(sealed) for name in names if name.endswith(sealed))
        if base + hashed in names
    ]


def _lone(conn: Connection) -> list[tuple[str, str, str]]:
    """Person keys without a ciphertext beside them, as (schema, table, column)."""
    return [
        (schema, table, name)
        for (schema, table), names in _columns(conn).items()
        for name in sorted(names)
        if name.endswith(("person_key", "id_no_hash"))
        and not any(name.removesuffix(end) + "_cipher" in names for end in ("_key", "_hash"))
    ]


def _map(conn: Connection, pairs: Iterable[_Pair], old: Keys, new: Keys) -> int:
    """Fill a table of (old hash, old cipher, new hash, new cipher); how many there are."""
    before, after = PersonKeys.of(old), PersonKeys.of(new)
    types = [RESIDENT_ID, *_document_types(conn)]
    with conn.cursor() as cursor:
        cursor.execute(
            "create temp table key_map (old_hash text, old_cipher text, new_hash text, new_cipher text,"
            " primary key (old_hash, old_cipher)) on commit drop"
        )
        for pair in pairs:
            cursor.execute(
                sql.SQL(
                    "select distinct t.{hashed}, t.{cipher} from {table} t left join key_map m"
                    " on m.old_hash = t.{hashed} and m.old_cipher = t.{cipher}"
                    " where t.{cipher} is not null and m.old_hash is null"
                ).format(hashed=sql.Identifier(pair.hashed), cipher=sql.Identifier(pair.cipher), table=pair.name)
            )
            lines = [
                (hashed, cipher, *_anew(before, after, types, hashed, cipher, pair))
                for hashed, cipher in cursor.fetchall()
            ]
            execute_values(cursor, "insert into key_map values %s", lines, page_size=1000)
        cursor.execute("analyze key_map")
        cursor.execute("select count(*) from key_map")
        return int((cursor.fetchone() or (0,))[0])


def _anew(
    before: PersonKeys, after: PersonKeys, types: list[str], hashed: str, cipher: str, pair: _Pair
) -> tuple[str | None, str | None]:
    """New hash and ciphertext of a number; the document type is the one under which the old hash comes out."""
    try:
        number = before.reveal(cipher)
    except CipherError as problem:
        raise RotationRefused(f"{pair.schema}.{pair.table}.{pair.cipher}: {problem}") from None
    for document_type in types:
        if before.protect(number, document_type).hash == hashed:
            kept = after.protect(number, document_type)
            return kept.hash, kept.cipher
    raise RotationRefused(
        f"{pair.schema}.{pair.table}.{pair.hashed}: 有一个号码的证件类型不明，无法重新计算 / "
        "the document type of a number is not known, so its hash cannot be made anew"
    )


def _document_types(conn: Connection) -> list[str]:
    """Every document type that came with a number, and every one of the code list."""
    found: set[str] = set()
    with conn.cursor() as cursor:
        for (schema, table), names in _columns(conn).items():
            for name in sorted(name for name in names if name.endswith("_id_type")):
                cursor.execute(
                    sql.SQL("select distinct {} from {}").format(sql.Identifier(name), sql.Identifier(schema, table))
                )
                found.update(value for (value,) in cursor.fetchall() if value)
    return sorted(found)


def _renew(conn: Connection, pair: _Pair) -> int:
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "update {table} t set {hashed} = m.new_hash, {cipher} = m.new_cipher from key_map m"
                " where m.old_hash = t.{hashed} and m.old_cipher = t.{cipher}"
            ).format(table=pair.name, hashed=sql.Identifier(pair.hashed), cipher=sql.Identifier(pair.cipher))
        )
        return int(cursor.rowcount)


def _follow(conn: Connection, schema: str, table: str, column: str) -> int:
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL("update {table} t set {column} = m.new_hash from key_map m where m.old_hash = t.{column}").format(
                table=sql.Identifier(schema, table), column=sql.Identifier(column)
            )
        )
        return int(cursor.rowcount)
