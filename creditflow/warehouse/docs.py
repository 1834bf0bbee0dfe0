"""dbt's own documentation of the warehouse as one file that opens offline.

Promises
- The file holds everything: no network is needed to read it, and the page is forbidden to use one.
- The visitor counter and its addresses that dbt's page brings along are taken out; no path of this machine stays in it.
"""

from __future__ import annotations

from pathlib import Path

from creditflow.ops.database import transaction
from creditflow.settings import Settings
from creditflow.warehouse import dbt

FOLDER = "dbt-docs"
"""Below home: documentation compiles for a day of its own, and must not spoil the parse cache of the night."""
ADDRESSES = (
    "//d1fc8wv8zag5ca.cloudfront.net/2.9.0/sp.js",
    "https://fuzzed.getdbt.com/",
    "fishtownanalytics.sinter-collect.com",
)
"""What the page's visitor counter would load and send to."""
OFFLINE = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'unsafe-inline' 'unsafe-eval' data: blob:;"
    " connect-src 'none'; form-action 'none'\">"
)


class DocsFailed(Exception):
    """dbt could not document the warehouse; the message says which node."""


def build_docs(settings: Settings) -> Path:
    """Document the warehouse as the published build left it; returns the file. Raises DocsFailed, dbt.DbtFailed."""
    with transaction(settings, "docs") as conn, conn.cursor() as cursor:
        cursor.execute("select build_no, coalesce(as_of, date '1970-01-01') from ops.pointer where name = 'publish'")
        build_no, as_of = cursor.fetchone() or (0, "1970-01-01")
    values = f"{{build_no: {build_no}, as_of: '{as_of}'}}"
    result = dbt.run(settings, "docs generate", ["--static", "--vars", values], folder=FOLDER)
    if not result.ok:
        raise DocsFailed("文档未能生成 / the documentation was not made: " + "; ".join(result.failures[:3]))
    made = settings.home / FOLDER / "target" / "static_index.html"
    page = settings.home / "site" / "warehouse.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    draft = page.with_suffix(".draft")
    draft.write_text(offline(made.read_text(encoding="utf-8"), settings), encoding="utf-8")
    draft.replace(page)
    return page


def offline(text: str, settings: Settings) -> str:
    """The page without anything that would leave this machine."""
    for address in ADDRESSES:
        text = text.replace(address, "data:,")
    for folder in (settings.home, settings.project):
        text = text.replace(str(folder), "")
    head = text.index("<head>") + len("<head>")
    return text[:head] + OFFLINE + text[head:]
