"""What fuzzing has found, one input a class: told with this code, or accepted where there is none, and quickly."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphc.diagnostics import DiagnosticError
from tests.fuzz import targets
from tests.fuzz.watch import SECONDS, observe

DOUBLED = "\n".join(f"a{i} = $a{i + 1}$$a{i + 1}$" for i in range(60)) + "\na60 = x\ncommand = $a0$"
NETWORK = "x = InputValue(shape={}) : float32[3 x *]\nfeature x"

FOUND = {
    "an axis between the dimensions": (targets.network_text, NETWORK.replace("[3 x *]", "[t x *]"), "GC0901"),
    "a dimension of 5,000 digits": (targets.network_text, NETWORK.replace("[3", "[" + "3" * 5000), "GC0901"),
    "a dimension that is none": (targets.network_text, NETWORK.replace("[3", "[-3"), "GC0901"),
    "an attribute of 5,000 digits": (targets.network_text, NETWORK.format(f"({'3' * 5000},)"), "GC0412"),
    "an escape that is none": (targets.network_text, r'"a\q" = InputValue(shape=(3,))', "GC0901"),
    "half a character": (targets.network_text, r'"a\ud800" = InputValue(shape=(3,))', "GC0901"),
    "an axis of a thousand million": (
        targets.graph_text,
        "x = Input(shape=(2, 3))\nz = TransposeDimensions(x, axis1=1, axis2=1e9)",
        "GC0903",
    ),
    "a quotation mark behind the key of a network": (targets.configuration, 'ExperimentalNetworkBuilder"', "GC0102"),
    "substitutions that double": (targets.configuration, DOUBLED, "GC0114"),
    "brackets without end": (targets.configuration, "a = " + "[" * 100_000, "GC0108"),
    "brackets in brackets": (targets.configuration, "[" * 900 + "a = 1" + "]" * 900, "GC0108"),
    "sections that are merged": (targets.configuration, "a = [ b = 1 ]\n" * 10_000 + "command = x", "GC0506"),
    "an update of another type": (
        targets.graph_text,
        "m = Parameter(shape=1)\nx = Input(shape=1)\nupdate m=x",
        "GC0904",
    ),
    "digits of another script": (targets.script, "{ x = Fail (Format (1, '\u0663')) }", "GC0313"),
    "a device for a parameter": (targets.script, "{ x = ParameterTensor {3, initFromFilePath='/dev/zero'} }", None),
    "a file name with a zero byte": (targets.script, "{ x = BS.Network.Load (Chr (0)) }", None),
    "no strides": (
        targets.network_text,
        "x = InputValue(shape=(6, 6, 2))\n"
        'p = Pooling(x, poolKind="max", kernelDims=(2, 2), stride=()) : float32[3 x 3 x 2 x *]',
        None,
    ),
    "signs": (targets.script, "{ x = Input {3} ; a = " + "-" * 20_000 + "1 ; b = Input {a + 1 - a} }", None),
    "calls that double": (
        targets.script,
        "{ f (n) = if n < 1 then 1 else f (n-1) + f (n-1) ; x = Input {f (60)} }",
        "GC0314",
    ),
    "a recursion that makes nodes": (targets.script, "{ x = Input {1} ; z = Fac (x) }", "GC0312"),
    "a chain of 20,000 operators": (targets.script, "{ x = Input {1} ; z = x" + " + x" * 20_000 + " }", "GC0312"),
    "a million dimensions": (targets.script, "{ x = Input {Repeat (1000, Repeat (1000, 3))} }", "GC0312"),
    "long names that are alike": (
        targets.script,
        f"{{ {'a' * 20_000} = 1 ; x = Input {{{'a' * 20_000}b}} }}",
        "GC0301",
    ),
    "a mark of byte order at the end": (targets.formatting, "a\ufeff", None),
    "a value that goes on behind its quotation marks": (targets.formatting, 'a{b"":=}', None),
    "a separator of lines in a comment": (targets.formatting, "1 #\u2028", None),
}


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target, text, code = FOUND[name]
    codes: set[str] = set()

    def work(data: bytes) -> None:
        try:
            target(data)
        except DiagnosticError as error:
            codes.update(d.code for d in error.diagnostics)
            raise

    seen = observe(work, text.encode())
    assert seen.fault is None, seen.fault
    assert codes == ({code} if code else set())
    assert seen.seconds < 2 * SECONDS
