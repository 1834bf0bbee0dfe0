"""dbt's page, as it comes, would load and send; as we keep it, it cannot."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from creditflow.settings import Settings
from creditflow.warehouse.docs import ADDRESSES, offline


def test_the_page_loads_and_sends_nothing(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "home", tmp_path / "checkout", "memory://unused")
    page = (resources.files("dbt.task.docs") / "index.html").read_text(encoding="utf-8")
    assert any(address in page for address in ADDRESSES), "dbt's page has changed: look again at what it loads"
    kept = offline(page.replace("</body>", f"{settings.project}/dbt_project</body>"), settings)
    assert not [address for address in ADDRESSES if address in kept]
    assert str(tmp_path) not in kept
    assert "connect-src 'none'" in kept
    assert kept.index("Content-Security-Policy") < kept.index("<script")
    assert re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"'](?:https?:)?//", kept) == []
