"""Runs in the peer's own environment: one CSV into PostgreSQL by dlt's Arrow route; prints seconds and rows as JSON.

load_with_dlt.py FILE URL
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dlt
import pyarrow
import pyarrow.csv


def main(path: str, url: str) -> None:
    """Extract, normalise and load all columns as text, as landing does."""
    with Path(path).open(encoding="utf-8") as stream:
        names = stream.readline().strip().split(",")
    rows = 0

    @dlt.resource(name="permit", write_disposition="append")
    def permits() -> Iterator[pyarrow.RecordBatch]:
        nonlocal rows
        text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string()))
        blocks = pyarrow.csv.ReadOptions(block_size=16 << 20)
        for batch in pyarrow.csv.open_csv(path, read_options=blocks, convert_options=text):
            rows += batch.num_rows
            yield pyarrow.Table.from_batches([batch])

    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=folder, destination=dlt.destinations.postgres(url), dataset_name="dlt_bench"
        )
        pipeline.run(permits(), loader_file_format="csv").raise_on_failed_jobs()
        seconds = time.perf_counter() - begun
    print(json.dumps({"rows": rows, "seconds": seconds, "dlt": dlt.__version__, "pyarrow": pyarrow.__version__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
