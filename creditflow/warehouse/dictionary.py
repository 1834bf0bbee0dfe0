"""The warehouse described from its contracts: a data dictionary, a diagram of what belongs to what, notes on the indicators.

Promises
- Everything is read from the YAML contracts of the dbt project; no database is needed, and the same contracts give the same text.
- `drifted` says which written page no longer agrees with the contracts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import yaml

LAYERS = ("publish", "scores", "lists", "core", "entity")
HEADINGS = {
    "publish": "发布视图 / Published views",
    "scores": "评价 / Scores",
    "lists": "名单 / Lists",
    "core": "记录 / Records",
    "entity": "主体 / Subjects",
}
OWNERS = {"subject_id": "subject", "score_id": "score", "membership_id": "list_membership"}
"""Published view that a key column identifies; every other view with that column belongs to it."""


@dataclass(frozen=True)
class Table:
    """One view or table by its contract. columns: name to (type, description)."""

    layer: str
    name: str
    description: str
    columns: Mapping[str, tuple[str, str]]


def tables(project: Path) -> list[Table]:
    """Every contract of the dbt project, in the order of LAYERS and of names."""
    found: list[Table] = []
    for layer in LAYERS:
        for path in sorted((project / "dbt_project" / "models" / layer).glob("*.yml")):
            for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
                columns = {
                    column["name"]: (column["data_type"], column["description"]) for column in model.get("columns", [])
                }
                found.append(Table(layer, model["name"].removeprefix(f"{layer}_"), model["description"], columns))
    return sorted(found, key=lambda table: (LAYERS.index(table.layer), table.name))


def pages(project: Path) -> dict[str, str]:
    """Text of every generated page by its path below the checkout."""
    known = tables(project)
    return {
        "docs/dictionary.md": dictionary(known),
        "docs/entities.md": diagram(known),
        "docs/entities.svg": drawing(known),
        "docs/indicators.md": indicators(project),
    }


def write(project: Path) -> list[str]:
    """Write the pages anew; returns their paths below the checkout."""
    texts = pages(project)
    for name, text in texts.items():
        (project / name).write_text(text, encoding="utf-8")
    return list(texts)


def drifted(project: Path) -> list[str]:
    """Pages that say something else than the contracts, or are missing."""
    return [
        name
        for name, text in pages(project).items()
        if not (project / name).exists() or (project / name).read_text(encoding="utf-8") != text
    ]


def dictionary(known: list[Table]) -> str:
    """Every table and column, in Markdown."""
    lines = [
        "# 数据字典 / Data dictionary",
        "",
        "由合同生成，请勿手改 / generated from the contracts by `creditflow docs`; a test compares it with them.",
        "Tables of versions hold `known_from_build`, `known_to_build` and `row_hash` besides.",
    ]
    for layer in LAYERS:
        lines += ["", f"## {HEADINGS[layer]}"]
        for table in (item for item in known if item.layer == layer):
            lines += [
                "",
                f"### {layer}.{table.name}",
                "",
                table.description,
                "",
                "| 列 / column | 类型 / type | 含义 / meaning |",
            ]
            lines += ["|---|---|---|"]
            lines += [
                f"| `{name}` | {data_type} | {text.replace('|', '&#124;')} |"
                for name, (data_type, text) in table.columns.items()
            ]
    return "\n".join(lines) + "\n"


def indicators(project: Path) -> str:
    """What each figure of publish.city_indicator means, and which cannot be computed, from the meta of its model."""
    path = project / "dbt_project" / "models" / "publish" / "publish_city_indicator.yml"
    (model,) = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    meta = model["config"]["meta"]
    lines = [
        "# 城市指标 / The city's indicators",
        "",
        "由合同的 meta 生成，请勿手改 / generated from the meta of the contract by `creditflow docs`; a test compares it with the view.",
        "`publish.city_indicator`：每月一行一指标，近十二个月，含分子、分母与值 / one row a month and metric for",
        "the last twelve months of the shown day, with numerator, denominator and value. `value` is empty where nothing counts:",
        "an empty month is never a zero. Figures K01-K16 are those of the source text (domain page 08); R01 and R02 are ours.",
        "Only rows the shown build knows are counted, so `publish.look_at` works here too, except for K01, which counts",
        "deliveries, and the queries in K06.",
        "",
        "## 可计算 / Computed",
        "",
        "| # | metric | 单位 / unit | 分子 / numerator | 分母 / denominator | 口径 / what to know |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {item['indicator']} | `{item['metric']}` | {item['unit']} | {item['numerator']} | {item['denominator']} | {item['note']} |"
        for item in meta["indicators"]
    ]
    lines += ["", "## 未计算 / Not computed, and why", "", "| # | metric | 原因 / why |", "|---|---|---|"]
    lines += [
        f"| {item['indicator']} | {item['metric'] if item['metric'] == '-' else '`' + item['metric'] + '`'} | {item['why']} |"
        for item in meta["not_computed"]
    ]
    return "\n".join(lines) + "\n"


def relations(known: list[Table]) -> list[tuple[str, str, str]]:
    """What belongs to what in publish: (owner, view, key column)."""
    return [
        (owner, table.name, key)
        for key, owner in OWNERS.items()
        for table in known
        if table.layer == "publish" and table.name != owner and key in table.columns
    ]


def _keys(table: Table) -> list[str]:
    """Identities a view holds: its uuid columns."""
    return [name for name, (data_type, _) in table.columns.items() if data_type == "uuid"]


def diagram(known: list[Table]) -> str:
    """The published views and what they belong to, as a Mermaid diagram in Markdown."""
    lines = [
        "# 实体关系 / Entities",
        "",
        "由合同生成，请勿手改 / generated from the contracts by `creditflow docs`. The same as a picture: [entities.svg](entities.svg).",
        "Only identities are drawn; every column stands in the [data dictionary](dictionary.md).",
        "",
        "```mermaid",
        "erDiagram",
    ]
    lines += [f"    {owner} ||--o{{ {name} : {key}" for owner, name, key in relations(known)]
    for table in (item for item in known if item.layer == "publish"):
        keys = _keys(table)
        if keys:
            lines += [f"    {table.name} {{", *(f"        uuid {key}" for key in keys), "    }"]
    return "\n".join([*lines, "```"]) + "\n"


def drawing(known: list[Table]) -> str:
    """The same as an SVG picture: owners on the left, and what belongs to each in columns beside it."""
    width, height, gap, in_row = 230, 44, 14, 4
    boxes: list[str] = []
    lines: list[str] = []
    top = 20
    words = {table.name: re.split("[（：]| / ", table.description)[0] for table in known if table.layer == "publish"}

    def box(name: str, x: int, y: int, fill: str) -> None:
        boxes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="{fill}" stroke="#456"/>'
            f'<text x="{x + 10}" y="{y + 18}" font-weight="bold">{escape(name)}</text>'
            f'<text x="{x + 10}" y="{y + 36}">{escape(words[name][:16])}</text>'
        )

    for key, owner in OWNERS.items():
        members = [name for one, name, column in relations(known) if (one, column) == (owner, key)]
        rows = (len(members) + in_row - 1) // in_row
        box(owner, 20, top, "#dbe8f5")
        lines.append(f'<text x="{width + 32}" y="{top + 16}" fill="#456">{key}</text>')
        rail = width + 100
        bottom = top + (rows - 1) * (height + gap) + height // 2
        lines.append(f'<path d="M{20 + width} {top + 22}H{rail}V{bottom}" fill="none" stroke="#456"/>')
        for index, name in enumerate(members):
            row, column = divmod(index, in_row)
            x, y = rail + 40 + column * (width + gap), top + row * (height + gap)
            if column == 0:
                lines.append(f'<path d="M{rail} {y + 22}H{x}" stroke="#456"/>')
            box(name, x, y, "#f6f6f0")
        top += rows * (height + gap) + 30
    total = width + 140 + in_row * (width + gap) + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {top}" font-family="sans-serif" font-size="13">\n'
        f'<rect width="{total}" height="{top}" fill="#fff"/>\n' + "\n".join(lines + boxes) + "\n</svg>\n"
    )
