"""Who may read and write what: roles, grants and row policies that hold on PostgreSQL and on Citus (domain page 11).

Promises
- A view never hides anything: personal columns live in tables of their own, which analysts are not granted.
- What a role may do is one table below; whatever it was granted before and is not in the table is taken away.
- `role_analyst` reads publish and the base tables its views use, and no table of persons, no landing, no staging.
- `role_public_api` reads views of `open_data` and nothing else. Nobody but the owner changes or deletes the query log.
- A department's login (`department_<code>`, member of `role_department`) sees its own rows of the return tables.
- Missing right to create roles is not an error: what exists gets its grants, the rest is reported.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql

from creditflow.ops.database import Connection

log = logging.getLogger(__name__)

SCHEMAS = (
    "ops", "work", "landing", "quality", "entity", "staging", "core", "lists", "scores", "publish", "open_data",
)  # fmt: skip
PERSONAL = (
    ("entity", "person"), ("entity", "relation"), ("core", "subject_statement"), ("publish", "subject_statement"),
)  # fmt: skip
"""Tables that hold a personal key, a ciphertext or a full name."""
CONTROL = ("pointer", "build", "batch", "suppression", "department", "feed", "calendar", "arrival")
"""Control tables the publish views read."""
RETURN_TABLES = {
    "return_file": "department = substr(current_user, 12)",
    "issue": "department = substr(current_user, 12)",
    "row_verdict": "starts_with(batch_id, upper(substr(current_user, 12)) || '-')",
}
"""Tables of `quality` with row-level security, and which rows are those of the login department_<code>."""
SEES_ALL_RETURNS = ("role_quality", "role_analyst", "role_credit_office", "role_auditor")
RULE_TABLES = "rule tables"
"""Stands for every table of ops whose rows come from a seed."""


@dataclass(frozen=True)
class Right:
    """verbs on tables of a schema. tables: empty means all (less the PERSONAL ones). columns: empty means all.

    makes: it may also make tables there, which are its own.
    """

    verbs: str
    schema: str
    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    makes: bool = False


VERDICT_FACTS = ("batch_id", "row_no", "record_key", "verdict", "rule_ids", "fields")
RESULTS = ("rule_result", "incident", "issue", "issue_sweep", "department_day", "department_month")
WAREHOUSE = tuple(Right("select", schema) for schema in ("publish", "core", "lists", "scores", "entity"))
RULES = Right("select", "ops", (*CONTROL, RULE_TABLES))
LOGS = ("event", "query_log", "build", "build_batch", "schema_migration", "journal", "replay")
JOURNAL = (
    Right("select, insert", "ops", ("journal",)),
    Right("select, update", "ops", ("journal_archived", "replay")),
    Right("select", "ops", ("rebuild",)),
)
"""What a step needs to note itself, and to see that no rebuild and no replay is under way."""

RIGHTS: dict[str, tuple[Right, ...]] = {
    "role_ingest": (
        Right("select", "ops", ("department", "feed", "calendar")),
        Right("select, insert, update", "ops", ("batch", "watermark", "arrival")),
        Right("select, insert, update, delete", "work", makes=True),
        Right("select, insert", "quality", ("incident",)),
        *JOURNAL,
    ),
    "role_quality": (
        RULES,
        Right("select, update", "ops", ("batch",)),
        Right("select, insert, update, delete", "work", makes=True),
        Right("select, insert, delete", "landing"),
        Right("select, insert, update, delete", "quality"),
        *JOURNAL,
    ),
    "role_transform": (
        RULES,
        Right("select", "landing"),
        Right("select", "quality"),
        Right("select, insert, update", "ops", ("build", "build_batch", "suppression", "view_definition")),
        *(
            Right("select, insert, update, delete, truncate", schema, makes=True)
            for schema in ("work", "staging", "core", "lists", "scores", "entity")
        ),
        Right("select, insert, update, delete", "entity", ("person", "relation")),
        Right("select, insert, update, delete, truncate", "core", ("subject_statement",)),
        Right("select", "publish"),
        Right("select, insert, delete", "ops", ("replayed_record",)),
        *JOURNAL,
    ),
    "role_analyst": (
        *WAREHOUSE,
        RULES,
        Right("select", "quality", RESULTS),
        Right("select", "quality", ("row_verdict",), VERDICT_FACTS),
    ),
    "role_credit_office": (
        *WAREHOUSE,
        RULES,
        Right("select", "entity", ("person",), ("subject_id", "name_full", "known_from_build", "known_to_build")),
        Right("select", "entity", ("relation",)),
        Right("select", "core", ("subject_statement",)),
        Right("select", "publish", ("subject_statement",)),
        Right("select", "quality", (*RESULTS, "row_verdict", "return_file")),
        Right("insert", "ops", ("query_log",)),
    ),
    "role_public_api": (Right("select", "open_data"),),
    "role_auditor": (
        *WAREHOUSE,
        RULES,
        Right("select", "ops", LOGS),
        Right("select", "quality", (*RESULTS, "return_file")),
        Right("select", "quality", ("row_verdict",), VERDICT_FACTS),
    ),
    "role_key_custodian": (
        Right("select", "entity", ("person",), ("subject_id", "person_key", "person_cipher", "known_to_build")),
    ),
    "role_department": (
        Right("select", "quality", ("return_file", "issue")),
        Right("select", "quality", ("row_verdict",), (*VERDICT_FACTS, "payload", "suggestion")),
    ),
}
"""Everything each role may do. Rights on a schema come with the use of it."""


def grant(conn: Connection) -> list[str]:
    """Create the roles where allowed and give each exactly its rights; returns roles that do not exist."""
    missing = ensure_roles(conn)
    for role in (name for name in RIGHTS if name not in missing):
        _take_away(conn, role)
        for right in RIGHTS[role]:
            _give(conn, role, right)
    _policies(conn, missing)
    return missing


def _take_away(conn: Connection, role: str) -> None:
    """Table rights include those on columns."""
    with conn.cursor() as cursor:
        for schema in SCHEMAS:
            cursor.execute(
                sql.SQL(
                    "revoke all on all tables in schema {schema} from {role}; revoke all on schema {schema} from {role}"
                ).format(schema=sql.Identifier(schema), role=sql.Identifier(role))
            )


def _give(conn: Connection, role: str, right: Right) -> None:
    verbs: sql.Composable = sql.SQL(right.verbs)
    if right.columns:
        verbs = sql.SQL("{} ({})").format(verbs, sql.SQL(", ").join(map(sql.Identifier, right.columns)))
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL("grant {} on schema {} to {}").format(
                sql.SQL("usage, create" if right.makes else "usage"), sql.Identifier(right.schema), sql.Identifier(role)
            )
        )
        for table in _meant(conn, right):
            cursor.execute(
                sql.SQL("grant {} on {} to {}").format(verbs, sql.Identifier(right.schema, table), sql.Identifier(role))
            )


def _meant(conn: Connection, right: Right) -> list[str]:
    """Names of the tables and views of a right that exist."""
    names = _tables(conn, right.schema)
    if not right.tables:
        return [name for name in names if (right.schema, name) not in PERSONAL]
    wanted = {*right.tables, *(_rule_tables(conn) if RULE_TABLES in right.tables else ())}
    return [name for name in names if name in wanted]


def _policies(conn: Connection, missing: list[str]) -> None:
    with conn.cursor() as cursor:
        cursor.execute("select tablename, policyname from pg_policies where schemaname = 'quality'")
        known = set(cursor.fetchall())
        for table, own in RETURN_TABLES.items():
            seers = [(role, "true") for role in SEES_ALL_RETURNS]
            for role, condition in [*seers, ("role_department", own)]:
                if role not in missing and (table, role) not in known:
                    cursor.execute(
                        sql.SQL("create policy {role} on quality.{table} to {role} using ({condition})").format(
                            role=sql.Identifier(role), table=sql.Identifier(table), condition=sql.SQL(condition)
                        )
                    )


def ensure_roles(conn: Connection) -> list[str]:
    """Create the roles where allowed; returns those that do not exist."""
    missing: list[str] = []
    with conn.cursor() as cursor:
        for role in RIGHTS:
            cursor.execute("select 1 from pg_roles where rolname = %s", (role,))
            if cursor.fetchone():
                continue
            cursor.execute("savepoint make_role")
            try:
                cursor.execute(sql.SQL("create role {} nologin").format(sql.Identifier(role)))
                cursor.execute("release savepoint make_role")
            except (
                psycopg2.errors.InsufficientPrivilege,
                psycopg2.errors.DuplicateObject,
                psycopg2.errors.UniqueViolation,
            ) as problem:
                cursor.execute("rollback to savepoint make_role")
                if isinstance(problem, psycopg2.errors.InsufficientPrivilege):
                    missing.append(role)
                    log.warning("无权创建角色 %s / no right to create role %s", role, role)
    return missing


def _tables(conn: Connection, schema: str) -> list[str]:
    with conn.cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = %s and c.relkind in ('r', 'p', 'v') order by 1",
            (schema,),
        )
        return [str(name) for (name,) in cursor.fetchall()]


def _rule_tables(conn: Connection) -> set[str]:
    """Told by their comment."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'ops' and c.relkind = 'r' and obj_description(c.oid, 'pg_class') like 'rule table%'"
        )
        return {str(name) for (name,) in cursor.fetchall()}
