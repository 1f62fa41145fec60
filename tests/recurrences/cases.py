"""Random recurrent networks with random data, as graphs and as equations."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from graphc.backend import Environment
from graphc.data.layout import Room, layout
from graphc.diagnostics import Diagnostics, SourceText
from graphc.ir import Graph
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.session import Session
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.passes.pipeline import optimise
from graphc.testing.choices import Seeded
from graphc.testing.equations import MAIN, OTHER, RecurrentModel, recurrent_model
from tests.recurrences.unrolled import Unrolled

MOST_SEQUENCES, LONGEST = 4, 7


def graph_of(text: str, precision: str = "double") -> Graph:
    source = SourceText.from_string(text, "recurrent.bs")
    return to_graph(build_network(source, precision=precision, session=Session(), diagnostics=Diagnostics()), ["loss"])


class Case:
    """The network and the data that a seed gives, and what is to be computed from them."""

    def __init__(self, *seed: int) -> None:
        self.model: RecurrentModel = recurrent_model(Seeded.of("recurrences", *seed))
        self.rng = np.random.default_rng(seed)
        count = int(self.rng.integers(1, MOST_SEQUENCES + 1))
        lengths = self.rng.integers(1, LONGEST + 1, count)
        # an initial state has the frames that the delay asks for, or one
        self.lengths = {MAIN: lengths, OTHER: self.rng.choice([1, 4, 5, 6], count)}
        self.parameters = {e.name: self.rng.uniform(-1, 1, e.shape) for e in self.model.of("Parameter")}
        inputs = [*self.model.of("Input"), *self.model.of("OtherInput")]
        self.sequences = {e.name: [self.frames(e, n) for n in self.lengths[e.axis or MAIN]] for e in inputs}

    def frames(self, equation: Any, length: int) -> np.ndarray:
        if equation.name != "flag":
            return self.rng.uniform(-1, 1, (length, *equation.shape))
        flags = self.rng.choice(self.model.flags, (length, 1))
        flags[self.rng.integers(0, length)] = 1.0
        return flags

    def alone(self, number: int) -> Case:
        """One of the sequences."""
        found = copy.copy(self)
        found.lengths = {axis: lengths[number : number + 1] for axis, lengths in self.lengths.items()}
        found.sequences = {name: frames[number : number + 1] for name, frames in self.sequences.items()}
        return found

    @cached_property
    def unrolled(self) -> Unrolled:
        return Unrolled(self.model, self.parameters, self.sequences)

    def graph(self, precision: str = "double") -> Graph:
        return graph_of(self.model.text, precision)

    def arrays(self, graph: Graph) -> dict[str, np.ndarray]:
        """The parameters as backends take them: the axes are in reverse order."""
        needed = {n.op.name: n for n in graph.nodes if isinstance(n.op, LearnableParameter)}
        return {n: value.T.astype(needed[n].type.element.value) for n, value in self.parameters.items() if n in needed}

    def feeds(self, graph: Graph, rooms: Mapping[str, Room] | None = None, padding: float = 0.0) -> dict[str, Any]:
        found = {}
        for node in graph.nodes:
            if isinstance(node.op, InputValue):
                assert node.type.axis is not None
                real = np.concatenate([reversed_axes(s) for s in self.sequences[node.op.name]])
                room = (rooms or {}).get(node.type.axis.name)
                padded = np.full((room.frames if room else len(real), *real.shape[1:]), padding, real.dtype)
                padded[: len(real)] = real
                found[node.op.name] = padded.astype(node.type.element.value)
        return found

    def environment(self, rooms: Mapping[str, Room] | None = None) -> Environment:
        return Environment(frames={a: layout(n, (rooms or {}).get(a)) for a, n in self.lengths.items()})

    def gradients(self, graph: Graph) -> dict[str, np.ndarray]:
        """Of every parameter and input of the graph, as backends give them, without padding."""
        found = {}
        for node in graph.nodes:
            if isinstance(node.op, InputValue):
                name = node.op.name
                found[name] = np.concatenate([reversed_axes(g) for g in self.unrolled.gradient(name)])
            elif isinstance(node.op, LearnableParameter) and node.op.name in self.parameters:
                found[node.op.name] = self.unrolled.gradient(node.op.name).T
        return found


def reversed_axes(frames: np.ndarray) -> np.ndarray:
    """Samples in the author's order of axes as backends have them."""
    return frames.transpose(0, *range(frames.ndim - 1, 0, -1))


def optimised(graph: Graph) -> Graph:
    return optimise(graph, verify=True)
