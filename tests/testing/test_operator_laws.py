"""Every operator keeps the laws of operators, and its gradient is the derivative of its value."""

from __future__ import annotations

import dataclasses

import pytest

from graphc.ir import Op
from graphc.testing import RECIPES, check_gradient, check_operator
from graphc.testing.runs import OPTIONS, examples, options

WITH_PULLBACK = [cls for cls in RECIPES if hasattr(cls, "pullback")]
MANY = 200


@pytest.mark.parametrize("cls", RECIPES, ids=lambda cls: cls.names[0])
def test_laws(cls: type[Op]) -> None:
    check_operator(cls)


@pytest.mark.parametrize("cls", WITH_PULLBACK, ids=lambda cls: cls.names[0])
def test_gradients(cls: type[Op]) -> None:
    check_gradient(cls)


@pytest.mark.slow
@pytest.mark.parametrize("cls", RECIPES, ids=lambda cls: cls.names[0])
def test_many(cls: type[Op]) -> None:
    token = OPTIONS.set(dataclasses.replace(options(), examples=examples(MANY)))
    try:
        check_operator(cls)
        check_gradient(cls)
    finally:
        OPTIONS.reset(token)


def test_differences_are_declared_for_operands_that_exist() -> None:
    for cls in RECIPES:
        assert set(cls.gradient_differs) <= set(range(len(cls.operands))) - cls.no_gradient
        assert not cls.gradient_differs or hasattr(cls, "pullback"), cls
