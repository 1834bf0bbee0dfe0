"""What each database role may do and what it may not, by trying it on a built warehouse (domain page 11)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest

from creditflow.ops.database import transaction
from creditflow.warehouse.rights import PERSONAL, RIGHTS, grant
from tests.dbt.conftest import Story

ISSUE = (
    "insert into quality.issue (issue_id, scope, department, feed, rule_id, record, severity, state, episode,"
    " first_opened_on, opened_on) values (gen_random_uuid(), 'row', %s, 'permit', 'R1', 'x', 'reject', 'open', 1,"
    " '2026-11-20', '2026-11-20')"
)
VERDICT = "insert into quality.row_verdict (batch_id, row_no, verdict, rule_ids) values (%s, 1, 'rejected', '{R1}')"
RETURNED = "insert into quality.return_file values (%s, %s, 'permit', '2026-11-20', 1, 1, 'a.xlsx', 'x', 'a.json', 'x')"
LOG = (
    "insert into ops.query_log (asked_by, purpose, scope, uscc, outcome, result_count, as_of)"
    " values ('t', 't', 'public', 'x', 'not_found', 0, '2026-11-20')"
)

MAY = [
    ("role_ingest", "update ops.batch set seconds = seconds"),
    ("role_ingest", "select * from ops.feed"),
    ("role_ingest", "create table work.own (n integer)"),
    ("role_quality", "select * from landing.penalty"),
    ("role_quality", "delete from quality.rule_result where batch_id = 'none'"),
    ("role_transform", "select * from landing.penalty"),
    ("role_transform", "delete from core.penalty where known_from_build < 0"),
    ("role_analyst", "select * from publish.penalty"),
    ("role_analyst", "select * from core.penalty"),
    ("role_analyst", "select * from publish.associated_person_entry"),
    ("role_analyst", "select batch_id, verdict from quality.row_verdict"),
    ("role_credit_office", "select * from publish.credit_report"),
    ("role_credit_office", "select subject_id, name_full from entity.person"),
    ("role_credit_office", "select * from publish.subject_statement"),
    ("role_credit_office", "select payload from quality.row_verdict"),
    ("role_credit_office", LOG),
    ("role_public_api", "select * from open_data.penalty"),
    ("role_public_api", "select * from open_data.list_membership"),
    ("role_auditor", "select * from ops.query_log"),
    ("role_auditor", "select * from ops.suppression"),
    ("role_auditor", "select * from core.penalty"),
    ("role_key_custodian", "select person_key, person_cipher from entity.person"),
]
MAY_NOT = [
    ("role_ingest", "select * from publish.subject"),
    ("role_ingest", "select * from landing.penalty"),
    ("role_ingest", "select * from entity.person"),
    ("role_quality", "select * from entity.person"),
    ("role_quality", "select * from publish.subject"),
    ("role_quality", "delete from ops.batch"),
    ("role_transform", "select * from ops.query_log"),
    ("role_transform", "insert into landing.penalty (batch_id) values ('x')"),
    ("role_transform", "delete from ops.suppression"),
    *(("role_analyst", f"select * from {schema}.{table}") for schema, table in PERSONAL),
    ("role_analyst", "select * from landing.penalty"),
    ("role_analyst", "select * from staging.record_subject"),
    ("role_analyst", "select payload from quality.row_verdict"),
    ("role_analyst", "select * from quality.register"),
    ("role_analyst", "select * from ops.query_log"),
    ("role_analyst", "update core.penalty set fine_amount_wan = 0"),
    ("role_analyst", "create table publish.own (n integer)"),
    ("role_credit_office", "select person_cipher from entity.person"),
    ("role_credit_office", "select * from ops.query_log"),
    ("role_credit_office", "update ops.query_log set purpose = 'other'"),
    ("role_credit_office", "delete from ops.query_log"),
    ("role_credit_office", "truncate ops.query_log"),
    ("role_public_api", "select * from publish.penalty"),
    ("role_public_api", "select * from publish.score"),
    ("role_public_api", "select * from core.penalty"),
    ("role_public_api", "select * from ops.pointer"),
    ("role_auditor", "select * from entity.person"),
    ("role_auditor", "delete from ops.query_log"),
    ("role_auditor", "update ops.event set reason = ''"),
    ("role_auditor", "select payload from quality.row_verdict"),
    ("role_key_custodian", "select name_full from entity.person"),
    ("role_key_custodian", "select * from publish.subject"),
    ("role_key_custodian", "select * from landing.penalty"),
    ("role_department", "select * from publish.subject"),
    ("role_department", "select * from ops.batch"),
    ("role_department", "delete from quality.issue"),
]


@contextmanager
def as_role(story: Story, role: str, *before: tuple[str, tuple[str, ...]]) -> Iterator[psycopg2.extensions.cursor]:
    """A session of that role, undone at the end; before: what the owner does first."""
    conn = psycopg2.connect(story.settings.warehouse_url)
    try:
        with conn.cursor() as cursor:
            for statement, values in before:
                cursor.execute(statement, values)
            cursor.execute(f"set local role {role}")
            yield cursor
    finally:
        conn.rollback()
        conn.close()


@pytest.mark.parametrize(("role", "statement"), MAY)
def test_what_a_role_needs_it_may(story: Story, role: str, statement: str) -> None:
    with as_role(story, role) as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(("role", "statement"), MAY_NOT)
def test_what_a_role_does_not_need_it_may_not(story: Story, role: str, statement: str) -> None:
    with as_role(story, role) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(statement)


def test_a_right_that_is_no_longer_in_the_table_is_taken_away(story: Story) -> None:
    story.landed.execute("grant select on entity.person to role_analyst")
    with transaction(story.settings, "test") as conn:
        assert grant(conn) == []
    with as_role(story, "role_analyst") as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("select * from entity.person")


def test_personal_columns_stand_in_personal_tables_only(story: Story) -> None:
    found = story.landed.execute(
        "select table_schema, table_name, column_name from information_schema.columns"
        " where table_schema in ('publish', 'open_data', 'core', 'lists', 'scores', 'entity', 'ops', 'quality')"
        r" and column_name ~ '(_cipher|person_key|id_no_hash|name_full|phone|home_address|contact_person)$' order by 1, 2, 3"
    )
    assert {(schema, table) for schema, table, _ in found} == {("entity", "person")}


def test_the_public_sees_no_person_no_score_and_no_earlier_build(story: Story) -> None:
    with as_role(story, "role_public_api") as cursor:
        cursor.execute("select record_id from open_data.penalty")
        seen = {record for (record,) in cursor.fetchall()}
        assert seen
        cursor.execute("select set_config('creditflow.build', '1', true)")
        cursor.execute("select count(*) from open_data.penalty")
        assert cursor.fetchone() == (0,)
    persons = story.landed.execute(
        "select record_id from publish.penalty where party_type = 'natural_person' or not is_public"
    )
    assert persons
    assert not seen & {record for (record,) in persons}


@pytest.mark.parametrize("role", ["department_jyj", "department_sjgj", "department_nobody"])
def test_a_department_sees_its_own_returns_and_no_others(story: Story, role: str) -> None:
    conn_owner = [(f"create role {role} login in role role_department", ())]
    rows = [(ISSUE, (code,)) for code in ("jyj", "sjgj")]
    rows += [(VERDICT, (f"{code.upper()}-PERMIT-20261120-001",)) for code in ("jyj", "sjgj")]
    rows += [(RETURNED, (f"{code.upper()}-PERMIT-20261120-001", code)) for code in ("jyj", "sjgj")]
    code = role.removeprefix("department_")
    own = [] if code == "nobody" else [code]
    with as_role(story, role, *conn_owner, *rows) as cursor:
        cursor.execute("select department from quality.issue")
        assert [name for (name,) in cursor.fetchall()] == own
        cursor.execute("select department from quality.return_file")
        assert [name for (name,) in cursor.fetchall()] == own
        cursor.execute("select lower(split_part(batch_id, '-', 1)) from quality.row_verdict")
        assert [name for (name,) in cursor.fetchall()] == own


def test_a_role_without_a_policy_sees_no_return_even_when_somebody_grants_it(story: Story) -> None:
    owner = [(ISSUE, ("jyj",)), ("grant usage on schema quality to role_public_api", ())]
    owner.append(("grant select on quality.issue to role_public_api", ()))
    with as_role(story, "role_public_api", *owner) as cursor:
        cursor.execute("select * from quality.issue")
        assert cursor.fetchall() == []


def test_every_role_of_the_page_exists(story: Story) -> None:
    known = {name for (name,) in story.landed.execute("select rolname from pg_roles where rolname like 'role\\_%'")}
    page = {"ingest", "quality", "transform", "analyst", "credit_office", "public_api", "auditor", "key_custodian"}
    assert {f"role_{name}" for name in page} <= known
    assert set(RIGHTS) <= known
