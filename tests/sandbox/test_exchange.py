"""The exchange database on a real server: a schema and a login each, change feed, status written back, loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import sql

from creditflow.server import Server
from sandbox import exchange
from sandbox.store import Seed
from tests.sandbox.conftest import FIRST_NIGHT, LATER, City, build


@pytest.fixture(scope="module")
def exchanged(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A small city whose first night is in the database."""
    home = tmp_path_factory.mktemp("exchanged")
    city = build(home, Seed(scale=0.003), FIRST_NIGHT)
    exchange.configure(home, server.url("postgres"))
    exchange.load(home)
    yield city
    admin = psycopg2.connect(server.url("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("drop database exchange with (force)")
        for dept in exchange.schemas():
            cursor.execute(sql.SQL("drop role {}").format(sql.Identifier(dept)))
    admin.close()


def ask(home: Path, dept: str, statement: str) -> list[tuple[object, ...]]:
    """Rows of a statement as a department's login; committed."""
    conn = psycopg2.connect(exchange.connection_urls(home)[dept])
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        conn.close()


def test_every_feed_has_its_table_with_what_was_delivered(exchanged: City) -> None:
    for delivery in exchanged.truth("deliveries"):
        if delivery["channel"] == "frontend_db":
            dept, feed = delivery["department"], delivery["feed"]
            found = ask(
                exchanged.home,
                dept,
                f"select count(*), min(seq), max(seq), count(*) filter (where status = 'new') from {dept}.{feed}",
            )
            rows = int(delivery["rows"])
            assert found == [(rows, 1, rows, rows)]


def test_a_login_sees_its_schema_only_and_writes_the_status_only(exchanged: City) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(exchanged.home, "gaj", "select * from sjgj.permit")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(exchanged.home, "gaj", "update gaj.permit set xk_xdr_mc = 'x'")
    ask(exchanged.home, "gaj", "update gaj.permit set status = 'taken' where seq <= 3")
    assert ask(exchanged.home, "gaj", "select count(*) from gaj.permit where status = 'taken'") == [(3,)]


def test_blank_cells_are_null_and_the_forbidden_column_is_there(exchanged: City) -> None:
    assert ask(exchanged.home, "gaj", "select count(*) from gaj.penalty where cf_xdr_swdj = ''") == [(0,)]
    assert ask(exchanged.home, "gaj", 'select count(*) > 0 from gaj.penalty where "民族" is not null') == [(True,)]


def test_loading_again_loads_nothing_and_the_next_days_are_appended(exchanged: City, server: Server) -> None:
    assert exchange.load(exchanged.home) == 0
    exchange.configure(exchanged.home, server.url("postgres"))
    assert exchange.load(exchanged.home) == 0
    before = ask(exchanged.home, "zsj", "select count(*) from zsj.approval_case")[0][0]
    snapshot = ask(exchanged.home, "swj", "select max(seq) from swj.arrears")[0][0]
    from sandbox.deliver import deliver

    deliver(exchanged.home, LATER)
    after = ask(exchanged.home, "zsj", "select count(*), max(seq) from zsj.approval_case")[0]
    assert int(str(after[0])) > int(str(before))
    assert after[0] == after[1]
    renewed = ask(exchanged.home, "swj", "select min(seq), count(distinct updated_at) from swj.arrears")[0]
    assert int(str(renewed[0])) > int(str(snapshot))
    assert renewed[1] == 1


def test_a_lost_database_is_filled_again(exchanged: City, server: Server) -> None:
    rows = ask(exchanged.home, "sjgj", "select count(*) from sjgj.registration")
    admin = psycopg2.connect(server.url("postgres"))
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("drop database exchange with (force)")
    admin.close()
    exchange.configure(exchanged.home, server.url("postgres"))
    assert exchange.load(exchanged.home) > 30
    assert ask(exchanged.home, "sjgj", "select count(*) from sjgj.registration") == rows


def test_another_home_starts_with_an_empty_database(exchanged: City, server: Server, tmp_path: Path) -> None:
    mine = ask(exchanged.home, "sjgj", "select count(*) from sjgj.permit")[0][0]
    other = build(tmp_path, Seed(seed=9, scale=0.003))
    exchange.configure(other.home, server.url("postgres"))
    assert ask(other.home, "sjgj", "select count(*) from sjgj.permit") == [(0,)]
    exchange.configure(exchanged.home, server.url("postgres"))
    exchange.load(exchanged.home)
    assert ask(exchanged.home, "sjgj", "select count(*) from sjgj.permit")[0][0] == mine


def test_urls_name_login_and_database(exchanged: City) -> None:
    urls = exchange.connection_urls(exchanged.home)
    assert set(urls) == {"gaj", "rsj", "zrj", "jtj", "sjgj", "cgj", "zsj", "swj"}
    parts = urlsplit(urls["gaj"])
    assert (parts.username, parts.path) == ("gaj", "/exchange")
