"""Records with named values (JSON, XML) as sections: headings are the names met so far.

Promises
- Names may differ from record to record: a new name starts a new section with one heading more; columns already seen
  keep their place. More than 500 names are refused.
- Whether required columns are missing is decided on the first 200 records, because a record may leave out what is blank.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from creditflow.readers.errors import ReadError
from creditflow.readers.table import Row, Section, missing_columns
from creditflow.registry import Feed

Record = tuple[int, Mapping[str, Any]]
"""(ordinal of the record, name -> text, None, bool, list or object)"""

MAX_NAMES = 500
_LOOK_AHEAD = 200


def sections_of(records: Iterator[Record], feed: Feed) -> Iterator[Section]:
    """Sections over a stream of records. Each section's rows must be consumed before the next is asked for.

    Raises ReadError 'column_missing' or 'too_many_columns'; errors of the stream pass through after the records
    that came before them.
    """
    first: list[Record] = []
    names: dict[str, int] = {}
    failure: ReadError | None = None
    try:
        for record in records:
            first.append(record)
            for name in record[1]:
                names.setdefault(name, len(names))
            if len(first) >= _LOOK_AHEAD:
                break
    except ReadError as problem:
        failure = problem
    if first:
        found = feed.recognise(tuple(names))
        if found.missing:
            raise failure or missing_columns(found, first[0][0], feed)
    stream = _then(first, records, failure)
    waiting: list[Record] = []
    while True:
        if waiting:
            for name in waiting[0][1]:
                names.setdefault(name, len(names))
        if len(names) > MAX_NAMES:
            raise ReadError(
                "too_many_columns",
                f"数据项名称超过 {MAX_NAMES} 个，结构异常；请按接口约定报送",
                f"more than {MAX_NAMES} different names: send the agreed structure",
            )
        cells = tuple(names)
        yield Section(cells, feed.recognise(cells), 0, _rows(stream, cells, names, waiting))
        if not waiting:
            return


def _then(first: list[Record], rest: Iterator[Record], failure: ReadError | None) -> Iterator[Record]:
    yield from first
    if failure is not None:
        raise failure
    yield from rest


def _rows(
    stream: Iterator[Record], cells: tuple[str, ...], names: dict[str, int], waiting: list[Record]
) -> Iterator[Row]:
    width, in_order = len(cells), list(cells)
    if waiting:
        number, record = waiting.pop()
        yield number, _texts([record.get(name, "") for name in cells])
    for item in stream:
        number, record = item
        if len(record) == width and [*record] == in_order:
            row = [*record.values()]
        elif record.keys() <= names.keys():
            row = [record.get(name, "") for name in cells]
        else:
            waiting.append(item)
            return
        row = _texts(row)
        if any(row):
            yield number, row


def _texts(row: list[Any]) -> list[str]:
    """Values as text: null blank, true and false as words, lists and objects as JSON."""
    try:
        "".join(row)
    except TypeError:
        return [item if type(item) is str else _text(item) for item in row]
    return row


def _text(item: Any) -> str:
    if item is None:
        return ""
    if item is True or item is False:
        return "true" if item else "false"
    return json.dumps(item, ensure_ascii=False)
