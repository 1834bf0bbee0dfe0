"""A 44th department of known kinds is one new file: it lands, it is judged, and it has its row in the morning report."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

from creditflow.identity.codes import org_code_ok, uscc_ok
from creditflow.ingest import drop
from creditflow.landing import ensure_tables
from creditflow.ops.database import transaction
from creditflow.ops.registry_sync import sync_registry
from creditflow.quality import gate
from creditflow.quality.morning import settle
from creditflow.registry import load
from creditflow.report import quality_site
from tests.conftest import Warehouse, with_project
from tests.report_world import publish_stand_ins

AS_OF = dt.date(2026, 11, 20)
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def code_of(number: int) -> str:
    """The pretended city's authority code of department `number` (see sources/_authorities.yml)."""
    body = next(code for code in (f"MA4X{number:04d}{last}" for last in ALPHABET) if org_code_ok(code))
    return next(code for code in (f"11440500{body}{last}" for last in ALPHABET) if uscc_ok(code))


def test_a_44th_department_lands_is_judged_and_reported(warehouse: Warehouse, project: Path, tmp_path: Path) -> None:
    card = (project / "sources" / "qxj.yml").read_text(encoding="utf-8")
    card = card.replace("code: qxj", "code: dzj").replace("dept_no: 36", "dept_no: 44").replace("sftp_qxj", "sftp_dzj")
    card = card.replace("name_zh: 市气象局", "name_zh: 市地震局").replace("qxj@dept", "dzj@dept")
    card = re.sub(r"authority_uscc: \w+", f"authority_uscc: {code_of(44)}", card)
    (project / "sources" / "dzj.yml").write_text(card, encoding="utf-8")
    settings = with_project(warehouse.settings, project)
    registry = load(project)
    assert len(registry.departments) == 44
    sync_registry(settings, registry)
    with transaction(settings, "tables") as conn:
        ensure_tables(conn, registry)
    delivery = tmp_path / "inspection.csv"
    delivery.write_text(
        "主体名称,统一社会信用代码,检查编号,检查类型,检查日期,检查结果\n"
        "汕头市示例制造有限公司,91440500MA4X022965,震检〔2026〕1号,双随机,2026/11/18,合格\n"
        "汕头市示例贸易有限公司,91440507MA4X85618J,震检〔2026〕2号,双随机,不是日期,合格\n",
        encoding="utf-8",
    )
    [batch] = drop(settings, registry, "dzj", "inspection", [delivery], AS_OF)
    gate(settings, registry, [batch.batch_id])
    assert warehouse.query("select rows_read, rows_accepted, rows_rejected from ops.batch") == [(2, 1, 1)]
    assert warehouse.query("select department from landing.inspection") == [("dzj",)]
    settle(settings, registry, AS_OF)
    publish_stand_ins(settings.warehouse_url)
    warehouse.query(
        "insert into ops.build (build_no, as_of, state, code_hash, started_at, finished_at, published_at)"
        " values (1, %s, 'published', 'test', '2026-11-21', '2026-11-21', '2026-11-21')",
        (AS_OF,),
    )
    warehouse.query("update ops.pointer set build_no = 1, as_of = %s", (AS_OF,))
    page = quality_site(settings, AS_OF).read_text(encoding="utf-8")
    assert "市地震局" in page
