"""Random recurrent networks as equations: their BrainScript builds, and others can compute them as they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphc.testing.choices import Choices

Shape = tuple[int, ...]

# streams of frames: that of all ordinary inputs, and one with as many sequences, of other lengths
MAIN, OTHER = "*", "otherAxis"

_LONGEST_STEP = 4


@dataclass(frozen=True)
class Equation:
    """``name = operation (inputs)``, of a shape in the author's order; ``axis`` none: the same for all frames.

    Operations are those of `_TEXTS`; ``options`` fill in what stands in braces there.
    """

    name: str
    operation: str
    inputs: tuple[str, ...]
    shape: Shape
    axis: str | None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The equation in BrainScript."""
        form = _TEXTS[self.operation]
        if self.operation == "Delay" and len(self.inputs) == 2:
            form = "{direction}Value (0, {0}, timeStep={step}, initialState={1})"
        dims = " : ".join(map(str, self.shape))
        return f"{self.name} = " + form.format(*self.inputs, dims=dims, rank=len(self.shape), **self.options)


# the axis of a condition's frames is called after it
_TEXTS = {
    "Input": "Input {{({dims})}}",
    "OtherInput": "Input {{({dims}), dynamicAxis = " + OTHER + "}}",
    "Parameter": "ParameterTensor {{({dims})}}",
    "Constant": "ConstantTensor ({value}, ({dims}))",
    "Times": "Times ({0}, {1}, outputRank = {outputs})",
    "Plus": "{0} + {1}",
    "Minus": "{0} - {1}",
    "ElementTimes": "{0} .* {1}",
    "Tanh": "Tanh ({0})",
    "Sigmoid": "Sigmoid ({0})",
    "Dropout": "Dropout ({0})",
    "Slice": "Slice ({begin}, {end}, {0})",
    "RowStack": "RowStack ({0} : {1})",
    "Delay": "{direction}Value (0, {0}, timeStep={step}, defaultHiddenActivation={default})",
    "IsFirst": "BS.Loop.IsFirst ({0})",
    "IsLast": "BS.Loop.IsLast ({0})",
    "First": "BS.Sequences.First ({0})",
    "Last": "BS.Sequences.Last ({0})",
    "Range": "BS.Sequences.Slice ({begin}, {end}, {0})",
    "Gather": "BS.Sequences.Gather ({0}, {1})",
    "Scatter": "BS.Sequences.Scatter ({0}, {1})",
    "Broadcast": "BS.Sequences.BroadcastSequenceAs ({0}, {1})",
    "TimeReverse": "TimeReverse ({0})",
    "SumElements": "SumElements ({0})",
}


@dataclass(frozen=True)
class RecurrentModel:
    """Equations in an order in which they can be read, not computed: the last, ``loss``, is one number a frame.

    Inputs of `MAIN` named ``flag…`` are conditions: numbers from ``flags``, at least one a sequence not 0.
    """

    equations: tuple[Equation, ...]
    flags: Sequence[float]

    @property
    def text(self) -> str:
        lines = [equation.text for equation in self.equations]
        if any(equation.axis == OTHER for equation in self.equations):
            lines.insert(0, f"{OTHER} = DynamicAxis ()")
        return "\n".join(["{", *(f"    {line}" for line in lines), "    criterionNodes = (loss)", "}"])

    def of(self, operation: str) -> list[Equation]:
        return [equation for equation in self.equations if equation.operation == operation]

    @property
    def operations(self) -> set[str]:
        return {equation.operation for equation in self.equations}


def recurrent_model(choices: Choices, most_blocks: int = 3) -> RecurrentModel:
    """A network of at most that many blocks, each a loop or an operation across frames; loops stand on each other."""
    # Scatter is the inverse of Gather only where the condition is 0 or 1
    flags = choices.one_of(((0.0, 1.0), (0.0, 1.0), (0.0, 0.5, 1.0)))
    return _drawn(_Drawing(choices, can_scatter=flags == (0.0, 1.0)), most_blocks, flags)


def past_model(choices: Choices, most_blocks: int = 3) -> RecurrentModel:
    """As `recurrent_model`, but a frame depends on nothing but those before it: what pieces of sequences allow."""
    return _drawn(_Drawing(choices, past_only=True), most_blocks, ())


def _drawn(drawing: _Drawing, most_blocks: int, flags: Sequence[float]) -> RecurrentModel:
    drawing.loop(MAIN)
    for _ in range(drawing.choices.integer(0, most_blocks - 1)):
        drawing.block()
    drawing.loss()
    return RecurrentModel(tuple(drawing.equations), flags)


class _Drawing:
    def __init__(self, choices: Choices, *, can_scatter: bool = False, past_only: bool = False) -> None:
        self.choices = choices
        self.can_scatter = can_scatter
        self.past_only = past_only
        self.directions = ("Past",) if past_only else ("Past", "Future")
        self.equations: list[Equation] = []
        self.values: list[Equation] = [self.add("Input", (), self.shape(), MAIN)]
        self.unused: list[Equation] = []
        # states of the loop in the making that are complete, and its direction
        self.inside: list[Equation] = []
        self.direction = ""

    def add(self, operation: str, inputs: Sequence[Equation | str], shape: Shape, axis: str | None, **of: Any) -> Any:
        stem = {"Parameter": "w", "Constant": "c", "Input": "x", "OtherInput": "u"}.get(operation, "v")
        name = of.pop("name", None) or f"{stem}{len(self.equations)}"
        names = tuple(i if isinstance(i, str) else i.name for i in inputs)
        self.equations.append(Equation(name, operation, names, shape, axis, of))
        return self.equations[-1]

    def give(self, value: Equation) -> None:
        """A result that later blocks read; the loss reads what nobody did."""
        self.values.append(value)
        self.unused.append(value)

    def shape(self) -> Shape:
        c = self.choices
        return (c.integer(1, 3),) if c.integer(0, 2) else (c.integer(1, 3), c.integer(1, 2))

    # operands

    def parameter(self, shape: Shape) -> Equation:
        """A parameter, often one that is there already: in the same loop, in another, or outside of all."""
        known = [e for e in self.equations if e.operation == "Parameter" and e.shape == shape]
        if known and self.choices.flag():
            return self.choices.one_of(known)
        return self.add("Parameter", (), shape, None)

    def frames(self, axis: str, shape: Shape | None = None) -> Equation:
        """A value of an earlier block, or an input."""
        known = [v for v in [*self.inside, *self.values] if v.axis == axis and shape in (None, v.shape)]
        if known and self.choices.integer(0, 3):
            return self.used(self.choices.one_of(known))
        if axis == MAIN:
            self.values.append(self.add("Input", (), shape or self.shape(), MAIN))
            return self.values[-1]
        if shape is None:
            return self.used(next(v for v in self.values if v.axis == axis))
        return self.linear(self.frames(axis), shape)

    def used(self, value: Equation) -> Equation:
        self.unused = [v for v in self.unused if v is not value]
        return value

    def linear(self, x: Equation, shape: Shape) -> Equation:
        """A product with a matrix, or a tensor, that gives the shape."""
        if x.shape[1:] == shape[1:] and self.choices.integer(0, 3):
            weights, outputs = self.parameter((shape[0], x.shape[0])), 1
        else:
            weights, outputs = self.parameter((*shape, *x.shape)), len(shape)
        return self.add("Times", (weights, x), shape, x.axis, outputs=outputs)

    def term(self, x: Equation, shape: Shape, axis: str) -> Equation:
        c = self.choices
        if x.shape != shape or x.axis is None:
            return self.linear(x, shape)
        match c.integer(0, 7):
            case 0:
                return self.add("ElementTimes", (self.parameter(shape), x), shape, axis)
            case 1:
                stacked = self.add("RowStack", (x, self.frames(axis, shape)), (2 * shape[0], *shape[1:]), axis)
                begin = c.integer(0, shape[0])
                return self.add("Slice", (stacked,), shape, axis, begin=begin, end=begin + shape[0])
            case 2:
                return self.add("Dropout", (x,), shape, axis)
            case 3:
                # of a value of the loop only one of them is part of it
                flag = "IsFirst" if self.direction == "Past" else "IsLast"
                flag = self.add(flag, (self.frames(axis),), (1,), axis)
                return self.add("ElementTimes", (x, flag), shape, axis)
            case 4:
                return self.add("ElementTimes", (x, self.frames(axis, shape)), shape, axis)
            case _:
                return self.linear(x, shape)

    def mixed(self, operands: Sequence[Equation], shape: Shape, axis: str) -> Equation:
        """A sum of what the operands give, and sometimes a bias."""
        first, *others = [self.term(x, shape, axis) for x in operands]
        for other in others:
            first = self.add(self.choices.one_of(("Plus", "Plus", "Minus")), (first, other), shape, axis)
        return self.add("Plus", (first, self.parameter(shape)), shape, axis) if self.choices.flag() else first

    # blocks

    def block(self) -> None:
        c = self.choices
        if self.past_only:
            c.one_of((self.loop, self.shift))(MAIN)
            return
        axis = c.one_of([v.axis for v in self.values])
        assert axis is not None
        blocks: list[Callable[[str], None]] = [self.loop, self.loop, self.shift, self.reverse, self.broadcast]
        if axis == MAIN:
            blocks += [self.gather, self.gather, self.range]
        c.one_of(blocks)(axis)

    def loop(self, axis: str) -> None:
        """States that depend on each other through delays in one direction."""
        c = self.choices
        self.direction = c.one_of(self.directions)
        shapes = [self.shape() for _ in range(c.integer(1, 3))]
        names = [f"h{len(self.equations)}_{i}" for i in range(len(shapes))]
        delays = []
        for name, shape in zip(names, shapes, strict=True):
            for _ in range(c.integer(1, 2)):
                delays.append(self.delay(self.direction, name, shape, axis))
        for name, shape in zip(names, shapes, strict=True):
            before = next(d for d in delays if d.inputs[0] == name)
            step = self.gated if len(shape) == 1 and c.integer(0, 3) == 3 else self.plain
            self.inside.append(step(name, before, c.one_of(delays), shape, axis))
        states, self.inside = self.inside, []
        for state in states:
            self.give(state)

    def delay(self, direction: str, name: str, shape: Shape, axis: str) -> Equation:
        step = self.choices.one_of((1, 1, self.choices.integer(1, _LONGEST_STEP)))
        options = {"direction": direction, "step": step, "default": self.choices.one_of((0.1, 0.0, -0.5))}
        state = self.initial(shape, axis)
        return self.add("Delay", (name, state) if state else (name,), shape, axis, **options)

    def initial(self, shape: Shape, axis: str) -> Equation | None:
        match self.choices.integer(0, 7):
            case 0:
                return self.add("Constant", (), self.choices.one_of((shape, (1,))), None, value=0.25)
            case 1:
                return self.parameter(shape)
            case 2 if not self.past_only:
                return self.add("OtherInput", (), shape, OTHER)
            case 3 if not self.past_only:
                ends = self.choices.one_of(("First", "Last"))
                return self.add(ends, (self.frames(axis, shape),), shape, f"{ends} {axis}")
            case _:
                return None

    def plain(self, name: str, own: Equation, other: Equation, shape: Shape, axis: str) -> Equation:
        operands = [own, other, self.frames(axis)] if other is not own else [own, self.frames(axis)]
        total = self.mixed(operands, shape, axis)
        return self.add(self.choices.one_of(("Tanh", "Sigmoid")), (total,), shape, axis, name=name)

    def gated(self, name: str, own: Equation, other: Equation, shape: Shape, axis: str) -> Equation:
        """Two gates in one product, and a peephole."""
        (size,) = shape
        both = self.mixed([own, other, self.frames(axis)], (2 * size,), axis)
        gate = self.add("Slice", (both,), shape, axis, begin=0, end=size)
        peephole = self.add("ElementTimes", (self.parameter(shape), own), shape, axis)
        gate = self.add("Sigmoid", (self.add("Plus", (gate, peephole), shape, axis),), shape, axis)
        new = self.add("Slice", (both,), shape, axis, begin=size, end=2 * size)
        new = self.add("ElementTimes", (gate, self.add("Tanh", (new,), shape, axis)), shape, axis)
        kept = self.add("Minus", (own, self.add("ElementTimes", (gate, own), shape, axis)), shape, axis)
        return self.add("Plus", (kept, new), shape, axis, name=name)

    def shift(self, axis: str) -> None:
        x = self.frames(axis)
        delay = self.delay(self.choices.one_of(self.directions), x.name, x.shape, axis)
        self.give(delay)

    def reverse(self, axis: str) -> None:
        x = self.frames(axis)
        self.give(self.add("TimeReverse", (x,), x.shape, axis))

    def broadcast(self, axis: str) -> None:
        x = self.frames(axis)
        ends = self.choices.one_of(("First", "Last"))
        one = self.add(ends, (x,), x.shape, f"{ends} {axis}")
        self.give(self.add("Broadcast", (self.frames(axis), one), x.shape, axis))

    def gather(self, axis: str) -> None:
        """A loop over chosen frames, and what it gives at their places."""
        flag = next((e for e in self.equations if e.name == "flag"), None)
        flag = flag or self.add("Input", (), (1,), axis, name="flag")
        x = self.frames(axis)
        chosen = self.add("Gather", (flag, x), x.shape, "chosen by flag")
        self.give(chosen)
        if self.can_scatter:
            self.loop(chosen.axis)
            y = self.frames(chosen.axis)
            self.give(self.add("Scatter", (flag, y), y.shape, axis))

    def range(self, axis: str) -> None:
        x = self.frames(axis)
        begin, end = self.choices.one_of(((0, 2), (-2, 0), (-3, 0)))
        self.give(self.add("Range", (x,), x.shape, f"range {begin} {end}", begin=begin, end=end))

    def loss(self) -> None:
        """One number for each frame of the main axis, from everything that nobody has read."""
        shape = self.shape()
        rest = [v for v in self.unused if v.axis == MAIN]
        for axis in dict.fromkeys(v.axis for v in self.unused if v.axis != MAIN):
            assert axis is not None
            # the last frames of other axes, everywhere
            ends = [
                self.linear(self.add("Last", (v,), v.shape, f"Last {axis}"), shape)
                for v in self.unused
                if v.axis == axis
            ]
            rest += [self.add("Broadcast", (self.frames(MAIN), v), shape, MAIN) for v in ends]
        rest = rest or [self.frames(MAIN)]
        total = self.add("Tanh", (self.mixed(rest, shape, MAIN),), shape, MAIN)
        weighted = self.add("ElementTimes", (total, self.add("Input", (), shape, MAIN)), shape, MAIN)
        self.add("SumElements", (weighted,), (1,), MAIN, name="loss")
