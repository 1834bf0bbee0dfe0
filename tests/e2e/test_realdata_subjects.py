"""Published files dropped in: a subject is found by its code, else by organisation code or registration number, never by name."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.realdata import FOUND_BY, drop_in, figures, files, table
from tests.conftest import Warehouse


@pytest.mark.truth
@pytest.mark.timeout(3600)
def test_subjects_of_published_files_are_found_by_what_their_rows_carry(warehouse: Warehouse, realdata: Path) -> None:
    drop_in(warehouse.settings, files(realdata))
    found = figures(warehouse.settings)
    sys.stdout.write(f"\n{table(found)}\n")
    carried = Counter[tuple[str, str]]()
    for item in found:
        carried[item["kind"], item["carries"]] += item["records"]
        if item["carries"] in FOUND_BY:
            assert item["grade"] == ("exact" if item["carries"] == "uscc" else "strong"), item
            assert item["rule"] == FOUND_BY[item["carries"]], item
        else:
            assert item["grade"] in ("weak", "none"), item
    assert carried["registration", "uscc"] > 30_000
    # no row of these lists has a registration number alone: where it stands, a code stands beside it
    assert min(carried["list_entry", "uscc"], carried["list_entry", "org_code"]) > 100
