"""What can be wrong with a network, each as one diagnostic in its author's names and axis order."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence

from graphc.diagnostics import Diagnostic, Label, Severity, Span
from graphc.ir import DynamicAxis, Op, ShapeError, format_shape
from graphc.network.network import NetworkNode, topological
from graphc.ops.convolution import Convolution
from graphc.ops.legacy_reshape import LegacyReshape
from graphc.ops.sequences import Where
from graphc.ops.sources import InputValue, LearnableParameter

_LONGEST_TEXT = 40
_LONGEST_CYCLE = 12


def shape_error(node: NetworkNode, error: ShapeError) -> Diagnostic:
    """The broken rule at the node's expression, with the blamed operands' shapes and where each comes from."""
    blamed = [node.inputs[i] for i in dict.fromkeys(error.operands) if i < len(node.inputs)]
    message = _in_the_authors_words(error.message, node)
    unsaid = [n for n in dict.fromkeys(blamed) if n.type is not None and not _mentions(message, n)]
    if unsaid:
        message += ": " + ", ".join(f"{title(n)} is {_shape(n)}" for n in unsaid)
    labels = *(Label(origin(n), n.span) for n in blamed), *_axes_that_differ(blamed)
    labels = tuple(dict.fromkeys(labels))
    return Diagnostic("GC0201", message, node.span, labels, error.hint, cause=_misfit(node, blamed))


def _misfit(node: NetworkNode, operands: Sequence[NetworkNode]) -> tuple[Hashable, ...]:
    """Two values that do not fit do so in whatever reads both: it is one mistake.

    So is a value that several operations of one call of the library can make nothing of.
    """
    if len(operands) == 1 and node.span is not None:
        return ("GC0201", node.span, operands[0].span)
    if len(operands) != 2:
        return ()
    return ("GC0201", frozenset((_shaped(n).span, _shape(n)) for n in operands))


def _shaped(node: NetworkNode) -> NetworkNode:
    """The node that a value has its shape from."""
    while len(node.inputs) == 1 and node.type is not None and node.inputs[0].type == node.type:
        node = node.inputs[0]
    return node


def _axes_that_differ(blamed: Sequence[NetworkNode]) -> Iterator[Label]:
    """Where operands differ in their dynamic axis, what each has its own from."""
    axes = {n.type.axis for n in blamed if n.type is not None and n.type.axis is not None}
    if len(axes) < 2:
        return
    for operand in blamed:
        axis = operand.type.axis if operand.type is not None else None
        if axis is not None:
            source = next((n for n in topological([operand]) if _makes_axis(n, axis)), None)
            if source is not None:
                yield Label(_origin_of_axis(source, axis), source.span)


def _makes_axis(node: NetworkNode, axis: DynamicAxis) -> bool:
    return isinstance(node.op, InputValue | Where | LegacyReshape) and node.op.axis == axis.name


def _origin_of_axis(node: NetworkNode, axis: DynamicAxis) -> str:
    if isinstance(node.op, InputValue):
        return origin(node)
    source = node.inputs[0].type
    assert source is not None, node
    return f"the axis {axis} is made of frames of {source.axis} by {_expression(node) or node.operation}"


def _in_the_authors_words(message: str, node: NetworkNode) -> str:
    """The message of an operator, which knows its operands by position only."""
    names = [title(n) for n in node.inputs]
    if len(names) == 2:
        message = re.sub(r"\bthe left( operand)?\b", lambda _: names[0], message)
        message = re.sub(r"\bthe right( operand)?\b", lambda _: names[1], message)
    if len(names) == 1:
        message = re.sub(r"\bthe operand\b", lambda _: names[0], message)
    numbered = re.compile(r"\boperand (\d+)\b")
    return numbered.sub(lambda m: names[int(m[1]) - 1] if 0 < int(m[1]) <= len(names) else m[0], message)


def _mentions(message: str, node: NetworkNode) -> bool:
    return _shape(node) in message or str(node.type) in message


def _shape(node: NetworkNode) -> str:
    return format_shape(node.type.shape) if node.type is not None else "of unknown shape"


def title(node: NetworkNode) -> str:
    """What an author calls a node: its name where he gave one, else the text of its expression."""
    if isinstance(node.op, LearnableParameter) and node.name.startswith("inputs.") and node.op.constant is not None:
        return f"{node.op.constant:g}"  # a number among the arguments, which the library made a node
    if node.is_called_by_name or node.span is None:
        return node.name
    if isinstance(node.op, (InputValue, LearnableParameter)) or re.fullmatch(r"\w+", node.name):
        return node.name
    return _expression(node) or node.name


def _expression(node: NetworkNode) -> str:
    """The text of the expression that made the node; empty where it is none, or too long to be shown."""
    text = " ".join(node.span.text.split()) if node.span is not None else ""
    return text if len(text) <= _LONGEST_TEXT else ""


def origin(node: NetworkNode) -> str:
    """``W is the parameter [10 x 784]``: the start of a label that ends with the place."""
    match node.op:
        case InputValue():
            kind = "the input"
        case LearnableParameter(constant=float()):
            kind = "the constant"
        case LearnableParameter():
            kind = "the parameter"
        case _:
            kind = f"the result of {node.operation},"
    return f"{title(node)} is {kind} {_shape(node)}"


def unknown_parameter(node: NetworkNode, users: Sequence[NetworkNode]) -> Diagnostic:
    message = f"the shape {node.type} of the parameter {title(node)} cannot be inferred"
    channels = _missing_channels(users[0]) if users else None
    if channels:
        labels = (Label(f"{title(node)} is made", node.span),)
        return Diagnostic("GC0202", message, users[0].span, labels, channels)
    labels = tuple(Label(f"{title(node)} is used by {user.operation}", user.span) for user in users[:1])
    if not users:
        hint = "give its dimensions: nothing uses it"
    else:
        hint = "give its dimensions, or use it where they follow from the other operand"
    return Diagnostic("GC0202", message, node.span, labels, hint)


def _missing_channels(user: NetworkNode) -> str | None:
    if not isinstance(user.op, Convolution) or user.op.transpose or user.inputs[1].type is None:
        return None
    image = user.inputs[1].type
    if image.rank != len(user.op.kernel_dims):
        return None
    return f"the image {_shape(user.inputs[1])} has no axis for channels: {format_shape((*image.shape, 1))} has one"


def unusable_initialisation(node: NetworkNode, why: str) -> Diagnostic:
    return Diagnostic("GC0411", f"the parameter {title(node)} {node.type} cannot be initialised: {why}", node.span)


def cycle(loop: Sequence[NetworkNode]) -> Diagnostic:
    """``loop`` lists each node before one of its inputs; the last reads the first."""
    first = loop[0]
    shown = [*loop[:_LONGEST_CYCLE], *loop[-1:]] if len(loop) > _LONGEST_CYCLE + 1 else [*loop]
    chain = ", which reads ".join(title(n) for n in [*shown, first])
    labels = tuple(Label(f"{title(n)} is made", n.span) for n in shown)
    hint = "only PastValue and FutureValue may read a value that depends on them"
    return Diagnostic("GC0407", f"a cycle has no delay: {chain}", first.span, labels, hint)


def duplicate(name: str, first: NetworkNode, second: NetworkNode, place: Span | None) -> Diagnostic:
    other = "" if first.name == second.name else f" ({first.name} and {second.name} differ in case only)"
    labels = (Label(f"{first.name} is already {origin_kind(first)}", first.span),)
    # capitalised like the reference's message, which people search for
    return Diagnostic("GC0402", f"Duplicated name {name}: two nodes cannot share it{other}", place, labels)


def origin_kind(node: NetworkNode) -> str:
    return f"a node of operation {node.operation}"


def uncomputed(nodes: Iterable[NetworkNode]) -> Diagnostic | None:
    """The operations that have types and no value yet, in one diagnostic at the first; none where all have one."""
    without_value = (n for n in nodes if n.inputs and type(n.op).evaluate is Op.evaluate)
    lacking = [n for n in without_value if not n.is_delay and not n.is_statistic]
    if not lacking:
        return None
    names = list(dict.fromkeys(node.operation for node in lacking))
    listed = ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
    message = f"{listed} {'is' if len(names) == 1 else 'are'} not computed yet"
    return Diagnostic("GC0802", message, lacking[0].span)


def not_quantized(name: str, span: Span | None) -> Diagnostic:
    message = f"{name} computes the exact product: QuantizedTimes rounds nothing here"
    return warning(
        "GC0418", message, span, "write Times; only speed was gained by rounding, and it is not needed for it"
    )


def warning(code: str, message: str, span: Span | None, hint: str | None = None) -> Diagnostic:
    return Diagnostic(code, message, span, (), hint, Severity.WARNING)
