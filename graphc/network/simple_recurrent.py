"""Recurrent networks of plain layers: ``rnnType`` SIMPLERNN, CLASSLM, LBLM and NPLM."""

from __future__ import annotations

from typing import ClassVar

from graphc.ir import Storage
from graphc.network.network import NetworkNode
from graphc.network.simple_nodes import SimpleNodes


class Recurrent(SimpleNodes):
    """Base of the networks some of whose layers read their own past."""

    _recurrences = 0
    # the last bias made, and its size
    _bias: tuple[int, NetworkNode] | None = None

    def is_recurrent(self, layer: int) -> bool:
        """Whether ``recurrentLayer`` names the layer next. Its numbers are asked in order: one out of turn never is."""
        named = self.settings.recurrent_layer
        if not named or named[min(self._recurrences, len(named) - 1)] != layer:
            return False
        self._recurrences += 1
        return True

    def features(self, storage: Storage) -> NetworkNode:
        return self.normalized(self.input("features", self.settings.layer_sizes[0], "feature", storage))

    def past(self, size: int, *inputs: NetworkNode, steps: int = 1, name: str = "") -> NetworkNode:
        """The value some frames ago of ``inputs`` or, where there are none, of what is attached later."""
        activity = self.settings.default_hidden_activity
        settings = {"shape": (size,), "time_step": steps, "default_hidden_activation": activity}
        return self.node("PastValue", *inputs, name=name, key="recurrentLayer", **settings)

    def hidden_layers(self, below: NetworkNode, first: int = 0) -> NetworkNode:
        for k in range(first, self.settings.hidden_layers):
            below = self.dropped(self._hidden(k, below))
        return below

    def _hidden(self, k: int, below: NetworkNode) -> NetworkNode:
        size, width = self.settings.layer_sizes[k + 1], self.settings.layer_sizes[k]
        weights = self.weights(f"U{k}", size, width)
        if not self.is_recurrent(k + 1):
            bias = self._shared_bias(k, size)
            return self.nonlinear(k, "", "Plus", self.node("Times", weights, below), bias)
        own = self.weights(f"W{k}", size, size)
        past = self.past(size)
        layer = self._sum_of(k, self.node("Times", weights, below), self.node("Times", own, past))
        past.inputs = [layer]
        return layer

    def _sum_of(self, k: int, *parts: NetworkNode) -> NetworkNode:
        # CNTK takes the nonlinearity of the first layer for all that are recurrent
        return self.nonlinear(0, "", "Plus", *parts)

    def _shared_bias(self, k: int, size: int) -> NetworkNode:
        """One bias for all layers that it fits, as in CNTK, which fails where it does not: there is another here."""
        if self._bias is None or self._bias[0] != size:
            self._bias = size, self.weights(f"B{k}", size, 1)
        return self._bias[1]

    def prior(self, labels: NetworkNode) -> None:
        """The labels' mean, which nothing reads."""
        if self.settings.need_prior:
            self.node("Mean", labels, key="needPrior")


class SimpleRecurrent(Recurrent):
    """SIMPLERNN."""

    criterion_names: ClassVar = ("criterion", "eval")

    def build(self) -> None:
        sizes, top = self.settings.layer_sizes, self.settings.hidden_layers
        last = self.hidden_layers(self.features(Storage.SPARSE))
        weights = self.weights(f"W{top}", sizes[-1], sizes[top])
        labels = self.input("labels", sizes[-1], "label")
        self.criteria(labels, last, weights)
        self.network.join(self.node("Times", weights, last, name="outputs"), "output")
        self.prior(labels)


class WordClasses(Recurrent):
    """Base of the networks whose words are in classes: labels are word, class, and the class's first and end."""

    # one is misspelt, and models name it so
    criterion_names: ClassVar = ("TrainNodeClassBasedCrossEntropy", "EvalNodeClassBasedCrossEntrpy")

    def word_criteria(self, last: NetworkNode) -> tuple[NetworkNode, NetworkNode, NetworkNode]:
        """The weights of the words, the labels, and the node that is evaluated."""
        sizes, top = self.settings.layer_sizes, self.settings.hidden_layers
        if self.settings.nbr_class < 1:
            raise self.fault("GC0503", "nbrClass must say how many classes of words there are", "nbrClass")
        weights = self.weights(f"W{top}", sizes[top], sizes[-1])
        labels = self.input("labels", 4, "label")
        of_classes = self.weights("WeightForClassPostProb", self.settings.nbr_class, sizes[top])
        scores = self.node("Times", of_classes, last, name="ClassPostProb")
        return weights, labels, self.criteria(labels, last, weights, scores)


class ClassLanguageModel(WordClasses):
    """CLASSLM. What it evaluates is also its output."""

    def build(self) -> None:
        words = self.settings.layer_sizes[-1]
        if self.settings.vocab_size != words:
            message = f"vocabSize is {self.settings.vocab_size}, but the output layer has {words} words"
            raise self.fault("GC0503", message, "vocabSize", f"write vocabSize = {words}")
        last = self.hidden_layers(self.features(Storage.SPARSE))
        _, labels, evaluated = self.word_criteria(last)
        self.network.join(evaluated, "output")
        self.prior(labels)


class LogBilinear(Recurrent):
    """LBLM: linear layers above a weighted sum of the last ``maOrder`` inputs."""

    def build(self) -> None:
        sizes, top = self.settings.layer_sizes, self.settings.hidden_layers
        below = self.features(Storage.DENSE)
        has_table = self.settings.lookup_table_order > 0
        if has_table:
            below = self.dropped(looked_up(self, below, "Lookuptatble"))
        below = self.dropped(self._moving_sum(below))
        for k in range(1 if has_table else 0, top):
            below = self.dropped(self._linear(k, below))
        weights = self.weights(f"W{top}", sizes[-1], sizes[top])
        labels = self.input("labels", sizes[-1], "label")
        self.criteria(labels, below, weights)
        self.network.join(self.node("Times", weights, below, name="outputs"), "output")
        self.prior(labels)

    def _moving_sum(self, below: NetworkNode) -> NetworkNode:
        size, total = self.settings.layer_sizes[0], below
        for steps in range(1, self.settings.ma_order + 1):
            past = self.past(size, below, steps=steps, name=f"pastValue{steps}")
            total = self.node("Plus", total, self.node("Times", self.weights(f"DD{steps}", size, size), past))
        return total

    def _linear(self, k: int, below: NetworkNode) -> NetworkNode:
        size, width = self.settings.layer_sizes[k + 1], self.settings.layer_sizes[k]
        weights = self.weights(f"U{k}", size, width * max(self.settings.lookup_table_order, 1))
        layer = self.node("Times", weights, below)
        if self.is_recurrent(k + 1):
            own = self.weights(f"R{k + 1}", size, size)
            past = self.past(size)
            layer = self.node("Plus", self.node("Times", own, past), layer)
            past.inputs = [layer]
        return self.node("Plus", layer, self.bias(f"bi{k}", size))


class NeuralLanguageModel(Recurrent):
    """NPLM: the first layer reads an input and the four before it."""

    def build(self) -> None:
        sizes, top = self.settings.layer_sizes, self.settings.hidden_layers
        below = self.features(Storage.SPARSE)
        if top:
            below = self.hidden_layers(self.dropped(self._first(below)), first=1)
        weights = self.weights(f"W{top}", sizes[-1], sizes[top])
        labels = self.input("labels", sizes[-1], "label", Storage.SPARSE)
        self.criteria(labels, below, weights)
        self.network.join(self.node("Times", weights, below), "output")
        self.prior(labels)

    def _first(self, features: NetworkNode) -> NetworkNode:
        width, size = self.settings.layer_sizes[:2]
        if not self.is_recurrent(1):
            message = "the first layer of an NPLM reads earlier words, and recurrentLayer does not begin with 1"
            raise self.fault("GC0503", message, "recurrentLayer", "write recurrentLayer = 1")
        bias = self.bias("bi0", size)
        read = {"": features, **{str(n): self.past(width, features, steps=n) for n in (1, 2, 3, 4)}}
        weights = {n: self.weights(f"WXI{n}", size, width) for n in ("2", "3", "4", "1", "")}
        total = self.node("Times", weights[""], features)
        for n in ("1", "2", "3", "4"):
            total = self.node("Plus", self.node("Times", weights[n], read[n]), total)
        return self.node("Plus", self.node("Tanh", total), bias)

    def _sum_of(self, k: int, *parts: NetworkNode) -> NetworkNode:
        return self.nonlinear(k, "", "Plus", *parts)


def looked_up(nodes: SimpleNodes, words: NetworkNode, name: str) -> NetworkNode:
    """The columns of a table that one-hot words choose, behind each other."""
    sizes, order = nodes.settings.layer_sizes, nodes.settings.lookup_table_order
    table = nodes.weights("E0", sizes[1], sizes[0] // order)
    return nodes.node("LookupTable", table, words, name=name, key="lookupTableOrder")
