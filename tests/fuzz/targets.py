"""What is done with an input, and the laws that hold for every input that is accepted."""

from __future__ import annotations

import contextlib
import io
import math
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from graphc.actions.check import Check, check, check_description, check_script
from graphc.cli.languages import check_any, language_of
from graphc.cli.main import main
from graphc.data.text_format import TextOptions, parse_text_format
from graphc.data.text_rows import TextInput
from graphc.diagnostics import DiagnosticError, Diagnostics, SourceFile, SourceText
from graphc.ir import ElementType, equal_graphs, format_graph, parse_graph, verify
from graphc.network.lower import to_graph
from graphc.network.mel.interpreter import SavedModel, run_script
from graphc.network.ndl.build import NDLScript, build_ndl_network
from graphc.network.network import Network
from graphc.network.saved import loaded_network, read_model_text
from graphc.network.session import Session
from graphc.network.text import equal_networks, format_network, parse_network
from graphc.passes.pipeline import optimise
from graphc.syntax.brainscript import parse_expression
from graphc.syntax.configuration import configuration_from_text
from graphc.syntax.configuration_text import strip_comments
from graphc.syntax.formatter import format_configuration, format_script
from graphc.syntax.printer import format_expression
from tests.fuzz import corpus
from tests.fuzz.watch import BrokenLaw

SEPARATOR = b"\x1e"
# larger networks are checked, but not optimised as well
_MOST_NODES = 200


def expression(data: bytes) -> None:
    """Text to tree; the tree's canonical text means the tree."""
    tree = parse_expression(SourceText.from_string(_text(data)))
    with contextlib.suppress(RecursionError):  # of the comparison and the printer, which people read: not of the parser
        _require(
            parse_expression(SourceText.from_string(format_expression(tree))) == tree, "parse (format (tree)) == tree"
        )


def script(data: bytes) -> None:
    """A network from its text, with all shapes; what is printed is parsed back, and its graph optimised."""
    result = check_script(SourceFile("input.bs", _text(data)))
    _judge(result.found)
    for checked in result.networks:
        if len(checked.network) > _MOST_NODES:
            continue
        printed = format_network(checked.network)
        again = parse_network(printed)
        _require(equal_networks(checked.network, again), "parse_network (format_network (n)) == n")
        _lowered(result)


def _lowered(result: Check) -> None:
    for checked in result.networks:
        graph = to_graph(checked.network, [node.name for node in checked.network.roots])
        after = optimise(graph)
        verify(after)
        _require(equal_graphs(parse_graph(format_graph(after)), after), "parse_graph (format_graph (g)) == g")


def configuration(data: bytes) -> None:
    """A configuration and the overrides behind it, as `check` sees them."""
    text, *overrides = (_text(part) for part in data.split(SEPARATOR))
    root = configuration_from_text(text, overrides, presets={"ConfigDir": ".", "RunDir": "."})
    _judge(check(root).found)


def file(data: bytes) -> None:
    """A file of whatever language, told by its contents."""
    Path("input.cntk").write_bytes(data)
    _judge(check_any(["input.cntk"]).found)


def commands(data: bytes) -> None:
    """The command line, with what it prints."""
    Path("input.cntk").write_bytes(_CONFIGURATION)
    arguments = [_text(part).replace("\0", "") for part in data.split(SEPARATOR)]
    with _captured() as output, contextlib.suppress(SystemExit):
        status = main(arguments)
        _require(status in (0, 1, 2), f"exit status {status}")
    _require("Traceback" not in output.getvalue(), "no traceback")


def formatting(data: bytes) -> None:
    """`fmt` is idempotent; what it is given without an error it gives back with the same meaning."""
    text = _text(data)
    formatter = format_script if language_of(text) == "bs" else format_configuration
    try:
        once = formatter(text, "input")
    except DiagnosticError as error:
        _require(all(d.code != "GC0006" for d in error.diagnostics), "fmt finds a form with the same meaning")
        raise
    _require(formatter(once, "input") == once, "fmt (fmt (text)) == fmt (text)")


def description(data: bytes) -> None:
    """A network in the description language; what is printed is parsed back."""
    result = check_description(SourceFile("input.ndl", _text(data)), configuration_from_text("a = 1"))
    _judge(result.found)
    for checked in result.networks:
        again = parse_network(format_network(checked.network))
        _require(equal_networks(checked.network, again), "parse_network (format_network (n)) == n")


def edits(data: bytes) -> None:
    """A script of edits of two models, and what it makes of them."""
    session, found = Session(files_required=False), Diagnostics()
    for path in ("base", "other"):
        session.promise(path, _model())
    text = strip_comments(SourceText.of(SourceFile("input.mel", _text(data))))
    outputs = found.keep(lambda: run_script(text, session, found, ElementType.FLOAT32, ()))
    _judge(found)
    for output in outputs or ():
        if isinstance(output, SavedModel):
            printed = format_network(output.network)
            _require(format_network(parse_network(printed)) == printed, "an edited model is read again as it is")


@cache
def _model() -> Network:
    file = SourceText.from_string(corpus.descriptions()[-1].decode())
    return build_ndl_network(NDLScript((), (file,)), ElementType.FLOAT32, session=Session(), diagnostics=Diagnostics())


def network_text(data: bytes) -> None:
    """A network as model files hold it."""
    network = parse_network(_text(data))
    _require(equal_networks(parse_network(format_network(network)), network), "parse (format (network)) == network")


def graph_text(data: bytes) -> None:
    """A graph as `--emit ir` prints it."""
    graph = parse_graph(_text(data))
    verify(graph)
    _require(equal_graphs(parse_graph(format_graph(graph)), graph), "parse (format (graph)) == graph")
    optimise(graph)


def model_file(data: bytes) -> None:
    """The header of a model file, and what reads its values."""
    path = Path("input.model")
    path.write_bytes(data)
    loaded_network(read_model_text(path), str(path))


def text_format(data: bytes) -> None:
    """A data file, once as it is declared and once with sequence numbers skipped."""
    inputs = (TextInput("x", 3, defines_mb_size=True), TextInput("y", 4, sparse=True))
    found = Diagnostics()
    for options in (TextOptions(), TextOptions(skip_sequence_ids=True, max_errors=3)):
        dataset = found.keep(lambda options=options: parse_text_format(data, "input.ctf", inputs, options))
        if dataset is not None:
            found.extend(dataset.warnings)
            _require(not math.isnan(dataset.samples), "a number of samples")
    _judge(found)


def includes(data: bytes) -> None:
    """Several files: the first is checked, the others are there to be included."""
    names = ("input.cntk", "a.bs", "b.bs", "c.cntk")
    for name, part in zip(names, data.split(SEPARATOR), strict=False):
        Path(name).write_bytes(part)
    _judge(check_any(["input.cntk"]).found)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _require(condition: bool, law: str) -> None:
    if not condition:
        raise BrokenLaw(law)


def _judge(found: Diagnostics) -> None:
    """Every diagnostic can be shown, in every form; raises `DiagnosticError` where there are errors."""
    for diagnostic in found.found:
        diagnostic.render()
        diagnostic.as_json()
    found.raise_errors()


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    """Standard output and error, which take what a terminal takes."""
    output = io.StringIO()
    encoded = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    shown = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = encoded, shown
    try:
        yield output
    finally:
        sys.stdout, sys.stderr = before
        for stream in (encoded, shown):
            output.write(stream.buffer.getvalue().decode("utf-8"))  # pyright: ignore[reportAttributeAccessIssue]


_CONFIGURATION = b"""command = Train
modelPath = "out/model"
Train = [
    action = train
    BrainScriptNetworkBuilder = {
        features = Input {3} ; labels = Input {2} ; z = LinearLayer {2} (features)
        ce = CrossEntropyWithSoftmax (labels, z) ; criterionNodes = (ce) ; outputNodes = (z)
    }
    SGD = [ maxEpochs = 1 ; learningRatesPerSample = 0.1 ; minibatchSize = 4 ]
    reader = [ readerType = CNTKTextFormatReader ; file = nowhere.ctf
               input = [ features = [ dim = 3 ; format = dense ] ; labels = [ dim = 2 ; format = dense ] ] ]
]
"""
