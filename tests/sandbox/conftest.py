"""A small city delivered once per session, and readers of what lies in its folders, independent of sandbox and pipeline."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import openpyxl
import pytest
from python_calamine import CalamineWorkbook

from sandbox.deliver import deliver
from sandbox.description import departments
from sandbox.ledger import Ledger
from sandbox.store import Seed, Store
from sandbox.world import World, make

FIRST_NIGHT = dt.date(2026, 11, 20)
LATER = dt.date(2026, 11, 27)


@dataclass(frozen=True)
class City:
    """A seeded and delivered home."""

    home: Path
    seed: Seed

    @property
    def world(self) -> World:
        return make(self.seed.seed, self.seed.scale, self.seed.day)

    def truth(self, table: str) -> list[dict[str, str]]:
        """A table of the ledger."""
        with (self.home / "truth" / f"{table}.csv").open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    def rows(self, delivery: dict[str, str]) -> dict[str, dict[str, str]]:
        """What was sent in a delivery: by row number as the ledger counts it."""
        dept = departments()[delivery["department"]]
        kind, first = delivery["feed"], int(delivery["first_row_no"])
        if dept.channel == "frontend_db":
            number = int(delivery["delivery"].split("#")[1])
            with (self.home / "spool" / dept.code / f"{kind}.{number:05d}.csv").open(
                encoding="utf-8", newline=""
            ) as handle:
                from sandbox.exchange import _columns

                names = ["_SEQ", "_OP", "_UPDATED_AT", *_columns(kind, dept.texts.get("forbidden", {}).get(kind))]
                found = [{n.upper(): v for n, v in zip(names, row, strict=True)} for row in csv.reader(handle)]
        elif dept.channel == "rest_api":
            meta = json.loads((self.home / "api" / dept.code / f"{kind}.json").read_text())
            lines = (self.home / "api" / dept.code / meta["file"]).read_bytes().splitlines()
            start = int(delivery["first_seq"]) - int(meta["first"])
            part = lines[start : start + int(delivery["rows"])]
            if delivery["format"] == "xml":
                found = [{c.tag: c.text or "" for c in ElementTree.fromstring(line)} for line in part]
            else:
                found = [json.loads(line) for line in part]
        else:
            folder = "drop" if dept.channel == "manual_upload" else "sftp"
            found = list(_file_rows(self.home / folder / dept.code / kind / delivery["delivery"], dept.encoding, first))
        return {str(first + i): row for i, row in enumerate(found)}


def _file_rows(path: Path, encoding: str, first_row: int) -> Iterator[dict[str, str]]:
    if path.suffix == ".csv":
        with path.open(encoding=encoding, newline="") as handle:
            yield from csv.DictReader(handle, restkey="_TOO_MANY")
    elif path.suffix == ".xml":
        for row in ElementTree.parse(path).getroot():
            yield {c.tag: c.text or "" for c in row}
    elif path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path, read_only=True)
        lines = list(book.worksheets[0].iter_rows(min_row=first_row - 1, values_only=True))
        heads = [str(h) for h in lines[0]]
        for line in lines[1:]:
            cells = [("" if c is None else str(c)) for c in line]
            yield dict(zip(heads, cells + [""] * (len(heads) - len(cells)), strict=True))
    elif path.suffix == ".html":
        table = ElementTree.fromstring(
            path.read_text("utf-8").split("<body>")[1].split("</body>")[0].replace("&nbsp;", "").strip()
        )
        heads = [h.text or "" for h in table[0]]
        for line in table[1:]:
            yield dict(zip(heads, [c.text or "" for c in line], strict=True))
    else:
        lines = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
        heads = [str(h) for h in lines[0]]
        for line in lines[1:]:
            yield dict(zip(heads, [str(cell) for cell in line], strict=True))


def build(home: Path, seed: Seed, *days: dt.date) -> City:
    """A city seeded and delivered day by day."""
    Store(home).plant(seed)
    Ledger(home).subjects(make(seed.seed, seed.scale, seed.day))
    for day in days:
        deliver(home, day)
    return City(home, seed)


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """The default city after its first night."""
    return build(tmp_path_factory.mktemp("city"), Seed(), FIRST_NIGHT)


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> City:
    """The default city a week later."""
    return build(tmp_path_factory.mktemp("week"), Seed(), FIRST_NIGHT, LATER)
