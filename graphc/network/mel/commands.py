"""Every command of an editing script: its names and arguments, and which of them a line calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from graphc.diagnostics import Diagnostic, DiagnosticError, SourceText, Span, did_you_mean
from graphc.syntax import mel

_FORMATS = ("cntk", "cntk_legacy_no_tensorlib")
_COPIES = ("all", "value")


@dataclass(frozen=True)
class Signature:
    """``names[0]`` is the full name; options are given by name only, with the words that they take (none: any)."""

    names: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # arguments that may be left out, from the end, and whether the last may be repeated
    optional: int = 0
    repeats: bool = False

    def __str__(self) -> str:
        parts = [*self.arguments[: len(self.arguments) - self.optional]]
        parts += [f"[{name}]" for name in self.arguments[len(parts) :]]
        parts += ["…"] if self.repeats else []
        parts += [f"[{name}={'|'.join(words) or '…'}]" for name, words in self.options.items()]
        return f"{self.names[0]} ({', '.join(parts)})"


# an abbreviation is that of the first command that it fits
SIGNATURES = (
    Signature(("CreateModel",)),
    Signature(("CreateModelWithName",), ("model",)),
    Signature(("LoadModel",), ("file",), {"format": _FORMATS}),
    Signature(("LoadModelWithName",), ("model", "file"), {"format": _FORMATS}),
    Signature(("LoadNDLSnippet",), ("model", "file"), {"section": ()}),
    Signature(("SaveDefaultModel",), ("file",), {"format": _FORMATS}),
    Signature(("SaveModel",), ("model", "file"), {"format": _FORMATS}),
    Signature(("SetDefaultModel",), ("model",)),
    Signature(("UnloadModel",), ("model",), repeats=True),
    Signature(("DumpModel", "Dump"), ("model", "file"), {"includeData": ("false", "true")}),
    Signature(("DumpNode",), ("nodes", "file"), {"includeData": ("false", "true")}),
    Signature(("CopyNode", "Copy"), ("from", "to"), {"copy": _COPIES, "copyFlag": _COPIES}),
    Signature(("CopySubTree",), ("from", "toModel", "prefix"), {"copy": _COPIES, "copyFlag": _COPIES}),
    Signature(("CopyNodeInputs", "CopyInputs"), ("from", "to")),
    Signature(("SetNodeInput", "SetInput"), ("nodes", "index", "input")),
    Signature(("SetNodeInputs", "SetInputs"), ("node", "input1", "input2", "input3"), optional=2),
    Signature(("SetProperty",), ("nodes", "property", "value")),
    Signature(("SetPropertyForSubTree",), ("nodes", "property", "value")),
    Signature(("RemoveNode", "Remove", "DeleteNode", "Delete"), ("nodes",), repeats=True),
    Signature(("Rename",), ("from", "to")),
    Signature(("ReviseParameter",), ("nodes", "file")),
)


@dataclass(frozen=True, eq=False)
class Call:
    """A command with the arguments that its signature names, and the options by their full names, lower case."""

    name: str
    arguments: tuple[SourceText, ...]
    options: Mapping[str, str]
    span: Span
    # where the name of the command stands
    place: Span


def bound(command: mel.Command) -> Call:
    """The call that a line makes; raises `DiagnosticError`."""
    signature = _signature(command.name)
    # `m = LoadModel (…)` is LoadModelWithName (m, …)
    target = () if command.target is None else (command.target,)
    if target:
        signature = next(s for s in SIGNATURES if s.names[0] == f"{signature.names[0]}WithName")
    count = _positional(signature, len(target), command)
    options = [_option(signature, text) for text in command.arguments[count - len(target) :]]
    arguments = (*target, *command.arguments[: count - len(target)])
    return Call(signature.names[0], arguments, dict(options), command.span, command.name.span())


def choice(text: str, options: Iterable[str]) -> str | None:
    """The option that a text names or abbreviates."""
    return next((o for o in options if mel.abbreviates(text, o)), None) if text else None


def _signature(name: SourceText) -> Signature:
    for signature in SIGNATURES:
        if choice(name.text, signature.names):
            return signature
    names = [n for s in SIGNATURES for n in s.names]
    hint = did_you_mean(name.text, names, f"there are {', '.join(s.names[0] for s in SIGNATURES)}")
    raise DiagnosticError(Diagnostic("GC0430", f"there is no editing command {name}", name.span(), hint=hint))


def _positional(signature: Signature, given: int, command: mel.Command) -> int:
    """How many arguments are not options, the target included."""
    most = len(signature.arguments)
    count = given + len(command.arguments)
    least = most - signature.optional
    if count < least or (count > most and not signature.repeats and not signature.options):
        raise _wrong_count(signature, given, command)
    if signature.repeats or not signature.options:
        return count
    extra = command.arguments[most - given :]
    if any(mel.option(text) is None for text in extra):
        raise _wrong_count(signature, given, command)
    return min(count, most)


def _wrong_count(signature: Signature, given: int, command: mel.Command) -> DiagnosticError:
    count = len(command.arguments)
    most, least = len(signature.arguments) - given, len(signature.arguments) - given - signature.optional
    wanted = f"{least} to {most}" if least < most else f"at least {least}" if signature.repeats else str(least)
    message = f"{signature.names[0]} takes {wanted} argument{'' if wanted.endswith('1') else 's'}, not {count}"
    hint = (
        f"write {signature}"
        if not given
        else f"write {command.target} = {signature}".replace("WithName (model, ", " (")
    )
    return DiagnosticError(Diagnostic("GC0432", message, command.span, hint=hint))


def _option(signature: Signature, text: SourceText) -> tuple[str, str]:
    parts = mel.option(text)
    assert parts is not None
    name, value = parts
    full = choice(name.text, signature.options)
    if full is None:
        hint = did_you_mean(name.text, signature.options, f"write {signature}")
        message = f"{signature.names[0]} has no option {name}"
        raise DiagnosticError(Diagnostic("GC0432", message, name.span(), hint=hint))
    words = signature.options[full]
    word = choice(value.text, words) if words else value.text
    if not word:
        hint = f"there are {', '.join(words)}" if words else None
        message = f"{full} is '{value}'" if value.text else f"{full} has no value"
        raise DiagnosticError(Diagnostic("GC0432", message, text.span(), hint=hint))
    return ("copy" if full == "copyFlag" else full), word
