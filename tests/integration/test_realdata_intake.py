"""Published files, as they are, through the same road as everything else."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from creditflow.ingest import drop
from creditflow.landing import work_table
from creditflow.ops.batches import BatchSummary
from creditflow.registry import Registry, load
from tests.conftest import Warehouse

AS_OF = dt.date(2026, 11, 20)


@cache
def sources() -> Registry:
    return load(Path(__file__).parents[2])


def landed(warehouse: Warehouse, batch: BatchSummary, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    return warehouse.query(f"select {columns} from work.{work_table(batch.batch_id)} where {where} order by row_no")


def hand_in(warehouse: Warehouse, feed: str, path: Path) -> BatchSummary:
    department, name = feed.split("/")
    return drop(warehouse.settings, sources(), department, name, [path], AS_OF)[0]


@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("csv/广东_1982.csv", None),
        ("csv/广东_2005.csv", 10_577),
        ("json/广东_1985.json", 972),
        ("json/广东_1996.json", 3_123),
        ("xls/广东_1992.xls", 2_073),
    ],
)
def test_the_company_register(warehouse: Warehouse, realdata: Path, file: str, rows: int | None) -> None:
    batch = hand_in(warehouse, "sjgj/registration", realdata / "companies" / file)
    assert batch.state == "landed", batch.reasons
    if rows is not None:
        assert batch.rows_read == rows
    ((total, named, coded, dated, nothing),) = warehouse.query(
        "select count(*), count(subject_name), count(*) filter (where length(subject_uscc) = 18),"
        " count(ops.parse_date(registered_on)), count(*) filter (where 'N/A' in (entity_type, registered_capital))"
        f" from work.{work_table(batch.batch_id)}"
    )
    assert total == batch.rows_read == named
    assert coded >= total - 20
    assert dated == total
    assert nothing == 0, "N/A means nothing"


def test_one_wrong_check_digit_in_2005(warehouse: Warehouse, realdata: Path) -> None:
    batch = hand_in(warehouse, "sjgj/registration", realdata / "companies/csv/广东_2005.csv")
    wrong = landed(warehouse, batch, "row_no, ops.uscc_check(subject_uscc)", "ops.uscc_check(subject_uscc) <> 'ok'")
    assert len(wrong) == 1, wrong


def test_49_broken_rows_of_2002(warehouse: Warehouse, realdata: Path) -> None:
    batch = hand_in(warehouse, "sjgj/registration", realdata / "companies/defective/广东_2002_badcols.csv")
    assert (batch.state, batch.rows_read) == ("landed", 4_698)
    assert len(landed(warehouse, batch, "row_no", "defect = 'column_count'")) == 7
    replaced = "defect is null and concat(subject_name, subject_uscc, registered_on, business_scope, registered_address) like '%\ufffd%'"
    assert len(landed(warehouse, batch, "row_no", replaced)) == 42


def test_the_broken_json_of_1988_names_the_line(warehouse: Warehouse, realdata: Path) -> None:
    batch = hand_in(warehouse, "sjgj/registration", realdata / "companies/defective/广东_1988_broken.json")
    assert (batch.state, batch.rows_read, batch.rows_held) == ("held", 1_910, 1_910)
    (reason,) = batch.reasons
    assert (reason["code"], reason["row"]) == ("json_broken", 1912)
    assert "1912" in reason["zh"]


@pytest.mark.parametrize(
    ("file", "rows", "columns"),
    [
        ("失信电商企业名单_gscredit_91855.xlsx", 500, "subject_name, subject_reg_no, entry_reason"),
        ("失信被执行人_gbk_shixin.csv", 29, "subject_name, document_no, authority_name, published_on"),
        ("失信被执行人_企业_baidu_api.json", 9, "subject_name, document_no, authority_name, published_on"),
        ("安全生产失信联合惩戒_gscredit_200257_masked.xlsx", 36, "subject_name, responsible_person_name, entry_reason"),
        ("涉金融失信_被执行人_gscredit_93512_1.xlsx", 181, "subject_name, document_no, authority_name"),
    ],
)
def test_published_dishonesty_lists(warehouse: Warehouse, realdata: Path, file: str, rows: int, columns: str) -> None:
    batch = hand_in(warehouse, "x_province/list_entry", realdata / "dishonesty" / file)
    assert (batch.state, batch.rows_read) == ("landed", rows), batch.reasons
    for column in columns.split(", "):
        assert len(landed(warehouse, batch, column, f"{column} is not null")) >= 0.9 * rows, column
    assert landed(warehouse, batch, "row_no", "defect is not null") == []


def test_the_gbk_list_says_how_it_was_read(warehouse: Warehouse, realdata: Path) -> None:
    hand_in(warehouse, "x_province/list_entry", realdata / "dishonesty" / "失信被执行人_gbk_shixin.csv")
    assert ("INTAKE-ENCODING",) in warehouse.query("select rule_id from quality.incident")


def test_masked_numbers_of_the_scan_identify_nobody(warehouse: Warehouse, realdata: Path) -> None:
    batch = hand_in(
        warehouse, "x_province/list_entry", realdata / "dishonesty" / "安全生产失信联合惩戒_gscredit_200257_masked.xlsx"
    )
    hashes = landed(warehouse, batch, "responsible_person_id_no_hash", "responsible_person_id_no_hash is not null")
    assert hashes == []


def test_the_arrears_notice(warehouse: Warehouse, realdata: Path) -> None:
    (path,) = (realdata / "tax").glob("*.html.txt")
    batch = hand_in(warehouse, "swj/arrears", path)
    assert (batch.state, batch.rows_read) == ("landed", 36)
    assert len(landed(warehouse, batch, "1", "ops.parse_decimal(amount_yuan) > 0 and arrears_type = 'tax'")) == 36
    ((keys, different),) = warehouse.query(
        "select count(distinct record_key), count(distinct (subject_name, tax_item))"
        f" from work.{work_table(batch.batch_id)}"
    )
    assert keys == different, "a masked taxpayer number is no key"
