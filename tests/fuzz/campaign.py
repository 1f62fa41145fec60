"""Many inputs in worker processes: each works through its numbers, is restarted when it dies, and tells what fails."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from tests.fuzz.kinds import KINDS, input_of
from tests.fuzz.watch import MEMORY, Fault, Observation, limit_address_space, observe

# Workers are forked from a clean process that has loaded what all share. From this one they would take over its memory,
# for which they would be blamed, and its threads, for whose locks they could wait for ever.
_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["tests.fuzz.warm"])
# Silence of a worker for so long: it hangs where Python cannot interrupt it, and is ended.
_SILENCE = 400.0
# A worker whose memory has grown over this through many inputs is replaced before it would be to blame.
_WORN_OUT = MEMORY // 2
_TOLD_EVERY = 0.5


@dataclass(frozen=True)
class Failure:
    kind: str
    seed: int
    index: int
    fault: Fault


@dataclass
class Tally:
    """What a campaign of one kind has come to."""

    count: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_index: int = -1
    peak: int = 0
    failures: list[Failure] = field(default_factory=list)


def campaign(kind: str, seed: int, numbers: range, jobs: int = 1) -> Tally:
    """The outcome of the inputs with these numbers."""
    tally = Tally()
    started = time.monotonic()
    workers = [_Worker(kind, seed, numbers[job::jobs]) for job in range(jobs)]
    while any(worker.is_busy for worker in workers):
        for worker in workers:
            worker.listen(tally)
    tally.seconds = time.monotonic() - started
    return tally


def once(kind: str, data: bytes) -> Observation:
    """What one input does, in a process of its own."""
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_observe_one, args=(kind, data, sender))
    process.start()
    sender.close()
    try:
        if receiver.poll(_SILENCE):
            return receiver.recv()
    except EOFError:
        process.join()
        return Observation(Fault(f"died with status {process.exitcode}"), 0.0, 0)
    finally:
        process.kill()
        process.join()
    return Observation(Fault("hang that nothing interrupts"), _SILENCE, 0)


def is_confirmed(failure: Failure) -> bool:
    """Whether it fails by itself: what was slow, or large, in a used process has to be so again."""
    if failure.fault.what not in ("hang", "memory"):
        return True
    return once(failure.kind, input_of(failure.kind, failure.seed, failure.index)).fault is not None


def _observe_one(kind: str, data: bytes, sender: Connection) -> None:
    with _workplace():
        sender.send(observe(KINDS[kind].run, data))


class _Worker:
    """A process and the numbers that are left to it."""

    def __init__(self, kind: str, seed: int, numbers: range) -> None:
        self._kind = kind
        self._seed = seed
        self._numbers = numbers
        self._current = _FORK.Value("q", -1, lock=False)
        self._start()

    @property
    def is_busy(self) -> bool:
        return len(self._numbers) > 0

    def _start(self) -> None:
        self._receiver, sender = _FORK.Pipe(duplex=False)
        arguments = (self._kind, self._seed, self._numbers, self._current, sender)
        self._process = _FORK.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        sender.close()
        self._heard = time.monotonic()

    def listen(self, tally: Tally) -> None:
        if not self.is_busy:
            return
        try:
            if self._receiver.poll(0.2):
                self._heard = time.monotonic()
                self._take(self._receiver.recv(), tally)
            elif time.monotonic() - self._heard > _SILENCE:
                self._blame("hang that nothing interrupts", tally)
        except EOFError:
            self._process.join()
            self._blame(f"died with status {self._process.exitcode}", tally)

    def _take(self, report: _Report, tally: Tally) -> None:
        tally.count += report.count
        tally.peak = max(tally.peak, report.peak)
        if report.slowest > tally.slowest:
            tally.slowest, tally.slowest_index = report.slowest, report.slowest_index
        tally.failures += report.failures
        self._numbers = self._numbers[report.count :]
        if report.is_last:
            self._process.join()
            if self.is_busy:
                self._start()

    def _blame(self, what: str, tally: Tally) -> None:
        """The input under work is to blame; the process is gone, or is ended now."""
        self._process.kill()
        self._process.join()
        index = int(self._current.value)
        done = self._numbers.index(index) + 1 if index in self._numbers else 1
        tally.count += done
        tally.failures.append(Failure(self._kind, self._seed, index, Fault(what)))
        self._numbers = self._numbers[done:]
        if self.is_busy:
            self._start()


@dataclass
class _Report:
    """What happened since the report before."""

    count: int = 0
    slowest: float = 0.0
    slowest_index: int = -1
    peak: int = 0
    failures: list[Failure] = field(default_factory=list)
    is_last: bool = False


def _work(kind: str, seed: int, numbers: Iterable[int], current: Any, sender: Connection) -> None:
    with _workplace():
        report, told = _Report(), time.monotonic()
        for index in numbers:
            current.value = index
            seen = observe(KINDS[kind].run, input_of(kind, seed, index))
            report.count += 1
            report.peak = max(report.peak, seen.peak)
            if seen.seconds > report.slowest:
                report.slowest, report.slowest_index = seen.seconds, index
            if seen.fault is not None:
                report.failures.append(Failure(kind, seed, index, seen.fault))
            # after a failure nothing in the process is trusted any more
            worn_out = seen.fault is not None or seen.peak > _WORN_OUT
            if worn_out or time.monotonic() - told > _TOLD_EVERY:
                report.is_last = worn_out
                sender.send(report)
                if worn_out:
                    return
                report, told = _Report(), time.monotonic()
        report.is_last = True
        sender.send(report)


@contextlib.contextmanager
def _workplace() -> Iterator[None]:
    """An empty current folder, no cache, silence, and what is there already kept out of garbage collection."""
    limit_address_space()
    os.environ["GRAPHC_CACHE_DIR"] = "/dev/null/none"
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        os.chdir(folder)
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.chdir("/")
