"""One small city told in a few nights: built once per session, looked at by many tests.

Building is what takes time, so the nights run once and every stage keeps what readers saw; tests only compare.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest
from psycopg2 import sql

from creditflow import warehouse
from creditflow.server import Server
from creditflow.settings import Settings
from creditflow.warehouse import building
from tests.dbt import out_of_order, persons, statements
from tests.dbt.landed import Landed, enterprise, load_kinds, org_code, party, penalty, reg_no, uscc
from tests.warm import forked_dbt

PROJECT = Path(__file__).resolve().parents[2]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Stage:
    """What readers saw at one moment. summary: the build before it, if one ran."""

    views: dict[str, Rows]
    digest: dict[str, str]
    pointer: int
    summary: warehouse.BuildSummary | None = None

    def one(self, view: str, **wanted: Any) -> dict[str, Any]:
        """The single row of a view with these values."""
        rows = self.all(view, **wanted)
        assert len(rows) == 1, f"{view} {wanted}: {len(rows)} rows instead of one"
        return rows[0]

    def all(self, view: str, **wanted: Any) -> Rows:
        """Rows of a view with these values."""
        return [row for row in self.views[view] if all(row[name] == value for name, value in wanted.items())]


@dataclass
class Story:
    """A database of its own, the hand that lands rows in it, and the stages told so far."""

    settings: Settings
    landed: Landed
    stages: dict[str, Stage] = field(default_factory=dict)

    def night(self, name: str, as_of: dt.date) -> Stage:
        """Build and publish; keep what readers see."""
        summary = warehouse.build(self.settings, as_of)
        warehouse.publish(self.settings, summary.build_no)
        return self.look(name, summary)

    def look(self, name: str, summary: warehouse.BuildSummary | None = None, *, build: int | None = None) -> Stage:
        """Keep what readers see now (or would see of an earlier build)."""
        views: dict[str, Rows] = {}
        conn = psycopg2.connect(self.settings.warehouse_url)
        try:
            with conn, conn.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute("select publish.look_at(%s)", (build,))
                for view in warehouse.publish_views(conn):
                    cursor.execute(sql.SQL("select * from publish.{}").format(sql.Identifier(view)))
                    views[view] = [dict(row) for row in cursor.fetchall()]
                cursor.execute("select build_no from ops.pointer")
                pointer = (cursor.fetchone() or {})["build_no"]
        finally:
            conn.close()
        stage = Stage(views, warehouse.digest(self.settings, build), pointer, summary)
        self.stages[name] = stage
        return stage

    def __getitem__(self, name: str) -> Stage:
        return self.stages[name]


@pytest.fixture(scope="module", autouse=True)
def _warm(warm_dbt: None) -> None:
    """Every module builds with a warm dbt."""


@pytest.fixture(scope="session")
def story(server: Server, warehouse_template: str, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The city's nights, told to the end."""
    name = "story"
    admin = psycopg2.connect(server.url("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(warehouse_template)
            )
        )
    admin.close()
    home = tmp_path_factory.mktemp("story")
    settings = Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=server.url(name))
    told = Story(settings, Landed(settings, load_kinds(PROJECT)))
    existing = told.landed.execute("select 1 from pg_tables where schemaname = 'landing' limit 1")
    if not existing:
        told.landed.make_tables()
    with forked_dbt(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "_LARGE", 0)  # every night gives back what it worked with: the next must do without
        _tell(told)
    return told


AUTHORITY = uscc(900001, "11440500")
DAY1, DAY2, DAY3 = dt.date(2026, 11, 2), dt.date(2026, 11, 3), dt.date(2026, 11, 4)
PERSON = {
    "person_id_no_hash": "hash-of-a-fictitious-person",
    "person_id_no_cipher": "k1:AAAA",
    "person_id_no_check": "ok",
}
REGIMES: tuple[tuple[str, str, str, tuple[str | None, dt.date | None, dt.date | None, bool]], ...] = (
    ("汕罚〔2019〕630号", "2019/06/30", "一般", (None, None, None, False)),
    ("汕罚〔2019〕701号", "2019/07/01", "一般", ("R2019", dt.date(2019, 10, 1), dt.date(2020, 7, 1), False)),
    ("汕罚〔2023〕430号", "2023/04/30", "严重", ("R2019", dt.date(2023, 10, 30), dt.date(2026, 4, 30), False)),
    ("汕罚〔2023〕501号", "2023/05/01", "一般", ("R2023", dt.date(2023, 8, 1), dt.date(2026, 5, 1), False)),
    ("汕罚〔2026〕331号", "2026/03/31", "一般", ("R2023", dt.date(2026, 6, 30), dt.date(2029, 3, 31), True)),
    ("汕罚〔2026〕401号", "2026/04/01", "一般", ("R2026", dt.date(2026, 7, 1), dt.date(2027, 4, 1), True)),
    ("汕罚〔2026〕402号", "2026/04/01", "轻微", ("R2026", dt.date(2026, 4, 1), dt.date(2026, 7, 1), False)),
    ("汕罚〔2026〕403号", "2026/04/01", "严重", ("R2026", dt.date(2027, 4, 1), dt.date(2029, 4, 1), True)),
)
"""Penalties on the first and last days of the three regimes (domain page 05): number, date, class, and the regime, the earliest
repair, the end of publication, and whether it is public on the first night."""
HOUSEHOLD = {
    "counterparty_name": "龙湖区测试小店",
    "counterparty_type": "个体工商户",
    "counterparty_uscc": "00000000000000000X",
    "counterparty_reg_no": reg_no(77),
}


def permit(number: int, document_no: str, **changes: Any) -> dict[str, Any]:
    """A permit row on a test enterprise, valid for long."""
    return {
        "counterparty_name": f"汕头市测试{number}号贸易有限公司",
        "counterparty_type": "法人及非法人组织",
        "counterparty_uscc": uscc(number),
        "decision_document_title": "准予许可决定书",
        "decision_document_no": document_no,
        "permit_category": "普通",
        "permit_content": "食品经营",
        "decision_date": "2026-01-05",
        "valid_from": "2026-01-05",
        "valid_to": "2099/12/31",
        "permit_authority_name": "汕头市市场监督管理局",
        "permit_authority_uscc": AUTHORITY,
        "record_status": "1",
    } | changes


def arrears(number: int, amount: str = "5000") -> dict[str, Any]:
    """Social insurance arrears of a test enterprise."""
    return party(number) | {
        "arrears_type": "social_insurance",
        "period": "2026-09",
        "amount_yuan": amount,
        "decision_date": "2026-10-15",
    }


def listed(number: int, list_code: str, document_no: str, **changes: Any) -> dict[str, Any]:
    """An entry on a serious list, decided 2026-02-01."""
    return party(number) | {"list_code": list_code, "document_no": document_no, "decision_date": "2026-02-01"} | changes


def repaired(number: int, document_no: str, target: str, state: str = "granted") -> dict[str, Any]:
    """A repair of a penalty."""
    return party(number) | {
        "document_no": document_no,
        "target_kind": "penalty",
        "target_document_no": target,
        "target_authority_uscc": AUTHORITY,
        "repair_state": state,
        "submitted_on": "2026-10-20",
        "decision_date": "2026-11-02",
    }


def _tell(story: Story) -> None:
    land = story.landed.batch
    story.landed.working_days()
    # first night: a small register, and one of everything
    land("registration", [enterprise(n) for n in range(1, 11)], day=DAY1)
    land(
        "registration",
        [
            enterprise(11, registered_on="2026-10-01"),
            enterprise(12, entity_status="注销", deregistered_on="2026-09-01"),
            enterprise(13, registered_on="2026-01-10"),
            enterprise(14, registered_capital="50(万美元)"),
            enterprise(15, subject_uscc=None, subject_org_code=org_code(15)),
        ],
        day=DAY1,
    )
    land(
        "penalty",
        [
            penalty(1, "汕市监罚〔2026〕1号"),
            penalty(2, "汕市监罚〔2026〕2号", severity="严重"),
            penalty(7, "汕市监罚〔2026〕7号"),
            penalty(
                8, "汕市监罚〔2026〕8号", penalty_category="警告", fine_amount_wan=None, decision_date="2026/10/20"
            ),
            penalty(1, "汕市监罚〔2026〕9号", **HOUSEHOLD),
            penalty(
                1,
                "汕公罚〔2026〕1号",
                counterparty_name="测试甲",
                counterparty_type="自然人",
                counterparty_uscc=None,
                person_id_type="身份证",
                **PERSON,
            ),
            penalty(1, "汕市监罚〔2026〕10号", counterparty_uscc=None, counterparty_name="汕头市测试3号贸易有限公司"),
            penalty(1, "汕市监罚〔2026〕11号", counterparty_uscc=None, counterparty_name="查无此名有限公司"),
            penalty(13, "汕市监罚〔2026〕13号", severity="严重"),
        ],
        day=DAY1,
    )
    land("permit", [permit(3, "汕许〔2026〕3号"), permit(4, "汕许〔2026〕4号", valid_to="2026-06-30")], day=DAY1)
    land(
        "list_entry",
        [
            listed(4, "SL05", "汕应急列〔2026〕4号"),
            listed(
                9,
                "SL05",
                "汕应急列〔2026〕9号",
                responsible_person_name="测试乙",
                responsible_person_role="legal_representative",
                responsible_person_named="是",
                person_notified_on="2026-02-05",
                responsible_person_id_no_hash="hash-of-another-fictitious-person",
                responsible_person_id_no_cipher="k1:BBBB",
                responsible_person_id_no_check="ok",
            ),
            party(10) | {"list_name": "无此名单", "document_no": "x1", "decision_date": "2026-02-01"},
            party(10) | {"list_code": "SL05", "document_no": "x2", "exit_date": "2026-03-01"},
        ],
        department="yjj",
        day=DAY1,
    )
    land(
        "rating",
        [
            party(5)
            | {"document_no": "r5", "rating_scheme": "tax_fee", "rating_grade": "A", "decision_date": "2026-04-20"},
            party(4)
            | {"document_no": "r4", "rating_scheme": "tax_fee", "rating_grade": "A", "decision_date": "2026-04-20"},
        ],
        department="swj",
        day=DAY1,
    )
    land("arrears", [arrears(1), arrears(6)], department="rsj", delivery="full_snapshot", day=DAY1)
    land(
        "objection",
        [
            party(7)
            | {
                "document_no": "o7",
                "target_kind": "penalty",
                "target_document_no": "汕市监罚〔2026〕7号",
                "objection_state": "checking",
                "submitted_on": "2026-10-30",
                "decision_date": "2026-10-31",
            }
        ],
        department="x_creditchina",
        day=DAY1,
    )
    land("repair", [repaired(9, "修复0号", "汕市监罚〔2099〕1号")], department="x_creditchina", day=DAY1)
    land(
        "measure",
        [
            applied(4, "c4", "M2-04", "SL05", "yjj", feedback="已列入重点检查", feedback_on="2026-10-15"),
            applied(5, "c5", "I-01", "RL01", "zsj"),
            applied(3, "c3", "M1-01", "SL06", "czj"),
        ],
        department="x_province",
        day=DAY1,
    )
    land(
        "approval_case",
        [
            case("b1", "2026-10-12 10:00", "2026-10-14", 20, 5, channel="网上", online_depth="IV", visits="0"),
            case("b2", "2026-10-12 10:00", "2026-10-22", 20, 5),
            case("b3", "2026-10-12 18:00", "2026-10-21", 5, 3, source_unit_uscc=uscc(900002, "11440500")),
            case("b4", None, None, None, None),
        ],
        department="zsj",
        day=DAY1,
    )
    persons.deliver_register(story.landed, DAY1)
    statements.deliver(story.landed, DAY1)
    out_of_order.deliver(story.landed, 0)
    land("penalty", [penalty(21, no, decision_date=day, severity=word) for no, day, word, _ in REGIMES], day=DAY1)
    story.night("first", dt.date(2026, 11, 2))

    # second night: nothing new
    story.night("quiet", dt.date(2026, 11, 2))

    # third night: corrections, a withdrawal, a repair, a late old version, a new snapshot, a code for the household
    land(
        "penalty",
        [
            penalty(1, "汕市监罚〔2026〕1号", fine_amount_wan="60", _op="U"),
            penalty(7, "汕市监罚〔2026〕7号", _op="W"),
        ],
        day=DAY2,
    )
    old = dt.datetime(2026, 11, 1, 8, tzinfo=dt.UTC)
    land("penalty", [penalty(13, "汕市监罚〔2026〕13号", severity="轻微", _at=old)], day=DAY2)
    land("repair", [repaired(2, "修复2号", "汕市监罚〔2026〕2号")], department="x_creditchina", day=DAY2)
    land("arrears", [arrears(1)], department="rsj", delivery="full_snapshot", day=DAY2)
    land(
        "registration",
        [
            enterprise(
                77,
                subject_name="龙湖区测试小店",
                subject_type="个体工商户",
                subject_uscc=uscc(77, "92440500"),
                subject_reg_no=reg_no(77),
            ),
            enterprise(15),
        ],
        day=DAY2,
    )
    land(
        "rating",
        [
            party(5)
            | {"document_no": "r5b", "rating_scheme": "tax_fee", "rating_grade": "D", "decision_date": "2026-11-03"}
        ],
        department="swj",
        day=DAY2,
    )
    land(
        "receipt",
        [
            receipt("h1", "penalty", "汕市监罚〔2026〕1号", "2026-11-03"),
            receipt("h2", "penalty", "汕市监罚〔2026〕2号", "2026-11-05"),
            receipt("h3", "penalty", "汕市监罚〔2026〕8号", "2026-11-01"),
            receipt("h4", "penalty", "汕市监罚〔2099〕1号", "2026-11-03"),
        ],
        department="x_province",
        day=DAY2,
    )
    persons.deliver_entries(story.landed, DAY2)
    statements.deliver_changes(story.landed, DAY2)
    out_of_order.deliver(story.landed, 1)
    story.night("changed", dt.date(2026, 11, 3))
    story.look("changed as the first night knew it", build=story["first"].pointer)

    # back one build, then on: the same deliveries are built again under a new number
    warehouse.rollback(story.settings, story["quiet"].pointer)
    story.look("rolled back")
    story.night("built on", dt.date(2026, 11, 3))

    # half a year later nothing has arrived; the calendar alone moves scores and publication
    story.night("half a year later", dt.date(2027, 5, 20))

    # decisions of people, landed like any delivery
    office = {"department": "x_credit_office", "day": dt.date(2027, 5, 20)}
    land(
        "list_entry",
        [
            listed(
                8,
                "SL05",
                "汕应急列〔2027〕8号",
                responsible_person_name="测试丙",
                responsible_person_role="principal",
                responsible_person_named="是",
                responsible_person_id_no_hash="hash-of-a-third-fictitious-person",
                responsible_person_id_no_cipher="k1:CCCC",
                responsible_person_id_no_check="ok",
            )
        ],
        department="yjj",
        day=dt.date(2027, 5, 19),
    )
    out_of_order.deliver(story.landed, 2)
    story.night("before the decisions", dt.date(2027, 5, 20))
    land(
        "decision",
        [
            decided("d1", "severity", "penalty", "汕市监罚〔2026〕1号", decision_value="一般"),
            decided("d2", "regime_override", "penalty", "汕市监罚〔2026〕13号", decision_value="R2023"),
            decided("d3", "publication_hold", "permit", "汕许〔2026〕3号"),
            decided("d4", "deletion", "permit", "汕许〔2026〕4号", confirmed_by=None),
            decided("d5", "deletion", "penalty", "汕市监罚〔2026〕10号", confirmed_by="李复核"),
            decided("d6", "notice_date", "list_entry", "汕应急列〔2027〕8号", decision_value="2027-05-18"),
            decided("d9", "nominee", "list_entry", persons.document(persons.NEW_IN_POST), decision_value="是"),
            decided("d10", "nominee", "list_entry", persons.document(persons.MANY_POSTS), decision_value="否"),
            decided("d11", "notice_date", "measure", "c4", decision_value="2026-10-10", reason="邮寄送达"),
            decided("d7", "identity_same", None, None, subject_uscc=uscc(3), other_subject_uscc=uscc(6)),
        ],
        **office,
    )
    persons.deliver_ends(story.landed, dt.date(2027, 5, 20))
    statements.deliver_withdrawal(story.landed, dt.date(2027, 5, 20))
    out_of_order.deliver(story.landed, 3)
    story.night("decided", dt.date(2027, 5, 21))
    land(
        "decision",
        [
            decided(
                "d8",
                "identity_different",
                None,
                None,
                subject_uscc=uscc(3),
                other_subject_uscc=uscc(6),
                decision_date="2027-05-21",
            )
        ],
        **office,
    )
    land(
        "repair",
        [repaired(2, "修复2号", "汕市监罚〔2026〕2号", state="revoked") | {"_op": "U"}],
        department="x_creditchina",
        day=dt.date(2027, 5, 21),
    )
    story.night("taken back", dt.date(2027, 5, 22))


def case(
    document_no: str,
    accepted: str | None,
    decided_on: str | None,
    statutory: int | None,
    promised: int | None,
    **changes: Any,
) -> dict[str, Any]:
    """An approval case of enterprise 3 at a window, applied for on 2026-10-12; times are of Shanghai."""
    return (
        party(3)
        | {
            "document_no": document_no,
            "item_code": "SX1",
            "channel": "窗口",
            "online_depth": "II",
            "visits": "1",
            "applied_at": "2026-10-12 09:00:00",
            "accepted_at": accepted and f"{accepted}:00",
            "decided_at": decided_on and f"{decided_on} 16:00:00",
            "statutory_days": statutory and str(statutory),
            "promised_days": promised and str(promised),
            "source_unit_uscc": AUTHORITY,
        }
        | changes
    )


def applied(
    number: int, document_no: str, measure: str, list_code: str, department: str, **changes: Any
) -> dict[str, Any]:
    """A measure applied to a test enterprise since 2026-10-09."""
    return (
        party(number)
        | {
            "document_no": document_no,
            "measure_code": measure,
            "list_code": list_code,
            "executing_department": department,
            "decision_date": "2026-10-09",
        }
        | changes
    )


def receipt(document_no: str, kind: str, target: str, day: str) -> dict[str, Any]:
    """The province's receipt of a record."""
    return {
        "document_no": document_no,
        "target_kind": kind,
        "target_document_no": target,
        "receipt_code": "00",
        "decision_date": day,
    }


def decided(number: str, decision_type: str, kind: str | None, target: str | None, **changes: Any) -> dict[str, Any]:
    """A decision of the credit office, dated 2027-05-20."""
    return {
        "document_no": number,
        "decision_type": decision_type,
        "target_kind": kind,
        "target_document_no": target,
        "reason": "核查确认",
        "decided_by": "王经办",
        "decision_date": "2027-05-20",
    } | changes
