"""Stacks of recurrent layers in one operator, with their weights in one matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol

from graphc.ir import Context, Cost, Op, ShapeError, TensorType, op
from graphc.ops.frames import sequences_of
from graphc.ops.grids import Grid, unrolled
from graphc.ops.rules import result_type

# gates of a cell, by the author's name of it
RECURRENT_GATES = {"lstm": 4, "gru": 3, "rnnReLU": 1, "rnnTanh": 1}

# vectors of a cell's state, where it is more than what the layer shows
_STATES = {"lstm": 2}


@op
class OptimizedRNNStack(Op):
    """Recurrent layers, one on top of the other, as cuDNN defines them; states start at 0 unless told otherwise.

    ``recurrentOp`` is lstm, gru, rnnReLU or rnnTanh. With ``bidirectional`` every layer also runs backwards, and the
    next one sees both. ``axis`` -1 runs over the frames of vectors, 2 over the second axis of each sample. The weights
    are one matrix with ``hiddenDims`` rows: for every layer and direction the input matrices of all gates, then the
    recurrent ones; behind those of all layers, for every layer and direction, two vectors of biases.
    ``initialStates`` has a column for every layer and direction; of an lstm, those of what layers show come first, then
    those of what they hide.

    Example: ``OptimizedRNNStack ([3 x 28], [2 x *], hiddenDims=3) = [3 x *]``
    Example: ``OptimizedRNNStack ([1 x 5] 1 2 9 0.5 0, [2 x *] 3 4, hiddenDims=1, recurrentOp=rnnReLU) = [1 x *] 11.5``
    """

    names: ClassVar = ("OptimizedRNNStack", "RNN")
    family: ClassVar = "sequences"
    arity: ClassVar = (2, 3)
    operands: ClassVar = ("weights", "x", "initialStates")
    internal: ClassVar = frozenset({"cudnn"})

    hidden_dims: int
    num_layers: int = 1
    bidirectional: bool = False
    recurrent_op: str = "lstm"
    axis: int = -1
    # to be computed by cuDNN where there is one; only the pass of that name asks for it
    cudnn: bool = False

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def infer(self, weights: TensorType, x: TensorType, initial: TensorType | None = None) -> TensorType:
        self._require_attributes()
        if x.is_complete and x.rank != (1 if self.axis < 0 else 2):
            expected = "vectors" if self.axis < 0 else "matrices"
            raise ShapeError(f"x is {x}, expected {expected} for axis={self.axis}", 1)
        given = (weights, x) if initial is None else (weights, x, initial)
        found = result_type((self.directions * self.hidden_dims, *x.shape[1:]), *given)
        needed = self._weight_shape(x)
        if needed and weights.is_complete and weights.dims != needed:
            wanted = weights.with_shape(needed)
            raise ShapeError(f"the weights are {weights}, {self.num_layers} layers on {x} need {wanted}", 0, 1)
        if initial is not None and initial.is_complete and initial.dims != self._state_shape:
            raise ShapeError(f"the states begin as {initial}, expected {initial.with_shape(self._state_shape)}", 2)
        return found

    def check(self, weights: TensorType, x: TensorType, initial: TensorType | None = None) -> None:
        if x.axis is None:
            raise ShapeError(f"operand 2 is {x}: only values that depend on an input have frames", 1)
        if weights.axis is not None:
            raise ShapeError(f"the weights are {weights}, but must be the same for all frames", 0)
        if initial is not None and initial.axis is not None:
            raise ShapeError(f"the states begin as {initial}, but must begin alike in all sequences", 2)

    def offers(
        self, weights: TensorType, x: TensorType, initial: TensorType | None = None
    ) -> list[tuple[int, tuple[int, ...]]]:
        needed = self._weight_shape(x)
        found = [(0, needed)] if needed and not weights.is_complete else []
        return [*found, (2, self._state_shape)] if initial is not None and not initial.is_complete else found

    def evaluate(self, c: Context, weights: Any, x: Any, initial: Any = None) -> Any:
        if self.axis == 2:
            return self.value(c.xp, weights, x, initial, WITHIN_FRAMES, one_direction)
        xp, grid = c.xp, Grid.of(c.xp, sequences_of(c, c.operands[1].axis, x.shape[0]))
        times = grid.steps(xp)[:, None]
        follows = grid.inside(xp) & (times > 0), times + 1 < grid.lengths
        rows = Rows(partial(grid.laid, xp), partial(grid.back, xp), follows)
        return self.value(xp, weights, x, initial, rows, one_direction)

    def value(self, xp: Any, weights: Any, x: Any, initial: Any, rows: Rows, run: Direction) -> Any:
        """The states of the last layer; ``run`` computes those of a layer in one direction."""
        parts = list(self._parts(weights.reshape(-1), initial, x.shape[-1]))
        states: Any = None
        for layer in range(self.num_layers):
            of_layer = parts[layer * self.directions : (layer + 1) * self.directions]
            found = []
            for number, part in enumerate(of_layer):
                # the product with frames as they come reads no gaps
                gates = rows.laid(part.of_input(x)) if layer == 0 else part.of_input(states)
                found.append(run(xp, self, gates, part, rows.follows[number], backward=number == 1))
            states = xp.concatenate(found, axis=-1)
        return rows.back(states)

    def states(self, initial: Any) -> Any:
        """The initial states as ``(vectors of a state, layers and directions, hidden)``."""
        return initial.reshape(-1, self.num_layers * self.directions, self.hidden_dims)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        steps = types[1].dims[1] if self.axis == 2 else 1
        return Cost(2.0 * types[0].size * steps, super().cost(result, *types).bytes)

    def _parts(self, numbers: Any, initial: Any, inputs: int) -> Iterator[Part]:
        """The weights of each direction of each layer, from the elements in the order of memory."""
        rows, columns = RECURRENT_GATES[self.recurrent_op] * self.hidden_dims, self.hidden_dims
        layers = range(self.num_layers * self.directions)
        bias = numbers.size - 2 * rows * len(layers)
        at = 0
        for layer in layers:
            width = inputs if layer < self.directions else self.directions * columns
            end = at + rows * (width + columns)
            matrix = numbers[at : at + rows * width].reshape(rows, width)
            recurrent = numbers[at + rows * width : end].reshape(rows, columns)
            first, second = numbers[bias : bias + rows], numbers[bias + rows : bias + 2 * rows]
            state = () if initial is None else tuple(self.states(initial)[:, layer])
            yield Part(matrix, recurrent, first, second, state)
            at, bias = end, bias + 2 * rows

    def _require_attributes(self) -> None:
        if self.recurrent_op not in RECURRENT_GATES:
            raise ShapeError(f"recurrentOp is {self.recurrent_op!r}, expected one of {', '.join(RECURRENT_GATES)}")
        if self.hidden_dims < 1 or self.num_layers < 1:
            raise ShapeError(f"hiddenDims is {self.hidden_dims} and numLayers {self.num_layers}, both must be positive")
        if self.axis not in (-1, 2):
            raise ShapeError(f"axis is {self.axis}, expected -1 or 2")

    @property
    def _state_shape(self) -> tuple[int, int]:
        return self.hidden_dims, _STATES.get(self.recurrent_op, 1) * self.num_layers * self.directions

    def _weight_shape(self, x: TensorType) -> tuple[int, int] | None:
        """Dimensions of the weights; none while the input's are not known."""
        if not x.shape or x.shape[0] is None:
            return None
        gates, directions = RECURRENT_GATES[self.recurrent_op], self.directions
        above = directions * self.hidden_dims
        sizes = x.shape[0] + self.hidden_dims + 2 + (self.num_layers - 1) * (above + self.hidden_dims + 2)
        return self.hidden_dims, directions * gates * sizes


@dataclass(frozen=True)
class Part:
    """Weights of a layer in one direction, all gates below each other, and the state before the first frame."""

    matrix: Any
    recurrent: Any
    bias: Any
    recurrent_bias: Any
    # what the layer shows and, of an lstm, what it hides; nothing where both are 0
    initial: tuple[Any, ...]

    def of_input(self, x: Any) -> Any:
        return x @ self.matrix.T + self.bias


@dataclass(frozen=True)
class Rows:
    """How what a frame gives stands in ``(time, lanes, …)``, ``laid``, and is brought ``back``.

    ``follows``, ``(time, lanes)``, says forward and backward whether what a lane had in the step before is of the same
    sequence; none where it always is.
    """

    laid: Callable[[Any], Any]
    back: Callable[[Any], Any]
    follows: tuple[Any, Any] = (None, None)


# every frame is a sequence, all of one length
WITHIN_FRAMES = Rows(lambda x: x.swapaxes(0, 1), lambda y: y.swapaxes(0, 1))


class Direction(Protocol):
    """Runs a layer in one direction over ``gates``, ``(time, lanes, gates)``: its states, ``(time, lanes, hidden)``.

    Where nothing ``follows`` (see `Rows`) a sequence begins with the initial state.
    """

    def __call__(
        self, xp: Any, op: OptimizedRNNStack, gates: Any, part: Part, follows: Any, *, backward: bool
    ) -> Any: ...


def one_direction(xp: Any, op: OptimizedRNNStack, gates: Any, part: Part, follows: Any, *, backward: bool) -> Any:
    """A layer in one direction, written out step by step."""

    def step(state: Any, row: Any) -> Any:
        state = state if follows is None else entered(xp, row[1], state, part.initial)
        state = cell(xp, op.recurrent_op, row[0], state[0] @ part.recurrent.T + part.recurrent_bias, state)
        return state, state[0]

    rows = (gates,) if follows is None else (gates, follows)
    return unrolled(xp)(step, start(xp, op, part, gates), rows, reverse=backward)[1]


def start(xp: Any, op: OptimizedRNNStack, part: Part, gates: Any) -> tuple[Any, ...]:
    """The state before the first frame, in every lane."""
    nothing = xp.zeros((gates.shape[1], op.hidden_dims), gates.dtype)
    if not part.initial:
        return (nothing,) * _STATES.get(op.recurrent_op, 1)
    return tuple(nothing + each for each in part.initial)


def entered(xp: Any, follows: Any, state: tuple[Any, ...], initial: tuple[Any, ...]) -> tuple[Any, ...]:
    """The state of each lane as the next step finds it: the initial one where a sequence begins."""
    first = initial or tuple(xp.zeros((), part.dtype) for part in state)
    return tuple(xp.where(follows[:, None], *parts) for parts in zip(state, first, strict=True))


def cell(xp: Any, kind: str, gates: Any, product: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """The next state from what the input and what the state before give to the gates."""
    if kind in ("rnnReLU", "rnnTanh"):
        total = gates + product
        return (xp.tanh(total) if kind == "rnnTanh" else xp.maximum(total, xp.zeros((), total.dtype)),)
    if kind == "gru":
        (r, z, new), (of_r, of_z, of_new) = xp.split(gates, 3, axis=-1), xp.split(product, 3, axis=-1)
        r, z = _sigmoid(xp, r + of_r), _sigmoid(xp, z + of_z)
        return ((1 - z) * xp.tanh(new + r * of_new) + z * state[0],)
    i, f, new, o = xp.split(gates + product, 4, axis=-1)
    hidden = _sigmoid(xp, f) * state[1] + _sigmoid(xp, i) * xp.tanh(new)
    return _sigmoid(xp, o) * xp.tanh(hidden), hidden


def _sigmoid(xp: Any, x: Any) -> Any:
    return 0.5 * xp.tanh(0.5 * x) + 0.5
