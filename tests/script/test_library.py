"""The standard library as a whole: every name is defined once, and every name it uses."""

from __future__ import annotations

from collections import Counter

from graphc.diagnostics import SourceFile, SourceText
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
