"""``graphc completion``: a script with which a shell completes commands, options, codes and names."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from graphc.cli.arguments import Parser, bare_parser
from graphc.diagnostics import CODES
from graphc.passes.pipeline import pass_names


def parser() -> Parser:
    made = bare_parser(
        "completion",
        "Print a script that lets a shell complete commands, options, the codes of explain and the names of help.",
        """
        graphc completion bash > ~/.local/share/bash-completion/completions/graphc
        graphc completion zsh  > ~/.zfunc/_graphc        a folder of your fpath
        graphc completion fish > ~/.config/fish/completions/graphc.fish
        """,
    )
    made.add_argument("shell", choices=tuple(_SHELLS), metavar="bash|zsh|fish", help="the shell to write for")
    return made


def run(options: argparse.Namespace) -> int:
    print(_SHELLS[options.shell](_commands()), end="")
    return 0


@dataclass(frozen=True)
class _Option:
    flag: str
    meaning: str
    takes_value: bool
    choices: tuple[str, ...]


@dataclass(frozen=True)
class _Command:
    """``words`` are what its arguments can be; none: files."""

    name: str
    meaning: str
    options: tuple[_Option, ...]
    words: tuple[str, ...]


def _commands() -> list[_Command]:
    from graphc.cli.main import COMMANDS  # which finds this module by its name

    return [_command(name, meaning) for name, meaning in COMMANDS.items()]


def _command(name: str, meaning: str) -> _Command:
    made: argparse.ArgumentParser = importlib.import_module(f"graphc.cli.{name}").parser()
    actions = made._actions  # argparse keeps no public list
    options = tuple(_option(action, flag) for action in actions for flag in action.option_strings)
    return _Command(name, meaning, options, tuple(_words(name)))


def _option(action: argparse.Action, flag: str) -> _Option:
    # argparse has no choices for a value that may be given several times
    choices = pass_names() if flag == "--dump-after" else action.choices or ()
    return _Option(flag, action.help or "", action.nargs != 0, tuple(map(str, choices)))


def _words(command: str) -> Sequence[str]:
    match command:
        case "explain":
            return tuple(CODES)
        case "help":
            from graphc.cli.help import known_names

            return known_names()
        case "ops":
            from graphc.cli import ops

            return ops.known_names()
        case "completion":
            return tuple(_SHELLS)
        case _:
            return ()


# --- bash


def _bash(commands: Sequence[_Command]) -> str:
    valued = [
        f"        {c.name}:{o.flag}) words='{' '.join(o.choices)}' ;;"
        for c in commands
        for o in c.options
        if o.takes_value
    ]
    plain = [f"        {c.name}:-*) words='{_flags(c)}' ;;" for c in commands]
    words = [f"        {c.name}:*) words='{' '.join(c.words)}' ;;" for c in commands if c.words]
    names = " ".join([*(c.name for c in commands), "--help", "--version"])
    return "\n".join(
        [
            "# bash completion of graphc: words where there are any, otherwise files",
            "_graphc() {",
            '    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=""',
            "    if ((COMP_CWORD == 1)); then",
            f"        words='{names}'",
            "    else",
            "        case ${COMP_WORDS[1]}:$previous in",
            *valued,
            "        *) case ${COMP_WORDS[1]}:$current in",
            *plain,
            *words,
            "        esac ;;",
            "        esac",
            "    fi",
            '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
            "}",
            "complete -o default -F _graphc graphc",
            "",
        ]
    )


def _flags(command: _Command) -> str:
    return " ".join(option.flag for option in command.options)


# --- zsh


def _zsh(commands: Sequence[_Command]) -> str:
    described = [f"            {_quoted(f'{c.name}:{c.meaning}')}" for c in commands]
    valued = [
        f"        {c.name}:{o.flag}) {_zsh_words(o.choices)}; return ;;"
        for c in commands
        for o in c.options
        if o.takes_value
    ]
    plain = [f"        {c.name}:-*) compadd -- {_flags(c)} ;;" for c in commands]
    words = [f"        {c.name}:*) {_zsh_words(c.words)} ;;" for c in commands]
    return "\n".join(
        [
            "#compdef graphc",
            "_graphc() {",
            "    if (( CURRENT == 2 )); then",
            "        local -a commands=(",
            *described,
            "        )",
            "        _describe command commands",
            "        return",
            "    fi",
            "    case ${words[2]}:${words[CURRENT-1]} in",
            *valued,
            "    esac",
            "    case ${words[2]}:$PREFIX in",
            *plain,
            *words,
            "    esac",
            "}",
            '_graphc "$@"',
            "",
        ]
    )


def _zsh_words(words: Sequence[str]) -> str:
    return f"compadd -- {' '.join(words)}" if words else "_files"


# --- fish


def _fish(commands: Sequence[_Command]) -> str:
    return "\n".join(["# fish completion of graphc", *(line for c in commands for line in _fish_lines(c)), ""])


def _fish_lines(command: _Command) -> Iterator[str]:
    yield f"complete -c graphc -f -n __fish_use_subcommand -a {command.name} -d {_quoted(command.meaning)}"
    here = f"complete -c graphc -n '__fish_seen_subcommand_from {command.name}'"
    for option in command.options:
        form = f"-l {option.flag[2:]}" if option.flag.startswith("--") else f"-s {option.flag[1:]}"
        if option.takes_value:
            form += f" -x -a '{' '.join(option.choices)}'" if option.choices else " -r"
        yield f"{here} {form} -d {_quoted(option.meaning)}"
    if command.words:
        yield f"{here} -f -a '{' '.join(command.words)}'"


def _quoted(text: str) -> str:
    """As zsh and fish both read it."""
    return "'" + text.replace("'", r"'\''") + "'"


_SHELLS: dict[str, Callable[[Sequence[_Command]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
