"""Files that appear complete or not at all, and the shipped style, scripts and chart library beside them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Put `text` in place of whatever `path` held, in one move."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Put `content` in place of whatever `path` held, in one move."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


def copy_assets(target: Path) -> None:
    """Bring the shipped files to `target`; those already there are left alone."""
    target.mkdir(parents=True, exist_ok=True)
    for source in sorted(resources.files("creditflow.report").joinpath("assets").iterdir(), key=lambda item: item.name):
        content, path = source.read_bytes(), target / source.name
        if not path.exists() or path.read_bytes() != content:
            write_bytes(path, content)
