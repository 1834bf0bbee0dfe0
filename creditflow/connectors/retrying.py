"""Patience with the network, and only with the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

ATTEMPTS = 5
LONGEST_WAIT = 20.0

Answer = TypeVar("Answer")


class TransportError(Exception):
    """The other side was not reached, or broke off: worth another try. zh, en: what is told when tries are used up."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


def patiently(action: Callable[[], Answer], *, attempts: int = ATTEMPTS, first_wait: float = 0.5) -> Answer:
    """The action's result; on TransportError again, with growing random waits (seconds). Raises the last one."""
    retrying = Retrying(
        retry=retry_if_exception_type(TransportError),
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=first_wait, max=LONGEST_WAIT),
        reraise=True,
    )
    return retrying(action)
