"""Which files training writes, and where it goes on when it is called again (`makeMode`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ModelFiles:
    """The model files of a training command. Epochs count from 1; epoch 0 is the untrained network."""

    model_path: Path
    epochs: int

    def model(self, epoch: int) -> Path:
        """File of the model after ``epoch``: the last one has no number."""
        return self.model_path if epoch == self.epochs else self._suffixed(f".{epoch}")

    def checkpoint(self, epoch: int) -> Path:
        """What training needs besides the model to go on after ``epoch``."""
        path = self.model(epoch)
        return path.with_name(f"{path.name}.ckp")

    def last_finished(self) -> int | None:
        """The newest epoch to go on from, none if there is none.

        A model that is older than its predecessor belongs to an earlier run and does not count.
        """
        return next(self._usable(), None)

    def _usable(self) -> Iterator[int]:
        for epoch in range(self.epochs, -1, -1):
            time = _modified(self.model(epoch))
            before = _modified(self.model(epoch - 1)) if epoch > 0 else None
            if time is not None and (before is None or time >= before):
                yield epoch

    def _suffixed(self, suffix: str) -> Path:
        return self.model_path.with_name(self.model_path.name + suffix)


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns if path.is_file() else None
    except OSError:
        return None
