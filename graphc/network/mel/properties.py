"""``SetProperty`` and ``SetPropertyForSubTree``: which properties there are, and what they do to nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Severity, SourceText, Span, did_you_mean
from graphc.network.cloning import below
from graphc.network.mel import edits
from graphc.network.mel.commands import choice
from graphc.network.network import Network, NetworkNode

_RATE, _FREEZE = "learningRateMultiplier", "freezeParameters"
_GRADIENT = ("needGradient", "needsGradient", "computeGradient")
# what old scripts call groups, and their names now
_GROUPS = {
    **{"finalCriterion": "criterion", "criteria": "criterion", "eval": "evaluation", "criterion": "criterion"},
    **{"evaluation": "evaluation", "feature": "feature", "label": "label", "output": "output"},
}
_IGNORED = ("recurrent", "multiSeq")

# an abbreviation is that of the first property that it fits
_PROPERTIES = (
    *("finalCriterion", "criteria", "eval", *_GRADIENT, "criterion", "evaluation", "feature", "label"),
    *(_RATE, "output", "recurrent", _FREEZE, "multiSeq"),
)
_OF_SUBTREES = (*_GRADIENT, _RATE)

_TRUE, _FALSE = ("t", "true", "1"), ("f", "false", "0", "")


def known_property(text: SourceText, for_subtree: bool) -> str:
    """The full name; raises `DiagnosticError`."""
    names = _OF_SUBTREES if for_subtree else _PROPERTIES
    found = choice(text.text, names)
    if found is None:
        hint = did_you_mean(text.text, names, f"there are {', '.join(names)}")
        raise DiagnosticError(Diagnostic("GC0432", f"there is no property {text}", text.span(), hint=hint))
    return found


def property_value(name: str, text: SourceText) -> float:
    """The number of a rate; 1 or 0 of what is true or false. Raises `DiagnosticError`."""
    return _rate(text) if name == _RATE else float(boolean(text))


def boolean(text: SourceText) -> bool:
    if text.text.lower() not in (*_TRUE, *_FALSE):
        message = f"'{text}' is not a boolean"
        raise DiagnosticError(Diagnostic("GC0432", message, text.span(), hint="write true or false"))
    return text.text.lower() in _TRUE


def set_property(
    name: str, value: float, nodes: Sequence[NetworkNode], network: Network, place: Span, found: Diagnostics
) -> None:
    """Raises `DiagnosticError`; a property that none of the nodes has is worth a warning."""
    if name in _IGNORED:
        return
    if name in _GROUPS:
        for node in nodes:
            edits.set_group(node, network, _GROUPS[name], bool(value))
    elif name == _FREEZE:
        if not any([edits.freeze(node, bool(value)) for node in nodes]):
            message = f"{nodes[0].name} is a {nodes[0].operation}, which owns nothing that training changes"
            raise DiagnosticError(Diagnostic("GC0433", message, place))
    elif not any([edits.set_rate(node, value) for node in nodes]):
        message = f"{name} changes nothing: no parameter is among these nodes"
        found.add(Diagnostic("GC0433", message, place, severity=Severity.WARNING))


def set_property_below(
    name: str, value: float, nodes: Sequence[NetworkNode], network: Network, place: Span, found: Diagnostics
) -> None:
    """Set a property of all parameters that the nodes depend on."""
    set_property(name, value, below(nodes, lambda node: node.inputs), network, place, found)


def _rate(text: SourceText) -> float:
    try:
        rate = float(text.text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        message = f"'{text}' is no rate: a number from 0 on"
        raise DiagnosticError(Diagnostic("GC0432", message, text.span()))
    return rate
