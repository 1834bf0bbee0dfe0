"""XML: one record per ROW element, its values in child elements or attributes.

Promises
- Streams through libxml2 and forgets each record. No network, no external entity, no expansion: a document type
  declaration is refused.
- Broken XML names the line.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from lxml import etree

from creditflow.readers.errors import ReadError
from creditflow.readers.records import Record, sections_of
from creditflow.readers.table import Section
from creditflow.registry import Feed


def read_xml(stream: io.BufferedReader, feed: Feed) -> Iterator[Section]:
    """Sections of an XML document; the encoding is the document's own. Raises ReadError 'xml_broken', 'xml_doctype'."""
    return sections_of(_records(stream, feed), feed)


def _records(stream: io.BufferedReader, feed: Feed) -> Iterator[Record]:
    names = {path.rsplit("/", 1)[-1] for path in feed.record_paths if "/" in path or path.isupper()} or {"ROW"}
    number = 0
    try:
        events = etree.iterparse(
            stream,
            events=("end",),
            tag=tuple(f"{{*}}{name}" for name in sorted(names)),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        for _, element in events:
            if number == 0 and element.getroottree().docinfo.doctype:
                raise _doctype()
            number += 1
            yield number, _values(element)
            element.clear(keep_tail=False)
            parent = element.getparent()
            if parent is not None:
                while element.getprevious() is not None:
                    del parent[0]
        if number == 0 and events.root is not None and events.root.getroottree().docinfo.doctype:
            raise _doctype()
    except etree.XMLSyntaxError as problem:
        raise _broken(problem) from None


def _values(element: etree._Element) -> dict[str, str]:
    record = {str(name): str(value) for name, value in element.attrib.items()}
    for child in element:
        tag = child.tag
        if not isinstance(tag, str):
            raise _doctype()
        name = tag.rsplit("}", 1)[-1] if "}" in tag else tag
        record[name] = (child.text or "") if len(child) == 0 else "".join(map(str, child.itertext()))
    return record


def _doctype() -> ReadError:
    return ReadError(
        "xml_doctype",
        "XML 含有文档类型声明或实体，出于安全原因不予读取；请去除后重新报送",
        "the XML holds a document type declaration or entities, which are refused: remove them and send again",
    )


def _broken(problem: etree.XMLSyntaxError) -> ReadError:
    line = problem.lineno or 1
    return ReadError(
        "xml_broken",
        f"XML 第 {line} 行有误，其后的内容无法读取；请修正后重新报送整批数据",
        f"broken XML at line {line}, nothing after it can be read: correct it and send the whole batch again",
        row=line,
    )
