"""Every operator can be drawn, in all its storages, with attributes that fit."""

from __future__ import annotations

import dataclasses
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from graphc.ir import ElementType, Graph, Op, Storage, operator, verify
from graphc.ops.criteria import CrossEntropyWithSoftmax
from graphc.ops.normalization import BatchNormalization
from graphc.ops.products import Times
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.passes.constants import constant
from graphc.testing import RECIPES, Style, graphs, operators, random_feeds, random_parameters
from graphc.testing.choices import Seeded
from graphc.testing.drawing import Drawing
from graphc.testing.recipes import evaluable, recipes

# attributes without influence on values: what CNTK says while it runs, how it computes, and what only one value is for
WITHOUT_CHOICE = {
    "Trace": {"say", "format", "log_frequency", "log_first", "log_gradient_too", "only_up_to_row", "only_up_to_t"},
    "BatchNormalization": {"use_cntk_engine", "disable_regularization", "image_layout"},
    "Convolution": {"sharing", "image_layout", "max_temp_mem_size_in_samples", "output_shape"},
    "QuantizedTimes": {"bit_smoothing_a", "bit_smoothing_b"},
    # for sequences: tests/backends/test_restacked_frames.py
    "LegacyReshape": {"axis"},
    "LegacyReshapeFrames": {"axis", "stacked"},
    "Pooling": {"image_layout"},
    "MaxUnpooling": {"image_layout"},
    "TransposeTimes": {"output_rank"},
    "EnvironmentInput": {"property_name"},
    # what the run counts: tests/end_to_end/test_sequences.py
    "ReconcileDynamicAxis": {"exact"},
    # which only a GPU could heed: tests/backends/test_cudnn.py
    "OptimizedRNNStack": {"cudnn"},
}
# said by inference of a parameter's shape, which a drawn one has
WITHOUT_CHOICE["QuantizedTimes"] |= {"infer_input_rank_to_map"}
# a hint that the operand overrides
WITHOUT_CHOICE |= {name: {"shape"} for name in ("PastValue", "FutureValue")}
WITHOUT_CHOICE["Times"] = {"infer_input_rank_to_map"}
WITHOUT_CHOICE |= {f"BatchNormalization{what}": WITHOUT_CHOICE["BatchNormalization"] for what in ("Mean", "Count")}
WITHOUT_CHOICE["BatchNormalizationVariance"] = WITHOUT_CHOICE["BatchNormalization"]


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def drawn(cls: type[Op], seed: int, element: ElementType = ElementType.FLOAT32) -> Graph:
    return Graph({"z": RECIPES[cls].make(Drawing(Seeded.of(cls.names[0], seed), element), cls)})


def test_every_operator_with_a_value_has_an_entry() -> None:
    assert set(RECIPES) == set(evaluable())


@pytest.mark.parametrize("cls", RECIPES, ids=lambda cls: cls.names[0])
def test_entries_always_fit(cls: type[Op]) -> None:
    """So there are values for what they make: the right operator on complete, verified types."""
    for seed in range(40):
        graph = drawn(cls, seed)
        verify(graph)
        assert type(graph.roots["z"].op) is cls
        for style in Style:
            feeds, parameters = random_feeds(graph, seed, style=style), random_parameters(graph, seed, style=style)
            sources = [n for n in graph.nodes if not n.inputs and n.op.identified and constant(n) is None]
            assert len(feeds) + len(parameters) == len(sources)


@pytest.mark.parametrize("cls", RECIPES, ids=lambda cls: cls.names[0])
def test_every_attribute_varies(cls: type[Op]) -> None:
    """What no drawn operator differs in, no property looks at."""
    ops = [drawn(cls, seed).roots["z"].op for seed in range(150)]
    names = {f.name for f in dataclasses.fields(cls)} - {"name", "element"}  # pyright: ignore[reportArgumentType]
    constant = {name for name in names if len({getattr(op, name) for op in ops}) == 1}
    assert constant == WITHOUT_CHOICE.get(cls.names[0], set())


def test_operands_come_in_every_storage() -> None:
    found = {n.type.storage for cls in RECIPES for seed in range(3) for n in drawn(cls, seed).nodes}
    assert found == set(Storage)


def test_a_family_may_be_chosen() -> None:
    assert {cls.family for cls in recipes("pooling")} == {"pooling"}
    with pytest.raises(ValueError, match=r"no operator family is called 'poling': .*pooling"):
        recipes("poling")
    assert find(operators("ranking"), lambda graph: True, random=Random(0)).roots["z"].op.family == "ranking"


def test_graphs_have_parameters_and_state() -> None:
    """And hypothesis finds small ones."""
    quick = settings(
        database=None,
        deadline=None,
        max_examples=500,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    quick = settings(quick, phases=(Phase.generate, Phase.shrink))

    def has_state(graph: Graph) -> bool:
        return any(isinstance(n.op, BatchNormalization) and len(graph.updates) >= 3 for n in graph.nodes)

    # the operator, its six operands, and the three values that replace its state
    assert len(find(graphs(operators=[BatchNormalization]), has_state, settings=quick, random=Random(0)).nodes) <= 12

    def trains(graph: Graph) -> bool:
        return any(isinstance(n.op, LearnableParameter) and n.op.is_trained for n in graph.nodes)

    small = find(graphs(), trains, settings=quick, random=Random(0))
    assert len(small.nodes) <= 4


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)
@given(graphs(max_nodes=20))
def test_graphs_verify(graph: Graph) -> None:
    verify(graph)


def test_aliases_are_drawn_as_their_operator() -> None:
    assert operator("Splice") in RECIPES


@pytest.mark.parametrize("storage", list(Storage))
@pytest.mark.parametrize("cls", [cls for cls in RECIPES if cls.takes_sparse], ids=lambda cls: cls.names[0])
def test_the_first_input_is_stored_as_asked(cls: type[Op], storage: Storage) -> None:
    drawing = Drawing(Seeded.of("storages"))
    for seed in range(5):
        drawing.begin(Seeded.of(cls.names[0], seed), storage)
        node = RECIPES[cls].make(drawing, cls)
        assert storage in {source.type.storage for source in node.inputs}


def test_some_symbols_lie_outside_their_sample() -> None:
    """On either side, but for labels: a label is a class."""
    x, labels = (InputValue(name, (3,), storage=Storage.ONEHOT)() for name in ("x", "labels"))
    graph = Graph({"y": Times()(LearnableParameter("w", (2, 3))(), x), "ce": CrossEntropyWithSoftmax()(labels, x)})
    feeds = random_feeds(graph, frames=60)
    assert set(np.unique(feeds["x"])) == {-1, 0, 1, 2, 3}
    assert set(np.unique(feeds["labels"])) == {0, 1, 2}
