"""Writes the pages of this folder that say what the code says: diagnostics.md, configuration.md and operators/.

    python -m docs.generate

A test compares the pages with what this would write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from graphc.cli import operation_pages
from graphc.cli.help import SUPPORT, default_of, title
from graphc.config.schema import SECTIONS, Key, Support
from graphc.diagnostics import CODES
from graphc.ir import Op

FOLDER = Path(__file__).parent

# by the first two digits of their codes
AREAS = {
    "00": "Usage and files",
    "01": "Syntax",
    "02": "Shapes and types",
    "03": "Evaluation of scripts",
    "04": "Networks",
    "05": "Configuration values",
    "06": "Data",
    "07": "Run time",
    "08": "Backends",
    "09": "Graphs and passes",
}

_DIAGNOSTICS = """\
# Diagnostics

Every diagnostic has a code that stays the same from version to version. An error in the input ends with exit status 2,
work that fails while running (GC07.., outputs that cannot be written) with 1.
`graphc explain GC0201` tells more about a code, with an example and how to mend it."""

_CONFIGURATION = """\
# Configuration keys

What CNTK's commands read, and what graphc makes of it. Names may be written in any case; a key that is missing where it
is read is looked for in the sections around it, unless it is marked *own*. `graphc help SGD.momentumPerMB` tells the
same of one key. Unknown keys are no errors: `graphc check` warns where one looks misspelt."""


_OPERATORS = """\
# Operators

What a network is made of, by family. BrainScript's functions of these and other names (`graphc help DenseLayer`) make
them; their attributes are the functions' parameters. `graphc ops NAME` shows the same page in a terminal. Examples list
the elements in order of memory, the first axis fastest; tests compute every one of them."""


def diagnostics() -> str:
    return _page(_DIAGNOSTICS, (_area(digits, name) for digits, name in AREAS.items()))


def _area(digits: str, name: str) -> str:
    rows = [f"| {code} | {text} |" for code, text in CODES.items() if code[2:4] == digits]
    return "\n".join([f"## {name}", "", "| code | meaning |", "|---|---|", *rows])


def configuration() -> str:
    return _page(_CONFIGURATION, (_section(kind, keys) for kind, keys in SECTIONS.items()))


def _section(kind: str, keys: tuple[Key, ...]) -> str:
    used = [key for key in keys if key.support is Support.USED]
    name = title(kind)
    lines = [f"## {name[0].upper()}{name[1:]}", "", "| key | value | default | meaning |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(map(_cell, _row(key)))} |" for key in used]
    for support in (Support.PLANNED, Support.NO_EFFECT):
        names = [f"`{key.name}`" for key in keys if key.support is support]
        lines += ["", f"{SUPPORT[support][0].upper()}{SUPPORT[support][1:]}: {', '.join(names)}."] if names else []
    return "\n".join(lines)


def _row(key: Key) -> tuple[str, ...]:
    return f"`{key.name}`", key.kind.name, default_of(key), key.meaning + (" (*own*)" if key.own else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _page(head: str, sections: Iterator[str]) -> str:
    return "\n\n".join([head, *sections]) + "\n"


def operators() -> str:
    families = operation_pages.families()
    return _page(_OPERATORS, (_family_index(name, classes) for name, classes in families.items()))


def _family_index(family: str, classes: Sequence[type[Op]]) -> str:
    rows = [f"| `{cls.names[0]}` | {_cell(operation_pages.summary(cls))} |" for cls in classes]
    return "\n".join([f"## [{family}]({family}.md)", "", "| operation | |", "|---|---|", *rows])


def family_page(family: str) -> str:
    head = (
        f"# Operators: {family}\n\n[All families](README.md). Shapes are in the author's order, `*` stands for frames."
    )
    return _page(head, map(operation_pages.section, operation_pages.families()[family]))


PAGES: Mapping[str, Callable[[], str]] = {
    "diagnostics.md": diagnostics,
    "configuration.md": configuration,
    "operators/README.md": operators,
    **{f"operators/{family}.md": partial(family_page, family) for family in operation_pages.families()},
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).parent.mkdir(exist_ok=True)
        (FOLDER / name).write_text(page(), "utf-8")
