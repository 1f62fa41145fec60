"""Statements in the notation of graphs to a graph: resolves names, makes the operators, applies them."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label, SourceFile, Span, did_you_mean
from graphc.ir.attributes import AttributeFault, make_op
from graphc.ir.graph import GROUPS, Graph
from graphc.ir.node import Node, Op, operator
from graphc.ir.notation import Call, Definition, Directive, Expression, Place, Reference, Statement, Update, format_type
from graphc.ir.parser import parse_statements
from graphc.ir.region import Carry, Region
from graphc.ir.types import ShapeError
from graphc.ir.verify import VerificationError, verify


def build_graph(file: SourceFile) -> Graph:
    """The graph of a text; raises `DiagnosticError` with everything that is wrong."""
    outer = _GraphBuilder(file)
    inner: _RegionBuilder | None = None
    for statement in parse_statements(file):
        word = statement.word if isinstance(statement, Directive) else None
        if inner is None and word == "region" and isinstance(statement, Directive):
            inner = _RegionBuilder(file, found=outer.found, opened=statement)
        elif inner is not None and word == "end" and isinstance(statement, Directive):
            outer.regions[inner.name] = inner.region()
            inner = None
        else:
            (inner or outer).add(statement)
    if inner is not None:
        outer.found.add(Diagnostic("GC0901", f"the region {inner.name} has no end", outer.place_of(inner.opened)))
    return outer.finish()


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
    # none: a wrong one, whose users stay silent
    regions: dict[str, Region | None] = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        """What a list of names can begin with."""
        return ("root", *GROUPS)

    def place_of(self, place: Place) -> Span:
        return self._span(place)

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
                if word not in self.words:
                    hint = did_you_mean(word, self.words, f"there are {', '.join(self.words)}")
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
        if "region" in attributes:
            body = self._region(call, str(attributes["region"]))
            if body is None:
                return None
            attributes["region"] = body
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

    def _region(self, call: Call, name: str) -> Region | None:
        if name not in self.regions:
            blamed = next(a for a in call.attributes if a.name == "region")
            hint = did_you_mean(name, self.regions)
            self._error("GC0902", f"the region {name} is not defined above", blamed, hint)
        return self.regions.get(name)

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


@dataclass
class _RegionBuilder(_GraphBuilder):
    """The statements between ``region`` and ``end``."""

    opened: Directive = field(kw_only=True)
    carries: list[Carry] = field(default_factory=list)
    backward: bool = False

    @property
    def name(self) -> str:
        return self.opened.names[0].name if self.opened.names else "?"

    @property
    def words(self) -> tuple[str, ...]:
        return ("root", "steps", "constants")

    def add(self, statement: Statement) -> None:
        if isinstance(statement, Update):
            self._carry(statement)
        else:
            super().add(statement)

    def _carry(self, statement: Update) -> None:
        target, call = statement.target, statement.expression
        is_delay = isinstance(call, Call) and call.operation in ("PastValue", "FutureValue") and len(call.operands) == 1
        if not is_delay or not isinstance(call, Call) or not isinstance(call.operands[0], Reference):
            self._error("GC0901", "in a region, update sets a delay: PastValue(value) or FutureValue(value)", statement)
            return
        if self._lookup(target) is None or self._lookup(call.operands[0]) is None:
            return
        self.backward = call.operation == "FutureValue"
        given = {a.name: a.value for a in call.attributes}
        step, default, initial = given.get("timeStep", 1), given.get("default", 0.1), given.get("initial")
        whole = [n for n in (step, initial) if n is not None]
        if any(not isinstance(n, int) or isinstance(n, bool) for n in whole) or step < 1:
            self._error("GC0903", "timeStep is a whole number from 1, and initial the number of an operand", call)
            return
        if not isinstance(default, int | float):
            self._error("GC0903", "default is a number", call)
            return
        self.carries.append(Carry(target.name, call.operands[0].name, step, float(default), initial))

    def region(self) -> Region | None:
        if self.found.errors:
            return None
        symbols = {name: node for name, node in self.symbols.items() if node is not None}
        steps, constants = tuple(self.lists.get("steps", ())), tuple(self.lists.get("constants", ()))
        body = Graph(
            {name: symbols[name] for name in self.lists.get("root", ())},
            names={name: symbols[name] for name in (*steps, *constants)},
            spans=self.spans,
        )
        axis = next((node.type.axis for node in body.roots.values() if node.type.axis is not None), None)
        if axis is None:
            self._error("GC0901", "a region computes values with a dynamic axis", self.opened)
            return None
        for carry in self.carries:
            lost = next((name for name in (carry.name, carry.value) if name not in body.roots), None)
            if lost is not None:
                hint = f"list it: root {', '.join([*body.roots, lost])}"
                self._error("GC0901", f"the region carries {lost}, which is no root of it", self.opened, hint)
                return None
        return Region(body, axis, self.backward, steps, constants, tuple(self.carries))
