"""Rows to COPY lines: the short way of ordinary CSV lines says byte for byte what the long way says."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from creditflow.identity.codes import USCC_ALPHABET, uscc_ok
from creditflow.identity.many import uscc_ok_many
from creditflow.identity.persons import PersonKeys
from creditflow.landing import plain
from creditflow.landing import rows as rows_module
from creditflow.landing.delivered import CodeBook, Delivered, Tally, read_moment
from creditflow.landing.keys import key_maker, record_key_text
from creditflow.landing.rows import RowWriter
from creditflow.readers import delimited, read
from creditflow.registry import Registry, load

ZONE = ZoneInfo("Asia/Shanghai")
NAMES = [
    "XK_XDR_MC", "XK_XDR_LB", "XK_XDR_SHXYM", "XK_XDR_GSZC", "XK_XDR_ZZJG", "XK_XDR_SWDJ", "XK_FR_ZJHM", "XK_XDR_ZJLX",
    "XK_XDR_ZJHM", "XK_WSH", "XK_NR", "XK_XKJGDM", "XK_ZT", "CZBS", "GXSJ", "_SEQ",
]  # fmt: skip
VALUES = {
    "XK_XDR_SHXYM": ["91440500MA4X022965", "91440500ma4x022965", "00000000000000000X", "N2440513MF0000013T", "440507199003070018", "９１"],
    "XK_XDR_GSZC": ["440501000012343", "440501000012344", "440524660501008", "4405001234567", "44050-1000012343"],
    "XK_XDR_ZZJG": ["71526726X", "71526726-X", "71526726x"],
    "XK_XDR_SWDJ": ["91440500MA4X022965", "440500715267261", "44050719900307001801"],
    "XK_FR_ZJHM": ["440507199003070018", "440524660501008", "******", "E123"],
    "XK_XDR_ZJLX": ["身份证", "护照号", "其他-x"],
    "XK_XDR_ZJHM": ["440511198506150028", "P1234567"],
    "XK_WSH": ["汕许〔2026〕1号", "汕许【2026】1号", "汕许 (2026) 1号", "a|b\\c"],
    "XK_XKJGDM": ["11440500MA4X00071Y"],
    "XK_ZT": ["1", "2", "有效", " 有效", "x"],
    "CZBS": ["I", "U", "W", "D", "i", "X", " "],
    "GXSJ": ["2026-11-18 09:12:33", "2026-11-18 23:59:59.5", "2026-11-18 24:00:00", "2026/11/18", "20261118091233", "乱码"],
    "_SEQ": ["1", "000017", "9" * 30, "x", "٣"],
}  # fmt: skip
NASTY = [
    "",
    " ",
    "　",
    "\t",
    "\\N",
    "\\.",
    "\0",
    "\ufffd",
    "\x1c",
    "\x85",
    "\u2028",
    "甲乙",
    "a,b",
    'c"d',
    "e\nf",
    "g\r",
    "'; drop",
    "=1+1",
]


@cache
def sources() -> Registry:
    return load(Path(__file__).parents[2])


def lines_of(
    content: bytes, *, short: bool, processes: int = 1, department: str = "mzj", name: str = "permit"
) -> tuple[bytes, Tally, list[str]]:
    registry = sources()
    feed = registry.feed(department, name)
    tally = Tally()
    keys = PersonKeys(b"h" * 32, b"c" * 32, "test")
    delivered = Delivered(
        registry, feed, registry.kinds[feed.kind], keys, CodeBook(), tally, "2026-11-20T12:00:00+08:00", ZONE
    )  # fmt: skip
    found, columns = b"", []
    for section in read(io.BytesIO(content), feed, "csv", "utf-8"):
        writer = RowWriter(delivered, section if short else replace(section, pieces=None))
        columns = writer.columns
        found += b"".join(writer.chunks(processes))
    return found, tally, columns


def document(rows: list[dict[str, str]], quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, NAMES, restval="", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")


_value = st.one_of(st.sampled_from(NASTY), st.text(st.characters(codec="utf-8"), max_size=8))
_row = st.fixed_dictionaries(
    {
        name: st.one_of(st.sampled_from(VALUES.get(name, [""])), st.just(""), _value) if name in VALUES else _value
        for name in NAMES
    }
)


_quoting = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(_row, min_size=1, max_size=30),
    st.lists(st.sampled_from([b"\r\n", b"\n", b"\r"]), min_size=1, max_size=3),
    _quoting,
    st.sampled_from([100, 400, 1 << 19]),
)
@example([{"XK_XDR_MC": "甲公司", "GXSJ": "2026-11-18 09:12:33", "CZBS": "I"}] * 3, [b"\n"], csv.QUOTE_MINIMAL, 400)
@example([{"XK_XDR_MC": "甲,乙", "GXSJ": "2026-11-18 09:12:33", "CZBS": "I"}] * 3, [b"\r\n"], csv.QUOTE_ALL, 400)
@example(
    [{"XK_XDR_MC": "甲"}, {"XK_XDR_MC": 'c"d'}, {"XK_XDR_MC": "乙\x1f丙"}, {"XK_XDR_MC": "丁"}],
    [b"\n"],
    csv.QUOTE_ALL,
    100,
)
def test_the_short_way_says_what_the_long_way_says(
    monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, str]], ends: list[bytes], quoting: Literal[0, 1], block: int
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", block)
    monkeypatch.setattr(delimited, "_WORTH_IT", 1)
    monkeypatch.setattr(delimited, "_FIRST_LINES", 2)
    lines = document(rows, quoting).split(b"\r\n")
    content = b"".join(line + end for line, end in zip(lines, cycle(ends), strict=False))
    short, long = lines_of(content, short=True), lines_of(content, short=False)
    assert short[0] == long[0]
    assert short[1] == long[1]


_tidy = ["b", '"b"', '"甲,乙"', "", "1"]
_raw_cell = st.sampled_from(
    [*_tidy, '"', '"a"', '""', '"a""b"', '"a\nb"', 'x"y', ' "z"', '"q" ', "\x1f", "\\", "\t", "\r"]
)
_raw_row = st.one_of(
    st.lists(st.sampled_from(_tidy), min_size=len(NAMES), max_size=len(NAMES)),
    st.lists(_raw_cell, min_size=len(NAMES), max_size=len(NAMES)),
    st.lists(_raw_cell, min_size=1, max_size=5),
)
_of_three = ["b", "b", "1"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(_raw_row, min_size=1, max_size=16),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([100, 700, 1 << 19]),
)
@example([["1"] * 16, ['"', "b"], ["b", "1"], ["1", '"'], ["b"] * 16, ["1"] * 16], "\n", 1 << 19)
@example([_of_three, ["1"] * 16, ["1"] * 16, ['"a', 'b"', "1", "1"], ['"a\nb"', "b", "1"], ["b"] * 16], "\n", 1 << 19)
def test_the_short_way_says_what_the_long_way_says_however_cells_are_quoted(
    monkeypatch: pytest.MonkeyPatch, rows: list[list[str]], end: str, block: int
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", block)
    monkeypatch.setattr(delimited, "_WORTH_IT", 1)
    monkeypatch.setattr(delimited, "_FIRST_LINES", 3)
    content = end.join([",".join(NAMES), *(",".join(row) for row in rows)]).encode()
    assert lines_of(content, short=True) == lines_of(content, short=False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_row, min_size=1, max_size=30), st.integers(0, 2), st.integers(2, 3), st.booleans(), _quoting)
def test_several_processes_say_what_one_says(
    monkeypatch: pytest.MonkeyPatch,
    rows: list[dict[str, str]],
    alone: int,
    processes: int,
    short: bool,
    quoting: Literal[0, 1],
) -> None:
    monkeypatch.setattr(delimited, "_WORTH_IT", 1)
    monkeypatch.setattr(delimited, "_FIRST_LINES", 2)
    monkeypatch.setattr(rows_module, "ALONE_PIECES", alone)
    monkeypatch.setattr(rows_module, "CHUNK_ROWS", 3)
    monkeypatch.setattr(delimited, "BLOCK", 400)
    content = document(rows, quoting)
    assert lines_of(content, short=short, processes=processes) == lines_of(content, short=False)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_ordinary_rows_do_take_the_short_way(monkeypatch: pytest.MonkeyPatch, quoting: Literal[0, 1]) -> None:
    taken: list[int] = []
    original = plain.PlainLane.lines

    def counted(self: plain.PlainLane, first: int, block: bytes, delimiter: bytes) -> list[bytes | None]:
        made = original(self, first, block, delimiter)
        taken.append(sum(line is not None for line in made))
        return made

    monkeypatch.setattr(plain.PlainLane, "lines", counted)
    row = {name: values[0] for name, values in VALUES.items()} | {"XK_XDR_MC": "甲公司", "XK_NR": "内容，一, 二"}
    content = document([row | {"XK_WSH": f"汕许〔2026〕{n}号"} for n in range(1000)], quoting)
    assert lines_of(content, short=True)[1].rows == 1000
    assert sum(taken) >= 790


REGISTRATION = ["name", "code", "registrationDay", "character", "capital", "address"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["甲公司", "乙N/A公司"]),
            *[st.sampled_from(["", "N/A", " N/A　", "n/a", "/", "NN/A", "汕头,龙湖"])] * (len(REGISTRATION) - 1),
        ),
        min_size=1,
        max_size=12,
    ),
    _quoting,
)
@example([("甲公司", "N/A", "", "", "N/A", " N/A　"), ("甲公司", "", "", "", "", "")], csv.QUOTE_MINIMAL)
def test_words_that_stand_for_nothing_are_found_on_both_ways(
    monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, ...]], quoting: Literal[0, 1]
) -> None:
    monkeypatch.setattr(delimited, "_WORTH_IT", 1)
    monkeypatch.setattr(delimited, "_FIRST_LINES", 1)
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting).writerows([REGISTRATION, *rows])
    content = out.getvalue().encode()
    short, long = (lines_of(content, short=way, department="sjgj", name="registration") for way in (True, False))
    assert short == long
    assert short[1].rows == len(rows)


def test_rows_of_a_feed_with_words_for_nothing_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_FIRST_LINES", 1)
    ways: list[bool] = []
    original = plain.PlainLane.lines

    def kept(self: plain.PlainLane, first: int, block: bytes, delimiter: bytes) -> list[bytes | None]:
        made = original(self, first, block, delimiter)
        ways.extend(line is not None for line in made)
        return made

    monkeypatch.setattr(plain.PlainLane, "lines", kept)
    rows = ["甲公司,91440500MA4X022965,2020-01-01,有限责任公司,壹万元,汕头"] * 9
    content = "\n".join([",".join(REGISTRATION), *rows, rows[0].replace("汕头", "N/A")]).encode()
    lines_of(content, short=True, department="sjgj", name="registration")
    assert ways == [True] * 9 + [False]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            *[st.integers(0, plain._NARROW + 3).map(lambda size: b"abcdefg" * size)] * 2, st.sampled_from([b"", b"z"])
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, plain._NARROW + 3),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
def test_cells_are_found_whatever_their_width_and_wherever_they_lie(
    rows: list[tuple[bytes, ...]], width: int, end: bytes, ended: bool
) -> None:
    table = [(b"1" + row[0][:width], row[1][:width], row[2]) for row in rows]
    block = end.join(b",".join(row) for row in table) + (end if ended else b"")
    grid = plain._Grid(block, b",", 3, [b"", b"constant"])
    expected = [*map(list, zip(*table, strict=True)), [b""] * len(rows), [b"constant"] * len(rows)]
    for place, values in enumerate(expected):
        assert [grid.cell(place, line) for line in range(len(rows))] == values
        assert grid.filled(place) == [line for line, value in enumerate(values) if value]
        assert grid.column(place) == values
        assert [grid.cell(place, line) for line in range(len(rows))] == values
    assert grid.tabbed(0, 2) == [b"\t".join(row) for row in table]
    grid.leave({0})
    assert [grid.column(place) for place in range(3)] == [values[1:] for values in expected[:3]]


_quoted_cell = st.sampled_from(
    ["", "甲", "a,b", '"a"', '"a,b"', '""', '"a""b"', '"a', 'a"', ' "a"', '"a" ', '"', "\x1f", '"\x1f"']
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(_quoted_cell, min_size=1, max_size=4), min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
@example([['"x"', "1"], ['"y,z"', "2"], ["c", "3"]], "\r\n", True)
def test_a_run_of_plain_lines_says_what_the_csv_module_says(rows: list[list[str]], end: str, ended: bool) -> None:
    lines = [",".join(row) for row in rows]
    block = (end.join(lines) + (end if ended else "")).encode()
    assume(b'"' in block)
    found = delimited._without_quotes(delimited._plain_ends(block), b",")
    assert len(found.starts) - 1 == len(block.splitlines())
    for at in sorted(set(range(len(block.splitlines()))) - set(found.untidy.tolist())):
        text, count = found.run(at)
        assert count >= 1
        line = block.splitlines()[at].decode()
        cells = next(csv.reader([line]), [""])
        assert [cell.decode() for cell in text.splitlines()[0].split(found.delimiter)] == (cells or [""])


def test_lines_fit_the_columns() -> None:
    found, _, columns = lines_of(document([{"XK_XDR_MC": "甲\t乙\\丙"}, {"XK_XDR_MC": "丁"}]), short=True)
    for line in found.decode().splitlines():
        assert line.count("\t") == len(columns) - 1


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-18 09:12:33", "2026-11-18T09:12:33+08:00"),
        ("2026/11/18 09:12:33", "2026-11-18T09:12:33+08:00"),
        ("20261118091233", "2026-11-18T09:12:33+08:00"),
        ("202611180912", "2026-11-18T09:12:00+08:00"),
        ("2026-11-18", "2026-11-18T00:00:00+08:00"),
        ("2026年11月18日", "2026-11-18T00:00:00+08:00"),
        ("2026-11-18T01:12:33Z", "2026-11-18T01:12:33+00:00"),
        ("2026-11-18 24:00:00", ""),
        ("0001-01-01", ""),
        ("昨天", ""),
    ],
)
def test_change_times(text: str, moment: str) -> None:
    assert read_moment(text, ZONE) == moment


def test_parts_of_a_key_cannot_run_into_each_other() -> None:
    assert record_key_text(["a|b", "c"]) != record_key_text(["a", "b|c"])


def test_the_strongest_valid_identifier_makes_the_key() -> None:
    kind = sources().kinds["registration"]
    columns = ["subject_uscc", "subject_org_code", "subject_reg_no", "subject_name", "region_code"]
    key_of = key_maker(kind, "sjgj", {name: at for at, name in enumerate(columns)}, uscc_ok)
    full = ["91440500MA4X022965", "71526726X", "440501000012343", "甲公司", "440507"]
    weaker = [
        full,
        ["91440500MA4X022966", *full[1:]],
        ["00000000000000000X", "71526726Y", *full[2:]],
        ["", "", "440501000012344", *full[3:]],
        ["", "", "", "甲公司", "440511"],
    ]
    keys = [key_of(row, "") for row in weaker]
    assert len(set(keys)) == 5, "a code that is not valid is no key; by name alone the region counts"
    assert key_of([full[0], "", "", "乙公司", ""], "") == keys[0]
    assert key_of(["", "", full[2], "乙公司", ""], "") == keys[2]


_code = st.one_of(
    st.sampled_from(VALUES["XK_XDR_SHXYM"]),
    st.text(st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXYIOSVZ"), min_size=18, max_size=18),
    st.from_regex(r"9[1-3]4405\d\d[0-9A-HJ-NPQRTUWXY]{9}[0-9A-HJ-NPQRTUWXY]", fullmatch=True),
)


@given(st.lists(_code.filter(lambda code: len(code.encode()) == 18), max_size=40))
@example(["91440500MA4X022965", "91440500MA4X022966", "00000000000000000X", "914405001111111115"])
def test_codes_are_judged_alike_one_by_one_and_all_at_once(codes: list[str]) -> None:
    assert uscc_ok_many([code.encode() for code in codes]) == [uscc_ok(code) for code in codes]


@given(st.text(st.sampled_from("91440500MA4X0229"), min_size=17, max_size=17))
def test_the_check_character_found_one_by_one_is_found_all_at_once(body: str) -> None:
    codes = [body + mark for mark in USCC_ALPHABET]
    assert uscc_ok_many([code.encode() for code in codes]) == [uscc_ok(code) for code in codes]
