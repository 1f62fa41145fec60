"""A scan whose backward pass has the form of one written by hand, for any step.

JAX differentiates a scan by keeping whatever its rules ask for and by adding up the gradient of a constant in every
step. Here each value is kept once, what the backward pass does not read is not kept, and the gradient of a matrix, a
scale or a bias is one product of all steps after the loop: the backward scan computes the gradient of the state only.
No steps are written out: that takes longer to compile, and since a step has few fusions it does not run faster
(benchmarks/recurrence).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun

from graphc.backends.xla.lowering import full_precision

# (invariant, history, row, taps) → (history, outputs, applied). ``invariant`` are arrays that are the same in every
# step. ``taps`` are zeros, each added to the result of one of them; ``applied`` what it was applied to,
# ``(lanes, inner)``, or for a bias nothing.
Step = Callable[[Sequence[Any], Any, Any, Sequence[Any]], tuple[Any, Any, Sequence[Any]]]


@dataclass(frozen=True)
class Tap:
    """Where an invariant array, by number, is applied to a value of every step: the shape and type of the result.

    ``kind`` says how: the value times a matrix, each element times one of the array (``scale``), or plus it (``bias``).
    """

    array: int
    result: jax.ShapeDtypeStruct
    kind: Literal["matrix", "scale", "bias"] = "matrix"

    def gradient(self, applied: Any, d: Any) -> Any:
        """That of the array, from what it was applied to and the gradient of the result, ``(time, lanes, …)``."""
        d = d.reshape(-1, d.shape[-1])
        if self.kind == "bias":
            return jnp.ones(len(d), d.dtype) @ d
        vectors = applied.reshape(-1, applied.shape[-1])
        # sums of columns are products too: XLA's loops over columns are slow on CPUs
        return vectors.T @ d if self.kind == "matrix" else jnp.ones(len(d), d.dtype) @ (vectors * d)


@dataclass(frozen=True)
class Gradients:
    """How the gradients of invariant arrays, by number, are found.

    Those in ``summed`` are added up step by step, others have none but by their ``taps``, which alone read them.
    """

    summed: tuple[int, ...]
    taps: tuple[Tap, ...]

    def zeros(self) -> list[Any]:
        return [jnp.zeros(tap.result.shape, tap.result.dtype) for tap in self.taps]


def scan(
    step: Step,
    invariant: Sequence[Any],
    start: Any,
    rows: Any,
    gradients: Gradients,
    *,
    reverse: bool = False,
) -> Any:
    """The outputs of every step, stacked, for each row of ``rows``, and the history behind the last one.

    Gradients of the three arguments are as described; through that history none comes.
    """
    number = len(invariant)

    @jax.custom_vjp
    def call(invariant: Sequence[Any], start: Any, rows: Any) -> Any:
        def body(history: Any, row: Any) -> tuple[Any, Any]:
            return step(invariant, history, row, gradients.zeros())[:2]

        history, outputs = jax.lax.scan(body, start, rows, reverse=reverse)
        return outputs, history

    def forward(invariant: Sequence[Any], start: Any, rows: Any) -> tuple[Any, Any]:
        plan = _Plan.of(step, gradients, invariant, start, rows)

        def body(history: Any, row: Any) -> tuple[Any, Any]:
            (history, outputs), applied, kept = plan.step(invariant, history, row)
            return history, (outputs, applied, kept)

        history, (outputs, applied, kept) = jax.lax.scan(body, start, rows, reverse=reverse)
        return (outputs, history), (_Static(plan), invariant, start, rows, applied, kept)

    def backward(saved: Any, of_results: Any) -> Any:
        g, _ = of_results
        static, invariant, start, rows, applied, kept = saved
        plan: _Plan = static.value
        sums = [jnp.zeros_like(invariant[i]) for i in gradients.summed]

        def body(carry: Any, row: Any) -> tuple[Any, Any]:
            history, sums = carry
            x, kept, g = row
            of_summed, history, of_row, of_taps = plan.pullback(invariant, x, kept)((history, g))
            return (history, [a + b for a, b in zip(sums, of_summed, strict=True)]), once.of((of_row, of_taps))

        once = _Once()
        carry = jax.tree.map(jnp.zeros_like, start), sums
        (of_start, sums), found = jax.lax.scan(body, carry, (rows, kept, g), reverse=not reverse)
        of_rows, of_taps = once.all(found)
        of_invariant: list[Any] = [None] * number
        for i, total in zip(gradients.summed, sums, strict=True):
            of_invariant[i] = total
        for tap, vectors, d in zip(gradients.taps, applied, of_taps, strict=True):
            i = tap.array
            with full_precision():
                product = tap.gradient(vectors, d).reshape(invariant[i].shape)
            of_invariant[i] = product if of_invariant[i] is None else of_invariant[i] + product
        return of_invariant, of_start, _unfloated(rows, of_rows)

    call.defvjp(forward, backward)
    return call(list(invariant), start, rows)


def _differentiated(
    step: Step, gradients: Gradients, invariant: Sequence[Any], history: Any, row: Any
) -> tuple[Any, Any, Any]:
    """One step with its pullback: (history, outputs), what the products were applied to, and the function."""
    row_leaves, row_tree = jax.tree.flatten(row)
    floats = [i for i, leaf in enumerate(row_leaves) if _is_float(leaf)]

    def f(summed: Sequence[Any], history: Any, of_row: Sequence[Any], taps: Sequence[Any]) -> Any:
        given = _replaced(invariant, gradients.summed, summed)
        leaves = _replaced(row_leaves, floats, of_row)
        history, outputs, applied = step(given, history, jax.tree.unflatten(row_tree, leaves), taps)
        return (history, outputs), applied

    summed = [invariant[i] for i in gradients.summed]
    found, pull, applied = jax.vjp(f, summed, history, [row_leaves[i] for i in floats], gradients.zeros(), has_aux=True)
    return found, applied, pull


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which values of a step its backward pass needs, and where it finds each: the leaves of its pullback.

    ``kept`` are those that the forward scan must keep. ``sources`` says for each leaf where it is: kept, invariant, in
    the row, a constant, or the same as another, whatever its shape is there. ``traced`` is the step with the leaves in
    front of its results: a second trace might order them otherwise, as where one array is two of the invariant ones.
    """

    traced: Any
    results: Any
    tree: Any
    avals: Sequence[jax.ShapeDtypeStruct]
    kept: tuple[int, ...]
    sources: Sequence[tuple[str, Any]]

    @staticmethod
    def of(step: Step, gradients: Gradients, invariant: Sequence[Any], start: Any, rows: Any) -> _Plan:
        tree: Any = None
        result: Any = None
        results: Any = None

        def flat(invariant: Sequence[Any], history: Any, row: Any) -> Any:
            nonlocal tree, result, results
            found, applied, pull = _differentiated(step, gradients, invariant, history, row)
            leaves, tree = jax.tree.flatten(pull)
            result = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), found)
            values, results = jax.tree.flatten((found, applied))
            return leaves, values

        row = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), rows)
        traced = jax.make_jaxpr(flat)(_abstract(invariant), _abstract(start), row)
        leaves = traced.jaxpr.outvars[: tree.num_leaves]
        avals = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in leaves]  # pyright: ignore
        needed = _read(lambda leaves, g: jax.tree.unflatten(tree, leaves)(g), avals, result)
        first_of_row = len(invariant) + len(jax.tree.leaves(start))
        inputs = {v: i for i, v in enumerate(traced.jaxpr.invars)}
        constants = dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))
        makers = {v: equation for equation in traced.jaxpr.eqns for v in equation.outvars}
        sources: list[tuple[str, Any]] = []
        seen: dict[Any, int] = {}
        kept: list[int] = []
        for i, leaf in enumerate(_origin(leaf, makers) for leaf in leaves):
            at = inputs.get(leaf) if not hasattr(leaf, "val") else None
            if i not in needed:
                sources.append(("unread", None))
            elif hasattr(leaf, "val"):
                sources.append(("constant", leaf.val))
            elif leaf in constants:
                sources.append(("constant", constants[leaf]))
            elif at is not None and at < len(invariant):
                sources.append(("invariant", at))
            elif at is not None and at >= first_of_row:
                sources.append(("row", at - first_of_row))
            elif leaf in seen:
                sources.append(("kept", seen[leaf]))
            else:
                seen[leaf] = len(kept)
                sources.append(("kept", len(kept)))
                kept.append(i)
        return _Plan(traced, results, tree, avals, tuple(kept), sources)

    def step(self, invariant: Sequence[Any], history: Any, row: Any) -> tuple[Any, Any, list[Any]]:
        """One step: (history, outputs), what the products were applied to, and the values to be kept."""
        values = jaxpr_as_fun(self.traced)(*jax.tree.leaves((invariant, history, row)))
        found, applied = jax.tree.unflatten(self.results, values[self.tree.num_leaves :])
        return found, applied, [values[i] for i in self.kept]

    def pullback(self, invariant: Sequence[Any], row: Any, kept: Sequence[Any]) -> Callable[[Any], Any]:
        places: Mapping[str, Sequence[Any]] = {"invariant": invariant, "row": jax.tree.leaves(row), "kept": kept}
        leaves = []
        for aval, (where, which) in zip(self.avals, self.sources, strict=True):
            if where == "unread":
                leaves.append(jnp.zeros(aval.shape, aval.dtype))
            else:
                leaf = which if where == "constant" else places[where][which]
                leaves.append(leaf if jnp.shape(leaf) == aval.shape else jnp.reshape(leaf, aval.shape))
        return jax.tree.unflatten(self.tree, leaves)


# what moves no element, if there are as many before as behind
_RESHAPING = ("reshape", "squeeze", "broadcast_in_dim")


class _Once:
    """Values of which several may be one: a scan stacks each once."""

    def of(self, tree: Any) -> list[Any]:
        leaves, self._structure = jax.tree.flatten(tree)
        distinct = {id(leaf): leaf for leaf in leaves}
        numbers = {key: i for i, key in enumerate(distinct)}
        self._places = [numbers[id(leaf)] for leaf in leaves]
        return list(distinct.values())

    def all(self, distinct: Sequence[Any]) -> Any:
        return jax.tree.unflatten(self._structure, [distinct[i] for i in self._places])


class _Static:
    """Something that is no array, on its way from the forward to the backward pass."""

    def __init__(self, value: Any) -> None:
        self.value = value


jax.tree_util.register_static(_Static)


def _origin(value: Any, makers: Mapping[Any, Any]) -> Any:
    """The value that this one has the elements of, under another shape."""
    while not hasattr(value, "val") and value in makers and makers[value].primitive.name in _RESHAPING:
        source = makers[value].invars[0]
        if source.aval.size != value.aval.size:
            break
        value = source
    return value


def _read(f: Callable[[Any, Any], Any], leaves: Sequence[Any], g: Any) -> set[int]:
    """Which of the leaves ``f`` reads for its result."""
    jaxpr = jax.make_jaxpr(f)(leaves, g).jaxpr
    living = {v for v in jaxpr.outvars if not hasattr(v, "val")}
    for equation in reversed(jaxpr.eqns):
        if living.intersection(equation.outvars):
            living.update(v for v in equation.invars if not hasattr(v, "val"))
    return {i for i, v in enumerate(jaxpr.invars[: len(leaves)]) if v in living}


def _abstract(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), tree)


def _is_float(x: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


def _replaced(values: Sequence[Any], at: Sequence[int], new: Sequence[Any]) -> list[Any]:
    found = list(values)
    for i, value in zip(at, new, strict=True):
        found[i] = value
    return found


def _unfloated(tree: Any, of_floats: Sequence[Any]) -> Any:
    """The gradients of the leaves that are floats, none for others, as that tree."""
    leaves, structure = jax.tree.flatten(tree)
    given = iter(of_floats)
    return jax.tree.unflatten(structure, [next(given) if _is_float(leaf) else None for leaf in leaves])
