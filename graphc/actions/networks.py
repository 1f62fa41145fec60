"""The network of a command: from its builder, from a model file, or, before that is trained, from who will train it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphc.config.commands import Builder, NetworkSource
from graphc.config.experiment import RootSettings
from graphc.config.learner import SGDSettings
from graphc.data.streams import WantedInput
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label, Severity, Span, did_you_mean
from graphc.network.build import ELEMENTS, build_network
from graphc.network.network import Network, NetworkNode, needed
from graphc.network.session import Session
from graphc.network.text import parse_network
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.syntax.brainscript import IncludePath

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass
class Networks:
    """Builds networks for the commands of one run; the session counts parameters through all of them."""

    settings: RootSettings
    # folders of the configuration files, where BrainScript's `include` looks
    folders: tuple[Path, ...] = ()
    session: Session = field(default_factory=Session)

    def build(self, source: NetworkSource, found: Diagnostics, trace_level: int = 0) -> Network:
        """The network that a builder section describes; raises `DiagnosticError` with all that is wrong with it.

        Warnings go to ``found``.
        """
        own = Diagnostics()
        try:
            match source.builder:
                case Builder.SIMPLE:
                    return self._simple(source, own)
                case Builder.BRAINSCRIPT:
                    return self._script(source, own, trace_level)
                case Builder.NDL:
                    return self._description(source, own)
                case Builder.MODEL:
                    raise AssertionError("a model file is loaded, not built")
        finally:
            found.extend(own.warnings)

    def _script(self, source: NetworkSource, found: Diagnostics, trace_level: int) -> Network:
        assert source.script is not None
        device = self.settings.device_id
        return build_network(
            source.script,
            precision=self.settings.precision,
            device_id=device if isinstance(device, int) else -1,
            trace_level=trace_level,
            session=self.session,
            diagnostics=found,
            includes=IncludePath(self.folders),
        )

    def _simple(self, source: NetworkSource, found: Diagnostics) -> Network:
        # here, because `check` of what has no such section must not wait for them; below too
        from graphc.config.networks import read_simple_network
        from graphc.network.simple import build_simple_network

        assert source.record is not None
        settings, spans = read_simple_network(source.record)
        return build_simple_network(settings, ELEMENTS[self.settings.precision], spans, source.span, found)

    def _description(self, source: NetworkSource, found: Diagnostics) -> Network:
        from graphc.config.ndl import read_ndl_network
        from graphc.network.ndl.build import build_ndl_network

        assert source.record is not None
        script = read_ndl_network(source.record)
        element = ELEMENTS[self.settings.precision]
        return build_ndl_network(script, element, session=self.session, diagnostics=found)


@dataclass
class DescribedNetworks(Networks):
    """As `Networks`, where a network is only looked at: commands that share a description share what it describes.

    In a run each has its own, with seeds of its own. One that loads a model is built for each all the same: the file
    may be another by then.
    """

    _built: dict[tuple[Any, ...], Network] = field(default_factory=dict)

    def build(self, source: NetworkSource, found: Diagnostics, trace_level: int = 0) -> Network:
        text = None if source.script is None else source.script.text
        key = (source.builder, source.span, text, trace_level)
        if key not in self._built or text is None:
            before = self.session.models_read
            network = super().build(source, found, trace_level)
            if self.session.models_read > before:
                return network
            self._built[key] = network
        return self._built[key]


def network_from_text(text: str, values: Mapping[str, npt.NDArray[Any]], path: Path) -> Network:
    """The network that a model file holds, with its parameters' values.

    A frozen parameter whose values are no longer those it was made with is no constant that passes may fold.
    """
    network = parse_network(text, name=f"{path}(graphc.network)")
    for node in network:
        if isinstance(node.op, LearnableParameter) and node.op.constant is not None:
            value = values.get(node.name)
            if value is not None and not (value == value.dtype.type(node.op.constant)).all():
                node.op = replace(node.op, is_state=True)
    return network


def wanted_inputs(inputs: Iterable[NetworkNode]) -> list[WantedInput]:
    """What the reader must deliver for these inputs."""
    return [
        WantedInput(node.name, node.type.size, node.span)
        for node in inputs
        if node.type is not None and node.type.is_complete
    ]


def inputs_below(network: Network, roots: Sequence[str]) -> list[NetworkNode]:
    """The inputs that the named nodes need."""
    return [n for n in needed([network[name] for name in roots]) if isinstance(n.op, InputValue)]


def criterion_of(network: Network, sgd: SGDSettings, span: Span | None) -> str:
    """Name of the node to train: the one that SGD names, else the first criterion."""
    if sgd.train_criterion_node_name:
        place = sgd.spans.get("trainCriterionNodeName", span)
        return _scalar(network, require_node(network, sgd.train_criterion_node_name, place), place)
    if not network.groups["criterion"]:
        raise DiagnosticError(_no_criterion(network, span))
    first = network.groups["criterion"][0]
    return _scalar(network, first.name, network.listing(first, "criterion"))


def _no_criterion(network: Network, span: Span | None) -> Diagnostic:
    message = "the network has no criterion node to train"
    misspelt = network.lookalikes.get("criterion")
    if misspelt is None:
        hint = "list it in criterionNodes = (…) or give it tag = 'criterion'"
        return Diagnostic("GC0415", message, span, hint=hint)
    labels = (Label("this command trains it", span),)
    return Diagnostic("GC0415", message, misspelt, labels, "did you mean criterionNodes?")


def evaluations_of(network: Network, sgd: SGDSettings, span: Span | None) -> list[str]:
    """Names of the nodes to watch in training: the one that SGD names, else all evaluation nodes."""
    if not sgd.eval_criterion_node_name:
        return [node.name for node in network.groups["evaluation"]]
    return [require_node(network, sgd.eval_criterion_node_name, sgd.spans.get("evalCriterionNodeName", span))]


def _scalar(network: Network, name: str, place: Span | None) -> str:
    type = network[name].type
    if type is not None and type.is_complete and type.size != 1:
        message = f"the criterion {name} is {type}, only a scalar can be trained"
        raise DiagnosticError(Diagnostic("GC0416", message, place, hint=f"sum it: ReduceSum ({name})"))
    return name


def require_node(network: Network, name: str, span: Span | None) -> str:
    """The spelling of a node's name; raises `DiagnosticError` with a suggestion."""
    node = network.get(name)
    if node is None:
        raise DiagnosticError(unknown_node(network, name, span, Severity.ERROR))
    return node.name


def known_nodes(network: Network, names: Iterable[str], span: Span | None, warnings: Diagnostics) -> list[str]:
    """Those of the names that the network has; the others are warned about and skipped, as CNTK does."""
    found = []
    for name in names:
        node = network.get(name)
        if node is None:
            warnings.add(unknown_node(network, name, _within(span, name), Severity.WARNING))
        elif node.name not in found:
            found.append(node.name)
    return found


def _within(span: Span | None, name: str) -> Span | None:
    """Where a name stands in the text of a list of names; all of it if it is spelt in another way there."""
    found = span and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", span.text)
    return Span(span.file, span.start + found.start(), span.start + found.end()) if span and found else span


def unknown_node(network: Network, name: str, span: Span | None, severity: Severity) -> Diagnostic:
    hint = did_you_mean(name, network.names)
    skipping = "; skipping" if severity is Severity.WARNING else ""
    return Diagnostic("GC0413", f"No node named '{name}'{skipping}", span, hint=hint, severity=severity)
