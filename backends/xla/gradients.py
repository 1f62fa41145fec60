"""Values and gradients of a whole graph at once, as property tests compare them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from graphc.backend import Environment, Feeds, Gradients, Parameters, Results
from graphc.backends.xla.device import resolve
from graphc.backends.xla.lowering import function
from graphc.backends.xla.options import options_to_run_once
from graphc.backends.xla.program import precision
from graphc.ir import Graph


def value_and_gradients(graph: Graph, *, training: bool = False, device: str = "auto") -> Gradients:
    """See `graphc.backend.Gradients`."""
    target, run = resolve(device), function(graph, training=training)

    def weighted(given: Any, others: Feeds, environment: Environment, weights: Mapping[str, Any]) -> Any:
        parameters, feeds = given
        results = run(parameters, {**feeds, **others}, environment)
        return sum(((results.outputs[name] * weight).sum() for name, weight in weights.items()), 0.0), results

    options = dict(options_to_run_once(target.platform)) or None
    program = jax.jit(jax.grad(weighted, has_aux=True), compiler_options=options)

    def call(
        parameters: Parameters, feeds: Feeds, environment: Environment, weights: Mapping[str, Any]
    ) -> tuple[Results, Mapping[str, Any]]:
        dense = {name: x for name, x in feeds.items() if not isinstance(x, tuple) and x.dtype.kind == "f"}
        others = {name: x for name, x in feeds.items() if name not in dense}
        with precision(graph), jax.default_device(target):
            found, results = program((dict(parameters), dense), others, environment, dict(weights))
        return results, {**found[0], **found[1]}

    return call
