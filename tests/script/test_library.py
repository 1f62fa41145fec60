"""The standard library as a whole: every name is defined once, and every name it uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from graphc.diagnostics import SourceFile, SourceText, Span
from graphc.script.evaluator import Evaluator
from graphc.script.host import HostRecord
from graphc.script.library import LIBRARY, load_library
from graphc.script.names import undefined_names
from graphc.syntax.brainscript import parse_members


def test_no_name_is_defined_twice() -> None:
    counts = Counter(member.name for member in load_library().members)
    assert [name for name, count in counts.items() if count > 1] == []


# Defaults that name another parameter, which no default can see: in the reference they fail whenever they are used.
BROKEN_DEFAULTS = {"inputDim=input.dim", "inputDim=x.dim"}


def test_every_name_that_is_used_is_defined() -> None:
    library = load_library()
    spans = [d.span for d in undefined_names(library, ()) if d.span is not None]
    assert [str(s) for s in spans if s.file.text[s.start - 9 : s.end + 4] not in BROKEN_DEFAULTS] == []


def test_language_functions_are_documented() -> None:
    file = SourceFile("language.bs", (LIBRARY / "language.bs").read_text(encoding="utf-8"))
    # `None` stands under the comment of the array that it names
    undocumented = [m.name for m in parse_members(SourceText.of(file)).members if not m.doc]
    assert undocumented == ["None"]


def test_a_definition_is_decoded_when_it_is_needed(script: Any) -> None:
    evaluator = Evaluator(load_library(), NoHost())
    assert evaluator.evaluate(script.program("do = Fac (5) + Length (_ConcatArrays (1, 2:3))")).lookup("do") == 123.0


class NoHost:
    """A host that knows no types and no nodes."""

    types: frozenset[str] = frozenset()
    empty_path_types: frozenset[str] = frozenset()

    def is_node(self, value: Any) -> bool:
        return False

    def constant(self, value: float, path: str, span: Span) -> Any:
        raise NotImplementedError

    def operation(self, name: str, inputs: Sequence[Any], attributes: Mapping[str, Any], path: str, span: Span) -> Any:
        raise NotImplementedError

    def create(self, type_name: str, record: HostRecord, path: str, span: Span) -> Any:
        raise NotImplementedError
