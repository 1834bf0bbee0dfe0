"""The sandbox from outside: 43 pretended departments in processes of their own, never imported.

Promises
- `python -m sandbox` does everything; this module only says where (home/sandbox) and on which server the exchange
  database lies.
- What it cannot do is told in its own words.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from dataclasses import dataclass

from creditflow.server import ensure_server
from creditflow.settings import Settings


class SandboxError(Exception):
    """A sandbox command failed; the message is its own."""


@dataclass(frozen=True)
class Shape:
    """What the pretended city is: scale (1.0 = real yearly volumes), years of history, random seed."""

    scale: float = 0.01
    years: int = 1
    seed: int = 42

    def arguments(self) -> list[str]:
        """As options of the sandbox's commands."""
        return ["--scale", str(self.scale), "--years", str(self.years), "--seed", str(self.seed)]


def run(settings: Settings, command: str, *arguments: str) -> str:
    """Run one sandbox command and return what it printed. Raises SandboxError."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CREDITFLOW_CONN_")}
    path = [str(settings.project), *filter(None, [environ.get("PYTHONPATH")])]
    environ["PYTHONPATH"] = os.pathsep.join(path)
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", command, "--home", str(settings.sandbox_home), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environ,
        cwd=settings.project,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
        raise SandboxError(f"sandbox {command}: " + "\n".join(said[-5:]))
    return done.stdout


def up(settings: Settings) -> None:
    """Start its servers; those that run already stay."""
    run(settings, "up", "--exchange-admin-url", exchange_admin_url(settings))


def running(settings: Settings) -> bool:
    """Whether its servers run."""
    if not settings.sandbox_home.exists():
        return False
    return bool(json.loads(run(settings, "status"))["servers"])


def down(settings: Settings) -> None:
    """Stop its servers."""
    if settings.sandbox_home.exists():
        run(settings, "down")


def seed(settings: Settings, shape: Shape, as_of: dt.date) -> None:
    """Make the city once; the same shape again changes nothing."""
    run(settings, "seed", *shape.arguments(), "--as-of", as_of.isoformat())


def deliver(settings: Settings, shape: Shape, as_of: dt.date) -> None:
    """Put out everything the departments deliver up to `as_of`; what is out already stays as it is."""
    run(settings, "deliver", *shape.arguments(), "--as-of", as_of.isoformat())


def exchange_admin_url(settings: Settings) -> str:
    """URL with the right to make the exchange database: the embedded server, or CREDITFLOW_EXCHANGE_ADMIN_URL."""
    named = os.environ.get("CREDITFLOW_EXCHANGE_ADMIN_URL")
    if named:
        return named
    if settings.embedded:
        return ensure_server(settings).url("postgres")
    return settings.warehouse_url
