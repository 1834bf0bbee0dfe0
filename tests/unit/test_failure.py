"""What is said about an error holds no value of any row, and only passing ones are worth another try."""

from __future__ import annotations

import psycopg2
import pytest

from creditflow.failure import may_pass, places, tell
from creditflow.ops.database import DatabaseUnavailable
from creditflow.settings import SettingsError

SECRET = "440500199001011234"


def caught(problem: Exception) -> Exception:
    try:
        raise problem
    except Exception as same:  # noqa: BLE001 - any kind
        return same


def test_our_own_message_is_told_as_it_is() -> None:
    assert tell(caught(SettingsError("缺少凭据 / no credential"))) == "缺少凭据 / no credential"


@pytest.mark.parametrize(
    "problem", [ValueError(SECRET), psycopg2.DataError(f"DETAIL: ({SECRET})"), KeyError(SECRET), UnicodeError(SECRET)]
)
def test_a_strangers_message_is_not_told(problem: Exception) -> None:
    told = tell(caught(problem))
    assert type(problem).__name__ in told
    assert SECRET not in told
    assert SECRET not in places(caught(problem))


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (DatabaseUnavailable("x"), True),
        (psycopg2.OperationalError("x"), True),
        (ConnectionResetError("x"), True),
        (TimeoutError("x"), True),
        (psycopg2.DataError("x"), False),
        (ValueError("x"), False),
        (SettingsError("x"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(problem: Exception, expected: bool) -> None:
    assert may_pass(problem) is expected
