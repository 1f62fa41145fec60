"""How a parameter gets its first values: which distribution, how wide, from which seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

# `kind` in CNTK's spelling; a kind outside this table is an error of the author
UNIFORM_KINDS = ("uniform", "uniform1", "xavier", "glorotUniform", "heUniform")
NORMAL_KINDS = ("gaussian", "normal", "glorotNormal", "heNormal", "TruncNormal")
RANDOM_KINDS = UNIFORM_KINDS + NORMAL_KINDS
FIXED_KINDS = ("zero", "fixedValue", "bilinear", "fromFile", "fromLiteral")


@dataclass(frozen=True, slots=True)
class Initializer:
    """First values of a parameter, fixed at its construction (operations.md 4.2–4.4 of the CNTK facts).

    ``seed`` is the author's ``randomSeed`` or, when that is negative, the number that construction order assigned.
    ``literal`` holds the text of a matrix for ``fromFile`` and ``fromLiteral``, one row a line.
    """

    kind: str = "uniform"
    scale: float = 1.0
    value: float = 0.0
    filter_rank: int = 0
    output_rank: int = 1
    seed: int = -1
    on_cpu_only: bool = True
    literal: str = ""

    @property
    def is_random(self) -> bool:
        return self.kind in RANDOM_KINDS

    def require_fitting(self, dims: tuple[int, ...]) -> None:
        """Raise `ValueError` if a parameter of that shape (author's order) cannot be initialised so."""
        if self.is_random:
            self.fans(dims)
        elif self.kind == "bilinear" and (len(dims) != 4 or dims[0] != dims[1] or dims[2] != dims[3]):
            raise ValueError("bilinear needs a square kernel and as many input as output channels")

    def fans(self, dims: tuple[int, ...]) -> tuple[float, float]:
        """Fan-in and fan-out of a parameter of that shape (author's order); raises `ValueError`."""
        rank, f, o = len(dims), self.filter_rank, self.output_rank
        if f < 0 or f + abs(o) > rank:
            raise ValueError(f"initFilterRank {f} and initOutputRank {o} do not fit rank {rank}")
        filter_size = math.prod(dims[:f])
        fan_in = filter_size * math.prod(dims[f + o :] if o >= 0 else dims[f : rank + o])
        return float(fan_in), math.prod(dims) * filter_size / fan_in

    def width(self, dims: tuple[int, ...]) -> float:
        """Half range of a uniform kind, standard deviation of a normal one, ``scale`` included."""
        fan_in, fan_out = self.fans(dims)
        widths = {
            "uniform": 0.05,
            "uniform1": 1.0,
            "gaussian": 0.2 / math.sqrt(fan_in),
            "normal": 1.0,
            "TruncNormal": 1.0,
            "xavier": math.sqrt(3 / fan_in),
            "glorotUniform": math.sqrt(6 / (fan_in + fan_out)),
            "glorotNormal": math.sqrt(2 / (fan_in + fan_out)),
            "heUniform": math.sqrt(6 / fan_in),
            "heNormal": math.sqrt(2 / fan_in),
        }
        return widths[self.kind] * self.scale
