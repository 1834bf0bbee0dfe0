"""dbt in a process forked from one that has it imported: the same run as in a process of its own, seconds sooner.

With a project that was parsed before (`parsed`), also without reading the parse cache; after a run in the process itself
(`dbt_here`) also without making its schemas and compiling its macros anew.
"""

from __future__ import annotations

import os
import subprocess
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import psycopg2
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumuro_decoder

from creditflow.settings import Settings
from creditflow.warehouse import dbt, dbt_process

CONNECT = psycopg2.connect
CACHE = "partial_parse.msgpack"


def parsed(settings: Settings) -> Any:
    """The project as the last dbt of this home has parsed it."""
    return _read(settings.home / "dbt" / "target" / CACHE)


def _read(cache: Path) -> Any:
    manifest = Manifest.from_msgpack(cache.read_bytes(), decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()
    return manifest


@contextmanager
def dbt_here() -> Iterator[None]:
    """Inside the block dbt runs in this process; what is forked from it later begins with all that dbt had to make first."""

    def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, **_: object) -> object:
        results, log, *arguments = command[3:]
        with patch.dict(os.environ, env, clear=True), chdir(cwd):
            code = dbt_process.main(results, log, arguments)
        return subprocess.CompletedProcess(command, code, "", "")

    with patch.object(dbt, "subprocess", SimpleNamespace(run=run)):
        yield


def fork_dbt(prepare: Callable[[], None] = lambda: None, manifest: Any = None) -> None:
    """From now on this process forks dbt instead of starting it.

    prepare: runs in dbt's process first. manifest: what `parsed` gave, or None for dbt to read its parse cache.
    """
    dbt.subprocess = _Forking(prepare, manifest)  # type: ignore[attr-defined]


@contextmanager
def forked_dbt() -> Iterator[None]:
    """Inside the block dbt is forked; a home whose project the run before has parsed in the same way is not read again."""
    with patch.object(dbt, "subprocess", _Forking(again=True)):
        yield


class _Forking:
    """Takes the place of the module `subprocess`. again: the last project that was parsed is kept for the next run."""

    def __init__(
        self, prepare: Callable[[], None] = lambda: None, manifest: Any = None, *, again: bool = False
    ) -> None:
        self.prepare, self.manifest, self.again = prepare, manifest, again
        self.parsed_as: tuple[object, ...] = ()

    def run(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, **_: object) -> object:
        """As `subprocess.run`."""
        if self.again:
            self._look_back(command, env)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            _dbt(command, env, cwd, write, self.prepare, self.manifest)
        os.close(write)
        with os.fdopen(read, encoding="utf-8", errors="replace") as said:
            text = said.read()
        _, status = os.waitpid(pid, 0)
        return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), text, "")

    def _look_back(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Take what the run before has parsed, if this one would parse the same: code that changed asks for a fresh look."""
        target, project, given = (_after(option, command) for option in ("--target-path", "--project-dir", "--vars"))
        wanted = (target, project, given, env["CREDITFLOW_CODE_IN_PLACE"], env["CREDITFLOW_DBT_DATABASE"])
        if wanted != self.parsed_as or "--no-partial-parse" in command:
            self.manifest = None
        elif self.manifest is None:
            self.manifest = _read(Path(target) / CACHE)
        self.parsed_as = wanted


def _after(option: str, command: Sequence[str]) -> str:
    return command[command.index(option) + 1] if option in command else ""


def _dbt(
    command: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    write: int,
    prepare: Callable[[], None],
    manifest: Any,
) -> None:
    """What `python -m creditflow.warehouse.dbt_process` does; never returns."""
    psycopg2.connect = CONNECT  # the statements of dbt are not those of the process that started it
    os.dup2(write, 1)
    os.dup2(write, 2)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    dbt_process.dbtRunner = partial(dbt_process.dbtRunner, manifest=manifest)
    code = 1
    try:
        dbt_process.end_with_parent()
        prepare()
        results, log, *arguments = command[3:]
        code = dbt_process.main(results, log, arguments)
    except BaseException:  # noqa: BLE001 - it is told where a process of its own would tell it
        traceback.print_exc()
    finally:
        os._exit(code)
