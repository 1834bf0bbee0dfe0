"""The HTTP API of the departments that offer one: token, paging by `since`, JSON or XML, and the moods of a real server.

`GET /<dept>/<feed>?since=<last seq>&limit=<n>` with `Authorization: Bearer <token>`. Answer: `rows`, `next` (the cursor of the
next page, null at the end) and `total` (rows after `since` of this request). Which requests are answered 429 (with
`Retry-After`) or 503 first follows from the seed and the request; repeated, the same request is answered.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.description import departments
from sandbox.store import Store, read

PAGE = 500
LARGEST_PAGE = 5000


def tokens(home: Path) -> dict[str, str]:
    """Token by department."""
    kept: dict[str, str] = read(home / "state" / "tokens.json") or {}
    return kept


def mood(seed: int, path: str, since: str) -> int:
    """200, or the refusal (429 or 503) a request gets the first time: about one in nine."""
    drawn = zlib.crc32(f"{seed} {path} {since}".encode()) % 18
    return {0: 429, 1: 503}.get(drawn, 200)


def application(home: Path) -> Starlette:
    """The API over what was delivered below `home`."""
    known = tokens(home)
    refused: set[tuple[str, str]] = set()

    async def feed(request: Request) -> Response:
        dept, name = request.path_params["dept"], request.path_params["feed"]
        if dept not in known or name not in departments()[dept].feeds:
            return PlainTextResponse("unknown feed\n", 404)
        if request.headers.get("authorization") != f"Bearer {known[dept]}":
            return PlainTextResponse("wrong or missing token\n", 401, headers={"WWW-Authenticate": "Bearer"})
        since = request.query_params.get("since", "")
        try:
            after, limit = int(since or 0), min(int(request.query_params.get("limit", PAGE)), LARGEST_PAGE)
        except ValueError:
            return PlainTextResponse("since and limit are whole numbers\n", 400)
        if limit < 1 or after < 0:
            return PlainTextResponse("limit is at least 1 and since not negative\n", 400)
        planted = Store(home).seed()
        answer = mood(planted.seed if planted else 0, request.url.path, since)
        if answer != 200 and (request.url.path, since) not in refused:
            refused.add((request.url.path, since))
            return PlainTextResponse("busy\n", answer, headers={"Retry-After": "1"} if answer == 429 else {})
        page = read_page(home, dept, name, after, limit)
        return render(page, departments()[dept].feeds[name].format)

    return Starlette(routes=[Route("/{dept}/{feed}", feed)])


def read_page(home: Path, dept: str, feed: str, after: int, limit: int) -> tuple[list[bytes], str | None, int]:
    """Lines of one page, the next cursor, and how many rows there are after `after`."""
    meta = read(home / "api" / dept / f"{feed}.json")
    if meta is None:
        return [], None, 0
    first, count = int(meta["first"]), int(meta["rows"])
    start = max(after + 1 - first, 0)
    total = max(count - start, 0)
    stop = min(start + limit, count)
    if stop <= start:
        return [], None, 0
    path = home / "api" / dept / str(meta["file"])
    places = np.fromfile(path.with_suffix(".idx"), dtype="<i8", count=min(stop + 1, count) - start, offset=start * 8)
    end = int(places[stop - start]) if stop < count else int(meta["bytes"])
    with path.open("rb") as handle:
        handle.seek(int(places[0]))
        lines = handle.read(end - int(places[0])).splitlines()
    return lines, str(first + stop - 1) if stop < count else None, total


def render(page: tuple[list[bytes], str | None, int], form: str) -> Response:
    """A page as the department answers."""
    lines, following, total = page
    if form == "xml":
        body = (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<RESPONSE><NEXT>%s</NEXT><TOTAL>%d</TOTAL><ROWDATA>\n%s\n</ROWDATA></RESPONSE>\n'
            % ((following or "").encode(), total, b"\n".join(lines))
        )
        return Response(body, media_type="application/xml")
    body = b'{"rows":[%s],"next":%s,"total":%d}' % (b",\n".join(lines), orjson.dumps(following), total)
    return Response(body, media_type="application/json")
