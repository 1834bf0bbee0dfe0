"""Growth curves from results.json: docs/growth.svg and docs/night.svg.

Promises
- Every point is a measurement that results.json holds, the newest for its number of rows; the files depend on them alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

DOCS = Path(__file__).resolve().parent.parent / "docs"
STEPS = ("land", "gate", "build", "publish")


def points(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest measurement for each number of rows, smallest first."""
    newest: dict[int, dict[str, Any]] = {}
    for run in history:
        for line in ("GROWTH", "P5"):
            for point in run["lines"].get(line, {}).get("points", ()):
                newest[point["rows"]] = point
    return [newest[rows] for rows in sorted(newest)]


def draw(history: list[dict[str, Any]]) -> None:
    """Draw both; the same points give the same bytes."""
    found = points(history)
    rows = [point["rows"] for point in found]
    with mpl.rc_context({"svg.hashsalt": "creditflow", "svg.fonttype": "none", "font.size": 9}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
        for step in STEPS:
            left.plot(rows, [point["backfill"]["steps"][step] for point in found], marker="o", label=step)
        limited = [point for point in found if "limit" in point]
        left.plot(
            [point["rows"] for point in limited],
            [sum(point["limit"].values()) for point in limited],
            marker="x",
            linestyle=":",
            color="black",
            label="the limit, all steps",
        )
        left.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds", title="backfill")
        for name in found[0]["questions"]:
            asked = [point["questions"][name] for point in found]
            right.plot(rows, [item["p95_ms"] for item in asked], marker="o", label=asked[0]["what"])
        right.set(xscale="log", yscale="log", xlabel="rows", ylabel="milliseconds, p95", title="questions")
        right.set(ylim=(0.01, None))  # room for the legend
        for axes in (left, right):
            axes.grid(alpha=0.3)
            axes.legend()
        _save(figure, "growth.svg")
        figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
        for step in ("gate", "build", "publish"):
            axes.plot(rows, [point["night"]["steps"][step] for point in found], marker="o", label=step)
        axes.set(
            xscale="log",
            ylim=(0, None),
            xlabel="rows it stands on",
            ylabel="seconds",
            title="a night of 10,000 changes",
        )
        axes.grid(alpha=0.3)
        axes.legend()
        _save(figure, "night.svg")


def _save(figure: Any, name: str) -> None:
    figure.savefig(DOCS / name, metadata={"Date": None})
    plt.close(figure)
