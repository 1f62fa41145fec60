"""LSTMs as authors write them become stacks for cuDNN with the same values and gradients; what is nearly one stays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.data.layout import Room, layout
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Graph, Storage
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.ops.recurrence import Scan
from graphc.ops.recurrent_stack import OptimizedRNNStack
from graphc.ops.sources import LearnableParameter
from graphc.passes.pipeline import optimise
from graphc.testing.values import random_feeds, random_parameters

LENGTHS = np.array([3, 1, 4])
# room for padding, a lane of which only a part is used, and sequences that are not there
ROOM = Room(11, 5, 5, 3)

# names of what stands in front of the library's own, and of the cell below
LIBRARY = {
    "layer": "l = RecurrentLSTMLayer {3} ; z = l (x)",
    "layer from the last frame": "l = RecurrentLSTMLayer {3, goBackwards=true} ; z = l (x)",
    "layer with trained states": "l = RecurrentLSTMLayer {3, trainInitialState=true} ; z = l (x)",
    "layers": "l = RecurrentLSTMLayerStack {(3 : 2)} ; z = l (x)",
    "layer for cuDNN": "l = RecurrentLSTMLayer {3, allowOptimizedEngine=true} ; z = l (x)",
    "both directions": "f = RecurrentLSTMLayer {2} ; b = RecurrentLSTMLayer {2, goBackwards=true}\n"
                       "z = Splice ((f (x) : b (x)), axis=1)",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """Equations of an LSTM, each part of which a test can write in another way."""

    i: str = "Wi * x + Ri * hp"
    f: str = "Wf * x + Rf * hp"
    g: str = "Wg * x + Rg * hp"
    o: str = "Wo * x + Ro * hp"
    c: str = "Sigmoid (f) .* cp + Sigmoid (i) .* Tanh (g)"
    h: str = "Sigmoid (o) .* Tanh (c)"
    hp: str = "PastValue (0, h, defaultHiddenActivation=0)"
    cp: str = "PastValue (0, c, defaultHiddenActivation=0)"
    z: str = "h"
    more: str = ""

    @property
    def text(self) -> str:
        matrices = (f"W{g} = ParameterTensor {{(3:2)}} ; R{g} = ParameterTensor {{(3:3)}}" for g in "ifgo")
        parts = (f"{name} = {getattr(self, name)}" for name in ("i", "f", "g", "o", "c", "h", "hp", "cp", "z"))
        return "\n".join((*matrices, *parts, self.more))


NEARLY: dict[str, Cell] = {
    "c is read as well": Cell(z="h + c"),
    "a gate is read as well": Cell(z="h + i"),
    "the state before is read as well": Cell(z="h + hp"),
    "peephole": Cell(f="Wf * x + Rf * hp + D .* cp", more="D = ParameterTensor {3}"),
    "peephole of the new state": Cell(o="Wo * x + Ro * hp + D .* c", more="D = ParameterTensor {3}"),
    "projection": Cell(z="p", hp="PastValue (0, p, defaultHiddenActivation=0)",
                       more="p = V * h ; V = ParameterTensor {(3:3)}"),
    "scaled state": Cell(i="Wi * x + Ri * (S .* hp)", more="S = ParameterTensor {1}"),
    "no output activation": Cell(h="Sigmoid (o) .* c"),
    "candidate is a sigmoid": Cell(c="Sigmoid (f) .* cp + Sigmoid (i) .* Sigmoid (g)"),
    "gate is a tanh": Cell(c="Tanh (f) .* cp + Sigmoid (i) .* Tanh (g)"),
    "hard output": Cell(h="Sigmoid (o) .* RectifiedLinear (c)"),
    "coupled gates": Cell(c="Sigmoid (f) .* cp + (1 - Sigmoid (f)) .* Tanh (g)"),
    "shared gate instead of the state": Cell(c="Sigmoid (f) .* hp + Sigmoid (i) .* Tanh (g)"),
    "difference": Cell(c="Sigmoid (f) .* cp - Sigmoid (i) .* Tanh (g)"),
    "third term": Cell(c="Sigmoid (f) .* cp + Sigmoid (i) .* Tanh (g) + b", more="b = ParameterTensor {3}"),
    "two frames back": Cell(hp="PastValue (0, h, timeStep=2, defaultHiddenActivation=0)"),
    "state of two frames back": Cell(cp="PastValue (0, c, timeStep=2, defaultHiddenActivation=0)"),
    "one matrix reads another frame": Cell(o="Wo * x + Ro * PastValue (0, h, timeStep=2)"),
    "states begin in two ways": Cell(o="Wo * x + Ro * PastValue (0, h, defaultHiddenActivation=1)"),
    "states of other sequences": Cell(hp="PastValue (0, h, initialState=V * e)",
                                      more="e = Input {2, dynamicAxis=DynamicAxis ()} ; V = ParameterTensor {(3:2)}"),
    "two inputs": Cell(o="Wo * Tanh (x) + Ro * hp"),
    "no input": Cell(o="Ro * hp"),
    "no recurrence in a gate": Cell(o="Wo * x"),
    "input added as it is": Cell(o="Wo * x + Ro * hp + y", more="y = Input {3}"),
    "matrix and state are not all": Cell(o="Wo * x + Ro * hp + Tanh (hp)"),
    "gate of one element": Cell(o="Vo * x + Uo * hp",
                                more="Vo = ParameterTensor {(1:2)} ; Uo = ParameterTensor {(1:3)}"),
    "gru": Cell(z="BS.RNNs.RecurrentGRU (3, x, inputDim=2).h"),
    "library cell, which has peepholes": Cell(z="BS.RNNs.RecurrentLSTMP (3, x, inputDim=2).h"),
    "stabilized": Cell(z="l (x)", more="l = RecurrentLSTMLayer {3, enableSelfStabilization=true}"),
    "peepholes of a layer": Cell(z="l (x)", more="l = RecurrentLSTMLayer {3, usePeepholes=true}"),
}  # fmt: skip


@cache
def raw(text: str, storage: Storage = Storage.DENSE) -> Graph:
    source = SourceText.from_string(f"{{ x = Input {{2}}\n{text}\noutputNodes = z }}", "model.bs")
    network = build_network(source, precision="double", session=Session(), diagnostics=Diagnostics())
    return to_graph(network, [network.groups["output"][0].name], storages={"x": storage})


def for_cudnn(graph: Graph) -> Graph:
    return optimise(graph, also=("cudnn",), verify=True)


def drawn(seed: int) -> str:
    """An LSTM as somebody may write it: order of gates and terms, packing, biases, delays and what comes before."""
    random = Random(seed)
    backward, packed, own_delays = (random.random() < 0.5 for _ in range(3))
    x = random.choice(["x", "x", "Tanh (P * x)"])
    states = ["defaultHiddenActivation=0", "initialState=s0", "initialState=ConstantTensor (0.5, 1)"]
    initial = random.choice(["", "", *states])
    lines = ["P = ParameterTensor {(2:2)} ; s0 = ParameterTensor {3}", f"v = {x}"]

    def shuffled(operator: str, *terms: str) -> str:
        return f" {operator} ".join(random.sample(terms, len(terms)))

    def delay(name: str) -> str:
        return f"{'FutureValue' if backward else 'PastValue'} ({', '.join(filter(None, ('0', name, initial)))})"

    lines += [f"{name}p = {delay(name)}" for name in "hc"]
    gates = random.sample("ifgo", 4)
    if packed:
        lines.append("W = ParameterTensor {(12:2)} ; R = ParameterTensor {(12:3)} ; b = ParameterTensor {12}")
        bias = ["b"] if random.random() < 0.7 else []
        lines.append(f"s = {shuffled('+', 'W * v', 'R * hp', *bias)}")
        lines += [f"{gate} = Slice ({3 * k}, {3 * k + 3}, s, axis=1)" for k, gate in enumerate(gates)]
    for gate in [] if packed else gates:
        lines.append(f"W{gate} = ParameterTensor {{(3:2)}} ; R{gate} = ParameterTensor {{(3:3)}}")
        lines.append(f"b{gate} = ParameterTensor {{3}}")
        bias = random.choice([[], [f"b{gate}"], ["1"], [f"b{gate}", "0.5"]])
        state = delay("h") if own_delays else "hp"
        lines.append(f"{gate} = {shuffled('+', f'W{gate} * v', f'R{gate} * {state}', *bias)}")
    lines.append("Stable (y) = new ComputationNode [ operation = 'StableSigmoid' ; inputs = y ]")
    sigmoid = random.choice(["Sigmoid", "Sigmoid", "Stable"])
    kept, new = shuffled(".*", f"{sigmoid} (f)", "cp"), shuffled(".*", f"{sigmoid} (i)", "Tanh (g)")
    lines.append(f"c = {shuffled('+', kept, new)} ; h = {shuffled('.*', f'{sigmoid} (o)', 'Tanh (c)')} ; z = h")
    return "\n".join(lines)


def values_and_gradients(backend: str, graph: Graph, like: Graph) -> dict[str, Any]:
    """Of the root, on frames with padding behind, and of a weighted sum of it by every parameter of ``like``."""
    (root,) = graph.roots
    parameters, feeds = random_parameters(like), random_feeds(like, frames=ROOM.frames)
    environment = Environment(frames={"*": layout(LENGTHS, ROOM)})
    run = load(backend).function(graph, training=True)
    if backend == "reference":
        return {root: run(parameters, feeds, environment).outputs[root][: LENGTHS.sum()]}
    weight = np.random.default_rng(0).normal(size=(LENGTHS.sum(), graph.roots[root].type.size))

    def total(parameters: Any) -> Any:
        found = run(parameters, feeds, environment).outputs[root][: LENGTHS.sum()]
        return (found * weight).sum(), found

    engine: Any = load("xla")
    with engine.precision(graph):
        (_, found), gradients = jax.jit(jax.value_and_grad(total, has_aux=True))(parameters)
    return {root: np.asarray(found), **{name: np.asarray(g) for name, g in gradients.items()}}


def check(graph: Graph, backend: str) -> None:
    after = for_cudnn(graph)
    assert not any(isinstance(node.op, Scan) for node in after.nodes)
    assert any(isinstance(node.op, OptimizedRNNStack) and node.op.cudnn for node in after.nodes)
    assert names_of_parameters(after) == names_of_parameters(optimise(graph))
    expected, found = (values_and_gradients(backend, each, graph) for each in (graph, after))
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-10, err_msg=name)


def names_of_parameters(graph: Graph) -> set[str]:
    return {n.op.name for n in graph.nodes if isinstance(n.op, LearnableParameter) and n.op.is_trained}


@pytest.mark.parametrize("backend", ["reference", "xla"])
@pytest.mark.parametrize("name", LIBRARY)
def test_library(name: str, backend: str) -> None:
    check(raw(LIBRARY[name]), backend)


@pytest.mark.parametrize("seed", range(8))
def test_equations(seed: int) -> None:
    check(raw(drawn(seed)), "reference")
    check(raw(drawn(seed)), "xla")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8, 200))
def test_many_equations(seed: int) -> None:
    check(raw(drawn(seed)), "reference")
    check(raw(drawn(seed)), "xla")


@pytest.mark.parametrize("name", NEARLY)
def test_what_is_nearly_one_stays_a_loop(name: str) -> None:
    graph = raw(NEARLY[name].text)
    assert stacks(graph) == stacks(for_cudnn(graph)) == 0


def stacks(graph: Graph) -> int:
    return sum(isinstance(node.op, OptimizedRNNStack) for node in graph.nodes)


def test_the_cell_that_others_are_near_to_is_found() -> None:
    check(raw(Cell().text), "xla")


def test_a_product_with_symbols_stays_a_look_up() -> None:
    graph = raw(Cell().text, Storage.ONEHOT)
    assert stacks(for_cudnn(graph)) == 0


def test_sums_that_grow_without_end_are_left_alone() -> None:
    doubled = "\n".join(f"d{k + 1} = d{k} + d{k}" for k in range(60))
    graph = raw(Cell(o="Ro * hp + d60", more=f"d0 = Wo * x\n{doubled}").text)
    assert stacks(for_cudnn(graph)) == 0


def test_nothing_is_done_unasked() -> None:
    graph = raw(Cell().text)
    assert stacks(optimise(graph)) == 0
