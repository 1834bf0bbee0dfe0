"""What is wrong in sources/ is refused with file and line; lenient loading loses the broken department only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from jsonschema import Draft202012Validator

from creditflow.registry import RegistryError, SourceProblem, authority_code, check, load, schema_text, write_schema

Spoil = Callable[[str, str, str], int]
TITLES = "title_zh: 甲, title_en: x"


def _problems(project: Path) -> tuple[SourceProblem, ...]:
    with pytest.raises(RegistryError) as caught:
        load(project)
    return caught.value.problems


class Case(NamedTuple):
    """A text of a file of sources/ that stands once, what replaces it, a text of the line that is told, the words."""

    file: str
    old: str
    new: str
    line: str
    words: str


def _feed(addition: str, line: str, words: str) -> Case:
    """A fault added to the penalties of the water bureau."""
    indented = "".join(f"    {text}\n" for text in addition.split("\n"))
    return Case("swuj.yml", "    rows_per_year: 130\n", f"    rows_per_year: 130\n{indented}", line, words)


def _card(old: str, new: str, words: str, line: str | None = None) -> Case:
    """A fault in the first lines of the reform bureau's card."""
    return Case("fgj.yml", old, new, line or new.split("\n")[-1], words)


OTHER_CODE = authority_code(1)
WRONG_CODE = OTHER_CODE[:-1] + ("0" if OTHER_CODE[-1] != "0" else "1")
VISITS = "{name: visits, zh: 到场次数, code: DC_CS, type: integer, need: O}"
HIDDEN_FORM = "        passport: person_id_no"
TWICE = "headings:\n  金额(万元): fine_amount_wan\n  金额（万元）: confiscated_amount_wan"
OLD_ALIAS = 'aliases:\n  - {heading: 文号, column: remark, since: "2024-02-01", until: "2024-01-31"}'

BAD = {
    "unknown key": _card("cadence: daily", "cadence: daily\nrythm: daily", "unknown key 'rythm'"),
    "missing key": _card("tier: municipal\n", "", "'tier' is missing", "# yaml-language-server"),
    "key twice": _card("cadence: daily", "cadence: daily\ncadence: weekly", "'cadence' is given twice"),
    "not yaml": _card(
        "fields: [AF07, AF05]", "fields: [AF07, AF05", "did not find expected ',' or ']'", "legal_ground: >-"
    ),
    "unknown channel": _card("channel: rest_api", "channel: fax", "channel: "),
    "unknown field of application": _card("[AF07, AF05]", "[AF07, AF55]", "application_fields.1: "),
    "time of day": _card('expect_by: "04:30"', 'expect_by: "25:30"', "expect_by: "),
    "telephone of a person": _card("phone: 0754-8800-0001", "phone: 13800000000", "contact.phone: "),
    "code and file name": _card("code: fgj", "code: fgw", "does not match the file name fgj.yml"),
    "number taken": Case("hqj.yml", "dept_no: 43", "dept_no: 1", "dept_no: 1", "already that of sources/fgj.yml"),
    "name taken": Case(
        "qxj.yml", "name_zh: 市气象局", "name_zh: 市林业局", "name_zh", "already that of sources/lyj.yml"
    ),
    "authority check": _card(OTHER_CODE, WRONG_CODE, "check character wrong"),
    "authority of another": Case("hyj.yml", authority_code(42), OTHER_CODE, OTHER_CODE, "that of sources/fgj.yml"),
    "external in the city": _card("tier: municipal", "tier: external", "tier external"),
    "number of an external feed": _card("dept_no: 1\n", "dept_no: 9100\n", "above 9000", "dept_no: 9100"),
    "connection": _card("connection: api_fgj", "connection: sftp_fgj", "connection must be 'api_fgj'"),
    "format by channel": _card("format: json", "format: table", "format table does not travel by rest_api"),
    "unknown layout": Case("mzzjj.yml", 'layout: "2015"', 'layout: "2012"', '"2012"', "no layout '2012'"),
    "unknown kind": _card("  contract_performance:", "  contract:", "no kind 'contract' in _kinds.yml"),
    "no zero declaration": Case("daj.yml", "  zero_declaration:", "  honour:", "feeds:", "zero_declaration is missing"),
    "missing rows": Case("swuj.yml", "    rows_per_year: 130\n", "", "  penalty:", "'rows_per_year' is missing"),
    "rows are no number": Case("swuj.yml", "year: 130", "year: many", "year: many", "feeds.penalty.rows_per_year: "),
    "unknown key of a feed": _feed("colour: blue", "colour: blue", "feeds.penalty: unknown key 'colour'"),
    "location by channel": _feed("location: {table: penalty}", "location:", "does not belong to channel sftp"),
    "unknown column mapped": _feed("headings: {罚没: fine}", "罚没", "no column 'fine' in kind penalty"),
    "heading means two things": _feed(TWICE, "金额（万元）", "means fine_amount_wan and confiscated_amount_wan"),
    "heading mapped and ignored": _feed("ignore: [缴款书]\nkeep: [其他, 缴 款书]", "keep:", "means ignored and kept"),
    "code of another column": _feed("headings: {CF_NR: violation_facts}", "CF_NR", "is the code of penalty_content"),
    "forbidden data mapped": _feed("headings: {民族: remark}", "民族", "may not be collected"),
    "alias without date": _feed("aliases:\n  - {heading: 文号, column: remark}", "{heading: 文号", "an alias is dated"),
    "alias ends before it begins": _feed(OLD_ALIAS, "{heading: 文号", "since is after until"),
    "allow-list of unknown columns": _feed("allow_columns:\n  - remark\n  - patient", "- patient", "'patient' in kind"),
    "required column unknown": _feed("required_headings: [name]", "required_headings", "no column 'name'"),
    "lookup outside the list": _feed(
        'lookups:\n  penalty_category: {"2": 训诫}', "训诫", "'训诫' is not in its code list"
    ),
    "constant outside the list": Case("czj.yml", "list_code: SL06", "list_code: SL99", "SL99", "'SL99' is not in its"),
    "derive without source": _feed("derive:\n  - {column: remark, how: copy}", "how: copy", "copy needs source"),
    "derive from nowhere": _feed("derive:\n  - {column: remark, how: copy, source: x}", "how: copy", "no column 'x'"),
    "scale without factor": Case(
        "gxj.yml", '罚款金额(元), factor: "0.0001"', "罚款金额(元)", "罚款金额(元),", "needs factor"
    ),
    "shape unknown": _feed("by_shape:\n  证照号:\n    passport: person_id_no", HIDDEN_FORM, "by_shape.证照号.passport"),
    "kind with unknown list": Case(
        "_kinds.yml", "need: M, list: rating_scheme", "need: M, list: x", "list: x", "code list 'x'"
    ),
    "kind with unknown key": Case(
        "_kinds.yml", "declared_kind, period]", "declared_kind, day]", "kind, day]", "no column 'day'"
    ),
    "kind with unknown type": Case("_kinds.yml", VISITS, VISITS.replace("integer", "number"), "type: number", "type: "),
    "kind with a heading twice": Case(
        "_kinds.yml",
        VISITS,
        VISITS.replace("到场次数", "好差评"),
        "name: satisfaction",
        "means visits and satisfaction",
    ),
    "layout of an unknown kind": Case(
        "_layouts.yml", '"2015":\n    permit:', '"2015":\n    visa:', "visa:", "no kind 'visa'"
    ),
    "synonym of an unknown column": Case(
        "_layouts.yml", "new_amount_yuan: [", "new_money: [", "new_money", "'new_money'"
    ),
    "district code": Case(
        "_authorities.yml",
        authority_code(1, region="440507"),
        authority_code(1, region="440511")[:-1] + "?",
        "?",
        "is not a valid code of this region",
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_fault_is_refused_with_file_and_line(project: Path, spoil: Spoil, case: Case) -> None:
    spoil(case.file, case.old, case.new)
    lines = (project / "sources" / case.file).read_text(encoding="utf-8").split("\n")
    expected = next(number for number, text in enumerate(lines, 1) if case.line in text)
    problems = _problems(project)
    found = {(problem.file, problem.line) for problem in problems if case.words in problem.message}
    assert found == {(f"sources/{case.file}", expected)}, "\n".join(str(problem) for problem in problems)


def test_a_filter_on_an_unknown_column_is_refused(project: Path, spoil: Spoil) -> None:
    test = "    rows_per_year: 30\n"
    line = spoil(
        "gjj.yml", test, f"{test}    out_of_scope: [{{id: GJJ-X, column: owner, op: in, values: [x], {TITLES}}}]\n"
    )
    told = [(problem.line, problem.message) for problem in _problems(project)]
    assert told == [(line + 1, "feeds.penalty.out_of_scope: no column 'owner' in kind penalty")]


def test_an_empty_file_and_one_that_is_not_text_are_named(project: Path) -> None:
    (project / "sources" / "fgj.yml").write_text("", encoding="utf-8")
    (project / "sources" / "jyj.yml").write_bytes("名称".encode("gb18030"))
    told = {problem.file: problem.message for problem in _problems(project)}
    assert told == {
        "sources/fgj.yml": "the file is empty or not a mapping",
        "sources/jyj.yml": "cannot be read: UnicodeDecodeError",
    }


def test_all_faults_are_told_at_once(project: Path, spoil: Spoil) -> None:
    spoil("fgj.yml", "channel: rest_api", "channel: fax")
    spoil("jyj.yml", "dept_no: 2\n", "dept_no: two\n")
    assert {problem.file for problem in _problems(project)} == {"sources/fgj.yml", "sources/jyj.yml"}


def test_lenient_loading_loses_the_broken_department_only(project: Path, spoil: Spoil) -> None:
    line = spoil("fgj.yml", "cadence: daily\n", "cadence: sometimes\n")
    registry = load(project, lenient=True)
    assert len(registry.departments) == 42
    assert "fgj" not in registry.departments
    assert [(problem.file, problem.line) for problem in registry.problems] == [("sources/fgj.yml", line)]


def test_the_message_is_one_line_an_editor_can_jump_to(project: Path, spoil: Spoil) -> None:
    line = spoil("fgj.yml", "cadence: daily\n", "cadence: sometimes\n")
    with pytest.raises(RegistryError, match=rf"^sources/fgj\.yml:{line}: cadence: ") as caught:
        load(project)
    assert "\n" not in str(caught.value)


def test_a_44th_department_is_one_new_file(project: Path) -> None:
    card = (project / "sources" / "qxj.yml").read_text(encoding="utf-8")
    code = authority_code(44)
    for old, new in (
        ("code: qxj", "code: dzj"),
        ("dept_no: 36", "dept_no: 44"),
        ("name_zh: 市气象局", "name_zh: 市地震局"),
        ("sftp_qxj", "sftp_dzj"),
        ("qxj@dept", "dzj@dept"),
    ):
        assert old in card
        card = card.replace(old, new)
    card = re.sub(r"authority_uscc: \w+", f"authority_uscc: {code}", card)
    (project / "sources" / "dzj.yml").write_text(card, encoding="utf-8")
    registry = load(project)
    assert len(registry.departments) == 44
    assert check(project) == []
    new = registry.departments["dzj"]
    assert list(new.feeds) == ["permit", "penalty", "inspection", "zero_declaration"]
    assert new.feeds["permit"].location == {"folder": "permit", "prefix": "DZJ_PERMIT_"}
    assert new.feeds["permit"].headings == registry.feed("qxj", "permit").headings
    assert registry.authority_code("汕头市地震局") == code


def test_check_misses_a_department_that_is_gone(project: Path) -> None:
    (project / "sources" / "hqj.yml").unlink()
    assert len(load(project).departments) == 42
    assert [problem.message for problem in check(project)] == ["departments missing, by dept_no: 43"]


def test_the_editor_schema_is_up_to_date() -> None:
    project = Path(__file__).resolve().parents[2]
    kept = (project / "sources" / "schema.json").read_text(encoding="utf-8")
    assert kept == schema_text(), "run `creditflow sources check --write`"
    assert check(project) == []


def test_check_tells_of_an_old_editor_schema_and_writes_a_new_one(project: Path) -> None:
    (project / "sources" / "schema.json").write_text("{}", encoding="utf-8")
    assert [problem.file for problem in check(project)] == ["sources/schema.json"]
    write_schema(project)
    assert check(project) == []


def test_the_editor_schema_accepts_every_card_and_refuses_a_bad_one() -> None:
    project = Path(__file__).resolve().parents[2]
    schema = json.loads((project / "sources" / "schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    cards = sorted((project / "sources").glob("[a-z]*.yml"))
    assert len(cards) == 53
    for path in cards:
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
        faults = [f"{path.name}: {list(fault.path)} {fault.message}" for fault in judge.iter_errors(card)]
        assert faults == []
        assert not judge.is_valid({**card, "rythm": "daily"})


def test_scalars_are_read_as_written(project: Path, spoil: Spoil) -> None:
    spoil("fgj.yml", 'expect_by: "04:30"', "expect_by: 04:30")
    spoil("mzzjj.yml", 'layout: "2015"', "layout: 2015")
    registry = load(project)
    assert registry.departments["fgj"].expect_by == "04:30"
    assert registry.feed("mzzjj", "permit").layout == "2015"


def test_good_files_are_read_once_and_never_searched_for_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every DAG parse pays for loading: what only error messages need is not done for good files."""
    project = Path(__file__).resolve().parents[2]
    read: list[str] = []
    plain = Path.read_text

    def counted(path: Path, *arguments: str, **options: str) -> str:
        read.append(path.name)
        return plain(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", counted)
    monkeypatch.setattr(yaml, "compose", lambda *_, **__: pytest.fail("a good file was searched for lines"))
    load(project)
    assert len(read) == len(set(read)) == 56
