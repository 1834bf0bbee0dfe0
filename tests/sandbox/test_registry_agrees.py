"""The two descriptions of the city, the pipeline's registry and the sandbox's own, say the same where they must."""

from __future__ import annotations

from pathlib import Path

import pytest

from creditflow.registry import Registry, load
from sandbox.description import Department, departments, layouts
from sandbox.formats import carries_operations, headings
from tests.sandbox.test_world import uscc_is_valid

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load(PROJECT)


def all_departments() -> list[Department]:
    return list(departments().values())


def test_the_same_departments_feeds_channels_and_rhythms(registry: Registry) -> None:
    known = {**registry.departments, **registry.external}
    assert set(known) == set(departments())
    for dept in all_departments():
        entry = known[dept.code]
        assert set(entry.feeds) == set(dept.feeds), dept.code
        assert (entry.channel, entry.cadence) == (dept.channel, dept.cadence), dept.code
        for feed in dept.feeds.values():
            declared = entry.feeds[feed.kind]
            assert (declared.formats[0], declared.layout) == (feed.format, feed.layout), feed.id


def test_every_heading_sent_is_mapped(registry: Registry) -> None:
    known = {**registry.departments, **registry.external}
    for dept in all_departments():
        for feed in dept.feeds.values():
            sent = headings(dept, feed, False)
            if dept.channel == "sftp" and carries_operations(dept, feed):
                sent = [*sent, "CZBS", "GXSJ"]
            row = known[dept.code].feeds[feed.kind].recognise(sent)
            assert row.is_header, feed.id
            assert not row.missing, (feed.id, row.missing)
            assert not row.unknown, (feed.id, row.unknown)


def test_forbidden_headings_are_recognised_as_forbidden(registry: Registry) -> None:
    for code, kind in (("gaj", "penalty"), ("wjj", "inspection")):
        dept = departments()[code]
        row = registry.departments[code].feeds[kind].recognise(headings(dept, dept.feeds[kind], True))
        assert len(row.forbidden) == 1


def test_every_canonical_column_of_the_kinds_is_sent(registry: Registry) -> None:
    for kind, columns in layouts().items():
        assert {c.name for c in columns} == {c.name for c in registry.kinds[kind].columns}, kind
        assert [(c.name, c.need) for c in columns if c.need == "M"] == [
            (c.name, c.need) for c in registry.kinds[kind].columns if c.need == "M"
        ]


def test_authorities_have_the_codes_the_registry_knows(registry: Registry) -> None:
    for dept in all_departments():
        own = dept.authorities[0]
        declared = {**registry.departments, **registry.external}[dept.code].authority_uscc
        assert own.uscc == declared, dept.code
        assert uscc_is_valid(own.uscc)
        if not dept.external:
            assert all(a.uscc in registry.authority_codes for a in dept.authorities), dept.code


def test_names_in_the_old_layout_lead_to_the_codes(registry: Registry) -> None:
    for dept in all_departments():
        if dept.layout == "2015":
            for authority in dept.authorities:
                assert registry.authority_code(authority.name) == authority.uscc
