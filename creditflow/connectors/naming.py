"""File names of deliveries: DEPT_KIND_YYYYMMDDHHMMSS_NNN.ext, and which of them were taken already."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

_moment = re.compile(r"_(\d{14})(?=[_.])", re.ASCII)
KEEP = 2000


def name_time(name: str, zone: ZoneInfo) -> dt.datetime | None:
    """The business time in a file name, or None when it has none."""
    found = _moment.search(name)
    if found is None:
        return None
    try:
        return dt.datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=zone)
    except ValueError:
        return None


def seen_after(seen: dict[str, str], name: str, stamp: str) -> dict[str, str]:
    """The files taken so far, with this one; the oldest are forgotten beyond KEEP."""
    known = {key: value for key, value in seen.items() if key != name}
    known[name] = stamp
    return dict(list(known.items())[-KEEP:])
