"""Records read many at once say what records read one by one say: rows, numbers, headings, and the fault that ends them."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from creditflow.readers import ReadError, excel, json_records, read, xml_records
from creditflow.registry import Feed, load

NAMES = ["主体名称", "统一社会信用代码", "检查编号", "检查日期", "备注"]


@cache
def feed() -> Feed:
    return load(Path(__file__).parents[2]).feed("hyj", "inspection")


def told(content: bytes, form: str) -> tuple[list[object], tuple[object, ...] | None]:
    """(headings and rows, the fault's code, row and text)."""
    found: list[object] = []
    try:
        for section in read(io.BytesIO(content), feed(), form, "utf-8"):
            found.append(section.cells)
            found.extend(section.rows)
    except ReadError as problem:
        return found, (problem.code, problem.row, problem.zh)
    return found, None


PLAIN = f"<ROW>{''.join(f'<{name}>甲</{name}>' for name in NAMES)}</ROW>"
_value = st.one_of(
    st.sampled_from(
        [
            "",
            "甲",
            "a&amp;b",
            "&#10;",
            "]]>",
            "]]",
            ">",
            "\r\n",
            "\r",
            "\n\t",
            "\x01",
            "\x7f",
            "\x85",
            "\ufffe",
            "\U0001f600",
            "<![CDATA[<a>]]>",
            "<!-- -->",
            "<b>c</b>",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="<&"), max_size=6),
)
_space = st.sampled_from(["", "", "\n", "\r\n", "\r", " \t\n", "<!-- </ROW> -->", "x", "<?a b?>"])
_field = st.one_of(
    st.builds("<{0}>{1}</{0}>".format, st.sampled_from(NAMES), _value),
    st.builds("<{0}/>".format, st.sampled_from([*NAMES, "新列"])),
    st.builds("<{0} a='1'>{1}</{0}>".format, st.sampled_from(NAMES), _value),
)
_whole = st.builds(
    lambda values, spaces: (
        "<ROW>"
        + "".join(f"{space}<{name}>{value}</{name}>" for name, value, space in zip(NAMES, values, spaces, strict=True))
        + "</ROW>"
    ),
    st.lists(_value, min_size=5, max_size=5),
    st.lists(_space, min_size=5, max_size=5),
)
_row = st.one_of(
    st.just(PLAIN),
    st.just(PLAIN),
    _whole,
    st.lists(_field, max_size=6).map(lambda fields: f"<ROW>{''.join(fields)}</ROW>"),
    st.sampled_from(
        [
            "<ROW/>",
            "<ROW >" + PLAIN[5:],
            "<ROW a='1'><备注>x</备注></ROW>",
            f"<分组>{PLAIN}{PLAIN}</分组>",
            f"<![CDATA[{PLAIN}]]>",
            f"</ROWDATA>{PLAIN}",
            PLAIN[:-9],
            "<!DOCTYPE a>",
            "&x;",
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_row, _space), max_size=25), st.sampled_from([200, 700, 1500]), st.booleans())
@example([(PLAIN, "\r"), (PLAIN, "\r\n"), (PLAIN, "\r")] * 3 + [("<ROW><", "")], 700, True)
@example([(PLAIN, ""), (f"</ROWDATA>{PLAIN}", ""), (PLAIN, ""), (PLAIN, "")] * 2, 700, False)
@example([(f"<!-- {PLAIN}{PLAIN} -->", ""), (PLAIN, "")] * 5, 700, True)
@example([(PLAIN.replace("甲", "\x0b"), "")], 1500, True)
def test_xml(rows: list[tuple[str, str]], chunk: int, closed: bool) -> None:
    body = PLAIN * 9 + "".join(row + space for row, space in rows)
    content = f"<ROWDATA>\n{body}{'</ROWDATA>' if closed else ''}".encode()
    with patch.object(xml_records, "CHUNK", chunk):
        many = told(content, "xml")
        with patch.object(xml_records, "MOST_PATTERNS", 0):
            assert many == told(content, "xml")


def test_a_record_alone_may_not_be_followed_by_another() -> None:
    with patch.object(xml_records, "CHUNK", len(PLAIN.encode())):
        assert told(PLAIN.encode() * 20, "xml")[1] is not None


def test_records_of_one_shape_are_indeed_read_at_once() -> None:
    fed = 0

    class Counted(xml_records._Rows):
        def parse(self, chunk: bytes, *, last: bool = False) -> None:
            nonlocal fed
            fed += len(chunk)
            super().parse(chunk, last=last)

    content = f"<ROWDATA>{PLAIN * 20_000}</ROWDATA>".encode()
    with patch.object(xml_records, "_Rows", Counted):
        assert len(told(content, "xml")[0]) == 20_001
    assert fed * 20 < len(content)


_json_value = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(max_size=5),
        st.sampled_from(["},{", "}, {", "]", '"},', "\ud800"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", *NAMES]), inner, max_size=3)
    ),
    max_leaves=5,
)
_json_record = st.dictionaries(st.sampled_from([*NAMES, "新列"]), _json_value, max_size=6)
_json_raw = st.sampled_from(
    ['{"备注": 1.10}', '{"备注": -0}', '{"备注": 01}', "{}", "[]", "[{}]", "1", '{"a": "b}', '{"备注": NaN}']
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(_json_record.map(json.dumps), _json_raw), max_size=25),
    st.sampled_from([", ", ",", "\n,\n", " ,\n"]),
    st.sampled_from(["]", "", "]x", ",]", ']{"a": 1},{"备注": 2},{"a": 1}]']),
    st.sampled_from([30, 200, 65536]),
)
@example(['{"备注": [{"a": 1},{"a": 2}]}'] * 9, ",", "]", 65536)
@example(['{"备注": "},{"}'] * 9, ",", "]", 30)
def test_json(records: list[str], comma: str, end: str, chunk: int) -> None:
    first = json.dumps(dict.fromkeys(NAMES, "甲"), ensure_ascii=False)
    content = f"[{comma.join([first, *records])}{end}".encode("utf-8", "surrogatepass")
    with patch.object(json_records, "CHUNK", chunk):
        many = told(content, "json")
        with patch.object(json_records, "MISSED_BATCHES", 0):
            assert many == told(content, "json")


_address = st.one_of(
    st.builds(
        '{}r{}{}"{}{}"'.format,
        st.sampled_from(["", " ", "x", "_", "<c "]),
        st.sampled_from(["=", "=", "=", " =", "= "]),
        st.sampled_from(["", "", "'"]),
        st.text(st.sampled_from("AZXaz"), max_size=4),
        st.integers(0, 10**10),
    ),
    st.sampled_from(["r='C3'", "r='C3\"", 'r=""', 'r="A', "=", "r=", 'r="1"', "r=\"XFD1048576'", "\n", "甲"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_address, max_size=8).map("".join))
def test_addresses_of_cells(text: str) -> None:
    """The extent of a sheet, found for all cells at once, is the one of the addresses one by one."""
    content = text.encode()
    found = excel._address(content)
    rows = max((int(row) for _, row in found), default=0)
    assert excel._extent(content) == (rows, max((excel._column_number(name) for name, _ in found), default=1))
