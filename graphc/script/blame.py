"""Tells an error to the author of a model: at his own text if the library found it, and on the way to which value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from graphc.diagnostics import Diagnostic, DiagnosticError, Label, SourceFile, Span
from graphc.script import errors
from graphc.script.values import FunctionValue, RecordValue, Thunk, written_at
from graphc.syntax import ast

_MOST_LABELS = 3


class Call(NamedTuple):
    """A call that is under way: what is called, where in the author's text, and while evaluating what."""

    function: FunctionValue
    span: Span
    within: Thunk | None


def author_span(span: Span, scope: RecordValue | None, library: Collection[SourceFile]) -> Span:
    """The call in the author's text that made what stands at a place of the library; else the place itself."""
    while scope is not None:
        # the scope of a call bears the author's span of that call
        if scope.span.file not in library:
            return scope.span
        scope = scope.parent
    return span


def blamed(
    found: Diagnostic, current: Thunk | None, calls: Sequence[Call], library: Collection[SourceFile]
) -> Diagnostic:
    """The diagnostic at a place the author wrote, with the innermost members under evaluation as labels."""
    span, labels = found.span, found.labels
    if span is not None and span.file in library:
        own = _led_here(span, current, calls, library)
        if own.file not in library:
            labels = (*labels, Label("found in the library", span))
            span = own
    labelled = {label.span for label in labels}
    return replace(found, span=span, labels=(*labels, *_forcing_sites(current, span, labelled, library)))


def _led_here(span: Span, current: Thunk | None, calls: Sequence[Call], library: Collection[SourceFile]) -> Span:
    within = calls[-1].within if calls else None
    if current is not None and current is not within and written_at(current.site).file in library:
        # no call since this member was begun: the call that made it counts, not the one that needs it
        span = author_span(span, current.scope, library)
    return calls[-1].span if calls and span.file in library else span


def _forcing_sites(
    current: Thunk | None, blamed: Span | None, labelled: set[Span | None], library: Collection[SourceFile]
) -> list[Label]:
    """Of the author's own members where there are any or other labels name some, else of the library's."""
    told = {blamed, *labelled}
    own: list[Label] = []
    foreign: list[Label] = []
    while current is not None and len(own) < _MOST_LABELS:
        site = current.site
        if isinstance(site, ast.Member) and site.name_span not in told:
            told.add(site.name_span)
            labels = foreign if site.name_span.file in library else own
            labels.append(Label(f"while evaluating '{site.name}'", site.name_span))
        current = current.caller
    if own or any(span is not None and span.file not in library for span in labelled):
        return own
    return foreign[:_MOST_LABELS]


def endless(calls: Sequence[Call], depth: int, library: Collection[SourceFile], nowhere: Span) -> DiagnosticError:
    """Blames the function that fills the end of the chain of calls, the author's own before the library's."""
    recent = calls[-1000:]
    if not recent:
        return errors.endless("", depth, nowhere, None)
    counts = Counter(call.function.span for call in recent)

    def weight(call: Call) -> tuple[bool, int]:
        return call.function.span.file not in library, counts[call.function.span]

    culprit = max(reversed(recent), key=weight)
    return errors.endless(culprit.function.name, len(calls), culprit.span, culprit.function.span)
