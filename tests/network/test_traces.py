"""The ``format`` of a trace: a record whose entries are known, kept in the text of networks and graphs."""

from __future__ import annotations

import pytest

from graphc.diagnostics import DiagnosticError, Diagnostics, SourceText
from graphc.ir import format_graph, parse_graph
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.network import Network
from graphc.network.session import Session
from graphc.network.text import format_network
from graphc.ops.tracing import Shown, TextFormat, Trace

FORMATS = {
    "[]": TextFormat(),
    "[type='category' ; transpose=false ; labelMappingFile='a']": TextFormat(Shown.CATEGORY, "a", False),
    "[sequencePrologue='%s\\n' ; precisionFormat='.4']": TextFormat(sequence_prologue="%s\\n", precision_format=".4"),
}


def network(format: str) -> Network:
    text = f"{{ x = Input {{3}} ; h = Trace (x, say='x', format={format}) ; z = Tanh (h) ; outputNodes = (z) }}"
    found = Diagnostics()
    built = build_network(SourceText.from_string(text), session=Session(), diagnostics=found)
    assert not found.found
    return built


@pytest.mark.parametrize("format", FORMATS)
def test_it_is_an_attribute(format: str) -> None:
    built = network(format)
    assert built["h"].op == Trace("h", "x", format=FORMATS[format])
    graph = to_graph(built)
    assert format_graph(parse_graph(format_graph(graph))) == format_graph(graph)
    assert ("format=TextFormat" in format_network(built)) == (format != "[]")


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("[tipe='real']", "unknown field tipe"),
        ("[type='label']", '"label", not one of real, category, sparse'),
        ("[transpose=1]", "not true or false"),
        ("3", "not TextFormat"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(format: str, message: str) -> None:
    with pytest.raises(DiagnosticError) as raised:
        network(format)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "GC0406" and message in diagnostic.message
    assert diagnostic.span is not None and diagnostic.span.text in (format, f"[{format}]")
