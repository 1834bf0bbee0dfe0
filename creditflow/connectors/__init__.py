"""Connectors: fetch what is new from a department, nothing else. The only rooms that open sockets.

Promises
- `fetch` yields deliveries one by one, oldest first; the next is asked for only when the one before is committed, so a
  failure loses nothing and repeats nothing.
- Only transport errors are retried, with back-off. A refusal (wrong token, wrong key, no such table) is a FetchError at
  once, in both languages, without credentials.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from creditflow.connectors.database import fetch_database
from creditflow.connectors.delivery import Delivery, FetchError
from creditflow.connectors.drop import fetch_drop
from creditflow.connectors.rest import fetch_rest
from creditflow.connectors.sftp import fetch_sftp
from creditflow.registry import Department, Feed
from creditflow.settings import Settings

__all__ = ["Delivery", "FetchError", "fetch"]

Watermark = dict[str, Any]

_CHANNELS: dict[str, Callable[[Settings, Department, Feed, Watermark | None, dt.date], Iterator[Delivery]]] = {
    "frontend_db": fetch_database,
    "sftp": fetch_sftp,
    "rest_api": fetch_rest,
    "manual_upload": fetch_drop,
}


def fetch(
    settings: Settings, department: Department, feed: Feed, watermark: Watermark | None, as_of: dt.date
) -> Iterator[Delivery]:
    """What a feed delivered since `watermark`, over the department's channel. Raises FetchError, SettingsError."""
    yield from _CHANNELS[department.channel](settings, department, feed, watermark, as_of)
