"""Evaluation deeper than any stack: every few thousand levels it goes on in a fresh thread, whose stack is empty."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

# Python frames need only heap, but each detour through C (a generator consumed by `tuple`, a property) needs real
# stack and, since 3.12, counts against a limit of about 10,000 that cannot be raised. Both are counted per thread.
_STACK_BYTES = 64 << 20
_PYTHON_FRAMES = 200_000


class DeepStack:
    """Runs work on threads of its own, one at a time: the one that started another waits for it."""

    def __init__(self) -> None:
        self._thread = 0
        self.cancelled = False

    def is_current(self) -> bool:
        """Whether the caller is on this stack already."""
        return threading.get_ident() == self._thread

    def run(self, work: Callable[[], T]) -> T:
        """The result of ``work``, called on a deep stack: at once if this is one already."""
        if self.is_current():
            return work()

        def lifted() -> T:
            # in the thread itself: who waits for it may be interrupted and go on while it is still deep
            with _many_frames():
                return work()

        return self.run_fresh(lifted)

    def run_fresh(self, work: Callable[[], T]) -> T:
        """The result of ``work``, called on a stack that is empty."""
        outcome: list[Any] = []
        finished = threading.Lock()
        finished.acquire()

        def body() -> None:
            self._thread = threading.get_ident()
            try:
                outcome.extend((work(), None))
            except BaseException as error:  # raised again by the thread that waits
                outcome.extend((None, error))
            finally:
                finished.release()

        waiting = self._thread
        _start(body)
        try:
            # a lock, not join(): only this one lets Ctrl-C through at once
            finished.acquire()
        except BaseException:
            self.cancelled = True
            raise
        finally:
            self._thread = waiting
        result, error = outcome
        if error is not None:
            raise error
        return result


# The recursion limit and the stack size of new threads belong to the process, so their guards do too.
_guard = threading.Lock()
_users: list[int] = []


@contextmanager
def _many_frames() -> Iterator[None]:
    """Lift Python's recursion limit while any evaluator is at work."""
    with _guard:
        _users.append(sys.getrecursionlimit())
        sys.setrecursionlimit(max(_users[0], _PYTHON_FRAMES))
    try:
        yield
    finally:
        with _guard:
            before = _users.pop()
            if not _users:
                sys.setrecursionlimit(before)


def _start(body: Callable[[], None]) -> None:
    with _guard:
        before = threading.stack_size(_STACK_BYTES)
        try:
            threading.Thread(target=body, name="graphc-script", daemon=True).start()
        except RuntimeError as error:
            # the system has no more threads or memory for them: as deep as it goes
            raise RecursionError(str(error)) from None
        finally:
            threading.stack_size(before)
