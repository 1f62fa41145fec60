"""Texts that are small, or simple, and ask for much: depth, length, sharing, recursion, circular references."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

# Each makes a text from a size, 2 to 100,000.
_SCRIPTS: tuple[Callable[[int], str], ...] = (
    lambda n: "{ a = " + "(" * n + "1" + ")" * n + " }",
    lambda n: "{ a = " + "(" * n,
    lambda n: "{ a = " + "[" * n,
    lambda n: "{ a = " + "{ a = " * n + "1" + "}" * n + " }",
    lambda n: "{ a = " + "[ a = " * n + "1" + "]" * n + " }",
    lambda n: "{ a = " + "[|" * n + "1" + "|]" * n + " }",
    lambda n: "{ a = " + "-" * n + "1 ; x = Input{a} }",
    lambda n: "{ a = " + "!" * n + "true ; x = if a then Input{1} else Input{2} }",
    lambda n: "{ a = " + "".join(f"v{i} => " for i in range(n)) + "1 ; x = Input {a} }",
    lambda n: "{ x = Input{" + " + ".join(["1"] * n) + "} }",
    lambda n: "{ x = Input{" + ":".join(["1"] * n) + "} }",
    lambda n: "{ x = Input{1} ; z = x" + " + x" * min(n, 20_000) + " }",
    lambda n: "{ x = Input{1} ; z = " + "Tanh (" * min(n, 5000) + "x" + ")" * min(n, 5000) + " }",
    lambda n: "{ x = Input{" + "if false then 1 else " * n + "2} }",
    lambda n: "{ x = Input{a" + ".a" * n + "} ; a = { a = a } }",
    lambda n: "{ a = 1" + "[0]" * n + " ; x = Input {a} }",
    lambda n: "{ f (v) = v ; x = Input {f" + " (f)" * n + " (3)} }",
    lambda n: "{ f = (v => v)" + " >> (v => v + 1)" * n + " ; x = Input {f (0)} }",
    lambda n: "{" + " ".join(f"a{i} = a{i + 1}" for i in range(n)) + f" a{n} = Input {{1}} ; z = a0 }}",
    lambda n: "{" + " ".join(f"a{i} = a{(i + 1) % n}" for i in range(n)) + " z = Tanh (a0) }",
    lambda n: (
        "{ a0 = { v = 1 } "
        + " ".join(f"a{i + 1} = {{ p = a{i} ; q = a{i} }}" for i in range(n))
        + f" z = Print (a{n}) }}"
    ),
    lambda n: "{ a0 = 1:1 ; " + " ".join(f"a{i + 1} = a{i}:(a{i})" for i in range(n)) + f" x = Input {{a{n}}} }}",
    lambda n: "{ s0 = 'ab' ; " + " ".join(f"s{i + 1} = s{i} + s{i}" for i in range(n)) + f" x = Fail (s{n}) }}",
    lambda n: "{ x = Input{1} ; " + "a0 = x " + " ".join(f"a{i + 1} = a{i} + a{i}" for i in range(min(n, 3000))) + " }",
    lambda n: f"{{ f (n) = if n < 1 then 1 else f (n-1) + f (n-1) ; x = Input {{f ({n})}} }}",
    lambda n: f"{{ f (n) = if n < 1 then [||] else f (n-1) : f (n-1) ; x = Input {{f ({n})}} }}",
    lambda n: f"{{ x = Input{{2}} ; f (n) = if n < 1 then Sigmoid (x) else f (n-1) + f (n-1) ; z = f ({n}) }}",
    lambda n: (
        f"{{ x = Input{{2}} ; f (n) = if n < 1 then LinearLayer {{2}} (x) else f (n-1) + f (n-1) ; z = f ({n}) }}"
    ),
    lambda n: f"{{ f (n) = {{ a = f (n+1) }}.a ; x = Input {{f ({n})}} }}",
    lambda n: f"{{ a = array[1..{n}e{n % 12}] (i => 1) ; x = Input {{a}} }}",
    lambda n: f"{{ a = Repeat ({n}, Repeat ({n}, 3)) ; x = Input {{a}} }}",
    lambda n: f"{{ s = Format (1, '{n}') ; x = Fail (s) }}",
    lambda n: f"{{ s = Format (1, '{n % 10}.{n}') ; x = Fail (s) }}",
    lambda n: f"{{ a[i:0..{n}] = if i == 0 then 1 else a[i-1] + 1 ; x = Input {{a[{n}]}} }}",
    lambda n: f"{{ a[i:0..{n}] = a[i] ; x = Input {{a[0]}} }}",
    lambda n: (
        f"{{ x = Input{{1}} ; h[i:0..{min(n, 3000)}] = if i == 0 then x else Tanh (h[i-1]) ; z = h[{min(n, 3000)}] }}"
    ),
    lambda n: f"{{ x = Input {{2 ** {n}}} ; z = DenseLayer {{2 ** {n}}} (x) }}",
    lambda n: f"{{ x = Input{{({n}:{n}:3)}} ; z = ConvolutionalLayer {{{n}, ({n}:{n}), pad=true}} (x) }}",
    lambda n: (
        f"{{ x = Input{{({n}:{n}:3)}} ; z = ConvolutionalLayer {{4, (3:3), pad=true, stride={n}, dilation={n}}} (x) }}"
    ),
    lambda n: f"{{ x = Input{{({n}:{n})}} ; z = MaxPoolingLayer {{({n}:{n}), stride=({n}:1), pad=true}} (x) }}",
    lambda n: f"{{ x = Input{{{n}}} ; z = Splice (Repeat ({n}, x), axis=1) }}",
    lambda n: f"{{ x = Input{{3}} ; z = RowRepeat (x, {n}) ; y = RowRepeat (z, {n}) ; w = RowRepeat (y, {n}) }}",
    lambda n: f"{{ x = Input{{3}} ; z = Splice (x : x, axis={n}) ; y = TransposeDimensions (x, 1, {n}) }}",
    lambda n: (
        f"{{ s = Replace (Replace ('{'a' * min(n, 5000)}', 'a', '{'b' * min(n, 5000)}'), 'b', 'cc') ; x = Fail (s) }}"
    ),
    lambda n: "{ a = 'x" + " " * n + "' ; x = Fail (a) }",
    lambda n: "{ a = " + "9" * n + " ; x = Input {a} }",
    lambda n: "{ a = 0x" + "F" * n + " ; x = Input {a} }",
    lambda n: "{ a = 1." + "0" * n + "e" + "9" * (n % 30) + " ; x = Input {a} }",
    lambda n: "{ " + "a" * n + " = Input {1} ; z = " + "a" * n + "b }",
    lambda n: "{ x = Input {1} " + "/* " * n + " }",
    lambda n: "{ x = Input {1} " + "\n" * n + " y = }",
    lambda n: "{ x = f (" + ", ".join(f"p{i}={i}" for i in range(n)) + ") ; f (v) = v }",
    lambda n: "{ f (" + ", ".join(f"p{i}" for i in range(n)) + ") = p0 ; x = Input {f (1)} }",
    lambda n: "{ x = new " * n + "TensorShape {}" + "}" * n,
    lambda n: "{ a = { v = 1 }" + " with { v = 2 }" * n + " ; x = Input {a.v} }",
    lambda n: "{ x = Input {1} ; z = if x then " * min(n, 5000) + "1" + " else 2" * min(n, 5000) + " }",
    lambda n: (
        f"{{ t (n) = {{ l = t (n-1) ; r = t (n-1) ; v = if n == 0 then 1 else l.v + r.v }} ; x = Input {{t ({n}).v}} }}"
    ),
    lambda n: f"{{ x = Input {{Length (array[0..{n}] (i => array[0..{n}] (j => i)))}} }}",
    lambda n: f"{{ g (n) = Print (n) : g (n+1) ; z = Length (g ({n})) : g(0)[1] }}",
)
_CONFIGURATIONS: tuple[Callable[[int], str], ...] = (
    lambda n: "a = " + "[" * n + "]" * n,
    lambda n: "a = " + "[ a = " * n + "1" + "]" * n + "\n",
    lambda n: "[" * n + "a = 1" + "]" * n,
    lambda n: "a = " + "(" * n + "1:2" + ")" * n,
    lambda n: "\n".join(f"a{i} = $a{i + 1}$$a{i + 1}$" for i in range(n)) + f"\na{n} = x\ncommand = $a0$",
    lambda n: "\n".join(f"a{i} = $a{(i + 1) % n}$" for i in range(n)) + "\ncommand = $a0$",
    lambda n: "a = $a$\n" * n + "command = $a$",
    lambda n: "a = $" * n,
    lambda n: "command = " + "$a$" * n + "\na = " + "b" * n,
    lambda n: "command = " + ":".join(f"c{i}" for i in range(n)),
    lambda n: "command = a*" + str(n) + "\na = [ action = train ]",
    lambda n: f"command = T\nT = [ action = train ; SGD = [ learningRatesPerMB = 0.1*{n}:0.2*{n} ; maxEpochs = {n} ] ]",
    lambda n: "a = [ b = 1 ]\n" * n,
    lambda n: "a = [ b = [ c = 1 ] ]\n" * n + "command = a",
    lambda n: "a = " + "'" * n,
    lambda n: "a = " + '"' * n,
    lambda n: "#" * n + "\na = 1" + " #" * n,
    lambda n: "//" * n,
    lambda n: "\n" * n + "command = " + " " * n + "x",
    lambda n: " " * n + "a = 1\n" + "\t" * n,
    lambda n: "BrainScriptNetworkBuilder = [ /*" + " * /" * n,
    lambda n: "BrainScriptNetworkBuilder" * n,
    lambda n: "a " * n,
    lambda n: "=" * n,
    lambda n: "a" * n + " = " + "b" * n,
    lambda n: "include=" + "x+" * n,
    lambda n: "include=input.cntk\n" * n + "a = 1",
    lambda n: ";" * n + "a=1" + "," * n,
    lambda n: "command = T\nT = [ action = train\n" + "k = v\n" * n + "]",
    lambda n: "command = T\nT = [ action = train\n" + "".join(f"k{i} = v\n" for i in range(n)) + "]",
    lambda n: (
        "command = T\nT = [ action = train ; SimpleNetworkBuilder = [ layerSizes = "
        + ":".join(["2"] * min(n, 2000))
        + " ] ]"
    ),
    lambda n: f"command = T\nT = [ action = train ; SimpleNetworkBuilder = [ layerSizes = 2:2*{n}:2 ] ]",
)
_SIZES = (2, 3, 5, 10, 25, 60, 100, 300, 1000, 3000, 10_000)
_LARGE = (30_000, 100_000)
# A configuration with more text than this is none that somebody wrote.
_LONGEST = 1_000_000


def script(rng: random.Random) -> bytes:
    return _text(rng, _SCRIPTS)


def configuration(rng: random.Random) -> bytes:
    return _text(rng, _CONFIGURATIONS)


def every(kind: str) -> Iterator[bytes]:
    """All bombs of a kind, in sizes up to a megabyte."""
    for make in _SCRIPTS if kind == "script-bombs" else _CONFIGURATIONS:
        texts = (make(size).encode() for size in (3, 60, 1000, 10_000, *_LARGE))
        yield from (text for text in texts if len(text) < _LONGEST)


def _text(rng: random.Random, table: tuple[Callable[[int], str], ...]) -> bytes:
    return rng.choice(table)(rng.choice(_SIZES) + rng.randrange(3)).encode()
