"""``graphc compile``: what a configuration becomes, stage by stage."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from graphc.actions.check import Check, CheckedNetwork
from graphc.cli.arguments import Parser, make_parser
from graphc.cli.languages import check_any
from graphc.diagnostics import Diagnostic, DiagnosticError, Severity
from graphc.ir import Graph, format_graph
from graphc.ir.arithmetic import ARITHMETIC
from graphc.network.explain import uncomputed
from graphc.network.lower import to_graph
from graphc.network.network import needed
from graphc.network.text import format_network, network_json
from graphc.passes.pipeline import ON_DEMAND, check_pass_name, optimise, pass_names

STAGES = ("ast", "network", "ir", "hlo", "stablehlo")

# a warning about a network, which is an error once its graph is asked for: operations without a value
_CANNOT_RUN = "GC0802"


def parser() -> Parser:
    made = make_parser(
        "compile",
        "Compile the networks of a configuration as far as the stage asked for, and print them.",
        """
        graphc compile models/digits/mlp.cntk --emit network
        graphc compile models/digits/mlp.cntk --emit network --json
        graphc compile models/digits/mlp.cntk --emit ir --dump-after simplify
        graphc compile models/digits/convnet.cntk --emit hlo
        """,
    )
    made.add_argument("--emit", choices=STAGES, help="the stage to print (default: network)")
    made.add_argument(
        "--dump-after",
        action="append",
        default=[],
        metavar="PASS",
        help=f"also print the graph after a pass: {', '.join(pass_names())}",
    )
    made.add_argument("--no-data", action="store_true", help="never open a data file (compile opens none so far)")
    made.add_argument("--json", action="store_true", help="the networks as one JSON object")
    return made


def run(options: argparse.Namespace) -> int:
    if options.json and options.emit not in (None, "network"):
        raise DiagnosticError(Diagnostic("GC0005", f"--json shows the network, not {options.emit}"))
    for name in options.dump_after:
        check_pass_name(name)
    stage = options.emit or "network"
    graphs = stage not in ("ast", "network")
    result = check_any(options.arguments)
    for diagnostic in result.found.found:
        if diagnostic.severity is Severity.WARNING and not (graphs and diagnostic.code == _CANNOT_RUN):
            print(diagnostic.render(), file=sys.stderr)
    result.found.raise_errors()
    if not result.networks:
        raise DiagnosticError(Diagnostic("GC0501", "no command of the configuration builds a network"))
    if options.json:
        print(json.dumps({"networks": [network_json(c.network, c.section) for c in result.networks]}))
        return 0
    for text in _texts(result, stage, options.dump_after):
        print(text, end="")
    return 0


def _texts(result: Check, stage: str, dump_after: list[str]) -> Iterator[str]:
    several = len(result.networks) > 1
    for checked in result.networks:
        if several:
            yield f"# {checked.section}\n"
        match stage:
            case "ast":
                yield _tree(checked)
            case "network":
                yield format_network(checked.network)
            case "ir":
                yield from _graphs(checked, dump_after)
            case _:
                yield _program(checked, stage)


def _tree(checked: CheckedNetwork) -> str:
    from graphc.syntax.brainscript import parse_expression  # only this stage needs the parser again
    from graphc.syntax.printer import format_expression

    if checked.script is None:
        raise DiagnosticError(Diagnostic("GC0005", f"--emit ast shows BrainScript, which {checked.section} is not in"))
    return format_expression(parse_expression(checked.script.strip())) + "\n"


def _graphs(checked: CheckedNetwork, dump_after: list[str]) -> Iterator[str]:
    dumps: list[str] = []

    def dump(name: str, graph: Graph) -> None:
        dumps.append(f"# after {name}\n{format_graph(graph)}\n")

    # who asks for the work of a pass wants to see it run
    also = ON_DEMAND.intersection(dump_after)
    graph = optimise(_graph(checked), also=also, dump_after=dump_after, dump=dump)
    yield from dumps
    if dumps:
        yield "# result\n"
    yield format_graph(graph)


def _graph(checked: CheckedNetwork) -> Graph:
    """The graph, all of which can be computed: an operation that only has types is told before any backend loads."""
    graph = to_graph(checked.network)
    if lacking := uncomputed(needed(checked.network.roots)):
        raise DiagnosticError(lacking)
    return graph


def _program(checked: CheckedNetwork, stage: str) -> str:
    from graphc.backend import load as load_backend  # jax is loaded from here on

    graph, arithmetic = optimise(_graph(checked)), ARITHMETIC[checked.precision]
    return load_backend("xla").lowered_text(graph, stage=stage, training=checked.trains, arithmetic=arithmetic)
