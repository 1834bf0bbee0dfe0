"""What an analyst reads in the database itself: every table and column says what it is, in both languages."""

from __future__ import annotations

from tests.dbt.conftest import Story

SCHEMAS = ["publish", "open_data", "core", "lists", "scores", "entity"]
OF_VERSIONS = ["known_from_build", "known_to_build", "row_hash"]
"""Columns of every table of versions; the dictionary says once what they are."""


def test_every_table_and_column_has_a_comment_in_both_languages(story: Story) -> None:
    bare = story.landed.execute(
        "select n.nspname || '.' || c.relname || coalesce('.' || a.attname, '') from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace and n.nspname = any(%(schemas)s)"
        " join (select attrelid, attname, attnum from pg_attribute where attnum > 0 and not attisdropped"
        "  union all select oid, null, 0 from pg_class) a on a.attrelid = c.oid"
        " left join pg_description d on d.objoid = c.oid and d.objsubid = a.attnum and d.classoid = 'pg_class'::regclass"
        " where c.relkind in ('v', 'r') and coalesce(d.description, '') !~ '[一-龥].* / .*[a-z]'"
        " and coalesce(a.attname, '') <> 'added' and not coalesce(a.attname, '') = any(%(of_versions)s) order by 1",
        {"schemas": SCHEMAS, "of_versions": OF_VERSIONS},
    )
    assert [name for (name,) in bare] == []


def test_every_layer_has_tables_to_look_at(story: Story) -> None:
    found = story.landed.execute(
        "select distinct schemaname from pg_views where schemaname = any(%(schemas)s)"
        " union select schemaname from pg_tables where schemaname = any(%(schemas)s)",
        {"schemas": SCHEMAS},
    )
    assert {name for (name,) in found} == set(SCHEMAS)
