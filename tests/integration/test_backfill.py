"""Years at once, as docs/runbooks/backfill.md says: land everything, stop, go on, judge once."""

from __future__ import annotations

from pathlib import Path

import pytest

from creditflow.cli.main import main
from tests.conftest import Warehouse

HEAD = "主体名称,统一社会信用代码,检查编号,检查类型,检查日期,检查结果\n"


def year(folder: Path, number: int) -> Path:
    """What one year brought: a good row and one with an impossible date."""
    path = folder / f"inspection_{number}.csv"
    good = f"汕头市示例制造有限公司,91440500MA4X022965,汕市监检〔{number}〕1号,日常检查,{number}/11/18,合格\n"
    bad = f"汕头市示例贸易有限公司,91440507MA4X85618J,汕市监检〔{number}〕2号,日常检查,不是日期,合格\n"
    path.write_text(HEAD + good + bad, encoding="utf-8")
    return path


def test_files_land_first_are_known_again_and_judged_once(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = warehouse.settings
    monkeypatch.setenv("CREDITFLOW_HOME", str(settings.home))
    monkeypatch.setenv("CREDITFLOW_WAREHOUSE_URL", settings.warehouse_url)
    monkeypatch.setenv("CREDITFLOW_ARCHIVE_URL", settings.archive_url)
    files = [str(year(tmp_path, number)) for number in (2024, 2025, 2026)]
    dropped = ["drop", "sjgj", "inspection", *files, "--as-of", "2026-11-20", "--no-gate"]
    states = "select delivery, state, rows_read, rows_accepted from ops.batch order by batch_id"

    assert main([*dropped[:5], *dropped[-3:]]) == 0  # stopped after the second file
    assert [row[1] for row in warehouse.query(states)] == ["landed", "landed"]
    assert main(dropped) == 0  # given again
    assert sorted(row[1] for row in warehouse.query(states)) == ["duplicate", "duplicate", "landed", "landed", "landed"]
    assert warehouse.query("select count(*) from quality.row_verdict") == [(0,)]
    assert "inspection_2026.csv" in capsys.readouterr().err

    assert main(["gate"]) == 0
    judged = warehouse.query(
        "select rows_read, rows_accepted, rows_rejected from ops.batch where state = 'partly_accepted'"
    )
    assert judged == [(2, 1, 1)] * 3
    assert warehouse.query("select count(*) from landing.inspection") == [(3,)]
