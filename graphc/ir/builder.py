"""Statements in the notation of graphs to a graph: resolves names, makes the operators, applies them."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label, SourceFile, Span, did_you_mean
from graphc.ir.attributes import AttributeFault, make_op
from graphc.ir.graph import GROUPS, Graph
from graphc.ir.node import Node, Op, operator
from graphc.ir.notation import Call, Definition, Directive, Expression, Place, Reference, Statement, Update, format_type
from graphc.ir.parser import parse_statements
from graphc.ir.types import ShapeError
from graphc.ir.verify import VerificationError, verify


def build_graph(file: SourceFile) -> Graph:
    """The graph of a text; raises `DiagnosticError` with everything that is wrong."""
    builder = _GraphBuilder(file)
    for statement in parse_statements(file):
        builder.add(statement)
    return builder.finish()


@dataclass
class _GraphBuilder:
    file: SourceFile
    # a name maps to none when its definition is wrong: those who use it stay silent
    symbols: dict[str, Node | None] = field(default_factory=dict)
    anonymous: dict[str, Node | None] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    updates: list[tuple[Node, Node]] = field(default_factory=list)
    lists: dict[str, list[str]] = field(default_factory=dict)
    used: set[Node] = field(default_factory=set)
    found: Diagnostics = field(default_factory=Diagnostics)

    def add(self, statement: Statement) -> None:
        match statement:
            case Definition():
                self._define(statement)
            case Update(target=target):
                parameter, value = self._lookup(target), self._build(statement.expression, None)
                if statement.word != "update":
                    self._error("GC0901", f"{statement.word!r} is no statement", statement, "did you mean update?")
                elif parameter is not None and value is not None:
                    self.updates.append((parameter, value))
                    self.used.update((parameter, value))
            case Directive(word=word, names=names):
                if word not in ("root", *GROUPS):
                    hint = did_you_mean(word, ("root", *GROUPS), f"there are root, {', '.join(GROUPS)}")
                    self._error("GC0901", f"{word!r} is no statement", statement, hint)
                    return
                listed = self.lists.setdefault(word, [])
                listed.extend(name.name for name in names if self._lookup(name) is not None)

    def finish(self) -> Graph:
        self.found.raise_errors()
        symbols = {name: node for name, node in self.symbols.items() if node is not None}
        unused = [name for name, node in symbols.items() if node not in self.used]
        roots = self.lists.pop("root", unused)
        graph = Graph(
            roots={name: symbols[name] for name in roots},
            names={name: node for name, node in symbols.items() if name not in roots},
            updates=tuple(self.updates),
            groups={group: tuple(self.lists[group]) for group in GROUPS if group in self.lists},
            spans=self.spans,
        )
        try:
            verify(graph)
        except VerificationError as error:
            place = self.file.span(0, 0)
            raise DiagnosticError(*(Diagnostic("GC0904", problem, place) for problem in error.problems)) from None
        return graph

    def _define(self, definition: Definition) -> None:
        target = definition.target
        table = self.anonymous if target.is_anonymous else self.symbols
        node = self._build(definition.expression, None if target.is_anonymous else target.name)
        if target.name in table:
            first = () if target.is_anonymous else (Label("first defined here", self.spans[target.name]),)
            self._error("GC0902", f"{target.name} is defined twice", target, labels=first)
            return
        table[target.name] = node
        if not target.is_anonymous:
            self.spans[target.name] = self._span(target)
        stated = definition.annotation
        if node is not None and stated is not None and stated.type != node.type:
            message = f"{target.name} is {format_type(node.type)}, not {format_type(stated.type)}"
            self._error("GC0904", message, stated)

    def _build(self, expression: Expression, name: str | None) -> Node | None:
        """The node of an expression, operands before users, without recursion."""
        results: list[Node | None] = []
        stack: list[tuple[Expression, bool]] = [(expression, False)]
        while stack:
            top, ready = stack.pop()
            if isinstance(top, Reference):
                results.append(self._lookup(top))
            elif not ready:
                stack.append((top, True))
                stack.extend((operand, False) for operand in reversed(top.operands))
            else:
                first = len(results) - len(top.operands)
                results[first:] = [self._apply(top, results[first:], name if top is expression else None)]
        return results[0]

    def _apply(self, call: Call, inputs: list[Node | None], name: str | None) -> Node | None:
        op = self._operator(call, name)
        known = [node for node in inputs if node is not None]
        self.used.update(known)
        if op is None or len(known) < len(inputs):
            return None
        try:
            return op(*known, span=self._span(call))
        except ShapeError as error:
            origins = ((i, call.operands[i]) for i in error.operands if i < len(known))
            labels = tuple(Label(f"input {i + 1} is {known[i].type}", self._span(o)) for i, o in origins)
            self._error("GC0904", error.message, call, error.hint, labels)
            return None

    def _operator(self, call: Call, name: str | None) -> Op | None:
        attributes = {a.name: a.value for a in call.attributes}
        cls = operator(call.operation)
        if cls is not None and cls.identified and name is not None:
            attributes.setdefault("name", name)
        try:
            return make_op(call.operation, attributes)
        except AttributeFault as error:
            blamed = next((a for a in call.attributes if a.name == error.attribute), None)
            start, end = (blamed.start, blamed.end) if blamed else (call.start, call.start + len(call.operation))
            self.found.add(Diagnostic("GC0903", error.message, self.file.span(start, end), hint=error.hint))
            return None

    def _lookup(self, reference: Reference) -> Node | None:
        table = self.anonymous if reference.is_anonymous else self.symbols
        if reference.name not in table:
            hint = did_you_mean(reference.name, table)
            self._error("GC0902", f"{reference.name} is not defined above", reference, hint)
            return None
        return table[reference.name]

    def _span(self, place: Place) -> Span:
        return self.file.span(place.start, place.end)

    def _error(
        self, code: str, message: str, place: Place, hint: str | None = None, labels: tuple[Label, ...] = ()
    ) -> None:
        self.found.add(Diagnostic(code, message, self._span(place), labels, hint))
