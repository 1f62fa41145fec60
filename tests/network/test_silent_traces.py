"""Who asks for a trace is told that nothing will be printed."""

from __future__ import annotations

from graphc.diagnostics import Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.session import Session


def test_a_trace_is_told_at_its_place() -> None:
    found = Diagnostics()
    text = "{ x = Input {3} ; h = Trace (x, say='x', logFirst=3) ; z = Tanh (h) ; outputNodes = (z) }"
    network = build_network(SourceText.from_string(text), session=Session(), diagnostics=found)
    assert [(d.code, d.span.text if d.span else "") for d in found.warnings] == [
        ("GC0521", "Trace (x, say='x', logFirst=3)")
    ]
    assert str(network["z"].type) == "[3 x *]"
