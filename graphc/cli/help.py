"""``graphc help``: the library's functions, the operations and the configuration's keys, each from its one source."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterator

from graphc.cli import library_pages, operation_pages
from graphc.cli.arguments import Parser, bare_parser
from graphc.cli.operation_pages import in_words
from graphc.config.schema import SECTIONS, Key, Support
from graphc.diagnostics import Diagnostic, DiagnosticError, did_you_mean
from graphc.ir.node import registered_names
from graphc.network.operations import UNSUPPORTED
from graphc.network.special import network_operator
from graphc.syntax.configuration_records import REQUIRED

# other names that a section of each kind goes by
_SECTION_NAMES = {"optimizer": "SGD", "cvreader": "reader", "eval": "test"}
SUPPORT = {
    Support.USED: "",
    Support.NO_EFFECT: "no effect in graphc",
    Support.PLANNED: "not implemented yet: ignored, with a warning",
}


def parser() -> Parser:
    made = bare_parser(
        "help",
        "Tell about a function of the library, an operation, a configuration key, or the keys of a section.",
        """
        graphc help DenseLayer            a function: signature and what it does
        graphc help BS.Loop               the functions of a group
        graphc help Convolution           an operation, its inputs and attributes
        graphc help SGD.momentumPerMB     a key: type, default, meaning
        graphc help SGD                   the keys of a section
        """,
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="what to tell about; nothing shows all commands")
    return made


def run(options: argparse.Namespace) -> int:
    print("\n\n".join(page for name in options.names for page in pages(name)))
    return 0


def pages(name: str) -> list[str]:
    """Everything that goes by the name; raises `DiagnosticError` where nothing does."""
    sources: tuple[Callable[[str], Iterator[str]], ...] = (_functions, _operations, _sections, _keys)
    found = [page for source in sources for page in source(name)]
    if not found:
        otherwise = "graphc help BS lists groups of functions, graphc help SGD the keys of a section"
        raise DiagnosticError(Diagnostic("GC0005", f"nothing is called {name}", hint=_suggestion(name) or otherwise))
    return found


def _suggestion(name: str) -> str | None:
    section, dot, _ = name.rpartition(".")
    kind = _section(section) if dot else None
    if kind is not None:
        return did_you_mean(name, [f"{section}.{key.name}" for key in SECTIONS[kind]])
    names = {*known_names(), *(n.rpartition(".")[2] for n in known_names())}
    return did_you_mean(name, sorted(names))


def known_names() -> list[str]:
    """Everything that has a page: functions, operations, sections, and the keys of each section."""
    names = {n for n in library_pages.library() if not n.rpartition(".")[2].startswith("_")}
    names |= {*registered_names(), *SECTIONS}
    names |= {key.name for key in SECTIONS["root"]}
    names |= {f"{kind}.{key.name}" for kind, keys in SECTIONS.items() if kind != "root" for key in keys}
    return sorted(names)


# --- functions and operations


def _functions(name: str) -> Iterator[str]:
    found = library_pages.find(name)
    if found:
        more = f"\n  see also {', '.join(e.name for e in found[1:])}" if found[1:] else ""
        yield library_pages.page(found[0]) + more


def _operations(name: str) -> Iterator[str]:
    cls = network_operator(name)
    if cls is not None and cls.names:
        yield operation_pages.page(cls)
    elif reason := {n.lower(): why for n, why in UNSUPPORTED.items()}.get(name.lower()):
        yield f"{name}: an operation of CNTK that is not supported: {reason}"


# --- sections and keys


def _section(name: str) -> str | None:
    folded = _SECTION_NAMES.get(name.lower(), name).lower()
    return next((kind for kind in SECTIONS if kind.lower() == folded), None)


def _sections(name: str) -> Iterator[str]:
    kind = _section(name)
    if kind is None:
        return
    keys = SECTIONS[kind]
    width = max(len(key.name) for key in keys if key.support is Support.USED)
    yield "\n".join(
        [
            f"keys of {title(kind)}:",
            *(f"  {key.name:{width}}  {key.meaning}" for key in keys if key.support is Support.USED),
            *_others(keys, Support.PLANNED),
            *_others(keys, Support.NO_EFFECT),
        ]
    )


def _others(keys: tuple[Key, ...], support: Support) -> Iterator[str]:
    names = [key.name for key in keys if key.support is support]
    if names:
        yield f"{SUPPORT[support]}:"
        yield from textwrap.wrap(", ".join(names), 100, initial_indent="  ", subsequent_indent="  ")


def _keys(name: str) -> Iterator[str]:
    section, dot, key = name.rpartition(".")
    kinds = [_section(section)] if dot else list(SECTIONS)
    found: dict[Key, list[str]] = {}
    for kind in kinds:
        for entry in SECTIONS[kind] if kind else ():
            if entry.name.lower() == key.lower():
                found.setdefault(entry, []).append(kind or "")
    for entry, of in found.items():
        yield _key_page(entry, of)


def _key_page(key: Key, kinds: list[str]) -> str:
    default = default_of(key)
    if default not in ("required", "no default"):
        default = f"default {default}"
    lines = [
        f"{key.name}: a key of {', '.join(map(title, kinds))}",
        f"  {key.meaning}",
        f"  {key.kind.name}; {default}",
    ]
    if not key.own:
        lines.append("  looked for in the section, then in those around it")
    return "\n".join([*lines, *([f"  {SUPPORT[key.support]}"] if SUPPORT[key.support] else [])])


def default_of(key: Key) -> str:
    """A key's default as an author writes it, or that it has none."""
    if key.default is REQUIRED:
        return "required"
    return "no default" if key.default is None else in_words(key.default)


def title(kind: str) -> str:
    """What the sections of a kind are called."""
    if kind == "root":
        return "the root"
    return f"{kind} commands" if kind in ("train", "test", "write") else f"{kind} sections"
