"""How an epoch goes: when somebody wants to know, and averages from the step's running sums."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from graphc.actions.events import Criterion, MinibatchesDone, Observer
from graphc.config.learner import SGDSettings


class Progress:
    """Turns running sums into averages since the last report and over the epoch."""

    def __init__(
        self,
        section: str,
        sgd: SGDSettings,
        operations: Mapping[str, str],
        observer: Observer,
        counts: npt.NDArray[np.int64],
        epoch: int,
    ) -> None:
        self._section = section
        self._sgd = sgd
        self._operations = operations
        self._observer = observer
        self._counts = counts
        self._epoch = epoch
        self._sums = dict.fromkeys(operations, 0.0)
        self._since = time.perf_counter()
        self._rates: list[tuple[int, float]] = []

    @property
    def samples(self) -> int:
        return int(self._counts.sum())

    def reports(self) -> list[tuple[int, int]]:
        """Ranges of minibatches after each of which somebody wants to know how it goes."""
        sgd, total = self._sgd, len(self._counts)
        period = sgd.num_mbs_to_show_result or total
        ends = {*range(1, min(sgd.first_mbs_to_show_result, total) + 1), *range(period, total + 1, period), total}
        ordered = sorted(ends - {0})
        return list(zip([0, *ordered], ordered, strict=False))

    def report(self, first: int, last: int, sums: Mapping[str, float]) -> None:
        now = time.perf_counter()
        samples = int(self._counts[first:last].sum())
        criteria = self._criteria({n: sums[n] - self._sums[n] for n in sums}, samples)
        period = self._sgd.num_mbs_to_show_result
        partial = last == len(self._counts) and bool(period) and last % period != 0
        self._observer.handle(
            MinibatchesDone(
                self._section,
                "train",
                self._epoch,
                self._sgd.max_epochs,
                first + 1,
                last,
                criteria,
                samples,
                now - self._since,
                last / len(self._counts),
                shown=bool(period) and not partial,
            )
        )
        self._rates.append((samples, now - self._since))
        self._sums, self._since = dict(sums), now

    def averages(self) -> tuple[Criterion, ...]:
        return self._criteria(self._sums, self.samples)

    def samples_per_second(self) -> float:
        """Of the epoch without its first report, in which programs are compiled, unless that is all there is."""
        rates = self._rates[1:] or self._rates
        return sum(n for n, _ in rates) / max(sum(s for _, s in rates), 1e-9)

    def _criteria(self, sums: Mapping[str, float], samples: int) -> tuple[Criterion, ...]:
        return tuple(Criterion(n, op, sums[n] / max(samples, 1), samples) for n, op in self._operations.items())
