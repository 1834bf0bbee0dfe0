"""Lints the SQL that runs: every model as dbt compiles it for a later night, after macros, with the branches of history.

Promises
- Real compiled text on a real, empty warehouse of its own, in a folder thrown away afterwards: a macro that asks the
  database is answered. Which rules hold, and which do not with their reasons, is in `.sqlfluff`.
- Exit status 1 when a model breaks a rule or cannot be read as PostgreSQL, each finding with model and line.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from creditflow import registry
from creditflow.landing.tables import ensure_tables
from creditflow.ops.database import transaction
from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.server import ensure_server, remove_server
from creditflow.settings import Settings
from creditflow.warehouse import dbt

PROJECT = Path(__file__).resolve().parent.parent
COMPILED = Path("dbt", "target", "compiled", "creditflow", "models")


def main() -> int:
    """The linter's exit status."""
    with tempfile.TemporaryDirectory(prefix="creditflow-lint-") as folder:
        settings = Settings(Path(folder), PROJECT, "memory://unused")
        ensure_server(settings, config={"fsync": "off", "full_page_writes": "off"})
        try:
            compile_models(settings)
        finally:
            remove_server(settings)
        return lint(settings.home / COMPILED)


def compile_models(settings: Settings) -> None:
    """Compile every model. Raises RuntimeError with those that cannot be."""
    migrate(settings)
    declared = registry.load(PROJECT)
    sync_registry(settings, declared)
    with transaction(settings, "lint") as conn:
        ensure_tables(conn, declared)
    result = dbt.run(
        settings, "compile", ["--select", "resource_type:model", "--vars", "{build_no: 2, as_of: '2026-11-20'}"]
    )
    if not result.ok:
        raise RuntimeError("\n".join(result.failures))


def lint(folder: Path) -> int:
    """sqlfluff over compiled models; its exit status, 0 when all is well."""
    command = [sys.executable, "-m", "sqlfluff", "lint", "--disable-progress-bar", "--processes", "2"]
    command += ["--config", str(Path(__file__).with_name(".sqlfluff")), str(folder)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
