"""How parameters change: one update of one parameter from its gradient, by the rules of CNTK's SGD block.

Gradients are sums over the minibatch, momentum has unit gain and the learning rate is inside its filter, so a new
rate takes effect gradually. Everything a schedule can change is a scalar argument; what is structure is a field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Rule = Literal["None", "AdaGrad", "FSAdaGrad", "RmsProp"]
State = dict[str, Any]

_ADAGRAD_FLOOR = 1e-16
_RMSPROP_FLOOR = 1e-6
_RMSPROP_FIRST_STEP = 0.02
_FSADAGRAD_MOST = 10.0


class Rates(NamedTuple):
    """Scalars of one update: samples N, rate per sample, momentum^N and variance momentum^N."""

    samples: Any
    learning_rate: Any
    momentum: Any
    variance_momentum: Any


@dataclass(frozen=True)
class Learner:
    """The update rule and its regularisation; weights and thresholds are per sample, 0 and infinity mean none."""

    rule: Rule = "None"
    nesterov: bool = False
    l2: float = 0.0
    l1: float = 0.0
    clipping_threshold: float = math.inf
    clip_by_truncation: bool = True
    norm_with_average_multiplier: bool = True
    variance_time_constant: float = 720000.0
    target_average_denominator: float = 1.0
    rms_gamma: float = 0.99
    rms_increase: float = 1.2
    rms_decrease: float = 0.75
    rms_most: float = 10.0
    rms_least: float = 0.1

    def rates(
        self, samples: npt.NDArray[np.integer], learning_rate: float, momentum_per_sample: float, dtype: str
    ) -> npt.NDArray[np.floating]:
        """A row of `Rates` for each minibatch, powers taken in double: near 1 a float32 base would lose them."""
        n = np.asarray(samples, np.float64)
        variance = np.exp(-n / self.variance_time_constant)
        columns = [n, np.full_like(n, learning_rate), np.float64(momentum_per_sample) ** n, variance]
        return np.stack(columns, axis=-1).astype(dtype)

    def rates_of(self, xp: Any, samples: Any, learning_rate: Any, log_momentum: Any) -> Rates:
        """The same in a program that alone knows the samples; the logarithm of the momentum keeps the power exact."""
        n = samples * xp.ones_like(log_momentum)
        return Rates(n, learning_rate, xp.exp(n * log_momentum), xp.exp(-n / self.variance_time_constant))

    def initial_state(self, w: npt.NDArray[Any]) -> State:
        """What the rule remembers of a parameter before its first update."""
        zeros, zero = np.zeros_like(w), np.zeros((), w.dtype)
        match self.rule:
            case "None":
                return {"smoothed_gradient": zeros}
            case "AdaGrad":
                return {"squares": zeros}
            case "FSAdaGrad":
                return {"squares": zeros, "smoothed_gradient": zeros.copy(), "count": zero}
            case "RmsProp":
                step = np.full_like(w, _RMSPROP_FIRST_STEP)
                return {"squares": zeros, "sign": zeros.copy(), "step": step, "updates": zero}

    def is_by_column(self, regularise: float) -> bool:
        """Whether a column-sparse parameter changes by `update_columns`: other rules change columns of gradient 0 too.

        CNTK has FSAdaGrad and RmsProp for whole gradients only, and L2 makes every gradient whole.
        """
        return self.rule in ("None", "AdaGrad") and self.l2 * regularise == 0

    def update_columns(
        self, xp: Any, w: Any, g: Any, state: Mapping[str, Any], rates: Rates, multiplier: float, touched: Any
    ) -> tuple[Any, State]:
        """New values and state of the columns of a column-sparse parameter that a minibatch touched; no others change.

        Rows of the arrays are columns, ``touched`` is 1 for those that are there, and others are all 0. The filter of
        momentum rests while a column is not touched, and has the gradient without the learning rate.
        """
        g = self._clipped(xp, g, rates.samples)
        rate, m = rates.learning_rate * multiplier, rates.momentum
        if self.rule == "AdaGrad":
            squares = state["squares"] + g * g
            scale = 1 / xp.sqrt(squares + _ADAGRAD_FLOOR)
            if self.norm_with_average_multiplier:
                elements = xp.maximum(touched.sum(), 1) * w.shape[1]
                rate = rate * elements / (scale * touched[:, None]).sum()
            return w - rate * scale * g, {"squares": squares}
        smoothed = m * state["smoothed_gradient"] + (1 - m) * g
        step = m * smoothed + (1 - m) * g if self.nesterov else smoothed
        return w - rate * step, {"smoothed_gradient": smoothed}

    def update(
        self,
        xp: Any,
        w: Any,
        g: Any,
        state: Mapping[str, Any],
        rates: Rates,
        multiplier: float,
        regularise: float,
        noise: Any | None = None,
    ) -> tuple[Any, State]:
        """New value and state of a parameter from the gradient ``g`` of the summed criterion.

        ``multiplier`` is the parameter's learning-rate multiplier, ``regularise`` its share of L1 and L2, 0 or 1;
        ``noise`` is added to the new value, before L1.
        """
        g = self._clipped(xp, g, rates.samples)
        if self.l2 * regularise > 0:
            g = g + (self.l2 * regularise * rates.samples) * w
        rate = rates.learning_rate * multiplier
        rule = {"None": self._plain, "AdaGrad": self._adagrad, "FSAdaGrad": self._fsadagrad, "RmsProp": self._rmsprop}
        step, state = rule[self.rule](xp, g, state, rate, rates)
        return self.moved(xp, w - step, rates, multiplier, regularise, noise), state

    def moved(self, xp: Any, w: Any, rates: Rates, multiplier: float, regularise: float, noise: Any | None) -> Any:
        """A parameter after what comes behind its rule: noise and the soft threshold of L1."""
        w = w if noise is None else w + noise
        if self.l1 * regularise > 0:
            # sign(w)·max(|w| − t, 0), without its sign function
            threshold = rates.learning_rate * multiplier * (self.l1 * regularise) * rates.samples
            w = xp.maximum(w - threshold, 0) + xp.minimum(w + threshold, 0)
        return w

    def _clipped(self, xp: Any, g: Any, samples: Any) -> Any:
        if math.isinf(self.clipping_threshold):
            return g
        threshold = self.clipping_threshold * samples
        if self.clip_by_truncation:
            return xp.clip(g, -threshold, threshold)
        norm = xp.sqrt((g * g).sum())
        return g * xp.where(norm > threshold, threshold / xp.where(norm > 0, norm, 1), 1)

    def _plain(self, xp: Any, g: Any, state: Mapping[str, Any], rate: Any, rates: Rates) -> tuple[Any, State]:
        m = rates.momentum
        new = ((1 - m) * rate) * g
        smoothed = m * state["smoothed_gradient"] + new
        return (m * smoothed + new if self.nesterov else smoothed), {"smoothed_gradient": smoothed}

    def _adagrad(self, xp: Any, g: Any, state: Mapping[str, Any], rate: Any, rates: Rates) -> tuple[Any, State]:
        squares = state["squares"] + g * g
        return self._normalised(rate, 1 / xp.sqrt(squares + _ADAGRAD_FLOOR), g), {"squares": squares}

    def _fsadagrad(self, xp: Any, g: Any, state: Mapping[str, Any], rate: Any, rates: Rates) -> tuple[Any, State]:
        v, m = rates.variance_momentum, rates.momentum
        count = v * state["count"] + (1 - v) * rates.samples
        squares = v * state["squares"] + (1 - v) * g * g
        there = squares != 0
        scale = self.target_average_denominator * xp.sqrt(count) / xp.sqrt(xp.where(there, squares, 1))
        g = xp.where(there, g * xp.minimum(scale, _FSADAGRAD_MOST), g)
        smoothed = m * state["smoothed_gradient"] + (1 - m) * g
        step = rate * xp.where(m > 0, smoothed, g)
        kept = xp.where(m > 0, smoothed, state["smoothed_gradient"])
        return step, {"squares": squares, "smoothed_gradient": kept, "count": count}

    def _rmsprop(self, xp: Any, g: Any, state: Mapping[str, Any], rate: Any, rates: Rates) -> tuple[Any, State]:
        first = state["updates"] == 0
        gamma = self.rms_gamma
        squares = xp.where(first, g * g, gamma * state["squares"] + (1 - gamma) * g * g)
        sign = xp.sign(g)
        longer = xp.minimum(state["step"] * self.rms_increase, self.rms_most)
        shorter = xp.maximum(state["step"] * self.rms_decrease, self.rms_least)
        step = xp.where(state["sign"] * sign > 0, longer, shorter)
        change = self._normalised(rate, step / xp.sqrt(squares + _RMSPROP_FLOOR), g)
        return change, {"squares": squares, "sign": sign, "step": step, "updates": state["updates"] + 1}

    def _normalised(self, rate: Any, scale: Any, g: Any) -> Any:
        return (rate / scale.mean() if self.norm_with_average_multiplier else rate) * scale * g
