"""What is past its legal period goes, what is not stays, a hold stops it, and a hash is what remains."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import uuid

import pytest

from creditflow.airflow import task_logs
from creditflow.archive import store, verify
from creditflow.connectors.delivery import Delivery
from creditflow.ops import retention
from creditflow.registry import load
from creditflow.settings import Keys, write_secret
from tests.conftest import PROJECT, Warehouse

DAY = dt.date(2026, 11, 20)
SUBJECT = uuid.UUID(int=77)
TABLES = """
create table landing.penalty (record_key uuid, batch_id text, counterparty_name text);
create table landing.permit (like landing.penalty);
create table core.penalty (
    record_id uuid, subject_id uuid, party_type text, state text, state_since date, decided_on date, valid_to date,
    known_from_build integer, known_to_build integer default 2147483647
);
create table core.permit (like core.penalty including defaults);
create table core.honour (like core.penalty including defaults);
create table scores.score (
    subject_id uuid, score integer, known_from_build integer, known_to_build integer default 2147483647
);
create table scores.score_explanation (like scores.score including defaults);
create table lists.list_membership (
    record_id uuid, subject_id uuid, list_kind text, state text, ended_on date, known_to_build integer
);
"""


class City:
    """A warehouse with records by number."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.house = warehouse
        warehouse.query(TABLES)

    def add(
        self,
        number: int,
        party: str,
        decided: str,
        *,
        kind: str = "penalty",
        subject: int | None = None,
        **values: object,
    ) -> str:
        record = str(uuid.UUID(int=number))
        row = {"state": "active", "state_since": None, "valid_to": None, **values}
        self.house.query(
            f"insert into core.{kind} values (%s, %s, %s, %s, %s, %s, %s, 1)",
            (
                record,
                str(uuid.UUID(int=subject or number + 1000)),
                party,
                row["state"],
                row["state_since"],
                decided,
                row["valid_to"],
            ),
        )
        if kind != "honour":
            self.house.query(f"insert into landing.{kind} values (%s, 'B', '测试甲')", (record,))
        self.house.query(
            "insert into quality.row_verdict (batch_id, row_no, record_key, verdict, rule_ids, payload)"
            " values ('B', %s, %s, 'flagged', '{R}', '{\"name\": \"x\"}')",
            (number, record),
        )
        return record

    def left(self, kind: str = "penalty") -> list[int]:
        return [uuid.UUID(str(one)).int for (one,) in self.house.query(f"select record_id from core.{kind} order by 1")]


@pytest.fixture
def city(warehouse: Warehouse) -> City:
    return City(warehouse)


def test_adverse_records_of_persons_go_after_five_years_and_not_a_day_earlier(city: City) -> None:
    city.add(1, "natural_person", "2021-11-20")
    city.add(2, "natural_person", "2021-11-21")
    city.add(3, "natural_person", "2020-01-01", state="ended", state_since="2022-01-01")
    report = retention.delete(city.house.settings, DAY)
    assert city.left() == [2, 3]
    assert report["records"] == 1
    (line,) = report["rules"]
    assert (line["rule"], line["what"], line["then"]) == ("RET-PERSON-ADVERSE", "penalty", "delete")
    assert json.loads((city.house.settings.home / "retention" / f"{DAY}.json").read_text()) == report


def test_a_deletion_leaves_a_hash_a_suppression_and_nothing_else(city: City) -> None:
    record = city.add(1, "natural_person", "2020-01-01")
    retention.delete(city.house.settings, DAY)
    assert city.house.query("select count(*) from landing.penalty") == [(0,)]
    assert city.house.query("select payload from quality.row_verdict") == [(None,)]
    assert city.house.query("select record_id::text, reason from ops.suppression") == [(record, "deleted")]
    left = city.house.query("select table_name, rule_id, rows_deleted, length(sha256) from ops.deletion order by 1")
    assert left == [("core.penalty", "RET-PERSON-ADVERSE", 1, 64), ("landing.penalty", "RET-PERSON-ADVERSE", 1, 64)]
    assert city.house.query("select count(*) from cold.record") == [(0,)]


def test_records_of_organisations_are_moved_where_nobody_reads(city: City) -> None:
    city.add(1, "organisation", "2020-01-01")
    city.add(2, "household_business", "2020-01-01")
    retention.delete(city.house.settings, DAY)
    assert city.left() == []
    assert city.house.query("select count(*) from cold.record where table_name = 'core.penalty'") == [(2,)]
    assert city.house.query("select count(*) from cold.record where content::text like '%测试甲%'") == [(2,)]


def test_a_record_stays_while_its_subject_is_on_a_serious_list(city: City) -> None:
    city.add(1, "natural_person", "2020-01-01", subject=77)
    membership = "insert into lists.list_membership values (gen_random_uuid(), %s, %s, 'active', %s, 2147483647)"
    city.house.query(membership, (str(SUBJECT), "serious", None))
    assert retention.delete(city.house.settings, DAY)["rules"][0]["kept_by_serious_list"] == 1
    assert city.left() == [1]
    city.house.query("update lists.list_membership set ended_on = %s", (DAY,))
    retention.delete(city.house.settings, DAY)
    assert city.left() == []


def test_permits_and_honours_go_by_the_end_of_their_validity(city: City) -> None:
    city.add(1, "organisation", "2010-01-01", kind="permit", valid_to="2021-11-20")
    city.add(2, "organisation", "2010-01-01", kind="permit", valid_to="2021-11-21")
    city.add(3, "organisation", "2010-01-01", kind="permit")
    city.add(4, "organisation", "2010-01-01", kind="honour", valid_to="2025-11-20")
    city.add(5, "organisation", "2010-01-01", kind="honour", valid_to="2025-12-01")
    retention.delete(city.house.settings, DAY)
    assert city.left("permit") == [2, 3]
    assert city.left("honour") == [5]


@pytest.mark.parametrize("names", ["subject_id", "record_id", None])
def test_a_legal_hold_stops_it_until_it_is_lifted(city: City, names: str | None) -> None:
    record = city.add(1, "natural_person", "2020-01-01", subject=77)
    target = {"subject_id": {"subject_id": str(SUBJECT)}, "record_id": {"record_id": record}, None: {}}[names]
    settings = city.house.settings
    number = retention.hold(settings, reason="诉讼", by="法规科", on=DAY, **target)
    assert retention.delete(settings, DAY)["rules"][0]["kept_by_legal_hold"] == 1
    assert city.left() == [1]
    assert retention.lift(settings, number, by="法规科", on=DAY)
    assert not retention.lift(settings, number, by="法规科", on=DAY)
    retention.delete(settings, DAY)
    assert city.left() == []


def test_a_hold_on_another_subject_stops_nothing(city: City) -> None:
    city.add(1, "natural_person", "2020-01-01")
    retention.hold(city.house.settings, reason="诉讼", by="法规科", on=DAY, subject_id=str(SUBJECT))
    retention.delete(city.house.settings, DAY)
    assert city.left() == []


def test_a_look_changes_nothing(city: City) -> None:
    city.add(1, "natural_person", "2020-01-01")
    report = retention.due(city.house.settings, DAY)
    assert (report["records"], report["deleted"]) == (1, False)
    assert city.left() == [1]
    assert not (city.house.settings.home / "retention").exists()


def test_query_logs_are_kept_five_years(city: City) -> None:
    log = (
        "insert into ops.query_log (asked_by, purpose, scope, uscc, outcome, result_count, as_of)"
        " values ('t', 't', 'public', 'x', 'not_found', 0, %s)"
    )
    for day in ("2021-11-20", "2021-11-21"):
        city.house.query(log, (day,))
    retention.delete(city.house.settings, DAY)
    assert city.house.query("select as_of::text from ops.query_log") == [("2021-11-21",)]


def test_replaced_scores_are_kept_five_years_and_the_one_that_stands_however_old(city: City) -> None:
    """A build is as old as its business date; one of an old date that was run later ends nothing that was known after it."""
    one, other = str(SUBJECT), str(uuid.UUID(int=78))
    for number, day in ((1, "2021-10-01"), (2, "2021-11-20"), (3, "2021-11-21"), (4, "2021-11-01"), (5, "2026-11-20")):
        city.house.query(
            "insert into ops.build (build_no, as_of, state, code_hash, started_at) values (%s, %s, 'published', '', now())",
            (number, day),
        )
    versions = [(one, 600, 1, 2), (one, 610, 2, 3), (one, 620, 3, 4), (one, 630, 4, 2**31 - 1), (other, 700, 1, 2)]
    for table in ("score", "score_explanation"):
        for version in versions:
            city.house.query(f"insert into scores.{table} values (%s, %s, %s, %s)", version)
    left = "select score from scores.{} order by 1"
    settings = city.house.settings
    number = retention.hold(settings, reason="诉讼", by="法规科", on=DAY, subject_id=other)
    report = retention.delete(settings, DAY)
    assert {line["what"]: (line["records"], line["rows"], line["kept_by_legal_hold"]) for line in report["rules"]} == {
        "score": (1, 1, 1),
        "score_explanation": (1, 1, 1),
    }
    assert (report["records"], report["scores_of_subjects"]) == (0, 2)
    for table in ("score", "score_explanation"):
        assert city.house.query(left.format(table)) == [(610,), (620,), (630,), (700,)]
    retention.lift(settings, number, by="法规科", on=DAY)
    retention.delete(settings, DAY)
    assert city.house.query(left.format("score")) == [(610,), (620,), (630,)]
    taken = city.house.query("select body -> 'taken' from ops.journal where entry_type = 'retained'")
    assert len(taken) == 2, "a rebuild repeats it"


def test_logs_of_tasks_are_kept_six_months_and_empty_folders_go_with_them(city: City) -> None:
    settings = city.house.settings
    logs = task_logs(settings)
    for run, day in (
        ("old", dt.datetime(2026, 5, 20, 12, tzinfo=dt.UTC)),
        ("new", dt.datetime(2026, 5, 21, 12, tzinfo=dt.UTC)),
    ):
        path = logs / "dag_id=warehouse" / f"run_id={run}" / "task_id=build" / "attempt=1.log"
        path.parent.mkdir(parents=True)
        path.write_text(run, encoding="utf-8")
        os.utime(path, (day.timestamp(), day.timestamp()))
    number = retention.hold(settings, reason="事件调查", by="法规科", on=DAY)
    assert retention.delete(settings, DAY)["system_logs"] == 0
    retention.lift(settings, number, by="法规科", on=DAY)
    report = retention.delete(settings, DAY)
    assert (report["system_logs"], [(line["what"], line["rows"]) for line in report["rules"]]) == (
        1,
        [("system_log", 1)],
    )
    assert json.loads((settings.home / "retention" / f"{DAY}.json").read_text()) == report
    assert sorted(path.name for path in (logs / "dag_id=warehouse").iterdir()) == ["run_id=new"]
    assert retention.delete(settings, DAY)["system_logs"] == 0


def test_raw_deliveries_are_encrypted_at_rest_after_six_months_and_stay(city: City) -> None:
    settings = city.house.settings
    write_secret(settings.home / "keys" / "person.json", Keys(b"h" * 32, b"c" * 32, "first").text())
    registry = load(PROJECT, lenient=True)
    feed = registry.feed("hyj", "inspection")
    stored = {
        day: store(settings, registry.all()["hyj"], feed, Delivery("a.csv", io.BytesIO(content)), f"HYJ-{day}", day)
        for day, content in ((dt.date(2026, 5, 20), b"old, in clear"), (dt.date(2026, 5, 21), b"newer, in clear"))
    }
    assert retention.due(settings, DAY)["deliveries_sealed"] == 1
    assert retention.delete(settings, DAY)["deliveries_sealed"] == 1
    archive = settings.home / "archive"
    clear = [path for path in archive.rglob("*") if path.is_file() and b"in clear" in path.read_bytes()]
    assert [path.read_bytes() for path in clear] == [b"newer, in clear"]
    assert all(verify(settings, item.manifest) for item in stored.values()), "both are read as before"
    assert retention.due(settings, DAY)["deliveries_sealed"] == 0


def test_the_maintenance_night_deletes_once_a_month(city: City) -> None:
    settings = city.house.settings
    assert retention.monthly(settings) is None
    city.house.query("update ops.pointer set build_no = 1, as_of = %s", (DAY,))
    assert retention.monthly(settings) is not None
    assert retention.monthly(settings) is None
    city.house.query("update ops.pointer set as_of = '2026-12-06'")
    assert retention.monthly(settings) is not None


def test_every_rule_says_its_basis_and_rules_that_ended_bind_nobody() -> None:
    assert all(
        rule.basis and rule.zh and rule.en and rule.then in ("delete", "archive", "seal") for rule in retention.rules()
    )
    assert retention.in_force(dt.date(2020, 1, 1)) == []
    assert {rule.id for rule in retention.in_force(DAY)} == {rule.id for rule in retention.rules()}
