"""Who may read what: roles, and grants that hold on PostgreSQL and on Citus.

Promises
- A view never hides anything: personal columns live in tables of their own, which analysts are not granted.
- `role_analyst` reads publish and the base tables its views use, and no table of persons, no landing, no staging.
- Missing right to create roles is not an error: what exists gets its grants, the rest is reported.
"""

from __future__ import annotations

import logging

import psycopg2
from psycopg2 import sql

from creditflow.ops.database import Connection

log = logging.getLogger(__name__)

ROLES = ("role_analyst", "role_credit_office", "role_public_api", "role_auditor")
RESTRICTED = (("entity", "person"), ("entity", "relation"))
"""Tables that hold a personal key, a ciphertext or a full name."""
ANALYST_SCHEMAS = ("publish", "core", "lists", "scores", "entity", "ops", "quality")
CONTROL = ("pointer", "build", "batch", "suppression", "department", "feed", "calendar", "arrival")
"""Control tables the publish views read."""


def grant(conn: Connection) -> list[str]:
    """Create the read roles where allowed and grant them what they may read; returns roles that do not exist."""
    missing = _ensure_roles(conn)
    with conn.cursor() as cursor:
        for role in (name for name in ROLES if name not in missing):
            reader = sql.Identifier(role)
            _grant_publish(conn, role)
            if role == "role_public_api":
                continue
            for schema in ANALYST_SCHEMAS:
                cursor.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(schema), reader))
            for schema in ("core", "lists", "scores", "entity"):
                for table in _tables(conn, schema):
                    verb = "revoke select on {} from {}" if _hidden(role, schema, table) else "grant select on {} to {}"
                    cursor.execute(sql.SQL(verb).format(sql.Identifier(schema, table), reader))
            rules = [name for name in _tables(conn, "ops") if name in CONTROL or name in _seeds(conn)]
            for table in rules:
                cursor.execute(sql.SQL("grant select on {} to {}").format(sql.Identifier("ops", table), reader))
            cursor.execute(
                sql.SQL(
                    "grant select (batch_id, row_no, record_key, verdict, rule_ids, fields) on quality.row_verdict to {role};"
                    "grant select on quality.rule_result, quality.incident, quality.issue, quality.issue_sweep,"
                    " quality.department_day to {role}"
                ).format(role=reader)
            )
    return missing


def _hidden(role: str, schema: str, table: str) -> bool:
    return role == "role_analyst" and (schema, table) in RESTRICTED


def _grant_publish(conn: Connection, role: str) -> None:
    with conn.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "grant usage on schema publish to {role}; grant select on all tables in schema publish to {role}"
            ).format(role=sql.Identifier(role))
        )


def _ensure_roles(conn: Connection) -> list[str]:
    missing: list[str] = []
    with conn.cursor() as cursor:
        for role in ROLES:
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
        cursor.execute("select tablename from pg_tables where schemaname = %s order by 1", (schema,))
        return [str(name) for (name,) in cursor.fetchall()]


def _seeds(conn: Connection) -> set[str]:
    """Rule tables: everything in ops whose rows come from a seed, told by its comment."""
    with conn.cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'ops' and c.relkind = 'r' and obj_description(c.oid, 'pg_class') like 'rule table%'"
        )
        return {str(name) for (name,) in cursor.fetchall()}
