"""Fuzz the compiler, and keep what fails, made small, in a folder.

python -m tests.fuzz --seed 1 --count 100000 [--kind program] [--jobs 1] [--out /tmp/found]
python -m tests.fuzz --replay /tmp/found/program-1-42.min --kind program
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.campaign import Failure, Tally, campaign, is_confirmed, once
from tests.fuzz.kinds import KINDS, input_of
from tests.fuzz.shrink import shrink

# Of failures with one cause so many are kept.
_KEPT = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000, help="inputs of all kinds together")
    parser.add_argument("--start", type=int, default=0, help="number of the first input of each kind")
    parser.add_argument("--kind", action="append", choices=KINDS, help="default: all that have a weight")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where failing inputs are kept")
    parser.add_argument("--replay", type=Path, help="run one file as an input of --kind, without a safety net")
    options = parser.parse_args()
    if options.replay:
        KINDS[options.kind[0]].run(options.replay.read_bytes())
        return 0
    failed = False
    for kind, count in _shares(options.kind, options.count):
        tally = campaign(kind, options.seed, range(options.start, options.start + count), options.jobs)
        tally.failures = [failure for failure in tally.failures if is_confirmed(failure)]
        print(_line(kind, options.seed, options.start, tally), flush=True)
        for what, times in Counter(f.fault.what for f in tally.failures).most_common():
            print(f"    {times} times: {what}", flush=True)
        if options.out:
            _keep(tally.failures, options.out)
        failed |= bool(tally.failures)
    return 1 if failed else 0


def _shares(chosen: list[str] | None, count: int) -> Iterator[tuple[str, int]]:
    weights = {name: KINDS[name].weight or 1 for name in chosen} if chosen else {n: k.weight for n, k in KINDS.items()}
    total = sum(weights.values())
    for name, weight in weights.items():
        if weight:
            yield name, max(count * weight // total, 1)


def _line(kind: str, seed: int, start: int, tally: Tally) -> str:
    rate = tally.count / tally.seconds if tally.seconds else 0.0
    return (
        f"{kind}: seed {seed}, inputs {start} to {start + tally.count - 1}, {rate:.0f}/s, "
        f"{len(tally.failures)} failures, slowest {tally.slowest:.2f} s (number {tally.slowest_index}), "
        f"peak {tally.peak >> 20} MiB"
    )


def _keep(failures: list[Failure], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    seen: Counter[str] = Counter()
    for failure in failures:
        seen[failure.fault.what] += 1
        if seen[failure.fault.what] > _KEPT:
            continue
        data = input_of(failure.kind, failure.seed, failure.index)
        stem = folder / f"{failure.kind}-{failure.seed}-{failure.index}"
        stem.with_suffix(".txt").write_text(f"{failure.fault.what}\n\n{failure.fault.detail}")
        stem.with_suffix(".in").write_bytes(data)
        stem.with_suffix(".min").write_bytes(_smallest(failure, data))


def _smallest(failure: Failure, data: bytes) -> bytes:
    def fails(candidate: bytes) -> bool:
        fault = once(failure.kind, candidate).fault
        return fault is not None and fault.what == failure.fault.what

    # an input that fails slowly is shrunk less
    is_slow = failure.fault.what.startswith(("hang", "memory", "died"))
    return shrink(data, fails, attempts=25 if is_slow else 300)


if __name__ == "__main__":
    sys.exit(main())
