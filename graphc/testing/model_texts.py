"""Hypothesis strategies of BrainScript models: texts that build, with features, labels, criteria and an output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import note
from hypothesis import strategies as st

from graphc.testing.choices import Choices, Drawn
from graphc.testing.equations import RecurrentModel, recurrent_model

Draw = Callable[[st.SearchStrategy[Any]], Any]

_ACTIVATIONS = ("Sigmoid", "Tanh", "ReLU", "Softmax", "Abs", "Negate", "Exp")
_CRITERIA = ("CrossEntropyWithSoftmax", "SquareError")


@st.composite
def models(draw: Draw, max_layers: int = 5) -> str:
    """A record of BrainScript, as ``BrainScriptNetworkBuilder`` takes it: layers on ``features``, criteria on top.

    Some layers look along the sequence: delays, and recurrences in both directions.
    """
    text = "\n".join(["{", *(f"    {line}" for line in _lines(Drawn(draw), max_layers)), "}"])
    note(text)
    return text


@st.composite
def recurrent_models(draw: Draw, max_blocks: int = 3) -> RecurrentModel:
    """A recurrent network as equations, whose ``text`` builds: loops on each other, delays, chosen frames."""
    model = recurrent_model(Drawn(draw), max_blocks)
    note(model.text)
    return model


def _lines(c: Choices, max_layers: int) -> list[str]:
    classes = c.integer(2, 4)
    shape = tuple(c.integer(1, 6) for _ in range(c.one_of((1, 3, 2))))
    lines = [f"features = Input {{{_dims(shape)}}}", f"labels = Input {{{classes}}}"]
    name, values = "features", [("features", shape)]
    for index in range(c.integer(0, max_layers)):
        own = f"h{index + 1}"
        if c.integer(0, 3) == 3:
            layer, shape = _along_sequences(c, own, name, shape)
        else:
            layer, shape = _layer(c, name, shape, values)
        name = own
        lines.append(f"{name} = {layer}")
        values.append((name, shape))
    criterion = c.one_of(_CRITERIA)
    return [
        *lines,
        f"z = LinearLayer {{{classes}}} ({name})",
        f"criterion = {criterion} (labels, z)",
        "errors = ClassificationError (labels, z)",
        "featureNodes = (features) ; labelNodes = (labels)",
        "criterionNodes = (criterion) ; evaluationNodes = (errors) ; outputNodes = (z)",
    ]


def _layer(
    c: Choices, x: str, shape: tuple[int, ...], values: list[tuple[str, tuple[int, ...]]]
) -> tuple[str, tuple[int, ...]]:
    """An expression on ``x``, and the shape of its value."""
    same = [name for name, other in values if other == shape]
    match c.integer(0, 8 if len(shape) == 3 else 5):
        case 0:
            return f"{c.one_of(_ACTIVATIONS)} ({x})", shape
        case 1:
            width = c.integer(1, 5)
            activation = c.one_of(("", ", activation = Sigmoid", ", bias = false", ", init = 'gaussian'"))
            return f"DenseLayer {{{width}{activation}}} ({x})", (width,)
        case 2:
            return f"{x} {c.one_of(('+', '-', '.*'))} {c.one_of(same)}", shape
        case 3:
            spatial = "spatialRank = 2" if len(shape) == 3 else ""
            return f"BatchNormalizationLayer {{{spatial}}} ({x})", shape
        case 4:
            return f"Dropout ({x})", shape
        case 5:
            return f"if {c.integer(1, 3)} > {c.integer(1, 3)} then {x} else Sigmoid ({x})", shape
        case 6:
            channels, kernel = c.integer(1, 3), tuple(c.integer(1, min(size, 3)) for size in shape[:2])
            return f"ConvolutionalLayer {{{channels}, ({_dims(kernel)}), pad = true}} ({x})", (*shape[:2], channels)
        case 7:
            kernel = tuple(c.integer(1, min(size, 2)) for size in shape[:2])
            kind = c.one_of(("Max", "Average"))
            pooled = tuple((size - k) // k + 1 for size, k in zip(shape, kernel, strict=False))
            return f"{kind}PoolingLayer {{({_dims(kernel)}), stride = ({_dims(kernel)})}} ({x})", (*pooled, shape[2])
        case _:
            return f"ReshapeDimension ({x}, 1, ({shape[0]} : 1))", (shape[0], 1, *shape[1:])


def _along_sequences(c: Choices, own: str, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """An expression for ``own`` that sees other frames than those of its own, and the shape of its value."""
    direction, step = c.one_of(("Past", "Future")), c.integer(1, 3)
    match c.integer(0, 2 if len(shape) == 1 else 0):
        case 0:
            return f"{direction}Value (0, {x}, timeStep = {step})", shape
        case 1:
            width = c.integer(1, 4)
            before = f"{direction}Value (0, {own}, timeStep = {step})"
            matrices = (f"ParameterTensor {{({width} : {size})}}" for size in (shape[0], width))
            return f"Tanh ({next(matrices)} * {x} + {next(matrices)} * {before})", (width,)
        case _:
            width = c.integer(1, 3)
            return f"RecurrentLSTMLayer {{{width}, goBackwards = {str(direction == 'Future').lower()}}} ({x})", (width,)


def _dims(shape: tuple[int, ...]) -> str:
    return " : ".join(map(str, shape))
