"""Tools for people who property-test graph transforms, operators and backends (docs/testing.md).

Nothing is imported before it is used: ``import graphc.testing`` costs nothing, and only the strategies need hypothesis,
which ``pip install 'graphc[testing]'`` brings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphc.testing.counterexample import Counterexample
    from graphc.testing.equivalence import assert_equivalent, check_pass
    from graphc.testing.lengths import random_lengths
    from graphc.testing.lowering import check_lowering
    from graphc.testing.model_texts import models, recurrent_models
    from graphc.testing.operator_laws import check_gradient, check_operator
    from graphc.testing.recipes import RECIPES, Recipe
    from graphc.testing.strategies import applications, feeds_for, graphs, operators, tensor_types
    from graphc.testing.values import RandomFeeds, Style, random_feeds, random_parameters

_HOMES = {
    "Counterexample": "counterexample",
    "RECIPES": "recipes",
    "RandomFeeds": "values",
    "Recipe": "recipes",
    "Style": "values",
    "applications": "strategies",
    "assert_equivalent": "equivalence",
    "check_gradient": "operator_laws",
    "check_lowering": "lowering",
    "check_operator": "operator_laws",
    "check_pass": "equivalence",
    "feeds_for": "strategies",
    "graphs": "strategies",
    "models": "model_texts",
    "operators": "strategies",
    "random_feeds": "values",
    "random_lengths": "lengths",
    "random_parameters": "values",
    "recurrent_models": "model_texts",
    "tensor_types": "strategies",
}

__all__ = [
    "RECIPES",
    "Counterexample",
    "RandomFeeds",
    "Recipe",
    "Style",
    "applications",
    "assert_equivalent",
    "check_gradient",
    "check_lowering",
    "check_operator",
    "check_pass",
    "feeds_for",
    "graphs",
    "models",
    "operators",
    "random_feeds",
    "random_lengths",
    "random_parameters",
    "recurrent_models",
    "tensor_types",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
