"""Values of BrainScript: Number is ``float``, String ``str``, Bool ``bool``, nodes are the host's, the rest is here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from graphc.diagnostics import Diagnostic, DiagnosticError, Span
from graphc.script.paths import Path
from graphc.syntax import ast

if TYPE_CHECKING:
    from graphc.script.evaluator import Evaluator


class PoisonError(Exception):
    """A value is needed that could not be computed, for reasons that were recorded when they were found."""


# States of a thunk; plain integers, because they are compared in the innermost loop.
PENDING, RUNNING, DONE, FAILED = 0, 1, 2, 3

# Expressions that are their own values.
LITERALS: frozenset[type] = frozenset({ast.Number, ast.String, ast.Bool})

# Where a thunk was written: what messages about its value point to.
Site: TypeAlias = "ast.Member | ast.Argument | ast.Parameter | ast.Expr"


class Thunk:
    """An expression with its scope, evaluated at most once: call by need."""

    __slots__ = ("caller", "expr", "path", "scope", "site", "state", "value", "via")

    def __init__(self, expr: ast.Expr | None, scope: RecordValue, path: Path, site: Site) -> None:
        # none stands for the value of a member that is to be decoded first
        self.expr = expr
        self.scope: RecordValue | None = scope
        self.path: Path = path
        self.site = site
        self.state = PENDING
        self.value: Any = None
        # the thunk that was running when this one was forced: the chain that messages tell
        self.caller: Thunk | None = None
        # the thunk that made the value, if this one only passes it on
        self.via: Thunk | None = None

    @property
    def name(self) -> str | None:
        """Name of the record member this is, if it is one."""
        return self.site.name if isinstance(self.site, ast.Member) else None


def later(expr: ast.Expr, scope: RecordValue, path: Path, site: Site) -> Thunk:
    """The thunk of an expression; a literal is its own value."""
    thunk = Thunk(expr, scope, path, site)
    if type(expr) in LITERALS:
        thunk.value = expr.value  # pyright: ignore[reportAttributeAccessIssue]
        thunk.state = DONE
        thunk.expr = thunk.scope = thunk.path = None
    return thunk


def written_at(site: Site) -> Span:
    """The text of the value itself, not of the name it was given."""
    match site:
        case ast.Member() | ast.Argument():
            return site.value.span
        case ast.Parameter():
            return site.span if site.default is None else site.default.span
        case _:
            return site.span


def origin_of(thunk: Thunk, evaluator: Evaluator) -> Span:
    """The author's text to change where a value is wrong: the literal that a name stands for, else where it is used."""
    return literal_of(thunk, evaluator) or written_at(thunk.site)


def literal_of(thunk: Thunk, evaluator: Evaluator) -> Span | None:
    """The author's literal that a value is, under whatever names."""
    source = thunk.via or thunk
    return written_at(source.site) if _is_literal(source.site) and evaluator.is_authors(source.site) else None


def use_of(thunk: Thunk, evaluator: Evaluator) -> Span:
    """Where the author uses a value, whatever it is a name for."""
    return written_at(thunk.site)


def _is_literal(site: Site) -> bool:
    value = site.value if isinstance(site, (ast.Member, ast.Argument)) else site
    return type(value) in LITERALS


class RecordValue:
    """A record: members that see each other and, outward, everything around them.

    It is the `graphc.script.host.HostRecord` that ``new`` hands to its host.
    """

    __slots__ = ("members", "parent", "span")

    def __init__(self, members: dict[str, Any], parent: RecordValue | None, span: Span) -> None:
        self.members = members
        self.parent = parent
        self.span = span

    def find(self, name: str) -> Any:
        """The member or enclosing variable as it is, perhaps a thunk; none where there is none."""
        scope: RecordValue | None = self
        while scope is not None:
            value = scope.members.get(name)
            if value is not None:
                return value
            scope = scope.parent
        return None

    @property
    def evaluator(self) -> Evaluator:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        assert isinstance(scope, RootScope)
        return scope.owner

    def lookup(self, name: str) -> Any:
        """Forced value of a member or of the enclosing scopes' variable; raises `KeyError` where there is none."""
        value = self.find(name)
        if value is None:
            raise KeyError(name)
        if type(value) is not Thunk:
            return value
        return value.value if value.state == DONE else self.evaluator.force(value)

    def defer(self, name: str) -> Callable[[], Any]:
        """A callable that forces the member when called."""
        return lambda: self.lookup(name)

    def own_names(self) -> Sequence[str]:
        return tuple(self.members)

    def own_span(self, name: str) -> Span:
        """Where the value of a visible name was written: outside the library, if the library only passed it on."""
        value = self.find(name)
        if type(value) is not Thunk:
            return self.span
        return written_at(value.site) if value.via is None else origin_of(value, self.evaluator)

    def use_span(self, name: str) -> Span:
        """Where the value of a visible name was asked for."""
        value = self.find(name)
        return written_at(value.site) if type(value) is Thunk else self.span

    def name_span(self, name: str) -> Span:
        """Where the member itself is written, before its ``=``."""
        value = self.find(name)
        if type(value) is Thunk and isinstance(value.site, ast.Member):
            return value.site.name_span
        return self.use_span(name)

    def visible_names(self) -> Iterator[str]:
        scope: RecordValue | None = self
        while scope is not None:
            yield from scope.members
            scope = scope.parent


class RootScope(RecordValue):
    """The outermost scope: the library and the host's settings."""

    __slots__ = ("owner",)

    def __init__(self, members: dict[str, Any], span: Span, owner: Evaluator) -> None:
        super().__init__(members, None, span)
        self.owner = owner


class ArrayValue:
    """An immutable array with its own lowest index; its elements are values or thunks."""

    __slots__ = ("first", "items", "owner", "span")

    def __init__(self, items: Sequence[Any], first: int, span: Span, owner: Evaluator) -> None:
        self.items = items
        self.first = first
        self.span = span
        self.owner = owner

    def __len__(self) -> int:
        return len(self.items)

    @property
    def last(self) -> int:
        return self.first + len(self.items) - 1

    def zero_based(self) -> Sequence[Any]:
        """Elements, forced or not, of an array that must begin with index 0."""
        if self.first != 0:
            message = f"array expected to begin with index 0, this one begins with {self.first}"
            raise DiagnosticError(Diagnostic("GC0313", message, self.span))
        return self.items

    def elements(self) -> list[Any]:
        """Elements of a 0-based array, forced from left to right."""
        force = self.owner.force
        return [force(item) for item in self.zero_based()]

    def flatten(self) -> list[Any]:
        """Forced leaves of nested 0-based arrays, left to right."""
        return flatten(self)


class Computed(Sequence[Any]):
    """Elements of ``array[…](f)``, each of which comes to be when it is first looked at."""

    __slots__ = ("_count", "_made", "_make")

    def __init__(self, count: int, make: Callable[[int], Any]) -> None:
        self._count = count
        self._make = make
        self._made: dict[int, Any] = {}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._count:
            raise IndexError(index)
        made = self._made.get(index)
        if made is None:
            made = self._made[index] = self._make(index)
        return made


class Tail(Sequence[Any]):
    """Elements behind the first few: a recursion over an array must not copy what is left at every step."""

    __slots__ = ("_items", "_start")

    def __init__(self, items: Sequence[Any], start: int) -> None:
        inner = isinstance(items, Tail)
        self._items: Sequence[Any] = items._items if inner else items
        self._start: int = items._start + start if inner else start

    def __len__(self) -> int:
        return max(len(self._items) - self._start, 0)

    def __getitem__(self, index: Any) -> Any:
        return self._items[self._start + index]


# Shapes and inputs have a handful; an array that shares its halves all the way down has a power of two.
_MOST_LEAVES = 100_000
_MOST_NESTED = 20_000


def flatten(value: Any, span: Span | None = None) -> list[Any]:
    """Forced leaves of nested arrays, left to right; a value that is no array is its own only leaf.

    ``span`` is to blame where they do not end, else the array that goes too far.
    """
    leaves: list[Any] = []
    pending = [value]
    while pending:
        item = pending.pop()
        depth = 0
        if type(item) is _Unforced:
            depth = item.depth
            item = item.array.owner.force(item.array.items[item.index])
        if type(item) is ArrayValue:
            # not forced before their turn: elements construct parameters in order
            item.zero_based()
            _require_end(item, depth, len(leaves) + len(pending), span)
            pending.extend(_Unforced(item, i, depth + 1) for i in reversed(range(len(item.items))))
        else:
            leaves.append(item)
    return leaves


def leaf_spans(value: Any, span: Span, place_of: Callable[[Thunk, Evaluator], Span] = origin_of) -> list[Span]:
    """Where each leaf of an array that was flattened is written; ``span`` is where the value itself is."""
    found: list[Span] = []
    pending = [(value, span)]
    while pending:
        item, place = pending.pop()
        if type(item) is ArrayValue:
            pending.extend((x, _closer(x, place, item.owner, place_of)) for x in reversed(item.items))
        elif type(item) is Thunk:
            pending.append((item.value, place))
        else:
            found.append(place)
    return found


def authors_span(item: Any, evaluator: Evaluator, otherwise: Span) -> Span:
    """Where the author wrote an element of an array; what the library put there is ``otherwise``."""
    return written_at(item.site) if type(item) is Thunk and evaluator.is_authors(item.site) else otherwise


def _closer(item: Any, place: Span, evaluator: Evaluator, place_of: Callable[[Thunk, Evaluator], Span]) -> Span:
    return place_of(item, evaluator) if type(item) is Thunk and evaluator.is_authors(item.site) else place


@dataclass(frozen=True, slots=True)
class _Unforced:
    array: ArrayValue
    index: int
    depth: int


def _require_end(array: ArrayValue, depth: int, elements: int, span: Span | None) -> None:
    """Arrays are made as they are looked at, so that a nest of them may have no end: ``Repeat (0/0, x)``."""
    limits = array.owner.limits
    most = min(limits.elements, _MOST_LEAVES)
    if depth >= min(limits.calls, _MOST_NESTED):
        message = f"arrays are nested {depth:,} deep and still do not end"
    elif elements > most:
        message = f"nested arrays of more than {most:,} elements"
    else:
        return
    raise DiagnosticError(Diagnostic("GC0312", message, span or array.span))


class FunctionValue:
    """Something that can be called: its positional parameters, and the optional ones with their shared defaults."""

    __slots__ = ("name", "optional", "positional", "span")

    def __init__(self, name: str, positional: tuple[str, ...], optional: Mapping[str, Any], span: Span) -> None:
        self.name = name
        self.positional = positional
        self.optional = optional
        self.span = span

    def signature(self) -> str:
        """As its author would write the left side: ``f(x, y=2)``."""
        options = [
            f"{name}={written_at(default.site).text}" if type(default) is Thunk else f"{name}=…"
            for name, default in self.optional.items()
        ]
        return f"{self.name or 'function'}({', '.join([*self.positional, *options])})"


class Closure(FunctionValue):
    """A function of the script with the scope it was defined in."""

    __slots__ = ("body", "scope")

    def __init__(
        self,
        name: str,
        span: Span,
        positional: tuple[str, ...],
        optional: Mapping[str, Any],
        body: ast.Expr,
        scope: RecordValue,
    ) -> None:
        super().__init__(name, positional, optional, span)
        self.body = body
        self.scope = scope


_LONGEST_NAME = 100


class Composition(FunctionValue):
    """``first >> second``: takes what ``first`` takes."""

    __slots__ = ("first", "second")

    def __init__(self, first: FunctionValue, second: FunctionValue, span: Span) -> None:
        # a chain of compositions would keep a name of every length
        head = first.name if len(first.name) <= _LONGEST_NAME else "…"
        super().__init__(f"{head} >> {second.name}", first.positional, first.optional, span)
        self.first = first
        self.second = second


class NativeFunction(FunctionValue):
    """A function of the host: ``call(arguments, path, span)`` gets forced arguments, optional ones last in order."""

    __slots__ = ("call",)

    def __init__(
        self,
        name: str,
        positional: tuple[str, ...],
        call: Callable[[Sequence[Any], str, Span], Any],
        span: Span,
        optional: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, positional, optional or {}, span)
        self.call = call


@dataclass(frozen=True, slots=True)
class TensorShape:
    """``new TensorShape``: dimensions, first axis fastest; 0 is to be inferred."""

    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IntVector:
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SizeVector:
    items: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BoolVector:
    items: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """What ``new PrintAction`` leaves behind once it has printed."""

    text: str


def describe(value: Any) -> str:
    """Kind of a value in the author's words, with the article: ``a string``."""
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case float():
            return f"the number {value:g}"
        case str():
            return f"the string '{value}'" if len(value) <= 40 else "a string"
        case ArrayValue():
            return f"an array of {len(value)} elements" if len(value) != 1 else "an array of 1 element"
        case RecordValue():
            return "a record"
        case FunctionValue():
            return f"the function '{value.name}'" if value.name else "a function"
        case TensorShape() | IntVector() | SizeVector() | BoolVector() | Action():
            return f"an object of type {type(value).__name__}"
        case _ if isinstance(name := getattr(value, "name", None), str):
            return f"the node '{name}'"
        case _:
            return f"an object of type {type(value).__name__}"
