"""A saved model as a decoder: the hooks that it must have, and the network that edits them (docs/decoding.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphc.actions.networks import inputs_below
from graphc.config.commands import BeamSearchCommand, Builder, NetworkSource
from graphc.diagnostics import Diagnostic, DiagnosticError, SourceText, Span, did_you_mean
from graphc.network.network import Network, NetworkNode, needed
from graphc.ops.softmax import Hardmax
from graphc.ops.sources import InputValue

SCORES = "z"
LABELS = "labelSequence"
HISTORY = "decoderHistoryHook"
REORDERING = "beamSearchReorderHook"
HISTORY_FROM_OUTPUT = "decoderHistoryFromOutput"

# makes the network of a section
Build = Callable[[NetworkSource], Network]

_ROLES = {
    SCORES: "the scores of all words",
    LABELS: "the words to write",
    HISTORY: "what the decoder reads as its past",
    REORDERING: "what the decoder's states are multiplied by",
    HISTORY_FROM_OUTPUT: "the embedding of Hardmax (z)",
}
_GUIDE = "docs/decoding.md says what a model must name"

# names of the decoder's outputs, as graphc/script/library/seq2seq.bs makes them
OUTPUTS = WORDS, ORIGINS, PATH_SCORES = tuple(f"network.decoder.{name}" for name in ("words", "origins", "scores"))
# the score of what cannot be
IMPOSSIBLE = -1e20
# the likelihood's only output
CROSS_ENTROPY = "crossEntropy"


@dataclass(frozen=True)
class Hooks:
    """What a search needs to know of a model.

    ``labels`` is the input below the words to write, of which there are ``vocabulary``, and ``axis`` its dynamic axis.
    ``source`` is the name of the node that histories are made from, where words are embedded, else empty.
    """

    labels: str
    axis: str
    vocabulary: int
    source: str
    has_reordering: bool
    is_vector: bool


def hooks_of(network: Network, depth: int, place: Span | None) -> Hooks:
    """Raises `DiagnosticError` with everything that a search with this depth misses in the model."""
    wanted = [SCORES, LABELS, HISTORY, *([REORDERING] if depth > 1 else [])]
    missing = [_missing(network, name, place) for name in wanted if name not in network]
    if missing:
        raise DiagnosticError(*missing)
    vocabulary, is_vector = _vocabulary(network, depth, place)
    labels = [node for node in needed([network[LABELS]]) if isinstance(node.op, InputValue)]
    if len(labels) != 1:
        found = f"{len(labels)} inputs lie below {LABELS}" if labels else f"no input lies below {LABELS}"
        raise _wrong(f"{found}, expected one, the labels", place)
    size = labels[0].type.size if labels[0].type else None
    if size != vocabulary:
        raise _wrong(f"the labels '{labels[0].name}' are {size} words, but {SCORES} scores {vocabulary}", place)
    axis = _own_axis(network, labels[0], place)
    source = "" if _passed(network[HISTORY]) is _passed(network[LABELS]) else _source(network, place)
    return Hooks(labels[0].name, axis, vocabulary, source, REORDERING in network, is_vector)


def _decoder_text(model: str, hooks: Hooks, depth: int, end: int | None) -> SourceText:
    """The network with the outputs `WORDS`, `ORIGINS` and `PATH_SCORES`, as BrainScript that loads the model."""
    arguments = {
        "sentenceEnd": str(-1 if end is None else end),
        "historySource": f"'{hooks.source}'",
        "hasReorderHook": _boolean(hooks.has_reordering),
        "isVector": _boolean(hooks.is_vector),
        "LOGZERO": str(IMPOSSIBLE),
        "isGreedy": _boolean(depth == 1),
    }
    settings = ", ".join(f"{name}={value}" for name, value in arguments.items())
    return _script(f"(BS.Seq2Seq._BeamSearch (BS.Network.Load ({_quoted(model)}), {depth}, {settings}).decoder)")


def _likelihood_text(model: str) -> SourceText:
    """The network with the one output `CROSS_ENTROPY`, that of each word of the labels by the model as it is."""
    likelihood = f"ReduceLogSum (model.{SCORES}) - TransposeTimes (model.{LABELS}, model.{SCORES})"
    load = f"model = BS.Network.Load ({_quoted(model)})"
    return _script(f"{{ {load} ; {CROSS_ENTROPY} = {likelihood} ; evaluationNodes = ({CROSS_ENTROPY}) }}")


def decoder_of(command: BeamSearchCommand, hooks: Hooks, end: int | None, build: Build) -> Network:
    """The decoder of a command, with the outputs `OUTPUTS`; raises `DiagnosticError`."""
    return _built(_decoder_text(command.model_path, hooks, command.beam_depth, end), command, build)


def likelihood_of(command: BeamSearchCommand, build: Build) -> Network:
    """The network that measures how probable the labels are to the command's model."""
    return _built(_likelihood_text(command.model_path), command, build)


def inputs_to_read(command: BeamSearchCommand, decoder: Network, hooks: Hooks) -> list[str]:
    """The decoder's inputs that the reader must deliver: labels only where it has them.

    Without labels only symbols say where hypotheses begin and end; raises `DiagnosticError` where there are none.
    """
    inputs = [node.name for node in inputs_below(decoder, OUTPUTS)]
    if command.reader.stream(hooks.labels) is not None:
        return inputs
    missing = [f'{key} = "…"' for key, value in _limits(command).items() if not value]
    if missing:
        message = f"the reader has no stream for the labels '{hooks.labels}' to begin with, and to end after"
        hint = f"add {' and '.join(missing)}"
        raise DiagnosticError(Diagnostic("GC0501", message, command.reader.span, hint=hint))
    return [name for name in inputs if name != hooks.labels]


def _limits(command: BeamSearchCommand) -> dict[str, str]:
    return {"startSymbol": command.start_symbol, "endSymbol": command.end_symbol}


def _built(text: SourceText, command: BeamSearchCommand, build: Build) -> Network:
    return build(NetworkSource(Builder.BRAINSCRIPT, command.network.span, script=text))


def _vocabulary(network: Network, depth: int, place: Span | None) -> tuple[int, bool]:
    type = network[SCORES].type
    assert type is not None
    is_vector = type.rank == 1
    if type.axis is None or type.dims[1:] not in ((), (1,)) or (is_vector and depth > 1):
        shape = "[V x 1], or [V] for beamDepth = 1," if depth == 1 else "[V x 1]"
        hint = f"multiply the decoder's states by {REORDERING}" if is_vector else None
        raise _wrong(f"{SCORES} is {type}, expected {shape} for each frame of {LABELS}", place, hint)
    return type.dims[0], is_vector


def _own_axis(network: Network, labels: NetworkNode, place: Span | None) -> str:
    """The labels' axis, which must be theirs alone: they become longer or shorter than everything else."""
    axis = _axis(labels)
    others = [node for node in inputs_below(network, [SCORES]) if node is not labels]
    if not others:
        raise _wrong(f"{SCORES} depends on nothing but the labels '{labels.name}'", place)
    shared = next((node.name for node in others if _axis(node) == axis), None)
    if shared is not None:
        message = f"the labels '{labels.name}' are on the dynamic axis of the input '{shared}'"
        raise _wrong(message, place, f"give {shared} an axis of its own: dynamicAxis = DynamicAxis()")
    return axis


def _axis(input: NetworkNode) -> str:
    assert isinstance(input.op, InputValue)
    return input.op.axis


def _source(network: Network, place: Span | None) -> str:
    """The name of the ``Hardmax (z)`` that the embedded history is made from."""
    output = network.get(HISTORY_FROM_OUTPUT)
    if output is None:
        missing = _missing(network, HISTORY_FROM_OUTPUT, place)
        raise _wrong(f"{HISTORY} is not {LABELS} itself, and {missing.message}", place, missing.hint)
    scores = _passed(network[SCORES])
    found = [n for n in _below(output, scores) if isinstance(n.op, Hardmax) and _passed(n.inputs[0]) is scores]
    if len(found) != 1:
        what = "more than one" if found else "no"
        raise _wrong(f"{HISTORY_FROM_OUTPUT} is made from {what} Hardmax ({SCORES}), expected one", place)
    return found[0].name


def _below(root: NetworkNode, stop: NetworkNode) -> Iterator[NetworkNode]:
    """What a node is made from, down to another."""
    seen, pending = {stop}, [root]
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.add(node)
            pending += node.inputs
            yield node


def _passed(node: NetworkNode) -> NetworkNode:
    """What a chain of `Pass` begins with."""
    while node.operation == "Pass":
        node = node.inputs[0]
    return node


def _missing(network: Network, name: str, place: Span | None) -> Diagnostic:
    message = f"the model has no node {name}, {_ROLES[name]}"
    return Diagnostic("GC0419", message, place, hint=did_you_mean(name, network.names) or _GUIDE)


def _wrong(message: str, place: Span | None, hint: str | None = None) -> DiagnosticError:
    return DiagnosticError(Diagnostic("GC0419", message, place, hint=hint or _GUIDE))


def _script(text: str) -> SourceText:
    return SourceText.from_string(text, "action beamSearch")


def _quoted(text: str) -> str:
    # a string of BrainScript has no escapes
    quote = "'" if '"' in text else '"'
    return f"{quote}{text}{quote}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"
