"""The Python interface: compile, look, initialise, call, run."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

import graphc
import graphc.api
from graphc.cli.main import main

DIGITS = Path(__file__).parents[2] / "models" / "digits"
TINY = """{
    x = Input {3}
    W = ParameterTensor {(2:3)}
    z = W * x
    y = Sigmoid (z)
    outputNodes = (y)
}"""


@pytest.mark.parametrize("module", [graphc, graphc.api])
def test_examples_in_docstrings(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # pyright: ignore[reportArgumentType]


def test_a_call_computes_the_outputs() -> None:
    model = graphc.compile(TINY)
    parameters = model.init(seed=1)
    x = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 0.5]], np.float32)
    np.testing.assert_allclose(model(parameters, x=x), 1 / (1 + np.exp(-(x @ parameters["W"]))), rtol=1e-6)


def test_several_nodes_come_by_name() -> None:
    model = graphc.compile(TINY)
    found = model(model.init(), nodes=["z", "y"], x=np.zeros((4, 3)))
    assert {name: value.shape for name, value in found.items()} == {"z": (4, 2), "y": (4, 2)}


def test_first_values_depend_on_the_seed_alone() -> None:
    one, same, other = (graphc.compile(TINY).init(seed) for seed in (1, 1, 2))
    assert np.array_equal(one["W"], same["W"])
    assert not np.array_equal(one["W"], other["W"])


def test_a_configuration_is_found_by_its_path_and_overridden() -> None:
    model = graphc.compile(DIGITS / "mlp.cntk", "precision=double")
    assert model.inputs == {"features": (1, 8, 8), "labels": (10,)}
    assert model.graph.roots["z"].type.element.value == "float64"
    assert model.init()["model.arrayOfFunctions[7].W"].dtype == np.float64


@pytest.mark.parametrize("precision", ["half", "bfloat16"])
def test_narrow_arithmetic_keeps_and_gives_float32(precision: str) -> None:
    text = "{ x = Input {64} ; W = ParameterTensor {(8:64)} ; z = W * x ; outputNodes = (z) }"
    x = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    wide, narrow = graphc.compile(text), graphc.compile(text, precision=precision)
    assert narrow.arithmetic == precision and wide.arithmetic == "full"
    parameters = narrow.init()
    exact, rounded = wide(parameters, x=x), narrow(parameters, x=x)
    assert parameters["W"].dtype == rounded.dtype == np.float32
    assert np.allclose(exact, rounded, atol=0.02) and not np.array_equal(exact, rounded)


def test_an_unknown_precision_is_told() -> None:
    with pytest.raises(graphc.DiagnosticError, match="precision is float, double, half, bfloat16, not 'single'"):
        graphc.compile(TINY, precision="single")


@pytest.mark.parametrize("text", [TINY, f"# a model\n{TINY}"])
def test_brainscript_is_found_by_its_path(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.bs"
    path.write_text(text)
    assert graphc.compile(path).summary() == graphc.compile(TINY).summary() == graphc.compile(text).summary()


def test_images_may_be_flat() -> None:
    model = graphc.compile(DIGITS / "convnet.cntk")
    parameters = model.init()
    images = np.random.default_rng(0).uniform(0, 16, (2, 64))
    np.testing.assert_array_equal(
        model(parameters, features=images), model(parameters, features=images.reshape(2, 1, 8, 8))
    )


def test_the_summary_counts_the_parameters() -> None:
    assert graphc.compile(TINY).summary().endswith("6 trained parameters in 1 tensors")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m(m.init()), "the input x [3 x *] is missing"),
        (lambda m: m(m.init(), x=np.zeros((2, 4))), "the input x has shape (2, 4), expected (samples, 3)"),
        (lambda m: m(m.init(), x="abc"), "the input x is no array of numbers"),
        (lambda m: m(m.init(), x=[[1, 2, 3], [4]]), "the input x is no array of numbers"),
        (lambda m: m(m.init(), y=np.zeros((2, 3))), "the network has no input y"),
        (lambda m: m(m.init(), nodes="Z2", x=np.zeros((2, 3))), "the network has no node Z2"),
        (lambda m: m({}, x=np.zeros((2, 3))), "the parameter W is missing"),
        (lambda m: m({"W": np.zeros((2, 2))}, x=np.zeros((2, 3))), "W has shape (2, 2), expected (3, 2)"),
        (lambda m: m.load("nowhere"), "there is no model file nowhere"),
    ],
)
def test_wrong_calls_are_diagnosed(call, message: str) -> None:
    with pytest.raises(graphc.DiagnosticError) as raised:
        call(graphc.compile(TINY))
    assert message in raised.value.diagnostics[0].message


def test_wrong_text_is_diagnosed_with_its_place() -> None:
    with pytest.raises(graphc.DiagnosticError) as raised:
        graphc.compile("{ x = Input {3} ; z = Sigmoidd (x) }")
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.span is not None
    assert (diagnostic.span.line, diagnostic.span.column) == (1, 23)
    assert "Sigmoid" in (diagnostic.hint or "")


def test_run_executes_a_configuration(tmp_path: Path) -> None:
    seen = []
    results = graphc.run(
        DIGITS / "logistic.cntk", f"RunDir={tmp_path}", "Train=[SGD=[maxEpochs=2]]", observer=seen.append
    )
    assert set(results) == {"Train", "Test", "Write"}
    assert results["Test"].samples == 359
    assert results["Test"].metrics["errs"] < 0.2
    model = graphc.compile(DIGITS / "logistic.cntk")
    parameters = model.load(results["Train"].files[0])
    scores = np.loadtxt(results["Write"].files[0])
    np.testing.assert_allclose(model(parameters, features=_features()), scores, atol=1e-5)
    assert seen


def _features() -> np.ndarray:
    lines = (DIGITS / "test.ctf").read_text().splitlines()
    return np.array([line.split("|features")[1].split("|")[0].split() for line in lines], np.float32)


def test_statistics_are_given_like_parameters() -> None:
    model = graphc.compile("{ x = Input {2} ; m = Mean (x) ; z = x - m ; outputNodes = (z) }")
    x = np.array([[3.0, 4.0]], np.float32)
    with pytest.raises(graphc.DiagnosticError, match=r"GC0707.*the statistic m is not computed yet"):
        model(model.init(), x=x)
    with pytest.raises(graphc.DiagnosticError, match=r"GC0706.*the statistic m has shape \(3,\)"):
        model({**model.init(), "m": np.zeros(3)}, x=x)
    assert model({**model.init(), "m": np.array([1.0, 2.0])}, x=x).tolist() == [[2.0, 2.0]]


def test_what_is_emitted_is_in_the_configurations_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    for precision, is_narrow in (("float", False), ("bfloat16", True)):
        assert main(["compile", str(DIGITS / "mlp.cntk"), "--emit", "hlo", f"precision={precision}"]) == 0
        assert ("bf16[" in capsys.readouterr().out) is is_narrow
