"""The drop folder: workbooks and files that people put into a folder of their department.

Promises
- A file counts once its name stands in no watermark; hidden and temporary files (Office's ~$ locks, .part) never do.
- Nothing is moved or deleted: the folder belongs to the department.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from creditflow.connectors.delivery import Delivery, FetchError
from creditflow.connectors.naming import name_time, seen_after
from creditflow.registry import Department, Feed
from creditflow.settings import Settings

_TEMPORARY = (".part", ".tmp", ".filepart", ".crdownload")


def fetch_drop(
    settings: Settings, department: Department, feed: Feed, watermark: dict[str, Any] | None, as_of: dt.date
) -> Iterator[Delivery]:
    """New files of the feed's folder, by name. watermark: {"seen": {name: size and time}}. Raises FetchError."""
    parts = urlsplit(settings.credential(department.connection))
    folder = Path(unquote(parts.path)) / feed.location.get("folder", feed.name)
    try:
        entries = sorted(path for path in folder.iterdir() if path.is_file() and _counts(path.name))
        stamps = {path: f"{path.stat().st_size}-{path.stat().st_mtime_ns}" for path in entries}
    except FileNotFoundError:
        return
    except OSError as problem:
        raise FetchError(
            "投递目录无法读取，请检查目录权限", f"the drop folder cannot be read ({problem.strerror}): check its rights"
        ) from None
    seen: dict[str, str] = dict((watermark or {}).get("seen", {}))
    for path in entries:
        if seen.get(path.name) == stamps[path]:
            continue
        seen = seen_after(seen, path.name, stamps[path])
        moment = name_time(path.name, settings.zone)
        with path.open("rb") as stream:
            yield Delivery(file=path.name, stream=stream, delivered_at=moment, watermark_after={"seen": seen})


def _counts(name: str) -> bool:
    return not name.startswith((".", "~$")) and not name.lower().endswith((*_TEMPORARY, ".ok"))
