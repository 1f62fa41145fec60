"""A few thousand inputs of every kind, always the same, and every bomb; `python -m tests.fuzz` runs a million."""

from __future__ import annotations

import pytest

from tests.fuzz import bombs
from tests.fuzz.campaign import Tally, campaign, is_confirmed, once
from tests.fuzz.kinds import KINDS, input_of
from tests.fuzz.shrink import shrink
from tests.fuzz.watch import MEMORY, BrokenLaw, observe

ORDINARY = [name for name, kind in KINDS.items() if kind.weight]


@pytest.mark.parametrize("kind", ORDINARY)
def test_inputs_are_accepted_or_diagnosed(kind: str) -> None:
    tally = campaign(kind, 0, range(20 * KINDS[kind].weight))
    assert tally.count == 20 * KINDS[kind].weight
    _require_none(tally)


@pytest.mark.parametrize("kind", ["script-bombs", "configuration-bombs"])
def test_small_bombs(kind: str) -> None:
    _require_none(campaign(kind, 0, range(30)))


def _require_none(tally: Tally) -> None:
    failures = [f for f in tally.failures if is_confirmed(f)]
    assert not failures, "\n".join(f"{f.index}: {f.fault.what}\n{f.fault.detail}" for f in failures)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["script-bombs", "configuration-bombs"])
def test_bombs(kind: str) -> None:
    for data in bombs.every(kind):
        seen = once(kind, data)
        assert seen.fault is None, (data[:80], seen.fault)


_SHARED = " ".join(f"a{i + 1} = {{ p = a{i} ; q = a{i} }}" for i in range(60))
_SUBSTITUTED = "\n".join(f"a{i} = $a{i + 1}$$a{i + 1}$" for i in range(60))

# Of what a text below a megabyte can ask for: depth, length, doubling at every step, sharing, long names.
GREEDY = {
    "brackets": ("script-bombs", "{ a = " + "(" * 200_000),
    "records in records": ("script-bombs", "{ a = " + "{ a = " * 20_000 + "1" + "}" * 20_000 + " }"),
    "a chain of operators": ("script-bombs", "{ x = Input{1} ; z = x" + " + x" * 20_000 + " }"),
    "a chain of functions": ("script-bombs", "{ f = (v => v)" + " >> (v => v + 1)" * 20_000 + " ; x = Input {f (3)} }"),
    "a node inside its own name": ("script-bombs", "{ x = Input{1} ; z = Fac (x) }"),
    "nodes that double": (
        "script-bombs",
        "{ x = Input {2} ; f (n) = if n == 0 then Sigmoid (x) else f (n - 1) + f (n - 1) ; z = f (40) }",
    ),
    "an array": ("script-bombs", "{ x = Input {array[1..1e9] (i => 1)} }"),
    "a repetition": ("script-bombs", "{ x = Input {Repeat (1e9, 1)} }"),
    "a nest of arrays": ("script-bombs", "{ x = Input {Repeat (2000, Repeat (2000, 3))} }"),
    "a string": ("script-bombs", "{ f (s, n) = if n == 0 then s else f (s + s, n - 1) ; x = Fail (f ('ab', 60)) }"),
    "a format": ("script-bombs", "{ x = Fail (Format (1, '999999999.999999999')) }"),
    "a power": ("script-bombs", "{ x = Input {2 ** 1e6} ; z = DenseLayer {2 ** 62} (x) }"),
    "shared records": ("script-bombs", f"{{ a0 = {{ v = 1 }} ; {_SHARED} ; z = Print (a60) }}"),
    "substitutions": ("configuration-bombs", f"{_SUBSTITUTED}\na60 = x\ncommand = $a0$"),
    "merged sections": ("configuration-bombs", "a = [ b = 1 ]\n" * 20_000),
    "a list": ("configuration-bombs", "command = T\nT = [ action = train ; SGD = [ learningRatesPerMB = 1*1000000 ] ]"),
    "an axis": ("graph", "x = Input(shape=(2, 3))\nz = TransposeDimensions(x, axis1=1, axis2=1e9)"),
    "a shape": ("network", "x = InputValue(shape=(2147483647, 2147483647)) : float32[1 x *]\nfeature x"),
}


@pytest.mark.parametrize("name", GREEDY)
def test_memory_is_bounded(name: str) -> None:
    kind, text = GREEDY[name]
    seen = once(kind, text.encode())
    assert seen.fault is None, seen.fault
    assert seen.peak < MEMORY


def test_an_input_is_the_same_every_time() -> None:
    assert input_of("program", 7, 3) == input_of("program", 7, 3) != input_of("program", 8, 3)


def test_what_fails_is_seen_and_made_small() -> None:
    def work(data: bytes) -> None:
        if b"7" in data:
            raise BrokenLaw("no seven")

    assert observe(work, b"1 2 3").fault is None
    fault = observe(work, b"1 7 3").fault
    assert fault is not None and fault.what == "BrokenLaw in test_fuzz.py:work: no seven"
    assert shrink(b"one\ntwo 7 two\nthree\n", lambda data: b"7" in data) == b"7"
