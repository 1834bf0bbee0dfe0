"""`creditflow sources` shows the registry as tables and as one JSON object."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from creditflow.registry import Registry, SourceProblem
from creditflow.registry.show import (
    check_json,
    department_json,
    list_json,
    list_table,
    print_department,
    print_feed,
    problems_table,
)


def _console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=240, color_system=None), out


def test_the_list_has_a_line_for_everybody(registry: Registry) -> None:
    console, out = _console()
    console.print(list_table(registry))
    text = out.getvalue()
    assert "43 + 10" in text
    assert all(card.name_zh in text for card in registry.all().values())
    listed = json.loads(list_json(registry))
    assert [card["code"] for card in listed["departments"]] == list(registry.all())
    assert listed["problems"] == []


def test_a_card_and_a_feed_can_be_read(registry: Registry) -> None:
    console, out = _console()
    print_department(console, registry, "jrj")
    print_feed(console, registry, "jrj", "penalty")
    print_feed(console, registry, "swj", "arrears")
    text = out.getvalue()
    for words in ("市金融工作局", "rating_scheme=finance", "CF_FDDB", "纳税人识别号 (by shape)", "0754-8800-0025"):
        assert words in text
    shown = json.loads(department_json(registry, "hgj"))
    permit = next(feed for feed in shown["feeds"] if feed["name"] == "permit")
    assert permit["out_of_scope"] == ["HGJ-OTHER-CITY"]
    assert "XK_XDR_MC" in permit["columns"]["counterparty_name"]


def test_who_does_not_exist_is_told_with_who_does(registry: Registry) -> None:
    with pytest.raises(KeyError, match="known: cgj, czj"):
        registry.feed("nobody", "permit")
    with pytest.raises(KeyError, match="known: penalty, inspection, zero_declaration"):
        registry.feed("sjj", "permit")


def test_problems_are_told_by_line() -> None:
    problems = [SourceProblem("sources/fgj.yml", 7, "channel: wrong")]
    console, out = _console()
    console.print(problems_table(problems))
    assert "sources/fgj.yml:7" in out.getvalue()
    assert json.loads(check_json(problems)) == {
        "ok": False,
        "problems": [{"file": "sources/fgj.yml", "line": 7, "message": "channel: wrong"}],
    }
    assert json.loads(check_json([]))["ok"]
