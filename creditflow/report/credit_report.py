"""公共信用信息报告: everything the city may show about one enterprise, to whom it may be shown, as a page and as JSON.

Promises
- A line of the report is a line of publish.credit_report of the published build of that date; nothing is computed here
  but its presentation. What was repaired, withdrawn or deleted since is not in it, whatever date is asked for.
- Scope `public` holds nothing that may not be public that day and no score; `government` nothing of scope 2;
  `subject` everything about the subject itself. Natural persons have no report.
- The legal representative's name stands in full where a register says it (page 11 section 3: registry data, in every
  scope); what other records say, and who says otherwise about name or address, is for government and the subject.
- Every query is logged in ops.query_log before anything is shown, also one that found nothing.
- The same date, build, scope and purpose give the same report number and the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

from creditflow.identity.codes import is_personal, uscc_check
from creditflow.identity.normal import normal_code
from creditflow.ops.database import Connection, transaction
from creditflow.registry import load
from creditflow.report import queries
from creditflow.report import subject_queries as asked
from creditflow.report.cells import Badge, Code, Column, Pairs, Table
from creditflow.report.kinds import KindNames, kind_names
from creditflow.report.masking import HIDDEN, masked_row, masked_text
from creditflow.report.pages import environment
from creditflow.report.queries import Query, Row, ask
from creditflow.report.words import FIELDS, OWN_SECTIONS, SECTIONS, SUBJECT_TYPES, Both, label, word
from creditflow.report.writing import copy_assets, write_text
from creditflow.settings import Settings

Scope = Literal["public", "government", "subject"]
SCOPES: dict[str, Both] = {
    "public": Both("向社会公开", "public"),
    "government": Both("政府部门共享", "government"),
    "subject": Both("主体本人查询", "the subject itself"),
}
DEFAULT_PURPOSE = Both("信用报告查询", "query of a credit report")
UNREGISTERED = Both("登记信息未到", "not in the register")
CREDIT_OFFICE = "x_credit_office"
ENDING_DAYS = 90
FIELDS_SHOWN = 7
"""Columns of its own kind that a record shows, before what the warehouse adds."""
AUTHORITIES = ("authority_name", "permit_authority_name", "penalty_authority_name", "registration_authority")
DOCUMENTS = ("document_no", "decision_document_no", "decision_no", "certificate_no")
IDENTITY = frozenset(
    {
        "subject_name", "subject_type", "subject_uscc", "subject_reg_no", "subject_org_code", "counterparty_name",
        "counterparty_type", "counterparty_uscc", "counterparty_reg_no", "counterparty_org_code", "counterparty_tax_no",
        "counterparty_institution_no", "counterparty_social_org_no", "taxpayer_no", "legal_representative_name",
        "legal_representative_id_type", "person_id_type", "source_unit_name", "source_unit_uscc", "decision_date",
        "registered_on", "region_code", "region_name", "city", "province", "party_type", "list_code", "source_list_code",
        "business_address", "target_authority_uscc", "authority_uscc", "permit_authority_uscc", "penalty_authority_uscc",
    }
)  # fmt: skip
"""Columns that say who the record is about; the head of the report says it once."""


class ReportRefused(Exception):
    """There is no report to make; `words` says why, in Chinese and English, for the person who asked."""

    def __init__(self, words: Both) -> None:
        super().__init__(f"{words.zh} / {words.en}")
        self.words = words


@dataclass(frozen=True)
class Found:
    """The subject of a report: its row, the code asked for, and whether it was reached through a merger."""

    row: Row
    merged: bool


@dataclass(frozen=True)
class Report:
    """Everything a report shows, read once."""

    number: str
    as_of: date
    scope: Scope
    purpose: str
    build: Row
    found: Found
    lines: dict[str, list[Row]]
    statements: list[Row]
    kinds: KindNames
    codes: dict[tuple[str, str], Both]
    column_lists: dict[tuple[str, str], str]
    lists: dict[str, Row]
    departments: dict[str, Both]
    grounds: dict[str, str]
    office: Mapping[str, Any]
    dimensions: list[Row]
    caps: dict[str, Row]
    decay: dict[str, int]
    unrated: dict[str, Both]

    def section(self, name: str) -> list[Row]:
        """Lines of a section, newest first."""
        return self.lines.get(name, [])


def subject(
    settings: Settings,
    uscc: str,
    as_of: date,
    *,
    scope: Scope = "public",
    purpose: str = DEFAULT_PURPOSE.zh,
    asked_by: str = "creditflow",
    authorisation: str = "",
) -> Path:
    """Write the credit report of the subject with this unified social credit code; returns the page.

    The JSON twin lies beside it with the same name. uscc: blanks, full-width and lower-case letters are forgiven.
    Raises ReportRefused (code fails its check, nobody has it, no build of that date), ValueError for an unknown scope.
    """
    if scope not in get_args(Scope):
        raise ValueError(f"scope must be one of {', '.join(get_args(Scope))}: {scope}")
    code = normal_code(uscc)[:18]
    log = {"asked_by": asked_by, "authorisation": authorisation, "purpose": purpose, "scope": scope, "as_of": as_of}
    if uscc_check(code) != "ok":
        code = HIDDEN if is_personal(code) else masked_text(code)
        _log(settings, {**log, "uscc": code, "outcome": "bad_code"})
        raise ReportRefused(
            Both(
                f"统一社会信用代码 {code} 校验不通过，请核对 18 位代码。",
                f"The unified social credit code {code} fails its check: please verify all 18 characters.",
            )
        )
    report = _read(settings, code, as_of, scope, purpose)
    if report is None:
        _log(settings, {**log, "uscc": code, "outcome": "not_found"})
        raise ReportRefused(
            Both(
                f"截至 {as_of}，公共信用信息中没有代码为 {code} 的主体。",
                f"As of {as_of}, no subject with the code {code} is known.",
            )
        )
    score = next(iter(report.section("score")), None)
    _log(
        settings,
        {
            **log,
            "uscc": code,
            "outcome": "merged" if report.found.merged else "found",
            "subject_id": str(report.found.row["subject_id"]),
            "result_count": sum(map(len, report.lines.values())),
            "build_no": report.build["build_no"],
            "model_version": score["content"].get("model_version") if score else None,
            "report_no": report.number,
        },
    )
    return _write(settings, report)


def _log(settings: Settings, entry: Mapping[str, Any]) -> None:
    values = {
        "subject_id": None,
        "result_count": 0,
        "build_no": None,
        "model_version": None,
        "report_no": None,
        **entry,
    }
    with transaction(settings, "query log") as conn, conn.cursor() as cursor:
        columns = sorted(values)
        cursor.execute(
            f"insert into ops.query_log ({', '.join(columns)}) values ({', '.join(f'%({name})s' for name in columns)})",
            values,
        )


def _read(settings: Settings, uscc: str, as_of: date, scope: Scope, purpose: str) -> Report | None:
    """The report's content in one snapshot of the build published for that date; None when nobody has the code."""
    with transaction(settings, "credit report") as conn:
        conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
        builds = ask(conn, queries.BUILD, {"as_of": as_of}).rows
        if not builds:
            raise ReportRefused(
                Both(f"{as_of} 或更早没有已发布的构建，无法出具报告。", f"No build of {as_of} or earlier is published.")
            )
        with conn.cursor() as cursor:
            cursor.execute("select publish.look_at(%s)", (builds[0]["build_no"],))
        found = _find(conn, uscc)
        if found is None:
            return None
        lines: dict[str, list[Row]] = defaultdict(list)
        for row in ask(conn, asked.LINES, {"subject_id": str(found.row["subject_id"]), "scope": scope}).rows:
            lines[row["section"]].append(row)
        model = lines["score"][0]["content"]["model_version"] if lines.get("score") else ""

        def rows(query: Query) -> list[Row]:
            return ask(conn, query, {"model_version": model, "as_of": as_of}).rows

        registry = load(settings.project, lenient=True)
        departments = rows(queries.DEPARTMENTS)
        return Report(
            number=_number(found.row, as_of, builds[0]["build_no"], scope, purpose),
            as_of=as_of,
            scope=scope,
            purpose=purpose,
            build=builds[0],
            found=found,
            lines=dict(lines),
            statements=ask(conn, asked.STATEMENTS, {"subject_id": str(found.row["subject_id"])}).rows,
            kinds=kind_names(registry),
            codes={(row["list"], row["value"]): Both(row["text_zh"], row["text_en"]) for row in rows(asked.CODES)},
            column_lists={
                (kind.name, column.name): column.list
                for kind in registry.kinds.values()
                for column in kind.columns
                if column.list
            },
            lists={row["list_code"]: row for row in rows(asked.LISTS)},
            departments={row["department"]: Both(row["name_zh"], row["name_en"]) for row in departments},
            grounds={row["department"]: row["legal_ground"] for row in departments if row["legal_ground"]},
            office=next((row["contact"] for row in departments if row["department"] == CREDIT_OFFICE), {}),
            dimensions=rows(asked.DIMENSIONS),
            caps={row["cap_code"]: row for row in rows(asked.CAPS)},
            decay={row["item_code"]: row["months"] for row in rows(asked.DECAY) if row["months"]},
            unrated={row["rule_code"]: Both(row["name_zh"], row["name_en"]) for row in rows(asked.ELIGIBILITY)},
        )


def _find(conn: Connection, uscc: str) -> Found | None:
    found = ask(conn, asked.SUBJECT, {"uscc": uscc}).rows
    if not found:
        return None
    row, merged = found[0], False
    seen = {row["subject_id"]}
    while row["merged_into_subject_id"] is not None and row["merged_into_subject_id"] not in seen:
        seen.add(row["merged_into_subject_id"])
        into = ask(conn, asked.MERGED_INTO, {"subject_id": str(row["merged_into_subject_id"])}).rows
        if not into:
            break
        row, merged = into[0], True
    return Found(row, merged)


def _number(row: Row, as_of: date, build: int, scope: str, purpose: str) -> str:
    """Report number: the same question about the same build has the same number."""
    digest = sha256(
        "|".join((str(row["subject_id"]), as_of.isoformat(), str(build), scope, purpose)).encode()
    ).hexdigest()
    return f"STXY-{as_of:%Y%m%d}-{digest[:10].upper()}"


def _write(settings: Settings, report: Report) -> Path:
    folder = settings.home / "credit_reports"
    folder.mkdir(parents=True, exist_ok=True)
    copy_assets(folder / "assets")
    name = f"{report.found.row['uscc'] or report.found.row['subject_id']}_{report.as_of.isoformat()}_{report.scope}"
    write_text(
        folder / f"{name}.json", json.dumps(document(report), ensure_ascii=False, indent=1, default=plain) + "\n"
    )
    title = Both(f"报告编号 {report.number}", f"Report {report.number}")
    write_text(folder / f"{name}.css", print_style(title, report.as_of, report.build["build_no"]))
    page = folder / f"{name}.html"
    write_text(page, _page(report, f"{name}.css"))
    return page


def plain(value: Any) -> Any:
    """A value JSON does not know: numbers as numbers, the rest as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def document(report: Report) -> dict[str, Any]:
    """The report as one JSON object: head, subject, score, lists, records by section; masked like the page."""
    head = dict(report.found.row) | {"legal_representative_name": _legal_representative(report)}
    if _address_is_personal(report):
        head["registered_address"] = None
    return {
        "report_no": report.number,
        "as_of": report.as_of,
        "build": report.build["build_no"],
        "scope": report.scope,
        "purpose": report.purpose,
        "merged": report.found.merged,
        "subject": {key: value for key, value in head.items() if key not in ("build_no", "merged_into_subject_id")},
        "statements": [] if report.scope == "public" else report.statements,
        "sections": {
            name: [
                {
                    **{
                        key: row[key]
                        for key in (
                            "record_kind",
                            "record_id",
                            "decided_on",
                            "department",
                            "state",
                            "public_from",
                            "public_until",
                            "objected",
                        )
                    },
                    "content": _content(report, row),
                }
                for row in rows
            ]
            for name, rows in sorted(report.lines.items())
        },
    }


HIDDEN_CONTENT = frozenset(
    {"row_no", "match_rule", "received_at", "score_id", "membership_id", "snapshot_ended_on", "auto_publish"}
)
NESTED_CONTENT = ("points_by_dimension", "cap_codes")


def _content(report: Report, row: Row) -> dict[str, Any]:
    """Content of a line, masked; what only the platform needs is left out."""
    content = row["content"]
    shown: dict[str, Any] = dict(
        masked_row({key: value for key, value in content.items() if key not in HIDDEN_CONTENT})
    )
    shown |= {key: content[key] for key in NESTED_CONTENT if content.get(key) is not None}
    if _address_is_personal(report):
        shown.pop("registered_address", None)
        shown.pop("business_address", None)
    return shown


def _address_is_personal(report: Report) -> bool:
    """The address of a household business is somebody's home: only government and the subject see it."""
    return report.scope == "public" and report.found.row["subject_type"] == "household_business"


# ---------------------------------------------------------------- the page


def _page(report: Report, style: str) -> str:
    row = report.found.row
    records = [_record_table(report, name) for name in SECTIONS if name not in OWN_SECTIONS and report.section(name)]
    used = (asked.SUBJECT, asked.STATEMENTS, asked.LINES)
    values = {"uscc": row["uscc"] or "", "subject_id": str(row["subject_id"]), "scope": report.scope}
    name = row["subject_name"]
    return (
        environment()
        .get_template("subject.html")
        .render(
            report=report,
            style=style,
            title=Both(f"公共信用信息报告：{name}", f"Public credit report: {name}"),
            document=Both("公共信用信息报告", "Public credit report"),
            root="",
            tables_root=None,
            source_numbers={},
            scope=SCOPES[report.scope],
            purpose=DEFAULT_PURPOSE if report.purpose == DEFAULT_PURPOSE.zh else Both(report.purpose, report.purpose),
            facts=_facts(report),
            score=_score(report),
            explanation=_explanation(report),
            current=_memberships(report, active=True),
            past=_memberships(report, active=False),
            records=records,
            statements=_statements(report),
            timeline=_timeline(report),
            ending=_ending(report),
            origins=_origins(report),
            empty=not any(report.section(name) for name in SECTIONS if name != "basics"),
            sources=[
                {"name": query.name, "title": query.title, "relations": query.relations, "sql": query.text(values)}
                for query in used
            ],
        )
    )


def _facts(report: Report) -> list[tuple[Both, Any]]:
    row = report.found.row
    capital = row["registered_capital_amount"]
    pairs: list[tuple[Both, Any]] = [
        (Both("统一社会信用代码", "Unified social credit code"), Code(row["uscc"]) if row["uscc"] else None),
        (Both("主体类别", "Kind of subject"), label(SUBJECT_TYPES, row["subject_type"])),
        (Both("企业类型", "Type"), row["entity_type"]),
        (Both("登记状态", "Status"), row["entity_status"] or (None if row["is_registered"] else UNREGISTERED)),
        (Both("法定代表人（负责人）", "Legal representative"), _legal_representative(report)),
        (Both("成立日期", "Registered since"), row["registered_on"]),
        (Both("注销日期", "Deregistered on"), row["deregistered_on"]),
        (Both("注册资本", "Registered capital"),
         None if capital is None else Both(f"{capital:,.0f} 元（{row['registered_capital_currency'] or 'CNY'}）",
                                           f"{row['registered_capital_currency'] or 'CNY'} {capital:,.0f}")),
        (Both("所在区县", "Region"), row["region_name"]),
        (Both("住所", "Address"), None if _address_is_personal(report) else row["registered_address"]),
    ]  # fmt: skip
    return [(name, value) for name, value in pairs if value is not None]


def _legal_representative(report: Report) -> str | None:
    """In full where a register says it, or to government and the subject; else as the subject's row has it, masked."""
    for row in report.statements:
        is_open = row["record_kind"] == "registration" or report.scope != "public"
        if row["attribute"] == "legal_representative_name" and row["is_chosen"] and is_open:
            return str(row["stated_value"])
    masked = report.found.row["legal_representative_name"]
    return None if masked is None else str(masked)


ATTRIBUTES = {
    "subject_name": Both("名称", "Name"),
    "registered_address": Both("住所", "Address"),
    "legal_representative_name": Both("法定代表人（负责人）", "Legal representative"),
}


def _statements(report: Report) -> Table | None:
    """Attributes on which the sources disagree: every source's word, which one counts, and why. None for the public."""
    disputed = {row["attribute"] for row in report.statements if row["differs"]}
    if report.scope == "public" or not disputed:
        return None
    rows = [
        {
            "attribute": ATTRIBUTES[row["attribute"]],
            "value": row["stated_value"],
            "source": report.departments.get(row["department"], Both(row["department"], row["department"])),
            "kind": report.kinds.title(row["record_kind"]),
            "on": row["stated_on"],
            "chosen": [Badge(Both("采用", "counts"), "ok")] if row["is_chosen"] else None,
            "reason": Both(row["reason_zh"], row["reason_en"]),
        }
        for row in report.statements
        if row["attribute"] in disputed
    ]
    return Table(
        "statements",
        Both("各方不一致的主体信息", "Where the sources disagree about the subject"),
        (
            Column("attribute", Both("项目", "Item")),
            Column("value", Both("所述内容", "What is said"), wide=True),
            Column("source", Both("来源单位", "Source"), wide=True),
            Column("kind", word("kind")),
            Column("on", Both("日期", "Date")),
            Column("chosen", Both("取值", "Chosen")),
            Column("reason", Both("理由", "Reason"), wide=True),
        ),
        rows,
        Both("各方一致。", "The sources agree."),
        filterable=False,
    )


def _score(report: Report) -> dict[str, Any] | None:
    """Score, grade, dimensions as bars, caps and marks; None when the scope does not show scores or there is none."""
    line = next(iter(report.section("score")), None)
    if line is None:
        return None
    content = line["content"]
    points = content.get("points_by_dimension") or {}
    bars = []
    for row in report.dimensions:
        moved = float(points.get(row["dimension"], 0))
        value = moved if row["direction"] == "add" else row["points"] + moved
        bars.append(
            {
                "name": Both(row["name_zh"], row["name_en"]),
                "value": round(value),
                "points": row["points"],
                "width": round(100 * max(value, 0) / row["points"], 1),
            }
        )
    reason = content.get("not_rated_reason")
    return {
        "score": content.get("score"),
        "grade": content.get("grade"),
        "word": content.get("national_word"),
        "raw": content.get("raw_score"),
        "unrated": report.unrated.get(reason, Both(reason, reason)) if reason else None,
        "bars": bars,
        "caps": [
            Both(
                f"{report.caps[code]['name_zh']}，最高 {report.caps[code]['max_score']} 分",
                f"{report.caps[code]['name_en']}: at most {report.caps[code]['max_score']} points",
            )
            for code in str(content.get("cap_codes") or "").split(",")
            if code in report.caps
        ],
        "thin": bool(content.get("thin_file")),
        "contested": bool(content.get("contested")),
        "model": content.get("model_version"),
        "date": content.get("as_of_date"),
    }


def _documents(report: Report) -> dict[str, str]:
    """Document number of each record that has one."""
    numbered = ((str(row["record_id"]), _document(row)) for rows in report.lines.values() for row in rows)
    return {record: number for record, number in numbered if number}


def _explanation(report: Report) -> Table:
    """Every row that made the score; the applied points sum to it."""
    names = _documents(report)
    rows = []
    for line in sorted(report.section("score_explanation"), key=_explanation_order):
        content = line["content"]
        capped = str(content.get("capped_by") or "")
        months = report.decay.get(str(content.get("item_code")))
        rows.append(
            {
                "item": Both(content["item_name_zh"], content["item_name_en"]),
                "record": names.get(str(content.get("record_id"))),
                "decided_on": line["decided_on"],
                "base": _points(content["base_points"]),
                "decay": f"{float(content['decay_factor']):.0%}" if line["decided_on"] else None,
                "applied": _points(content["applied_points"]),
                "until": _until(line["decided_on"], months) if line["decided_on"] else None,
                "capped": _capped(report, capped) if capped else None,
            }
        )
    total = sum(
        (Decimal(str(line["content"]["applied_points"])) for line in report.section("score_explanation")), Decimal(0)
    )
    return Table(
        "explanation",
        Both("得分说明", "How the score came about"),
        (
            Column("item", Both("项目", "Item"), wide=True),
            Column("record", Both("文书", "Record"), wide=True),
            Column("decided_on", Both("日期", "Date")),
            Column("base", Both("基本分", "Base points"), True),
            Column("decay", Both("时间系数", "Decay"), True),
            Column("applied", Both("计入分", "Applied points"), True),
            Column("until", Both("计分至", "Counts until")),
            Column("capped", Both("受限于", "Cut by"), wide=True),
        ),
        rows,
        Both("没有计分记录。", "Nothing moved the score."),
        total={"item": word("total"), "applied": _points(total)},
        filterable=False,
    )


def _explanation_order(line: Row) -> tuple[int, str, str]:
    code = str(line["content"]["item_code"])
    last = {"CAP": 2, "ROUND": 3}.get(code, 1)
    return (0 if code == "BASE" else last, str(line["content"].get("dimension") or ""), str(line["decided_on"] or ""))


def _points(value: Any) -> str:
    number = Decimal(str(value))
    return f"{number.normalize():+f}" if number else "0"


def _until(day: date, months: int | None) -> Any:
    if not months:
        return Both("状态结束时", "while it lasts")
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    for last in range(day.day, 27, -1):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    return date(year, month + 1, min(day.day, 28))


def _capped(report: Report, codes: str) -> Both:
    dimensions = {row["dimension"]: Both(row["name_zh"], row["name_en"]) for row in report.dimensions}
    words = []
    for code in codes.split(","):
        cap = report.caps.get(code)
        if cap:
            words.append(Both(cap["name_zh"], cap["name_en"]))
        elif code in dimensions:
            words.append(Both(f"“{dimensions[code].zh}”扣完为止", f"{dimensions[code].en} cannot fall below 0"))
        elif code == "SERIOUS_LIST":
            words.append(Both("在严重失信名单期间不加分", "no honours while on a serious list"))
        else:
            words.append(Both("该项目扣分上限", "cap of the item"))
    return Both("；".join(text.zh for text in words), "; ".join(text.en for text in words))


def _memberships(report: Report, *, active: bool) -> Table:
    rows = []
    for line in report.section("memberships"):
        content = line["content"]
        if bool(content.get("is_active")) is not active:
            continue
        row = {
            "list": Both(content["list_name_zh"], content["list_name_en"]),
            "kind": LIST_KINDS.get(str(content.get("list_kind")), word("unknown")),
            "basis": content.get("legal_basis") or report.lists.get(str(content.get("list_code")), {}).get("basis"),
            "authority": content.get("authority_name"),
            "decision": content.get("decision_no"),
            "entered": line["decided_on"],
            "exit": line["public_until"] if not active else _date(content.get("planned_exit_on")) or _term(content),
            "leave": _leave(content) if active else None,
            "reason": content.get("entry_reason") if active else _exit_reason(report, content.get("exit_reason")),
            "mark": [Badge(Both("异议处理中", "objection under check"), "warn")] if line["objected"] else None,
        }
        if content.get("is_suspended"):
            row["mark"] = [*(row["mark"] or []), Badge(Both("暂停享受", "suspended"), "note")]
        rows.append(row)
    columns = [
        Column("list", Both("名单", "List"), wide=True),
        Column("kind", Both("性质", "Nature")),
        Column("reason", Both("列入事由", "Reason") if active else Both("移出事由", "Reason of exit"), wide=True),
        Column("basis", Both("依据", "Basis"), wide=True),
        Column("authority", Both("认定单位", "Authority"), wide=True),
        Column("decision", Both("文书号", "Decision"), wide=True),
        Column("entered", Both("列入日期", "Since")),
        Column("exit", Both("预计移出", "Planned exit") if active else Both("移出日期", "Ended")),
    ]
    if active:
        columns.append(Column("leave", Both("提前移出", "Leaving early"), wide=True))
    columns.append(Column("mark", Both("标注", "Mark")))
    return Table(
        "lists-current" if active else "lists-past",
        Both("目前所在名单", "Lists it is on") if active else Both("曾经所在名单", "Lists it was on"),
        tuple(columns),
        rows,
        Both("目前不在任何名单上。", "It is on no list.")
        if active
        else Both("没有曾经列入的记录。", "No past entries."),
        filterable=False,
    )


LIST_KINDS = {
    "serious": Both("严重失信", "serious"),
    "abnormal": Both("经营异常", "abnormal"),
    "red": Both("守信激励", "favourable"),
}


def _exit_reason(report: Report, value: Any) -> Any:
    text = str(value or "")
    return report.codes.get(("exit_reason", text), text)


def _date(value: Any) -> date | None:
    return date.fromisoformat(str(value)[:10]) if value else None


def _term(content: Mapping[str, Any]) -> Both:
    return {
        "until_corrected": Both("改正后移出", "once corrected"),
        "from_decision": Both("按文书期限", "as the decision says"),
    }.get(str(content.get("term_kind")), Both("未定", "not fixed"))


def _leave(content: Mapping[str, Any]) -> Both | None:
    """How an entry may end before its term."""
    if content.get("list_kind") == "red":
        return None
    if content.get("term_kind") == "until_corrected":
        return Both("改正后向认定单位申请移出。", "Correct it, then ask the authority for removal.")
    earliest = _date(content.get("early_exit_from"))
    if earliest:
        return Both(f"{earliest} 起可向认定单位申请。", f"May be asked for from {earliest} on.")
    return Both("向认定单位咨询。", "Ask the authority.")


def _document(row: Row) -> str | None:
    return next((str(row["content"][key]) for key in DOCUMENTS if row["content"].get(key)), None)


def _record_table(report: Report, section: str) -> Table:
    rows = []
    for line in report.section(section):
        content = masked_row(line["content"])
        names = [content[key] for key in AUTHORITIES if content.get(key)]
        state = line["state"]
        marks = [Badge(STATES.get((section, state)) or label(STATES, state))] if state != "active" else []
        if line["objected"]:
            marks.append(Badge(Both("异议处理中", "objection under check"), "warn"))
        rows.append(
            {
                "kind": report.kinds.title(line["record_kind"]),
                "decided_on": line["decided_on"],
                "source": names[0] if names else report.departments.get(line["department"], Both("", "")),
                "document": _document(line),
                "content": _pairs(report, line),
                "public": _published(line),
                "mark": marks or None,
            }
        )
    several = len({line["record_kind"] for line in report.section(section)}) > 1
    columns = (
        *((Column("kind", word("kind")),) if several else ()),
        Column("decided_on", Both("日期", "Date")),
        Column("source", Both("来源单位", "Source"), wide=True),
        Column("document", Both("文书号", "Document"), wide=True),
        Column("content", Both("内容", "Content"), wide=True),
        Column("public", Both("公示期", "Published"), wide=True),
        Column("mark", Both("标注", "Mark")),
    )
    return Table(section, SECTIONS[section], columns, rows, Both("没有记录。", "No records."), filterable=False)


def _published(line: Row) -> Any:
    if not line["is_public"]:
        return Both("不公示", "not published")
    if line["public_until"] is None:
        return Both(f"{line['public_from']} 起", f"from {line['public_from']}")
    return Both(f"{line['public_from']} 至 {line['public_until']}", f"{line['public_from']} to {line['public_until']}")


def _pairs(report: Report, line: Row) -> Pairs:
    """What a record says, in the kind's own column order, then what the warehouse added: heading and value."""
    kind = line["record_kind"]
    content = masked_row(line["content"])
    left_out = IDENTITY | set(AUTHORITIES) | {key for key in DOCUMENTS if content.get(key) == _document(line)}
    if _address_is_personal(report):
        left_out |= {"registered_address"}
    own = [
        (heading, _value(report, kind, name, content[name]), False)
        for name, heading in report.kinds.columns.get(kind, {}).items()
        if name not in left_out | FIELDS.keys()
        and name in content
        and f"{name.removesuffix('_wan')}_yuan" not in content
    ]
    added = [(FIELDS[name], _value(report, kind, name, content[name]), False) for name in FIELDS if name in content]
    return Pairs((*own[:FIELDS_SHOWN], *added))


def _value(report: Report, kind: str, name: str, value: str) -> Any:
    if value in ("True", "False"):
        return Both("是", "yes") if value == "True" else Both("否", "no")
    if name.endswith("_yuan"):
        return Both(f"{Decimal(value):,.2f} 元", f"CNY {Decimal(value):,.2f}")
    if name == "severity":
        return report.codes.get(("severity", value), SEVERITIES.get(value, value))
    return report.codes.get((report.column_lists.get((kind, name), ""), value), value)


STATES: dict[Any, Both] = {
    "expired": Both("已过有效期", "no longer valid"),
    "ended": Both("已结束", "ended"),
    ("penalties", "expired"): Both("公示期满", "publication ended"),
    "repaired": Both("已修复", "repaired"),
    "withdrawn": Both("已撤销", "withdrawn"),
}
"""A record that is in the report and not active: by its state, or by section and state."""
SEVERITIES = {"minor": Both("轻微", "minor"), "general": Both("一般", "general"), "serious": Both("严重", "serious")}


def _timeline(report: Report) -> dict[str, Any] | None:
    """Records as points: day and category; None without dated records."""
    names = [name for name in SECTIONS if name not in ("basics", *OWN_SECTIONS)]
    dated = {name: [line["decided_on"] for line in report.section(name) if line["decided_on"]] for name in names}
    shown = [name for name in names if dated[name]]
    if not shown:
        return None
    origin = date(1970, 1, 1)
    return {
        "type": "timeline",
        "rows": [
            {"zh": SECTIONS[name].zh, "en": SECTIONS[name].en, "days": [(day - origin).days for day in dated[name]]}
            for name in shown
        ],
    }


def _ending(report: Report) -> Table:
    """Licences in force, those ending within 90 days first."""
    rows = []
    for line in report.section("permits"):
        content = line["content"]
        end = _date(content.get("valid_to"))
        if line["state"] != "active" or (end and end < report.as_of):
            continue
        days = (end - report.as_of).days if end else None
        rows.append(
            {
                "name": content.get("certificate_name") or content.get("decision_document_title"),
                "number": content.get("certificate_no") or content.get("decision_document_no"),
                "authority": content.get("permit_authority_name"),
                "from": _date(content.get("valid_from")),
                "to": end or Both("长期", "open end"),
                "days": days,
                "mark": [Badge(Both(f"{days} 天后到期", f"ends in {days} days"), "warn")]
                if days is not None and days <= ENDING_DAYS
                else None,
            }
        )
    rows.sort(key=lambda row: (row["days"] is None, row["days"] or 0))
    return Table(
        "licences",
        Both("有效许可", "Licences in force"),
        (
            Column("name", Both("许可", "Licence"), wide=True),
            Column("number", Both("编号", "Number"), wide=True),
            Column("authority", Both("许可机关", "Authority"), wide=True),
            Column("from", Both("有效期自", "From")),
            Column("to", Both("有效期至", "To")),
            Column("mark", Both("提示", "Note")),
        ),
        rows,
        Both("没有有效的行政许可。", "No licence in force."),
        filterable=False,
    )


def _origins(report: Report) -> Table:
    """Who supplied the records of this report, and on what legal ground."""
    supplied = Counter(line["department"] for lines in report.lines.values() for line in lines if line["department"])
    rows = [
        {"source": report.departments.get(code, code), "ground": report.grounds.get(code), "records": number}
        for code, number in sorted(supplied.items(), key=lambda item: (-item[1], item[0]))
    ]
    return Table(
        "origins",
        Both("数据提供单位与依据", "Who supplied the data, and on what ground"),
        (
            Column("source", Both("提供单位", "Supplied by"), wide=True),
            Column("ground", Both("归集依据", "Ground of the supply"), wide=True),
            Column("records", Both("条数", "Records"), True),
        ),
        rows,
        Both("没有记录。", "No records."),
        filterable=False,
    )


def print_style(title: Both, as_of: date, build: int) -> str:
    """Style of the A4 print: what the paper is, its date and build at the foot of every page, and page numbers."""
    small = 'font: 8pt "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; color: #444;'
    return f"""@page zh {{ size: A4; margin: 14mm 12mm 16mm;
  @bottom-left {{ content: "{title.zh} · 业务日期 {as_of} · 第 {build} 次构建"; {small} }}
  @bottom-right {{ content: "第 " counter(page) " 页，共 " counter(pages) " 页"; {small} }} }}
@page en {{ size: A4; margin: 14mm 12mm 16mm;
  @bottom-left {{ content: "{title.en} · business date {as_of} · build {build}"; {small} }}
  @bottom-right {{ content: "page " counter(page) " of " counter(pages); {small} }} }}
html[data-lang="zh"] body {{ page: zh; }}
html[data-lang="en"] body {{ page: en; }}
"""
