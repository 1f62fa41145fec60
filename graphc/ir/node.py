"""An operator, its attributes, and an operator applied to inputs: the node, interned so that equal nodes are one."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import threading
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar, dataclass_transform
from weakref import WeakValueDictionary

from graphc.diagnostics import Span
from graphc.ir.types import Dim, Shape, ShapeError, TensorType


@dataclass(frozen=True, slots=True)
class Cost:
    """Work of one frame (or of the whole value where there is no dynamic axis)."""

    flops: float
    bytes: float


class RandomStream(Protocol):
    """Random numbers of one step. Streams of different names are independent; one name gives the same numbers."""

    def uniform(self, name: str, shape: tuple[int, ...]) -> Any:
        """Numbers in [0, 1) of the step's element type."""
        ...


@dataclass(frozen=True)
class Lanes:
    """The frames of an axis laid out for recurrences: ``(time, lanes)``, sequences one behind the other in a lane.

    ``frames[t, l]`` is the frame that stands there; a gap repeats some real frame, and nobody reads what becomes of it.
    ``places[f]`` is ``t * lanes + l`` of frame f. ``is_regular``: lane l is sequence l, all have the same length and
    there is no padding, so that no table needs to be looked at.
    """

    frames: Any
    places: Any
    is_regular: bool = False


@dataclass(frozen=True)
class Sequences:
    """Which frames make a sequence: they stand one behind the other, sequence after sequence.

    ``ids`` and ``positions``, ``(frames,)``, are the sequence of each frame and its place there, from 0; padding frames
    have the number of sequence slots as id, and position 0. ``starts`` and ``lengths``, ``(sequences,)``, are the first
    frame of each sequence and how many there are, 0 in slots that are not used. ``count`` sequences are real.
    ``longest`` is a bound of the lengths that the host knows. Where minibatches have pieces of sequences, all of the
    above is said of pieces, a lane is a row of them, and ``begins``, ``(sequences,)``, are the frames of each piece's
    sequence that earlier minibatches had in that row; none: sequences are whole. ``reach``, ``(sequences,)``, is how
    many frames of the sequence that they were chosen from come up to the last chosen one; none: it is not known.
    """

    ids: Any
    positions: Any
    starts: Any
    lengths: Any
    count: Any
    longest: int
    lanes: Lanes | None = None
    begins: Any | None = None
    reach: Any | None = None


@dataclass(frozen=True)
class Frames:
    """The dynamic axis of a step in frames form: ``count`` real frames, then padding.

    ``mask`` is 1 for a real frame and 0 for padding, shape ``(frames,)``; none where every frame is real.
    ``sequences`` is none where every frame is a sequence of its own.
    """

    count: Any
    mask: Any | None = None
    sequences: Sequences | None = None


@dataclass(frozen=True)
class Context:
    """What `Op.evaluate` is given beside its operands.

    ``settings`` holds what schedules set, as scalars of the step: ``dropout_rate``,
    ``batch_normalization_time_constant`` and ``batch_normalization_blend_time_constant`` (absent: the node's own).
    ``frames`` are those of the result or, where that has none, of the first operand that has; ``axes`` are all that
    the step has met, by name of the dynamic axis.
    """

    xp: Any
    operands: tuple[TensorType, ...]
    result: TensorType
    training: bool = False
    frames: Frames | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    random: RandomStream | None = None
    axes: Mapping[str, Frames] = field(default_factory=dict)

    def sum_frames(self, x: Any) -> Any:
        """Sum over real frames of an array whose first axis is the dynamic one."""
        return self.masked(x).sum(axis=0)

    def masked(self, x: Any) -> Any:
        """``x`` with the padding frames set to 0, whatever they held (a NaN there must not spread)."""
        if self.frames is None or self.frames.mask is None:
            return x
        mask = self.frames.mask.reshape((-1,) + (1,) * (x.ndim - 1))
        return self.xp.where(mask != 0, x, self.xp.zeros((), x.dtype))


@dataclass(frozen=True, repr=False)
class Op:
    """Base of all operators. A subclass is decorated with `op`; its docstring is its manual page.

    Fields are the attributes, snake_case; the author writes them in CNTK's camelCase (`attribute_names`).
    The rules below are called with one argument an operand, positionally; a subclass names its operands. (``**_`` is
    never passed: together with ``*types: Any`` it tells type checkers that the signature is the subclass's own.)
    """

    # names[0] is CNTK's operation name; the others are aliases that are read but never written
    names: ClassVar[tuple[str, ...]] = ()
    family: ClassVar[str] = ""
    # author's names of attributes where they are not the camelCase of the field
    spelling: ClassVar[Mapping[str, str]] = {}
    # the words that a string attribute can be, in any case, by field name
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    # number of inputs (least, most); most None: any number
    arity: ClassVar[tuple[int, int | None]] = (0, 0)
    # names of the inputs, for messages
    operands: ClassVar[tuple[str, ...]] = ()
    # operands arrive aligned to the result's rank (graphc.ir.layout.align)
    aligned: ClassVar[bool] = False
    # carries an identity of its own in a field `name`: never merged with an equal operator
    identified: ClassVar[bool] = False
    # inputs (by index) that `evaluate` and the lowerings take in onehot or sparse storage; others are made dense
    takes_sparse: ClassVar[frozenset[int]] = frozenset()
    # inputs that get no gradient
    no_gradient: ClassVar[frozenset[int]] = frozenset()
    # inputs (by index) whose gradient is deliberately not the derivative of the value, and why
    gradient_differs: ClassVar[Mapping[int, str]] = {}
    # attributes that are no constructor arguments for the author: filled in by the compiler
    internal: ClassVar[frozenset[str]] = frozenset({"name"})

    def __post_init__(self) -> None:
        for name, convert in _converters(type(self)).items():
            object.__setattr__(self, name, convert(getattr(self, name)))

    def __repr__(self) -> str:
        fields = dataclasses.fields(self)  # pyright: ignore[reportArgumentType]
        return f"{type(self).__qualname__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in fields)})"

    def infer(self, *types: Any, **_: Any) -> TensorType:
        """Type of the result. Accepts unknown dimensions; raises `ShapeError`."""
        raise NotImplementedError(type(self).__name__)

    def check(self, *types: Any, **_: Any) -> None:
        """What only the final visit of inference checks; raises `ShapeError`."""

    def offers(self, *types: Any, **_: Any) -> Iterable[tuple[int, Shape]]:
        """Shapes that the operator offers to inputs which are parameters of unknown shape: (input index, shape)."""
        return ()

    def evaluate(self, c: Context, *xs: Any, **_: Any) -> Any:
        """Value of the result, as a pure array expression in ``c.xp``: no branch on values, no write in place."""
        raise NotImplementedError(type(self).__name__)

    def cost(self, result: TensorType, *types: TensorType) -> Cost:
        """One operation an element, and every operand read and the result written once, unless overridden."""
        size = result.size
        width = 8 if result.element.value == "float64" else 4
        return Cost(float(size), float(width * (size + sum(t.size for t in types))))

    def updates(self) -> Mapping[int, Op]:
        """State: input index → operator on the same inputs whose value replaces that parameter after a step."""
        return {}

    def __call__(self, *inputs: Node, span: Span | None = None) -> Node:
        """The node that applies this operator; raises `ShapeError`. Equal nodes are the same object."""
        return _intern(self, inputs, span)

    def attributes(self) -> dict[str, Any]:
        """Attributes that differ from their defaults, by field name, in order of declaration."""
        found = {}
        for f in dataclasses.fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, f.name)
            if f.default is dataclasses.MISSING or value != f.default:
                found[f.name] = value
        return found

    @classmethod
    def attribute_names(cls) -> dict[str, str]:
        """Field name → the author's name, for every attribute that an author can give."""
        fields = dataclasses.fields(cls)  # pyright: ignore[reportArgumentType]
        return {f.name: cls.spelling.get(f.name, camel(f.name)) for f in fields if f.name not in cls.internal}


def camel(name: str) -> str:
    """The author's camelCase for a field's snake_case."""
    return re.sub(r"_(\w)", lambda m: m.group(1).upper(), name)


class DifferentiableOp(Protocol):
    """An operator whose gradient is given: CNTK's is not the derivative, or there is none somewhere."""

    def pullback(self, c: Context, xs: Sequence[Any], y: Any, g: Any) -> Sequence[Any]:
        """Gradients of the operands from the gradient ``g`` of the result ``y``; None for one that has none.

        Shapes are those of the operands as they arrived; the caller sums what was broadcast.
        """
        ...


_T = TypeVar("_T", bound=type)

# CNTK operation name, folded to lower case → class. Filled at import of graphc.ops, then left alone.
REGISTRY: dict[str, type[Op]] = {}


@dataclass_transform(frozen_default=True)
def op(cls: _T) -> _T:
    """Make a frozen dataclass of an operator and enter it under its names; a second entry of a name is an error."""
    # dataclass would compile a __repr__ for each of them at every start, and for a class without fields of its own what
    # its base has already
    hints = inspect.get_annotations(cls).values()
    if any(not str(hint).removeprefix("typing.").startswith("ClassVar") for hint in hints):
        cls = dataclass(frozen=True, repr=False)(cls)
    for name in cls.names:
        if REGISTRY.setdefault(name.lower(), cls) is not cls:
            raise TypeError(f"operation {name} is registered twice")
    return cls


@cache
def _converters(cls: type[Op]) -> dict[str, Callable[[Any], Any]]:
    # When an operator is first made, because reading the annotations of all classes would slow every start down.
    hints = typing.get_type_hints(cls)
    return {f.name: _converter(hints[f.name]) for f in dataclasses.fields(cls)}  # pyright: ignore[reportArgumentType]


def _converter(hint: Any) -> Callable[[Any], Any]:
    # `1 == 1.0 == True` would intern as one operator, so attributes take their annotated type first.
    if hint is float:
        return _number
    if hint in (int, bool, str):
        return hint
    if typing.get_origin(hint) is tuple and typing.get_args(hint)[1:] == (Ellipsis,):
        element = _converter(typing.get_args(hint)[0])
        # an author may give one number where a list is meant
        return lambda value: tuple(element(v) for v in (value if isinstance(value, tuple | list) else (value,)))
    if hint == Dim:
        return lambda value: None if value is None else int(value)
    if isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint) and len(typing.get_args(hint)) == 2:
        inner = _converter(next(t for t in typing.get_args(hint) if t is not type(None)))
        return lambda value: None if value is None else inner(value)
    return lambda value: value


def _number(value: Any) -> float:
    # One NaN object, because operators are compared by their attributes and a NaN equals only itself.
    return math.nan if value != value else float(value)


def registered_names() -> list[str]:
    """CNTK's names of all operations, as they are written."""
    return sorted({cls.names[0] for cls in REGISTRY.values()})


def operator(name: str) -> type[Op] | None:
    """Class of a CNTK operation name, any case, aliases included."""
    return REGISTRY.get(name.lower())


@dataclass(frozen=True, eq=False, repr=False, slots=True, weakref_slot=True)
class Node:
    """An operator applied to nodes. Made by calling the operator; compared by identity."""

    op: Op
    inputs: tuple[Node, ...]
    type: TensorType
    span: Span | None = None

    def __repr__(self) -> str:
        return f"<{self.op.names[0]} {self.type}>"  # never descends: an unrolled network is deeper than the stack


_interned: WeakValueDictionary[tuple[Any, ...], Node] = WeakValueDictionary()
_lock = threading.Lock()


def _intern(op: Op, inputs: tuple[Node, ...], span: Span | None) -> Node:
    key = (op, *map(id, inputs))
    with _lock:
        node = _interned.get(key)
    if node is not None:
        return node
    check_arity(op, len(inputs))
    operand_types = tuple(n.type for n in inputs)
    result = op.infer(*operand_types)
    op.check(*operand_types)
    if not result.is_complete:
        raise ShapeError(f"the shape {result} of {op.names[0]} is not fully known")
    node = Node(op, inputs, result, span)
    with _lock:
        return _interned.setdefault(key, node)


def check_arity(op: Op | type[Op], count: int) -> None:
    """Raise `ShapeError` unless the operator takes ``count`` inputs."""
    least, most = op.arity
    if count < least or (most is not None and count > most):
        wanted = str(least) if least == most else f"{least} to {most}" if most is not None else f"at least {least}"
        raise ShapeError(f"{op.names[0]} takes {wanted} inputs, {count} were given")
