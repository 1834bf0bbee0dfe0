"""Rules to SQL: one pass over a work table writes one boolean column per rule into a narrow gate table.

Promises
- One scan per batch, whatever the number of rules; each parsed value (date, amount, code state) is computed once per row.
- Rows that a feed's declared filter puts out of scope are not judged at all.
- The only strings in the SQL are literals made by `checks.literal`; identifiers come from the registry and rule ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from creditflow.quality.checks import Row, array, identifier_sql, literal
from creditflow.quality.returns import answer_faults_sql
from creditflow.quality.rulebook import Rule, RuleBook
from creditflow.readers.answers import BATCH_HEADING
from creditflow.registry import Feed, Filter, Kind, Registry

REPEATED_KEY = "work.gate_repeated_key"
REPEATED_NUMBER = "work.gate_repeated_number"
FOREIGN = "work.gate_foreign"
FAILING = "work.gate_failing"
BATCH_FACTS = "work.gate_batch"


CROSS_ROWS = {
    REPEATED_KEY: "batch_id text, record_key uuid",
    REPEATED_NUMBER: "batch_id text, authority text, number text",
    FOREIGN: "batch_id text, row_no integer",
}
"""Tables with what a rule must know of other rows of its delivery, and their columns."""


@dataclass(frozen=True)
class Pass:
    """The SQL of one batch's pass. before: statements that fill the cross-row tables; select: the verdict columns."""

    before: tuple[str, ...]
    select: str


def gate_table(kind: str, place: int) -> str:
    """Name of the gate table of a kind's slice, with its schema: two take turns."""
    return f"work.gate_{kind}_{place % 2}"


def out_of_scope_sql(filters: Sequence[Filter], alias: str) -> str:
    """SQL: the row is out of scope by one of the feed's filters; never null. A row the reader could not make out is not."""
    tests = [filter_sql(item, alias) for item in filters]
    return f"({alias}.defect is null and ({' or '.join(tests)}))" if tests else "false"


def filter_sql(item: Filter, alias: str) -> str:
    """SQL of one filter; never null."""
    column = f"nullif(btrim({alias}.{item.column}), '')"
    values = ", ".join(literal(value) for value in item.values)
    if item.op in ("in", "not_in"):
        inside = f"{column} in ({values})"
    else:
        inside = " or ".join(f"starts_with({column}, {literal(value)})" for value in item.values)
    wanted = inside if item.op in ("in", "prefix") else f"not ({inside})"
    return f"coalesce({wanted}, false)"


def pass_over(
    kind: Kind,
    book: RuleBook,
    union: Sequence[Rule],
    *,
    batch_id: str,
    department: str,
    work: str,
    received: str,
    filters: Sequence[Filter],
    authorities: Mapping[str, bool],
    rows: tuple[int, int] | None = None,
) -> Pass:
    """The pass over one batch. union: the columns of the gate table, in order; a rule that this department does not have
    is null. received: ISO day after which nothing can have been decided. authorities: code -> whether it decides records
    of this kind (`powers`). rows: first and last row_no, for one slice.
    """
    own = {rule.rule_id: rule for rule in book.rules(kind.name, department)}
    row = Row(
        kind,
        batch_id=batch_id,
        received=f"date {literal(received)}",
        lists=book.lists,
        authorities=tuple(sorted(authorities)),
        empowered=tuple(sorted(code for code, has_power in authorities.items() if has_power)),
    )
    columns = []
    for shown in union:
        rule = own.get(shown.rule_id)
        columns.append(f"{rule_sql(rule, row) if rule else 'null::boolean'} as {shown.column}")
    source = "".join(f", {expression} as {name}" for name, expression in row.source.items())
    tests = [f"not {out_of_scope_sql(filters, 'r')}"] if filters else []
    if rows is not None:
        tests.append(f"r.row_no between {rows[0]} and {rows[1]}")
    where = f" where {' and '.join(tests)}" if tests else ""
    register = ""
    if row.needs_register:
        register = f" left join quality.register g on g.uscc = {row.text(kind.counterparty['uscc'])}"
        source = "".join(f", {expression} as {name}" for name, expression in row.source.items())
    select = (
        f"select {literal(batch_id)}::text as batch_id, w.row_no, {', '.join(columns)}"
        f" from (select r.row_no{source} from {work} r{where} offset 0) w{register}"
    )
    return Pass(tuple(_cross_rows(row, batch_id, work, department)), select)


def powers(registry: Registry, kind: str) -> dict[str, bool]:
    """Code of every known authority -> whether it decides records of the kind: whether its department supplies them."""
    suppliers = {
        body.code for body in registry.all().values() if any(feed.kind == kind for feed in body.feeds.values())
    }
    return {code: department in suppliers for code, (department, _) in registry.authority_codes.items()}


def rule_sql(rule: Rule, row: Row) -> str:
    """A rule's boolean: its check where its conditions hold, null elsewhere."""
    check = rule.check.sql(row)
    if not rule.conditions:
        return check
    applies = " and ".join(f"({condition.sql(row)})" for condition in rule.conditions)
    return f"case when {applies} then {check} end"


def cross_row_tables() -> str:
    """SQL: the cross-row tables, made anew and empty."""
    return "; ".join(
        f"drop table if exists {name}; create unlogged table {name} ({columns})" for name, columns in CROSS_ROWS.items()
    )


def _cross_rows(row: Row, batch_id: str, work: str, department: str) -> list[str]:
    statements = []
    batch = literal(batch_id)
    if row.needs_returns:
        # row 0 marks the delivery as a corrected workbook
        statements.append(
            f"insert into {FOREIGN} select {batch}, 0 where exists (select from {work} where extra ? {literal(BATCH_HEADING)})"
            f" union all select {batch}, row_no from ({answer_faults_sql(work, literal(department), literal(row.kind.name))}) f"
        )
    if row.needs_repeats:
        twice = (
            f"select record_key from {work} where op = 'I' and record_key is not null group by 1 having count(*) > 1"
        )
        statements.append(
            f"insert into {REPEATED_KEY} select {batch}, record_key from {work} join ({twice}) k using (record_key)"
            " where op = 'I' group by record_key having count(distinct content_hash) > 1"
        )
    if row.decision:
        authority, number, same = row.decision
        told = ", ".join(
            f"ops.parse_date(r.{name})" if row.types[name] == "date" else f"btrim(r.{name})" for name in same
        )
        pair = f"coalesce(btrim({authority}), '') as authority, btrim({number}) as number"
        twice = f"select {pair} from {work} where {number} is not null and op in ('I', 'U') group by 1, 2 having count(*) > 1"
        statements.append(
            f"insert into {REPEATED_NUMBER} select {batch}, k.authority, k.number from ({twice}) k"
            f" join {work} r on btrim(r.{number}) = k.number and coalesce(btrim(r.{authority}), '') = k.authority"
            f" where r.op in ('I', 'U') group by k.authority, k.number having count(distinct ({told})) > 1"
            " and count(distinct r.record_key) > 1"
        )
    return statements


def batch_facts(
    kind: Kind, book: RuleBook, batches: Mapping[str, str], feeds: Mapping[str, Feed]
) -> tuple[list[Rule], str]:
    """Rules about whole deliveries of a kind, and the SQL that makes their gate table.

    batches: batch_id -> its work table. feeds: batch_id -> the feed it came by.
    """
    rules: dict[str, Rule] = {}
    selects = []
    for feed in feeds.values():
        for rule in book.batch_rules(feed.department, feed.name):
            rules.setdefault(rule.rule_id, rule)
    for batch_id, work in batches.items():
        feed = feeds[batch_id]
        own = {rule.rule_id: rule for rule in book.batch_rules(feed.department, feed.name)}
        row = Row(kind)
        columns = [
            f"{own[rule_id].check.sql(row) if rule_id in own else 'null::boolean'} as {rule.column}"
            for rule_id, rule in rules.items()
        ]
        selects.append(
            f"select b.batch_id, 0 as row_no, {', '.join(columns)} from ("
            f"select b.*, cardinality(b.columns_cut_names) as columns_cut, u.unknown_columns,"
            f" p.rows_read as previous_rows, h.past_deliveries, h.usual_rows,"
            f" {_newest(kind, work) if row.needs_newest else 'null::date'} as newest,"
            f" {_has_news(kind, work) if row.needs_news else 'null::boolean'} as has_news from ("
            f"select batch_id, department, feed, delivery, delivered_at, rows_read, declared_rows, declared_sha256,"
            f" original_sha256, columns_cut as columns_cut_names from ops.batch where batch_id = {literal(batch_id)}) b"
            f" cross join (select count(distinct k) as unknown_columns from {work} r, jsonb_object_keys(r.extra) k"
            f" where r.extra is not null and {unknown_heading(feed.keep)}) u"
            f" left join lateral (select rows_read from ops.batch o where o.department = b.department and o.feed = b.feed"
            f" and o.state in ('accepted', 'partly_accepted', 'landed') and (o.delivered_at, o.batch_id) < (b.delivered_at, b.batch_id)"
            f" order by o.delivered_at desc, o.batch_id desc limit 1) p on true"
            f" cross join lateral (select count(*) as past_deliveries, coalesce(avg(rows_read), 0) as usual_rows from ("
            f"select rows_read from ops.batch o where o.department = b.department and o.feed = b.feed"
            f" and o.state in ('accepted', 'partly_accepted') and (o.delivered_at, o.batch_id) < (b.delivered_at, b.batch_id)"
            f" order by o.delivered_at desc, o.batch_id desc limit 10) t) h) b{_measures(row, work, feed)}"
        )
    return list(rules.values()), " union all ".join(selects)


def _newest(kind: Kind, work: str) -> str:
    """SQL: the newest day on which a record of the delivery was decided; null without a readable one."""
    if kind.decisive_date is None:
        return "null::date"
    days = f"select distinct r.{kind.decisive_date} as day from {work} r"
    return f"(select max(ops.parse_date(d.day)) from ({days}) d)"


def _has_news(kind: Kind, work: str) -> str:
    """SQL: some row of the delivery is no record that came before with the same content."""
    known = (
        f"select from landing.{kind.name} l where l.record_key = r.record_key and l.content_hash = r.content_hash"
        " and l.batch_id <> b.batch_id and l.op in ('I', 'U')"
    )
    return f"exists (select from {work} r where r.op not in ('I', 'U') or not exists ({known}))"


def _measures(row: Row, work: str, feed: Feed) -> str:
    """SQL: join of the figures of the whole delivery that its rules ask for; one scan, out-of-scope rows left out."""
    if not row.measures:
        return ""
    inner = ", ".join(["r.row_no", *(f"{expression} as {name}" for name, expression in row.source.items())])
    figures = ", ".join(f"{aggregate} as {name}" for name, aggregate in row.measures.items())
    scope = f" where not {out_of_scope_sql(feed.out_of_scope, 'r')}" if feed.out_of_scope else ""
    return f" cross join (select {figures} from (select {inner} from {work} r{scope} offset 0) w) m"


def measured_sql(kind: Kind, rule: Rule, work: str, feed: Feed) -> str:
    """SQL of one line: what a rule's check measures in a delivery, as JSON; an empty object when it measures nothing."""
    row = Row(kind)
    rule.check.sql(row)
    return f"select coalesce(to_jsonb(m), '{{}}') from (select 1) b{_measures(row, work, feed) or ' cross join (select) m'}"


def unknown_heading(kept: frozenset[str]) -> str:
    """SQL: key `k` of a row's `extra` is a heading nobody agreed on (marks of landing begin with @)."""
    return f"(not starts_with(k, '@') and k <> all({array(sorted(kept))}))"


def masked_payload(kind: Kind, alias: str) -> str:
    """SQL: the row as JSON without personal numbers, hashes and ciphertexts, natural persons' names masked."""
    pairs = []
    person = natural_person_sql(kind, alias)
    name_column = kind.counterparty.get("name")
    for column in kind.columns:
        value = f"{alias}.{column.name}"
        if column.type == "person_id":
            shown = f"case when {value}_check is not null then '******' end"
        elif column.type in ("uscc", "org_code", "reg_no", "tax_no"):
            shown = f"case when ops.resident_id_check({value}) in ('ok', 'converted_15') then ops.mask_text({value}) else {value} end"
        elif column.name == name_column:
            shown = f"case when {person} then ops.mask_name({value}) else ops.mask_text({value}) end"
        elif column.person_name:
            shown = f"ops.mask_name({value})"
        elif column.type in ("text", "document_no"):
            named = f"{alias}.{name_column}" if name_column else "null"
            shown = (
                f"ops.mask_text(case when {person} and char_length({named}) > 1"
                f" then replace({value}, {named}, ops.mask_name({named})) else {value} end)"
            )
        else:
            shown = f"ops.mask_text({value})"
        pairs.append(f"{literal(column.name)}, {shown}")
    pairs.append(f"'extra', ops.mask_text({alias}.extra::text)::jsonb")
    return f"jsonb_strip_nulls(jsonb_build_object({', '.join(pairs)}))"


def natural_person_sql(kind: Kind, alias: str) -> str:
    """SQL: the row's subject may be a natural person (said so, or not said and nothing shows an organisation); never null."""
    type_column = kind.counterparty.get("type")
    codes = [
        f"coalesce({identifier_sql(role, f'{alias}.{kind.counterparty[role]}')}, false)"
        for role in ("uscc", "org_code", "reg_no")
        if role in kind.counterparty
    ]
    unknown = f"not ({' or '.join(codes)})" if codes else "true"
    if type_column is None:
        return f"({unknown})"
    said = f"nullif(btrim({alias}.{type_column}), '')"
    return f"(case when {said} in ('法人及非法人组织', '个体工商户') then false when {said} = '自然人' then true else {unknown} end)"
