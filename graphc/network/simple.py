"""SimpleNetworkBuilder: networks of fully connected and recurrent layers, described by their sizes (language.md 11)."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.diagnostics import Diagnostics, Span
from graphc.ir import ElementType
from graphc.network.inference import infer
from graphc.network.network import Network
from graphc.network.simple_feed_forward import FeedForward
from graphc.network.simple_lstm import ClassLSTM, ConditionalLSTM, SimpleLSTM
from graphc.network.simple_nodes import SimpleNetwork, SimpleNodes
from graphc.network.simple_recurrent import ClassLanguageModel, LogBilinear, NeuralLanguageModel, SimpleRecurrent

KINDS: Mapping[str, type[SimpleNodes]] = {
    "SIMPLENET": FeedForward,
    "SIMPLERNN": SimpleRecurrent,
    "LSTM": SimpleLSTM,
    "CLASSLM": ClassLanguageModel,
    "LBLM": LogBilinear,
    "NPLM": NeuralLanguageModel,
    "CLASSLSTM": ClassLSTM,
    "CLSTM": ConditionalLSTM,
}


def build_simple_network(
    settings: SimpleNetwork, element: ElementType, spans: Mapping[str, Span], section: Span, diagnostics: Diagnostics
) -> Network:
    """The network with all shapes; ``spans`` are the places of the keys, ``section`` is that of what has none.

    What is wrong goes to ``diagnostics``; raises `DiagnosticError` with the errors when there are any.
    """
    nodes = KINDS[settings.rnn_type](settings, element, spans, section)
    nodes.build()
    own = Diagnostics()
    infer(nodes.network, own)
    diagnostics.extend(own.found)
    own.raise_errors()
    return nodes.network
