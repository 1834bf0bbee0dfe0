"""The only module that imports Great Expectations: validates a table of kept and broken rules, hands back who failed,
and renders recorded results as Data Docs.

Promises
- Every verdict comes from a Great Expectations result object: one expectation per rule, with severity and meta; an
  expectation that is not in the suite yields nothing, whatever the table's column says.
- All failing rows come back, as (batch_id, row_no), and never a value: result format COMPLETE, values excluded.
- Great Expectations counts every rule in one query of its own. The failing rows of all rules are fetched by one more
  (`table.failing_rows`, resolved once per validation and shared): its stock metric would scan once per rule and more.
- An ephemeral context in memory: no project folder, no telemetry, no network but the warehouse.
- A page of Data Docs is Great Expectations' own rendering in a frame of ours: one file, no script, no address of a host.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
from great_expectations.compatibility.sqlalchemy import sqlalchemy as sa
from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.renderer.renderer import renderer
from great_expectations.render.view import DefaultJinjaPageView
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies
from jinja2 import ChoiceLoader, PackageLoader
from sqlalchemy.dialects import postgresql

ROW_KEY = ("batch_id", "row_no")
"""Columns that name a row in every gate table."""

CONDITION = "column_values.rule_kept"
KEPT_COUNT = f"{CONDITION}.unexpected_count"
NOT_NULL_COUNT = "column_values.nonnull.unexpected_count"
FAILING_ROWS = "table.failing_rows"


logging.getLogger("great_expectations").setLevel(logging.WARNING)


class ExpectationProblem(Exception):
    """Great Expectations could not evaluate a rule; the message names the rule and the kind of error, no value."""


@dataclass(frozen=True)
class Outcome:
    """What Great Expectations decided about one rule.

    rows: every failing (batch_id, row_no). evaluated: rows to which the rule applied.
    """

    rule_id: str
    success: bool
    evaluated: int
    rows: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Expected:
    """One rule to validate: the boolean column that shows it and what the result should carry."""

    rule_id: str
    column: str
    severity: str
    meta: Mapping[str, Any]


@dataclass(frozen=True)
class Recorded:
    """What Great Expectations decided about one rule of one delivery, as the gate wrote it down.

    field: heading of the column it blames, or of the delivery as a whole. evaluated: rows to which the rule applied.
    failing: row numbers, ascending, at most as many as should be shown.
    """

    rule_id: str
    severity: str
    field: str
    title: str
    remedy: str
    evaluated: int
    failed: int
    failing: tuple[int, ...]


class RuleKept(ColumnMapMetricProvider):  # type: ignore[misc]
    """Condition metric: the rule's boolean column is true (null means: does not apply)."""

    condition_metric_name = CONDITION

    @column_condition_partial(engine=SqlAlchemyExecutionEngine)  # type: ignore[untyped-decorator]
    def _sqlalchemy(cls, column: Any, **_: Any) -> Any:  # noqa: N805 - Great Expectations passes the class
        return column


class FailingRows(TableMetricProvider):  # type: ignore[misc]
    """Table metric: column name -> keys of the rows in which it is false, for all boolean columns at once."""

    metric_name = FAILING_ROWS

    @metric_value(engine=SqlAlchemyExecutionEngine)  # type: ignore[untyped-decorator]
    def _sqlalchemy(
        cls,  # noqa: N805 - Great Expectations passes the class
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        **_: Any,
    ) -> dict[str, list[dict[str, Any]]]:
        table, _kwargs, _accessor = execution_engine.get_compute_domain(
            metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE
        )
        names = [name for name in metrics["table.columns"] if name not in ROW_KEY]
        failing: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        if not names:
            return failing
        broken = [sa.case((sa.not_(sa.column(name)), sa.literal_column(str(n)))) for n, name in enumerate(names)]
        query = (
            sa.select(*(sa.column(name) for name in ROW_KEY), postgresql.array(broken))
            .select_from(table)
            .where(sa.not_(sa.and_(*(sa.column(name) for name in names))))
        )
        for batch_id, row_no, numbers in execution_engine.execute_query(query):
            key = {"batch_id": batch_id, "row_no": row_no}
            for number in numbers:
                if number is not None:
                    failing[names[number]].append(key)
        return failing

    @classmethod
    def _get_evaluation_dependencies(
        cls, metric: MetricConfiguration, *_: Any, **__: Any
    ) -> dict[str, MetricConfiguration]:
        return {
            "table.columns": MetricConfiguration("table.columns", metric.metric_domain_kwargs, metric_value_kwargs=None)
        }


class ExpectRuleToHold(ColumnMapExpectation):  # type: ignore[misc]
    """Expect a rule's boolean column to be true wherever the rule applies."""

    map_metric: ClassVar[str] = CONDITION

    def get_validation_dependencies(
        self, execution_engine: Any = None, runtime_configuration: Any = None, **_: Any
    ) -> ValidationDependencies:
        """The stock counts, and the shared failing rows in place of two scans per rule.

        Named directly: the stock way to the same metrics rebuilds its configuration some fifty times per rule.
        """
        table = {"batch_id": self.batch_id, "table": None, "row_condition": None, "condition_parser": None}
        column = {**table, "column": self.column}
        domains = {NOT_NULL_COUNT: column, KEPT_COUNT: column, "table.row_count": table, FAILING_ROWS: table}
        return ValidationDependencies(
            {name: MetricConfiguration(name, domain, metric_value_kwargs={}) for name, domain in domains.items()},
            (runtime_configuration or {}).get("result_format") or result_format(0),
        )

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> Any:
        rows = metrics[FAILING_ROWS][self.column]
        return super()._validate(
            {**metrics, f"{CONDITION}.unexpected_index_list": rows}, runtime_configuration, execution_engine
        )

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)  # type: ignore[untyped-decorator]
    def _prescriptive_renderer(
        cls, configuration: Any = None, result: Any = None, **_: Any
    ) -> list[RenderedStringTemplateContent]:
        """The rule in words and, where it was broken, the numbers of the rows."""
        meta = (configuration or result.expectation_config).meta
        lines = ["$rule_id $title", *("$" + name for name in ("remedy", "failing") if meta.get(name))]
        badge = "badge-warning" if meta["severity"] == "flag" else "badge-danger"
        text = {
            "template": "\n".join(lines),
            "params": {name: meta.get(name, "") for name in ("rule_id", "title", "remedy", "failing")},
            "styling": {"params": {"rule_id": {"classes": ["badge", badge] if meta.get("failing") else ["badge"]}}},
        }
        return [RenderedStringTemplateContent(content_block_type="string_template", string_template=text)]


class Validator:
    """Validates the tables of one schema of a warehouse. Cheap to keep, costly to import: one per sweep."""

    def __init__(self, warehouse_url: str, schema: str = "work") -> None:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        _forget_docs_folder(context)
        scheme, _, rest = warehouse_url.partition("://")
        if not scheme.startswith("postgres"):
            raise ExpectationProblem("the warehouse must be PostgreSQL")
        self._source = context.data_sources.add_postgres(
            "warehouse",
            connection_string=f"postgresql+psycopg2://{rest}",
            create_temp_table=False,
            kwargs={
                "connect_args": {"options": f"-csearch_path={schema}", "application_name": "creditflow expectations"}
            },
        )

    def validate(self, table: str, rules: Sequence[Expected], *, rows: int) -> Iterator[Outcome]:
        """Validate one table. rows: how many it holds at most (so that every failing row comes back).

        Raises ExpectationProblem when a rule could not be evaluated: no verdict is better than half of them.
        """
        asset = self._source.add_table_asset(name=table, table_name=table)
        try:
            batch = asset.add_batch_definition_whole_table("all").get_batch()
            suite = gx.ExpectationSuite(name=table, expectations=[self._expectation(rule) for rule in rules])
            found = batch.validate(suite, result_format=result_format(rows))
            for result in found.results:
                yield outcome(result)
        finally:
            self._source.delete_asset(table)

    @staticmethod
    def _expectation(rule: Expected) -> ExpectRuleToHold:
        severity = "warning" if rule.severity == "flag" else "critical"
        return ExpectRuleToHold(column=rule.column, severity=severity, meta={"rule_id": rule.rule_id, **rule.meta})


def _forget_docs_folder(context: Any) -> None:
    """Remove the temporary folder that every ephemeral context makes for pages nobody asked for."""
    for site in (context.variables.data_docs_sites or {}).values():
        folder = site.get("store_backend", {}).get("base_directory")
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    context.variables.data_docs_sites = {}


def result_format(rows: int) -> dict[str, Any]:
    """All failing keys, no value."""
    return {
        "result_format": "COMPLETE",
        "unexpected_index_column_names": list(ROW_KEY),
        "partial_unexpected_count": rows,
        "exclude_unexpected_values": True,
        "include_unexpected_rows": False,
    }


def outcome(result: Any) -> Outcome:
    """One Great Expectations result as an Outcome. Raises ExpectationProblem when it holds an exception."""
    rule_id = str(result.expectation_config.meta["rule_id"])
    body = result.result
    if not body or (body.get("unexpected_count") is None and body.get("element_count")):
        raise ExpectationProblem(f"rule {rule_id} could not be evaluated")
    rows = tuple((str(key["batch_id"]), int(key["row_no"])) for key in body.get("unexpected_index_list") or ())
    if len(rows) != int(body["unexpected_count"] or 0):
        raise ExpectationProblem(f"rule {rule_id}: {body['unexpected_count']} rows counted, {len(rows)} named")
    return Outcome(rule_id, bool(result.success), int(body["element_count"]) - int(body["missing_count"] or 0), rows)


def docs_page(name: str, results: Sequence[Recorded], facts: Sequence[tuple[str, str]], back: str) -> str:
    """Data Docs of one delivery as one HTML page that needs no network. facts: (label, value) of its head.

    back: link to the delivery's own page.
    """
    found = [_validation_result(one) for one in results]
    broken = sum(not one.success for one in found)
    suite = ExpectationSuiteValidationResult(
        success=not broken,
        results=found,
        suite_name=name,
        statistics={
            "evaluated_expectations": len(found),
            "successful_expectations": len(found) - broken,
            "unsuccessful_expectations": broken,
            "success_percent": 100 * (len(found) - broken) / len(found) if found else None,
        },
        meta={},
    )
    document = ValidationResultsPageRenderer().render(suite)
    # its header links to a page of the suite that does not exist here, its last block needs a script to open
    document.sections[0].content_blocks = document.sections[0].content_blocks[1:2]
    view = DefaultJinjaPageView()
    view.env.loader = ChoiceLoader([PackageLoader("creditflow.quality", "data_docs"), view.env.loader])
    return _in_chinese_too(str(view.render(document, name=name, facts=facts, back=back)))


_WORDS = {
    "Overview": "概览",
    "Statistics": "统计",
    "Evaluated Expectations": "检查的规则",
    "Successful Expectations": "通过的规则",
    "Unsuccessful Expectations": "有行未通过的规则",
    "Success Percent": "规则通过比例",
    "Status": "结果",
    "Expectation": "规则",
    "Observed Value": "未通过比例",
}
"""Words of Great Expectations' own pages that stand alone in an element."""

_WORD = re.compile(rf">(\s*)({'|'.join(_WORDS)})(\s*)<")
_FOUND = re.compile(r"([\d,]+) unexpected values found\. (\S+%) of ([\d,]+) total rows\.")
_SHARE = re.compile(r">(\S+%) unexpected<")


def _in_chinese_too(page: str) -> str:
    """The fixed words of the page in Chinese before the English; rule titles and fields have both already."""
    page = _WORD.sub(lambda found: f">{found[1]}{_WORDS[found[2]]} / {found[2]}{found[3]}<", page)
    page = _FOUND.sub(r"\1 行未通过，占 \3 行的 \2 / \g<0>", page)
    return _SHARE.sub(r">\1 未通过 / unexpected<", page)


def _validation_result(one: Recorded) -> ExpectationValidationResult:
    judged = max(one.evaluated, one.failed)
    share = 100 * one.failed / judged if judged else 0.0
    numbers = ", ".join(str(row) for row in one.failing)
    more = one.failed - len(one.failing)
    failing = f"行号 / rows: {numbers}{f' … +{more:,}' if more > 0 else ''}" if one.failing else ""
    return ExpectationValidationResult(
        success=not one.failed,
        expectation_config=ExpectationConfiguration(
            type="expect_rule_to_hold",
            kwargs={"column": one.field},
            meta={
                "rule_id": one.rule_id,
                "severity": one.severity,
                "title": one.title,
                "remedy": one.remedy if one.failed else "",
                "failing": failing,
            },
            severity="warning" if one.severity == "flag" else "critical",
        ),
        result={
            "element_count": judged,
            "missing_count": 0,
            "unexpected_count": one.failed,
            "unexpected_percent": share,
        },
        meta={},
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )
