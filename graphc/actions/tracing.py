"""What a run prints of the values of nodes: of `Trace`, and of the nodes that ``traceNodeNames…`` list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from graphc.actions.context import RunContext
from graphc.actions.events import Noted, Traced
from graphc.actions.text_output import Bounds, Place, SequenceText, matrix_columns, read_labels, unfit_labels
from graphc.network.network import Network, NetworkNode, evaluation_order, needed
from graphc.network.recurrence import components, is_loop, loop_of
from graphc.ops.tracing import Shown, TextFormat, Trace
from graphc.train.evaluation import Outputs

# how traceNodeNames… show values, and how many of them
_NAMED = {"transpose": False, "sequence_prologue": "  ", "sample_separator": "\n  ", "precision_format": "13.10"}
_FEW, _ALL = Bounds(3, 8), Bounds()


class Naming(Protocol):
    """Settings that name nodes to be printed."""

    @property
    def trace_node_names_real(self) -> tuple[str, ...]: ...
    @property
    def trace_node_names_category(self) -> tuple[str, ...]: ...
    @property
    def trace_node_names_sparse(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, eq=False)
class Watched:
    """A node whose values are printed, and how; ``trace`` is the node that asks for it, if one does."""

    node: NetworkNode
    text: SequenceText
    trace: NetworkNode | None = None
    # the gradient too, where training has one
    has_gradient: bool = False

    @property
    def op(self) -> Trace | None:
        return self.trace.op if self.trace is not None and isinstance(self.trace.op, Trace) else None

    def is_due(self, minibatch: int) -> bool:
        """Whether the minibatch, from 1, is one that is printed."""
        op = self.op
        if op is None or minibatch <= op.log_first:
            return True
        return op.log_frequency > 0 and (minibatch - 1) % op.log_frequency == 0

    def head(self, kind: str = "", at: str = "") -> str:
        title = "Trace " if self.op is None else f"------- Trace[{at}] {self.op.say} {kind}"
        return f"{title}--> {_prototype(self.node)}\n"

    def prologue(self, minibatch: int) -> str:
        op = self.op
        return self.text.expand(op.format.prologue, Place(0, minibatch), 0) if op is not None and minibatch == 1 else ""


@dataclass(frozen=True)
class _Loop:
    """What is printed step by step, because it is computed so."""

    watched: tuple[Watched, ...]
    backward: bool


@dataclass(frozen=True)
class Found:
    """A value of a minibatch; ``lengths`` are the frames of each sequence, none where it has no frames."""

    value: npt.NDArray[Any]
    lengths: npt.NDArray[np.integer] | None

    def sequences(self) -> list[npt.NDArray[Any]]:
        return [self.value] if self.lengths is None else np.split(self.value, np.cumsum(self.lengths)[:-1])


@dataclass(eq=False)
class Tracer:
    """Counts the minibatches of a command, validation included, and prints what is due, in CNTK's order."""

    context: RunContext
    section: str
    entries: tuple[Watched | _Loop, ...]
    minibatches: int = field(default=0, init=False)

    @property
    def watched(self) -> tuple[Watched, ...]:
        return tuple(w for entry in self.entries for w in (entry.watched if isinstance(entry, _Loop) else (entry,)))

    @staticmethod
    def of(
        network: Network,
        roots: Sequence[str],
        naming: Naming,
        context: RunContext,
        section: str,
        criterion: str | None = None,
    ) -> Tracer | None:
        """None where nothing that the roots need is to be printed. Raises `DiagnosticError` for missing labels.

        With a ``criterion`` there are gradients.
        """
        named = _named(network, naming, context, section)
        computed = needed(network[name] for name in roots)
        trained = _trained(needed([network[criterion]])) if criterion is not None else set()
        order = {node: place for place, node in enumerate(evaluation_order(network))}
        entries: list[Watched | _Loop] = []
        for members, backward in sorted(_together(computed, network, roots), key=lambda each: order[each[0][0]]):
            traces = [_traced(node, trained, context, section) for node in members if isinstance(node.op, Trace)]
            if len(members) > 1 and traces:
                entries.append(_Loop(tuple(traces), backward))
            else:
                entries += traces
            entries += [w for node in members for w in named.get(node, ())]
        return Tracer(context, section, tuple(entries)) if entries else None

    def due(self, count: int) -> list[int]:
        """Which of the next ``count`` minibatches, from 0, are printed."""
        watched = self.watched
        return [n for n in range(count) if any(w.is_due(self.minibatches + n + 1) for w in watched)]

    def tell(self, ahead: int, values: Outputs, gradients: Outputs, lengths: npt.NDArray[np.integer] | None) -> None:
        """Print what is due in the minibatch that comes after ``ahead`` others.

        ``lengths`` are those of sequences where ``values`` do not know them.
        """
        number = self.minibatches + ahead + 1
        text = "".join(self._texts(self.entries, number, values, lengths))
        if gradients.values:
            text += "".join(self._texts(self.entries[::-1], number, gradients, lengths, "(gradient) "))
        self.context.observer.handle(Traced(self.section, text))

    def _texts(
        self,
        entries: Sequence[Watched | _Loop],
        number: int,
        values: Outputs,
        lengths: npt.NDArray[np.integer] | None,
        kind: str = "",
    ) -> Iterator[str]:
        def shown(watched: Sequence[Watched]) -> list[Watched]:
            return [w for w in watched if w.is_due(number) and (not kind or w.has_gradient)]

        for entry in entries:
            if isinstance(entry, _Loop):
                found = {w: _found(w.node, values, lengths) for w in shown(entry.watched)}
                yield from _steps(found, number, kind, backward=entry.backward != bool(kind))
            else:
                for w in shown([entry]):
                    yield (w.prologue(number) if not kind else "") + w.head(kind)
                    sequences = enumerate(_found(w.node, values, lengths).sequences())
                    yield from (w.text.sequence(s, Place(i, number), is_first=i == 0) for i, s in sequences)


def _steps(found: dict[Watched, Found], number: int, kind: str, *, backward: bool) -> Iterator[str]:
    """Step by step what the nodes of a loop have there; in a step of gradients, the last node first."""
    if not found:
        return
    lengths = next(iter(found.values())).lengths
    assert lengths is not None
    begins = _begins(lengths)
    sequences = {w: each.sequences() for w, each in found.items()}
    if not kind:
        yield from (w.prologue(number) for w in found)
    times = range(int((begins + lengths).max(initial=0)))
    for t in reversed(times) if backward else times:
        for w in reversed(sequences) if kind else sequences:
            yield w.head(kind, str(t))
            for i in np.flatnonzero((begins <= t) & (t < begins + lengths)).tolist():
                step = sequences[w][i][t - begins[i] : t - begins[i] + 1]
                yield w.text.sequence(step, Place(i, number), is_first=i == 0)


def _begins(lengths: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Where in CNTK's packed minibatch each sequence begins: in the first row with room for it, else in a new one."""
    width, rows, found = int(lengths.max(initial=0)), [], []
    for length in lengths.tolist():
        row = next((i for i, used in enumerate(rows) if used + length <= width), len(rows))
        rows += [0] * (row == len(rows))
        found.append(rows[row])
        rows[row] += length
    return np.array(found, np.int64)


def _found(node: NetworkNode, values: Outputs, lengths: npt.NDArray[np.integer] | None) -> Found:
    assert node.type is not None, node
    value = values[node.name]
    if node.type.axis is None:
        return Found(matrix_columns(value, node.type.dims), None)
    lengths = values.lengths.get(node.name, lengths)
    return Found(value, np.ones(len(value), np.int64) if lengths is None else lengths)


def _together(
    computed: Sequence[NetworkNode], network: Network, roots: Sequence[str]
) -> list[tuple[tuple[NetworkNode, ...], bool]]:
    """Nodes one by one, those of a loop together and in order, with its direction."""
    places = {node: place for place, node in enumerate(evaluation_order(network))}
    found = []
    for component in components(network[name] for name in roots):
        members = tuple(sorted(component, key=lambda node: places[node]))
        found.append((members, loop_of(component).backward if is_loop(component) else False))
    return found


def _traced(trace: NetworkNode, trained: set[NetworkNode], context: RunContext, section: str) -> Watched:
    op, (node,) = trace.op, trace.inputs
    assert isinstance(op, Trace) and node.type is not None
    labels = read_labels(op.format, trace.span)
    told = unfit_labels(op.format, labels, node.type.dims)
    if told is not None:
        context.observer.handle(Noted(section, told))
    bounds = Bounds(op.only_up_to_row, op.only_up_to_t)
    text = SequenceText(trace.name, node.type.dims, op.format, labels, bounds)
    return Watched(node, text, trace, op.log_gradient_too and node in trained)


def _named(network: Network, naming: Naming, context: RunContext, section: str) -> dict[NetworkNode, list[Watched]]:
    """Nodes that the settings name; of names without a node CNTK says so."""
    kinds = {
        Shown.REAL: naming.trace_node_names_real,
        Shown.CATEGORY: naming.trace_node_names_category,
        Shown.SPARSE: naming.trace_node_names_sparse,
    }
    found: dict[NetworkNode, list[Watched]] = {}
    for kind, names in kinds.items():
        for name in names:
            node = network.get(name)
            if node is None or node.type is None:
                context.observer.handle(Noted(section, f"EnableNodeTracing: No node named '{name}'; skipping"))
                continue
            format, bounds = TextFormat(kind, **_NAMED), _ALL if kind is Shown.SPARSE else _FEW
            text = SequenceText(name, node.type.dims, format, (), bounds, "f")
            found.setdefault(node, []).append(Watched(node, text))
    return found


def _trained(nodes: Sequence[NetworkNode]) -> set[NetworkNode]:
    """Those of the nodes, inputs before users, that depend on a trained parameter."""
    found: set[NetworkNode] = set()
    for node in nodes:
        if node.is_trained or any(source in found for source in node.inputs):
            found.add(node)
    return found


def _prototype(node: NetworkNode) -> str:
    """``h = Plus (a, b) : [3 x *], [3] -> [3 x *]``, as CNTK lists nodes."""
    if not node.inputs:
        return f"{node.name} = {node.operation}() :  -> {node.type}"
    names, types = (
        ", ".join(map(str, each)) for each in ([n.name for n in node.inputs], [n.type for n in node.inputs])
    )
    return f"{node.name} = {node.operation} ({names}) : {types} -> {node.type}"
