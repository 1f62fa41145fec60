"""A network: named operations as their author wrote them, editable, and cyclic where delays allow it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.ir import GROUPS, ElementType, Op, Storage, TensorType
from graphc.network.special import AxisSource
from graphc.ops.delays import Delay
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.ops.statistics import Precomputed


def operation_name(op: Op) -> str:
    """CNTK's name of an operation; sparse inputs have one of their own."""
    if isinstance(op, InputValue) and op.storage is not Storage.DENSE:
        return "SparseInputValue"
    return op.names[0]


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the values of a loaded parameter are: in a model file, under the name that it has there."""

    path: str
    name: str


@dataclass(eq=False)
class NetworkNode:
    """An operation with a name.

    ``type`` is what is known so far, none while nothing is, and complete once inference has run. ``span`` is the
    expression that made the node; ``tags`` are the groups that it asked for itself. The first values of a parameter are
    those in the model file that ``stored`` names, or those of ``original``, or else drawn.
    """

    name: str
    op: Op
    inputs: list[NetworkNode]
    span: Span | None = None
    tags: tuple[str, ...] = ()
    type: TensorType | None = None
    stored: Stored | None = None
    original: NetworkNode | None = None
    # its author knows it by its name, however dotted, and not by the expression that made it
    is_called_by_name: bool = False

    @property
    def operation(self) -> str:
        return operation_name(self.op)

    @property
    def is_delay(self) -> bool:
        return isinstance(self.op, Delay)

    @property
    def is_statistic(self) -> bool:
        """Whether its value is found in the training set before training."""
        return isinstance(self.op, Precomputed)

    @property
    def is_trained(self) -> bool:
        return isinstance(self.op, LearnableParameter) and self.op.is_trained

    def member(self, name: str) -> Any:
        """Value of ``node.name`` in the language; raises `KeyError` for what nodes do not have."""
        if name == "name":
            return self.name
        if name == "operation":
            return self.operation
        if name in ("inputs", f"{self.operation}Args"):
            return list(self.inputs)
        if name == "dim":
            return float(self._known_type().size)
        if name == "dims":
            return [float(d) for d in self._known_type().dims]
        raise KeyError(name)

    @property
    def member_names(self) -> tuple[str, ...]:
        """What may stand behind the node's dot."""
        return ("name", "operation", "inputs", "dim", "dims")

    def _known_type(self) -> TensorType:
        if self.type is None or not self.type.is_complete:
            message = f"the dimension of {self.name} is not known yet"
            raise DiagnosticError(Diagnostic("GC0405", message, self.span))
        return self.type

    def __repr__(self) -> str:
        return f"<{self.name} = {self.operation}>"


@dataclass(eq=False)
class Network:
    """Nodes in the order in which they were added, by name in any case, and five ordered groups."""

    element: ElementType = ElementType.FLOAT32
    groups: dict[str, list[NetworkNode]] = field(default_factory=lambda: {g: [] for g in GROUPS})
    # where the author's text lists a node in a group, and members that were probably meant to be a group's list
    listed: dict[tuple[str, NetworkNode], Span] = field(default_factory=dict)
    lookalikes: dict[str, Span] = field(default_factory=dict)
    _nodes: dict[str, NetworkNode] = field(default_factory=dict)

    def add(self, node: NetworkNode) -> None:
        """Enter a node under its name, which must be free and is final: operators with an identity take it over."""
        key = node.name.lower()
        assert self._nodes.get(key, node) is node, node.name
        if node.op.identified:
            node.op = replace(node.op, name=node.name)  # pyright: ignore[reportArgumentType, reportCallIssue]
        self._nodes[key] = node

    def join(self, node: NetworkNode, group: str) -> None:
        """Enter a node in a group, once."""
        if node not in self.groups[group]:
            self.groups[group].append(node)

    def leave(self, node: NetworkNode, group: str) -> None:
        """Take a node out of a group, if it is there."""
        self.groups[group] = [n for n in self.groups[group] if n is not node]

    def remove(self, node: NetworkNode) -> None:
        """Take a node out of the network and its groups; what reads it goes on doing so."""
        del self._nodes[node.name.lower()]
        for group in self.groups:
            self.leave(node, group)

    def rename(self, node: NetworkNode, name: str) -> None:
        """Give a node another name, which must be free, and leave it at its place."""
        others = {name.lower() if n is node else key: n for key, n in self._nodes.items()}
        assert len(others) == len(self._nodes), name
        node.name = name
        self._nodes = others
        self.add(node)

    def get(self, name: str) -> NetworkNode | None:
        return self._nodes.get(name.lower())

    def __getitem__(self, name: str) -> NetworkNode:
        return self._nodes[name.lower()]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._nodes

    def __iter__(self) -> Iterator[NetworkNode]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def names(self) -> list[str]:
        return [node.name for node in self]

    @property
    def inputs(self) -> list[NetworkNode]:
        return [node for node in self if isinstance(node.op, InputValue)]

    @property
    def parameters(self) -> list[NetworkNode]:
        """Trained parameters; constants and state are not among them."""
        return [node for node in self if node.is_trained]

    @property
    def parameter_count(self) -> int:
        """Number of trained scalars of a network whose shapes are inferred."""
        return sum(node.type.size for node in self.parameters if node.type is not None)

    @property
    def roots(self) -> list[NetworkNode]:
        """Criteria, evaluations and outputs; in a network without any, what nothing but perhaps a delay reads."""
        marked = [n for g in ("criterion", "evaluation", "output") for n in self.groups[g]]
        if marked:
            return list(dict.fromkeys(marked))
        read = {source for node in self if not node.is_delay for source in node.inputs}
        return [node for node in self if node not in read and not isinstance(node.op, AxisSource)]

    def listing(self, node: NetworkNode, group: str) -> Span | None:
        """Where a node was put into a group: in the group's list, or where it was made."""
        return self.listed.get((group, node), node.span)

    @property
    def member_names(self) -> list[str]:
        """What may stand behind the network's dot."""
        return self.names

    def member(self, name: str) -> Any:
        """Node of that name, with ``_`` for every dot in it; raises `KeyError`."""
        folded = name.lower()
        if folded in self._nodes:
            return self._nodes[folded]
        for key, node in self._nodes.items():
            if key.replace(".", "_") == folded:
                return node
        raise KeyError(name)


def topological(
    roots: Iterable[NetworkNode], links: Callable[[NetworkNode], list[NetworkNode]] = lambda node: node.inputs
) -> list[NetworkNode]:
    """Every node below the roots, inputs before users; what only a delay reads comes after it.

    Depth first, inputs left to right; ``links`` gives what a node reads. A cycle without a delay is cut at its first
    edge back (`cycles_without_delay`).
    """
    order: list[NetworkNode] = []
    entered: set[NetworkNode] = set()
    waiting = list(roots)
    for root in waiting:  # grows: the inputs of delays are further roots
        stack: list[tuple[NetworkNode, int]] = [(root, 0)] if root not in entered else []
        entered.add(root)
        while stack:
            node, at = stack.pop()
            sources = links(node)
            if node.is_delay:
                waiting.extend(sources)
            elif at < len(sources):
                stack.append((node, at + 1))
                source = sources[at]
                if source not in entered:
                    entered.add(source)
                    stack.append((source, 0))
                continue
            order.append(node)
    return order


def needed(roots: Iterable[NetworkNode]) -> list[NetworkNode]:
    """What computing the roots takes, inputs before users: as `topological`, but nothing below a statistic."""
    return topological(roots, lambda node: [] if node.is_statistic else node.inputs)


def evaluation_order(network: Network) -> list[NetworkNode]:
    """Every node in the order in which CNTK evaluates the network: from the nodes that nobody reads, by name."""
    read = {source for node in network for source in node.inputs}
    return topological([*sorted((n for n in network if n not in read), key=lambda n: n.name), *network])


def cycles_without_delay(nodes: Iterable[NetworkNode]) -> list[list[NetworkNode]]:
    """Cycles that no delay breaks, one for each place where a depth-first walk meets one, in reading order."""
    found: list[list[NetworkNode]] = []
    done: set[NetworkNode] = set()
    for root in nodes:
        path: dict[NetworkNode, int] = {}
        stack = [root] if root not in done else []
        while stack:
            node = stack[-1]
            at = path.setdefault(node, 0)
            if node.is_delay or at == len(node.inputs):
                stack.pop()
                path.pop(node)
                done.add(node)
                continue
            path[node] = at + 1
            source = node.inputs[at]
            if source in path:
                chain = list(path)
                found.append(chain[chain.index(source) :])
            elif source not in done:
                stack.append(source)
    return found
