"""`creditflow up` and `down`: what keeps running for people who look around.

Promises
- Everything listens on 127.0.0.1 only; the scheduler's UI asks for the generated login, which is shown once.
- Stopping ends everything this installation started and nothing else.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from creditflow import airflow, processes, sandbox
from creditflow.server import ensure_server, remove_server, stop_server
from creditflow.settings import Settings


def start(settings: Settings, *, schedules: bool) -> Iterator[str]:
    """Start database, sandbox, scheduler and site; what a person needs to know, line by line."""
    from creditflow.ops.migrate import migrate
    from creditflow.ops.registry_sync import sync_registry
    from creditflow.registry import load

    server = ensure_server(settings)
    migrate(settings)
    registry = load(settings.project, lenient=True)
    sync_registry(settings, registry)
    with airflow.migrated(settings, server):
        sandbox.up(settings)
    slots = max(2, min(8, 2 * len(os.sched_getaffinity(0))))
    running = airflow.start(
        settings, server, schedules=schedules, slots=slots, triggerer=True, extra={"CREDITFLOW_RETRY_SECONDS": "30"}
    )
    airflow.wait_until_ready(settings, running, [airflow.ingest_dag_id(item) for item in registry.all().values()])
    yield f"调度 / scheduler: {running.url}"
    shown = settings.home / "airflow" / "login-shown"
    if shown.exists():
        yield f"  login {airflow.LOGIN}, password in {settings.home / 'keys' / 'airflow_login'}"
    else:
        yield f"  login {airflow.LOGIN}, password {running.password} (shown this once)"
        shown.touch()
    yield f"晨报 / morning report: {_site(settings)}"
    yield "creditflow down 停止 / stops everything"


def stop(settings: Settings) -> Iterator[str]:
    """Stop what runs; one line each."""
    if airflow.stop(settings):
        yield "scheduler stopped"
    site = processes.load(_site_file(settings))
    if site:
        processes.stop(site)
        yield "report site stopped"
    if (settings.sandbox_home / "connections.env").exists():
        sandbox.down(settings)
        yield "sandbox stopped"
    if stop_server(settings):
        yield "database stopped"


def wipe(settings: Settings) -> None:
    """Delete the database, wherever it lies, and everything under home. Nothing may run any more."""
    if settings.embedded:
        remove_server(settings)
    if settings.home.exists():
        shutil.rmtree(settings.home)


def _site_file(settings: Settings) -> Path:
    return settings.home / "site-server.json"


def _site(settings: Settings) -> str:
    """The report site's address; its server is started when it does not run."""
    port_file = settings.home / "site-port"
    if not processes.load(_site_file(settings)):
        settings.site.mkdir(parents=True, exist_ok=True)
        port = processes.free_port()
        command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "-d", str(settings.site)]
        started = processes.start(
            "site", command, environ=os.environ, log=settings.home / "site.log", cwd=settings.site
        )
        processes.save(_site_file(settings), [started])
        port_file.write_text(str(port), encoding="utf-8")
    return f"http://127.0.0.1:{port_file.read_text(encoding='utf-8')}/"
