"""Macros of the network description language: what their calls mean, and how much they expand to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from graphc.diagnostics import Diagnostic, Diagnostics, Label, SourceText, did_you_mean
from graphc.network.ndl.functions import Function, function, function_names, is_reserved
from graphc.syntax.ndl import Array, Call, Expression, Macro, Name, Statement, calls_in


@dataclass(frozen=True, eq=False)
class Body:
    """Statements with what their calls mean.

    ``names`` are those that nodes get: ``b = a`` gives its name to what a statement above called a. ``size`` counts the
    steps of executing it, macros expanded.
    """

    statements: tuple[Statement, ...]
    calls: Mapping[Statement, tuple[Call, ...]]
    targets: Mapping[Call, Function | Definition]
    names: Mapping[Statement, SourceText]
    sizes: Mapping[Statement, int]

    @cached_property
    def assigned(self) -> Mapping[str, SourceText]:
        """The variables, by their folded names."""
        return {s.name.text.lower(): s.name for s in self.statements if s.name is not None}

    @cached_property
    def size(self) -> int:
        return sum(self.sizes.values())


@dataclass(frozen=True, eq=False)
class Definition:
    """A macro that can be called; a call in its body that means nothing is left out of ``body.targets``."""

    macro: Macro
    body: Body

    @property
    def parameters(self) -> tuple[SourceText, ...]:
        return self.macro.parameters


@dataclass
class Macros:
    """The macros defined so far, by their folded names; what is wrong with them goes to ``found``."""

    found: Diagnostics
    _defined: dict[str, Definition] = field(default_factory=dict)
    # those of the texts being read, the ones further down too
    _announced: dict[str, Macro] = field(default_factory=dict)
    # names that mean nothing, which is told once of each
    _told: set[str] = field(default_factory=set)

    def define(self, parts: Iterable[Statement | Macro]) -> None:
        """Enter the macros of a text; their calls mean what is defined above them."""
        macros = [part for part in parts if isinstance(part, Macro)]
        self._announced |= {macro.name.text.lower(): macro for macro in macros}
        for macro in macros:
            if self._is_new(macro):
                self._defined[macro.name.text.lower()] = Definition(macro, self.body(macro.body, macro.parameters))

    def body(self, statements: Iterable[Statement], parameters: Sequence[SourceText] = ()) -> Body:
        """Statements with their calls resolved; one that assigns what is assigned already is left out."""
        statements = self._assigned_once(statements, parameters)
        calls = {s: tuple(calls_in(s.expression)) for s in statements}
        targets: dict[Call, Function | Definition] = {}
        for call in (call for found in calls.values() for call in found):
            target = self._target(call)
            if target is not None:
                targets[call] = target
            elif call.function.text.lower() not in self._told:
                self._told.add(call.function.text.lower())
                self.found.add(self._undefined(call))
        sizes = {s: 1 + sum(_size(call, targets.get(call)) for call in found) for s, found in calls.items()}
        return Body(tuple(statements), calls, targets, dict(_final_names(statements)), sizes)

    def _target(self, call: Call) -> Function | Definition | None:
        name = call.function.text
        return self._defined.get(name.lower()) or function(name)

    def _is_new(self, macro: Macro) -> bool:
        name = macro.name
        first = self._defined.get(name.text.lower())
        if first is not None:
            labels = (Label(f"{first.macro.name} was defined here", first.macro.name.span()),)
            self.found.add(Diagnostic("GC0160", f"macro {name} is already defined", name.span(), labels))
        elif is_reserved(name.text):
            self.found.add(_reserved("macro", name))
        else:
            return True
        return False

    def _assigned_once(self, statements: Iterable[Statement], parameters: Sequence[SourceText]) -> list[Statement]:
        kept: list[Statement] = []
        first: dict[str, SourceText] = {}
        for name, statement in [*((p, None) for p in parameters), *((s.name, s) for s in statements)]:
            if name is not None and is_reserved(name.text):
                self.found.add(_reserved("variable", name))
            known = None if name is None else first.setdefault(name.text.lower(), name)
            if name is not None and known is not None and known is not name:
                self.found.add(_assigned_again(known, name))
            elif statement is not None:
                kept.append(statement)
        return kept

    def _undefined(self, call: Call) -> Diagnostic:
        name = call.function.text
        known = [*(d.macro.name.text for d in self._defined.values()), *function_names()]
        hint = did_you_mean(name, known, "if another file defines it, name that in ndlMacros")
        labels: tuple[Label, ...] = ()
        later = self._announced.get(name.lower())
        if later is not None:
            labels = (Label(f"macro {later.name} is defined", later.name.span()),)
            hint = "macros can call only those that are defined above them, not themselves"
        # capitalised like the reference's message, which people search for
        return Diagnostic("GC0301", f"Undefined function or macro '{name}'", call.function.span(), labels, hint)


def _reserved(what: str, name: SourceText) -> Diagnostic:
    message = f"{what} {name} is invalid, it is reserved because it is also the name of a function"
    return Diagnostic("GC0160", message, name.span(), hint=f"call it {name}1")


def _assigned_again(first: SourceText, name: SourceText) -> Diagnostic:
    case = "; names that differ in case only are the same" if first.text != name.text else ""
    labels = (Label(f"{first} was assigned here{case}", first.span()),)
    return Diagnostic("GC0160", f"symbol {name} is already assigned", name.span(), labels)


def _size(call: Call, target: Function | Definition | None) -> int:
    arguments = sum(len(a.items) if isinstance(a, Array) else 1 for a in call.arguments)
    return 1 + arguments + (target.body.size if isinstance(target, Definition) else 0)


def _final_names(statements: Sequence[Statement]) -> Iterator[tuple[Statement, SourceText]]:
    """The name of what each named statement makes: that of the last alias of it further down."""
    maker: dict[str, Statement] = {}
    names: dict[Statement, SourceText] = {}
    for statement in statements:
        if statement.name is None:
            continue
        made = _maker(statement.expression, maker) or statement
        maker[statement.name.text.lower()] = made
        names[made] = statement.name
    yield from names.items()


def _maker(expression: Expression, maker: Mapping[str, Statement]) -> Statement | None:
    return maker.get(expression.text.text.lower()) if isinstance(expression, Name) else None
