"""What the subcommands share: their parsers' form and the way from arguments to a configuration."""

from __future__ import annotations

import argparse
import os
import re
import textwrap
from collections.abc import Sequence
from typing import NoReturn

from graphc.diagnostics import Diagnostic, DiagnosticError, Severity, suggest
from graphc.syntax.configuration import (
    ConfigurationRecord,
    configuration_from_text,
    default_presets,
    load_configuration,
)


class Parser(argparse.ArgumentParser):
    """argparse, but a wrong option is a `Diagnostic` like every other error."""

    def error(self, message: str) -> NoReturn:
        raise DiagnosticError(Diagnostic("GC0005", message, hint=f"{self.prog} --help shows the usage"))


def bare_parser(command: str, description: str, examples: str) -> Parser:
    """The form of every subcommand's parser; it takes no arguments yet."""
    return Parser(
        prog=f"graphc {command}",
        description=description,
        epilog="examples:\n" + textwrap.indent(textwrap.dedent(examples).strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def make_parser(command: str, description: str, examples: str) -> Parser:
    """A parser of what names a configuration."""
    parser = bare_parser(command, description, examples)
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="FILE [key=value …]",
        help="a configuration and what to override in it, or CNTK's form: configFile=A.cntk key=value …",
    )
    return parser


def load(arguments: Sequence[str]) -> ConfigurationRecord:
    """The configuration that the arguments name, ``FILE [key=value …]`` or CNTK's ``configFile=FILE …``."""
    if not arguments or not arguments[0].strip():  # of a shell's variable that is not set
        hint = "name a configuration: graphc COMMAND FILE [key=value …]"
        raise DiagnosticError(Diagnostic("GC0005", "no configuration is given", hint=hint))
    if any(a.lower().startswith("configfile=") for a in arguments):
        return _warned(load_configuration([], arguments))
    file, *overrides = arguments
    if is_override(file):
        hint = f"put the configuration first: graphc COMMAND FILE {file}"
        raise DiagnosticError(Diagnostic("GC0005", f"{file!r} is no configuration file", hint=hint))
    for more in overrides:
        _require_override(file, more)
    return _warned(load_configuration([file], overrides, presets=default_presets(file)))


def variables(arguments: Sequence[str]) -> ConfigurationRecord:
    """The values that ``FILE [key=value …]`` gives, where the file itself is no configuration."""
    file, *overrides = arguments
    for more in overrides:
        _require_override(file, more)
    # something must be there, and this says nothing
    return configuration_from_text("deviceId = auto", overrides, presets=default_presets(file))


def _require_override(file: str, argument: str) -> None:
    """A second file is no override, although its name would pass for a flag of the configuration."""
    if is_override(argument) or not (os.path.exists(argument) or os.path.splitext(argument)[1]):
        return
    hint = f"to merge files: configFile={file}+{argument}"
    raise DiagnosticError(Diagnostic("GC0005", f"one configuration at a time, but {argument!r} follows", hint=hint))


def _warned(root: ConfigurationRecord) -> ConfigurationRecord:
    """Warns of a section that an argument adds, and nothing uses, while one of nearly that name is in the file."""
    sections = {e.key.text: e for e in root.entries.values() if e.value.text[:1] in ("[", "{", "(")}
    added = {name: e for name, e in sections.items() if e.value.span().file.name.startswith("<argument")}
    command = root.get("command")
    used = [] if command is None else re.split(r"\W+", command.text.text.lower())
    for name, entry in added.items():
        close = suggest(name, sections.keys() - added.keys())
        if close and name.lower() not in used:
            message = f"the argument adds a section {name}, which nothing uses"
            hint = f"did you mean {close}?"
            warning = Diagnostic("GC0520", message, entry.key.span(), hint=hint, severity=Severity.WARNING)
            root.context.diagnostics.add(warning)
    return root


def is_override(argument: str) -> bool:
    """Whether an argument changes a key instead of naming a file."""
    return not os.path.exists(argument) and ("=" in argument or argument.startswith("["))
