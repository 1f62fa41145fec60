"""SimpleNetworkBuilder: a feed-forward network of fully connected layers, described by their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.diagnostics import Diagnostics, Span
from graphc.ir import ElementType, Op, operator
from graphc.network.inference import infer
from graphc.network.network import Network, NetworkNode
from graphc.ops.initializers import Initializer
from graphc.ops.sources import InputValue, LearnableParameter

# criteria of a feed-forward network → the name that the node gets as evaluation; as criterion it has the operation's
CRITERIA = {
    "CrossEntropyWithSoftmax": "CrossEntropyWithSoftmax",
    "SquareError": "SquareError",
    "Logistic": "Logistic",
    "ClassificationError": "EvalClassificationError",
}


@dataclass(frozen=True)
class SimpleNetwork:
    """What the section says. ``layer_sizes`` are those of the input, the hidden layers and the output.

    ``layer_types`` are operations or None, one a hidden layer, the last for all others; criteria are operations too.
    """

    layer_sizes: tuple[int, ...]
    training_criterion: str
    eval_criterion: str
    layer_types: tuple[str, ...] = ("Sigmoid",)
    init_value_scale: float = 1.0
    uniform_init: bool = True
    apply_mean_var_norm: bool = False
    need_prior: bool = False
    add_dropout_nodes: bool = False


def build_simple_network(
    settings: SimpleNetwork, element: ElementType, spans: Mapping[str, Span], section: Span, diagnostics: Diagnostics
) -> Network:
    """The network with all shapes; ``spans`` are the places of the keys, ``section`` is that of what has none.

    What is wrong goes to ``diagnostics``; raises `DiagnosticError` with the errors when there are any.
    """
    layers = _Layers(settings, element, spans, section)
    layers.build()
    own = Diagnostics()
    infer(layers.network, own)
    diagnostics.extend(own.found)
    own.raise_errors()
    return layers.network


class _Layers:
    """Nodes in CNTK's order and under its names, which do not change with what a layer really reads."""

    def __init__(self, settings: SimpleNetwork, element: ElementType, spans: Mapping[str, Span], section: Span) -> None:
        self.network = Network(element)
        self._settings = settings
        self._spans = spans
        self._section = section
        self._seed = 0

    def build(self) -> None:
        settings = self._settings
        top = len(settings.layer_sizes) - 2
        below = self._normalized(self._input("features", settings.layer_sizes[0], "feature"))
        for k in range(top):
            below = self._hidden(k, below)
        last = self._linear(top, f"W{top}*H{top - 1}", "HLast", below)
        labels = self._input("labels", settings.layer_sizes[-1], "label")
        self._criteria(labels, last)
        output = self._likelihood(labels, last) if settings.need_prior else last
        self.network.join(output, "output")
        self._node("PosteriorProb", "Softmax", last)

    def _normalized(self, features: NetworkNode) -> NetworkNode:
        if not self._settings.apply_mean_var_norm:
            return features
        key = "applyMeanVarNorm"
        mean = self._node("MeanOfFeatures", "Mean", features, key=key)
        deviation = self._node("InvStdOfFeatures", "InvStdDev", features, key=key)
        return self._node("MVNormalizedFeatures", "PerDimMeanVarNormalization", features, mean, deviation, key=key)

    def _hidden(self, k: int, below: NetworkNode) -> NetworkNode:
        product = f"W{k}*H{k}" if k else "W0*features"
        types = self._settings.layer_types
        kind = types[min(k, len(types) - 1)]
        name = f"H{k + 1}"
        # a layer without nonlinearity is its sum, which then bears the layer's name
        output = self._linear(k, product, name if kind == "None" else f"{product}+B{k}", below)
        if kind != "None":
            output = self._node(name, kind, output, key="layerTypes")
        if self._settings.add_dropout_nodes:
            output = self._node(f"Drop{name}", "Dropout", output, key="addDropoutNodes")
        return output

    def _linear(self, k: int, product: str, name: str, below: NetworkNode) -> NetworkNode:
        sizes = self._settings.layer_sizes
        weights = self._parameter(f"W{k}", (sizes[k + 1], sizes[k]), self._random())
        bias = self._parameter(f"B{k}", (sizes[k + 1], 1), Initializer("fixedValue"))
        return self._node(name, "Plus", self._node(product, "Times", weights, below), bias)

    def _criteria(self, labels: NetworkNode, last: NetworkNode) -> None:
        training, scored = self._settings.training_criterion, self._settings.eval_criterion
        criterion = self._node(training, training, labels, last, key="trainingCriterion")
        self.network.join(criterion, "criterion")
        evaluation = criterion
        if scored != training:
            evaluation = self._node(CRITERIA[scored], scored, labels, last, key="evalCriterion")
        self.network.join(evaluation, "evaluation")

    def _likelihood(self, labels: NetworkNode, last: NetworkNode) -> NetworkNode:
        prior = self._node("Prior", "Mean", labels, key="needPrior")
        log_prior = self._node("LogOfPrior", "Log", prior, key="needPrior")
        return self._node("ScaledLogLikelihood", "Minus", last, log_prior, key="needPrior")

    def _random(self) -> Initializer:
        self._seed += 1
        kind = "uniform" if self._settings.uniform_init else "gaussian"
        return Initializer(kind, scale=self._settings.init_value_scale, seed=self._seed, on_cpu_only=False)

    def _input(self, name: str, size: int, group: str) -> NetworkNode:
        node = self._add(NetworkNode(name, InputValue(name, (size,), element=self.network.element), []), "layerSizes")
        self.network.join(node, group)
        return node

    def _parameter(self, name: str, shape: tuple[int, ...], initializer: Initializer) -> NetworkNode:
        op = LearnableParameter(name, shape, initializer=initializer, element=self.network.element)
        return self._add(NetworkNode(name, op, []), "layerSizes")

    def _node(self, name: str, operation: str, *inputs: NetworkNode, key: str = "layerSizes") -> NetworkNode:
        cls = operator(operation)
        assert cls is not None, operation
        op: Op = cls(**{"name": name} if cls.identified else {})
        return self._add(NetworkNode(name, op, list(inputs)), key)

    def _add(self, node: NetworkNode, key: str) -> NetworkNode:
        node.span = self._spans.get(key, self._section)
        self.network.add(node)
        return node
