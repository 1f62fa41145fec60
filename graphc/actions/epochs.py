"""What each epoch of a training command takes, planned while the epoch before it still runs on the device."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.actions.feeding import Data
from graphc.config.learner import SGDSettings
from graphc.data.batches import FrameUse, Shape
from graphc.train.step import Epoch, TrainingStep


@dataclass(eq=False)
class Epochs:
    """The epochs of a training command, counted from 1."""

    sgd: SGDSettings
    seed: int
    step: TrainingStep
    data: Data
    _ahead: dict[int, Epoch] = field(default_factory=dict, init=False)
    _compiled: set[Shape] = field(default_factory=set, init=False)

    def take(self, epoch: int) -> Epoch:
        """The epoch, planned ahead or now."""
        return self._ahead.pop(epoch, None) or self._planned(epoch)

    def use(self, epoch: Epoch) -> tuple[FrameUse, int] | None:
        """Of an epoch of sequences how much of its work is real, and for how many shapes it was the first."""
        batches = epoch.minibatches.batches
        if batches is None:
            return None
        use = batches.use()
        fresh = use.shapes - self._compiled
        self._compiled |= fresh
        return use, len(fresh)

    def plan_ahead(self, epoch: int) -> None:
        """Plan an epoch if there is one; worth it as long as the device has work to go on with."""
        if epoch <= self.sgd.max_epochs:
            self._ahead[epoch] = self._planned(epoch)

    def _planned(self, epoch: int) -> Epoch:
        sgd = self.sgd
        minibatches, _ = self.data.plan(self.step.graph, epoch - 1, sgd.minibatch_size.value(epoch - 1), sgd.epoch_size)
        return self.step.epoch(
            minibatches,
            learning_rate=sgd.learning_rate(epoch - 1),
            momentum_per_sample=sgd.momentum(epoch - 1),
            settings=_settings(sgd, epoch),
            noise=sgd.gaussian_noise_inject_std.value(epoch - 1),
            seed=self.seed,
            epoch=epoch,
        )


def _settings(sgd: SGDSettings, epoch: int) -> dict[str, float]:
    """What the schedules set for an epoch. A batch normalization keeps its own constants until its schedule moves."""
    found = {"dropout_rate": sgd.dropout_rate.value(epoch - 1)}
    schedules = {
        "batch_normalization_time_constant": sgd.batch_normalization_time_constant,
        "batch_normalization_blend_time_constant": sgd.batch_normalization_blend_time_constant,
    }
    for name, schedule in schedules.items():
        if schedule is not None and any(schedule.value(e) for e in range(epoch)):
            found[name] = schedule.value(epoch - 1)
    return found
