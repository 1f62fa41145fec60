"""The section of a SimpleNetworkBuilder, typed."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.config.reading import read_section
from graphc.config.schema import UNSUPPORTED_CRITERIA
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Span
from graphc.network.simple import KINDS
from graphc.network.simple_nodes import CRITERIA, SimpleNetwork
from graphc.syntax.configuration import ConfigurationRecord

_NOISE_CONTRASTIVE = "NCELSTM"


def read_simple_network(record: ConfigurationRecord) -> tuple[SimpleNetwork, Mapping[str, Span]]:
    """The description, and the places of its keys; raises `DiagnosticError`."""
    kind = _kind(record)
    found = Diagnostics()
    reading = found.keep(lambda: read_section(record, "SimpleNetworkBuilder"))
    found.keep(lambda: _require_layers(record))
    for key in ("trainingCriterion", "evalCriterion"):
        found.keep(lambda key=key: _require_criterion(record, key))
    found.raise_errors()
    assert reading is not None
    arguments = reading.arguments(SimpleNetwork, rnn_type=kind)
    return SimpleNetwork(**{name: value for name, value in arguments.items() if name != "spans"}), reading.spans


def _kind(record: ConfigurationRecord) -> str:
    """Which network: one of `KINDS`, spelt exactly so; of several names the one that stands first there."""
    value = record.get("rnnType")
    named = () if value is None else value.plain_array()
    written = {item.string() for item in named}
    found = next((kind for kind in KINDS if kind in written), None)
    if found:
        return found
    for item in named:
        kind = item.choice((*KINDS, _NOISE_CONTRASTIVE))
        if kind != item.string():
            raise item.error("GC0502", f"'{item.string()}' must be written {kind}")
        message = f"networks of rnnType {kind} are not implemented yet: no operation computes their criterion"
        raise DiagnosticError(Diagnostic("GC0522", message, item.span, item.use(), f"there are {', '.join(KINDS)}"))
    return "SIMPLENET"


def _require_layers(record: ConfigurationRecord) -> None:
    value = record.get("layerSizes")
    count = 1 if value is None else len(value.array())
    if count < 2:
        message = f"layerSizes names {count} layer, it needs at least the input and the output"
        place = record.span if value is None else value.span
        raise DiagnosticError(Diagnostic("GC0503", message, place, hint="write layerSizes = 784:200:10"))


def _require_criterion(record: ConfigurationRecord, key: str) -> None:
    value = record.get(key)
    if value is not None and value.string().lower() in (c.lower() for c in UNSUPPORTED_CRITERIA):
        message = f"{key} {value.string()} is not implemented yet"
        hint = f"there are {', '.join(CRITERIA)}"
        raise DiagnosticError(Diagnostic("GC0522", message, value.span, value.use(), hint))
