"""What random networks found, one case each: gradients on XLA against the reference, or finite where they must be."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from graphc.backend import Environment, load
from graphc.backends.reference.gradients import gradients
from graphc.data.layout import layout
from graphc.ops.sources import LearnableParameter
from graphc.testing.values import Style, random_parameters
from tests.recurrences.cases import graph_of

# a short sequence beside a long one: what a loop would make of the short one in the gap behind it overflows
GROWING = "y = (w .* ({} (0, y) + 1)) .* {}"
# one parameter in two roles
SHARED = """
h = Tanh (x + w + PastValue (0, h, initialState = w)) ; w = ParameterTensor {(2)}
h = Tanh (x + w .* FutureValue (0, h, initialState = w)) ; w = ParameterTensor {(2)}
h = Tanh (x + W * PastValue (0, h)) + W * x ; W = ParameterTensor {(2:2)}
h = Tanh (x + W * g) ; g = Sigmoid (x + W * PastValue (0, h)) ; W = ParameterTensor {(2:2)}
h = Tanh (x + W * PastValue (0, h) + W .* PastValue (0, h)) ; W = ParameterTensor {(2:2)} ; x = x1 ; x1 = Input {(2:2)}
"""


# delays that look out of their sequence into one other, each so far as it is long
BEGINNINGS = """
h = Tanh (w .* x + PastValue (0, h, initialState = u) + 0.5 * PastValue (0, h, timeStep = 3, initialState = u))
h = Tanh (w .* x + FutureValue (0, h, timeStep = 2, initialState = u) + FutureValue (0, h, initialState = u))
h = Tanh (w .* x + PastValue (0, h, timeStep = 1000000, initialState = u) + PastValue (0, h, initialState = w))
"""


def of_parameters(text: str, feeds: dict[str, Any], lengths: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Gradients of all parameters: on XLA, and by the reference."""
    graph = graph_of(text)
    engine: Any = load("xla")
    environment = Environment(frames={"*": layout(np.array(lengths))})
    names = [n.op.name for n in graph.nodes if isinstance(n.op, LearnableParameter) and n.op.is_trained]
    parameters = {n: v for n, v in random_parameters(graph, style=Style.DISTINCT).items() if n in names}
    run = engine.function(graph, training=True)
    with engine.precision(graph):
        found = jax.jit(jax.grad(lambda p: run(p, feeds, environment).outputs["loss"].sum()))(parameters)
    return found, gradients(graph, "loss", names, parameters, feeds, environment)


@pytest.mark.parametrize("case", SHARED.strip().splitlines())
def test_one_parameter_in_two_roles(case: str) -> None:
    own = "(2:2)" if "x1" in case else "(2)"
    given = "" if "x1" in case else "x = Input {(2)} ; "
    text = f"{{ {given}{case} ; loss = SumElements (h .* h) ; criterionNodes = (loss) }}"
    shape = (2, 2) if own == "(2:2)" else (2,)
    feeds = {"x1" if "x1" in case else "x": np.random.default_rng(0).normal(size=(5, *shape))}
    found, expected = of_parameters(text, feeds, [2, 3])
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("delay", ("PastValue", "FutureValue"))
@pytest.mark.parametrize("operand", ("x", "z"))
def test_gaps_do_not_overflow(delay: str, operand: str) -> None:
    chosen = "c = Input {1} ; z = BS.Sequences.Gather (c, x) ; " if operand == "z" else ""
    body = GROWING.format(delay, operand)
    text = f"{{ x = Input {{1}} ; {chosen}w = ParameterTensor {{1}} ; {body} ; loss = SumElements (Tanh (y)) ;"
    x = np.concatenate([np.full((3, 1), 1e4), np.full((90, 1), 0.01)])
    found, _ = of_parameters(f"{text} criterionNodes = (loss) }}", {"x": x, "c": np.ones_like(x)}, [3, 90])
    assert np.isfinite(found["w"]).all()


@pytest.mark.parametrize("case", BEGINNINGS.strip().splitlines())
def test_delays_with_one_beginning(case: str) -> None:
    graph = graph_of(
        "{ a = DynamicAxis () ; x = Input {2} ; u = Input {2, dynamicAxis = a} ; w = ParameterTensor {2} ; "
        f"{case} ; loss = SumElements (h .* h) ; criterionNodes = (loss) }}"
    )
    # the third begins with a frame that is repeated, or looks in vain
    lengths = [1, 1] if "1000000" in case else [4, 3]
    numbers = np.random.default_rng(0)
    feeds = {"x": numbers.normal(size=(7, 2)), "u": numbers.normal(size=(sum(lengths), 2))}
    environment = Environment(frames={"*": layout(np.array([2, 5])), "a": layout(np.array(lengths))})
    given = {"w": numbers.normal(size=2)}, feeds, environment
    expected, slopes = load("reference").function(graph)(*given), gradients(graph, "loss", ["w", "u"], *given)
    engine: Any = load("xla")
    run = engine.function(graph)

    def loss(w: Any, u: Any) -> Any:
        return run({"w": w}, {**feeds, "u": u}, environment).outputs["loss"].sum()

    with engine.precision(graph):
        found, (of_w, of_u) = jax.jit(jax.value_and_grad(loss, (0, 1)))(given[0]["w"], feeds["u"])
    np.testing.assert_allclose(found, expected.outputs["loss"].sum(), rtol=1e-10)
    np.testing.assert_allclose(of_w, slopes["w"], rtol=1e-8)
    np.testing.assert_allclose(of_u, slopes["u"], rtol=1e-8, atol=1e-12)
