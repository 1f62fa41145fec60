"""LSTMs become what cuDNN computes in one call; for CUDA devices, where somebody asks for it.

Law: values stay what they were; gradients but for the order of sums. Parameters stay themselves: cuDNN's one matrix of
weights is made of them by operations of the graph around, once for all steps. Sequences must be whole: what a loop
hands to the next minibatch an `OptimizedRNNStack` does not.

- A loop that is an LSTM as cuDNN has it and nothing else is an `OptimizedRNNStack` of one layer::

      h = Sigmoid (o) .* Tanh (c) ; c = Sigmoid (f) .* PastValue (c) + Sigmoid (i) .* Tanh (g)

  where i, f, g and o are sums of a matrix times one vector x, a matrix times PastValue (h), and biases, or slices of
  such sums, and only h is read outside. One from the last frame on is the same between two reversals of time.
- An author's own `OptimizedRNNStack` of LSTMs is marked for cuDNN.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from graphc.diagnostics import Span
from graphc.ir import Carry, Graph, Node, Region, Storage, TensorType
from graphc.ops.elementwise import ElementTimes, Plus
from graphc.ops.products import Times
from graphc.ops.recurrence import Scan
from graphc.ops.recurrent_stack import OptimizedRNNStack
from graphc.ops.sequences import TimeReverse
from graphc.ops.shaping import Reshape, RowStack, Slice, TransposeDimensions
from graphc.ops.sources import InputValue
from graphc.ops.unary import Sigmoid, StableSigmoid, Tanh
from graphc.passes.constants import constant, make_constant
from graphc.passes.loops import Loop, known_before

# of more terms, which a few equations can make, no gate is
_MOST_TERMS = 100


def cudnn(graph: Graph) -> Graph:
    outputs: dict[tuple[Region, tuple[Node, ...]], set[str]] = {}
    for node in graph.nodes:
        if isinstance(node.op, Scan):
            outputs.setdefault((node.op.region, node.inputs), set()).add(node.op.output)

    def transform(node: Node, inputs: tuple[Node, ...]) -> Node:
        op, found = node.op, None
        if isinstance(op, Scan) and outputs.get((op.region, node.inputs)) == {op.output}:
            found = _stack(Loop.of(op.region, inputs), op.output, node.span)
        elif isinstance(op, OptimizedRNNStack) and op.recurrent_op == "lstm":
            op = replace(op, cudnn=True)
        if found is not None:
            return found
        return node if op is node.op and inputs == node.inputs else op(*inputs, span=node.span)

    return graph.rebuild(transform)


def _stack(loop: Loop, output: str, span: Span | None) -> Node | None:
    """What computes the one result of a loop that is read, if the loop is an LSTM."""
    cell = _cell(loop, loop.body.roots[output])
    if cell is None:
        return None
    hidden, x = cell.hidden, cell.gates[0].x
    bias = RowStack()(*(gate.bias for gate in cell.gates))
    matrices = (RowStack()(*each) for each in zip(*((g.matrix, g.recurrent) for g in cell.gates), strict=True))
    numbers = RowStack()(*map(_row_by_row, matrices), bias, make_constant(0.0, bias.type))
    operands = [Reshape((hidden, numbers.type.size // hidden))(numbers), TimeReverse()(x) if cell.backward else x]
    if any(constant(state) != 0 for state in cell.initial):
        operands.append(RowStack(2)(*cell.initial))
    states = OptimizedRNNStack(hidden, cudnn=True)(*operands, span=span)
    return TimeReverse()(states, span=span) if cell.backward else states


def _row_by_row(matrix: Node) -> Node:
    return Reshape((matrix.type.size,))(TransposeDimensions()(matrix))


@dataclass(frozen=True)
class _Gate:
    """A sum of a matrix times x, a matrix times the state before, and a bias."""

    x: Node
    matrix: Node
    recurrent: Node
    bias: Node


@dataclass(frozen=True)
class _Cell:
    """An LSTM: its gates i, f, g and o, and what it shows and hides before the first frame."""

    hidden: int
    backward: bool
    gates: tuple[_Gate, ...]
    initial: tuple[Node, ...]


@dataclass(frozen=True)
class _Equations:
    """Nodes of ``h = Sigmoid (o) .* Tanh (c)`` with ``c = Sigmoid (f) .* before + Sigmoid (i) .* Tanh (g)``."""

    c: Node
    before: Node
    gates: tuple[Node, Node, Node, Node]


def _cell(loop: Loop, h: Node) -> _Cell | None:
    found = _equations(h)
    if found is None or any(n.type != h.type for n in (found.c, found.before, *found.gates)) or h.type.rank != 1:
        return None
    (h_before, h_initial), (c_before, c_initial) = (_state(loop, value) for value in (h, found.c))
    if h_initial is None or c_initial is None or found.before not in c_before:
        return None
    known = known_before(loop)
    gates = [gate for each in found.gates if (gate := _gate(each, h_before, known)) is not None]
    if len(gates) < len(found.gates) or len({gate.x for gate in gates}) > 1:
        return None
    if gates[0].x.type.axis != loop.region.axis:
        return None
    return _Cell(h.type.size, loop.region.backward, tuple(gates), (h_initial, c_initial))


def _equations(h: Node) -> _Equations | None:
    match _gated(h):
        case (o, Node(Tanh(), (Node(Plus(), (x, y)) as c,))):
            for first, second in ((x, y), (y, x)):
                match _gated(first), _gated(second):
                    case (f, Node(InputValue()) as before), (i, Node(Tanh(), (g,))):
                        return _Equations(c, before, (i, f, g, o))
    return None


def _gated(node: Node) -> tuple[Node, Node] | None:
    """Of ``Sigmoid (z) .* y``: z and y."""
    if isinstance(node.op, ElementTimes):
        x, y = node.inputs
        for gate, value in ((x, y), (y, x)):
            if isinstance(gate.op, Sigmoid | StableSigmoid):
                return gate.inputs[0], value
    return None


def _state(loop: Loop, value: Node) -> tuple[set[Node], Node | None]:
    """The delays of a value, and what all of them give in the first frame; none unless they are one frame long."""
    carries = [carry for carry in loop.region.carries if loop.body.roots[carry.value] is value]
    initial = {_initial(loop, carry) for carry in carries}
    is_one = len(initial) == 1 and all(carry.time_step == 1 for carry in carries)
    return {loop.body.roots[carry.name] for carry in carries}, initial.pop() if is_one else None


def _initial(loop: Loop, carry: Carry) -> Node | None:
    """What the delay gives in the first frame, if it is one vector as large as the others."""
    type = loop.body.roots[carry.value].type.with_axis(None)
    if carry.initial is None:
        return make_constant(carry.default, type)
    state = loop.initials[carry.initial]
    if (number := constant(state)) is not None:
        state = make_constant(number, type)
    is_plain = state.type == type and loop.body.roots[carry.name].type.shape == type.shape
    return state if is_plain else None


def _gate(gate: Node, before: Collection[Node], known: Mapping[Node, Node]) -> _Gate | None:
    """A gate as nodes of the graph around the loop; none if it is any other function of x and the state ``before``."""
    terms = _Terms(before, known)
    todo = [_Rows(gate, 0, gate.type.size, known)]
    for _ in range(_MOST_TERMS):
        if not todo:
            break
        below = terms.below(todo.pop())
        if below is None:
            return None
        todo += below
    is_complete = not todo and len(terms.x) == 1 and terms.recurrent
    return terms.gate(gate.type.with_axis(None)) if is_complete else None


class _Rows:
    """Some elements of a vector: of a node of the body or, if that is known before the loop, of the graph around.

    ``known`` has what is known of the body; where it is none, the node is one of the graph around.
    """

    def __init__(self, node: Node, begin: int, end: int, known: Mapping[Node, Node] | None) -> None:
        self.node = node if known is None else known.get(node, node)
        self.known = None if known is not None and node in known else known
        self.begin, self.end = begin, end

    def of(self, node: Node, offset: int = 0) -> _Rows:
        """The same elements of what the node is made of."""
        return _Rows(node, self.begin + offset, self.end + offset, self.known)

    def of_parameter(self, node: Node) -> Node:
        """The same rows of a matrix or vector of the graph around the loop."""
        return node if self.end - self.begin == node.type.dim(1) else Slice(self.begin, self.end)(node)


@dataclass(frozen=True)
class _Terms:
    """The terms of a gate that were found so far."""

    before: Collection[Node]
    known: Mapping[Node, Node]
    x: set[Node] = field(default_factory=set)
    matrices: list[Node] = field(default_factory=list)
    recurrent: list[Node] = field(default_factory=list)
    biases: list[Node] = field(default_factory=list)

    def below(self, rows: _Rows) -> list[_Rows] | None:
        """What else these elements are made of, the terms taken out; none if they are no such sum."""
        match rows.node:
            case Node(type=TensorType(axis=None)) as bias if rows.known is None and bias.type.rank == 1:
                self.biases.append(bias if bias.type.size == 1 else rows.of_parameter(bias))
                return []
            case Node(Plus(), parts) if all(_is_term(part, rows.node) for part in parts):
                return [rows.of(part) for part in parts]
            case Node(Slice(axis=1) as op, (source,)) if source.type.rank == 1:
                return [rows.of(source, op.bounds(source.type.size)[0])]
            case Node(Times(output_rank=1), (matrix, vector)) if _is_plain_product(rows.node):
                return self._product(matrix, vector, rows)
            case _:
                return None

    def _product(self, matrix: Node, vector: Node, rows: _Rows) -> list[_Rows] | None:
        if rows.known is None:
            self.x.add(vector)
            self.matrices.append(rows.of_parameter(matrix))
        elif vector in self.before and matrix in self.known:
            self.recurrent.append(rows.of_parameter(self.known[matrix]))
        else:
            return None
        return []

    def gate(self, bias: TensorType) -> _Gate:
        zeros = make_constant(0.0, bias)
        biases = self.biases if any(each.type == bias for each in self.biases) else [zeros, *self.biases]
        return _Gate(*self.x, *map(_sum, (self.matrices, self.recurrent, biases)))


def _is_term(part: Node, sum: Node) -> bool:
    """Whether the part has all elements of the sum, or is one bias for all."""
    return part.type.shape == sum.type.shape or (part.type.axis is None and part.type.shape == (1,))


def _is_plain_product(product: Node) -> bool:
    matrix, vector = product.inputs
    is_vector = vector.type.rank == 1 and vector.type.axis is not None and vector.type.storage is Storage.DENSE
    return is_vector and matrix.type.axis is None and matrix.type.dims == (product.type.size, vector.type.size)


def _sum(terms: Sequence[Node]) -> Node:
    return reduce(lambda x, y: Plus()(x, y), terms)
