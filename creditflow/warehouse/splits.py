"""Persons who share an id and are told apart by a decision: which records the build must look at again.

Promises
- What `remember` notes is all the records of landing that bear a personal number of the record a decision of the build names;
  the build reads them again, and gives each the person its number belongs to. Other builds note nothing.
- Numbers are compared as the keyed hashes they are; none leaves the database.
"""

from __future__ import annotations

from psycopg2 import sql

from creditflow.ops.database import Connection


def remember(conn: Connection, build_no: int) -> None:
    """Note in ops.replayed_record what the splits among the build's batches concern. Runs in the caller's transaction."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select distinct d.target_kind, lower(d.target_record_id) from landing.decision d"
            " join ops.build_batch m on m.batch_id = d.batch_id"
            " where m.build_no = %s and d.decision_type = 'person_split' and pg_input_is_valid(d.target_record_id, 'uuid')",
            (build_no,),
        )
        targets = cursor.fetchall()
        if not targets:
            return
        columns = hash_columns(conn)
        hashes = sorted({found for kind, record in targets for found in hashes_of(conn, kind, record)})
        for kind, names in columns.items():
            cursor.execute(
                sql.SQL(
                    "insert into ops.replayed_record select distinct %s::integer, r.record_key from landing.{} r"
                    " where {} on conflict do nothing"
                ).format(
                    sql.Identifier(kind),
                    sql.SQL(" or ").join(sql.SQL("r.{} = any(%s)").format(sql.Identifier(name)) for name in names),
                ),
                (build_no, *([hashes] * len(names))),
            )


def hash_columns(conn: Connection) -> dict[str, list[str]]:
    """Columns of landing that hold the keyed hash of a personal number, by kind; kinds without one are absent."""
    found: dict[str, list[str]] = {}
    with conn.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name from information_schema.columns"
            " where table_schema = 'landing' and column_name like '%id\\_no\\_hash' order by 1, 2"
        )
        for table, column in cursor.fetchall():
            found.setdefault(str(table), []).append(str(column))
    return found


def hashes_of(conn: Connection, kind: str, record_id: str) -> list[str]:
    """Keyed hashes of the persons the newest version of a record names."""
    names = hash_columns(conn).get(kind, [])
    if not names:
        return []
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "select array_remove(array[{}], null) from landing.{} where record_key = %s::uuid"
                " order by version_at desc, version_seq desc, content_hash desc limit 1"
            ).format(sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(kind)),
            (record_id,),
        )
        row = cursor.fetchone()
    return [str(value) for value in row[0]] if row else []
