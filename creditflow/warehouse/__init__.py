"""The warehouse: build with dbt, publish by moving one pointer, look back, roll back.

Promises
- `build` starts by undoing every row of builds above the pointer; their numbers are never used again.
- A build reads only the batches it froze in ops.build_batch, and one business date: never the clock.
- Readers see a build when the pointer moves, in one transaction, and only a build whose tests passed.
- What was repaired, withdrawn or deleted leaves `publish` at once, whatever becomes of the build that learnt it.
- Only `creditflow.warehouse.dbt` starts dbt.
"""

from __future__ import annotations

from creditflow.warehouse.building import (
    BuildBusy,
    BuildFailed,
    BuildSummary,
    Frozen,
    build,
    publish,
    rollback,
)
from creditflow.warehouse.dbt import code_hash
from creditflow.warehouse.history import (
    Explained,
    TableChange,
    UnknownBuild,
    diff,
    digest,
    explain,
    publish_counts,
    publish_views,
)

__all__ = [
    "BuildBusy",
    "BuildFailed",
    "BuildSummary",
    "Explained",
    "Frozen",
    "TableChange",
    "UnknownBuild",
    "build",
    "code_hash",
    "diff",
    "digest",
    "explain",
    "publish",
    "publish_counts",
    "publish_views",
    "rollback",
]
