"""Random graphs, from anybody's decisions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from graphc.ir import DEFAULT_AXIS, DynamicAxis, Graph, Node, Op
from graphc.ops.delays import FutureValue, PastValue
from graphc.ops.elementwise import DiagTimes, ElementTimes, Minus, Plus
from graphc.ops.legacy_reshape import Restack
from graphc.ops.products import Times, TransposeTimes
from graphc.ops.recurrence import Scan
from graphc.ops.reductions import ReduceElements
from graphc.ops.sequences import GatherPacked, ReconcileDynamicAxis, ScatterPacked
from graphc.ops.shaping import Reshape, RowStack, Slice, TransposeDimensions
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.unary import Exp, Log, Negate, Pass, RectifiedLinear, Sigmoid, Tanh
from graphc.passes.simplify import RULES
from graphc.testing.choices import Choices
from graphc.testing.drawing import LARGEST, Drawing
from graphc.testing.recipes import RECIPES, recipes

# What models are made of: the operators that the configurations of CNTK use most, but for those whose values are so
# costly or so rarely finite that few graphs of them would be compared.
USUAL: tuple[type[Op], ...] = (
    *(Pass, Plus, Minus, ElementTimes, Times, TransposeTimes, DiagTimes, Negate, RectifiedLinear, Sigmoid, Tanh),
    *(Exp, Log, ReduceElements, Reshape, TransposeDimensions, Slice, RowStack),
)

# What looks along sequences, and what makes axes and goes back.
SEQUENTIAL: tuple[type[Op], ...] = (
    *(PastValue, FutureValue, Scan, Scan, GatherPacked, GatherPacked, ScatterPacked, ReconcileDynamicAxis),
)
# a loop is as much work as many other operators
_MOST_LOOPS = 2
# of an axis now and then, so that there is something in front of a part and behind it
_LONG = 7


def graph_of(drawing: Drawing, most: int, operators: Sequence[type[Op]] | None = None) -> Graph:
    """A graph of at most that many operators: the given ones, or any, half of them usual ones.

    A graph is a list of steps: which operator, on which of the nodes so far or on new operands, with which attributes.
    """
    choices, first = drawing.choices, len(drawing.sources)
    drawing.source(drawing.shape(largest=choices.one_of((3, 3, _LONG))), frames=True, sparse=True)
    found: list[Node] = []
    for _ in range(choices.integer(0, most)):
        cls = _next_operator(choices, operators)
        if cls is Scan and sum(isinstance(node.op, Scan) for node in found) == _MOST_LOOPS:
            continue
        with drawing.on(_next_axis(drawing)):
            node = RECIPES[cls].make(drawing, cls)
        found.append(node)
        if node.type.size <= LARGEST:
            drawing.pool.append(node)
    return _finished(choices, drawing.sources[first:], list(dict.fromkeys(found)))


def _next_operator(choices: Choices, operators: Sequence[type[Op]] | None) -> type[Op]:
    if operators is not None:
        return choices.one_of(operators)
    kinds = USUAL, USUAL, USUAL, rewritten(), tuple(recipes()), SEQUENTIAL
    return choices.one_of(kinds[choices.integer(0, 5)])


def _next_axis(drawing: Drawing) -> DynamicAxis:
    """Mostly the axis of the data; now and then another one that is there, if new operands can have its frames."""
    kept = [node for node in drawing.pool if not isinstance(node.op, Restack)]
    others = dict.fromkeys(node.type.axis for node in kept if node.type.axis not in (None, DEFAULT_AXIS))
    if not others or drawing.choices.integer(0, 2) < 2:
        return DEFAULT_AXIS
    return drawing.choices.one_of([axis for axis in others if axis is not None])


@cache
def rewritten() -> tuple[type[Op], ...]:
    """Operators that some pass has a rule for."""
    return tuple(dict.fromkeys(cls for each in RULES for cls in each.ops if cls in RECIPES))


def _finished(choices: Choices, sources: list[Node], found: list[Node]) -> Graph:
    named = {_name(source): source for source in sources}
    named |= {f"n.{i}[0]": node for i, node in enumerate(found) if choices.flag()}
    used = {source for node in found for source in node.inputs}
    ends = [node for node in found if node not in used]
    roots = {"z": (found or sources)[-1]}
    roots |= {f"root {i}": node for i, node in enumerate(ends) if choices.integer(0, 3)}
    return Graph(roots, named, tuple(_updates(choices, sources, found).items()), {"output": tuple(roots)})


def _updates(choices: Choices, sources: list[Node], found: list[Node]) -> dict[Node, Node]:
    """What training changes: the state of operators, and sometimes a parameter that another node replaces."""
    updates: dict[Node, Node] = {}
    for node in found:
        for index, op in node.op.updates().items():
            if isinstance(node.inputs[index].op, LearnableParameter):
                updates[node.inputs[index]] = op(*node.inputs)
    parameters = [n for n in sources if isinstance(n.op, LearnableParameter) and n not in updates]
    pairs = [(p, value) for p in parameters for value in (*sources, *found) if value.type == p.type]
    if pairs and choices.flag():
        parameter, value = choices.one_of(pairs)
        updates[parameter] = value
    return updates


def _name(source: Node) -> str:
    assert isinstance(source.op, InputValue | LearnableParameter), source
    return source.op.name
