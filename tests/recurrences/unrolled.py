"""Recurrent networks computed from their equations: every frame of every sequence by itself, in plain NumPy.

It shares nothing with graphc but the equations: no graph, no loops, no layouts, and samples have the author's order of
axes. A value is computed when it is asked for, so recurrences unroll by themselves; what was computed is kept on a
tape, which gives the gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.testing.equations import MAIN, OTHER, Equation, RecurrentModel

Array = np.ndarray[Any, Any]
_EPSILON = 2.0**-23


class Number:
    """A value on the tape, with what its gradient adds to those it was computed from."""

    def __init__(self, tape: list[Number], value: Array, *parents: tuple[Number, Callable[[Array], Array]]) -> None:
        self.value = value
        self.parents = parents
        self.gradient = np.zeros_like(value)
        tape.append(self)


class Unrolled:
    """``sequences`` has for each input an array ``(frames, …)`` a sequence."""

    def __init__(
        self, model: RecurrentModel, parameters: Mapping[str, Array], sequences: Mapping[str, Sequence[Array]]
    ) -> None:
        self.equations = {equation.name: equation for equation in model.equations}
        self.sequences = sequences
        self.tape: list[Number] = []
        self.parameters = {name: Number(self.tape, np.array(value, float)) for name, value in parameters.items()}
        self.count = len(sequences[model.of("Input")[0].name])
        self.known: dict[tuple[str, int, int], Number] = {}
        self.frames = [[self.at("loss", s, t) for t in range(self.length(MAIN, s))] for s in range(self.count)]
        self.loss = math.fsum(float(frame.value[0]) for sequence in self.frames for frame in sequence)
        for frame in (frame for sequence in self.frames for frame in sequence):
            frame.gradient = np.ones_like(frame.value)
        for number in reversed(self.tape):
            for parent, pull in number.parents:
                parent.gradient = parent.gradient + _summed(pull(number.gradient), parent.value.shape)

    def gradient(self, name: str) -> Any:
        """Of a parameter an array, of an input a list of arrays ``(frames, …)``."""
        if name in self.parameters:
            return self.parameters[name].gradient
        return [
            np.array([self.at(name, s, t).gradient for t in range(len(frames))])
            for s, frames in enumerate(self.sequences[name])
        ]

    # axes

    def length(self, axis: str, s: int) -> int:
        if axis in (MAIN, OTHER):
            names = [e.name for e in self.equations.values() if e.axis == axis and "Input" in e.operation]
            return len(self.sequences[names[0]][s])
        return len(self.chosen(axis, s))

    def chosen(self, axis: str, s: int) -> list[int]:
        """Frames of the axis that this one was made from."""
        word, of = axis.split(" ", 1)
        if word == "First":
            return [0]
        if word == "Last":
            return [self.length(of, s) - 1]
        every = range(self.length(MAIN, s))
        if word == "range":
            begin, end = map(int, of.split())
            return list(every[begin : end or None])
        total, found = 0.0, []
        for t in every:
            total += float(self.sequences["flag"][s][t].item())
            while (not found and total > 0) or len(found) < total * (1 - _EPSILON):
                found.append(t)
        return found

    # values

    def at(self, name: str, s: int, t: int) -> Number:
        """The value at frame ``t`` of sequence ``s``; what has no frames is the same everywhere."""
        if name in self.parameters:
            return self.parameters[name]
        key = name, s, t
        if key not in self.known:
            self.known[key] = self.computed(self.equations[name], s, t)
        return self.known[key]

    def computed(self, e: Equation, s: int, t: int) -> Number:
        def operand(i: int, frame: int = t) -> Number:
            return self.at(e.inputs[i], s, frame)

        match e.operation:
            case "Input" | "OtherInput":
                return self.put(self.sequences[e.name][s][t])
            case "Constant":
                return self.put(np.full(e.shape, e.options["value"]))
            case "Times":
                return self.times(operand(0), operand(1), e.options["outputs"])
            case "Plus":
                return self.binary(operand(0), operand(1), np.add, lambda x, y, g: (g, g))
            case "Minus":
                return self.binary(operand(0), operand(1), np.subtract, lambda x, y, g: (g, -g))
            case "ElementTimes":
                return self.binary(operand(0), operand(1), np.multiply, lambda x, y, g: (g * y, g * x))
            case "Tanh":
                x = operand(0)
                y = np.tanh(x.value)
                return self.put(y, (x, lambda g: g * (1 - y * y)))
            case "Sigmoid":
                x = operand(0)
                y = 1 / (1 + np.exp(-x.value))
                return self.put(y, (x, lambda g: g * y * (1 - y)))
            case "Dropout":
                return operand(0)
            case "Slice":
                return self.rows(operand(0), e.options["begin"], e.options["end"])
            case "RowStack":
                return self.stacked(operand(0), operand(1))
            case "SumElements":
                x = operand(0)
                return self.put(x.value.sum().reshape(1), (x, lambda g: np.broadcast_to(g.reshape(()), x.value.shape)))
            case "IsFirst":
                return self.put(np.array([float(t == 0)]))
            case "IsLast":
                assert e.axis is not None
                return self.put(np.array([float(t == self.length(e.axis, s) - 1)]))
            case "Delay":
                return self.delayed(e, s, t)
            case "TimeReverse":
                assert e.axis is not None
                return operand(0, self.length(e.axis, s) - 1 - t)
            case "First" | "Last" | "Range":
                assert e.axis is not None
                return operand(0, self.chosen(e.axis, s)[t])
            case "Gather":
                assert e.axis is not None
                return operand(1, self.chosen(e.axis, s)[t])
            case "Scatter":
                places = self.chosen("chosen by flag", s)
                return operand(1, places.index(t)) if t in places else self.put(np.zeros(e.shape))
            case "Broadcast":
                return operand(1, 0)
            case other:
                raise AssertionError(other)

    def delayed(self, e: Equation, s: int, t: int) -> Number:
        assert e.axis is not None
        step, length = e.options["step"], self.length(e.axis, s)
        is_past = e.options["direction"] == "Past"
        source = t - step if is_past else t + step
        if 0 <= source < length:
            return self.at(e.inputs[0], s, source)
        if len(e.inputs) == 1:
            return self.put(np.full(e.shape, e.options["default"]))
        state = self.equations[e.inputs[1]]
        if state.axis is None:
            return self.wide(self.at(state.name, s, 0), e.shape)
        others = self.length(state.axis, s)
        frame = 0 if others == 1 else others + source if is_past else source - length
        return self.wide(self.at(state.name, s, frame), e.shape)

    # arithmetic

    def put(self, value: Array, *parents: tuple[Number, Callable[[Array], Array]]) -> Number:
        return Number(self.tape, np.asarray(value, float), *parents)

    def wide(self, x: Number, shape: tuple[int, ...]) -> Number:
        value = x.value.reshape(x.value.shape + (1,) * (len(shape) - x.value.ndim))
        return self.put(np.broadcast_to(value, shape), (x, lambda g: _summed(g, value.shape).reshape(x.value.shape)))

    def binary(self, x: Number, y: Number, f: Any, pull: Any) -> Number:
        rank = max(x.value.ndim, y.value.ndim)
        a, b = (z.value.reshape(z.value.shape + (1,) * (rank - z.value.ndim)) for z in (x, y))

        def of(index: int, z: Number, like: Array) -> tuple[Number, Callable[[Array], Array]]:
            return z, lambda g: _summed(pull(a, b, g)[index], like.shape).reshape(z.value.shape)

        return self.put(f(a, b), of(0, x, a), of(1, y, b))

    def times(self, w: Number, x: Number, outputs: int) -> Number:
        inner = w.value.ndim - outputs
        outer = x.value.ndim - inner
        y = np.tensordot(w.value, x.value, inner)

        def of_w(g: Array) -> Array:
            behind = list(range(-outer, 0)) if outer else []
            return np.tensordot(g, x.value, (behind, [i for i in range(inner, x.value.ndim)]))

        def of_x(g: Array) -> Array:
            return np.tensordot(w.value, g, (list(range(outputs)), list(range(outputs))))

        return self.put(y, (w, of_w), (x, of_x))

    def rows(self, x: Number, begin: int, end: int) -> Number:
        def pull(g: Array) -> Array:
            full = np.zeros_like(x.value)
            full[begin:end] = g
            return full

        return self.put(x.value[begin:end], (x, pull))

    def stacked(self, x: Number, y: Number) -> Number:
        size = x.value.shape[0]
        return self.put(np.concatenate([x.value, y.value]), (x, lambda g: g[:size]), (y, lambda g: g[size:]))


def _summed(g: Array, shape: tuple[int, ...]) -> Array:
    """A gradient without the axes along which its value was repeated."""
    repeated = tuple(i for i, size in enumerate(shape) if size == 1 and g.shape[i] != 1)
    return g.sum(axis=repeated, keepdims=True) if repeated else g
