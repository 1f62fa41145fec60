"""How an epoch goes: when somebody wants to know, and averages from the step's running sums."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from graphc.actions.events import Criterion, MinibatchesDone, Observer
from graphc.config.learner import SGDSettings
from graphc.train.totals import Totals


def report_ranges(total: int, period: int, each_of_first: int) -> list[tuple[int, int]]:
    """``first, last`` of every ``period`` minibatches, of each of the first ones, and of what remains."""
    period = period or max(total, 1)
    ends = {*range(1, min(each_of_first, total) + 1), *range(period, total + 1, period), total}
    ordered = sorted(ends - {0})
    return list(zip([0, *ordered], ordered, strict=False))


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
        *,
        is_first: bool,
    ) -> None:
        self._section = section
        self._sgd = sgd
        self._operations = operations
        self._observer = observer
        self._counts = counts
        self._epoch = epoch
        self._is_sized = bool(sgd.epoch_size) or not is_first
        self._totals = Totals(dict.fromkeys(operations, 0.0), {}, dict.fromkeys(operations, 0))
        self._since = time.perf_counter()
        self._rates: list[tuple[int, float]] = []

    @property
    def samples(self) -> int:
        """Those that the criterion has counted so far."""
        return next(iter(self._totals.samples.values()))

    def reports(self) -> list[tuple[int, int]]:
        """Ranges of minibatches after each of which somebody wants to know how it goes."""
        sgd = self._sgd
        return report_ranges(len(self._counts), sgd.num_mbs_to_show_result, sgd.first_mbs_to_show_result)

    def report(self, first: int, last: int, totals: Totals) -> None:
        now = time.perf_counter()
        criteria = self._criteria(totals.since(self._totals))
        samples = criteria[0].samples
        period = self._sgd.num_mbs_to_show_result
        due = bool(period) and last % period == 0
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
                is_sized=self._is_sized,
                shown=due or last <= self._sgd.first_mbs_to_show_result,
            )
        )
        self._rates.append((samples, now - self._since))
        self._totals, self._since = totals, now

    def averages(self) -> tuple[Criterion, ...]:
        return self._criteria(self._totals)

    def samples_per_second(self) -> float:
        """Of the epoch without its first report, in which programs are compiled, unless that is all there is."""
        rates = self._rates[1:] or self._rates
        return sum(n for n, _ in rates) / max(sum(s for _, s in rates), 1e-9)

    def _criteria(self, totals: Totals) -> tuple[Criterion, ...]:
        return averages(totals, self._operations)


def averages(totals: Totals, operations: Mapping[str, str]) -> tuple[Criterion, ...]:
    """Average of each root, in the order of ``operations``, which has their operations by name."""
    sums, samples = totals.sums, totals.samples
    return tuple(Criterion(n, op, sums[n] / max(samples[n], 1), samples[n]) for n, op in operations.items())
