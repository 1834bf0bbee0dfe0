"""Where a measurement takes place: an embedded server of its own in a temporary home, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from creditflow.ops.migrate import migrate
from creditflow.ops.registry_sync import sync_registry
from creditflow.registry import Registry, load
from creditflow.server import ensure_server, remove_server
from creditflow.settings import Settings, load_settings


@contextmanager
def own_server() -> Iterator[tuple[Settings, Registry]]:
    """A migrated warehouse that knows the registry and holds nothing yet."""
    with tempfile.TemporaryDirectory(prefix="creditflow-bench-") as name:
        home = Path(name)
        settings = Settings(home, load_settings().project, f"file://{home}/archive")
        ensure_server(settings)
        try:
            migrate(settings)
            registry = load(settings.project)
            sync_registry(settings, registry)
            yield settings, registry
        finally:
            remove_server(settings)
