"""How the dbt project is made: the rules of a project evaluator, and of one set of models for PostgreSQL and Citus.

Read from the manifest of the city's builds. An exception is named here with its reason, or there is none.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

import pytest

from creditflow.report import scores, subject_queries
from creditflow.report.queries import Query
from tests.dbt.conftest import PROJECT, Story

Node = dict[str, Any]
LAYERS = {
    "staging": {"staging", "core", "entity", "lists", "scores"},
    "entity": {"staging", "entity"},
    "core": {"staging", "entity", "core"},
    "lists": {"staging", "entity", "core", "lists"},
    "scores": {"staging", "entity", "core", "lists", "scores"},
    "publish": {"entity", "core", "lists", "scores", "publish"},
    "open_data": {"publish"},
}
"""Which layers a layer may read. staging reads what earlier builds knew, to find what this build must compute anew."""
READ_BY_PEOPLE = {"publish", "open_data"}
"""Layers whose models need no reader among the models."""
UPHILL = {
    "entity_relation": "who represents whom is told by registrations",
    "entity_subject": "the chosen description comes from registrations",
}
"""Models that read a later layer, and why."""
SHARED = {
    "entity_subject": "who it is, beside every list, score and report",
    "entity_subject_alias": "every record finds its subject through it",
    "staging_record_subject": "one matching for all kinds of record",
    "staging_snapshot": "one rule of snapshots for all kinds",
    "lists_list_membership": "who is on which list, beside scores, measures and figures of the city",
    "staging_snapshot_record": "one rule of snapshots for all kinds",
    "core_effect": "one rule of repairs, withdrawals and objections for all kinds",
}
"""Models that more than FANOUT others read, and why."""
FANOUT = 8
LEAVES = {
    "entity_match_review": "the credit office's work list",
    "lists_list_event": "the ledger of lists, for the auditor",
}
"""Models outside publish that no other model reads, and who does."""
FORBIDDEN = {
    "MERGE": r"\bmerge\s+into\b",
    "writable CTE": r"\breturning\b",
    "GROUPING SETS, ROLLUP, CUBE": r"\bgrouping\s+sets\b|\brollup\s*\(|\bcube\s*\(",
    "recursive CTE": r"\bwith\s+recursive\b",
    "row lock over shards": r"\bfor\s+update\b",
    "trigger": r"\bcreate\s+(or\s+replace\s+)?(constraint\s+)?trigger\b",
}
HARD_CODED = re.compile(r"\b(?:from|join)\s+(?:landing|staging|core|entity|lists|scores|publish|ops|quality)\.\w+")
TABLE_FUNCTION = re.compile(r"\b(?:publish|quality)\.\w+\s*\(")


@pytest.fixture(scope="module")
def models(story: Story) -> dict[str, Node]:
    """Models by name."""
    manifest = json.loads((story.settings.home / "dbt" / "target" / "manifest.json").read_text(encoding="utf-8"))
    return {n["name"]: n for n in manifest["nodes"].values() if n["resource_type"] == "model"} | {"": manifest}


def layer(node: Node) -> str:
    return str(node["fqn"][1])


def all_of(models: dict[str, Node], *layers: str) -> list[Node]:
    return [node for name, node in models.items() if name and (not layers or layer(node) in layers)]


def parents(models: dict[str, Node], node: Node) -> list[Node]:
    names = [unique.rsplit(".", 1)[-1] for unique in node["depends_on"]["nodes"] if unique.startswith("model.")]
    return [models[name] for name in names]


def statements(text: str) -> str:
    """SQL without its comments."""
    return re.sub(r"--[^\n]*|\{#.*?#\}", "", text, flags=re.DOTALL)


def test_layers_read_downhill(models: dict[str, Node]) -> None:
    uphill = {
        node["name"]
        for node in all_of(models)
        for parent in parents(models, node)
        if layer(parent) not in LAYERS[layer(node)]
    }
    assert uphill - set(UPHILL) == set()
    assert set(UPHILL) - uphill == set(), "an exception nobody needs any more"


def test_delivered_rows_are_read_in_staging_only(models: dict[str, Node]) -> None:
    reading = {
        node["name"]
        for node in all_of(models)
        if layer(node) != "staging"
        and any(unique.startswith("source.creditflow.landing.") for unique in node["depends_on"]["nodes"])
    }
    assert reading == set()


def test_relations_are_named_by_ref_and_source(models: dict[str, Node]) -> None:
    assert {n["name"] for n in all_of(models) if HARD_CODED.search(statements(n["raw_code"]))} == set()


def test_models_are_called_after_their_layer_and_briefly(models: dict[str, Node]) -> None:
    for node in all_of(models):
        assert node["name"].startswith(f"{layer(node)}_"), node["name"]
        assert node["schema"] == layer(node), node["name"]
        assert len(node["name"]) <= 40, f"{node['name']}: a longer name can lock itself when it is distributed"


def test_every_version_key_is_tested_and_holds_its_columns(models: dict[str, Node]) -> None:
    tested: dict[str, list[list[str]]] = defaultdict(list)
    for test in models[""]["nodes"].values():
        if (test.get("test_metadata") or {}).get("name") == "one_open_version":
            tested[test["attached_node"].rsplit(".", 1)[-1]].append(test["test_metadata"]["kwargs"]["key"])
    for node in all_of(models):
        if node["config"]["materialized"] == "versioned":
            key = node["config"]["meta"]["key"]
            # one identifier may be claimed by two subjects: then each claim is one row
            assert key in tested[node["name"]] or ["subject_id", *key] in tested[node["name"]], node["name"]
            for column in key:
                constraints = {constraint["type"] for constraint in node["columns"][column]["constraints"]}
                assert "not_null" in constraints, f"{node['name']}.{column}"


def test_everything_lasting_has_a_contract_and_words(models: dict[str, Node]) -> None:
    for node in all_of(models, "entity", "core", "lists", "scores", "publish"):
        assert node["contract"]["enforced"], node["name"]
        assert re.search("[一-龥].* / .*[a-z]", node["description"]), node["name"]
        for column in node["columns"].values():
            assert column["data_type"], f"{node['name']}.{column['name']}"
            assert re.search("[一-龥].* / .*[a-z]", column["description"]), f"{node['name']}.{column['name']}"
    for seed in (node for node in models[""]["nodes"].values() if node["resource_type"] == "seed"):
        assert seed["description"].startswith("rule table: "), seed["name"]


def test_what_many_read_is_named_and_nothing_is_built_for_nobody(models: dict[str, Node]) -> None:
    readers: dict[str, set[str]] = defaultdict(set)
    for node in all_of(models):
        for parent in parents(models, node):
            readers[parent["name"]].add(node["name"])
    assert {name for name, by in readers.items() if len(by) > FANOUT} - set(SHARED) == set()
    unread = {
        node["name"] for node in all_of(models) if layer(node) not in READ_BY_PEOPLE and not readers[node["name"]]
    }
    assert unread == set(LEAVES)


def test_every_report_is_an_exposure_of_what_it_reads(models: dict[str, Node]) -> None:
    exposures = {item["name"]: item for item in models[""]["exposures"].values()}
    assert set(exposures) >= {
        "credit_report", "digest", "last_night", "metrics", "questions", "quality_site", "return_workbooks", "score_report",
    }  # fmt: skip
    for item in exposures.values():
        assert re.search("[一-龥].* / .*[a-z]", item["description"]), item["name"]
        assert item["depends_on"]["nodes"], item["name"]


@pytest.mark.parametrize(
    ("name", "queries"),
    [
        ("credit_report", [subject_queries.SUBJECT, subject_queries.STATEMENTS, subject_queries.LINES]),
        ("score_report", list(scores.QUERIES)),
    ],
)
def test_an_exposure_names_what_the_queries_of_its_report_read(
    models: dict[str, Node], name: str, queries: list[Query]
) -> None:
    nodes = models[""]["exposures"][f"exposure.creditflow.{name}"]["depends_on"]["nodes"]
    named = {unique.rsplit(".", 1)[-1].replace("publish_", "publish.", 1) for unique in nodes}
    read = {relation.removeprefix("ops.") for query in queries for relation in query.relations}
    assert read <= named


def test_models_use_what_both_engines_understand(models: dict[str, Node]) -> None:
    found = {
        (node["name"], what)
        for node in all_of(models)
        for what, pattern in FORBIDDEN.items()
        if re.search(pattern, statements(node["raw_code"]), re.IGNORECASE)
    }
    assert found == set()


def test_no_view_calls_a_function_that_reads_a_table(models: dict[str, Node]) -> None:
    text = {
        node["name"]: statements(node.get("compiled_code") or node["raw_code"]) for node in all_of(models, "publish")
    }
    assert {name for name, code in text.items() if TABLE_FUNCTION.search(code)} == set()


def test_nothing_of_ours_needs_a_trigger_or_merge() -> None:
    texts = [*PROJECT.glob("creditflow/ops/migrations/*.sql"), *PROJECT.glob("dbt_project/macros/**/*.sql")]
    for what in ("MERGE", "trigger"):
        pattern = re.compile(FORBIDDEN[what], re.IGNORECASE)
        assert [path.name for path in texts if pattern.search(statements(path.read_text(encoding="utf-8")))] == []


def test_every_lasting_or_working_table_has_the_column_it_is_spread_by(models: dict[str, Node], story: Story) -> None:
    columns: dict[str, set[str]] = defaultdict(set)
    for table, column in story.landed.execute(
        "select table_schema || '.' || table_name, column_name from information_schema.columns"
        " where table_schema in ('staging', 'entity', 'core', 'lists', 'scores')"
    ):
        columns[table].add(column)
    for node in all_of(models):
        key = node["config"]["meta"].get("distributed_by", "subject_id")
        if node["config"]["materialized"] in {"versioned", "transient"} and key:
            assert key in columns[f"{node['schema']}.{node['alias']}"], f"{node['name']} is spread by {key}"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("MERGE", "merge into core.penalty using x on true"),
        ("writable CTE", "with gone as (delete from t returning id) select 1"),
        ("recursive CTE", "with recursive a as (select 1) select * from a"),
        ("trigger", "create trigger t before insert on core.penalty"),
    ],
)
def test_the_rules_know_what_they_forbid(rule: str, text: str) -> None:
    assert re.search(FORBIDDEN[rule], text, re.IGNORECASE)
    assert HARD_CODED.search("select 1 from core.penalty as p")
    assert not HARD_CODED.search("select 1 from {{ ref('core_penalty') }} as p")
