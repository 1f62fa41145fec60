"""Plants one fault at a time into valid configurations, and knows where it stands and what was meant.

Two sources: mechanical faults (misspelt words, lost brackets, surplus arguments, unsuitable values) at places drawn by
a seed, and the rows of ``planted.txt``, which need to know what a network means.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from graphc.config.schema import ALL_KEYS

HERE = Path(__file__).parent
MODELS = Path(__file__).parents[2] / "models" / "digits"
CORPUS = (*sorted(MODELS.glob("*.cntk")), *sorted((HERE / "corpus").iterdir()))
# files that another one takes in, and which
INCLUDED = {"blocks.bs": "including.cntk", "common.cntk": "including.cntk"}
FILES = tuple(path for path in CORPUS if path.name not in INCLUDED)

_CLOSER = {"[": "]", "{": "}", "(": ")"}
_KEYWORDS = frozenset(["include", "new", "with", "true", "false", "if", "then", "else", "array"])
_COMMENT = re.compile(r"""("[^"\n]*"|'[^'\n]*')|(?<!\S)\#[^\n]*|//[^\n]*|/\*.*?\*/""", re.DOTALL)
_STRING = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
_NETWORK = re.compile(r"(?<!Simple)(?:BrainScript)NetworkBuilder\s*=\s*(?=[\[{(])")
_DEFINITION = re.compile(r"(?:^|;)[ \t]*(\w+)[ \t]*(\[[^\]\n]*\]|[({][^)}\n]*[)}])?[ \t]*=(?![=>])", re.MULTILINE)
_WORD = re.compile(r"(?<![\w$])[A-Za-z_]\w*(?![\w$])")
_ENTRY = re.compile(r"(?:^|[\[{;])[ \t]*(\w+)[ \t]*=[ \t]*([^\s;\[\]{}()]+)?", re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    """``text``: the file with the fault. ``places``: offsets, any of which is right. ``meant``: the word to suggest."""

    file: str
    kind: str
    what: str
    text: str
    places: tuple[int, ...]
    meant: str | None = None
    # whether a label at one of `places` counts as well: brackets are a matter of two ends
    other_end: bool = False

    @property
    def entry(self) -> str:
        """The file to check: the faulty one, or the one that takes it in."""
        return INCLUDED.get(self.file, self.file)


@dataclass(frozen=True)
class Source:
    """A valid file; ``bare`` is its text with blanks for comments, ``code`` also with blanks for strings."""

    name: str
    text: str
    bare: str
    code: str
    network: range

    def edited(self, start: int, stop: int, new: str) -> str:
        return self.text[:start] + new + self.text[stop:]


@cache
def sources() -> tuple[Source, ...]:
    return tuple(_source(path) for path in CORPUS)


def faults(seed: int = 0) -> list[Fault]:
    """All rows of the table, and the mechanical faults that this seed draws."""
    rng = random.Random(seed)
    found = list(table())
    for source in sources():
        for draw, many in _DRAWN:
            candidates = list(draw(source, rng))
            rng.shuffle(candidates)
            found += _spread(candidates, many)
    return found


def _spread(candidates: list[Fault], many: int) -> list[Fault]:
    """At most so many, of different words first."""
    seen: set[str] = set()
    first = [f for f in candidates if not (f.what in seen or seen.add(f.what))]
    return (first + [f for f in candidates if f not in first])[:many]


def table() -> Iterator[Fault]:
    """The rows ``file: before ~> after ~> place ~> meant``; ``^`` stands before the place, in ``after`` if need be."""
    by_name = {source.name: source for source in sources()}
    kind = ""
    for line in (HERE / "planted.txt").read_text().splitlines():
        if line.startswith("== "):
            kind = line[3:]
        elif line and not line.startswith("#"):
            name, _, row = line.partition(": ")
            yield _row(by_name[name], kind, *(part.strip() for part in row.split("~>")))


def _row(source: Source, kind: str, before: str, after: str, place: str = "", meant: str = "") -> Fault:
    before, after, place = (part.replace("\\n", "\n") for part in (before, after, place))
    assert source.text.count(before) >= 1, f"{source.name} has no {before!r}"
    at = source.text.index(before)
    text = source.edited(at, at + len(before), after.replace("^", ""))
    if "^" in after:
        before_marks = [len(part) for part in after.split("^")[:-1]]
        where = tuple(at + sum(before_marks[: i + 1]) for i in range(len(before_marks)))
    else:
        anchor = place.replace("^", "")
        assert text.count(anchor) >= 1, f"{source.name} has no {anchor!r} behind {before!r} ~> {after!r}"
        where = (text.index(anchor) + place.index("^"),)
    return Fault(source.name, kind, f"{before} ~> {after}", text, where, meant or None)


def misspelt(word: str, rng: random.Random, taken: frozenset[str]) -> str:
    """The word with one slip of the finger, which is no other word."""
    folded = {t.lower() for t in taken}
    while True:
        i = rng.randrange(1, len(word))
        new = rng.choice(
            (
                word[: i - 1] + word[i] + word[i - 1] + word[i + 1 :],
                word[:i] + word[i + 1 :],
                word[:i] + word[i] + word[i:],
                word[:i] + rng.choice("aeinrst") + word[i + 1 :],
            )
        )
        if new.lower() not in folded and len(new) > 2:
            return new


def _source(path: Path) -> Source:
    text = path.read_text()
    bare = _COMMENT.sub(lambda m: m[0] if m[1] else re.sub(r"\S", " ", m[0]), text)
    code = _STRING.sub(lambda m: '"' + " " * (len(m[0]) - 2) + '"', bare)
    return Source(path.name, text, bare, code, _network(path, code))


def _network(path: Path, code: str) -> range:
    """Where the BrainScript of a file lies."""
    if path.suffix == ".bs":
        return range(len(code))
    opened = _NETWORK.search(code)
    return range(0) if opened is None else range(opened.end(), dict(_pairs(code))[opened.end()])


def _pairs(code: str) -> Iterator[tuple[int, int]]:
    opened: list[int] = []
    for match in re.finditer(r"[\[\](){}]", code):
        if match[0] in _CLOSER:
            opened.append(match.start())
        else:
            yield opened.pop(), match.start()


@cache
def library_names() -> frozenset[str]:
    from graphc.script import library

    texts = (path.read_text() for path in (Path(library.__file__).parent / "library").glob("*.bs"))
    return frozenset(word for text in texts for word in re.findall(r"\w+", text))


def _taken(source: Source) -> frozenset[str]:
    return library_names() | frozenset(re.findall(r"\w+", source.text)) | ALL_KEYS


def _misspelling(source: Source, kind: str, start: int, word: str, rng: random.Random) -> Fault:
    new = misspelt(word, rng, _taken(source))
    text = source.edited(start, start + len(word), new)
    return Fault(source.name, kind, f"{word} ~> {new}", text, (start,), word)


def _words(source: Source) -> Iterator[tuple[str, str, int]]:
    """(role, word, offset) of the words of a network: function, argument, member, variable or group."""
    code, network = source.code, source.network
    inside = code[network.start : network.stop]
    defined, parameters = set[int](), set[int]()
    local: set[str] = set()
    for match in _DEFINITION.finditer(inside):
        defined.add(network.start + match.start(1))
        if match[2]:
            parameters |= {network.start + match.start(2) + m.start() for m in _WORD.finditer(match[2])}
    for match in re.finditer(r"(\w+)\s*=>", inside):
        local.add(match[1])
    for match in _WORD.finditer(code, network.start, network.stop):
        word, at = match[0], match.start()
        before, after = code[:at].rstrip()[-1:], code[match.end() :].lstrip()[:2]
        if word in _KEYWORDS or len(word) < 3 or word in local or at in parameters:
            continue
        if at in defined:
            if word.endswith("Nodes"):
                yield "group", word, at
        elif before == ".":
            yield "member", word, at
        elif after[:1] == "=" and after != "==":
            yield "argument", word, at
        elif code[:at].split()[-1:] == ["new"]:
            yield "type", word, at
        else:
            yield ("function" if after[:1] in ("(", "{") else "variable"), word, at


def _names(role: str) -> Callable[[Source, random.Random], Iterator[Fault]]:
    def draw(source: Source, rng: random.Random) -> Iterator[Fault]:
        for found, word, at in _words(source):
            if found == role:
                yield _misspelling(source, f"names: {role}", at, word, rng)

    return draw


def _entries(source: Source) -> Iterator[re.Match[str]]:
    for match in _ENTRY.finditer(source.bare):
        if match.start(1) not in source.network:
            yield match


def _keys(source: Source, rng: random.Random) -> Iterator[Fault]:
    known = ALL_KEYS | {"brainscriptnetworkbuilder"}
    for match in _entries(source):
        key = match[1]
        author = key.lower() in ("features", "labels") or f"${key}$" in source.text
        if key.lower() in known and not author and len(key) > 2:
            yield _misspelling(source, "keys", match.start(1), key, rng)


def _variables(source: Source, rng: random.Random) -> Iterator[Fault]:
    given = {"RunDir", "ConfigDir"}
    for match in re.finditer(r"\$(\w+)\$", source.bare):
        fault = _misspelling(source, "names: $variable$", match.start(1), match[1], rng)
        meant = None if match[1] in given else match[1]
        yield Fault(fault.file, fault.kind, fault.what, fault.text, (match.start(),), meant)


def _sections(source: Source, rng: random.Random) -> Iterator[Fault]:
    for match in re.finditer(r"^(?:command|\s*outputNodeNames|\s*evalNodeNames) *= *\"?([\w:]+)", source.bare, re.M):
        kind = "names: section" if match[0].startswith("command") else "names: node"
        for word in re.finditer(r"\w+", match[1]):
            if len(word[0]) > 2:
                yield _misspelling(source, kind, match.start(1) + word.start(), word[0], rng)


_CHOICES = ("action", "precision", "format", "gradUpdateType", "readerType")
_NUMBERS = ("maxEpochs", "epochSize", "minibatchSize", "numMBsToShowResult", "dim", "maxErrors", "traceLevel")


def _values(source: Source, rng: random.Random) -> Iterator[Fault]:
    for match in _entries(source):
        key, value, at = match[1], match[2], match.start(2)
        if not value:
            continue
        if key in _CHOICES and value != "{":
            start = at + (value[0] == '"')
            word = value.strip('"')
            fault = _misspelling(source, "values: choices", start, word, rng)
            # the quotation mark may be told as the beginning as well
            yield Fault(fault.file, fault.kind, f"{key}: {fault.what}", fault.text, (start, at), word)
        elif key in _NUMBERS and "$" not in value:
            new = rng.choice(("many", "1.5", "0x10", "-7" if key != "traceLevel" else "one"))
            text = source.edited(at, at + len(value), new)
            yield Fault(source.name, "values: numbers", f"{key} = {new}", text, (at,))
        elif re.fullmatch(r"[\d.]+(\*\d+)?(:.*)?", value) and key[:1].islower() and key.lower() in ALL_KEYS:
            text = source.edited(at, at + len(value), "fast")
            yield Fault(source.name, "values: numbers", f"{key} = fast", text, (at,))
        elif value in ("true", "false") and key != "randomize":
            text = source.edited(at, at + len(value), "maybe")
            yield Fault(source.name, "values: numbers", f"{key} = maybe", text, (at,))


def _counts(source: Source, rng: random.Random) -> Iterator[Fault]:
    pairs = dict(_pairs(source.code))
    for role, word, at in _words(source):
        opened = _opened(source.code, at + len(word))
        if role == "function" and word in library_names():
            closed = pairs[opened]
            if source.code[opened + 1 : closed].strip():
                # Where the function's name has dots, the call begins at the first.
                start = at - len(re.search(r"[\w.]*\Z", source.code[:at])[0])  # type: ignore[index]
                text = source.edited(closed, closed, ", 7, 8")
                yield Fault(source.name, "argument counts", f"{word} (…, 7, 8)", text, (start, at))


def _missing(source: Source, rng: random.Random) -> Iterator[Fault]:
    """Calls without their last positional argument."""
    pairs = dict(_pairs(source.code))
    for role, word, at in _words(source):
        opened = _opened(source.code, at + len(word))
        if role != "function":
            continue
        comma = _last_comma(source.code, opened, pairs[opened])
        if comma is not None and not re.search(r"=(?![=>])", source.code[comma : pairs[opened]]):
            start = at - len(re.search(r"[\w.]*\Z", source.code[:at])[0])  # type: ignore[index]
            text = source.edited(comma, pairs[opened], "")
            yield Fault(source.name, "argument counts: last one lost", f"{word} (… ,)", text, (start, at))


def _opened(code: str, at: int) -> int:
    """The first character behind a place that is no blank."""
    return at + len(code[at:]) - len(code[at:].lstrip())


def _last_comma(code: str, opened: int, closed: int) -> int | None:
    """Of the commas between the arguments of one call."""
    depth = 0
    for at in range(closed - 1, opened, -1):
        depth += (code[at] in ")]}") - (code[at] in "([{")
        if code[at] == "," and not depth:
            return at
    return None


_ARGUMENT = re.compile(r"(?<=[(,{])( *(?:\w+ *= *)?)(-?[\d.]+)(?= *[,)}])")


def _kinds(source: Source, rng: random.Random) -> Iterator[Fault]:
    """A string where a number is an argument of a call; operations on nodes would take a boolean."""
    code, network = source.code, source.network
    calls = {_opened(code, at + len(word)): word for role, word, at in _words(source) if role == "function"}
    for opened, closed in _pairs(code):
        if opened not in calls or opened not in network:
            continue
        for match in _ARGUMENT.finditer(code, opened, closed + 1):
            if _innermost(code, match.start(2)) == opened:
                new = '"wide"'
                text = source.edited(match.start(2), match.end(2), new)
                what = f"{calls[opened]} ({match[1].strip()}{new})"
                yield Fault(source.name, "types: argument", what, text, (match.start(2),))


def _innermost(code: str, at: int) -> int:
    """Where the innermost bracket around a place opens."""
    depth = 0
    for i in range(at - 1, -1, -1):
        depth += (code[i] in ")]}") - (code[i] in "([{")
        if depth < 0:
            return i
    return -1


def _brackets(source: Source, rng: random.Random) -> Iterator[Fault]:
    for opened, closed in _pairs(source.code):
        left, right = source.code[opened], source.code[closed]
        here = f"{left} in {source.code[:opened].splitlines()[-1].strip()}"
        without = source.edited(closed, closed + 1, " ")
        yield Fault(source.name, "brackets: not closed", here, without, (opened, closed), other_end=True)
        other = rng.choice([c for c in _CLOSER.values() if c != right])
        swapped = source.edited(closed, closed + 1, other)
        yield Fault(source.name, "brackets: wrong closer", here, swapped, (closed, opened), other_end=True)
        surplus = source.edited(closed, closed, other)
        yield Fault(source.name, "brackets: surplus", here, surplus, (closed, opened), other_end=True)
        lost = source.edited(opened, opened + 1, " ")
        yield Fault(source.name, "brackets: not opened", here, lost, (closed, opened), other_end=True)


def _quotes(source: Source, rng: random.Random) -> Iterator[Fault]:
    for match in _STRING.finditer(source.bare):
        start, last = match.start(), match.end() - 1
        kind = "quotes: in the network" if start in source.network else "quotes: in the settings"
        yield Fault(source.name, kind, f"{match[0][:-1]} not closed", source.edited(last, last + 1, " "), (start, last))
        # what is left opens a string: at the quotation mark, or where its first word is no value
        lost = source.edited(start, start + 1, " ")
        yield Fault(source.name, kind, f"{match[0][1:]} not opened", lost, (last, start, start + 1))


def _duplicates(source: Source, rng: random.Random) -> Iterator[Fault]:
    inside = source.code[source.network.start : source.network.stop]
    for match in re.finditer(r"^( +)(\w+) *= *[^\n]*[^\s=,({\[:]$", inside, re.MULTILINE):
        start = source.network.start + match.start()
        line = source.text[start : source.network.start + match.end()]
        if line.count("(") == line.count(")") and line.count("{") == line.count("}"):
            text = source.edited(start, start, line + "\n")
            yield Fault(source.name, "duplicates", match[2], text, (start + len(line) + 1 + len(match[1]),))


_DRAWN = (
    (_names("function"), 5),
    (_names("variable"), 5),
    (_names("argument"), 4),
    (_names("member"), 3),
    (_names("group"), 2),
    (_names("type"), 1),
    (_keys, 6),
    (_variables, 2),
    (_sections, 3),
    (_values, 6),
    (_counts, 4),
    (_missing, 3),
    (_kinds, 3),
    (_brackets, 8),
    (_quotes, 3),
    (_duplicates, 2),
)
