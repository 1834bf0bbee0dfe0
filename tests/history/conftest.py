"""A small city whose days go the whole way: files dropped, judged, decided on by people, built, published, settled."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from creditflow import warehouse
from creditflow.cli.main import main
from creditflow.ingest import drop
from creditflow.landing import ensure_tables
from creditflow.ops.batches import record_arrival
from creditflow.ops.database import transaction
from creditflow.ops.registry_sync import sync_registry
from creditflow.quality import gate
from creditflow.quality.morning import settle
from creditflow.registry import Registry, load
from creditflow.server import Server
from creditflow.settings import Settings
from tests.conftest import PROJECT
from tests.dbt.landed import uscc

FIRST, NEXT = dt.date(2026, 11, 9), dt.date(2026, 11, 10)
FAULT = {"permit_category": "无此类别"}
"""A permit with this is rejected."""
NOON = dt.timezone(dt.timedelta(hours=8))


@dataclass
class City:
    """One warehouse and the hand that delivers to it. replayed: what `creditflow replay` answered."""

    settings: Settings
    folder: Path
    registry: Registry
    replayed: dict[str, Any] = field(default_factory=dict)
    files: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def found(cls, settings: Settings, folder: Path) -> City:
        """The registry and its tables in an empty warehouse."""
        registry = load(settings.project)
        sync_registry(settings, registry)
        with transaction(settings, "tables") as conn:
            ensure_tables(conn, registry)
        folder.mkdir(parents=True, exist_ok=True)
        return cls(settings, folder, registry)

    def hand_in(self, day: dt.date, kind: str, rows: list[dict[str, str]]) -> str:
        """A CSV of kjj, dropped as a delivery of that day; the batch id. It waits for the gate."""
        columns = self.registry.kinds[kind].columns
        path = self.folder / f"{kind}-{next(self.files)}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow([column.zh for column in columns])
            writer.writerows([[row.get(column.name, "") for column in columns] for row in rows])
        (batch,) = drop(self.settings, self.registry, "kjj", kind, [path], day)
        return batch.batch_id

    def night(self, day: dt.date) -> int:
        """Everybody has been asked; judge, build, publish, settle. The build's number."""
        with transaction(self.settings, "arrival") as conn:
            moment = dt.datetime.combine(day, dt.time(4), NOON)
            record_arrival(conn, day, "kjj", "arrived", "", "", moment)
            record_arrival(conn, day, "sjgj", "late", "未到", "late", moment)
        gate(self.settings, self.registry)
        number = warehouse.build(self.settings, day).build_no
        warehouse.publish(self.settings, number)
        settle(self.settings, self.registry, day)
        return number

    def run(self, *arguments: str) -> Any:
        """The answer of a command that takes --json, given as a person would give it; it must succeed."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
            patch.setenv("CREDITFLOW_HOME", str(self.settings.home))
            patch.setenv("CREDITFLOW_PROJECT", str(self.settings.project))
            patch.setenv("CREDITFLOW_WAREHOUSE_URL", self.settings.warehouse_url)
            patch.setenv("CREDITFLOW_ARCHIVE_URL", self.settings.archive_url)
            if self.settings.key_file is not None:
                patch.setenv("CREDITFLOW_KEY_FILE", str(self.settings.key_file))
            status = main([*arguments, "--json"])
        assert status == 0, err.getvalue()
        return json.loads(out.getvalue())

    def query(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Rows of one committed statement."""
        with transaction(self.settings, "test") as conn, conn.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


def permit(number: int, firm: int = 1, **changes: str) -> dict[str, str]:
    """A permit of kjj without fault."""
    return {
        "counterparty_name": f"汕头市假想{firm}号五金有限公司",
        "counterparty_type": "法人及非法人组织",
        "counterparty_uscc": uscc(firm),
        "legal_representative_name": "测试甲",
        "decision_document_title": "准予行政许可决定书",
        "decision_document_no": f"汕科许〔2026〕{number}号",
        "permit_category": "普通",
        "certificate_name": "测试许可证",
        "certificate_no": f"粤测{number}",
        "permit_content": "同意",
        "decision_date": "2026/11/06",
        "valid_from": "2026/11/06",
        "valid_to": "2031/11/05",
        "permit_authority_name": "市科学技术局",
        "permit_authority_uscc": "11440500MA4X00039N",
        "record_status": "1",
        "source_unit_name": "市科学技术局",
        "source_unit_uscc": "11440500MA4X00039N",
        **changes,
    }


def penalty(number: int, firm: int = 1, **changes: str) -> dict[str, str]:
    """A penalty of kjj without fault: a fine of 20,000 yuan."""
    return {
        "counterparty_name": f"汕头市假想{firm}号五金有限公司",
        "counterparty_type": "法人及非法人组织",
        "counterparty_uscc": uscc(firm),
        "legal_representative_name": "测试甲",
        "decision_document_no": f"汕科罚〔2026〕{number}号",
        "violation_type": "违反实验动物管理规定",
        "violation_facts": "未按规定保存记录",
        "penalty_basis": "《实验动物管理条例》第二十八条",
        "penalty_category": "罚款",
        "penalty_content": "罚款2万元",
        "fine_amount_wan": "2",
        "decision_date": "2026/11/05",
        "penalty_valid_to": "2099/12/31",
        "publicity_end_date": "2027/11/05",
        "penalty_authority_name": "市科学技术局",
        "penalty_authority_uscc": "11440500MA4X00039N",
        "source_unit_name": "市科学技术局",
        "source_unit_uscc": "11440500MA4X00039N",
        "procedure_type": "普通程序",
        **changes,
    }


@pytest.fixture(scope="module", autouse=True)
def _warm(warm_dbt: None) -> None:
    """Every module builds with a warm dbt."""


@pytest.fixture(scope="session")
def make_settings(
    server: Server, warehouse_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Settings]:
    """Settings of a new migrated database; `like`: with the archive and the keys of another."""

    def make(name: str, like: Settings | None = None) -> Settings:
        admin = psycopg2.connect(server.url("postgres"))
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute(
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(name), sql.Identifier(warehouse_template)
                )
            )
        admin.close()
        home = tmp_path_factory.mktemp(name)
        settings = Settings(home, PROJECT, f"file://{home}/archive", external_warehouse=server.url(name))
        if like is None:
            return settings
        like.keys()
        return replace(settings, archive_url=like.archive_url, key_file=like.home / "keys" / "person.json")

    return make
