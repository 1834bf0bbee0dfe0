"""A duplicate that says something after all: a delivery that came late changed the record in between.

A row equal to the version just before it is a duplicate and does not land. If a record was changed and changed back, and
the delivery with the change comes last, the row that changed it back had been taken for a duplicate.

Promises
- `restate` gives such rows their place in landing, as if the deliveries had come in order: with their own delivery, row number
  and version; what they say is read off the equal row that landed. Counts of their delivery follow.
- `take_back` undoes exactly that, when the late delivery is interpreted again.
- `remember` has a build look at those records as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg2 import sql

from creditflow.ops.database import Connection

OWN = {
    "department": "r.department",
    "feed": "r.feed",
    "batch_id": "r.batch_id",
    "row_no": "r.row_no",
    "op": "r.op",
    "version_at": "r.version_at",
    "version_seq": "r.version_seq",
}
"""Columns of landing in which an equal row of another delivery differs."""
_CLASS = "case when {0}.op in ('I', 'U') then 'I' else {0}.op end"
_TOUCHED = """
create temp table gate_touched on commit drop as select distinct l.record_key from landing.{kind} l {known}
where l.batch_id = %(batch)s
    and exists (select 1 from quality.row_verdict v where v.record_key = l.record_key and v.verdict = 'duplicate')
"""
"""Records this delivery names of which a duplicate is known."""
_FIND = f"""
create temp table gate_restated on commit drop as
with said as (
    select l.record_key, l.content_hash, {_CLASS.format("l")} as class, l.op, l.version_at, l.version_seq,
        l.department, l.feed, null::text as batch_id, null::integer as row_no
    from landing.{{kind}} l join gate_touched using (record_key)
    union all
    select v.record_key, v.content_hash, {_CLASS.format("v")}, v.op, v.version_at, v.version_seq, b.department, b.feed,
        v.batch_id, v.row_no
    from quality.row_verdict v join gate_touched using (record_key) join ops.batch b using (batch_id)
    where v.verdict = 'duplicate' and b.kind = %(kind)s and b.delivery <> 'full_snapshot'
        and b.state in ('accepted', 'partly_accepted')
),
in_order as (
    select said.*, lag(content_hash) over versions as hash_before, lag(class) over versions as class_before
    from said
    window versions as (partition by record_key order by version_at, version_seq, content_hash, row_no nulls first)
)
select department, feed, batch_id, row_no, record_key, content_hash, class, op, version_at, version_seq
from in_order
where row_no is not null and (content_hash, class) is distinct from (hash_before, class_before)
"""
"""Duplicates of those records that are no longer equal to the version just before them."""


def restate(cursor: Any, kind: str, batch_id: str) -> set[str]:
    """Let the rows that the accepted delivery `batch_id` shows to be no duplicates land; their deliveries.

    In the gate's transaction, whose table gate_key holds the records of the delivery that were known before. Rows whose
    equal is no longer in landing (deleted by law) stay what they are.
    """
    return _restate(cursor, kind, batch_id, "join gate_key using (record_key)")


def restate_again(conn: Connection, batches: Sequence[str]) -> None:
    """The same for deliveries whose earlier interpretation is back in landing."""
    with conn.cursor() as cursor:
        cursor.execute("select kind, batch_id from ops.batch where batch_id = any(%s) order by 2", (list(batches),))
        for kind, batch_id in cursor.fetchall():
            _restate(cursor, kind, batch_id, "")


def take_back(conn: Connection, batches: Sequence[str]) -> None:
    """Rows that are in landing because of these deliveries are duplicates again."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select distinct b.kind from quality.restated_row r join ops.batch b using (batch_id) where r.because_of = any(%s)",
            (list(batches),),
        )
        for (kind,) in cursor.fetchall():
            cursor.execute(
                sql.SQL(
                    "delete from landing.{} l using quality.restated_row r where r.because_of = any(%s)"
                    " and l.batch_id = r.batch_id and l.row_no = r.row_no and l.record_key = r.record_key"
                ).format(sql.Identifier(kind)),
                (list(batches),),
            )
        cursor.execute(
            "with gone as (delete from quality.restated_row where because_of = any(%s) returning batch_id, verdict)"
            " insert into quality.row_verdict select line.* from gone,"
            " jsonb_populate_record(null::quality.row_verdict, gone.verdict) line returning batch_id",
            (list(batches),),
        )
        _count(cursor, sorted({batch_id for (batch_id,) in cursor.fetchall()}))


def remember(conn: Connection, build_no: int) -> None:
    """Note in ops.replayed_record the records that the build's deliveries restated. In the caller's transaction."""
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into ops.replayed_record select distinct m.build_no, r.record_key from quality.restated_row r"
            " join ops.build_batch m on m.batch_id = r.because_of where m.build_no = %s on conflict do nothing",
            (build_no,),
        )


def _restate(cursor: Any, kind: str, batch_id: str, known: str) -> set[str]:
    told = {"kind": kind, "batch": batch_id}
    cursor.execute("drop table if exists gate_touched, gate_restated")
    cursor.execute(_TOUCHED.format(kind=kind, known=known), told)
    if not cursor.rowcount:
        return set()
    cursor.execute("analyze gate_touched")
    cursor.execute(_FIND.format(kind=kind), told)
    cursor.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
        (f"landing.{kind}",),
    )
    names = [str(name) for (name,) in cursor.fetchall()]
    cursor.execute(
        f"insert into landing.{kind} ({', '.join(names)})"
        f" select {', '.join(OWN.get(name, f'l.{name}') for name in names)} from gate_restated r cross join lateral ("
        f"select * from landing.{kind} l where l.record_key = r.record_key and l.content_hash = r.content_hash"
        f" and {_CLASS.format('l')} = r.class order by l.version_at desc, l.version_seq desc, l.batch_id, l.row_no limit 1) l"
        " returning batch_id, row_no"
    )
    landed = cursor.fetchall()
    if not landed:
        return set()
    cursor.execute(
        "with landed as (select * from unnest(%s::text[], %s::integer[]) as l (batch_id, row_no)),"
        " was as (delete from quality.row_verdict v using landed l"
        " where v.batch_id = l.batch_id and v.row_no = l.row_no and v.verdict = 'duplicate' returning v.*)"
        " insert into quality.restated_row (batch_id, row_no, record_key, because_of, verdict)"
        " select batch_id, row_no, record_key, %s, to_jsonb(was) from was",
        ([batch for batch, _ in landed], [row for _, row in landed], batch_id),
    )
    changed = {batch for batch, _ in landed}
    _count(cursor, sorted(changed))
    return changed


def _count(cursor: Any, batches: list[str]) -> None:
    """Counts of deliveries after rows of theirs became duplicates, or ceased to be."""
    cursor.execute(
        "update ops.batch b set rows_duplicate = d.rows, rows_accepted = b.rows_accepted + b.rows_duplicate - d.rows"
        " from (select n.batch_id, count(v.row_no) as rows from unnest(%s::text[]) as n (batch_id) left join quality.row_verdict v"
        "  on v.batch_id = n.batch_id and v.verdict = 'duplicate' group by 1) d where b.batch_id = d.batch_id",
        (batches,),
    )
    cursor.execute("delete from quality.rule_result where severity = 'duplicate' and batch_id = any(%s)", (batches,))
    cursor.execute(
        "insert into quality.rule_result (batch_id, rule_id, severity, rows_evaluated, rows_failed)"
        " select b.batch_id, 'DUPLICATE', 'duplicate', b.rows_read, b.rows_duplicate from ops.batch b"
        " where b.rows_duplicate > 0 and b.batch_id = any(%s)",
        (batches,),
    )
