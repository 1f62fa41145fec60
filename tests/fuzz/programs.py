"""BrainScript programs by the grammar, with meaning in mind: the library called with likely and with odd arguments."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache

from graphc.script.library import load_library
from graphc.syntax import ast

_NAMES = ("a", "b", "c", "x", "h", "n", "f", "g", "W", "net", "features", "labels", "größe")
_ODD_NUMBERS = (
    *("0", "-1", "0.5", "1e9", "1e15", "1e300", "2 ** 31", "2 ** 63", "2 ** 1e6", "1/0", "0/0", "-1/0", "1e-300"),
    *("0xFFFFFFFF", "4294967296", "1000000", "65537"),
)
_STRINGS = ("''", "'a'", "'glorotUniform'", "'fixedValue'", "'feature'", "'criterion'", "'max'", "'08.3'", "'x' + 'y'")
_BINARY = ("+", "-", "*", "/", "%", "**", ".*", "==", "!=", "<", "<=", ">", ">=", "&&", "||", ">>", "<<", "with")
# What a parameter of this name is given where the argument is to make sense.
_FITTING: dict[str, tuple[str, ...]] = {
    "activation": ("ReLU", "Tanh", "(v => v)", "Sigmoid"),
    "init": ("'glorotUniform'", "'fixedValue'", "'heNormal'"),
    "axis": ("1", "2", "-1", "0"),
    "tag": ("'output'", "'criterion'", "''"),
    "stride": ("1", "2", "(2:2)"),
    "filterShape": ("(3:3)", "3", "(1:1)", "(3:3:2)"),
    "kernelDims": ("(3:3)", "(3:3:2)"),
    "pad": ("true", "false", "(true:false)"),
    "autoPadding": ("true", "false", "(true:false)"),
}


# Of a node it has no end, which is found out after half a second: see the tests.
_SLOW = ("Fac",)


@cache
def _functions() -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    """Name, positional and optional parameters of every function of the library."""
    return tuple(f for f in _signatures("", load_library().members) if f[0] not in _SLOW)


def _signatures(prefix: str, members: tuple[ast.Member, ...]) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    for member in members:
        name = prefix + member.name
        match member.value:
            case ast.Lambda(parameters=parameters):
                positional = tuple(p.name for p in parameters if p.default is None)
                yield name, positional, tuple(p.name for p in parameters if p.default is not None)
            case ast.Record(members=inner):
                yield from _signatures(name + ".", inner)
            case _:
                pass


def program(rng: random.Random) -> bytes:
    """The text of a network: inputs, some members, and perhaps the groups that a network needs."""
    return _Writer(rng).program().encode()


def expression(rng: random.Random) -> bytes:
    """One expression of any kind."""
    return _Writer(rng).expression(rng.randrange(1, 6)).encode()


class _Writer:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._numbers = ["3"]
        self._nodes: list[str] = []
        self._others: list[str] = []

    def program(self) -> str:
        rng = self._rng
        opening, closing = ("{", "}") if rng.random() < 0.8 else ("[", "]")
        parts = [self._input(i) for i in range(rng.choice((1, 1, 1, 2, 2, 0)))]
        parts += [self._member(i) for i in range(rng.choice((1, 1, 2, 2, 3, 4, 6)))]
        if self._nodes and rng.random() < 0.7:
            parts.append(f"{rng.choice(('outputNodes', 'criterionNodes', 'featureNodes'))} = ({self._node(0)})")
        if rng.random() < 0.1:
            rng.shuffle(parts)
        separator = rng.choice((" ; ", "\n"))
        return f"{opening} {separator.join(parts)} {closing}"

    def _input(self, number: int) -> str:
        name = ("x", "y", "features")[number]
        self._nodes.append(name)
        shape = self._rng.choice(("3", "3", "(4:4:2)", "(5:5)", "1", "10", self._number(1)))
        return f"{name} = Input {{{shape}}}" if self._rng.random() < 0.9 else f"{name} = SparseInput {{{shape}}}"

    def _member(self, number: int) -> str:
        rng = self._rng
        name = f"{rng.choice(_NAMES)}{number}"
        match rng.randrange(12):
            case 0:
                self._others.append(name)
                return f"{name} ({rng.choice(('p', 'p, q', 'p, q=1', '_'))}) = {self.expression(3)}"
            case 1:
                text = f"{name}[i:{self._bound()}..{self._bound()}] = {self._either(3)}"
                self._others.append(f"{name}[{rng.choice('0123')}]")
                return text
            case 2:
                text = f"{name} = {self.expression(3)}"
                self._others.append(name)
                return text
            case 3:
                self._numbers.append(name)
                return f"{name} = {self._number(3)}"
            case 4:
                # refers to itself, at once or after a delay
                self._nodes.append(name)
                delayed = f"{rng.choice(('PastValue', 'FutureValue'))} ({self._number(0)}, {name})"
                return f"{name} = {rng.choice((delayed, delayed, name))} + {self._node(2)}"
            case _:
                text = f"{name} = {self._node(3)}"
                self._nodes.append(name)
                return text

    def expression(self, depth: int) -> str:
        rng = self._rng
        if depth <= 0:
            return rng.choice((self._number(0), rng.choice(_STRINGS), "true", "false", self._name(), "[||]", "{}"))
        inner = lambda: self.expression(depth - 1 - rng.randrange(2))  # noqa: E731
        kinds: tuple[Callable[[], str], ...] = (
            lambda: f"{inner()} {rng.choice(_BINARY)} {inner()}",
            lambda: f"({inner()})",
            lambda: f"{rng.choice('+-!')}{inner()}",
            lambda: " : ".join(inner() for _ in range(rng.randrange(2, 5))),
            lambda: f"({inner()} : {inner()})",
            lambda: f"({rng.choice('pqv')} => {inner()})",
            lambda: f"(if {inner()} then {inner()} else {inner()})",
            lambda: f"{{ a = {inner()} ; b = {inner()} }}{rng.choice(('', '.a', '.b', '.c'))}",
            lambda: f"array[{self._bound()}..{self._bound()}] (i => {inner()})",
            lambda: f"[| {inner()} ; {inner()} |]",
            lambda: f"{inner()}[{inner()}]",
            lambda: f"{self._name()} ({inner()})",
            lambda: f"new {rng.choice(_TYPES)} {{ {self._fields(depth)} }}",
            lambda: self._call(depth),
            lambda: self._call(depth),
            lambda: self._number(depth),
            lambda: self._node(depth),
        )
        return rng.choice(kinds)()

    def _fields(self, depth: int) -> str:
        rng = self._rng
        names = rng.sample(_FIELDS, rng.randrange(4))
        operation = f"operation = '{rng.choice(_OPERATIONS)}' ; " if rng.random() < 0.6 else ""
        return operation + " ; ".join(f"{name} = {self._either(depth - 1)}" for name in names)

    def _either(self, depth: int) -> str:
        return self._node(depth) if self._rng.random() < 0.5 else self.expression(depth)

    def _name(self) -> str:
        rng = self._rng
        known = (*self._numbers, *self._nodes, *self._others)
        return rng.choice(known) if known and rng.random() < 0.7 else rng.choice((*_NAMES, "p", "i", "_", "Repeat"))

    def _bound(self) -> str:
        return self._number(1) if self._rng.random() < 0.3 else self._rng.choice("012359")

    def _number(self, depth: int) -> str:
        rng = self._rng
        draw = rng.random()
        if depth > 0 and draw < 0.2:
            return f"({self._number(depth - 1)} {rng.choice('+-*/%')} {self._number(depth - 1)})"
        if draw < 0.3:
            return rng.choice(self._numbers)
        if draw < 0.36:
            return rng.choice(_ODD_NUMBERS)
        return str(rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 10, 16)))

    def _node(self, depth: int) -> str:
        rng = self._rng
        if depth <= 0:
            return rng.choice(self._nodes) if self._nodes else self._name()
        match rng.randrange(6):
            case 0:
                return (
                    f"({self._node(depth - 1)} {rng.choice(('+', '-', '.*', '*', '==', '<'))} {self._node(depth - 1)})"
                )
            case 1:
                return f"ParameterTensor {{{self._dims()}}}"
            case 2:
                return f"{self._call(depth)} ({self._node(depth - 1)})"
            case 3 if rng.random() < 0.5:
                return f"({self._number(1)} .* {self._node(depth - 1)})"
            case _:
                return self._call(depth)

    def _dims(self) -> str:
        rng = self._rng
        return f"({':'.join(self._number(0) for _ in range(rng.choice((1, 1, 2, 2, 3))))})"

    def _call(self, depth: int) -> str:
        """A function of the library with about the arguments that it wants."""
        rng = self._rng
        name, positional, optional = rng.choice(_functions())
        given = [self._argument(p, depth) for p in positional]
        if given and rng.random() < 0.04:
            given.pop(rng.randrange(len(given)))
        if rng.random() < 0.03:
            given.append(self._either(depth - 1))
        for option in rng.sample(optional, min(len(optional), int(rng.expovariate(1.2)))):
            given.insert(rng.randrange(len(given) + 1), f"{option}={self._argument(option, depth)}")
        opening, closing = ("(", ")") if rng.random() < 0.7 else ("{", "}")
        return f"{name} {opening}{', '.join(given)}{closing}"

    def _argument(self, parameter: str, depth: int) -> str:
        rng = self._rng
        if rng.random() < 0.07:
            return self.expression(depth - 1)
        if parameter in _FITTING:
            return rng.choice(_FITTING[parameter])
        folded = parameter.lower()
        if any(word in folded for word in ("dim", "shape", "num", "count", "size", "index", "rank", "scale", "value")):
            return self._dims() if rng.random() < 0.3 else self._number(1)
        if len(parameter) <= 2 or any(w in folded for w in ("input", "node", "label", "output", "vector", "matrix")):
            return self._node(depth - 1)
        return rng.choice((self._number(0), self._node(0), rng.choice(_STRINGS), "true", "false", self._dims()))


_TYPES = (
    *("ComputationNode", "ComputationNode", "ComputationNetwork", "TensorShape", "IntVector", "BoolVector", "Nonsense"),
    *("StringFunction", "NumericFunction", "CompareFunction", "PrintAction", "FailAction", "Debug"),
)
_FIELDS = (
    *("inputs", "dims", "items", "what", "arg", "how", "pos", "chars", "args", "shape", "axis", "tag", "value", "say"),
    *("beginIndex", "endIndex", "reductionOp", "kernelShape", "mapCount", "stride", "init", "outputRank", "enabled"),
)
_OPERATIONS = (
    *("Plus", "Times", "Slice", "Reshape", "Convolution", "Pooling", "ReduceElements", "RowStack", "Clip", "PastValue"),
    *("LearnableParameter", "InputValue", "If", "BatchNormalization", "TransposeDimensions", "Where", "Nonsense"),
)
