"""Looks for the sandbox's personal numbers wherever a night may have left them.

The numbers are those of every person of the seeded world, in both lengths, and every telephone and card number that the
sandbox plants in free text. Where they may stand: in what departments sent (archive, sandbox), and nowhere else.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import psycopg2
from psycopg2 import sql

from sandbox import world
from sandbox.store import Store

SENT = ("archive", "sandbox", "keys", "server", "build")
"""Folders below home that hold what was sent, secrets, or the database's own files (read as tables instead)."""
LENGTHS = (11, 15, 18, 19)
_run = re.compile(r"[0-9]{10,}[0-9Xx]")
_planted = re.compile(rb"(?<![0-9])(?:1380013800[0-9]|622202000000[0-9]{7})(?![0-9])")


def numbers(home: Path) -> frozenset[str]:
    """Every personal number of the sandbox below this home: resident IDs (18 and 15 digits), mobiles, cards."""
    seed = Store(home / "sandbox").seed()
    assert seed is not None, "the sandbox was not seeded"
    people = world.make(seed.seed, seed.scale, seed.day)
    ids = [str(number) for number in people.resident_no(np.arange(people.persons))]
    known = {*ids, *(number[:6] + number[8:17] for number in ids)}
    known |= {f"1380013800{digit}" for digit in range(10)}
    for path in (home / "archive").rglob("data.*"):
        for content in opened(path.name, path.read_bytes()):
            known |= {found.decode() for found in _planted.findall(content)}
    return frozenset(known)


def holds(text: str, known: frozenset[str]) -> bool:
    """Whether one of the numbers stands in a text, also inside a longer run of digits."""
    for match in _run.finditer(text):
        run = match[0].upper()
        for length in LENGTHS:
            if any(run[at : at + length] in known for at in range(len(run) - length + 1)):
                return True
    return False


def opened(name: str, content: bytes) -> Iterator[bytes]:
    """A file's bytes; of a workbook those of its parts."""
    if not name.endswith((".xlsx", ".zip")) or not content.startswith(b"PK"):
        yield content
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.namelist():
            yield archive.read(member)


def in_files(home: Path, known: frozenset[str]) -> list[str]:
    """Files below home, less what was sent, that hold one of the numbers; the database server's log with them."""
    places = [path for path in home.rglob("*") if path.is_file() and path.relative_to(home).parts[0] not in SENT]
    data = Path(json.loads((home / "server.json").read_text())["data"])
    places += [path for path in data.parent.rglob("*") if path.is_file() and path.suffix in (".log", ".csv")]
    return [
        str(path)
        for path in places
        if any(holds(part.decode("utf-8", "replace"), known) for part in opened(path.name, path.read_bytes()))
    ]


def in_tables(url: str, known: frozenset[str], *, role: str | None = None) -> tuple[list[str], int]:
    """(tables and views of a database that hold one of the numbers, how many were read); role: only what it may read."""
    conn = psycopg2.connect(url)
    try:
        with conn.cursor() as cursor:
            cursor.execute(
                "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                " where c.relkind in ('r', 'p', 'v') and n.nspname not in ('pg_catalog', 'information_schema')"
                " and has_schema_privilege(%(role)s, n.oid, 'usage') and has_table_privilege(%(role)s, c.oid, 'select')"
                " order by 1, 2",
                {"role": role or conn.info.user},
            )
            names = cursor.fetchall()
            if role:
                cursor.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            found = [
                f"{schema}.{table}"
                for schema, table in names
                if any(holds(line, known) for line in _lines(cursor, schema, table))
            ]
        return found, len(names)
    finally:
        conn.close()


def _lines(cursor: psycopg2.extensions.cursor, schema: str, table: str) -> Iterable[str]:
    out = io.StringIO()
    cursor.copy_expert(sql.SQL("copy (select * from {}) to stdout").format(sql.Identifier(schema, table)), out, 1 << 20)
    return out.getvalue().splitlines()
