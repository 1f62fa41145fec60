"""The section of a SimpleNetworkBuilder, typed."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.config.reading import read_section
from graphc.config.schema import RECURRENT_CRITERIA, SIMPLE_CRITERIA
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Span
from graphc.network.simple import SimpleNetwork
from graphc.syntax.configuration import ConfigurationRecord

# what rnnType can name beside SIMPLENET, which is the feed-forward network
_RECURRENT = ("SIMPLERNN", "LSTM", "CLASSLM", "CLASSLSTM", "LBLM", "NPLM", "NCELSTM", "CLSTM")


def read_simple_network(record: ConfigurationRecord) -> tuple[SimpleNetwork, Mapping[str, Span]]:
    """The description, and the places of its keys; raises `DiagnosticError`."""
    _require_feed_forward(record)
    found = Diagnostics()
    reading = found.keep(lambda: read_section(record, "SimpleNetworkBuilder"))
    found.keep(lambda: _require_layers(record))
    for key in ("trainingCriterion", "evalCriterion"):
        found.keep(lambda key=key: _require_criterion(record, key))
    found.raise_errors()
    assert reading is not None
    arguments = reading.arguments(SimpleNetwork)
    return SimpleNetwork(**{name: value for name, value in arguments.items() if name != "spans"}), reading.spans


def _require_feed_forward(record: ConfigurationRecord) -> None:
    value = record.get("rnnType")
    if value is None or value.is_empty:
        return
    named = value.plain_array()
    if any(v.string() == "SIMPLENET" for v in named):
        return
    for item in named:
        kind = item.choice(("SIMPLENET", *_RECURRENT))
        if kind != item.string():
            raise item.error("GC0502", f"'{item.string()}' must be written {kind}")
        message = f"networks of rnnType {kind} are not implemented yet"
        raise DiagnosticError(Diagnostic("GC0522", message, item.span, item.use(), "SIMPLENET is there"))


def _require_layers(record: ConfigurationRecord) -> None:
    value = record.get("layerSizes")
    count = 1 if value is None else len(value.array())
    if count < 2:
        message = f"layerSizes names {count} layer, it needs at least the input and the output"
        place = record.span if value is None else value.span
        raise DiagnosticError(Diagnostic("GC0503", message, place, hint="write layerSizes = 784:200:10"))


def _require_criterion(record: ConfigurationRecord, key: str) -> None:
    value = record.get(key)
    if value is not None and value.string().lower() in (c.lower() for c in RECURRENT_CRITERIA):
        message = f"{key} {value.string()} is not implemented yet"
        hint = f"there are {', '.join(SIMPLE_CRITERIA)}"
        raise DiagnosticError(Diagnostic("GC0522", message, value.span, value.use(), hint))
