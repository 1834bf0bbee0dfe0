"""The judge of the pipeline shares no code and no file with it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sandbox

ROOM = Path(sandbox.__file__).parent
PROJECT = ROOM.parent
MODULES = sorted(ROOM.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda p: p.stem)
def test_no_module_imports_the_pipeline(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert not any(name.split(".")[0] in ("creditflow", "dags", "tests") for name in names), (
            f"{module.name}: {names}"
        )


def test_it_delivers_where_nothing_of_the_pipeline_exists(tmp_path: Path) -> None:
    """Only the sandbox folder is on the path, and opening any file of the checkout outside it is refused."""
    program = f"""
import sys, importlib.abc
class Wall(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'creditflow':
            raise ImportError('the sandbox must not know the pipeline')
sys.meta_path.insert(0, Wall())
opened = []
def watch(event, args):
    if event == 'open' and isinstance(args[0], str):
        opened.append(args[0])
sys.addaudithook(watch)
from sandbox import main
home = {str(tmp_path / "home")!r}
assert main(['seed', '--home', home, '--scale', '0.003']) == 0
assert main(['deliver', '--home', home]) == 0
inside = {str(PROJECT)!r}
strange = [p for p in opened if p.startswith(inside) and not p.startswith((inside + '/sandbox', inside + '/.venv'))]
assert not strange, strange
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
