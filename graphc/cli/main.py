"""The ``graphc`` command: finds the subcommand, runs it, and turns what went wrong into an exit status."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence

from graphc.diagnostics import Diagnostic, DiagnosticError, suggest
from graphc.files import why
from graphc.version import VERSION

# name → module of graphc.cli with `parser()` and `run(options) -> int`; imported only when asked for
COMMANDS = {
    "run": "train, test and write: execute the commands of a configuration",
    "check": "find what is wrong with configurations, without running them",
    "compile": "show the network, the graph or the code that a configuration becomes",
    "fmt": "put configurations and BrainScript into canonical form",
    "explain": "what a diagnostic's code means, with an example and how to mend it",
    "help": "about a function, an operation, a configuration key or a section: help NAME",
    "ops": "the operations by family, and the manual page of each: ops NAME",
    "completion": "a script with which bash, zsh or fish completes commands, options and names",
    "cntk": "behave like CNTK's own command line: cntk configFile=FILE key=value …",
}

_HELP = """\
usage: graphc COMMAND FILE [key=value …] [options]
       graphc --version | --help

graphc compiles neural networks written in BrainScript, CNTK's model language, and runs them on CPU, GPU or TPU.

commands:
{commands}

examples:
  graphc run models/digits/convnet.cntk                      train, test and write predictions
  graphc run mlp.cntk 'Train=[SGD=[maxEpochs=3]]'            override one leaf of a section
  graphc check *.cntk                                        every error of every file, none executed
  graphc compile mlp.cntk --emit ir --dump-after simplify    watch the optimiser work
  graphc cntk configFile=mlp.cntk makeMode=false             CNTK's own way of calling

`graphc COMMAND --help` tells more. Exit status: 0 done, 1 the work failed, 2 wrong input, 130 interrupted.
"""


def help_text() -> str:
    width = max(map(len, COMMANDS))
    return _HELP.format(commands="\n".join(f"  {name:{width}}  {text}" for name, text in COMMANDS.items()))


def main(arguments: Sequence[str]) -> int:
    """Exit status of ``graphc`` with these arguments: 0 done, 1 work failed, 2 wrong input, 130 interrupted."""
    _replace_closed_streams()
    try:
        status = _dispatch(list(arguments))
        sys.stdout.flush()  # a full disk shows here and not when nobody listens any more
        return status
    except DiagnosticError as error:
        print("\n\n".join(d.render() for d in error.diagnostics), file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Who reads our output has gone; a second failure at the interpreter's final flush would be noise.
        _silence_output()
        return 1
    except OSError as error:
        print(_unwritable_output(error).render(), file=sys.stderr)
        _silence_output()
        return 1


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help") or arguments == ["help"]:
        print(help_text(), end="")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"graphc {VERSION}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise DiagnosticError(_unknown_command(name))
    command = importlib.import_module(f"graphc.cli.{name}")
    parser: argparse.ArgumentParser = command.parser()
    return command.run(parser.parse_intermixed_args(rest))


def _replace_closed_streams() -> None:
    """Who closes a stream (``>&-``) wants nothing of it; Python then has none, and all that prints would fail."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (for the life of the process)


def _unwritable_output(error: OSError) -> Diagnostic:
    """Files are guarded where they are opened; what is left are the standard streams and the system's own limits."""
    return Diagnostic("GC0004", f"{error.filename or 'standard output'}: {why(error)}")


def _silence_output() -> None:
    # Streams of tests and notebooks have no file behind them.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unknown_command(name: str) -> Diagnostic:
    guess = suggest(name, COMMANDS)
    if "=" in name or os.path.exists(name):
        hint = f"to run a configuration: graphc run {name}"
    elif guess:
        hint = f"did you mean graphc {guess}?"
    else:
        hint = f"commands: {', '.join(COMMANDS)}; graphc --help shows examples"
    return Diagnostic("GC0005", f"there is no command {name!r}", hint=hint)
