"""What every network of a SimpleNetworkBuilder is made of: its settings, and nodes under CNTK's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import graphc.ops  # noqa: F401  (fills the registry)
from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.ir import ElementType, Op, Storage
from graphc.network.network import Network, NetworkNode
from graphc.network.special import network_operator
from graphc.ops.initializers import Initializer
from graphc.ops.sources import InputValue, LearnableParameter

CLASSES_OF_WORDS = "ClassCrossEntropyWithSoftmax"

# criteria → the name that the node gets as evaluation; as criterion it has its own
CRITERIA = {
    "CrossEntropyWithSoftmax": "CrossEntropyWithSoftmax",
    "SquareError": "SquareError",
    "Logistic": "Logistic",
    "ClassificationError": "EvalClassificationError",
    CLASSES_OF_WORDS: CLASSES_OF_WORDS,
}


@dataclass(frozen=True)
class SimpleNetwork:
    """What the section says. ``layer_sizes`` are those of the input, the hidden layers and the output.

    ``layer_types`` are operations or None, one a hidden layer, the last for all others; criteria are those of
    `CRITERIA`. What follows ``add_dropout_nodes`` means something to recurrent networks only.
    """

    layer_sizes: tuple[int, ...]
    training_criterion: str
    eval_criterion: str
    rnn_type: str = "SIMPLENET"
    layer_types: tuple[str, ...] = ("Sigmoid",)
    init_value_scale: float = 1.0
    uniform_init: bool = True
    apply_mean_var_norm: bool = False
    need_prior: bool = False
    add_dropout_nodes: bool = False
    # layers that read their own past, in ascending order
    recurrent_layer: tuple[int, ...] = ()
    default_hidden_activity: float = 0.1
    # words that an input holds behind each other, each looked up by itself; 0 for no table
    lookup_table_order: int = 0
    vocab_size: int = -1
    nbr_class: int = -1
    sparseinput: bool = False
    # earlier inputs that a log-bilinear network sums up
    ma_order: int = 0
    auxfeatdim: int = 20
    const_forget_gate_value: bool = False
    const_input_gate_value: bool = False
    const_output_gate_value: bool = False
    forget_gate_init_val: float = -1.0
    input_gate_init_val: float = -1.0
    output_gate_init_val: float = -1.0

    @property
    def hidden_layers(self) -> int:
        return len(self.layer_sizes) - 2


class SimpleNodes:
    """Base: makes the nodes of one network, in CNTK's order.

    Nodes that CNTK leaves unnamed are numbered as they come, as ``AutoName1`` and so on.
    """

    # names of the nodes of both criteria where they are not those of `CRITERIA`
    criterion_names: ClassVar[tuple[str, str]] = ("", "")

    def __init__(self, settings: SimpleNetwork, element: ElementType, spans: Mapping[str, Span], section: Span) -> None:
        self.network = Network(element)
        self.settings = settings
        self._spans = spans
        self._section = section
        self._seed = 0
        self._unnamed = 0

    def build(self) -> None:
        """Put the network together; its shapes are still to be inferred."""
        raise NotImplementedError

    def fault(self, code: str, message: str, key: str, hint: str | None = None) -> DiagnosticError:
        """A complaint about the value of a key, or about the section that lacks it."""
        return DiagnosticError(Diagnostic(code, message, self._spans.get(key, self._section), hint=hint))

    # --- sources

    def input(self, name: str, size: int, group: str, storage: Storage = Storage.DENSE) -> NetworkNode:
        op = InputValue(name, (size,), element=self.network.element, storage=storage)
        node = self._add(NetworkNode(name, op, []), "layerSizes")
        self.network.join(node, group)
        return node

    def weights(self, name: str, *shape: int) -> NetworkNode:
        """A parameter with random values, from the next seed."""
        self._seed += 1
        kind = "uniform" if self.settings.uniform_init else "gaussian"
        scale = self.settings.init_value_scale
        return self._parameter(name, shape, Initializer(kind, scale=scale, seed=self._seed, on_cpu_only=False))

    def bias(self, name: str, size: int, value: float = 0.0) -> NetworkNode:
        return self._parameter(name, (size, 1), Initializer("fixedValue", value=value))

    def _parameter(self, name: str, shape: tuple[int, ...], initializer: Initializer) -> NetworkNode:
        op = LearnableParameter(name, shape, initializer=initializer, element=self.network.element)
        return self._add(NetworkNode(name, op, []), "layerSizes")

    # --- operations

    def node(
        self, operation: str, *inputs: NetworkNode, name: str = "", key: str = "layerSizes", **attributes: Any
    ) -> NetworkNode:
        cls = network_operator(operation)
        assert cls is not None, operation
        name = name or self._next_name()
        op: Op = cls(**{**attributes, "name": name} if cls.identified else attributes)
        return self._add(NetworkNode(name, op, list(inputs)), key)

    def nonlinear(self, layer: int, name: str, operation: str, *inputs: NetworkNode, inner: str = "") -> NetworkNode:
        """The layer's nonlinearity of an operation whose node is ``inner``; without one it bears the name itself."""
        types = self.settings.layer_types
        kind = types[min(layer, len(types) - 1)]
        if kind == "None":
            return self.node(operation, *inputs, name=name or inner)
        return self.node(kind, self.node(operation, *inputs, name=inner), name=name, key="layerTypes")

    def dropped(self, node: NetworkNode, name: str = "") -> NetworkNode:
        """The node behind dropout, if there is to be any."""
        if not self.settings.add_dropout_nodes:
            return node
        return self.node("Dropout", node, name=name, key="addDropoutNodes")

    def normalized(self, features: NetworkNode, *names: str) -> NetworkNode:
        """The features with mean 0 and variance 1, if they are to be; ``names`` of the three nodes."""
        if not self.settings.apply_mean_var_norm:
            return features
        mean, deviation, result = names or ("", "", "")
        key = "applyMeanVarNorm"
        statistics = (
            self.node("Mean", features, name=mean, key=key),
            self.node("InvStdDev", features, name=deviation, key=key),
        )
        return self.node("PerDimMeanVarNormalization", features, *statistics, name=result, key=key)

    # --- criteria

    def criteria(
        self,
        labels: NetworkNode,
        last: NetworkNode,
        weights: NetworkNode | None = None,
        class_scores: NetworkNode | None = None,
    ) -> NetworkNode:
        """Both criteria of ``last``, times ``weights`` if there are any; the node that is evaluated."""
        training, scored = self.settings.training_criterion, self.settings.eval_criterion
        training_name, eval_name = self.criterion_names
        scores: list[NetworkNode] = [] if weights else [last]

        def criterion(kind: str, name: str, key: str) -> NetworkNode:
            if kind == CLASSES_OF_WORDS:
                return self._class_criterion(labels, last, weights, class_scores, name, key)
            if not scores:
                assert weights is not None
                scores.append(self.node("Times", weights, last, key=key))
            return self.node(kind, labels, scores[0], name=name, key=key)

        trained = criterion(training, training_name or training, "trainingCriterion")
        self.network.join(trained, "criterion")
        watched = trained
        if scored != training:
            watched = criterion(scored, eval_name or CRITERIA[scored], "evalCriterion")
        self.network.join(watched, "evaluation")
        return watched

    def _class_criterion(
        self,
        labels: NetworkNode,
        last: NetworkNode,
        weights: NetworkNode | None,
        class_scores: NetworkNode | None,
        name: str,
        key: str,
    ) -> NetworkNode:
        if weights is None or class_scores is None:
            hint = "rnnType is CLASSLM, CLASSLSTM or CLSTM for such a network"
            raise self.fault("GC0504", f"{key} needs a network that knows classes of words", key, hint)
        return self.node("ClassBasedCrossEntropyWithSoftmax", labels, last, weights, class_scores, name=name, key=key)

    def _next_name(self) -> str:
        self._unnamed += 1
        return f"AutoName{self._unnamed}"

    def _add(self, node: NetworkNode, key: str) -> NetworkNode:
        node.span = self._spans.get(key, self._section)
        self.network.add(node)
        return node
