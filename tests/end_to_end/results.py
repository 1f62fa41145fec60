"""What a run through the command line came to: status, output and metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Result:
    def __init__(self, status: int, out: str, err: str, metrics: Path) -> None:
        self.status, self.out, self.err = status, out, err
        entries = metrics.read_text().splitlines() if metrics.exists() else []
        self.metrics: list[dict[str, Any]] = [json.loads(line) for line in entries]

    def of(self, event: str, phase: str) -> list[dict[str, Any]]:
        return [e for e in self.metrics if e["event"] == event and e.get("phase") == phase]

    @property
    def losses(self) -> list[float]:
        return [e["metrics"]["ce"] for e in self.of("epoch", "train")]
