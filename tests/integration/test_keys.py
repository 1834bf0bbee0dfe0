"""Person keys: from a file or a command, one set per warehouse, replaced without losing a person."""

from __future__ import annotations

import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from creditflow.identity.persons import CipherError, PersonKeys
from creditflow.ops.database import transaction
from creditflow.ops.keys import KeysDiffer, RotationRefused, hold_keys, retire, rotate
from creditflow.settings import Keys, Settings, SettingsError, load_settings
from tests.conftest import Warehouse

PEOPLE = {"440507199003070018": None, "44050719900307002X": "居民身份证", "E12345678": "护照"}
TABLES = """
create table landing.demo (n integer, person_id_type text, person_id_no_hash text, person_id_no_cipher text, name text);
create table work.b_demo (like landing.demo);
create table entity.person (subject_id uuid primary key, person_key text, person_cipher text);
create table staging.party (party_person_key text);
"""


def filled(warehouse: Warehouse) -> Settings:
    """Three persons in landing, work, entity and staging, as the present keys make them."""
    settings = warehouse.settings
    protect = PersonKeys.of(settings.keys())
    with transaction(settings, "test") as conn, conn.cursor() as cursor:
        hold_keys(conn, settings.keys())
        cursor.execute(TABLES)
        for number, (code, document_type) in enumerate(PEOPLE.items()):
            kept = protect.protect(code, document_type)
            for table in ("landing.demo", "work.b_demo"):
                cursor.execute(
                    f"insert into {table} values (%s, %s, %s, %s, %s)",
                    (number, document_type, kept.hash, kept.cipher, f"测试{number}"),
                )
            cursor.execute("insert into entity.person values (gen_random_uuid(), %s, %s)", (kept.hash, kept.cipher))
            cursor.execute("insert into staging.party values (%s)", (kept.hash,))
        cursor.execute("insert into landing.demo values (9, null, null, null, '无号码')")
    return settings


JOINED = (
    "select l.n, p.subject_id from landing.demo l join entity.person p on p.person_key = l.person_id_no_hash"
    " join staging.party s on s.party_person_key = p.person_key"
    " join work.b_demo w using (person_id_no_hash) order by l.n"
)


def fresh(settings: Settings) -> Settings:
    """The same installation as the next process sees it."""
    return replace(settings)


def test_after_a_rotation_joins_hold_and_numbers_open_with_the_new_keys_only(warehouse: Warehouse) -> None:
    settings = filled(warehouse)
    old, joined = settings.keys(), warehouse.query(JOINED)
    hashes = {value for (value,) in warehouse.query("select person_id_no_hash from landing.demo")}
    assert len(joined) == len(PEOPLE)
    done = rotate(settings)
    new = fresh(settings).keys()
    assert (done.old, done.new, done.persons) == (old.key_id, new.key_id, 3)
    assert new.key_id != old.key_id
    assert warehouse.query(JOINED) == joined
    assert not hashes & {v for (v,) in warehouse.query("select person_id_no_hash from landing.demo where n < 9")}
    ciphers = [
        cipher for (cipher,) in warehouse.query("select person_id_no_cipher from landing.demo where n < 9 order by n")
    ]
    assert [PersonKeys.of(replace(new, previous=())).reveal(cipher) for cipher in ciphers] == list(PEOPLE)
    with pytest.raises(CipherError):
        PersonKeys.of(old).reveal(ciphers[0])


def test_what_lands_after_a_rotation_is_the_same_person(warehouse: Warehouse) -> None:
    settings = filled(warehouse)
    rotate(settings)
    protect = PersonKeys.of(fresh(settings).keys())
    for code, document_type in PEOPLE.items():
        key = protect.protect(code, document_type).hash
        assert warehouse.query("select count(*) from entity.person where person_key = %s", (key,)) == [(1,)]


def test_a_returned_workbook_of_before_the_rotation_is_still_understood(warehouse: Warehouse) -> None:
    settings = filled(warehouse)
    cipher = PersonKeys.of(settings.keys()).protect("440507199003070018").cipher
    rotate(settings)
    rotate(fresh(settings))
    protect = PersonKeys.of(fresh(settings).keys())
    assert protect.protect(str(cipher)) == protect.protect("440507199003070018")
    assert len(retire(fresh(settings))) == 2
    assert PersonKeys.of(fresh(settings).keys()).protect(str(cipher)).check != "ok"


def test_a_rotation_that_fails_changes_nothing(warehouse: Warehouse) -> None:
    settings = filled(warehouse)
    warehouse.query(
        "update entity.person set person_cipher = 'other:AAAA' where person_key = (select min(person_key) from entity.person)"
    )
    before = warehouse.query("select * from landing.demo order by n")
    with pytest.raises(RotationRefused):
        rotate(settings)
    assert warehouse.query("select * from landing.demo order by n") == before
    assert fresh(settings).keys() == settings.keys()


def test_a_crash_before_the_key_file_is_replaced_is_mended_by_running_again(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = filled(warehouse)
    joined = warehouse.query(JOINED)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            rotate(settings)
    with transaction(settings, "test") as conn, pytest.raises(KeysDiffer):
        hold_keys(conn, settings.keys())
    rotate(fresh(settings))
    with transaction(settings, "test") as conn:
        hold_keys(conn, fresh(settings).keys())
    assert warehouse.query(JOINED) == joined


def test_a_delivery_with_other_keys_than_the_warehouses_is_refused(warehouse: Warehouse) -> None:
    settings = filled(warehouse)
    with transaction(settings, "test") as conn, pytest.raises(KeysDiffer, match="right key file"):
        hold_keys(conn, Keys.fresh())


def test_keys_from_a_command_rotate_into_a_file_for_the_key_service(warehouse: Warehouse, tmp_path: Path) -> None:
    service = tmp_path / "service.json"
    service.write_text(warehouse.settings.keys().text())
    command = f"{sys.executable} -c \"print(open('{service}').read())\""
    filled(warehouse)
    settings = replace(warehouse.settings, key_command=command)
    with pytest.raises(RotationRefused, match="--to"):
        rotate(settings)
    to = tmp_path / "new.json"
    done = rotate(settings, to=to)
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    service.write_text(to.read_text())
    assert fresh(settings).keys().key_id == done.new


@pytest.mark.parametrize("command", ["false", "no-such-program", "echo secret-but-no-key", "'"])
def test_a_key_command_that_gives_no_key_says_so_and_nothing_else(tmp_path: Path, command: str) -> None:
    settings = load_settings({"CREDITFLOW_HOME": str(tmp_path), "CREDITFLOW_KEY_COMMAND": command})
    with pytest.raises(SettingsError) as caught:
        settings.keys()
    assert "secret" not in str(caught.value)
