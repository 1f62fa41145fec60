"""The digits networks in PyTorch, an epoch for each line on standard input; benchmarks/digits.py starts it.

    python benchmarks/plain_torch.py convnet < epochs

Its own process, because two thread pools in one disturb each other, and its own interpreter if need be: it imports
torch and the standard library only. The allocator is set as graphc sets it, or left alone with GRAPHC_MALLOC=0. On a
machine with other work give it OMP_NUM_THREADS=1: its threads wait for one another many times in each step.
"""

from __future__ import annotations

import math
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "backends" / "xla" / "allocator.py"))["configure"]()  # before torch is there

import torch  # noqa: E402  # pyright: ignore[reportMissingImports]
from torch import nn  # noqa: E402  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # noqa: E402  # pyright: ignore[reportMissingImports]

BATCH, RATE, MOMENTUM = 32, 0.002, math.exp(-32 / 256)

NETWORKS = {
    "logistic": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
    "mlp": lambda: nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(64, 200), nn.ReLU(), nn.Dropout(0.5), nn.Linear(200, 100), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(100, 10),
    ),
    "convnet": lambda: nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Flatten()),
        *(nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)),
    ),
}


def images() -> tuple[torch.Tensor, torch.Tensor]:
    """The training set and its classes."""
    rows = [line.split() for line in (ROOT / "models" / "digits" / "train.ctf").read_text("utf-8").splitlines()]
    x, y = (torch.tensor([numbers(row, *column) for row in rows]) for column in (("|features", 64), ("|labels", 10)))
    return x.reshape(-1, 1, 8, 8), y.argmax(1)


def numbers(row: list[str], column: str, count: int) -> list[float]:
    first = row.index(column) + 1
    return [float(word) for word in row[first : first + count]]


def trainer(name: str) -> Callable[[], float]:
    x, y = images()
    net = NETWORKS[name]()
    # with a rate that stays the same, momentum of unit gain is plain momentum at a smaller rate
    optimizer = torch.optim.SGD(net.parameters(), RATE * (1 - MOMENTUM), MOMENTUM)

    def epoch() -> float:
        started = time.perf_counter()
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(x[rows] / 16), y[rows], reduction="sum").backward()
            optimizer.step()
        return time.perf_counter() - started

    return epoch


def main(name: str) -> None:
    epoch = trainer(name)
    for _ in sys.stdin:
        print(epoch(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
