"""The registry: everything the city must declare about its departments, read from sources/ and checked.

Promises
- `load(project)` is the only way to the declarations; it needs no service, no other room and less than half a second.
- A department is one file; what is not understood is refused with file and line.
- The objects are complete and frozen: no room reads YAML a second time.
"""

from __future__ import annotations

from creditflow.registry.files import json_schema
from creditflow.registry.heading import authority_code, normal_heading, shape_of, uscc_is_valid
from creditflow.registry.loading import EXPECTED_DEPARTMENTS, check, load, schema_text, write_schema
from creditflow.registry.model import (
    FORBIDDEN_PATTERN,
    PERSONAL_PATTERN,
    Alias,
    Column,
    Department,
    Derive,
    Feed,
    Filter,
    HeadingRow,
    Kind,
    Registry,
    RegistryError,
    SourceProblem,
    normal_authority,
)

__all__ = [
    "EXPECTED_DEPARTMENTS",
    "FORBIDDEN_PATTERN",
    "PERSONAL_PATTERN",
    "Alias",
    "Column",
    "Department",
    "Derive",
    "Feed",
    "Filter",
    "HeadingRow",
    "Kind",
    "Registry",
    "RegistryError",
    "SourceProblem",
    "authority_code",
    "check",
    "json_schema",
    "load",
    "normal_authority",
    "normal_heading",
    "schema_text",
    "shape_of",
    "uscc_is_valid",
    "write_schema",
]
