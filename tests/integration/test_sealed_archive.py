"""The archive encrypted at rest: the same deliveries and hashes, nothing readable on disk, nothing altered unnoticed."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditflow import sealing
from creditflow.archive import ArchiveError, manifests, open_data, reseal, store, verify
from creditflow.connectors.delivery import Delivery
from creditflow.ops import journal, retention
from creditflow.ops.keys import retire, rotate
from creditflow.registry import load
from creditflow.sealing import Opened, SealBroken, seal
from creditflow.settings import Keys, Settings, write_secret
from tests.conftest import PROJECT, Warehouse

CONTENT = "主体名称,统一社会信用代码,检查编号,检查日期\n汕头市示例有限公司,91440500MA4X022965,检〔2026〕1号,2026/11/20\n".encode()
KEYS = Keys(b"h" * 32, b"c" * 32, "first")
OTHER = Keys(b"x" * 32, b"y" * 32, "other")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    write_secret(tmp_path / "keys" / "person.json", KEYS.text())
    return Settings(tmp_path, PROJECT, f"file://{tmp_path}/archive", archive_sealed=True)


def stored(settings: Settings, number: int = 1) -> dict[str, object]:
    registry = load(PROJECT, lenient=True)
    delivery = Delivery(file="a.csv", stream=io.BytesIO(CONTENT), format="csv", encoding="utf-8")
    return store(
        settings,
        registry.all()["hyj"],
        registry.feed("hyj", "inspection"),
        delivery,
        f"HYJ-{number}",
        dt.date(2026, 11, 20),
    ).manifest


def test_what_is_stored_is_read_again_and_stands_nowhere_in_clear(settings: Settings) -> None:
    manifest = stored(settings)
    with open_data(settings, str(manifest["archive_path"])) as stream:
        assert stream.read() == CONTENT
    assert verify(settings, manifest)
    files = [path for path in (settings.home / "archive").rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in files) == [".json", ".sealed"]
    assert not any("示例有限公司".encode() in path.read_bytes() for path in files)
    assert [item["batch_id"] for item in manifests(settings)] == ["HYJ-1"]


def test_the_journal_is_sealed_with_the_deliveries_and_sealed_anew_with_them(warehouse: Warehouse) -> None:
    settings = replace(warehouse.settings, archive_sealed=True)
    for by in ("王经办", "李复核"):
        retention.hold(settings, reason="诉讼", by=by, on=dt.date(2026, 11, 20))
    journal.keep_rules(settings)
    files = [path for path in (settings.home / "archive").rglob("*") if path.is_file()]
    assert [path.suffix for path in files] == [".sealed"] * 3
    assert not any("王经办".encode() in path.read_bytes() for path in files)
    rotate(settings)
    settings = replace(settings)  # the next process reads the new keys
    assert len(retire(settings)) == 1
    settings = replace(settings)
    assert [entry.kind for entry in journal.archived(settings)] == ["hold_placed", "hold_placed", "keys_rotated"]
    assert [entry.body["placed_by"] for entry in journal.archived(settings)[:2]] == ["王经办", "李复核"]
    place = journal.rules_of(settings, journal.keep_rules(settings), settings.home / "rules")
    assert (place / "sources" / "_kinds.yml").read_bytes() == (PROJECT / "sources" / "_kinds.yml").read_bytes()


def test_the_manifest_is_the_same_sealed_or_not(settings: Settings, tmp_path: Path) -> None:
    plain = replace(settings, archive_url=f"file://{tmp_path}/plain", archive_sealed=False)
    first, second = stored(settings), stored(plain)
    assert {k: v for k, v in first.items() if k != "received_at"} == {
        k: v for k, v in second.items() if k != "received_at"
    }


def test_sealed_and_plain_deliveries_live_side_by_side(settings: Settings) -> None:
    plain = replace(settings, archive_sealed=False)
    one, two = stored(plain, 1), stored(settings, 2)
    for either in (plain, settings):
        for manifest in (one, two):
            assert verify(either, manifest)


def test_a_sealed_file_that_was_altered_or_cut_short_is_told(settings: Settings) -> None:
    manifest = stored(settings)
    (place,) = (settings.home / "archive").rglob("*.sealed")
    good = place.read_bytes()
    for bad in (good[:-1], good[:-40] + b"\0" + good[-39:], good[:10], b"", good + b"x"):
        place.write_bytes(bad)
        with pytest.raises(ArchiveError):
            verify(settings, manifest)


def test_other_keys_do_not_open_it_and_previous_keys_do_until_they_retire(settings: Settings) -> None:
    manifest = stored(settings)
    file = settings.home / "keys" / "person.json"
    file.write_text(OTHER.text())
    with pytest.raises(ArchiveError, match="first"):
        verify(replace(settings), manifest)
    file.write_text(OTHER.replacing(KEYS).text())
    assert verify(replace(settings), manifest)
    assert retire(replace(settings)) == ["first"]
    assert replace(settings).keys() == OTHER
    assert verify(replace(settings), manifest)
    assert reseal(replace(settings)) == 0


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "CHUNK", 16)
        yield


@given(st.lists(st.binary(max_size=50), max_size=6), st.integers(1, 40))
def test_any_bytes_in_any_pieces_come_back(pieces: list[bytes], size: int) -> None:
    stream = Opened(io.BytesIO(b"".join(seal(iter(pieces), KEYS))), KEYS)
    found = b""
    while chunk := stream.read(size):
        found += chunk
    assert found == b"".join(pieces)


@given(st.binary(min_size=40, max_size=100), st.data())
def test_no_chunk_can_be_left_out_or_swapped(content: bytes, data: st.DataObject) -> None:
    header, *chunks = seal(iter([content]), KEYS)
    other = data.draw(
        st.lists(st.sampled_from(range(len(chunks))), max_size=len(chunks)).filter(
            lambda o: o != list(range(len(chunks)))
        )
    )
    sealed = header + b"".join(chunks[at] for at in other)
    with pytest.raises(SealBroken):
        Opened(io.BytesIO(sealed), KEYS).read()
