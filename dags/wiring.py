"""What every DAG here shares: who owns it, when it may run again, the assets that join them, the business date.

Nothing here reads the clock or draws a number, so parsing twice gives the same DAGs.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, CronTriggerTimetable

if TYPE_CHECKING:
    from creditflow.registry import Registry
    from creditflow.settings import Settings

TIMEZONE = "Asia/Shanghai"
LANDED = Asset("landed", "creditflow://landing")
"""New batches wait for the gate."""
PUBLISHED = Asset("published", "creditflow://publish")
"""The build pointer moved."""

CUT_OFF = "0 5 * * *"
"""When the night's build starts with what has been accepted until then."""

DIGEST = "0 7 * * *"
"""When the credit office is told about the night."""

RETRY_DELAY = timedelta(seconds=int(os.environ.get("CREDITFLOW_RETRY_SECONDS", "300")))


def defaults(owner: str, *, timeout: timedelta, retries: int = 2) -> dict[str, Any]:
    """default_args: owner, retries with exponential back-off, and a limit on the time a task may take."""
    return {
        "owner": owner,
        "retries": retries,
        "retry_delay": RETRY_DELAY,
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(hours=1),
        "execution_timeout": timeout,
    }


def timed(cron: str) -> CronTriggerTimetable | None:
    """A schedule in business time; None where a night triggers the runs itself (CREDITFLOW_SCHEDULES=off)."""
    return CronTriggerTimetable(cron, timezone=TIMEZONE) if _schedules_on() else None


def on_asset(asset: Asset) -> list[Asset] | None:
    """A schedule by event; None where a night triggers the runs itself."""
    return [asset] if _schedules_on() else None


def _schedules_on() -> bool:
    return os.environ.get("CREDITFLOW_SCHEDULES", "on") != "off"


def cron_of(cadence: str, expect_by: str) -> str:
    """When a department is asked, from how often it supplies and by when its delivery is expected (HH:MM).

    A weekly or rarer supplier is asked every working day all the same: its delivery may be late, and asking is cheap.
    A monthly one is asked in the first ten days and on Mondays after that.
    """
    hour, minute = (int(part) for part in expect_by.split(":")[:2])
    return {
        "hourly": f"{minute} * * * *",
        "daily": f"{minute} {hour} * * *",
        "monthly": f"{minute} {hour} 1-10 * 1",
    }.get(cadence, f"{minute} {hour} * * 1-5")


class TaskFailed(Exception):
    """A step failed; the message holds no value of any row (see creditflow.failure)."""


@contextmanager
def discreet() -> Iterator[None]:
    """Keep other people's error messages, which may quote a row, out of the task's log; retry what may pass only."""
    from airflow.sdk.exceptions import AirflowFailException

    from creditflow.failure import may_pass, places, tell

    try:
        yield
    except Exception as problem:  # noqa: BLE001 - whatever it is, only its kind and place are told
        logging.getLogger("creditflow").error("%s\n%s", tell(problem), places(problem))
        raise (TaskFailed if may_pass(problem) else AirflowFailException)(tell(problem)) from None


@cache
def settings() -> Settings:
    """Settings of this process."""
    from creditflow.settings import load_settings

    return load_settings()


@cache
def registry() -> Registry:
    """The registry, read once per process; a broken department is left out here and told by registry_health."""
    from creditflow.registry import load

    return load(settings().project, lenient=True)


def as_of(context: Mapping[str, Any]) -> Any:
    """Business date of a run: what it was triggered with (`as_of`), else the day it was scheduled for."""
    from datetime import date
    from zoneinfo import ZoneInfo

    run = context["dag_run"]
    asked = (run.conf or {}).get("as_of")
    if asked:
        return date.fromisoformat(asked)
    return (run.logical_date or run.run_after).astimezone(ZoneInfo(TIMEZONE)).date()


def take_credential(connection_id: str) -> None:
    """Hand an Airflow connection of that id to `settings.credential`; without one its own sources stay in force."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    from creditflow.settings import connection_variable

    try:
        connection = Connection.get(connection_id)
    except AirflowNotFoundException:
        return
    os.environ[connection_variable(connection_id)] = connection_url(connection)


def connection_url(connection: Any) -> str:
    """URL of an Airflow connection as our connectors read it (``scheme://login:password@host:port/path?extra``)."""
    from urllib.parse import quote, urlencode

    kind = {"postgres": "postgresql"}.get(connection.conn_type, connection.conn_type)
    login = quote(connection.login or "", safe="")
    if connection.password:
        login += ":" + quote(connection.password, safe="")
    place = (
        (f"{login}@" if login else "") + (connection.host or "") + (f":{connection.port}" if connection.port else "")
    )
    extra = {name: value for name, value in (connection.extra_dejson or {}).items() if isinstance(value, str)}
    query = f"?{urlencode(extra)}" if extra else ""
    return f"{kind}://{place}/{quote((connection.schema or '').lstrip('/'))}{query}"
