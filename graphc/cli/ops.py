"""``graphc ops``: the operations by family, and the manual page of each."""

from __future__ import annotations

import argparse
import textwrap

from graphc.cli.arguments import Parser, bare_parser
from graphc.cli.operation_pages import families, page, summary
from graphc.diagnostics import Diagnostic, DiagnosticError, did_you_mean
from graphc.network.operations import UNSUPPORTED
from graphc.network.special import network_operator

_WIDTH = 100


def parser() -> Parser:
    made = bare_parser(
        "ops",
        "List the operations by family, or show the manual page of some: inputs, shapes, attributes, example, cost.",
        """
        graphc ops                  all operations, a line each
        graphc ops pooling          those of a family
        graphc ops Convolution      the page of one; other names of an operation do as well
        """,
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="an operation or a family; nothing lists all")
    return made


def run(options: argparse.Namespace) -> int:
    told = map(_told, options.names) if options.names else map(_family, families())
    print("\n\n".join(told))
    return 0


def _told(name: str) -> str:
    cls, family = network_operator(name), name.lower()
    found = [] if cls is None else [page(cls)]
    found += [_family(family)] if family in families() else []
    if found:
        return "\n\n".join(found)
    why = {known.lower(): reason for known, reason in UNSUPPORTED.items()}.get(family)
    if why is not None:
        return f"{name}: an operation of CNTK that is not supported: {why}"
    hint = did_you_mean(name, known_names(), "graphc ops lists all; graphc help also knows functions and keys")
    raise DiagnosticError(Diagnostic("GC0005", f"there is no operation {name}", hint=hint))


def known_names() -> list[str]:
    """What ``graphc ops`` can tell about."""
    return [*families(), *sorted(name for classes in families().values() for cls in classes for name in cls.names)]


def _family(name: str) -> str:
    classes = families()[name]
    width = max(len(cls.names[0]) for cls in classes)
    lines = [f"{name}:"]
    for cls in classes:
        head = f"  {cls.names[0]:{width}}  "
        lines += textwrap.wrap(summary(cls), _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
    return "\n".join(lines)
