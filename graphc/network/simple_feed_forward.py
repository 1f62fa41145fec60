"""``rnnType = SIMPLENET``: fully connected layers, one above the other."""

from __future__ import annotations

from graphc.network.network import NetworkNode
from graphc.network.simple_nodes import SimpleNodes


class FeedForward(SimpleNodes):
    """The names do not change with what a layer really reads, be it dropped out or linear."""

    def build(self) -> None:
        settings, top = self.settings, self.settings.hidden_layers
        features = self.input("features", settings.layer_sizes[0], "feature")
        below = self.normalized(features, "MeanOfFeatures", "InvStdOfFeatures", "MVNormalizedFeatures")
        for k in range(top):
            product = f"W{k}*H{k}" if k else "W0*features"
            parts = self._linear(k, product, below)
            layer = self.nonlinear(k, f"H{k + 1}", "Plus", *parts, inner=f"{product}+B{k}")
            below = self.dropped(layer, f"DropH{k + 1}")
        last = self.node("Plus", *self._linear(top, f"W{top}*H{top - 1}", below), name="HLast")
        labels = self.input("labels", settings.layer_sizes[-1], "label")
        self.criteria(labels, last)
        self.network.join(self._likelihood(labels, last) if settings.need_prior else last, "output")
        self.node("Softmax", last, name="PosteriorProb")

    def _linear(self, k: int, product: str, below: NetworkNode) -> tuple[NetworkNode, NetworkNode]:
        """The product and the bias of a layer."""
        sizes = self.settings.layer_sizes
        weights = self.weights(f"W{k}", sizes[k + 1], sizes[k])
        bias = self.bias(f"B{k}", sizes[k + 1])
        return self.node("Times", weights, below, name=product), bias

    def _likelihood(self, labels: NetworkNode, last: NetworkNode) -> NetworkNode:
        prior = self.node("Mean", labels, name="Prior", key="needPrior")
        log_prior = self.node("Log", prior, name="LogOfPrior", key="needPrior")
        return self.node("Minus", last, log_prior, name="ScaledLogLikelihood", key="needPrior")
