"""YAML that remembers where it was written: every mapping, list item and value keeps its line.

Promises
- `read` gives plain data and the line of every path in it; a duplicate key is an error, not a silent overwrite.
- `validated` turns a pydantic refusal into problems with file and line, so that a reader finds the place at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a rule file, with the place to look at."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class RuleBookError(Exception):
    """The rule book was refused; `problems` holds every fault found, with file and line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("规则文件有误 / the rule book is refused:\n" + "\n".join(str(p) for p in self.problems))


@dataclass(frozen=True)
class Document:
    """One YAML file: its data and the line (1-based) of every path."""

    file: str
    data: Any
    lines: dict[Location, int]

    def line(self, location: Location) -> int:
        """Line of a path, or of the nearest parent that is written in the file."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, 1)

    def problem(self, location: Location, message: str) -> Problem:
        """A problem at a path of this file."""
        return Problem(self.file, self.line(location), message)


def read(path: Path, name: str) -> Document:
    """Read one YAML file; `name` is how problems call it. Raises RuleBookError when it is no YAML.

    The same text is parsed once per process: callers leave the data as it is.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RuleBookError([Problem(name, 1, f"not YAML: {type(error).__name__}")]) from None
    return _parsed(text, name)


@lru_cache(maxsize=256)
def _parsed(text: str, name: str) -> Document:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleBookError([Problem(name, line, f"not YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise RuleBookError([Problem(name, 1, f"not YAML: {type(error).__name__}")]) from None
    lines: dict[Location, int] = {}
    data = None if node is None else _build(node, (), lines, name)
    return Document(name, data, lines)


def _build(node: yaml.Node, location: Location, lines: dict[Location, int], name: str) -> Any:
    lines[location] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in result:
                raise RuleBookError([Problem(name, key_node.start_mark.line + 1, f"key written twice: {key}")])
            result[key] = _build(value_node, (*location, key), lines, name)
            lines[(*location, key)] = key_node.start_mark.line + 1
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*location, index), lines, name) for index, item in enumerate(node.value)]
    constructor = yaml.SafeLoader("")
    return constructor.construct_object(node)


def validated(model: type[Model], data: Any, document: Document, at: Location = ()) -> Model:
    """`data` as `model`. Raises RuleBookError with the line of each refused value."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise RuleBookError(
            document.problem((*at, *_path(fault["loc"])), f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}")
            for fault in error.errors(include_url=False, include_input=False)
        ) from None


def _path(location: tuple[int | str, ...]) -> Location:
    return tuple(part for part in location if not (isinstance(part, str) and part.startswith("function-")))
