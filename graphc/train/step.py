"""One training step as one program: take the minibatch, forward, backward, update, metrics; buffers are reused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from graphc.backend import Environment, Results
from graphc.data.batches import Batch
from graphc.ir import Graph, RandomStream, topological
from graphc.ir.arithmetic import Arithmetic
from graphc.ir.layout import array_shape
from graphc.ops.columns import products_by_column
from graphc.ops.lengths import length_checks
from graphc.ops.recurrence import empty_history
from graphc.ops.sources import LearnableParameter
from graphc.ops.statistics import accumulated_roots
from graphc.train.accumulated import epoch_start
from graphc.train.columns import ColumnGradient
from graphc.train.engine import engine
from graphc.train.feeds import DeviceColumns, Minibatches, take, take_batch
from graphc.train.learner import Learner, Rates
from graphc.train.node_streams import HostStream, NodeStreams
from graphc.train.totals import Tally, Totals, length_failures, root_samples, root_totals

Parameters = dict[str, Any]

_Program = Callable[..., tuple["_Carry", Tally]]

# what schedules set beside the rates (graphc.ir.Context); a step has room for all of them
SETTINGS = ("dropout_rate", "batch_normalization_time_constant", "batch_normalization_blend_time_constant")

# of sequences, each shape of which is a program: with so many an update takes a third of the time of compiling it, and
# is compiled once by itself. With fewer the second dispatch would cost more than that saves.
MANY_PARAMETERS = 32

# minibatches a dispatch where no convolution is in the graph, measured with benchmarks/dispatch.py
DENSE_MINIBATCHES_PER_DISPATCH = 8


@dataclass(frozen=True)
class _Carry:
    """What a minibatch hands to the next, all of it on the device and overwritten by each step.

    ``history`` is what recurrences hand on where sequences are cut into pieces; before an epoch there is none.
    """

    trained: Parameters
    running: Parameters
    learner: dict[str, dict[str, Any]]
    history: dict[str, Any] = field(default_factory=dict)


jax.tree_util.register_dataclass(_Carry, list(_Carry.__dataclass_fields__), [])


@dataclass(frozen=True)
class _Learnt:
    """What a minibatch tells: gradients of trained parameters, state after it, and the rates of its update."""

    gradients: Parameters
    running: Parameters
    history: dict[str, Any]
    rates: Rates


jax.tree_util.register_dataclass(_Learnt, list(_Learnt.__dataclass_fields__), [])


@dataclass(frozen=True, eq=False)
class TrainingState:
    """Parameters and learner state on the device. A step uses it up: go on with what `TrainingStep.run` returns.

    Only its `TrainingStep.totals` can still be read then.
    """

    carry: _Carry
    # not overwritten, so that it can be read while later steps run
    tally: Tally
    fixed: Parameters
    # in which order of axes trained parameters are kept, and what the learner remembers of them, if not the author's
    axes: Mapping[str, tuple[int, ...]]

    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        """Every parameter by name, copied to the host."""
        everything = {**self.carry.trained, **self.carry.running, **self.fixed}
        return {name: self._on_host(name, value) for name, value in sorted(everything.items())}

    def learner(self) -> dict[str, dict[str, npt.NDArray[Any]]]:
        """What the update rule remembers of each parameter, copied to the host."""
        return {name: {k: self._on_host(name, v) for k, v in s.items()} for name, s in self.carry.learner.items()}

    def _on_host(self, name: str, value: Any) -> npt.NDArray[Any]:
        return np.array(_permuted(np.asarray(value), np.argsort(self.axes.get(name, ()))), order="C")


@dataclass(frozen=True, eq=False)
class Epoch:
    """The minibatches of an epoch with what schedules set for it, on the device."""

    minibatches: Minibatches
    tables: Mapping[str, Any]


class TrainingStep:
    """Trains the parameters below ``criterion``, the sum of which over the minibatch is made smaller.

    ``metrics`` are further roots whose sums are kept. ``exempt`` are parameters without L1 and L2.
    ``minibatches_per_dispatch`` changes speed, never values; none: as measured for this kind of graph. Masks come from
    ``node_streams``, or where there are none, from the backend's own generator. In ``half`` arithmetic, which overflows
    easily, the totals know which nodes did. ``column_sparse`` are parameters of which, where the rule allows it, a
    minibatch changes no columns but those that it touches (graphc.ops.columns).
    """

    def __init__(
        self,
        graph: Graph,
        criterion: str,
        metrics: Sequence[str] = (),
        *,
        learner: Learner | None = None,
        exempt: Collection[str] = (),
        device: str | int = "auto",
        minibatches_per_dispatch: int | None = None,
        node_streams: NodeStreams | None = None,
        arithmetic: Arithmetic = "full",
        column_sparse: Collection[str] = (),
    ) -> None:
        self.engine = engine()
        self.criterion = criterion
        self.roots = tuple(dict.fromkeys([criterion, *metrics]))
        self.graph = graph.select(self.roots)
        self.learner = learner or Learner()
        self.exempt = frozenset(exempt)
        self.node_streams = node_streams
        self.device = self.engine.device(device)
        self.minibatches_per_dispatch = minibatches_per_dispatch or _minibatches_per_dispatch(self.graph)
        self.watched = tuple(_framed(self.graph)) if arithmetic == "half" else ()
        self.checks = length_checks(self.graph)
        self.accumulated = accumulated_roots(self.graph)
        self.is_accumulated = np.array([name in self.accumulated for name in self.roots])
        seen = replace(self.graph, roots={**self.graph.roots, **{n: self.graph.names[n] for n in self.watched}})
        self.function = self.engine.function(seen, training=True, arithmetic=arithmetic)
        self.kept_axes = {n: a for n, a in self.engine.kept_axes(self.graph).items() if n in self.trained}
        products = products_by_column(self.graph.select([criterion]))
        self.by_column = {n: p for n, p in products.items() if n in column_sparse and self._is_by_column(n)}

    def _is_by_column(self, name: str) -> bool:
        return name in self.trained and self.learner.is_by_column(self._regularise(name))

    def _regularise(self, name: str) -> float:
        return 0.0 if name in self.exempt else 1.0

    @cached_property
    def parameters(self) -> dict[str, LearnableParameter]:
        return {n.op.name: n.op for n in self.graph.nodes if isinstance(n.op, LearnableParameter)}

    @cached_property
    def trained(self) -> list[str]:
        """Names of the parameters that the criterion trains; those of metrics alone stay as they are."""
        below = topological([self.graph.roots[self.criterion]])
        return [n.op.name for n in below if isinstance(n.op, LearnableParameter) and n.op.is_trained]

    @cached_property
    def dtype(self) -> str:
        return self.graph.roots[self.criterion].type.element.value

    def state(self, values: Mapping[str, Any], learner: Mapping[str, Mapping[str, Any]] | None = None) -> TrainingState:
        """The state from parameter values and, when training goes on, what the learner remembered."""
        updated = {node.op.name for node, _ in self.graph.updates if isinstance(node.op, LearnableParameter)}
        trained = {n: values[n] for n in self.trained if n not in updated}
        fixed = {n: values[n] for n in self.parameters if n not in trained and n not in updated}
        remembered = {n: self.learner.initial_state(np.asarray(w)) for n, w in trained.items()}
        remembered |= {n: dict(s) for n, s in (learner or {}).items() if n in trained}
        carry = _Carry(
            trained={n: self._stored(n, w) for n, w in trained.items()},
            running={n: values[n] for n in updated},
            learner={n: {k: self._stored(n, v) for k, v in s.items()} for n, s in remembered.items()},
        )
        with self.engine.precision(self.graph):
            on_device = _own(carry, self.device), self._nothing, _own(fixed, self.device)
            return TrainingState(*on_device, self.kept_axes)

    def _stored(self, name: str, value: Any) -> npt.NDArray[Any]:
        return _permuted(np.asarray(value), self.kept_axes.get(name, ()))

    def epoch(
        self,
        minibatches: Minibatches,
        *,
        learning_rate: float,
        momentum_per_sample: float = 0.0,
        settings: Mapping[str, float] | None = None,
        noise: float = 0.0,
        seed: int = 0,
        epoch: int = 0,
    ) -> Epoch:
        """An epoch's minibatches and rates; ``learning_rate`` is per sample, ``settings`` as in `SETTINGS`.

        ``noise`` is the deviation of normal numbers that every update adds to trained parameters.
        """
        settings = dict(settings or {})
        assert set(settings) <= set(SETTINGS), settings
        if settings.get("dropout_rate") == 0:
            del settings["dropout_rate"]  # a step without the setting draws nothing
        rates = self.learner.rates(minibatches.columns, learning_rate, momentum_per_sample, self.dtype)
        tables = {
            **self._taken(minibatches, momentum_per_sample),
            "rates": rates if minibatches.batches is None else _with_room(rates),
            "settings": {name: np.asarray(settings[name], self.dtype) for name in SETTINGS if name in settings},
            "word": np.uint32(self.engine.epoch_word(seed, epoch) if self.node_streams is None else epoch),
        }
        if noise > 0:
            tables["noise"] = np.asarray(noise, self.dtype)
            tables["noise_word"] = np.uint32(self.engine.epoch_word(seed, epoch))
        if self.node_streams is not None:
            self.node_streams.plan(epoch, minibatches.counts)
        with self.engine.precision(self.graph):
            return Epoch(minibatches, jax.device_put(tables, self.device))

    def _taken(self, minibatches: Minibatches, momentum_per_sample: float) -> dict[str, Any]:
        """What a step looks up to take its minibatch and, where only it knows the samples, to find their momentum."""
        if minibatches.batches is not None:
            with np.errstate(divide="ignore"):
                return {"log_momentum": np.log(np.asarray(momentum_per_sample)).astype(self.dtype)}
        return {"indices": minibatches.indices, "counts": minibatches.counts.astype(np.int32)}

    def begin(self, state: TrainingState, minibatch: int = 0) -> TrainingState:
        """The same parameters before a minibatch of an epoch, with sums and what is accumulated at 0."""
        tally = self._nothing
        if minibatch:
            with self.engine.precision(self.graph):
                tally = replace(tally, at=jax.device_put(np.int32(minibatch), self.device))
        with self.engine.precision(self.graph):
            running = {**state.carry.running, **_own(epoch_start(self.graph), self.device)}
        return replace(state, carry=replace(state.carry, running=running, history={}), tally=tally)

    @cached_property
    def _nothing(self) -> Tally:
        """Before the first minibatch; no step overwrites it."""
        tally = Tally.start(len(self.roots), self.dtype, watched=len(self.watched), checks=len(self.checks))
        with self.engine.precision(self.graph):
            return jax.device_put(tally, self.device)

    def run(self, state: TrainingState, columns: DeviceColumns, epoch: Epoch, first: int, count: int) -> TrainingState:
        """The state after ``count`` minibatches from ``first``, which must be where the state stands. Asynchronous."""
        carry, tally = state.carry, state.tally
        if epoch.minibatches.batches is not None:
            return self._run_batches(state, columns, epoch, range(first, first + count))
        is_full = epoch.minibatches.counts == epoch.minibatches.capacity
        at, end = first, first + count
        while at < end:
            together = self._together(is_full[at:end])
            arguments = carry, tally, state.fixed, columns, epoch.tables
            if together > 1:
                carry, tally = self._loop(*arguments, together)
            else:
                carry, tally = (self._full if is_full[at] else self._partial)(*arguments)
            at += together
        return replace(state, carry=carry, tally=tally)

    def _run_batches(self, state: TrainingState, columns: DeviceColumns, epoch: Epoch, numbers: range) -> TrainingState:
        """Minibatches of sequences: one program for each shape that they have."""
        carry, tally = state.carry, state.tally
        if epoch.minibatches.rows and numbers and numbers.start == 0:
            carry = replace(carry, history=self._empty_history(epoch.minibatches.rows))
        for number in numbers:
            assert epoch.minibatches.batches is not None
            # given as it is: the call puts an array on the device in a tenth of the time that `jax.device_put` takes
            batch = epoch.minibatches.batches[number]
            arguments = carry, tally, state.fixed, columns, epoch.tables, batch
            if self._is_one_program:
                carry, tally = self._batch(*arguments)
            else:
                learnt, after = self._gradients(*arguments)
                carry, tally = self._update(carry, learnt, epoch.tables, tally.at), after
        return replace(state, carry=carry, tally=tally)

    def _empty_history(self, rows: int) -> dict[str, Any]:
        with self.engine.precision(self.graph):
            return _own(empty_history(np, self.graph, rows), self.device)

    def totals(self, state: TrainingState) -> Totals:
        """Sums since `begin`; waits for the steps that led to the state, not for those started after it."""
        return state.tally.read(self.roots, self.watched, self.checks, self.accumulated)

    def _together(self, is_full: npt.NDArray[np.bool_]) -> int:
        """How many of the minibatches that come next go into one dispatch."""
        following = is_full[: self.minibatches_per_dispatch]
        return max(len(following) if following.all() else int(following.argmin()), 1)

    @cached_property
    def _full(self) -> _Program:
        return self._staged(partial(self._on_frames, True))

    @cached_property
    def _partial(self) -> _Program:
        return self._staged(partial(self._on_frames, False))

    @cached_property
    def _batch(self) -> _Program:
        return self._staged(self._on_sequences)

    @cached_property
    def _is_one_program(self) -> bool:
        """Whether a minibatch of sequences is one program: if not, the update does not depend on the shape."""
        return len(self.trained) < MANY_PARAMETERS or bool(self.by_column)

    @cached_property
    def _gradients(self) -> Callable[..., Any]:
        return self.engine.jit(self._learnt_on_sequences, self.graph, self.device)

    @cached_property
    def _update(self) -> Callable[..., Any]:
        return self.engine.jit(self._applied, self.graph, self.device, donate=(0,))

    @cached_property
    def _loop(self) -> _Program:
        return self._staged(self._steps)

    def _staged(self, body: _Program) -> _Program:
        return self.engine.jit(body, self.graph, self.device, donate=(0,))

    def _steps(
        self, carry: _Carry, tally: Tally, fixed: Any, columns: Any, tables: Any, count: Any
    ) -> tuple[_Carry, Tally]:
        """So many full minibatches; a loop, because unrolled XLA would fuse across steps and round otherwise."""

        def step(_: Any, state: tuple[_Carry, Tally]) -> tuple[_Carry, Tally]:
            return self._on_frames(True, *state, fixed, columns, tables)

        return jax.lax.fori_loop(0, count, step, (carry, tally))

    def _on_frames(
        self, full: bool, carry: _Carry, tally: Tally, fixed: Any, columns: Any, tables: Any
    ) -> tuple[_Carry, Tally]:
        feeds = take(columns, tables["indices"][tally.at])
        environment = Environment(None if full else tables["counts"][tally.at])
        return self._step(carry, tally, fixed, feeds, tables, environment)

    def _on_sequences(
        self, carry: _Carry, tally: Tally, fixed: Any, columns: Any, tables: Any, batch: Batch
    ) -> tuple[_Carry, Tally]:
        feeds = take_batch(self.graph, columns, batch.samples)
        return self._step(carry, tally, fixed, feeds, tables, Environment(frames=batch.frames, carried=carry.history))

    def _learnt_on_sequences(
        self, carry: _Carry, tally: Tally, fixed: Any, columns: Any, tables: Any, batch: Batch
    ) -> tuple[_Learnt, Tally]:
        feeds = take_batch(self.graph, columns, batch.samples)
        return self._learnt(carry, tally, fixed, feeds, tables, Environment(frames=batch.frames, carried=carry.history))

    def _step(
        self, carry: _Carry, tally: Tally, fixed: Any, feeds: Any, tables: Any, environment: Environment
    ) -> tuple[_Carry, Tally]:
        learnt, after = self._learnt(carry, tally, fixed, feeds, tables, environment)
        return self._applied(carry, learnt, tables, tally.at), after

    def _applied(self, carry: _Carry, learnt: _Learnt, tables: Any, at: Any) -> _Carry:
        trained, learner = self._updated(carry, learnt.gradients, learnt.rates, self._noise(tables, at))
        return _Carry(trained, learnt.running, learner, learnt.history)

    def _learnt(
        self, carry: _Carry, tally: Tally, fixed: Any, feeds: Any, tables: Any, environment: Environment
    ) -> tuple[_Learnt, Tally]:
        """What a minibatch tells, and the sums with it."""
        at = tally.at
        environment = self.scheduled(environment, tables, at)

        def results(dense: Parameters, taps: Mapping[str, Any]) -> Results:
            kept = {n: self.engine.kept(dense[n], axes) for n, axes in self.kept_axes.items()}
            columns = {n: self.engine.columns(carry.trained[n], p, taps.get(n, ())) for n, p in self.by_column.items()}
            return self.function({**fixed, **carry.running, **dense, **kept, **columns}, feeds, environment)

        def loss(wrt: tuple[Parameters, Mapping[str, Any]]) -> tuple[Any, tuple[Any, Any, Any, Any, Any]]:
            found = results(*wrt)
            totals = root_totals(self.graph, self.roots, found)
            finite = [jnp.isfinite(totals), *(jnp.isfinite(found.outputs[n]).all()[None] for n in self.watched)]
            samples, failed = root_samples(self.graph, self.roots, found), length_failures(self.checks, found)
            told = totals, samples, jnp.concatenate(finite), failed
            kept = self._samples_of_update(found), found.updates, found.touched, dict(found.carried)
            return totals[0], (told, *kept)

        dense = {n: w for n, w in carry.trained.items() if n not in self.by_column}
        taps = self._taps(jax.eval_shape(results, dense, {}).touched, carry) if self.by_column else {}
        (gradients, of_taps), told_and_kept = jax.grad(loss, has_aux=True)((dense, taps))
        told, samples, running, touched, history = told_and_kept
        gradients |= {n: self._by_column(n, touched[n], of_taps[n]) for n in self.by_column}
        tally = tally.after(*told, accumulated=self.is_accumulated)
        return _Learnt(gradients, dict(running), history, self._rates(tables, at, samples)), tally

    def scheduled(self, environment: Environment, tables: Mapping[str, Any], at: Any) -> Environment:
        """With what schedules set for a minibatch of an epoch, and its random numbers."""
        random = self._random(jnp.stack([tables["word"], jnp.asarray(at, jnp.uint32)]))
        return replace(environment, settings=tables["settings"], random=random)

    def _samples_of_update(self, results: Results) -> Any:
        """Frames of the criterion's own axis; none where it has none, and CNTK counts the columns of the minibatch."""
        axis = self.graph.roots[self.criterion].type.axis
        return None if axis is None else results.frames[axis.name].count

    def _rates(self, tables: Any, at: Any, samples: Any) -> Rates:
        rates = Rates(*tables["rates"][at])
        if samples is None or "indices" in tables:
            return rates
        return self.learner.rates_of(jnp, samples, rates.learning_rate, tables["log_momentum"])

    def _taps(self, touched: Mapping[str, Any], carry: _Carry) -> dict[str, tuple[Any, ...]]:
        """The zeros that are added to the products of each parameter, shaped as their results."""
        found = {}
        for name, entries in touched.items():
            dtype, products = carry.trained[name].dtype, self.by_column[name]
            frames = [indices.shape[0] for indices, _ in entries]
            shapes = [array_shape(product.type, n) for product, n in zip(products, frames, strict=True)]
            found[name] = tuple(jnp.zeros(shape, dtype) for shape in shapes)
        return found

    def _by_column(self, name: str, entries: Any, of_taps: Any) -> ColumnGradient:
        number = self.by_column[name][0].inputs[1].type.size
        return ColumnGradient.of(entries, of_taps, number)

    def _random(self, key: Any) -> RandomStream:
        stream = self.engine.stream(key)
        return stream if self.node_streams is None else HostStream(key, stream, self.node_streams, self.dtype)

    def _noise(self, tables: Any, minibatch: Any) -> Callable[[str, Any], Any] | None:
        """A function of parameter and its value, none where an epoch adds no noise."""
        if "noise" not in tables:
            return None
        # of the backend's generator: CNTK seeds this one from the clock
        stream = self.engine.stream(jnp.stack([tables["noise_word"], minibatch.astype(jnp.uint32)]))

        def noise(name: str, w: Any) -> Any:
            # in the author's order of axes, so that the order in which it is kept changes nothing
            axes = self.kept_axes.get(name, tuple(range(w.ndim)))
            shape = tuple(w.shape[i] for i in np.argsort(axes))
            radius = jnp.sqrt(-2 * jnp.log1p(-stream.uniform(f"{name} noise radius", shape)))
            angle = 2 * np.pi * stream.uniform(f"{name} noise angle", shape)
            return tables["noise"] * jnp.transpose(radius * jnp.cos(angle), axes).astype(w.dtype)

        return noise

    def _updated(
        self, carry: _Carry, gradients: Parameters, rates: Rates, noise: Callable[[str, Any], Any] | None
    ) -> tuple[Parameters, dict[str, Any]]:
        trained: Parameters = {}
        learner: dict[str, Any] = {}
        for name, w in carry.trained.items():
            multiplier, regularise = self.parameters[name].learning_rate_multiplier, self._regularise(name)
            state, g = carry.learner[name], gradients[name]
            added = None if noise is None else noise(name, w)
            if isinstance(g, ColumnGradient):
                taken = {key: g.take(value) for key, value in state.items()}
                rows, taken = self.learner.update_columns(jnp, g.take(w), g.rows, taken, rates, multiplier, g.touched)
                learner[name] = {key: g.put(state[key], value) for key, value in taken.items()}
                trained[name] = self.learner.moved(jnp, g.put(w, rows), rates, multiplier, regularise, added)
            else:
                update = self.learner.update(jnp, w, g, state, rates, multiplier, regularise, added)
                trained[name], learner[name] = update
        return trained, learner


def _with_room(rates: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """With rows for more minibatches: epochs of about as many run the same programs."""
    room = 1 << max(len(rates) - 1, 63).bit_length()
    return np.concatenate([rates, np.zeros((room - len(rates), rates.shape[1]), rates.dtype)])


def _framed(graph: Graph) -> Iterator[str]:
    """Names of the nodes that have frames, inputs before users."""
    names = {node: name for name, node in graph.names.items() if name not in graph.roots}
    yield from (names[node] for node in graph.nodes if node in names and node.inputs and node.type.axis is not None)


def _permuted(value: npt.NDArray[Any], axes: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[Any]:
    """The value with its axes in that order; as it is if there is none, or if it is a scalar of the learner."""
    return value.transpose(axes) if value.ndim == len(axes) else value


def _own(tree: Any, device: Any) -> Any:
    # A step overwrites its state, and JAX may share the memory of a NumPy array: so it is given a copy.
    return jax.device_put(jax.tree.map(lambda x: np.array(x, order="C"), tree), device, may_alias=False)


def _minibatches_per_dispatch(graph: Graph) -> int:
    # XLA's CPU convolutions inside a loop are many times slower than outside.
    loops_badly = any(node.op.family in ("convolution", "pooling") for node in graph.nodes)
    return 1 if loops_badly else DENSE_MINIBATCHES_PER_DISPATCH
