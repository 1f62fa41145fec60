"""Networks of LSTM layers: ``rnnType`` LSTM, CLASSLSTM and CLSTM."""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir import Storage
from graphc.network.network import NetworkNode
from graphc.network.simple_recurrent import Recurrent, WordClasses, looked_up


@dataclass(frozen=True)
class _Gate:
    """What a gate, or the cell's input, reads: ``weights @ x + bias + own @ h``, and the cell through ``peephole``."""

    weights: NetworkNode
    bias: NetworkNode
    own: NetworkNode
    peephole: NetworkNode | None


class LSTMLayers(Recurrent):
    """Base: layers of cells with peepholes, whose gates can be left out."""

    def lstm(self, k: int, width: int, size: int, x: NetworkNode) -> NetworkNode:
        gates = self._gates(k, width, size)
        # each user reads the past through a node of its own, as in CNTK
        pasts = {name: self.past(size) for name in ("HI", "HF", "HO", "HC", "CI", "CF", "CC")}
        settings = self.settings
        new, old = self._content(gates["C"], x, pasts["HC"]), pasts["CC"]
        if not settings.const_input_gate_value:
            new = self.node("ElementTimes", self._gate(gates["I"], x, pasts["HI"], pasts["CI"]), new)
        if not settings.const_forget_gate_value:
            old = self.node("ElementTimes", self._gate(gates["F"], x, pasts["HF"], pasts["CF"]), old)
        cell = self.node("Plus", old, new)
        output = self.node("Tanh", cell)
        if not settings.const_output_gate_value:
            output = self.node("ElementTimes", self._gate(gates["O"], x, pasts["HO"], cell), output)
        for name, past in pasts.items():
            past.inputs = [output if name.startswith("H") else cell]
        return self.dropped(output)

    def _gates(self, k: int, width: int, size: int) -> dict[str, _Gate]:
        """All parameters of a layer, in the order that seeds them."""
        settings = self.settings
        weights = {g: self.weights(f"WX{g}{k}", size, width) for g in "OIFC"}
        starts = {"o": settings.output_gate_init_val, "c": 0.0}
        starts |= {"i": settings.input_gate_init_val, "f": settings.forget_gate_init_val}
        biases = {g.upper(): self.bias(f"b{g}{k}", size, start) for g, start in starts.items()}
        gates = {}
        for g in "IFOC":
            own = self.weights(f"WH{g}{k}", size, size)
            peephole = self.weights(f"WC{g}{k}", size, 1) if g != "C" else None
            gates[g] = _Gate(weights[g], biases[g], own, peephole)
        return gates

    def _gate(self, gate: _Gate, x: NetworkNode, hidden: NetworkNode, cell: NetworkNode) -> NetworkNode:
        assert gate.peephole is not None
        total = self.node("Plus", self.node("Times", gate.weights, x), gate.bias)
        total = self.node("Plus", total, self.node("Times", gate.own, hidden))
        return self.nonlinear(0, "", "Plus", total, self.node("DiagTimes", gate.peephole, cell))

    def _content(self, gate: _Gate, x: NetworkNode, hidden: NetworkNode) -> NetworkNode:
        product = self.node("Times", gate.weights, x)
        total = self.node("Plus", self.node("Times", gate.own, hidden), gate.bias)
        return self.node("Tanh", self.node("Plus", product, total))

    def first_lstm(self, below: NetworkNode) -> NetworkNode:
        """The lowest LSTM layer, above the table of words if there is one."""
        sizes, order = self.settings.layer_sizes, self.settings.lookup_table_order
        width = sizes[1] * order if order else sizes[0]
        return self.lstm(0, width, sizes[2 if order else 1], below)


class SimpleLSTM(LSTMLayers):
    """LSTM: layers that ``recurrentLayer`` does not name are plain, but for the first."""

    def build(self) -> None:
        sizes, top = self.settings.layer_sizes, self.settings.hidden_layers
        below = self.features(Storage.SPARSE if self.settings.sparseinput else Storage.DENSE)
        if self.settings.lookup_table_order:
            below = self.dropped(looked_up(self, below, "LookupTable"))
        if top:
            below = self.first_lstm(below)
        for k in range(2 if self.settings.lookup_table_order else 1, top):
            below = self.dropped(self._layer(k, below))
        weights = self.weights(f"W{top}", sizes[-1], sizes[top])
        labels = self.input("labels", sizes[-1], "label")
        self.criteria(labels, below, weights)
        outputs = self.node("Times", weights, below, name="outputs")
        self.network.join(self._likelihood(labels, outputs) if self.settings.need_prior else outputs, "output")
        self.node("Softmax", outputs, name="PosteriorProb")

    def _layer(self, k: int, below: NetworkNode) -> NetworkNode:
        size, width = self.settings.layer_sizes[k + 1], self.settings.layer_sizes[k]
        # layers count from 0 here, and in the other networks from 1
        if self.is_recurrent(k):
            return self.lstm(k, width, size, below)
        weights, bias = self.weights(f"U{k}", size, width), self.bias(f"B{k}", size)
        return self.nonlinear(k, "", "Plus", self.node("Times", weights, below), bias)

    def _likelihood(self, labels: NetworkNode, outputs: NetworkNode) -> NetworkNode:
        prior = self.node("Mean", labels, key="needPrior")
        log_prior = self.node("Log", prior, name="LogOfPrior", key="needPrior")
        return self.node("Minus", outputs, log_prior, name="ScaledLogLikelihood", key="needPrior")


class ClassLSTM(WordClasses, LSTMLayers):
    """CLASSLSTM: LSTM layers above a table of words, below a criterion of words in classes."""

    def build(self) -> None:
        below = self.features(Storage.SPARSE)
        if self.settings.lookup_table_order < 1:
            message = "the LSTM layers of this network read words through a table, and lookupTableOrder is 0"
            hint = "write lookupTableOrder = 1, and the width of the table as the second of layerSizes"
            raise self.fault("GC0503", message, "lookupTableOrder", hint)
        below = self.dropped(looked_up(self, below, "LookupTable"))
        if self.settings.hidden_layers:
            below = self.first_lstm(below)
        sizes = self.settings.layer_sizes
        for k in range(2, self.settings.hidden_layers):
            below = self.dropped(self.lstm(k, sizes[k], sizes[k + 1], below))
        below = self.conditioned(below)
        weights, _, _ = self.word_criteria(below)
        outputs = self.node("TransposeTimes", weights, below, name="outputs")
        self.network.join(outputs, "output")
        self.node("Softmax", outputs, name="PosteriorProb")

    def conditioned(self, below: NetworkNode) -> NetworkNode:
        """What the words are predicted from."""
        return below


class ConditionalLSTM(ClassLSTM):
    """CLSTM: a class language model that a second input conditions."""

    def conditioned(self, below: NetworkNode) -> NetworkNode:
        top = self.settings.hidden_layers
        given = self.input("binaryFeature", self.settings.auxfeatdim, "feature")
        weights = self.weights("AuxTrans0", self.settings.layer_sizes[top], self.settings.auxfeatdim)
        shift = self.nonlinear(top, "TimesToGetGlobalBias", "Times", weights, given)
        return self.node("Plus", below, shift, name="PlusGlobalBias")
