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
from importlib import import_module
from typing import Any

from creditflow.connectors.delivery import Delivery, FetchError
from creditflow.registry import Department, Feed
from creditflow.settings import Settings

__all__ = ["Delivery", "FetchError", "fetch"]

Watermark = dict[str, Any]
Fetch = Callable[[Settings, Department, Feed, Watermark | None, dt.date], Iterator[Delivery]]

_CHANNELS = {
    "frontend_db": ("creditflow.connectors.database", "fetch_database"),
    "sftp": ("creditflow.connectors.sftp", "fetch_sftp"),
    "rest_api": ("creditflow.connectors.rest", "fetch_rest"),
    "manual_upload": ("creditflow.connectors.drop", "fetch_drop"),
}
"""Channel -> module and function: a process loads only the client libraries of the channels it uses."""


def fetch(
    settings: Settings, department: Department, feed: Feed, watermark: Watermark | None, as_of: dt.date
) -> Iterator[Delivery]:
    """What a feed delivered since `watermark`, over the department's channel. Raises FetchError, SettingsError."""
    module, name = _CHANNELS[department.channel]
    connector: Fetch = getattr(import_module(module), name)
    yield from connector(settings, department, feed, watermark, as_of)
