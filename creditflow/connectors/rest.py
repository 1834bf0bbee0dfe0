"""HTTP interfaces of departments: bearer token, paging by cursor, JSON or XML.

Promises
- All pages of one call become one document, handed over only when the last page is there: a server that stops mid-page
  leaves nothing half committed.
- 429 waits as long as the server asks (at most a minute); 5xx, broken connections and answers that break off are tried
  again with back-off. A wrong token or an unknown address is a FetchError at once.
- A page that repeats or goes back is an error: rows are never taken twice.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import httpx
from lxml import etree

from creditflow.connectors.delivery import Delivery, FetchError
from creditflow.connectors.retrying import TransportError, patiently
from creditflow.registry import Department, Feed
from creditflow.settings import Settings

SPOOL = 64 << 20
PAGE_ROWS = 1000
MAX_PAGE = 64 << 20
LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class _Page:
    """One answer. body: as written to the document; sequences: of its rows; newest: their latest change time."""

    body: bytes
    rows: int
    following: str | None
    total: int | None
    first: int | None
    last: int | None
    newest: str | None


def fetch_rest(
    settings: Settings, department: Department, feed: Feed, watermark: dict[str, Any] | None, as_of: dt.date
) -> Iterator[Delivery]:
    """One delivery with every row after the cursor, or none. watermark: {"since": cursor}. Raises FetchError."""
    parts = urlsplit(settings.credential(department.connection))
    token = unquote(parts.username or "")
    address = f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    path = f"{parts.path.rstrip('/')}/{feed.location.get('path', feed.name).strip('/').removeprefix(department.code + '/')}"
    since = str((watermark or {}).get("since", ""))
    with httpx.Client(
        base_url=address,
        headers={"Authorization": f"Bearer {token}", "Accept": f"application/{feed.format}"},
        timeout=httpx.Timeout(60.0, connect=15.0),
        follow_redirects=False,
        trust_env=False,
    ) as client:
        try:
            found = _all_pages(client, path, since, feed.format, settings.zone)
        except TransportError as problem:
            raise FetchError(problem.zh, problem.en) from None
    if found is None:
        return
    content, rows, total, cursor, newest = found
    yield Delivery(
        file=f"{department.code}_{feed.name}_{since or '0'}-{cursor}.{feed.format}",
        stream=content,
        encoding="utf-8",
        declared_rows=total if total is not None and rows <= total else None,
        delivered_at=newest,
        watermark_after={"since": cursor},
    )


def _all_pages(
    client: httpx.Client, path: str, since: str, form: str, zone: ZoneInfo
) -> tuple[BinaryIO, int, int | None, str, dt.datetime | None] | None:
    """(document, rows, rows announced, cursor after it, newest change), or None when nothing is new."""
    spool = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 - handed over
    opening, closing = (b"<ROWDATA>\n", b"</ROWDATA>\n") if form == "xml" else (b"", b"")
    spool.write(opening)
    rows, total, newest, cursor = 0, None, None, since
    while True:
        page = patiently(partial(_page, client, path, cursor, form))
        if rows == 0:
            total = page.total
        spool.write(page.body)
        rows += page.rows
        newest = max(filter(None, (newest, page.newest)), default=None)
        last = page.following if page.following is not None else (str(page.last) if page.last is not None else cursor)
        if page.following is None:
            break
        if last == cursor:
            raise _stuck(path)
        cursor = last
    if rows == 0:
        spool.close()
        return None
    spool.write(closing)
    spool.seek(0)
    return cast("BinaryIO", spool), rows, total, last, _moment(newest, zone)


def _page(client: httpx.Client, path: str, since: str, form: str) -> _Page:
    """One page. Raises TransportError (worth another try) or FetchError (refused)."""
    body = _get(client, path, {"since": since, "limit": str(PAGE_ROWS)})
    try:
        page = _read_xml(body) if form == "xml" else _read_json(body)
    except (ValueError, TypeError, AttributeError, RecursionError, etree.XMLSyntaxError):
        raise TransportError(
            f"接口 {path} 返回的内容不完整或不是约定格式，请部门检查接口",
            f"{path} answered something that is not the agreed {form} or broke off: the department must check its interface",
        ) from None
    if page.first is not None and since.isdigit() and page.first <= int(since):
        raise TransportError(
            f"接口 {path} 重复返回了已取过的数据，请部门检查接口", f"{path} answered rows that were fetched already"
        )
    return page


def _get(client: httpx.Client, path: str, query: dict[str, str]) -> bytes:
    deadline = time.monotonic() + 5 * LONGEST_PAUSE
    while True:
        try:
            with client.stream("GET", path, params=query) as answer:
                if answer.status_code == 429 and time.monotonic() < deadline:
                    pause = _pause(answer.headers.get("Retry-After"))
                else:
                    _judge(answer.status_code, path)
                    return _body(answer, path)
        except httpx.TransportError:
            raise TransportError(
                f"接口 {path} 无法连接或传输中断，请部门检查接口服务", f"{path} was not reached or broke off"
            ) from None
        time.sleep(pause)


def _body(answer: httpx.Response, path: str) -> bytes:
    parts, size = [], 0
    for chunk in answer.iter_bytes(1 << 18):
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_PAGE:
            raise FetchError(
                f"接口 {path} 单页超过 {MAX_PAGE >> 20} MB，请部门按分页约定返回",
                f"{path} answered a page of more than {MAX_PAGE >> 20} MB: the department must page its answers",
            )
    return b"".join(parts)


def _judge(status: int, path: str) -> None:
    if status == 200:
        return
    if status in (401, 403):
        raise FetchError(
            f"接口 {path} 拒绝访问（HTTP {status}）：令牌无效或已过期，请核对令牌",
            f"{path} refused us (HTTP {status}): the token is wrong or has expired",
        )
    if status == 429 or status >= 500:
        raise TransportError(f"接口 {path} 暂不可用（HTTP {status}）", f"{path} is not available (HTTP {status})")
    raise FetchError(
        f"接口 {path} 返回 HTTP {status}，请部门核对接口地址", f"{path} answered HTTP {status}: check the address"
    )


def _pause(retry_after: str | None) -> float:
    try:
        return min(max(float(retry_after or 1), 0.1), LONGEST_PAUSE)
    except ValueError:
        return 1.0


def _read_json(body: bytes) -> _Page:
    document = json.loads(body)
    rows = document["rows"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError
    following = document.get("next")
    sequences = [int(row["_SEQ"]) for row in rows if row.get("_SEQ") not in (None, "")]
    return _Page(
        body=body.rstrip() + b"\n",
        rows=len(rows),
        following=None if following in (None, "") else str(following),
        total=int(document["total"]) if document.get("total") is not None else None,
        first=min(sequences, default=None),
        last=max(sequences, default=None),
        newest=max((str(row["_UPDATED_AT"]) for row in rows if row.get("_UPDATED_AT")), default=None),
    )


_xml = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _read_xml(body: bytes) -> _Page:
    root = etree.fromstring(body, _xml)
    if _doctype(root):
        raise ValueError
    rows = list(root.iter("ROW"))
    following, total = (root.findtext("NEXT") or "").strip(), (root.findtext("TOTAL") or "").strip()
    sequences = [int(text) for row in rows if (text := (row.findtext("_SEQ") or "").strip())]
    return _Page(
        body=b"".join(etree.tostring(row, encoding="utf-8", with_tail=False) + b"\n" for row in rows),
        rows=len(rows),
        following=following or None,
        total=int(total) if total else None,
        first=min(sequences, default=None),
        last=max(sequences, default=None),
        newest=max((text for row in rows if (text := (row.findtext("_UPDATED_AT") or "").strip())), default=None),
    )


def _doctype(root: Any) -> bool:
    return bool(root.getroottree().docinfo.doctype)


def _moment(text: str | None, zone: ZoneInfo) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _stuck(path: str) -> FetchError:
    return FetchError(
        f"接口 {path} 的游标不前进，请部门检查分页", f"the cursor of {path} does not move: the paging is broken"
    )
