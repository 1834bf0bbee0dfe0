"""What an analyst reads in the database itself: every published table and column says what it is, in both languages."""

from __future__ import annotations

from tests.dbt.conftest import Story


def test_every_published_table_and_column_has_a_comment_in_both_languages(story: Story) -> None:
    bare = story.landed.execute(
        "select c.relname || coalesce('.' || a.attname, '') from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'publish'"
        " join (select attrelid, attname, attnum from pg_attribute where attnum > 0 and not attisdropped"
        "  union all select oid, null, 0 from pg_class) a on a.attrelid = c.oid"
        " left join pg_description d on d.objoid = c.oid and d.objsubid = a.attnum and d.classoid = 'pg_class'::regclass"
        " where c.relkind = 'v' and coalesce(d.description, '') !~ '[一-龥].* / .*[a-z]'"
        " and coalesce(a.attname, '') <> 'added' order by 1"
    )
    assert [name for (name,) in bare] == []
