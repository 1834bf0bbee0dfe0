"""Matching against the sandbox's truth ledger: who each record is about, and whom the warehouse gave it to.

Promises
- The judge knows nothing of the rules of matching: it joins the ledger's rows with the records they became and compares subjects.
- Every link counts that is used anywhere (grade exact or strong): given to a subject that is somebody else, it is wrong.
- A link was to be found where the row carries an identifier that the warehouse knows to be its true subject's; a name never is.
- Where the ledger made the department send another body's code, the record stays with the code, flagged (domain page 02
  section 7): such rows have a figure of their own.
- What is only suggested to people (weak) has a figure of its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2 import sql

from creditflow.ops.database import Connection, connect
from creditflow.registry import load
from creditflow.settings import Settings

NO_IDENTIFIER = sql.SQL("null::text")
ANOTHER_CODE = {"head_office_code"}
"""Faults of the ledger that put a valid code of another body into a row."""


@dataclass(frozen=True)
class Matching:
    """Records by what became of them.

    to_find: rows with a known identifier of their true subject; found: of these, linked to it. merged: subjects that stand for
    two true ones. apart: records of a subject that could not be known to be another known one (their only identifier came alone).
    sent_wrong: rows that were sent with another body's code; they are in no other figure.
    """

    records: int
    linked: int
    wrong: int
    to_find: int
    found: int
    merged: int
    apart: int
    sent_wrong: int
    weak: int
    weak_right: int
    unmatched: int
    by_rule: tuple[tuple[str, int, int], ...]

    @property
    def precision(self) -> float | None:
        """Share of the links that lead to the true subject."""
        return 1 - self.wrong / self.linked if self.linked else None

    @property
    def recall(self) -> float | None:
        """Share of the links to be found that were found."""
        return self.found / self.to_find if self.to_find else None

    def as_dict(self) -> dict[str, Any]:
        """For results.json and --json."""
        return {
            "records": self.records,
            "linked": self.linked,
            "wrong": self.wrong,
            "precision": self.precision,
            "to_find": self.to_find,
            "found": self.found,
            "recall": self.recall,
            "subjects_merged_wrongly": self.merged,
            "apart": self.apart,
            "sent_with_another_code": self.sent_wrong,
            "weak": self.weak,
            "weak_right": self.weak_right,
            "unmatched": self.unmatched,
            "by_rule": [{"rule": rule, "records": records, "wrong": wrong} for rule, records, wrong in self.by_rule],
        }


def table(found: dict[str, Any]) -> str:
    """The comparison as a table by rule of matching, in Markdown."""
    lines = [f"| {item['rule']} | {item['records']} | {item['wrong']} |" for item in found["by_rule"]]
    total = f"| **exact and strong** | **{found['linked']}** | **{found['wrong']}** |"
    figures = (
        f"precision {_share(found['precision'])}, recall {_share(found['recall'])} of {found['to_find']} links to be found;"
        f" weak suggestions right: {found['weak_right']} of {found['weak']}; nobody found for {found['unmatched']} records;"
        f" {found['apart']} kept apart for want of a common identifier;"
        f" {found['sent_with_another_code']} sent with another body's code, kept with the code and flagged"
    )
    return "\n".join(["| matched by | records | wrong |", "|---|---|---|", *lines, total, "", figures])


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def measure(settings: Settings, truth: Path) -> Matching:
    """Compare every record of the newest build with the ledger in `truth` (the sandbox's home/truth)."""
    conn = connect(settings, name="matching")
    try:
        sent_wrong = _load(conn, truth)
        kinds = load(settings.project).kinds
        with conn.cursor() as cursor:
            cursor.execute(
                "create temporary table matched (truth text, subject_id uuid, match_grade text, match_rule text,"
                " suggested uuid, uscc text, org_code text, reg_no text, tax_org_code text, is_person boolean)"
            )
            for name, kind in kinds.items():
                if kind.counterparty:
                    cursor.execute(_records(name, kind.counterparty))
            for statement in COMPARED:
                cursor.execute(statement)
            cursor.execute(FIGURES, {"sent_wrong": sent_wrong})
            figures = cursor.fetchone() or ()
            cursor.execute(BY_RULE)
            return Matching(*figures, by_rule=tuple(cursor.fetchall()))
    finally:
        conn.rollback()
        conn.close()


def _load(conn: Connection, truth: Path) -> int:
    """The ledger as temporary tables: true_subject, and true_row by batch and row; returns the rows with another body's code."""
    wrong = _sent_with_another_code(conn, truth)
    with conn.cursor() as cursor:
        cursor.execute(
            "create temporary table true_subject (subject text primary key, uscc text, org_code text, reg_no text)"
        )
        cursor.execute("create temporary table true_row (batch_id text, row_no integer, subject text)")
        _copy(conn, "true_subject", _subjects(truth / "subjects.csv"))
        _copy(conn, "true_row", (row for row in _rows(conn, truth / "row_subjects") if row[:2] not in wrong))
        cursor.execute("create index on true_row (batch_id, row_no)")
        cursor.execute("analyze true_row")
    return len(wrong)


def _sent_with_another_code(conn: Connection, truth: Path) -> set[tuple[str, ...]]:
    """Batch and row of the rows whose injected fault is a valid code of somebody else."""
    with (truth / "faults.csv").open(encoding="utf-8", newline="") as stream:
        faults = [item for item in csv.DictReader(stream) if item["fault"] in ANOTHER_CODE]
    channels, deliveries = _channels(conn), batches_by_delivery(conn)
    return {
        (batch, str(int(item["row_no"]) + first_row_shift(channels[batch])))
        for item in faults
        for batch in deliveries.get((item["department"], item["feed"], item["delivery"]), [])
    }


def _channels(conn: Connection) -> dict[str, str]:
    with conn.cursor() as cursor:
        cursor.execute("select batch_id, channel from ops.batch")
        return dict(cursor.fetchall())


def batches_by_delivery(conn: Connection) -> dict[tuple[str, str, str], list[str]]:
    """(department, feed, ledger's name of the delivery) -> batches. A table or an API has a name per feed and turn only."""
    found: dict[tuple[str, str, str], list[str]] = {}
    turn: dict[tuple[str, str], int] = {}
    with conn.cursor() as cursor:
        cursor.execute(
            "select batch_id, department, feed, channel, file from ops.batch order by as_of, received_at, batch_id"
        )
        for batch_id, department, feed, channel, file in cursor.fetchall():
            if channel in ("frontend_db", "rest_api"):
                turn[department, feed] = turn.get((department, feed), 0) + 1
                name = f"{department}/{feed}#{turn[department, feed]}"
            else:
                name = Path(file).name
            found.setdefault((department, feed, name), []).append(batch_id)
    return found


def first_row_shift(channel: str) -> int:
    """What to add to the ledger's row number to have ours: of a table the ledger counts positions from 1, we from 2."""
    return 1 if channel == "frontend_db" else 0


def _subjects(path: Path) -> Iterator[tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as stream:
        for item in csv.DictReader(stream):
            yield (item["subject"], item["uscc"], item["org_code"], item["reg_no"])


def _rows(conn: Connection, folder: Path) -> Iterator[tuple[str, ...]]:
    channels = _channels(conn)
    for (department, feed, delivery), batches in batches_by_delivery(conn).items():
        path = folder / department / feed / f"{delivery.rsplit('/', 1)[-1]}.csv"
        if not path.exists():
            continue
        with path.open(encoding="utf-8", newline="") as stream:
            for item in csv.DictReader(stream):
                for batch in batches:
                    if item["subject"]:
                        row_no = int(item["row_no"]) + first_row_shift(channels[batch])
                        yield (batch, str(row_no), item["subject"])


def _copy(conn: Connection, name: str, rows: Iterator[tuple[str, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    text.seek(0)
    with conn.cursor() as cursor:
        cursor.copy_expert(f"copy {name} from stdin with (format csv, force_null ({_nullable(name)}))", text)


def _nullable(name: str) -> str:
    return {"true_subject": "uscc, org_code, reg_no", "true_row": "subject"}[name]


def _records(kind: str, party: dict[str, str]) -> sql.Composed:
    """What a kind's records were matched to, and the identifiers their rows carry."""

    def column(role: str, suffix: str = "") -> sql.Composable:
        return sql.Identifier("l", party[role] + suffix) if role in party else NO_IDENTIFIER

    return sql.SQL(
        """insert into matched
        select t.subject, r.subject_id, r.match_grade, r.match_rule, v.suggested_subject_id, btrim({uscc}),
            replace(btrim({org}), '-', ''), btrim({reg}),
            case when length(btrim({tax})) = 15 then substring(btrim({tax}) from 7) end,
            r.party_type = 'natural_person' and coalesce({check} in ('ok', 'converted_15'), false)
        from core.{kind} r
        join true_row t on t.batch_id = r.batch_id and t.row_no = r.row_no
        join landing.{kind} l on l.batch_id = r.batch_id and l.row_no = r.row_no
        left join entity.match_review v
            on v.record_id = r.record_id and v.record_kind = {name} and v.known_to_build = 2147483647
        where r.known_to_build = 2147483647"""
    ).format(
        kind=sql.Identifier(kind),
        name=sql.Literal(kind),
        uscc=column("uscc"),
        org=column("org_code"),
        reg=column("reg_no"),
        tax=column("tax_no"),
        check=column("person_id_no", "_check"),
    )


COMPARED = (
    """create temporary table known as
    select i.id_type, i.id_value, i.evidence, coalesce(a.canonical_subject_id, i.subject_id) as subject_id
    from entity.subject_identifier i
    left join entity.subject_alias a on a.subject_id = i.subject_id and a.known_to_build = 2147483647
    where i.known_to_build = 2147483647 and i.id_type <> 'name'""",
    """create temporary table holder as
    select id_type, id_value, min(subject_id::text)::uuid as subject_id from known
    group by 1, 2 having count(distinct subject_id) = 1""",
    """create temporary table expected as
    select * from (
        select distinct on (s.subject) s.subject as truth, k.subject_id
        from true_subject s
        cross join lateral (values ('uscc', s.uscc), ('reg_no', s.reg_no), ('org_code', s.org_code)) as v (id_type, id_value)
        join known k on k.id_type = v.id_type and k.id_value = v.id_value
        order by s.subject, k.id_type = 'uscc' desc, k.evidence = 'minted', k.subject_id) as by_identifier
    union all
    select m.truth, mode() within group (order by m.subject_id)
    from matched m
    where m.match_grade in ('exact', 'strong') and m.truth not in (select subject from true_subject)
    group by m.truth""",
    """create temporary table owned as
    select m.subject_id, coalesce(min(e.truth), mode() within group (order by m.truth)) as truth
    from matched m left join expected e on e.subject_id = m.subject_id
    where m.match_grade in ('exact', 'strong')
    group by m.subject_id""",
    """create temporary table judged as
    select m.*, e.subject_id as expected_id, o.truth as owner, m.match_grade in ('exact', 'strong') as is_linked,
        m.is_person or e.subject_id in (by_code.subject_id, by_reg_no.subject_id, by_org_code.subject_id, by_tax_no.subject_id)
            as was_to_find
    from matched m
    left join expected e on e.truth = m.truth
    left join owned o on o.subject_id = m.subject_id
    left join holder by_code on by_code.id_type = 'uscc' and by_code.id_value = m.uscc
    left join holder by_reg_no on by_reg_no.id_type = 'reg_no' and by_reg_no.id_value = m.reg_no
    left join holder by_org_code on by_org_code.id_type = 'org_code' and by_org_code.id_value = m.org_code
    left join holder by_tax_no on by_tax_no.id_type = 'org_code' and by_tax_no.id_value = m.tax_org_code""",
)
"""known: identifiers of the warehouse. holder: those that one subject alone has. expected: the subject a true subject's records
belong to; persons and bodies elsewhere have no identifiers in the ledger, theirs is the one most of their records went to.
owned: whom a subject stands for."""

FIGURES = """select
    count(*),
    count(*) filter (where is_linked),
    count(*) filter (where is_linked and owner <> truth),
    count(*) filter (where was_to_find),
    count(*) filter (where was_to_find and is_linked and subject_id = expected_id),
    (select count(*) from (select subject_id from expected group by 1 having count(*) > 1) twice),
    count(*) filter (where is_linked and owner = truth and subject_id is distinct from expected_id),
    %(sent_wrong)s,
    count(*) filter (where match_grade = 'weak'),
    count(*) filter (where match_grade = 'weak' and suggested = expected_id),
    count(*) filter (where match_grade = 'none')
from judged"""

BY_RULE = """select match_rule, count(*), count(*) filter (where owner <> truth)
from judged where is_linked group by 1 order by 1"""
