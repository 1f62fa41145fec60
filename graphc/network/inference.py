"""Shapes of a network: a fixpoint in which operators may offer shapes to parameters, and one final checking visit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from graphc.diagnostics import Diagnostic, Diagnostics
from graphc.ir import ElementType, Op, Shape, ShapeError, TensorType, check_arity
from graphc.ir.types import MAX_RANK, MOST_ELEMENTS
from graphc.network import cropping, explain
from graphc.network.axes import Selections
from graphc.network.network import Network, NetworkNode, cycles_without_delay, topological
from graphc.ops.delays import Delay
from graphc.ops.legacy_reshape import LegacyReshape
from graphc.ops.regions import Crop
from graphc.ops.sequences import GatherPacked, Where
from graphc.ops.sources import LearnableParameter

# A pass finds what earlier ones did not only where a shape comes back through a delay. Models need two or three; what
# is not found after so many, as in s = Splice ((x : PastValue (0, s))), never is.
_MOST_PASSES = 100


def infer(network: Network, diagnostics: Diagnostics) -> None:
    """Give every node its type; what is wrong goes to ``diagnostics``, each independent error once.

    A node below a failed one stays silent and without a type.
    """
    order = topological([*network.roots, *network])
    loops = cycles_without_delay(order)
    for loop in loops:
        diagnostics.add(explain.cycle(loop))
    failed = {node for loop in loops for node in loop}
    # a delay without input is one whose input failed and was reported
    failed |= {node for node in order if node.is_delay and not node.inputs}
    for node in order:
        node.type = None
    _Inference(order, network.element, diagnostics, failed, _unread(network)).run()


def _unread(network: Network) -> set[NetworkNode]:
    """Loops that nothing reads but their own delays. Nobody computes them, and CNTK does not look at them."""
    read = {source for node in network for source in node.inputs}
    marked = [node for members in network.groups.values() for node in members]
    return set(network) - set(topological([*marked, *(node for node in network if node not in read)]))


def known_type(node: NetworkNode, element: ElementType) -> TensorType | None:
    """What is known of a node's type from what is known of its inputs', without offers; none where a rule is broken."""
    if isinstance(node.op, Delay):
        return TensorType(tuple(d or None for d in node.op.shape), element)
    try:
        return node.op.infer(*(_type_of(source, element) for source in node.inputs))
    except ShapeError:
        return None  # inference will find it again and say so


def _boundless(element: ElementType) -> TensorType:
    """Type of a value of which nothing is known: broadcasting takes every dimension from the other operand."""
    return TensorType((None,), element)


def _type_of(node: NetworkNode, element: ElementType) -> TensorType:
    return node.type or _boundless(element)


class _Inference:
    def __init__(
        self,
        order: Sequence[NetworkNode],
        element: ElementType,
        diagnostics: Diagnostics,
        failed: set[NetworkNode],
        unread: set[NetworkNode],
    ) -> None:
        self._order = order
        self._unread = unread
        self._element = element
        self._diagnostics = diagnostics
        self._failed = failed
        self._selections = Selections(order)
        self._assumed: set[NetworkNode] = set()
        self._are_axes_known = all(not isinstance(node.op, GatherPacked) for node in order)

    def run(self) -> None:
        if not self._are_axes_known:
            # frames or a table: until it is known which a choice reads, nobody shall ask for shapes that it would give
            self._repeat()
            self._are_axes_known = True
        self._repeat()
        if self._assume_ones():
            self._repeat()
        self._tell_broken()
        used = {source for node in self._order for source in node.inputs}
        # A parameter has its shape from who uses it: it is wrong only if nothing was wrong before that.
        checked = {node for node in used if not isinstance(node.op, LearnableParameter)}
        for node in self._order:
            if self._silent(node) or (node in used and node not in checked):
                continue
            for source in node.inputs:
                if source not in checked:
                    checked.add(source)
                    self._final(source)
            if not self._silent(node):
                self._final(node)

    def _tell_broken(self) -> None:
        """Fail nodes whose rule does not hold for what was found: nobody shall ask for shapes that they would give."""
        for node in self._order:
            if not self._silent(node) and node.type is None:
                try:
                    self._visit(node)
                except ShapeError as error:
                    self._fail(node, error)

    def _repeat(self) -> None:
        changed = self._pass()
        for _ in range(_MOST_PASSES):
            if not changed:
                return
            changed = self._pass()
        if changed:
            self._fail(changed[0], self._restless(changed[0]))

    def _restless(self, node: NetworkNode) -> ShapeError:
        """Why the type of a node changes in every pass."""
        before = node.type
        self._pass()
        assert before is not None and node.type is not None, node
        if None not in (*before.shape, *node.type.shape) and before.size == node.type.size:
            what = f"the shape does not settle: {before} makes it {node.type}, and the other way round"
            return ShapeError(what, hint="'*' is the product of matrices, '.*' multiplies element by element")
        return ShapeError(f"the shape grows without end, to {node.type} and beyond")

    def _assume_ones(self) -> bool:
        """Unknown dimensions of delays in loops where nothing else is unknown are the hints, or 1; if there were any.

        So it is in ``n = One + PastValue (0, n)``. An operand of 1 leaves open what the other is, so passes alone do
        not find them.
        """
        self._assumed = {node for node in self._order if node.is_delay and _nothing_else_is_unknown(node)}
        return bool(self._assumed)

    def _pass(self) -> list[NetworkNode]:
        """Visit every node once; those of which more is known now."""
        changed = []
        for node in self._order:
            if self._silent(node):
                continue
            known = node.type
            try:
                if self._visit(node):
                    changed.append(node)
            except ShapeError:
                # what comes back through a delay may not have its shape yet: `_tell_broken` says what stays wrong
                node.type = None
                if known is not None:
                    changed.append(node)
        return changed

    def _visit(self, node: NetworkNode) -> bool:
        """Whether more is known of the node's type, or of a parameter's that it made an offer to."""
        check_arity(node.op, len(node.inputs))
        before = node.type
        # the rule comes before the offers: they may rely on what it has checked
        node.type = self._inferred(node)
        offered = self._offer(node)
        if offered:
            node.type = self._inferred(node)
        if node.type.rank > MAX_RANK:
            # more passes would only add to them
            self._fail(node, ShapeError(f"the result has {node.type.rank} axes, at most {MAX_RANK} are possible"))
            return True
        return offered or node.type != before

    def _inferred(self, node: NetworkNode) -> TensorType:
        if node.is_delay and node.inputs[0].type is None:
            return _boundless(self._element)
        if isinstance(node.op, Where):
            node.op = dataclasses.replace(node.op, axis=self._selections.axis(node))
        if isinstance(node.op, LegacyReshape) and node.op.changes_frames(*self._operand_types(node)):
            node.op = dataclasses.replace(node.op, axis=node.name)
        found = node.op.infer(*self._operand_types(node))
        return found.with_shape(_assumed(found.shape, node.op)) if node in self._assumed else found

    def _offer(self, node: NetworkNode) -> bool:
        changed = False
        if not self._are_axes_known or all(not isinstance(source.op, LearnableParameter) for source in node.inputs):
            return False
        for index, shape in node.op.offers(*self._operand_types(node)):
            changed |= _accept(node.inputs[index], shape)
        return changed

    def _operand_types(self, node: NetworkNode) -> list[TensorType]:
        return [_type_of(source, self._element) for source in node.inputs]

    def _final(self, node: NetworkNode) -> None:
        try:
            assert node.type is not None, node
            if isinstance(node.op, LearnableParameter):
                self._final_parameter(node, node.op)
                return
            if isinstance(node.op, Crop) and not node.op.has_offsets:
                node.op = _with_offsets(node, node.op)
                node.op.infer(*self._operand_types(node))
            if not self._is_idle(node):
                node.op.check(*self._operand_types(node))
            for index in node.op.updates():
                if not isinstance(node.inputs[index].op, LearnableParameter):
                    raise ShapeError("must be a parameter: every training step changes it", index)
            if not node.type.is_complete:
                raise ShapeError(f"the shape {node.type} of the result cannot be inferred")
            if node.type.size == 0:
                raise ShapeError(f"the result {node.type} has no elements")
            _require_memory(node.type)
        except ShapeError as error:
            self._fail(node, error)

    def _is_idle(self, node: NetworkNode) -> bool:
        """Whether it is a delay in a loop that neither an input reaches nor anything reads."""
        return node.is_delay and node in self._unread and self._operand_types(node)[0].axis is None

    def _final_parameter(self, node: NetworkNode, op: LearnableParameter) -> None:
        assert node.type is not None
        if node.type.is_complete:
            _require_memory(node.type)
            try:
                op.initializer.require_fitting(node.type.dims)
            except ValueError as error:
                self._reject(node, explain.unusable_initialisation(node, str(error)))
        # a file that was not read may hold the dimensions; the builder has said that it is missing
        elif op.initializer.kind == "fromFile" and not op.initializer.literal:
            self._failed.add(node)
        else:
            users = [user for user in self._order if node in user.inputs]
            if self._failed.isdisjoint(users):
                self._reject(node, explain.unknown_parameter(node, users))

    def _silent(self, node: NetworkNode) -> bool:
        """Whether the node failed or reads, not only through a delay, one that did."""
        if node not in self._failed and not self._failed.isdisjoint(node.inputs):
            self._failed.add(node)
            node.type = None
        return node in self._failed

    def _fail(self, node: NetworkNode, error: ShapeError) -> None:
        self._reject(node, explain.shape_error(node, error))

    def _reject(self, node: NetworkNode, diagnostic: Diagnostic) -> None:
        self._diagnostics.add(diagnostic)
        self._failed.add(node)
        node.type = None


def _assumed(shape: Shape, op: Op) -> Shape:
    hint = op.shape if isinstance(op, Delay) and len(op.shape) == len(shape) else (0,) * len(shape)
    return tuple(d or h or 1 for d, h in zip(shape, hint, strict=True))


def _nothing_else_is_unknown(delay: NetworkNode) -> bool:
    """Whether a delay's unknown shape depends on no unknown one but on delays': all sources below it are known."""
    if delay.type is None or delay.type.is_complete:
        return False
    waiting, seen = list(delay.inputs), {delay}
    while waiting:
        node = waiting.pop()
        if node in seen or node.is_delay or (node.type is not None and node.type.is_complete):
            continue
        if node.type is None or not node.inputs:
            return False
        seen.add(node)
        waiting += node.inputs
    return True


def _with_offsets(node: NetworkNode, op: Crop) -> Crop:
    x, y = cropping.offsets(node)
    return dataclasses.replace(op, x_offset=x, y_offset=y)


def _require_memory(type: TensorType) -> None:
    if type.size > MOST_ELEMENTS:
        raise ShapeError(f"{type} has {type.size:.1e} elements, which no memory holds")


def _accept(node: NetworkNode, offered: Shape) -> bool:
    """Fill unknown dimensions of a parameter from an offered shape; whether any changed."""
    op = node.op
    if not isinstance(op, LearnableParameter) or None not in op.shape:
        return False
    if any(op.shape) or len(offered) == len(op.shape):
        if len(op.shape) > len(offered):
            return False
        own = (*op.shape, *(None,) * (len(offered) - len(op.shape)))
        shape = tuple(o if d is None else d for d, o in zip(own, offered, strict=True))
    else:
        shape = tuple(offered)
    # an offer that knows nothing must not shrink the rank that another has grown
    if shape == op.shape or (not any(shape) and len(shape) <= len(op.shape)):
        return False
    node.op = dataclasses.replace(op, shape=shape)
    node.type = node.op.infer()
    return True
