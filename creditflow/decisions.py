"""Decisions of the credit office: written down, checked, and sent in as a delivery of feed x_credit_office/decision.

Promises
- There is one road. A decision given as a command becomes the same workbook that a person fills in by hand, is archived,
  landed, judged and replayed like every delivery; nothing is written to the warehouse beside that road.
- A command that cannot take effect is refused before anything is archived, and says what is wrong and what to do; a
  workbook is judged row by row by the rules of expectations/kinds/decision.yml.
- Who, when and why are part of the row. A deletion takes effect only with the yes of a second person.
- Taking a decision back is a row of its own (operation W); the decision stays readable.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import xlsxwriter
from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from creditflow.identity.codes import uscc_ok
from creditflow.identity.normal import normal_code
from creditflow.ops.database import Connection, transaction
from creditflow.registry import Kind, Registry
from creditflow.settings import Settings
from creditflow.warehouse.splits import hashes_of

DEPARTMENT, FEED = "x_credit_office", "decision"
ABOUT_A_RECORD = frozenset(
    {
        "repair",
        "objection_upheld",
        "objection_mark",
        "withdrawal",
        "deletion",
        "regime_override",
        "severity",
        "notice_date",
        "publication_hold",
        "nominee",
        "person_split",
    }
)
"""Types that name a record; the others judge whether two subjects, or a record and a subject, are the same."""

OPERATION_HEADING, TIME_HEADING = "操作标识", "更新时间"
TITLE = "信用办人工决定"
INSTRUCTIONS = (
    "每行一项决定。对象填写“对象类型”加“对象文书号”，或“对象记录号”（见待核清单）；主体合并、主体不同填写统一社会信用代码和另一主体代码或对象记录号。",
    "严重程度认定填：轻微、一般、严重；适用规则指定填：R2019、R2023、R2026；告知日期填日期；挂名认定填：是、否。删除须由第二人在“复核人”具名。理由必填，勿写个人证件号码和电话。",
)
TEMPLATE_ROWS = 200


class DecisionRefused(Exception):
    """A decision that cannot take effect; the message says why, in Chinese and English."""


@dataclass(frozen=True)
class Decision:
    """One decision; fields are the columns of the record kind. operation: I new, U corrected, W taken back.

    target_document_no with target_kind, or target_record_id, name the record it is about. at: when it was entered.
    """

    decision_type: str
    reason: str
    decided_by: str
    decision_date: dt.date
    document_no: str = ""
    target_kind: str | None = None
    target_document_no: str | None = None
    target_record_id: str | None = None
    subject_uscc: str | None = None
    other_subject_uscc: str | None = None
    decision_value: str | None = None
    confirmed_by: str | None = None
    remark: str | None = None
    operation: str = "I"
    at: dt.datetime | None = None

    def numbered(self) -> Decision:
        """With its number: made from what was decided about what, by whom and when, so that the same is one decision."""
        if self.document_no:
            return self
        parts = (
            self.decision_type,
            self.target_kind,
            self.target_document_no,
            self.target_record_id,
            self.subject_uscc,
        )
        more = (self.other_subject_uscc, self.decision_value, self.decided_by)
        text = "|".join(str(part or "") for part in (*parts, *more, self.decision_date))
        number = hashlib.sha256(text.encode()).hexdigest()[:8].upper()
        return replace(self, document_no=f"XYB-{self.decision_date:%Y%m%d}-{number}")


def decide(
    settings: Settings, registry: Registry, decision: Decision, as_of: dt.date, *, ahead: bool = False
) -> tuple[Decision, list[str]]:
    """Check and send in one decision; returns it with its number, and the ids of its batch.

    ahead: the record has not arrived yet and the decision waits for it. Raises DecisionRefused.
    """
    decision = _normal(decision)
    problems = list(_problems(decision))
    if not problems and decision.decision_type in ABOUT_A_RECORD | {"identity_same", "identity_different"}:
        problems += _target_problems(settings, registry, decision, ahead)
    if problems:
        raise DecisionRefused("\n".join(problems))
    decision = decision.numbered()
    return decision, send(settings, registry, [decision], as_of)


def confirm(settings: Settings, registry: Registry, number: str, confirmed_by: str, as_of: dt.date) -> list[str]:
    """A second person's yes to a deletion. Raises DecisionRefused: unknown, no deletion, the same person, already given."""
    decision = known(settings, number)
    if decision.decision_type != "deletion":
        raise DecisionRefused(f"{number}：只有删除需要复核 / only a deletion needs a second person's yes")
    if decision.operation == "W":
        raise DecisionRefused(f"{number}：该决定已撤回 / the decision was taken back")
    if decision.confirmed_by:
        raise DecisionRefused(
            f"{number}：已由{decision.confirmed_by}复核 / already confirmed by {decision.confirmed_by}"
        )
    if _same_person(decision.decided_by, confirmed_by):
        raise DecisionRefused(
            f"{number}：复核人不得与决定人相同（{decision.decided_by}）/ the second person must be another than who decided"
        )
    return send(settings, registry, [_later(decision, confirmed_by=confirmed_by.strip(), operation="U")], as_of)


def take_back(settings: Settings, registry: Registry, number: str, reason: str, by: str, as_of: dt.date) -> list[str]:
    """End a decision's effect; the decision stays readable. Raises DecisionRefused: unknown, already taken back."""
    decision = known(settings, number)
    if decision.operation == "W":
        raise DecisionRefused(f"{number}：该决定已撤回 / the decision was already taken back")
    if not reason.strip():
        raise DecisionRefused("请填写撤回理由 / say why it is taken back (--reason)")
    remark = f"{by}于{as_of:%Y-%m-%d}撤回：{reason.strip()}"
    return send(settings, registry, [_later(decision, remark=remark, operation="W")], as_of)


def known(settings: Settings, number: str) -> Decision:
    """The newest accepted version of a decision by its number. Raises DecisionRefused when there is none."""
    with transaction(settings, "a decision") as conn, conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(
            "select * from landing.decision where department = %s"
            " and ops.normal_document_no(document_no) = ops.normal_document_no(%s)"
            " order by version_at desc, version_seq desc, content_hash desc limit 1",
            (DEPARTMENT, number),
        )
        row = cursor.fetchone()
    if row is None:
        raise DecisionRefused(f"没有编号为“{number}”的决定 / no decision numbered {number}")
    fields = {name: row[name] for name in asdict(_EMPTY) if name in row and name not in ("decision_date", "at")}
    day = dt.date.fromisoformat(str(row["decision_date"]).replace("/", "-"))
    return Decision(**fields, decision_date=day, operation=row["op"], at=row["version_at"])


_EMPTY = Decision("", "", "", dt.date.min)


def _later(decision: Decision, **changes: Any) -> Decision:
    """The next version: entered now, but never before the version it changes."""
    assert decision.at is not None
    now = dt.datetime.now(dt.UTC)
    return replace(decision, at=max(now, decision.at + dt.timedelta(seconds=1)), **changes)


def _normal(decision: Decision) -> Decision:
    """Blanks cut, codes in their written form."""
    values = {
        name: value.strip() or None
        for name, value in asdict(decision).items()
        if isinstance(value, str) and name != "operation"
    }
    for name in ("subject_uscc", "other_subject_uscc"):
        if values.get(name):
            values[name] = normal_code(values[name] or "")
    for name in ("decision_type", "reason", "decided_by", "document_no"):
        values[name] = values.get(name) or ""
    return replace(decision, **values)  # type: ignore[arg-type]


def _same_person(one: str, other: str) -> bool:
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


def _problems(decision: Decision) -> list[str]:
    """What the decision itself lacks."""
    found = []
    if not decision.reason:
        found.append("请填写理由 / say why (--reason)")
    if not decision.decided_by:
        found.append("请填写决定人 / say who decides (--by)")
    found += [
        f"统一社会信用代码 {code} 校验不通过，请核对 / the code {code} fails its check digit: look at it again"
        for code in (decision.subject_uscc, decision.other_subject_uscc)
        if code and not uscc_ok(code)
    ]
    if decision.decision_type in ABOUT_A_RECORD:
        if not decision.target_kind or not (decision.target_record_id or decision.target_document_no):
            found.append(
                "请用 --kind 加 --document 或 --record 指明对象 / name the record: --kind, and --document or --record"
            )
        elif decision.decision_type == "person_split" and not decision.target_record_id:
            found.append("请用 --record 指明写有该人的记录 / name the record that names the person: --record")
    else:
        if not decision.subject_uscc:
            found.append("请填写主体的统一社会信用代码 / give the subject's code")
        if bool(decision.other_subject_uscc) == bool(decision.target_record_id):
            found.append(
                "请填写另一主体的代码，或待核记录号，二者取一 / give the other subject's code or a record to review, one of them"
            )
        if decision.subject_uscc and decision.subject_uscc == decision.other_subject_uscc:
            found.append("两个代码相同，无需判断 / the two codes are one: nothing to judge")
    return found


def _target_problems(settings: Settings, registry: Registry, decision: Decision, ahead: bool) -> list[str]:
    """What the warehouse says against it: the record or subject is not there, or the number is not one party's."""
    with transaction(settings, "target of a decision") as conn, conn.cursor() as cursor:
        cursor.execute("select build_no from ops.pointer where build_no > 0")
        if cursor.fetchone() is None:
            return (
                []
                if ahead
                else ["数据库尚无已发布的构建，请先运行 creditflow night / nothing is published yet: creditflow night"]
            )
        if decision.decision_type not in ABOUT_A_RECORD:
            return _subject_problems(cursor, decision)
        if decision.target_kind not in registry.kinds:
            return [f"没有“{decision.target_kind}”这类记录；可选：{'、'.join(registry.kinds)} / no such record kind"]
        where, value = (
            ("record_id::text = lower(%s)", decision.target_record_id)
            if decision.target_record_id
            else ("document_key = ops.normal_document_no(%s)", decision.target_document_no)
        )
        cursor.execute(
            sql.SQL(
                "select distinct r.subject_id, s.uscc, s.subject_name from core.{} as r"
                " left join entity.subject as s on s.subject_id = r.subject_id and s.known_to_build = 2147483647"
                " where r.known_to_build = 2147483647 and r." + where
            ).format(sql.Identifier(decision.target_kind)),
            (value,),
        )
        parties = cursor.fetchall()
        if parties and decision.decision_type == "person_split":
            return _split_problems(conn, decision)
        if decision.decision_type == "nominee" and not decision.target_record_id:
            cursor.execute(
                "select count(*) from core.list_entry where known_to_build = 2147483647"
                " and document_key = ops.normal_document_no(%s) and responsible_person_name is not null",
                (value,),
            )
            if (cursor.fetchone() or (0,))[0] > 1:
                return [
                    f"“{value}”列明多名责任人，请用 --record 指明记录 / several persons are named: name the record with --record"
                ]
    title = registry.kinds[decision.target_kind].title_zh
    if not parties:
        missing = f"库中没有“{value}”的{title}记录：请核对，记录确未入库的加 --ahead 先行登记"
        english = f"no {decision.target_kind} record {value}: check it, or add --ahead if it has yet to arrive"
        return [] if ahead else [f"{missing} / {english}"]
    if decision.subject_uscc:
        if decision.subject_uscc not in {uscc for _, uscc, _ in parties}:
            return [f"“{value}”的{title}记录不属于 {decision.subject_uscc} / {value} is not about that subject"]
    elif len(parties) > 1:
        codes = "、".join(sorted(str(uscc or name) for _, uscc, name in parties))
        return [f"“{value}”涉及多个当事人（{codes}），请用 --uscc 指明 / several parties: name one with --uscc"]
    return []


def _split_problems(conn: Connection, decision: Decision) -> list[str]:
    """Nobody the record names shares an id with somebody else: there is nothing to tell apart."""
    record = str(decision.target_record_id)
    hashes = hashes_of(conn, str(decision.target_kind), record.lower())
    with conn.cursor() as cursor:
        cursor.execute(
            "select 1 from entity.person p join entity.person o on o.subject_id = p.subject_id and o.person_key <> p.person_key"
            " where p.known_to_build = 2147483647 and o.known_to_build = 2147483647"
            " and split_part(p.person_key, '|', -1) = any(%s) limit 1",
            (hashes,),
        )
        if cursor.fetchone() is not None:
            return []
    english = "nobody the record names shares an id with another person: nothing to tell apart"
    return [f"记录 {record} 所写的人没有与他人共用标识，无需拆分 / {english}"]


def _subject_problems(cursor: Any, decision: Decision) -> list[str]:
    found = []
    for code in (decision.subject_uscc, decision.other_subject_uscc):
        if code:
            cursor.execute(
                "select 1 from entity.subject where uscc = %s and known_to_build = 2147483647 limit 1", (code,)
            )
            if cursor.fetchone() is None:
                found.append(f"库中没有代码为 {code} 的主体 / no subject with the code {code}")
    if decision.target_record_id:
        cursor.execute(
            "select 1 from entity.match_review where record_id::text = %s and known_to_build = 2147483647 limit 1",
            (decision.target_record_id.lower(),),
        )
        if cursor.fetchone() is None:
            found.append(
                f"待核清单中没有记录 {decision.target_record_id}，见 creditflow review / not on the review list: creditflow review"
            )
    return found


def open_questions(settings: Settings, limit: int, department: str | None = None) -> list[dict[str, Any]]:
    """The review list: records without a certain subject that nobody judged yet, the likeliest suggestion first.

    Each with record_id, record_kind, department, party_name, match_grade, and suggested_uscc, suggested_name,
    similarity (0 to 1, of names; null without a suggestion).
    """
    with transaction(settings, "review list") as conn, conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(
            """
            select r.record_id::text, r.record_kind, r.department, r.party_name, r.match_grade, r.similarity::float,
                   s.uscc as suggested_uscc, s.subject_name as suggested_name
            from entity.match_review as r
            left join entity.subject as s
                on r.suggested_subject_id = s.subject_id and s.known_to_build = 2147483647
            left join entity.subject_alias as a on r.subject_id = a.subject_id and a.known_to_build = 2147483647
            where r.known_to_build = 2147483647 and a.decision_record_id is null
                and (%(department)s is null or r.department = %(department)s)
            order by r.similarity desc nulls last, r.party_name, r.record_id
            limit %(limit)s
            """,
            {"department": department, "limit": limit},
        )
        return [dict(row) for row in cursor.fetchall()]


def shared_ids(settings: Settings) -> list[dict[str, Any]]:
    """Persons with different personal numbers under one id, and the records of lists that name somebody by it.

    Each with person_subject_id, persons (how many share the id), record_kind, record_id, department, person_name (masked).
    `creditflow decide split` tells apart whom a record names.
    """
    with transaction(settings, "shared ids") as conn, conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(
            """
            select s.person_subject_id::text, s.persons, 'list_entry' as record_kind, e.record_id::text, e.department,
                   e.responsible_person_name as person_name
            from (
                select subject_id as person_subject_id, count(*)::integer as persons from entity.person
                where known_to_build = 2147483647 group by subject_id having count(*) > 1
            ) as s
            left join core.list_entry as e
                on e.responsible_subject_id = s.person_subject_id and e.known_to_build = 2147483647
            order by 1, 4
            """
        )
        return [dict(row) for row in cursor.fetchall()]


# --- the delivery ---------------------------------------------------------------------------------------------------


def send(settings: Settings, registry: Registry, decisions: Sequence[Decision], as_of: dt.date) -> list[str]:
    """Deliver decisions by the same road as everything, and judge them; returns the batch ids."""
    from creditflow.ingest import drop
    from creditflow.quality import gate
    from creditflow.quality.morning import settle

    moment = dt.datetime.now(dt.UTC).astimezone(settings.zone)
    entered = dt.datetime.combine(as_of, moment.time().replace(microsecond=0), settings.zone)
    dated = [decision if decision.at else replace(decision, at=entered) for decision in decisions]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{TITLE}_{dated[0].document_no}.xlsx"
        path.write_bytes(workbook(registry, dated, settings))
        batches = drop(settings, registry, DEPARTMENT, FEED, [path], as_of)
    ids = [batch.batch_id for batch in batches]
    gate(settings, registry, ids)
    settle(settings, registry, as_of)
    return ids


def workbook(registry: Registry, decisions: Sequence[Decision], settings: Settings) -> bytes:
    """The feed's workbook with these decisions, or the empty template; values from code lists as Chinese drop-downs."""
    kind = registry.kinds[FEED]
    words = _words(registry)
    target = io.BytesIO()
    book = xlsxwriter.Workbook(
        target, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties({"title": TITLE, "created": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)})
    heading = book.add_format({"bold": True, "bg_color": "#E2EFDA", "border": 1, "text_wrap": True})
    must = book.add_format({"bold": True, "bg_color": "#FCE4D6", "border": 1, "text_wrap": True})
    text = book.add_format({"num_format": "@", "border": 1, "text_wrap": True, "valign": "top"})
    sheet = book.add_worksheet("决定")
    sheet.write_string(0, 0, TITLE, book.add_format({"bold": True, "font_size": 14}))
    for line, instruction in enumerate(INSTRUCTIONS, 1):
        sheet.write_string(line, 0, instruction)
    headings = [(OPERATION_HEADING, False), (TIME_HEADING, False)] + [(c.zh, c.need == "M") for c in kind.columns]
    for at, (name, needed) in enumerate(headings):
        sheet.set_column(at, at, 30 if name in ("理由", "对象文书号", "统一社会信用代码") else 16)
        sheet.write_string(3, at, name, must if needed else heading)
    for line, decision in enumerate(decisions, 4):
        moment = decision.at.astimezone(settings.zone).strftime("%Y-%m-%d %H:%M:%S") if decision.at else ""
        values = [decision.operation, moment, *(_cell(decision, column.name, words) for column in kind.columns)]
        for at, value in enumerate(values):
            if value:
                sheet.write_string(line, at, value, text)
    _drop_downs(book, sheet, kind, words, decisions)
    sheet.freeze_panes(4, 3)
    sheet.set_landscape()
    sheet.set_paper(9)
    book.close()
    return target.getvalue()


def _cell(decision: Decision, column: str, words: Mapping[str, Mapping[str, str]]) -> str:
    value = getattr(decision, column, None)
    if value is None:
        return ""
    if isinstance(value, dt.date):
        return value.isoformat()
    return next((zh for zh, code in words.get(column, {}).items() if code == value), str(value))


def _words(registry: Registry) -> dict[str, dict[str, str]]:
    """Chinese word -> code, for the columns whose words the feed declares."""
    lookups = registry.feed(DEPARTMENT, FEED).lookups
    return {column: {zh: str(code) for zh, code in table.items()} for column, table in lookups.items()}


def _drop_downs(
    book: Any, sheet: Any, kind: Kind, words: Mapping[str, Mapping[str, str]], decisions: Sequence[Decision]
) -> None:
    lists = book.add_worksheet("代码表")
    last = 3 + max(len(decisions), TEMPLATE_ROWS)
    for place, (column, table) in enumerate(words.items()):
        lists.write_string(0, place, kind.by_name[column].zh)
        for line, zh in enumerate(table, 1):
            lists.write_string(line, place, zh)
        letter = chr(65 + place)
        at = 2 + [item.name for item in kind.columns].index(column)
        sheet.data_validation(
            4,
            at,
            last,
            at,
            {
                "validate": "list",
                "source": f"=代码表!${letter}$2:${letter}${len(table) + 1}",
                "error_title": "不在代码表中",
                "error_message": "请从列表中选取。",
            },
        )
    sheet.data_validation(4, 0, last, 0, {"validate": "list", "source": ["I", "U", "W"]})
