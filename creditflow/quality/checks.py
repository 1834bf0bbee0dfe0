"""The kinds of check a rule can be made of: each gives one SQL expression over a row.

Promises
- An expression is true when the row keeps the rule, false when it breaks it, null when the rule does not apply
  (a blank optional value, a condition that is not met). It never raises for any text a department may send.
- Parameters are validated when the rule book loads: unknown parameter, unknown column or unknown list is refused.
- A parsed value (date, amount, identifier state) is computed once per row however many rules ask for it.
- Adding a rule is YAML; adding a way of checking is one class here and its name in `CHECKS`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from creditflow.readers.answers import DISPUTED

BLANKS = " \t\r\n\v\f\u3000\u00a0\u200b\ufeff"
"""Characters that do not make a value: spaces of all widths, line ends, byte-order marks (page 01, R01)."""

FILLERS = (
    "空",
    "无",
    "null",
    "none",
    "nan",
    "n/a",
    "test",
    "测试",
    "/",
    "\\",
    "-",
    "--",
    "—",
    "*",
    "**",
    "***",
    "?",
    "？",
)
"""Words that stand where nothing was entered (page 01, R02), compared in lower case."""

PLACEHOLDER_USCC = "00000000000000000X"


class ColumnLike(Protocol):
    """What a check needs to know of a canonical column."""

    @property
    def name(self) -> str: ...
    @property
    def zh(self) -> str: ...
    @property
    def type(self) -> str: ...


class KindLike(Protocol):
    """What a check needs to know of a record kind."""

    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> tuple[Any, ...]: ...
    @property
    def counterparty(self) -> Mapping[str, str]: ...


def literal(text: str) -> str:
    """A SQL string literal that means exactly `text`."""
    quoted = "'" + text.replace("'", "''") + "'"
    if "\\" in text:
        quoted = "E" + quoted.replace("\\", "\\\\")
    return quoted


def array(values: Iterable[str]) -> str:
    """A SQL text array literal."""
    return f"array[{', '.join(literal(value) for value in values)}]::text[]"


class Row:
    """SQL names of one row of a work table, and the parsed values that the rules of one pass share.

    source: SQL of the inner row (`select <source> from <work table> r`), grown as checks ask for parsed values.
    batch_id: the delivery, whose facts across rows are looked up. received: SQL date literal; nothing can have been decided
    after it.
    lists: values of each code list. authorities: codes of the authorities the registry knows; empowered: of these, the
    ones whose department supplies this kind.
    measures: aggregates over the rows of a delivery (`select <measures> from (<inner rows>) w`), for batch checks.
    """

    def __init__(
        self,
        kind: KindLike,
        *,
        batch_id: str = "",
        received: str = "null::date",
        lists: Mapping[str, tuple[str, ...]] | None = None,
        authorities: tuple[str, ...] = (),
        empowered: tuple[str, ...] = (),
    ) -> None:
        self.kind = kind
        self.of_batch = f"batch_id = {literal(batch_id)}"
        self.types = {column.name: column.type for column in kind.columns}
        self.received = received
        self.lists = lists or {}
        self.authorities = authorities
        self.empowered = empowered
        self.measures: dict[str, str] = {}
        self.source: dict[str, str] = {}
        self.needs_register = False
        self.needs_repeats = False
        self.needs_returns = False
        self.needs_newest = False
        self.needs_news = False
        self.decision: tuple[str, str, tuple[str, ...]] | None = None

    def own(self, name: str, expression: str) -> str:
        """A value computed once per row under a name of its own."""
        self.source.setdefault(name, expression)
        return f"w.{name}"

    def measured(self, name: str, aggregate: str) -> str:
        """A figure of the whole delivery, computed once under a name of its own."""
        self.measures.setdefault(name, aggregate)
        return f"m.{name}"

    def says(self) -> str:
        """Whether the row tells of a record: readable, and no deletion or withdrawal (those may leave cells blank)."""
        return self.own("says", "r.defect is null and r.op in ('I', 'U')")

    def raw(self, column: str) -> str:
        """The text as it landed."""
        return self.own(column, f"r.{column}")

    def text(self, column: str) -> str:
        """The text without blanks around it; null when nothing is left."""
        return self.own(f"t_{column}", f"nullif(btrim(r.{column}, {literal(BLANKS)}), '')")

    def filled(self, column: str) -> str:
        """Whether the department entered something."""
        if self.types[column] == "person_id":
            return f"({self.person_state(column)} is not null)"
        return f"({self.text(column)} is not null)"

    def date(self, column: str) -> str:
        """The date it stands for; null when blank or unreadable. The open end of page 01 (R09) is by far the commonest."""
        parsed = f"case when r.{column} in ('2099/12/31', '2099-12-31') then date '2099-12-31' else ops.parse_date(r.{column}) end"
        return self.own(f"d_{column}", parsed)

    def clock(self, column: str) -> str:
        """The time of day of a datetime column; null when it has none."""
        found = f"substring(r.{column} from '(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?')::time"
        return self.own(f"c_{column}", found)

    def number(self, column: str) -> str:
        """The number it stands for; null when blank or unreadable."""
        return self.own(f"n_{column}", f"ops.parse_decimal(r.{column})")

    def uscc_state(self, column: str) -> str:
        """ok, placeholder, or what is wrong with a unified social credit code; null when blank.

        Codes of authorities repeat in every row: the known ones are looked up, only others are computed.
        """
        state = f"ops.uscc_check(nullif(btrim(r.{column}, {literal(BLANKS)}), ''))"
        if self.authorities and column not in self.kind.counterparty.values():
            state = f"case when r.{column} = any({array(self.authorities)}) then 'ok' else {state} end"
        return self.own(f"u_{column}", state)

    def person_state(self, column: str) -> str:
        """What landing found out about a personal number before it was hashed; null when blank or masked."""
        return self.own(f"p_{column}", f"case when r.{column}_hash is not null then r.{column}_check end")

    def identifier_ok(self, role: str, column: str) -> str:
        """Whether an identifier of the counterparty was entered and validates. Never null."""
        if role == "person_id_no":
            return f"coalesce({self.person_state(column)} in ('ok', 'converted_15', 'other_document'), false)"
        return self.own(f"ok_{column}", f"coalesce({identifier_sql(role, f'r.{column}')}, false)")

    def identifiers(self) -> dict[str, str]:
        """Role -> column of the kind's counterparty identifiers."""
        roles = ("uscc", "org_code", "reg_no", "tax_no", "person_id_no")
        return {role: self.kind.counterparty[role] for role in roles if role in self.kind.counterparty}

    def identified(self, *, without: str | None = None) -> str:
        """Whether some identifier of the counterparty (other than `without`) validates. Never null."""
        parts = [self.identifier_ok(r, c) for r, c in self.identifiers().items() if c != without]
        return f"({' or '.join(parts)})" if parts else "false"


def identifier_sql(role: str, column: str) -> str:
    """SQL: does the identifier in `column` validate; null when blank."""
    value = f"nullif(btrim({column}, {literal(BLANKS)}), '')"
    return {
        "uscc": f"ops.uscc_check({value}) = 'ok'",
        "org_code": f"ops.org_code_ok({value})",
        "reg_no": f"(char_length({value}) = 15 and ops.reg_no_ok({value}))",
        "tax_no": (
            f"case char_length({value}) when 18 then ops.uscc_check({value}) = 'ok'"
            f" when 15 then ops.org_code_ok(substr({value}, 7)) when 20 then {value} ~ '^[0-9A-Z]+$' else false end"
        ),
    }[role]


class Condition(BaseModel):
    """When a rule applies: every given test must be true of the column, otherwise the rule is silent."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    column: str
    one_of: tuple[str, ...] | None = Field(None, alias="in")
    none_of: tuple[str, ...] | None = Field(None, alias="not_in")
    holds_any: tuple[str, ...] | None = None
    filled: bool | None = None
    placeholder: bool | None = None

    def columns(self) -> tuple[str, ...]:
        """Columns the condition looks at."""
        return (self.column,)

    def sql(self, row: Row) -> str:
        """SQL that is true when the rule applies, false otherwise; never null."""
        tests: list[str] = []
        if self.one_of is not None:
            tests.append(f"coalesce({row.text(self.column)} = any({array(self.one_of)}), false)")
        if self.none_of is not None:
            tests.append(f"coalesce({row.text(self.column)} <> all({array(self.none_of)}), true)")
        if self.holds_any is not None:
            found = " or ".join(f"strpos({row.text(self.column)}, {literal(word)}) > 0" for word in self.holds_any)
            tests.append(f"coalesce({found}, false)")
        if self.filled is not None:
            tests.append(row.filled(self.column) if self.filled else f"(not {row.filled(self.column)})")
        if self.placeholder is not None:
            same = f"coalesce({row.text(self.column)} = {literal(PLACEHOLDER_USCC)}, false)"
            tests.append(same if self.placeholder else f"(not {same})")
        return " and ".join(f"({test})" for test in tests) or "true"


class Check(BaseModel):
    """One way of checking a row. Subclasses hold validated parameters and give the SQL."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    types: ClassVar[tuple[str, ...]] = ()
    """Column types it understands; empty: any but personal numbers."""

    def columns(self) -> tuple[str, ...]:
        """Columns it reads, the blamed one first."""
        return ()

    def lists(self) -> tuple[str, ...]:
        """Code lists it needs."""
        return ()

    @abstractmethod
    def sql(self, row: Row) -> str:
        """The boolean expression."""


class ColumnCheck(Check):
    """A check of one column."""

    column: str

    def columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)


def when_filled(row: Row, column: str, expression: str) -> str:
    """The expression where the column is filled, null elsewhere."""
    return f"case when {row.filled(column)} then coalesce({expression}, false) end"


class Required(ColumnCheck):
    """Something is entered (R01)."""

    types = ("*",)

    def sql(self, row: Row) -> str:
        """Never null."""
        return row.filled(self.column)


class Empty(ColumnCheck):
    """Nothing is entered."""

    types = ("*",)

    def sql(self, row: Row) -> str:
        """Never null."""
        return f"(not {row.filled(self.column)})"


class MaxLength(ColumnCheck):
    """At most `length` characters."""

    length: int = Field(gt=0)

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return f"char_length({row.raw(self.column)}) <= {self.length}"


class CleanText(ColumnCheck):
    """A name or document field: no filler word, no `*` or `/`, no null or test, wider than one Chinese character (R02)."""

    pattern: ClassVar[str] = r"[*/＊／]|^[空无]$|(^|[^a-z])(null|test)([^a-z]|$)"

    def sql(self, row: Row) -> str:
        """Null when blank. Display width counts a Chinese character as two."""
        text = row.text(self.column)
        width = f"(octet_length({text}) + char_length({text})) / 2 >= 3"
        return f"({text} !~* {literal(self.pattern)} and {width})"


class NotFiller(ColumnCheck):
    """Not one of the words that stand where nothing was entered (空, 无, /, null, ...)."""

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return f"(lower({row.text(self.column)}) <> all({array(FILLERS)}))"


class CodeList(ColumnCheck):
    """One value of a code list, or several; `detail` allows 其他-<what>, `named` demands the what."""

    list: str
    multiple: bool = False
    detail: bool = False
    also: tuple[str, ...] = ()

    separators: ClassVar[str] = r"\s*[;；,，、|]\s*"

    def lists(self) -> tuple[str, ...]:
        """The list."""
        return (self.list,)

    def sql(self, row: Row) -> str:
        """Null when blank."""
        text = row.text(self.column)
        values = tuple(v for v in row.lists[self.list] if not v.startswith("其他-")) + self.also
        known = f"{text} = any({array(values)})"
        if self.multiple:
            parts = f"regexp_split_to_array({text}, {literal(self.separators)})"
            known = f"{known} or ({text} ~ '[;；,，、|]' and {parts} <@ {array(values)})"
        if self.detail:
            known = f"{known} or starts_with({text}, '其他') and char_length({text}) > 3"
        return f"({known})"


class OtherNamed(ColumnCheck):
    """其他 says what it is: 其他-<kind>, 其他(<kind>)."""

    def sql(self, row: Row) -> str:
        """Null unless the value begins with 其他."""
        text = row.text(self.column)
        return f"case when starts_with({text}, '其他') then char_length({text}) > 3 end"


class ReadableDate(ColumnCheck):
    """A date in one of the accepted forms (R06)."""

    types = ("date", "datetime", "text", "code")

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return when_filled(row, self.column, f"{row.date(self.column)} is not null")


class ReadableTime(ColumnCheck):
    """A date, with or without a time of day."""

    types = ("datetime",)
    pattern: ClassVar[str] = (
        r"^\d{4}[-/.]?\d{1,2}[-/.]?\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
    )

    def sql(self, row: Row) -> str:
        """Null when blank."""
        text = row.text(self.column)
        day = f"({row.date(self.column)} is not null or ops.parse_date(regexp_replace({text}, '[ T].*$', '')) is not null)"
        return when_filled(row, self.column, f"{text} ~ {literal(self.pattern)} and {day}")


class DateRange(ColumnCheck):
    """Not before `earliest`, and not after the day of receipt (R07)."""

    types = ("date", "datetime", "text")
    earliest: str = Field("1949-10-01", pattern=r"^\d{4}-\d{2}-\d{2}$")
    not_future: bool = True

    def sql(self, row: Row) -> str:
        """Null when blank or unreadable."""
        day = row.date(self.column)
        late = f" and {day} <= coalesce({row.received}, 'infinity')" if self.not_future else ""
        return f"({day} >= date '{self.earliest}'{late})"


class DateOrder(Check):
    """`first` is not after `second` (R08)."""

    first: str
    second: str

    def columns(self) -> tuple[str, ...]:
        """The later date is blamed."""
        return (self.second, self.first)

    def sql(self, row: Row) -> str:
        """Null when one of the two is blank or unreadable. Times of day count where both have one."""
        first, second = row.date(self.first), row.date(self.second)
        if {row.types[self.first], row.types[self.second]} != {"datetime"}:
            return f"({first} <= {second})"
        clock, later = row.clock(self.first), row.clock(self.second)
        return f"({first} < {second} or {first} = {second} and coalesce({clock} <= {later}, true))"


class Amount(ColumnCheck):
    """A number, not below `least` (R10)."""

    types = ("decimal", "integer", "text")
    least: float | None = 0

    def sql(self, row: Row) -> str:
        """Null when blank."""
        number = row.number(self.column)
        floor = "" if self.least is None else f" and {number} >= {self.least}"
        return when_filled(row, self.column, f"{number} is not null{floor}")


class Decimals(ColumnCheck):
    """A number with at most `decimals` decimals (R10)."""

    types = ("decimal", "integer", "text")
    decimals: int = Field(6, ge=0)

    def sql(self, row: Row) -> str:
        """Null when blank or no number."""
        return f"({row.number(self.column)} = round({row.number(self.column)}, {self.decimals}))"


class Positive(ColumnCheck):
    """A number above zero."""

    types = ("decimal", "integer")

    def sql(self, row: Row) -> str:
        """Never null: a blank amount is not above zero."""
        return f"coalesce({row.number(self.column)} > 0, false)"


class Limit(ColumnCheck):
    """Not above `limit`: more than that is probably another unit, and a person looks (R10)."""

    types = ("decimal", "integer")
    limit: float = Field(gt=0)

    def sql(self, row: Row) -> str:
        """Null when blank or unreadable."""
        return f"({row.number(self.column)} <= {self.limit})"


class YuanInText(ColumnCheck):
    """The amount in 万元 is not the figure that the decision's own text gives in yuan."""

    types = ("decimal",)
    text_column: str
    pattern: ClassVar[str] = r"([0-9][0-9,，]*(?:\.[0-9]+)?)\s*元"

    def columns(self) -> tuple[str, ...]:
        """The amount is blamed."""
        return (self.column, self.text_column)

    def sql(self, row: Row) -> str:
        """Null when no amount was entered or the text states none in yuan."""
        number, text = row.number(self.column), row.raw(self.text_column)
        stated = f"replace(replace(substring({text} from {literal(self.pattern)}), ',', ''), '，', '')"
        return f"case when {number} > 0 and {text} ~ '[0-9]\\s*元' then ops.parse_decimal({stated}) <> {number} end"


class CategoryOfAmount(ColumnCheck):
    """An amount above zero comes with a kind that has such an amount (R11)."""

    types = ("decimal",)
    category: str
    holds_any: tuple[str, ...]

    def columns(self) -> tuple[str, ...]:
        """The category is blamed."""
        return (self.category, self.column)

    def sql(self, row: Row) -> str:
        """Null when the amount is blank or zero."""
        found = " or ".join(f"strpos({row.text(self.category)}, {literal(word)}) > 0" for word in self.holds_any)
        return f"case when {row.number(self.column)} > 0 then coalesce({found}, false) end"


class Uscc(ColumnCheck):
    """A valid unified social credit code (R04); `placeholder_when` says where the official filler stands rightly."""

    types = ("uscc", "text", "tax_no")
    placeholder_when: Condition | None = None

    def columns(self) -> tuple[str, ...]:
        """The code is blamed."""
        return (self.column, *(self.placeholder_when.columns() if self.placeholder_when else ()))

    def sql(self, row: Row) -> str:
        """Null when blank."""
        state = row.uscc_state(self.column)
        if self.placeholder_when is None:
            return f"({state} = 'ok')"
        return f"({state} = 'ok' or ({state} = 'placeholder' and {self.placeholder_when.sql(row)}))"


class KnownAuthority(ColumnCheck):
    """A code of an authority that the registry knows (R12)."""

    types = ("uscc",)

    def sql(self, row: Row) -> str:
        """Null when blank or not a valid code."""
        if not row.authorities:
            return "null::boolean"
        known = f"{row.text(self.column)} = any({array(row.authorities)})"
        return f"case when {row.uscc_state(self.column)} = 'ok' then {known} end"


class AuthorityHasPower(ColumnCheck):
    """A known authority decides records of this kind: its department supplies them (a permit needs a power to permit)."""

    types = ("uscc",)

    def sql(self, row: Row) -> str:
        """Null when blank or not a known authority."""
        if not row.empowered:
            return "null::boolean"
        text = row.text(self.column)
        return f"case when {text} = any({array(row.authorities)}) then {text} = any({array(row.empowered)}) end"


class OrgCode(ColumnCheck):
    """A valid 9-character organisation code."""

    types = ("org_code",)

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return f"ops.org_code_ok({row.text(self.column)})"


class RegNo(ColumnCheck):
    """A registration number: 15 digits with check digit; other forms of old files pass unchecked."""

    types = ("reg_no",)

    def sql(self, row: Row) -> str:
        """Null when blank. Only what looks like a 15-digit number is checked (page 02, section 3)."""
        text = row.text(self.column)
        new = f"when {text} ~ '^[0-9]{{15}}$' then ops.reg_no_ok({text})"
        return f"case {new} when {text} is not null then char_length({text}) >= 6 end"


class TaxNo(ColumnCheck):
    """A tax registration number of 15, 18 or 20 characters."""

    types = ("tax_no",)

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return f"({row.text(self.column)} ~ '^([0-9A-Z]{{15}}|[0-9A-Z]{{18}}|[0-9A-Z]{{20}})$')"


class PersonId(ColumnCheck):
    """A valid personal number, or a document of another kind (R05, R18); judged before it was hashed."""

    types = ("person_id",)

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return f"({row.person_state(self.column)} in ('ok', 'converted_15', 'other_document'))"


class PersonIdNew(ColumnCheck):
    """Not the old 15-digit form, which was converted (R05)."""

    types = ("person_id",)

    def sql(self, row: Row) -> str:
        """Null when blank or invalid."""
        state = row.person_state(self.column)
        return f"case when {state} in ('ok', 'converted_15') then {state} = 'ok' end"


class NoPersonalData(ColumnCheck):
    """No resident number, mobile number or bank card in free text (R13)."""

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return f"(quality.personal_data({row.raw(self.column)}) is null)"


class NoMatch(ColumnCheck):
    """The text does not match a pattern."""

    pattern: str

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return f"({row.text(self.column)} !~ {literal(self.pattern)})"


class Match(ColumnCheck):
    """The text matches a pattern."""

    pattern: str

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return f"({row.text(self.column)} ~ {literal(self.pattern)})"


class Together(Check):
    """All of the columns are filled, or none (C5)."""

    columns_: tuple[str, ...] = Field(alias="columns", min_length=2)

    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return self.columns_

    def sql(self, row: Row) -> str:
        """Null when none is filled."""
        every = " and ".join(row.filled(column) for column in self.columns_)
        some = " or ".join(row.filled(column) for column in self.columns_)
        return f"case when {some} then {every} end"


class AnyFilled(Check):
    """At least one of the columns is filled."""

    columns_: tuple[str, ...] = Field(alias="columns", min_length=1)

    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return self.columns_

    def sql(self, row: Row) -> str:
        """Never null."""
        return f"({' or '.join(row.filled(column) for column in self.columns_)})"


class Differ(Check):
    """Two columns do not say the same, blanks and letter case aside."""

    first: str
    second: str

    def columns(self) -> tuple[str, ...]:
        """The blamed one first."""
        return (self.first, self.second)

    def sql(self, row: Row) -> str:
        """Null when either is blank."""
        one, other = (f"lower(regexp_replace({row.text(column)}, '\\s', '', 'g'))" for column in self.columns())
        return f"({one} <> {other})"


class IdentifierFails(ColumnCheck):
    """An entered identifier of the counterparty validates, or another one of the row does (then only the code is lost)."""

    types = ("*",)

    def sql(self, row: Row) -> str:
        """Null when blank, masked by its publisher, or the official placeholder."""
        beside = row.identified(without=self.column)
        return f"case when {_failed(row, self.column)} then {beside} when {row.filled(self.column)} then true end"


class IdentifierNulled(ColumnCheck):
    """An entered identifier validates; when only another one does, the failed code is taken out of the record."""

    types = ("*",)

    def sql(self, row: Row) -> str:
        """Null when blank, or when no identifier of the row validates."""
        lost = f"case when {row.identified(without=self.column)} then false end"
        return f"case when {_failed(row, self.column)} then {lost} when {row.filled(self.column)} then true end"


class IdentifierMasked(ColumnCheck):
    """The identifier was not masked with asterisks by its publisher."""

    def sql(self, row: Row) -> str:
        """Null when blank."""
        return f"(strpos({row.text(self.column)}, '*') = 0)"


class IdentifierRepaired(ColumnCheck):
    """The code arrived with its own characters (a letter outside the alphabet was not repaired from the register)."""

    types = ("uscc",)

    def sql(self, row: Row) -> str:
        """Null unless landing or the gate changed the code."""
        original = row.own(f"was_{self.column}", f"r.changes ->> {literal(self.column)}")
        return f"case when {original} is not null then {original} !~* '[OISZ]' or {row.uscc_state(self.column)} <> 'ok' end"


class Identified(Check):
    """Some identifier of the row's subject validates; without one the row stays unmatched, for review."""

    def sql(self, row: Row) -> str:
        """Null when the kind names no counterparty."""
        return row.identified() if row.identifiers() else "null::boolean"


class NoPersonalNumberInCode(Check):
    """No code column held a resident ID number (landing removed it before it was stored)."""

    def sql(self, row: Row) -> str:
        """Never null."""
        derived = row.own("derived", "r.extra ->> '@derived'")
        return f"(strpos(coalesce({derived}, ''), ':personal_number_removed') = 0)"


class NoReaderDefect(Check):
    """The reader could make out the row: as many cells as headings, decodable."""

    def sql(self, row: Row) -> str:
        """Never null."""
        return f"({row.own('defect', 'r.defect')} is null)"


class NoReplacementCharacter(Check):
    """No U+FFFD: text that was lost in a wrong conversion."""

    def sql(self, row: Row) -> str:
        """Never null."""
        names = [f"r.{c.name}" for c in row.kind.columns if c.type != "person_id"]
        joined = row.own("lost", f"strpos(concat({', '.join(names)}), U&'\\FFFD') > 0")
        return f"(not {joined})"


class KnownOperation(Check):
    """The operation code is one of I, U, D, W, R."""

    def sql(self, row: Row) -> str:
        """Never null."""
        return f"coalesce({row.own('op', 'r.op')} = any(array['I', 'U', 'D', 'W', 'R']), false)"


class OneVersionOfRecord(Check):
    """A record is new only once in a batch (two different contents declared new: the newest wins)."""

    def sql(self, row: Row) -> str:
        """Never null."""
        row.needs_repeats = True
        row.own("record_key", "r.record_key")
        return f"(w.record_key not in (select record_key from work.gate_repeated_key where {row.of_batch}))"


class OneDecisionPerNumber(Check):
    """A document number stands for one decision: several parties are lawful, different `same` columns are not."""

    authority: str
    number: str
    same: tuple[str, ...] = Field(min_length=1)

    def columns(self) -> tuple[str, ...]:
        """The number is blamed."""
        return (self.number, self.authority, *self.same)

    def sql(self, row: Row) -> str:
        """Null when there is no number."""
        row.decision = (self.authority, self.number, self.same)
        pair = f"(coalesce({row.text(self.authority)}, ''), {row.text(self.number)})"
        repeated = f"select authority, number from work.gate_repeated_number where {row.of_batch}"
        return f"case when {row.text(self.number)} is not null then {pair} not in ({repeated}) end"


class AnswersReturn(Check):
    """In a corrected workbook, every row answers a row that was returned to this department and feed."""

    def sql(self, row: Row) -> str:
        """Null in a delivery that is no corrected workbook (none of its rows names a returned batch)."""
        row.needs_returns = True
        foreign = f"from work.gate_foreign where {row.of_batch}"
        return f"case when (select count(*) > 0 {foreign}) then w.row_no not in (select row_no {foreign}) end"


class OneAnswer(Check):
    """The lines that answer one returned row do not contradict each other (the reader merged them where they agree)."""

    def sql(self, row: Row) -> str:
        """Never null."""
        return f"({row.own('disputed', f'r.extra ->> {literal(DISPUTED)}')} is null)"


class SameSubject(Check):
    """A record keeps its subject: the same record key never came with another subject's code."""

    column: str

    def columns(self) -> tuple[str, ...]:
        """The code."""
        return (self.column,)

    def sql(self, row: Row) -> str:
        """Null when blank or the record is new."""
        row.own("record_key", "r.record_key")
        text = row.text(self.column)
        return (
            f"case when {text} is not null then not exists (select 1 from landing.{row.kind.name} l"
            f" where l.record_key = w.record_key and l.{self.column} <> {text}) end"
        )


class NameInRegister(Check):
    """The name agrees with the register's name for that code (R19)."""

    uscc: str
    name: str

    def columns(self) -> tuple[str, ...]:
        """The name is blamed."""
        return (self.name, self.uscc)

    def sql(self, row: Row) -> str:
        """Null when the register does not know the code."""
        row.needs_register = True
        name = row.text(self.name)
        return f"case when g.uscc is not null then g.name = {name} or ops.normal_name({name}) = any(g.names) end"


class ActiveInRegister(Check):
    """The register does not say that the subject ended before the given date."""

    uscc: str
    date: str

    def columns(self) -> tuple[str, ...]:
        """The code is blamed."""
        return (self.uscc, self.date)

    def sql(self, row: Row) -> str:
        """Null when the register does not know the code or a date is missing."""
        row.needs_register = True
        return f"case when g.ended_on is not null then {row.date(self.date)} <= g.ended_on when g.uscc is not null then true end"


def _failed(row: Row, column: str) -> str:
    """SQL: an identifier was entered, is no placeholder or masked code, and does not validate."""
    role = next(role for role, name in row.identifiers().items() if name == column)
    if role == "person_id_no":
        return f"({row.filled(column)} and not {row.identifier_ok(role, column)})"
    text = row.text(column)
    if role == "uscc":
        return f"coalesce({row.uscc_state(column)} not in ('ok', 'placeholder') and strpos({text}, '*') = 0, false)"
    if role == "org_code":
        return f"coalesce(not ops.org_code_ok({text}) and strpos({text}, '*') = 0, false)"
    if role == "reg_no":
        return f"coalesce({text} ~ '^[0-9]{{15}}$' and not ops.reg_no_ok({text}), false)"
    return f"coalesce({text} !~ '^([0-9A-Z]{{15}}|[0-9A-Z]{{18}}|[0-9A-Z]{{20}})$' and strpos({text}, '*') = 0, false)"


# --- checks of a whole batch: facts b.* of work.gate_batch ---------------------------------------------------------


class BatchCheck(Check):
    """A check of a delivery as a whole; its SQL speaks about `b`, one line of facts per batch."""


class DeclaredRows(BatchCheck):
    """As many rows as the control total says."""

    def sql(self, row: Row) -> str:
        """Null when no total was declared."""
        return "case when b.declared_rows is not null then b.rows_read = b.declared_rows end"


class DeclaredSha256(BatchCheck):
    """The bytes have the declared SHA-256."""

    def sql(self, row: Row) -> str:
        """Null when none was declared."""
        return "case when b.declared_sha256 is not null then lower(b.declared_sha256) = lower(b.original_sha256) end"


class NotEmpty(BatchCheck):
    """The delivery holds rows."""

    def sql(self, row: Row) -> str:
        """Never null."""
        return "(b.rows_read > 0)"


class NoForbiddenColumns(BatchCheck):
    """No column had to be cut before archiving."""

    def sql(self, row: Row) -> str:
        """Never null."""
        return "(b.columns_cut = 0)"


class NoUnknownColumns(BatchCheck):
    """Every heading is known to the registry."""

    def sql(self, row: Row) -> str:
        """Never null."""
        return "(b.unknown_columns = 0)"


class SnapshotVolume(BatchCheck):
    """A full snapshot is not suddenly small: absence from it ends records."""

    least_share: float = Field(0.5, gt=0, lt=1)

    def sql(self, row: Row) -> str:
        """Null for deliveries that are no snapshot, and for the first one."""
        enough = f"b.rows_read >= b.previous_rows * {self.least_share}"
        return f"case when b.delivery = 'full_snapshot' and b.previous_rows > 0 then {enough} end"


class UsualVolume(BatchCheck):
    """A delivery is within the range that the feed's own last deliveries make usual."""

    times: float = Field(10, gt=1)
    history: int = Field(5, gt=0)
    rows: int = Field(200, gt=0)

    def sql(self, row: Row) -> str:
        """Null with less history than needed, and for small deliveries."""
        return (
            f"case when b.past_deliveries >= {self.history} and greatest(b.rows_read, b.usual_rows) >= {self.rows}"
            f" then b.rows_read <= b.usual_rows * {self.times} and b.rows_read * {self.times} >= b.usual_rows end"
        )


class NewestDecision(BatchCheck):
    """A delivery of some size brings decisions of late, not a year that was sent before."""

    days: int = Field(120, gt=0)
    rows: int = Field(20, gt=0)

    def sql(self, row: Row) -> str:
        """Null for snapshots, small deliveries (late corrections are lawful) and without a readable date."""
        row.needs_newest = True
        judged = f"b.delivery = 'delta' and b.rows_read >= {self.rows}"
        return f"case when {judged} then b.newest >= b.delivered_at::date - {self.days} end"


class SaysSomethingNew(BatchCheck):
    """Not every row says what is known already: the same delivery under another name, order or format."""

    rows: int = Field(5, gt=0)

    def sql(self, row: Row) -> str:
        """Null for snapshots (presence is their message) and small deliveries."""
        row.needs_news = True
        return f"case when b.delivery <> 'full_snapshot' and b.rows_read >= {self.rows} then b.has_news end"


# --- checks of one feed against what a person accepted as usual for it ---------------------------------------------


CHANCE = 3
"""How many standard deviations of chance a share may lie above its limit: small deliveries vary more."""


class FeedCheck(BatchCheck):
    """A check of one feed's deliveries against accepted thresholds; counts over the rows that tell of a record."""

    feed: str


class AcceptedVolume(FeedCheck):
    """As many rows as is usual for the feed."""

    least: int = Field(ge=0)
    most: int = Field(ge=0)
    history: int = Field(5, ge=0)

    def sql(self, row: Row) -> str:
        """Null with less history than needed: the first delivery is a backlog."""
        rows = row.measured("rows_in_scope", "count(*)")
        return f"case when b.past_deliveries >= {self.history} then {rows} between {self.least} and {self.most} end"


class NullShare(FeedCheck):
    """The share of rows without a value is not above what is usual, chance allowed for."""

    column: str
    most: float = Field(ge=0, le=1)
    rows: int = Field(50, gt=0)

    def columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def sql(self, row: Row) -> str:
        """Null for small deliveries."""
        says, text = row.says(), row.text(self.column)
        told = row.measured("told", f"count(*) filter (where {says})")
        blank = row.measured(f"blank_{self.column}", f"count(*) filter (where {says} and {text} is null)")
        chance = f"{CHANCE} * sqrt({told} * {self.most * (1 - self.most):.6f})"
        return f"case when {told} >= {self.rows} then {blank} <= {told} * {self.most} + {chance} end"


class CodeShares(FeedCheck):
    """The codes come in about their usual shares: at most `distance` of the rows would have to change their code."""

    column: str
    shares: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(min_length=1)
    distance: float = Field(0.25, gt=0, lt=1)
    rows: int = Field(100, gt=0)

    def columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def sql(self, row: Row) -> str:
        """Null for small deliveries. Codes that no share names count together."""
        says, text = row.says(), row.text(self.column)
        filled = row.measured(f"filled_{self.column}", f"count(*) filter (where {says} and {text} is not null)")
        counts = {
            row.measured(
                f"code_{self.column}_{number}", f"count(*) filter (where {says} and {text} = {literal(code)})"
            ): share
            for number, (code, share) in enumerate(sorted(self.shares.items()))
        }
        others = max(0.0, 1 - sum(self.shares.values()))
        gaps = [f"abs({count} - {filled} * {share})" for count, share in counts.items()]
        gaps.append(f"abs({filled} - ({' + '.join(counts)}) - {filled} * {others:.6f})")
        return f"case when {filled} >= {self.rows} then {' + '.join(gaps)} <= {filled} * {2 * self.distance} end"


class AmountDistribution(FeedCheck):
    """The middle amount lies between the usual quartiles, and hardly any (one in a hundred) above the most that is usual."""

    column: str
    quarter: float = Field(ge=0)
    three_quarters: float = Field(gt=0)
    most: float = Field(gt=0)
    rows: int = Field(40, gt=0)
    types = ("decimal", "integer")

    def columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)

    def sql(self, row: Row) -> str:
        """Null with few amounts above zero."""
        number = row.number(self.column)
        counts = f"(where {row.says()} and {number} > 0)"
        amounts = row.measured(f"amounts_{self.column}", f"count(*) filter {counts}")
        middle = row.measured(
            f"middle_{self.column}", f"percentile_cont(0.5) within group (order by {number}) filter {counts}"
        )
        above = row.measured(f"above_{self.column}", f"count(*) filter (where {row.says()} and {number} > {self.most})")
        usual = f"{middle} between {self.quarter} and {self.three_quarters}"
        return f"case when {amounts} >= {self.rows} then {usual} and {above} * 100 <= {amounts} end"


CHECKS: dict[str, type[Check]] = {
    "required": Required,
    "empty": Empty,
    "max_length": MaxLength,
    "clean_text": CleanText,
    "not_filler": NotFiller,
    "code_list": CodeList,
    "other_named": OtherNamed,
    "date": ReadableDate,
    "time": ReadableTime,
    "date_range": DateRange,
    "date_order": DateOrder,
    "amount": Amount,
    "decimals": Decimals,
    "positive": Positive,
    "limit": Limit,
    "yuan_in_text": YuanInText,
    "category_of_amount": CategoryOfAmount,
    "uscc": Uscc,
    "known_authority": KnownAuthority,
    "authority_has_power": AuthorityHasPower,
    "org_code": OrgCode,
    "reg_no": RegNo,
    "tax_no": TaxNo,
    "person_id": PersonId,
    "person_id_new": PersonIdNew,
    "no_personal_data": NoPersonalData,
    "no_match": NoMatch,
    "match": Match,
    "together": Together,
    "any_filled": AnyFilled,
    "differ": Differ,
    "identifier_fails": IdentifierFails,
    "identifier_nulled": IdentifierNulled,
    "identifier_masked": IdentifierMasked,
    "identifier_repaired": IdentifierRepaired,
    "identified": Identified,
    "no_personal_number_in_code": NoPersonalNumberInCode,
    "no_reader_defect": NoReaderDefect,
    "no_replacement_character": NoReplacementCharacter,
    "known_operation": KnownOperation,
    "one_version": OneVersionOfRecord,
    "one_decision_per_number": OneDecisionPerNumber,
    "answers_return": AnswersReturn,
    "one_answer": OneAnswer,
    "same_subject": SameSubject,
    "name_in_register": NameInRegister,
    "active_in_register": ActiveInRegister,
    "declared_rows": DeclaredRows,
    "declared_sha256": DeclaredSha256,
    "not_empty": NotEmpty,
    "no_forbidden_columns": NoForbiddenColumns,
    "no_unknown_columns": NoUnknownColumns,
    "snapshot_volume": SnapshotVolume,
    "usual_volume": UsualVolume,
    "newest_decision": NewestDecision,
    "says_something_new": SaysSomethingNew,
    "accepted_volume": AcceptedVolume,
    "null_share": NullShare,
    "code_shares": CodeShares,
    "amount_distribution": AmountDistribution,
}
"""Names that rule files may use."""

Expression = Callable[[Row], str]
