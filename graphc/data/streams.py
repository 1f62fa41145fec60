"""Holds the streams of a reader section against the inputs of a network; opens no file and needs no arrays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from graphc.config.reader import ReaderSettings, StreamSettings
from graphc.diagnostics import Diagnostic, Diagnostics, Label, Span, suggest


@dataclass(frozen=True, slots=True)
class WantedInput:
    """An input of the network: how many elements a sample has, and where it was declared."""

    name: str
    dim: int
    span: Span | None = None


def match_streams(settings: ReaderSettings, wanted: Sequence[WantedInput]) -> dict[str, StreamSettings]:
    """The stream of each input; raises `DiagnosticError` with all that disagrees."""
    found = Diagnostics()
    matched: dict[str, StreamSettings] = {}
    for input in wanted:
        stream = settings.stream(input.name)
        if stream is None:
            found.add(_missing_stream(settings, input, {w.name.lower() for w in wanted}))
        elif stream.dim != input.dim:
            found.add(_wrong_dimension(stream, input))
        else:
            matched[input.name] = stream
    found.raise_errors()
    return matched


def _missing_stream(settings: ReaderSettings, input: WantedInput, wanted: Collection[str]) -> Diagnostic:
    names = [s.name for s in settings.inputs]
    unused = [s.name for s in settings.inputs if s.name.lower() not in wanted]
    close = suggest(input.name, unused)
    message = f"the reader has no stream for the network's input '{input.name}', only {', '.join(names)}"
    labels = (Label(f"the input '{input.name}' is declared", input.span),) if input.span else ()
    hint = f"rename the stream '{close}' to '{input.name}', or the input" if close else None
    misspelt = settings.stream(close) if close else None
    place = misspelt.span if misspelt else settings.spans.get("input", settings.span)
    return Diagnostic("GC0608", message, place, labels, hint)


def _wrong_dimension(stream: StreamSettings, input: WantedInput) -> Diagnostic:
    message = f"stream '{stream.name}' has dim {stream.dim}, but the network's input has {input.dim} elements"
    labels = (Label(f"the input '{input.name}' of {input.dim} elements is declared", input.span),) if input.span else ()
    return Diagnostic("GC0609", message, stream.spans.get("dim", stream.span), labels)
