"""Pairs of graphs, before and after a pass, from the file of its name; ``pytest tests/passes --update-fixtures``.

A case is a title behind ``#``, the text before, a line ``---``, and the text after or ``same``. ``Constant(2)`` and
``Constant(2, (3, 2))`` stand for a frozen parameter of that value, ``Folded(...)`` for one that a pass made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphc.ir import Graph, format_graph, parse_graph
from graphc.passes.bodies import bodies
from graphc.passes.canonicalise import canonicalise
from graphc.passes.cudnn import cudnn
from graphc.passes.fold import fold
from graphc.passes.hoist import hoist
from graphc.passes.masks import masks
from graphc.passes.pack import pack
from graphc.passes.pipeline import PASSES, optimise
from graphc.passes.prune import prune
from graphc.passes.repeats import repeats
from graphc.passes.simplify import simplify
from graphc.passes.stacks import stacks
from graphc.passes.trim import trim
from graphc.passes.windows import windows
from graphc.testing.equivalence import checked

TRANSFORMS: dict[str, Callable[[Graph], Graph]] = {
    "trim": trim,
    "bodies": bodies,
    "masks": masks,
    "repeats": repeats,
    "windows": windows,
    "cudnn": cudnn,
    "pack": pack,
    "hoist": hoist,
    "stacks": stacks,
    "canonicalise": canonicalise,
    "fold": fold,
    "simplify": simplify,
    "prune": prune,
    "pipeline": optimise,
}


@dataclass(frozen=True)
class Case:
    path: Path
    title: str
    before: str
    after: str


def cases() -> list[Case]:
    found = []
    for path in sorted(Path(__file__).parent.glob("*.txt")):
        for text in re.split(r"^# ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            title, _, body = text.partition("\n")
            before, _, after = body.partition("---\n")
            found.append(Case(path, title, before.strip(), after.strip()))
    return found


def expand(text: str) -> str:
    """The text with its constants written out."""

    def constant(match: re.Match[str]) -> str:
        kind, value, shape = match.group(1), float(match.group(2)), match.group(3) or "(1,)"
        dims = "x".join(re.findall(r"\d+", shape))
        name = f'name="constant({value!r})[{dims}] float32", ' if kind == "Folded" else ""
        initializer = f'Initializer(kind="fixedValue", value={value!r})'
        return f"Parameter({name}shape={shape}, learningRateMultiplier=0, initializer={initializer})"

    return re.sub(r"\b(Constant|Folded)\(([^,()]+)(?:, (\([^)]*\)))?\)", constant, text)


def contract(text: str) -> str:
    """A printed graph with its constants as in the files, and without types."""
    text = re.sub(r" : float\d\d\[.*$", "", text, flags=re.MULTILINE)
    found = (
        r'LearnableParameter\((name="constant[^"]*", )?shape=(\([^)]*\)), learningRateMultiplier=0.0, '
        r'initializer=Initializer\(kind="fixedValue"(?:, value=([^)]*))?\)\)'
    )

    def constant(match: re.Match[str]) -> str:
        shape = "" if match.group(2) == "(1,)" else f", {match.group(2)}"
        return f"{'Folded' if match.group(1) else 'Constant'}({float(match.group(3) or 0):g}{shape})"

    return re.sub(found, constant, text)


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.path.stem}: {case.title}")
def test_pair(case: Case, request: pytest.FixtureRequest) -> None:
    before = parse_graph(expand(case.before), case.title)
    transform = TRANSFORMS[case.path.stem]
    found = contract(format_graph(checked(transform, before)))
    unchanged = contract(format_graph(before))
    expected = unchanged if case.after == "same" else contract(format_graph(parse_graph(expand(case.after))))
    if found != expected and request.config.getoption("--update-fixtures", default=False):
        _update(case, "same" if found == unchanged else found.strip())
        return
    assert found == expected


def _update(case: Case, after: str) -> None:
    text = case.path.read_text("utf-8")
    old = f"# {case.title}\n{case.before}\n---\n{case.after}"
    assert text.count(old) == 1, f"{case.path.name} has no such case, or two: {case.title}"
    case.path.write_text(text.replace(old, f"# {case.title}\n{case.before}\n---\n{after}"), "utf-8")


def test_every_pass_has_its_fixtures() -> None:
    files = {path.stem for path in Path(__file__).parent.glob("*.txt")}
    assert files == TRANSFORMS.keys() == {*(p.__name__ for p in PASSES), "pipeline"}  # pyright: ignore[reportFunctionMemberAccess]
