"""``--metrics FILE.jsonl``: one JSON object an event, flushed as it happens."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from graphc.actions.events import (
    CommandStarted,
    Criterion,
    Dumped,
    EpochFinished,
    Event,
    FinalResults,
    Found,
    MinibatchesDone,
    NetworkReady,
    Written,
)


class MetricsFile:
    """Writes events to a stream that the caller opened and closes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def handle(self, event: Event) -> None:
        for entry in _entries(event):
            self._stream.write(json.dumps(entry, allow_nan=False) + "\n")
            self._stream.flush()


def _entries(event: Event) -> Iterator[dict[str, Any]]:
    match event:
        case CommandStarted(section, action):
            yield {"section": section, "event": "start", "action": action}
        case NetworkReady(section=section, parameters=parameters, tensors=tensors):
            counts = {"parameters": parameters, "parameter_tensors": len(tensors)}
            yield {"section": section, "event": "params", "metrics": counts}
        case MinibatchesDone():
            metrics = _metrics(event.criteria)
            entry = _entry(event, "minibatch", event.samples, metrics) | {"minibatch": event.last}
            yield entry | ({"epoch": event.epoch} if event.epoch else {})
        case EpochFinished():
            metrics = _metrics(event.criteria) | {
                "learningRatePerSample": event.learning_rate,
                "momentumAsTimeConstant": event.momentum_time_constant,
                "totalSamplesSeen": event.total_samples,
            }
            if event.samples_per_second:
                metrics["samplesPerSecond"] = event.samples_per_second
            metrics |= event.layout
            yield _entry(event, "epoch", _samples(event.criteria), metrics) | {
                "minibatch": event.minibatches,
                "epoch": event.epoch,
            }
        case FinalResults():
            yield _entry(event, "final", _samples(event.criteria), _metrics(event.criteria)) | {
                "minibatch": event.minibatches
            }
        case Written(section=section, path=path, samples=samples, seconds=seconds, values=values):
            yield {"section": section, "event": "written", "samples": samples, "path": path, "seconds": seconds}
            if values is not None:
                yield {"section": section, "event": "values", "values": _finite(values)}
        case Dumped(section, path, nodes):
            yield {"section": section, "event": "dump", "path": str(path), "nodes": nodes}
        case Found(section, diagnostic):
            yield {"section": section, "event": diagnostic.severity.value, **diagnostic.as_json()}
        case _:
            return


def _entry(
    event: MinibatchesDone | EpochFinished | FinalResults, kind: str, samples: int, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "section": event.section,
        "event": kind,
        "phase": event.phase,
        "samples": samples,
        "metrics": _finite(metrics),
        "seconds": round(event.seconds, 6),
    }


def _metrics(criteria: Sequence[Criterion]) -> dict[str, float]:
    return {c.name: c.value for c in criteria}


def _samples(criteria: Sequence[Criterion]) -> int:
    # one that is accumulated counts 1
    return max((c.samples for c in criteria), default=0)


def _finite(value: Any) -> Any:
    # JSON has no NaN and no infinity; a reader gets them as the strings that Python and JavaScript both parse.
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value
