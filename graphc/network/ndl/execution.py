"""Statements of the network description language executed: nodes are made first, and connected when all are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label, Severity, SourceText, Span, did_you_mean
from graphc.ir import GROUPS, ElementType, ShapeError, check_arity
from graphc.ir.attributes import AttributeFault
from graphc.network import explain
from graphc.network.inference import known_type
from graphc.network.ndl.arguments import CallArguments, Shape, require_rank
from graphc.network.ndl.functions import COMMON_OPTIONS, Function
from graphc.network.ndl.macros import Body, Definition, Macros
from graphc.network.ndl.scopes import FAILED, PoisonedError, Reference, Scalar, Scope, Value, node_of
from graphc.network.network import NetworkNode
from graphc.network.parameters import filled
from graphc.network.session import Session
from graphc.ops.initializers import Initializer
from graphc.ops.normalization import BatchNormalization
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.syntax.ndl import Array, Call, Expression, Literal, Macro, Malformed, Name, Statement

_GROUP_ARRAYS = {
    "featurenodes": "feature",
    "labelnodes": "label",
    "criterionnodes": "criterion",
    "criterianodes": "criterion",
    "evalnodes": "evaluation",
    "evaluationnodes": "evaluation",
    "outputnodes": "output",
}

# Macros call only macros above them, so nothing is endless, but fifty that double are as good as.
_MOST_STEPS = 100_000
_DEEPEST = 50


@dataclass(eq=False)
class _Made:
    """A node with the arguments that it will read, and the scope in which they stand."""

    node: NetworkNode
    inputs: Sequence[Expression | NetworkNode]
    scope: Scope


class Execution:
    """Runs one script: ``nodes`` in the order in which they were made, and the ``groups`` that they join."""

    def __init__(
        self,
        element: ElementType,
        session: Session,
        found: Diagnostics,
        existing: Iterable[NetworkNode] = (),
    ) -> None:
        """``existing`` are nodes of a network that the script adds to, which it finds by their names."""
        self.macros = Macros(found)
        self.groups: list[tuple[NetworkNode, str]] = []
        self._element = element
        self._session = session
        self._found = found
        self._made: list[_Made] = []
        self._by_name = {node.name.lower(): node for node in existing}
        # its variables; another script's may go on being known
        self.scope = Scope(made=self._by_name)
        self._unnamed = 0
        self._later: list[Callable[[], None]] = []
        self._group_arrays: list[tuple[str, Statement, Scope]] = []

    @property
    def nodes(self) -> list[NetworkNode]:
        return [made.node for made in self._made]

    def run(self, parts: Sequence[Statement | Macro]) -> None:
        """Define the macros and execute the statements; what is wrong is told and left out."""
        self.macros.define(parts)
        body = self.macros.body(part for part in parts if isinstance(part, Statement))
        scope = self.scope
        scope.later = body.assigned
        steps = 0
        for statement in body.statements:
            steps += body.sizes[statement]
            if steps > _MOST_STEPS:
                self._found.add(_endless(statement, steps))
                return
            self._execute(statement, body, scope)
        # names that are no variables may be those of nodes
        self._by_name.update((node.name.lower(), node) for node in self.nodes)
        for made in self._made:
            self._attempt(lambda made=made: self._connect(made))
        for step in self._later:
            self._attempt(step)
        for group, statement, at in self._group_arrays:
            self._join(group, statement.expression, at)

    # --- statements

    def _execute(self, statement: Statement, body: Body, scope: Scope) -> None:
        for call in body.calls[statement]:
            name = body.names.get(statement) if call is statement.expression else None
            scope.results[call] = FAILED
            target = body.targets.get(call)
            if target is not None:
                self._attempt(lambda call=call, target=target, name=name: self._call(call, target, scope, name))
        value = self._value(statement, scope)
        if statement.name is not None:
            scope.define(statement.name, value)
            group = _GROUP_ARRAYS.get(statement.name.text.lower())
            if group is not None and not scope.macro and not isinstance(value, Scalar):
                self._group_arrays.append((group, statement, scope))
        scope.last = value

    def _value(self, statement: Statement, scope: Scope) -> Value:
        match statement.expression:
            case Literal(value=text):
                return Scalar(text)
            case Call() as call:
                return scope.results[call]
            case Malformed():
                return FAILED
            case Name() as name:
                return self._alias(statement, name, scope)
            case other:
                return Reference(other, scope)

    def _alias(self, statement: Statement, target: Name, scope: Scope) -> Value:
        """What the name stands for by now, or a reference. A node that is found by its path takes the new name."""
        known = scope.known(target)
        is_plain = "." not in target.text.text and scope.definition(target.text.text) is not None
        if statement.name is not None and not is_plain and not isinstance(known, Scalar):
            name = scope.prefix + statement.name.text
            self._later.append(lambda: self._rename(target, scope, name))
        return Reference(target, scope) if known is None else known

    # --- calls

    def _call(self, call: Call, target: Function | Definition, scope: Scope, name: SourceText | None) -> None:
        if isinstance(target, Definition):
            scope.results[call] = self._expand(target, call, scope, name)
        else:
            scope.results[call] = self._make(target, call, scope, name)

    def _expand(self, definition: Definition, call: Call, scope: Scope, name: SourceText | None) -> Scope:
        parameters = definition.parameters
        if len(call.arguments) != len(parameters):
            label = Label(f"macro {definition.macro.name} is defined", definition.macro.name.span())
            raise _wrong_count(call, (len(parameters),), label)
        if scope.depth == _DEEPEST:
            raise DiagnosticError(Diagnostic("GC0311", "macros call one another too deeply", call.span))
        inner = Scope(
            f"{self._full_name(name, scope)}.", definition.macro.name.text, scope.depth + 1, made=self._by_name
        )
        for parameter, argument in zip(parameters, call.arguments, strict=True):
            inner.define(parameter, scope.known(argument) or Reference(argument, scope))
        for option in call.options:
            if option.name.text.lower() != "tag" and inner.definition(option.name.text) is None:
                inner.define(option.name, scope.find(option.value.text) or Scalar(option.value.text))
        inner.later = definition.body.assigned
        for statement in definition.body.statements:
            self._execute(statement, definition.body, inner)
        self._note_tags(inner, call, scope)
        return inner

    def _make(self, function: Function, call: Call, scope: Scope, name: SourceText | None) -> NetworkNode:
        if function.lacking is not None:
            message = f"operation {function.name} is not supported: {function.lacking}"
            raise DiagnosticError(Diagnostic("GC0401", message, call.function.span()))
        if len(call.arguments) not in function.counts:
            raise _wrong_count(call, function.counts)
        self._check_options(function, call)
        full = self._full_name(name, scope)
        arguments = CallArguments(call, scope, full, self._element, self._matrix)
        try:
            op = function.make(arguments)
        except AttributeFault as fault:
            raise DiagnosticError(Diagnostic("GC0406", fault.message, call.span, hint=fault.hint)) from None
        if isinstance(op, InputValue | LearnableParameter):
            _check_shape(op, call)
        node = NetworkNode(full, op, [], call.span)
        inputs: list[Expression | NetworkNode] = [call.arguments[k] for k in function.inputs(arguments)]
        if isinstance(op, BatchNormalization) and len(inputs) == 5:
            inputs.append(self._sample_count(full, call, scope))
        self._made.append(_Made(node, inputs, scope))
        self._note_tags(node, call, scope)
        return node

    def _sample_count(self, name: str, call: Call, scope: Scope) -> NetworkNode:
        """The parameter that counts the samples of a batch normalization which names none."""
        full = f"{name}.run_sample_count"
        op = LearnableParameter(full, (1,), 0.0, Initializer("fixedValue", on_cpu_only=False), self._element)
        node = NetworkNode(full, op, [], call.span)
        self._made.append(_Made(node, (), scope))
        return node

    def _full_name(self, name: SourceText | None, scope: Scope) -> str:
        if name is not None:
            return scope.prefix + name.text
        self._unnamed += 1
        return f"{scope.prefix}unnamed{self._unnamed}"

    def _matrix(self, path: str, shape: Shape, span: Span) -> tuple[str, Shape]:
        try:
            literal = self._session.read(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a text file"
            message = f"parameter file '{path}' cannot be read: {reason}"
            if self._session.files_required:
                raise DiagnosticError(Diagnostic("GC0411", message, span)) from None
            self._found.add(explain.warning("GC0411", message, span))
            return "", shape
        return literal, filled(shape, literal, "the file", span)

    def _check_options(self, function: Function, call: Call) -> None:
        known = (*function.options, *COMMON_OPTIONS)
        folded = {name.lower() for name in known}
        for option in call.options:
            if option.name.text.lower() not in folded:
                hint = did_you_mean(option.name.text, known)
                message = f"{call.function} has no optional argument {option.name}, which is ignored"
                warning = Diagnostic("GC0303", message, option.name.span(), hint=hint, severity=Severity.WARNING)
                self._found.add(warning)

    # --- the second pass

    def _connect(self, made: _Made) -> None:
        node, found = made.node, Diagnostics()
        try:
            inputs = [_input(item, made.scope, found) for item in made.inputs]
        finally:
            self._found.extend(found.found)
        node.inputs = [item for item in inputs if item is not None]
        if len(node.inputs) < len(inputs):
            raise PoisonedError
        try:
            check_arity(node.op, len(node.inputs))
        except ShapeError as error:
            raise DiagnosticError(Diagnostic("GC0404", error.message, node.span, hint=error.hint)) from None
        node.type = known_type(node, self._element)

    def _rename(self, target: Name, scope: Scope, name: str) -> None:
        """Give the node that a name leads to its alias; a name that leads nowhere matters only where it is used."""
        try:
            value = scope.value_of(target)
        except DiagnosticError as error:
            told = {diagnostic.span for diagnostic in self._found.found}
            unused = [replace(d, severity=Severity.WARNING) for d in error.diagnostics if d.span not in told]
            self._found.extend(unused)
            return
        if isinstance(value, NetworkNode):
            value.name = name

    def _note_tags(self, value: Value, call: Call, scope: Scope) -> None:
        for option in call.options:
            if option.name.text.lower() == "tag":
                self._later.append(lambda text=option.value: self._tag(value, text, call, scope))

    def _tag(self, value: Value, text: SourceText, call: Call, scope: Scope) -> None:
        found = scope.find(text.text)
        tag = (found.text if isinstance(found, Scalar) else text.text).lower()
        if tag == "multiseq":
            return
        group = "criterion" if tag == "criteria" else "evaluation" if tag.startswith("eval") else tag
        if group not in GROUPS:
            hint = did_you_mean(tag, GROUPS, f"the groups are {', '.join(GROUPS)}")
            span = text.span() if text.text else call.span
            # capitalised like the reference's message, which people search for
            raise DiagnosticError(Diagnostic("GC0403", f"Invalid group tag '{text}'", span, hint=hint))
        self.groups.append((node_of(value, call), group))

    def _join(self, group: str, expression: Expression, scope: Scope) -> None:
        for item in expression.items if isinstance(expression, Array) else (expression,):
            self._attempt(lambda item=item: self.groups.append((node_of(scope.value_of(item), item), group)))

    def _attempt(self, step: Callable[[], None]) -> None:
        """Do it, and tell what is wrong; what follows from an error that was told stays silent."""
        try:
            step()
        except PoisonedError:
            pass
        except DiagnosticError as error:
            self._found.extend(error.diagnostics)


def _input(item: Expression | NetworkNode, scope: Scope, found: Diagnostics) -> NetworkNode | None:
    """The node that an argument stands for, none where what is wrong with it was told."""
    if isinstance(item, NetworkNode):
        return item
    try:
        return node_of(scope.value_of(item), item)
    except PoisonedError:
        return None
    except DiagnosticError as error:
        found.extend(error.diagnostics)
        return None


def _check_shape(op: InputValue | LearnableParameter, call: Call) -> None:
    require_rank(len(op.shape), call.span)
    if isinstance(op, InputValue) and 0 in op.shape:
        message = "the dimensions of an input must be known, one of them is 0"
        raise DiagnosticError(Diagnostic("GC0406", message, call.span))


def _endless(statement: Statement, steps: int) -> Diagnostic:
    shown = f"{steps:,}" if steps < 1 << 60 else f"{steps:.1e}" if steps < 1 << 1000 else "without end"
    message = f"the script has too many steps ({shown}, at most {_MOST_STEPS:,}): macros multiply each other"
    return Diagnostic("GC0312", message, statement.expression.span)


def _wrong_count(call: Call, counts: Sequence[int], *labels: Label) -> DiagnosticError:
    given = len(call.arguments)
    message = f"{call.function} takes {_spelled(counts)}, not {given}"
    is_more = given > counts[-1]
    place = call.arguments[counts[-1]].span if is_more else call.function.span()
    return DiagnosticError(Diagnostic("GC0302", message, place, labels))


def _spelled(counts: Sequence[int]) -> str:
    first, last = counts[0], counts[-1]
    if first == last:
        return f"{first} argument{'' if first == 1 else 's'}"
    if last > 1000:
        return f"at least {first} argument{'' if first == 1 else 's'}"
    return f"{first} {'or' if len(counts) == 2 else 'to'} {last} arguments"
