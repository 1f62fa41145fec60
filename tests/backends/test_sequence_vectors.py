"""What CNTK computed for sequences: recorded vectors, written in BrainScript, against the reference and XLA."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference.gradients import gradients
from graphc.data.layout import Room, layout
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Frames, Graph
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.ops.sources import LearnableParameter

FILE = Path(__file__).parents[1] / "vectors" / "op_vectors.json"
# another name for an operation without function, a statement instead of an expression
EXPRESSIONS = {
    "Recurrence_cumsum": "x + PastValue (0, y, defaultHiddenActivation=0)",
    "Where": "new ComputationNode [ operation = 'Where' ; inputs = c ]",
    "Where_repeat": "new ComputationNode [ operation = 'Where' ; inputs = c ]",
    "Where_fraction": "new ComputationNode [ operation = 'Where' ; inputs = c ]",
    "Slice_time": "BS.Sequences.Slice (1, 3, x)",
    "Slice_time_neg": "BS.Sequences.Slice (-2, 0, x)",
}
IDS = (
    "PastValue_1 PastValue_2 PastValue_init_param PastValue_init_seq FutureValue_1 Recurrence_cumsum "
    "Loop_IsFirst Loop_IsLast Loop_IsFirstN Loop_Iteration Sequences_First Sequences_Last Where Where_repeat "
    "Where_fraction Sequences_Gather Sequences_Scatter Slice_time Slice_time_neg BroadcastSequenceAs "
    "PastValueWindow_value PastValueWindow_valid RecurrentLSTMLayer RecurrentLSTMLayer_full RecurrentGRU "
    "ForwardBackward ForwardBackward_repeat EditDistanceError EditDistanceError_pen EditDistanceError_squash "
    "OptimizedRNNStack_lstm"
)
# vector → its name of a parameter → how the network's name ends
ENDINGS = {
    "RecurrentLSTMLayer": {"W": "W", "H": "H", "B": "B"},
    "RecurrentLSTMLayer_full": {name: name for name in ("W", "H", "B", "Ci", "Cf", "Co", "Wmr")},
    "RecurrentGRU": {
        kind + gate: f"{gate}t.{place}"
        for gate, inner in {"z": "_", "r": "_", "c": "z"}.items()
        for kind, place in {
            "B": f"{inner}.PlusArgs[0].PlusArgs[0]",
            "W": f"{inner}.PlusArgs[0].PlusArgs[1].TimesArgs[0]",
            "H": f"{inner}.PlusArgs[1].TimesArgs[0]",
        }.items()
    },
}
STABILIZERS = ("Sdh", "Sdc", "Sct", "Sht")


@cache
def vectors() -> dict[str, dict[str, Any]]:
    return {v["id"]: v for v in json.loads(FILE.read_text())["vectors"]}


class Case:
    """A vector as a graph with its feeds."""

    def __init__(self, id: str, precision: str = "double") -> None:
        self.vector = vectors()[id]
        self.feeds: dict[str, Any] = {}
        self.lengths: dict[str, list[int]] = {}
        given: dict[str, Any] = {}
        lines = []
        for entry in self.vector["inputs"]:
            name, dims = entry["name"], ":".join(map(str, entry["shape"]))
            if entry["kind"] == "parameter":
                given[name] = np.array(entry["data"], float)
                if id not in ENDINGS:
                    lines.append(f"{name} = ParameterTensor {{({dims})}}")
                continue
            axis = ""
            if "dynamic_axis" in entry:
                axis = f", dynamicAxis = {name}Axis"
                lines.append(f"{name}Axis = DynamicAxis ()")
            lines.append(f"{name} = Input {{({dims}){axis}}}")
            self.feeds[name] = np.concatenate([np.array(s, float) for s in entry["data"]])
            self.lengths[f"{name}Axis" if axis else "*"] = [len(s) for s in entry["data"]]
        lines.append(f"y = {EXPRESSIONS.get(id, self.vector['expr'])}")
        text = "{" + "\n".join([*lines, "outputNodes = y"]) + "}"
        source = SourceText.from_string(text, "vector.bs")
        network = build_network(source, precision=precision, session=Session(), diagnostics=Diagnostics())
        self.graph: Graph = to_graph(network, ["y" if "y" in network else network.roots[0].name])
        self.root = next(iter(self.graph.roots))
        self.names = parameter_names(id, self.graph)
        self.parameters = {self.names[name][0]: value for name, value in given.items() if name in self.names}
        if id == "RecurrentLSTMLayer_full":
            for value, name in zip(given["Sp"], self.names["Sp"], strict=True):
                self.parameters[name] = value.reshape(1)

    def environment(self, room: Room | None = None) -> Environment:
        rooms = {"*": room} if room else {}
        return Environment(frames={a: layout(np.array(n), rooms.get(a)) for a, n in self.lengths.items()})

    def expected(self) -> np.ndarray:
        # what CNTK gives for a BrainScript, where that differs from its other interfaces
        if "output_brainscript" in self.vector:
            return np.array(self.vector["output_brainscript"])
        return flat(self.vector["output"])

    def cotangent(self, shape: tuple[int, ...]) -> Any:
        weight = self.vector["cotangent"]
        return np.ones(shape) if weight == "ones" else np.broadcast_to(np.array(weight, float), shape)


def parameter_names(id: str, graph: Graph) -> dict[str, list[str]]:
    """The vector's names of parameters → the network's."""
    own = [n.op.name for n in graph.nodes if isinstance(n.op, LearnableParameter) and n.op.is_trained]
    if id not in ENDINGS:
        return {name: [name] for name in own}
    found = {n: [name for name in own if name.endswith(f".{end}")] for n, end in ENDINGS[id].items()}
    if id == "RecurrentLSTMLayer_full":
        found["Sp"] = [next(n for n in own if f".{s}." in n) for s in STABILIZERS]
    assert all(found.values()), found
    return found


def flat(entry: dict[str, Any]) -> np.ndarray:
    data = entry["data"]
    return np.array([f for s in data for f in s] if entry["kind"] == "sequence" else data, float)


ROOMS = [None, Room(16, 5, 8, 3)]


def padded(case: Case, room: Room | None) -> dict[str, Any]:
    if room is None:
        return case.feeds
    wide = {}
    for name, value in case.feeds.items():
        on_default = len(value) == sum(case.lengths["*"]) and f"{name}Axis" not in case.lengths
        wide[name] = np.concatenate([value, np.repeat(value[:1], room.frames - len(value), 0)]) if on_default else value
    return wide


@pytest.mark.parametrize("id", IDS.split())
def test_reference_is_cntk(id: str) -> None:
    case = Case(id)
    results = load("reference").function(case.graph)(case.parameters, case.feeds, case.environment())
    expected = case.expected()
    got = real(results.outputs[case.root], results.frames, case)
    np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=5e-7, atol=1e-7)
    if "grads" not in case.vector:
        return
    wanted = gradient_targets(case)
    names = [n for each in wanted.values() for n in each]
    weight = case.cotangent(got.shape)
    weight = np.concatenate([weight, np.zeros((len(results.outputs[case.root]) - len(got), *weight.shape[1:]))])
    found = gradients(case.graph, case.root, names, case.parameters, case.feeds, case.environment(), cotangent=weight)
    for name, own in wanted.items():
        data = {"data": case.vector["grads"][name], "kind": kind(case, name)}
        shown = np.concatenate([found[n].reshape(-1) for n in own])
        np.testing.assert_allclose(shown, flat(data).reshape(-1), rtol=1e-6, atol=1e-7, err_msg=name)


# precision → how far values may be off: relative, absolute
ROUNDING = {"double": (5e-7, 1e-7), "float": (2e-5, 1e-5)}


@pytest.mark.parametrize("precision", list(ROUNDING))
@pytest.mark.parametrize("room", ROOMS, ids=["exact", "padded"])
@pytest.mark.parametrize("id", IDS.split())
def test_xla_is_cntk(id: str, room: Room | None, precision: str) -> None:
    case, (relative, absolute) = Case(id, precision), ROUNDING[precision]
    engine: Any = load("xla")
    run = engine.function(case.graph, training=True)
    feeds, environment = padded(case, room), case.environment(room)
    with engine.precision(case.graph):
        results = jax.jit(run)(case.parameters, feeds, environment)
        expected = case.expected()
        got = real(results.outputs[case.root], results.frames, case)
        np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=relative, atol=absolute)
        if "grads" not in case.vector:
            return
        weight = np.zeros(results.outputs[case.root].shape)
        weight[: len(got)] = case.cotangent(got.shape)

        def total(parameters: Any, feeds: Any) -> Any:
            return (run(parameters, feeds, environment).outputs[case.root] * weight).sum()

        of_parameters, of_feeds = jax.jit(jax.grad(total, (0, 1)))(case.parameters, feeds)
    for name, own in gradient_targets(case).items():
        data = flat({"data": case.vector["grads"][name], "kind": kind(case, name)})
        parts = [np.asarray({**of_feeds, **of_parameters}[n]) for n in own]
        shown = np.concatenate([p[: len(data)].reshape(-1) if name in case.feeds else p.reshape(-1) for p in parts])
        np.testing.assert_allclose(shown, data.reshape(-1), rtol=2 * relative, atol=absolute, err_msg=name)


def real(value: Any, frames: dict[str, Frames] | Any, case: Case) -> np.ndarray:
    axis = case.graph.roots[case.root].type.axis
    if axis is None:
        return np.asarray(value)
    return np.asarray(value)[: int(frames[axis.name].count)]


def gradient_targets(case: Case) -> dict[str, list[str]]:
    names = case.vector["grads"]
    return {name: case.names.get(name, [name]) for name in names if name in case.feeds or name in case.names}


def kind(case: Case, name: str) -> str:
    return next(e["kind"] for e in case.vector["inputs"] if e["name"] == name)
