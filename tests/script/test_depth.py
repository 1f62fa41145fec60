"""Depth and size: what real models need works at any recursion limit, what never ends is told quickly."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

import pytest

from graphc.diagnostics import Diagnostic
from graphc.script.evaluator import Limits
from graphc.script.stack import DeepStack
from graphc.script.values import PoisonError


def fails(script: Any, text: str, limits: Limits | None = None) -> Diagnostic:
    evaluator = script.evaluator(limits)
    with pytest.raises(PoisonError):
        script.member(text, evaluator)
    [found] = evaluator.diagnostics.found
    return found


DEEP = {
    "an array whose elements need the one before": "x[i:0..20000] = if i < 1 then 0 else x[i-1] + 1 ; do = x[20000]",
    "a recursion": "f(n) = if n == 0 then 0 else 1 + f(n-1) ; do = f(20000)",
    "records in records": "f(n) = if n == 0 then { v = 0 } else { v = f(n-1).v + 1 } ; do = f(20000).v",
    "an expression as long as a book": "do = 0" + " + 1" * 20000,
}


@pytest.mark.parametrize("name", DEEP)
def test_chains_of_20000_evaluations(script: Any, name: str) -> None:
    limit = sys.getrecursionlimit()
    assert script.member(DEEP[name]) == 20000.0
    assert sys.getrecursionlimit() == limit


def test_nodes_in_nodes(script: Any) -> None:
    # every level goes through the host, with generators and properties of C on its way
    evaluator = script.evaluator()
    script.network("{ x = Input{1} ; h[i:0..3000] = if i == 0 then x else Tanh (h[i-1]) ; z = h[3000] }", evaluator)
    assert len(evaluator.host.made) == 3001


def test_arrays_nested_as_deep_as_repeat_counts(script: Any) -> None:
    shape = script.member("do = new TensorShape { dims = Repeat (10000, 3) }")
    assert shape.dims == (3,) * 10000
    assert len(script.member("do = Format (Repeat (10000, 3), '')")) > 10000


ENDLESS = {
    "f(x) = 1 + f(x+1) ; do = f(1)": ("f", "1:12"),
    "f(x) = g(x) ; g(x) = Identity (f(x)) ; do = f(1)": ("g", "1:8"),
    "f = (x => f(x)) ; do = f(1)": ("f", "1:11"),
    "x[i:0..1e5] = x[i+1] ; do = x[0]": ("function", ""),
    "h(n) = { a = h(n+1).a }.a ; do = h(0)": ("h", "1:14"),
}


@pytest.mark.parametrize("text", ENDLESS)
def test_recursion_without_end_names_the_function_and_the_call(script: Any, text: str) -> None:
    name, place = ENDLESS[text]
    found = fails(script, text, Limits(calls=5000))
    assert found.code == "GC0311"
    if place:
        assert f"'{name}'" in found.message
        assert str(found.span) == f"model.bs:{place}"


def test_recursion_without_end_is_told_quickly(script: Any) -> None:
    start = time.monotonic()
    found = fails(script, "f(x) = f(x+1) ; do = f(1)")
    assert found.message == "recursion of 'f' does not end: 50,000 calls are nested"
    # half a second; generous, because the machine may be busy
    assert time.monotonic() - start < 10


def test_what_is_never_looked_at_costs_nothing(script: Any) -> None:
    text = "x[i:0..999999] = array[0..999999](j => i + j) ; do = x[7][5] + Length (x << 10) + Length (x[8])"
    assert script.member(text) == 12 + 999990 + 1000000
    total = "sum(a) = if Length(a) == 0 then 0 else a[0] + sum(a << 1) ; do = sum(array[0..9999](i => 1))"
    assert script.member(total) == 10000


def test_strings_and_arrays_have_a_largest_size(script: Any) -> None:
    assert fails(script, "f(s, n) = if n == 0 then s else f(s + s, n-1) ; do = f('ab', 40)").code == "GC0312"
    assert fails(script, "do = array[0..1e15](i => i)").code == "GC0312"
    assert fails(script, "do = array[0..1/0](i => i)").code == "GC0305"


@pytest.mark.parametrize("what", ["Repeat (0/0, 3)", "Repeat (1e30, 3)", "Repeat (20, 3) : a[20]"])
def test_nests_of_arrays_without_end_are_told_where_they_are_flattened(script: Any, what: str) -> None:
    text = f"a[i:0..20] = if i == 0 then 1:1 else a[i-1]:(a[i-1]) ; do = new TensorShape {{ dims = {what} }}"
    assert fails(script, text, Limits(calls=5000, elements=5000)).code == "GC0312"


def test_a_deadline(script: Any) -> None:
    found = fails(
        script, "f(n) = if n < 1 then 1 else f(n-1) + f(n-1) ; do = f(60)", Limits(idle_calls=10**9, seconds=0.2)
    )
    assert found.code == "GC0314"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send itself Ctrl-C alone")
@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_stops_an_evaluation(script: Any) -> None:
    evaluator = script.evaluator(limits=Limits(idle_calls=10**9, seconds=60))
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        script.member("f(n) = if n < 1 then 1 else f(n-1) + f(n-1) ; do = f(60)", evaluator)
    assert evaluator.diagnostics.found == []


def test_a_system_without_more_threads_is_a_depth_limit(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Thread.start
    count = iter(range(100))

    def start(thread: threading.Thread) -> None:
        if next(count) >= 3:
            raise RuntimeError("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    found = fails(script, "f(x) = 1 + f(x) ; do = f(1)")
    assert (found.code, str(found.span)) == ("GC0311", "model.bs:1:12")


def test_bugs_of_a_host_pass_with_their_own_exception(script: Any) -> None:
    evaluator = script.evaluator()

    def broken(*_: Any) -> None:
        raise AssertionError("a bug")

    evaluator.host.operation = broken
    for _ in range(2):
        with pytest.raises(AssertionError, match="a bug"):
            script.network("{ x = Input{1} ; z = x + x }", evaluator)
    assert evaluator.diagnostics.found == []


def test_work_runs_once_on_a_fresh_stack_and_hands_back_what_it_raises() -> None:
    stack = DeepStack()
    here = threading.get_ident()
    assert stack.run(lambda: threading.get_ident()) != here
    assert stack.run(lambda: stack.run(threading.get_ident) == threading.get_ident())
    with pytest.raises(ZeroDivisionError):
        stack.run(lambda: stack.run_fresh(lambda: 1 // 0))
    assert stack.run(lambda: "again") == "again"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send itself Ctrl-C alone")
@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_stack_stays_deep_until_it_is_left_though_nobody_waits_for_it() -> None:
    """Python aborts where its limit falls below the depth of a thread that is still at work."""
    entered, left = threading.Event(), threading.Event()
    limit = sys.getrecursionlimit()

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            entered.set()
            left.wait()

    def interrupt() -> None:
        entered.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        DeepStack().run(lambda: deep(3 * limit))
    assert sys.getrecursionlimit() > 3 * limit
    left.set()
    deadline = time.monotonic() + 60
    while sys.getrecursionlimit() != limit and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sys.getrecursionlimit() == limit
