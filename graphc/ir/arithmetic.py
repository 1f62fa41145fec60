"""In which number type a program computes where rounding does no harm; values are kept in the graph's own type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

# full: the graph's own
Arithmetic = Literal["full", "half", "bfloat16"]

# the configuration's precision → the arithmetic of its programs; graphs of the last two hold float32
ARITHMETIC: Mapping[str, Arithmetic] = {"float": "full", "double": "full", "half": "half", "bfloat16": "bfloat16"}

LARGEST_HALF = 65504.0
