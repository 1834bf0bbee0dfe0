"""The credit office decides: by command and by workbook, archived like any delivery, in force with the next build."""

from __future__ import annotations

import datetime as dt
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import psycopg2
import pytest
from psycopg2 import sql

from creditflow import warehouse as city
from creditflow.cli.main import main
from creditflow.cli.output import known_departments
from creditflow.server import Server
from creditflow.settings import Settings
from tests.conftest import PROJECT
from tests.dbt.conftest import listed, permit, repaired
from tests.dbt.landed import Landed, enterprise, load_kinds, party, penalty, uscc

pytestmark = pytest.mark.usefixtures("warm_dbt")

DAY, NEXT, LAST = "2026-11-20", "2026-11-21", "2026-11-22"
ALIKE = "汕头市测试3号贸易公司"
NAMELESS = {"counterparty_uscc": None, "counterparty_name": ALIKE}


@dataclass
class Office:
    """A small city with a command line of its own."""

    settings: Settings
    landed: Landed
    numbers: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of a command."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
            patch.setenv("CREDITFLOW_HOME", str(self.settings.home))
            patch.setenv("CREDITFLOW_WAREHOUSE_URL", self.settings.warehouse_url)
            status = main(list(arguments))
        return status, out.getvalue(), err.getvalue()

    def review(self) -> list[dict[str, Any]]:
        """The review list."""
        status, out, err = self.run("review", "--json")
        assert status == 0, err
        return list(json.loads(out)["review"])

    def decided(self, *arguments: str) -> str:
        """Enter a decision; its number."""
        status, out, err = self.run("decide", *arguments, "--json")
        assert status == 0, err + out
        answer = json.loads(out)
        assert [batch["rows_accepted"] for batch in answer["batches"]] == [1], out
        return str(answer["decision"])

    def night(self, day: str) -> None:
        """Build and publish."""
        city.publish(self.settings, city.build(self.settings, dt.date.fromisoformat(day)).build_no)

    def row(self, view: str, column: str, value: str) -> dict[str, Any] | None:
        """The single row of a publish view, or none."""
        rows = self.landed.execute(
            sql.SQL("select to_jsonb(v) from publish.{} as v where {} = %s").format(
                sql.Identifier(view), sql.Identifier(column)
            ),
            (value,),
        )
        assert len(rows) < 2
        return dict(rows[0][0]) if rows else None

    def penalty(self, number: int) -> dict[str, Any] | None:
        """Penalty `number` as readers see it."""
        return self.row("penalty", "decision_document_no", f"汕市监罚〔2026〕{number}号")


def fresh(server: Server, template: str, name: str, home: Path) -> Settings:
    """A warehouse of its own over the archive in `home`."""
    admin = psycopg2.connect(server.url("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    admin.close()
    return Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=server.url(name))


def land_the_city(settings: Settings) -> Landed:
    """Seven enterprises with a penalty each, and records that carry a name only."""
    known_departments(settings)
    landed = Landed(settings, load_kinds(PROJECT))
    day = dt.date(2026, 11, 19)
    ended = enterprise(8, entity_status="注销", deregistered_on="2026-01-02")
    landed.batch("registration", [*(enterprise(n) for n in range(1, 8)), ended], day=day)
    other = enterprise(7, subject_name="汕头市另一家冒用代码的商行", registered_on="2019-05-06", _seq=1)
    renamed = enterprise(6, subject_name="汕头市测试6号更名有限公司")
    landed.batch("registration", [other, renamed], department="mzj", day=day)
    rows = [penalty(n, f"汕市监罚〔2026〕{n}号") for n in range(1, 8)]
    rows.append(penalty(3, "汕市监罚〔2026〕33号", **NAMELESS))
    rows.append(
        penalty(4, "汕市监罚〔2026〕44号", counterparty_uscc=None, counterparty_name="汕头市测试4号贸易有限公司")
    )
    rows += [penalty(n, "汕联罚〔2026〕1号") for n in (1, 2)]
    rows.append(penalty(5, "汕市监罚〔2026〕55号", _op="W"))
    landed.batch("penalty", rows, day=day)
    permits = [permit(n, f"汕许〔2026〕{n}号") for n in (1, 2)]
    permits += [
        permit(8, "汕许〔2026〕8号", decision_date="2026-03-04"),
        permit(5, "汕许〔2026〕5号", valid_to="2025-12-31"),
    ]
    landed.batch("permit", permits, day=day)
    lost = repaired(4, "修复0号", "汕市监罚〔2099〕1号")
    landed.batch(
        "repair", [lost, repaired(5, "修复5号", "汕市监罚〔2026〕5号", "rejected")], department="x_creditchina", day=day
    )
    entries = [
        listed(6, "SL99", "汕列〔2026〕6号"),
        party(6) | {"list_code": "SL05", "document_no": "汕出〔2026〕6号", "exit_date": "2026-03-01"},
    ]
    landed.batch("list_entry", entries, department="yjj", day=day)
    named = [_names(1, "one"), _names(2, "other"), _names(3, "third"), _names(3, "fourth")]
    landed.batch("list_entry", named, department="rsj", day=day)
    fined = {"counterparty_name": "测试乙", "counterparty_type": "自然人", "counterparty_uscc": None}
    landed.batch(
        "penalty", [penalty(1, "汕公罚〔2026〕9号", **fined, **_number("person", "other"))], department="gaj", day=day
    )
    return landed


def _names(number: int, person: str) -> dict[str, Any]:
    """An entry of a firm that names a person by role."""
    about = {
        "responsible_person_name": f"测试{person}",
        "responsible_person_role": "principal",
        "responsible_person_named": "是",
        "person_notified_on": "2026-02-05",
    }
    return listed(number, "SL03", f"汕人社列〔2026〕{number}号", **about, **_number("responsible_person", person))


def _number(prefix: str, person: str) -> dict[str, Any]:
    """What landing leaves of a personal number that was never made."""
    hashed = f"hash-of-fictitious-{person}"
    return {f"{prefix}_id_no_hash": hashed, f"{prefix}_id_no_cipher": "k1:EEEE", f"{prefix}_id_no_check": "ok"}


def share_an_id(landed: Landed) -> None:
    """As warehouses were before a number of its own told two persons apart: the other goes under the id of the one."""
    ((one, minted_from), (other, _)) = (
        landed.execute("select subject_id::text, minted_from from entity.person where person_key = %s", (key,))[0]
        for key in ("resident|hash-of-fictitious-one", "resident|hash-of-fictitious-other")
    )
    landed.execute(
        "update entity.person set subject_id = %s, minted_from = %s where subject_id = %s", (one, minted_from, other)
    )
    for table, column in (
        ("core.penalty", "subject_id"),
        ("core.penalty", "source_subject_id"),
        ("core.list_entry", "responsible_subject_id"),
        ("lists.associated_person_entry", "person_subject_id"),
    ):
        landed.execute(f"update {table} set {column} = %s where {column} = %s", (one, other))
    landed.execute("delete from entity.subject where subject_id = %s", (other,))


@pytest.fixture(scope="module")
def office(server: Server, warehouse_template: str, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """The city after its first night."""
    settings = fresh(server, warehouse_template, "office", tmp_path_factory.mktemp("office"))
    told = Office(settings, land_the_city(settings))
    told.night(DAY)
    share_an_id(told.landed)
    return told


@pytest.mark.parametrize(
    ("rule", "core", "column", "value"),
    [
        ("uscc_claimed_twice", "registration", "subject_uscc", uscc(7)),
        ("withdrawn_before_arrival", "penalty", "decision_document_no", "汕市监罚〔2026〕55号"),
        ("subject_deregistered", "permit", "decision_document_no", "汕许〔2026〕8号"),
        ("term_ends_before_start", "permit", "decision_document_no", "汕许〔2026〕5号"),
        ("target_unknown", "repair", "document_no", "修复0号"),
        ("list_code_unknown", "list_entry", "document_no", "汕列〔2026〕6号"),
        ("exit_without_entry", "list_entry", "document_no", "汕出〔2026〕6号"),
    ],
)
def test_bad_input_is_kept_flagged_and_visible(office: Office, rule: str, core: str, column: str, value: str) -> None:
    kept = office.landed.execute(
        sql.SQL("select record_id from core.{} where {} = %s and known_to_build = 2147483647").format(
            sql.Identifier(core), sql.Identifier(column)
        ),
        (value,),
    )
    told = office.landed.execute(
        "select record_key, message_zh, message_en from publish.data_issue where rule_id = %s and record_kind = %s",
        (rule, core),
    )
    assert [record for record, _, _ in told] == [record for (record,) in kept], "this record and no other"
    assert len(told) == 1
    assert all(zh and en for _, zh, en in told)


WHY = ("--reason", "核查确认", "--by", "王经办", "--as-of", NEXT)
FIRST = ("--kind", "penalty", "--document", "汕市监罚〔2026〕1号")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("repair", "--kind", "penalty", "--document", "汕市监罚〔2099〕9号"), "先行登记"),
        (("repair", "--kind", "penalty", "--document", "汕联罚〔2026〕1号"), "--uscc"),
        (("repair", *FIRST, "--uscc", uscc(2)), "不属于"),
        (("repair", *FIRST, "--uscc", "91440500MA4X022966"), "校验不通过"),
        (("repair", "--kind", "fine", "--document", "1"), "没有“fine”这类记录"),
        (("repair", "--kind", "penalty"), "指明对象"),
        (("nominee", "--kind", "list_entry", "--document", "汕人社列〔2026〕3号", "--value", "是"), "--record"),
        (("same", uscc(1), uscc(1)), "两个代码相同"),
        (("same", uscc(1), uscc(900)), "库中没有代码"),
        (("same", uscc(1)), "二者取一"),
        (("same", uscc(1), "--record", "00000000-0000-0000-0000-000000000000"), "待核清单中没有"),
    ],
)
def test_what_cannot_take_effect_is_refused_before_it_is_archived(
    office: Office, arguments: tuple[str, ...], told: str
) -> None:
    status, out, err = office.run("decide", *arguments, *WHY)
    assert status == 1, out
    assert told in err
    assert "Traceback" not in err
    assert office.landed.execute("select count(*) from ops.batch where department = 'x_credit_office'") == [(0,)]


@pytest.mark.parametrize(
    "arguments",
    [("severity", *FIRST, "--value", "很重"), ("notice-date", *FIRST, "--value", "周一"), ("repair", *FIRST)],
)
def test_a_wrong_value_and_a_missing_reason_are_wrong_usage(office: Office, arguments: tuple[str, ...]) -> None:
    assert office.run("decide", *arguments)[0] == 2


def test_the_review_list_ranks_the_likeliest_subject_first(office: Office) -> None:
    rows = office.review()
    assert [(row["party_name"], row["suggested_uscc"]) for row in rows] == [
        ("汕头市测试4号贸易有限公司", uscc(4)),
        (ALIKE, uscc(3)),
    ]
    assert rows[0]["similarity"] == 1 > rows[1]["similarity"] > 0.5
    assert office.penalty(33)["match_grade"] in ("weak", "none")  # type: ignore[index]
    assert ALIKE in office.run("review")[1]


def named_by(office: Office, number: int) -> dict[str, Any]:
    """The person an entry of a firm reaches."""
    found = office.row("associated_person_entry", "uscc", uscc(number))
    assert found is not None
    return found


def shared(office: Office) -> list[dict[str, Any]]:
    """Persons under one id."""
    return list(json.loads(office.run("review", "--persons", "--json")[1])["persons"])


def test_persons_under_one_id_are_listed_with_the_records_that_name_them(office: Office) -> None:
    rows = shared(office)
    assert {row["record_id"] for row in rows} == {named_by(office, number)["record_id"] for number in (1, 2)}
    assert {(row["persons"], row["person_subject_id"]) for row in rows} == {
        (2, named_by(office, 1)["person_subject_id"])
    }
    assert "2 人" in office.run("review", "--persons")[1]


def test_who_shares_an_id_with_nobody_is_not_told_apart(office: Office) -> None:
    (penalty_of_a_firm,) = office.landed.execute(
        "select record_id::text from publish.penalty where decision_document_no = '汕市监罚〔2026〕4号'"
    )
    status, _, err = office.run("decide", "split", "--kind", "penalty", "--record", *penalty_of_a_firm, *WHY)
    assert (status, "没有与他人共用标识" in err) == (1, True)
    assert "--record" in office.run("decide", "split", *FIRST, *WHY)[2]


@pytest.fixture(scope="module")
def decided(office: Office) -> Office:
    """Decisions entered by command, nothing built yet."""
    review = {row["party_name"]: row["record_id"] for row in office.review()}
    office.numbers["question"] = review[ALIKE]
    office.numbers |= {
        "repair": office.decided("repair", *FIRST, *WHY),
        "deletion": office.decided("deletion", "--kind", "penalty", "--document", "汕市监罚〔2026〕2号", *WHY),
        "waiting": office.decided("deletion", "--kind", "permit", "--document", "汕许〔2026〕2号", *WHY),
        "severity": office.decided(
            "severity", "--kind", "penalty", "--document", "汕市监罚〔2026〕3号", "--value", "严重", *WHY
        ),
        "same": office.decided("same", uscc(3), "--record", review[ALIKE], *WHY),
        "different": office.decided("different", uscc(4), "--record", review["汕头市测试4号贸易有限公司"], *WHY),
        "split": office.decided("split", "--kind", "list_entry", "--record", named_by(office, 2)["record_id"], *WHY),
        "ahead": office.decided(
            "withdrawal", "--kind", "penalty", "--document", "汕市监罚〔2099〕9号", "--ahead", *WHY
        ),
    }
    return office


def test_a_decision_is_a_delivery_with_who_when_and_why(decided: Office) -> None:
    assert decided.numbers["repair"].startswith("XYB-20261121-")
    assert decided.landed.execute(
        "select b.channel, b.file like '信用办人工决定%%', d.decision_type, d.reason, d.decided_by, d.decision_date"
        " from landing.decision d join ops.batch b using (batch_id) where d.document_no = %s",
        (decided.numbers["repair"],),
    ) == [("manual_upload", True, "repair", "核查确认", "王经办", NEXT)]


def test_a_deletion_is_confirmed_once_by_another_person(decided: Office) -> None:
    number = decided.numbers["deletion"]
    status, _, err = decided.run("decide", "confirm", number, "--by", "王 经办", "--as-of", NEXT)
    assert (status, "不得与决定人相同" in err) == (1, True)
    assert decided.run("decide", "confirm", number, "--by", "李复核", "--as-of", NEXT)[0] == 0
    assert "已由李复核复核" in decided.run("decide", "confirm", number, "--by", "赵复核")[2]
    assert "只有删除需要复核" in decided.run("decide", "confirm", decided.numbers["repair"], "--by", "李复核")[2]
    assert "没有编号为" in decided.run("decide", "confirm", "XYB-0", "--by", "李复核")[2]


def test_the_workbook_is_filled_in_by_hand_and_judged_row_by_row(decided: Office, tmp_path: Path) -> None:
    path = tmp_path / "决定.xlsx"
    assert decided.run("decide", "template", str(path))[0] == 0
    assert decided.run("decide", "template", str(path))[0] == 1, "a workbook somebody filled in is not overwritten"
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    at = {cell.value: cell.column for cell in sheet[4]}
    assert len(sheet.data_validations.dataValidation) == 3
    lines = [
        {"决定编号": "手工1", "决定类型": "适用规则指定", "对象文书号": "汕市监罚〔2026〕5号", "决定内容": "R2023"},
        {"决定编号": "手工2", "决定类型": "严重程度认定", "对象文书号": "汕市监罚〔2026〕6号", "决定内容": "很重"},
        {"决定编号": "手工3", "决定类型": "暂缓公示", "对象文书号": "汕市监罚〔2026〕7号"},
    ]
    common = {"对象类型": "行政处罚", "理由": "核查", "决定人": "王经办", "决定日期": NEXT}
    for number, line in enumerate(lines, 5):
        for heading, value in (line | common).items():
            sheet.cell(number, at[heading]).value = value
    book.save(path)
    _, out, _ = decided.run("drop", "x_credit_office", "decision", str(path), "--as-of", NEXT, "--json")
    batch = json.loads(out)["batches"][0]
    assert (batch["rows_read"], batch["rows_accepted"], batch["rows_rejected"]) == (3, 2, 1), out
    assert decided.landed.execute("select rule_ids from quality.row_verdict where verdict = 'rejected'") == [
        (["DECISION-K-DECIDED-SEVERITY"],)
    ]


@pytest.fixture(scope="module")
def in_force(decided: Office) -> Office:
    """The night after the decisions."""
    decided.night(NEXT)
    return decided


def test_decisions_take_effect_with_the_next_build(in_force: Office) -> None:
    assert in_force.penalty(1) is None, "repaired"
    assert in_force.penalty(2) is None, "deleted, with a second person's yes"
    assert in_force.row("permit", "decision_document_no", "汕许〔2026〕2号") is not None, "nobody confirmed"
    assert in_force.penalty(3)["severity"] == "serious"  # type: ignore[index]
    assert in_force.penalty(5)["regime"] == "R2023"  # type: ignore[index]
    assert in_force.penalty(7)["is_public"] is False  # type: ignore[index]
    assert ("target_unknown",) in in_force.landed.execute(
        "select distinct rule_id from publish.data_issue where record_kind = 'decision'"
    ), "a withdrawal that came before its penalty waits, and is seen waiting"


def test_a_judged_record_belongs_to_its_subject_and_leaves_the_review_list(in_force: Office) -> None:
    subject, found = in_force.row("subject", "uscc", uscc(3)), in_force.penalty(33)
    assert subject is not None
    assert found is not None
    assert found["subject_id"] == subject["subject_id"]
    assert (found["match_grade"], found["match_rule"]) == ("strong", "judged")
    assert in_force.review() == [], "both questions are answered"


def test_a_person_told_apart_has_an_id_of_his_own_and_every_record_follows(in_force: Office) -> None:
    one, other = (named_by(in_force, number)["person_subject_id"] for number in (1, 2))
    assert one != other
    assert shared(in_force) == []
    fined = in_force.row("penalty", "decision_document_no", "汕公罚〔2026〕9号")
    assert fined is not None
    assert (fined["subject_id"], fined["match_grade"]) == (other, "exact")
    subjects = "select subject_id::text, subject_type from publish.subject where subject_id in (%s, %s)"
    assert set(in_force.landed.execute(subjects, (one, other))) == {(one, "natural_person"), (other, "natural_person")}
    assert _alias(in_force, other) == [(other, "核查确认", "王经办", dt.date.fromisoformat(NEXT))]
    in_force.numbers["own id"] = other


def _alias(office: Office, subject_id: str) -> list[tuple[Any, ...]]:
    return office.landed.execute(
        "select canonical_subject_id::text, reason, decided_by, decided_on from entity.subject_alias"
        " where subject_id = %s and known_to_build = 2147483647",
        (subject_id,),
    )


@pytest.fixture(scope="module")
def taken_back(in_force: Office) -> Office:
    """A repair, a judgement and a split were taken back."""
    for name in ("same", "repair", "split"):
        why = ("--reason", "误录", "--by", "王经办", "--as-of", LAST)
        assert in_force.run("decide", "take-back", in_force.numbers[name], *why)[0] == 0
    in_force.night(LAST)
    return in_force


def test_what_is_taken_back_is_as_it_was(taken_back: Office) -> None:
    again = taken_back.run("decide", "take-back", taken_back.numbers["same"], "--reason", "再次", "--as-of", LAST)
    assert "已撤回" in again[2]
    assert taken_back.penalty(1) is not None
    assert taken_back.penalty(33)["match_grade"] == "none"  # type: ignore[index]
    assert [row["record_id"] for row in taken_back.review()] == [taken_back.numbers["question"]]


def test_a_split_taken_back_leaves_the_id_as_an_alias(taken_back: Office) -> None:
    one, other = (named_by(taken_back, number)["person_subject_id"] for number in (1, 2))
    assert one == other
    assert [row["persons"] for row in shared(taken_back)] == [2, 2]
    assert [row[0] for row in _alias(taken_back, taken_back.numbers["own id"])] == [one]
    fined = taken_back.row("penalty", "decision_document_no", "汕公罚〔2026〕9号")
    assert fined is not None
    assert fined["subject_id"] == one
