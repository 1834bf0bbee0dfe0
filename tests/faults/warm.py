"""dbt in a process forked from one that has it imported: the same run as in a process of its own, seconds sooner.

With a project that was parsed before (`parsed`), also without reading the parse cache.
"""

from __future__ import annotations

import os
import subprocess
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg2
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumuro_decoder

from creditflow.settings import Settings
from creditflow.warehouse import dbt, dbt_process

CONNECT = psycopg2.connect


def parsed(settings: Settings) -> Any:
    """The project as the last dbt of this home has parsed it."""
    cache = (settings.home / "dbt" / "target" / "partial_parse.msgpack").read_bytes()
    manifest = Manifest.from_msgpack(cache, decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()
    return manifest


def fork_dbt(prepare: Callable[[], None] = lambda: None, manifest: Any = None) -> None:
    """From now on this process forks dbt instead of starting it.

    prepare: runs in dbt's process first. manifest: what `parsed` gave, or None for dbt to read its parse cache.
    """

    def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path, **_: object) -> object:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            _dbt(command, env, cwd, write, prepare, manifest)
        os.close(write)
        with os.fdopen(read, encoding="utf-8", errors="replace") as said:
            text = said.read()
        _, status = os.waitpid(pid, 0)
        return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), text, "")

    dbt.subprocess = SimpleNamespace(run=run)  # type: ignore[attr-defined]


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
