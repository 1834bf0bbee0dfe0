"""The servers as a stranger meets them: token, paging, refusals that pass, one folder per key, started twice and stopped."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit
from xml.etree import ElementTree

import httpx
import paramiko
import pytest

from sandbox import main, servers
from sandbox.api import mood
from sandbox.description import departments
from tests.sandbox.conftest import City


@pytest.fixture(scope="module")
def running(city: City) -> Iterator[City]:
    """The first night's city with its servers up."""
    assert main(["up", "--home", str(city.home)]) == 0
    yield city
    servers.stop(city.home)


def connections(home: Path) -> dict[str, str]:
    """connections.env as a dictionary."""
    return dict(line.split("=", 1) for line in (home / "connections.env").read_text().splitlines())


def api(home: Path, dept: str) -> tuple[str, dict[str, str]]:
    """Base URL and header of a department's API."""
    url = urlsplit(connections(home)[f"CREDITFLOW_CONN_API_{dept.upper()}"])
    return f"http://{url.hostname}:{url.port}{url.path}", {"Authorization": f"Bearer {url.username}"}


def get(url: str, headers: dict[str, str], **parameters: object) -> httpx.Response:
    """A request, repeated as the answer asks."""
    for _ in range(3):
        answer = httpx.get(url, headers=headers, params=parameters)  # type: ignore[arg-type]
        if answer.status_code not in (429, 503):
            return answer
        time.sleep(min(float(answer.headers.get("Retry-After", 0)), 0.05))
    raise AssertionError(f"{url} refuses for ever")


def test_connections_are_for_the_owner_only_and_complete(running: City) -> None:
    path = running.home / "connections.env"
    assert path.stat().st_mode & 0o077 == 0
    kinds = [name.split("_")[2] for name in connections(running.home)]
    for kind, channel in (("SFTP", "sftp"), ("API", "rest_api"), ("DROP", "manual_upload")):
        assert kinds.count(kind) == sum(d.channel == channel for d in departments().values()) > 5


def test_pages_follow_the_cursor_to_the_end_and_hold_every_row_once(running: City) -> None:
    base, token = api(running.home, "x_gsxt")
    since, seen, pages = "", [], 0
    while True:
        page = get(f"{base}/abnormal_entry", token, since=since, limit=70).json()
        if not since:
            declared = page["total"]
        seen += [int(r["_SEQ"]) for r in page["rows"]]
        pages += 1
        if page["next"] is None:
            break
        since = page["next"]
    assert pages > 5
    assert seen == list(range(1, declared + 1))
    assert get(f"{base}/abnormal_entry", token, since=seen[-1]).json() == {"rows": [], "next": None, "total": 0}


def test_rows_carry_sequence_operation_and_time(running: City) -> None:
    base, token = api(running.home, "stj")
    row = get(f"{base}/penalty", token, limit=1).json()["rows"][0]
    assert row["_SEQ"] == "1"
    assert row["_OP"] in "IUDW"
    assert row["_UPDATED_AT"][4] == "-"
    assert row["CF_WSH"]


def test_a_snapshot_is_offered_whole(running: City) -> None:
    base, token = api(running.home, "gjj")
    page = get(f"{base}/arrears", token).json()
    assert page["next"] is None
    assert len(page["rows"]) == page["total"] > 3
    assert len({r["_UPDATED_AT"] for r in page["rows"]}) == 1


def test_the_health_bureau_answers_in_xml(running: City) -> None:
    base, token = api(running.home, "wjj")
    root = ElementTree.fromstring(get(f"{base}/permit", token, limit=20).content)
    assert root.tag == "RESPONSE"
    assert root.findtext("NEXT") == "20"
    assert int(root.findtext("TOTAL") or 0) > 200
    rows = root.findall("ROWDATA/ROW")
    assert len(rows) == 20
    assert rows[0].findtext("XK_WSH")


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_token_there_is_nothing(running: City, header: dict[str, str]) -> None:
    base, _ = api(running.home, "fgj")
    assert httpx.get(f"{base}/permit", headers=header).status_code == 401


def test_one_departments_token_opens_no_other(running: City) -> None:
    base, _ = api(running.home, "fgj")
    _, other = api(running.home, "czj")
    assert httpx.get(f"{base}/permit", headers=other).status_code == 401


@pytest.mark.parametrize(("query", "status"), [({"since": "x"}, 400), ({"limit": "0"}, 400), ({"since": "-3"}, 400)])
def test_bad_parameters_are_said_to_be_bad(running: City, query: dict[str, str], status: int) -> None:
    base, token = api(running.home, "fgj")
    assert httpx.get(f"{base}/permit", headers=token, params=query).status_code == status


def test_refusals_come_and_pass_when_the_request_is_repeated(running: City) -> None:
    base, token = api(running.home, "x_province")
    path = urlsplit(f"{base}/receipt").path
    expected = {str(s): mood(42, path, str(s)) for s in range(1, 200)}
    assert {429, 503, 200} == set(expected.values())
    for status in (429, 503):
        since = next(s for s, m in expected.items() if m == status)
        first = httpx.get(f"{base}/receipt", headers=token, params={"since": since, "limit": 1})
        assert first.status_code == status
        assert ("Retry-After" in first.headers) == (status == 429)
        assert httpx.get(f"{base}/receipt", headers=token, params={"since": since, "limit": 1}).status_code == 200


def sftp_url(home: Path, dept: str) -> tuple[SplitResult, dict[str, str]]:
    """URL and query of a department's SFTP connection."""
    url = urlsplit(connections(home)[f"CREDITFLOW_CONN_SFTP_{dept.upper()}"])
    return url, {k: v[0] for k, v in parse_qs(url.query).items()}


def login(home: Path, dept: str, key_of: str) -> paramiko.Transport:
    """A session as one department with the key of another (or the same)."""
    url, query = sftp_url(home, dept)
    transport = paramiko.Transport((str(url.hostname), int(url.port or 0)))
    transport.start_client(timeout=10)
    assert transport.get_remote_server_key().get_base64() == query["host_key"]
    transport.auth_publickey(str(url.username), paramiko.Ed25519Key.from_private_key_file(str(home / "keys" / key_of)))
    return transport


def test_sftp_shows_a_department_its_own_folder(running: City) -> None:
    transport = login(running.home, "lyj", "lyj")
    try:
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        assert set(client.listdir("/")) == {"permit", "penalty", "inspection", "zero_declaration"}
        names = sorted(client.listdir("/permit"))
        assert names == ["LYJ_PERMIT_20261120173000_001.csv", "LYJ_PERMIT_20261120173000_001.ok"]
        with client.open(f"/permit/{names[1]}") as control:
            assert json.loads(control.read())["rows"] > 10
        with pytest.raises(OSError, match="No such file"):
            client.listdir("/../../state")
        client.close()
    finally:
        transport.close()


def test_another_departments_key_is_refused(running: City) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        login(running.home, "lyj", "sfj")


def test_up_again_keeps_the_servers_and_a_restart_keeps_the_ports(running: City) -> None:
    before = servers.alive(running.home)
    assert before is not None
    assert servers.start(running.home) == before
    assert servers.stop(running.home) is True
    assert servers.alive(running.home) is None
    assert servers.stop(running.home) is False
    after = servers.start(running.home)
    assert after["pid"] != before["pid"]
    assert (after["sftp"], after["api"]) == (before["sftp"], before["api"])


def test_when_the_home_is_removed_the_process_ends_by_itself(tmp_path: Path) -> None:
    home = tmp_path / "home"
    running = servers.start(home)
    shutil.rmtree(home)
    limit = time.monotonic() + 20
    while _answers(running["api"]) and time.monotonic() < limit:
        time.sleep(0.1)
    assert not _answers(running["api"])


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/")
    except httpx.TransportError:
        return False
    return True


def test_a_stale_note_of_a_dead_server_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "servers.lock").touch()
    (tmp_path / "servers.json").write_text('{"pid": 1, "sftp": 1, "api": 1}')
    assert servers.alive(tmp_path) is None
    assert servers.stop(tmp_path) is False
