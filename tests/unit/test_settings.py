"""Settings: defaults, secrets that do not show, keys that stay the same."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from creditflow.settings import Keys, Settings, SettingsError, load_settings


def test_home_lies_in_the_checkout_unless_the_environment_says_otherwise(tmp_path: Path) -> None:
    default = load_settings({})
    assert default.home == default.project / ".creditflow"
    assert (default.project / "creditflow" / "settings.py").is_file()
    moved = load_settings({"CREDITFLOW_HOME": str(tmp_path)})
    assert moved.home == tmp_path
    assert moved.archive_url == f"file://{tmp_path}/archive"


def test_a_real_server_replaces_the_embedded_one(tmp_path: Path) -> None:
    url = "postgresql://someone:secret@db.example/credit"
    settings = load_settings({"CREDITFLOW_HOME": str(tmp_path), "CREDITFLOW_WAREHOUSE_URL": url})
    assert settings.warehouse_url == url
    assert not settings.embedded
    assert "secret" not in repr(settings)


def test_the_warehouse_url_of_a_server_never_started_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="has not been started"):
        _ = Settings(tmp_path, tmp_path, "memory://").warehouse_url


def test_a_large_delivery_may_be_left_to_one_process() -> None:
    assert load_settings({"CREDITFLOW_LANDING_PROCESSES": "1"}).landing_processes == 1
    assert 1 <= load_settings({}).landing_processes <= 4


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 3), (3, 4), (8, 4)])
def test_one_process_more_than_cores_shares_a_large_delivery(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert load_settings({}).landing_processes == processes


@pytest.mark.parametrize("text", ["0", "-1", "many", "１"])
def test_a_number_of_processes_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="from 1 to 64"):
        load_settings({"CREDITFLOW_LANDING_PROCESSES": text})


def test_person_keys_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = Settings(tmp_path, tmp_path, "memory://").keys()
    again = Settings(tmp_path, tmp_path, "memory://").keys()
    assert first == again
    assert len(first.hmac) == 32
    assert len(first.cipher) == 32
    assert first.hmac != first.cipher
    file = tmp_path / "keys" / "person.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert first.hmac.hex() not in repr(first)


def test_keys_come_from_the_named_file(tmp_path: Path) -> None:
    keys = Keys.fresh()
    file = tmp_path / "keys.json"
    file.write_text(keys.text())
    settings = load_settings({"CREDITFLOW_HOME": str(tmp_path / "home"), "CREDITFLOW_KEY_FILE": str(file)})
    assert settings.keys() == keys
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("text", ["", "{}", '{"hmac": "AAAA", "cipher": "AAAA", "key_id": "x"}', "[1]"])
def test_a_damaged_key_file_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Settings(tmp_path, tmp_path, "memory://", key_file=file).keys()
    assert "AAAA" not in str(caught.value)


def test_credentials_come_from_the_environment_before_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path, tmp_path, "memory://")
    settings.sandbox_home.mkdir()
    (settings.sandbox_home / "connections.env").write_text(
        "# comment\nCREDITFLOW_CONN_SFTP_JYJ=sftp://jyj@127.0.0.1:2222/jyj?host_key=a=\n"
    )
    assert settings.credential("sftp_jyj") == "sftp://jyj@127.0.0.1:2222/jyj?host_key=a="
    monkeypatch.setenv("CREDITFLOW_CONN_SFTP_JYJ", "sftp://elsewhere/")
    assert settings.credential("sftp_jyj") == "sftp://elsewhere/"
    with pytest.raises(SettingsError, match="CREDITFLOW_CONN_API_FGJ"):
        settings.credential("api_fgj")
