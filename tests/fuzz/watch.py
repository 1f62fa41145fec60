"""One input under watch: what it breaks, how long it takes, how much memory the process has needed."""

from __future__ import annotations

import contextlib
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

from graphc.diagnostics import DiagnosticError

# No small input may take longer: of processor time, because the machine may be busy.
SECONDS = 2.0
# Work grows linearly with the text: a second more for so many bytes.
_BYTES_A_SECOND = 50_000
# An input that waits for something is stopped too: a pipe nobody writes to. Generous, for the machine may be busy.
_WAITING_SECONDS = 200.0
_LOOK_EVERY = 0.1
# `check` of any file below a megabyte stays within it.
MEMORY = 1 << 30
# The system refuses more than this, so that a runaway input harms nobody else.
_ADDRESS_SPACE = 16 << 30


@dataclass(frozen=True)
class Fault:
    """``what`` is the same for two inputs that fail for one reason."""

    what: str
    detail: str = ""


class BrokenLaw(AssertionError):
    """Something that holds for every input does not hold for this one."""


class _TooSlow(BaseException):
    """Raised by the alarm; no handler of errors may swallow it."""


@dataclass(frozen=True)
class Observation:
    fault: Fault | None
    seconds: float
    peak: int


def observe(work: Callable[[bytes], None], data: bytes) -> Observation:
    """What ``work`` did with an input. Wrong input may be told in diagnostics and in no other way."""
    fault = None
    before = peak()
    started = time.process_time()
    try:
        with _alarm(allowed(len(data))):
            work(data)
    except DiagnosticError:
        pass
    except _TooSlow:
        fault = Fault("hang", traceback.format_exc())
    except BaseException as error:
        fault = Fault(_signature(error), traceback.format_exc())
    seconds = time.process_time() - started
    used = peak()
    # what the process held already, as that of a test does, is not to blame on the input
    if fault is None and used > max(MEMORY, before + MEMORY // 2):
        fault = Fault("memory", f"the process has needed {used >> 20} MiB, {before >> 20} of them before")
    return Observation(fault, seconds, used)


def allowed(size: int) -> float:
    """Seconds of processor time for an input of so many bytes."""
    return SECONDS + size / _BYTES_A_SECOND


def peak() -> int:
    """Bytes of memory that this process has held at most, until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def limit_address_space() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    began, clock = time.process_time(), time.monotonic()

    def ring(number: int, frame: FrameType | None) -> None:
        if time.process_time() - began > seconds or time.monotonic() - clock > _WAITING_SECONDS:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise _TooSlow

    # Of all timers only this one wakes a main thread that waits for another.
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, _LOOK_EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _signature(error: BaseException) -> str:
    """The exception, and the innermost of our own functions that it came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/tests/fuzz/watch.py" not in f.filename]
    own = [f for f in frames if "/graphc/" in f.filename or "/tests/fuzz/" in f.filename] or frames
    place = f" in {own[-1].filename.rpartition('/')[2]}:{own[-1].name}" if own else ""
    said = f": {error}" if isinstance(error, BrokenLaw) else ""
    return f"{type(error).__name__}{place}{said.splitlines()[0] if said else ''}"
