"""``graphc cntk``: CNTK's own command line, with its log on standard error and nothing else."""

from __future__ import annotations

import argparse

from graphc.cli.arguments import Parser
from graphc.cli.run import execute, make_run_parser
from graphc.diagnostics import Diagnostic, DiagnosticError


def parser() -> Parser:
    return make_run_parser(
        "cntk",
        "Behave like CNTK: arguments are configFile=A.cntk[+B.cntk], currentDirectory=D and key=value, left to right.",
        """
        graphc cntk configFile=mlp.cntk DataDir=/data makeMode=false
        graphc cntk configFile=globals.cntk+mlp.cntk currentDirectory=/data 'Train=[SGD=[maxEpochs=1]]'
        """,
    )


def run(options: argparse.Namespace) -> int:
    if not any(a.lower().startswith("configfile=") for a in options.arguments):
        first = options.arguments[0] if options.arguments else "FILE"
        hint = f"graphc cntk configFile={first} …, or graphc run {first} …"
        raise DiagnosticError(Diagnostic("GC0005", "graphc cntk takes configFile=FILE", hint=hint))
    return execute(options, plain=True)
