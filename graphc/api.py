"""graphc in Python: compile a model to something that can be called, or run a whole configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphc.actions.check import Check, check
from graphc.actions.events import Criterion, EpochFinished, Event, FinalResults, ModelSaved, NothingToDo, Written
from graphc.backend import Backend, Environment, Function, load
from graphc.cli.languages import language_of
from graphc.config.experiment import read_experiment
from graphc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, SourceText, did_you_mean
from graphc.ir import Graph
from graphc.ir.arithmetic import ARITHMETIC, Arithmetic
from graphc.ir.layout import array_shape
from graphc.network.build import build_network
from graphc.network.lower import to_graph
from graphc.network.network import Network
from graphc.network.session import Session
from graphc.ops.sources import InputValue, LearnableParameter
from graphc.passes.pipeline import optimise
from graphc.syntax.configuration import (
    ConfigurationRecord,
    configuration_from_text,
    default_presets,
    load_configuration,
    read_source,
)

Array = npt.NDArray[Any]
Parameters = dict[str, Array]


@dataclass(frozen=True, eq=False)
class Model:
    """A compiled network. Arrays have the author's axes reversed: a ``[W x H x C]`` input is ``(samples, C, H, W)``.

    >>> import graphc
    >>> model = graphc.compile("{ x = Input {2} ; z = 3 .* x ; outputNodes = (z) }")
    >>> model(model.init(), x=[[1.0, 2.0]]).tolist()
    [[3.0, 6.0]]
    """

    network: Network
    section: str = ""
    # half and bfloat16 compute products and convolutions in that type; values are kept and given in float32
    arithmetic: Arithmetic = "full"
    _programs: dict[tuple[str, ...], tuple[Graph, Function]] = field(default_factory=dict, repr=False)

    @cached_property
    def graph(self) -> Graph:
        """The optimised graph of all criteria, evaluations and outputs."""
        return optimise(to_graph(self.network, updates=False))

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Array shape of one sample of each input, by name."""
        return {n.name: tuple(reversed(n.type.dims)) for n in self.network.inputs if n.type is not None}

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a call computes unless it says otherwise: the output nodes, or without any, all roots."""
        return tuple(n.name for n in self.network.groups["output"] or self.network.roots)

    def init(self, seed: int = 0, *, generator: str = "jax") -> Parameters:
        """First values of every parameter by name; ``generator`` is ``jax`` or ``cntk``."""
        _load_xla()
        from graphc.actions.parameters import initial_values  # loads jax

        return initial_values(self.network, seed, generator)

    def load(self, path: str | os.PathLike[str]) -> Parameters:
        """Parameter values of a trained model file, checked against this network; raises `DiagnosticError`."""
        from graphc.train.checkpoint import load_model  # loads safetensors

        values = dict(load_model(Path(path)).values)
        self._require(values)
        return values

    def __call__(
        self, parameters: Mapping[str, npt.ArrayLike], *, nodes: Sequence[str] | str | None = None, **inputs: Any
    ) -> Any:
        """Values of the named nodes in inference mode: one array for a single node, else a dictionary.

        Inputs are given by name, ``(samples, …)``; samples may also be flat. An input that the nodes do not need may be
        left out. Raises `DiagnosticError` for a missing or misshapen input or an unknown node.
        """
        names = (nodes,) if isinstance(nodes, str) else tuple(nodes or self.outputs)
        for name in inputs:
            if name not in self.inputs:
                raise _unknown("input", name, list(self.inputs))
        graph, run = self._program(names)
        feeds = {n.op.name: self._fed(n.op.name, inputs) for n in graph.nodes if isinstance(n.op, InputValue)}
        results = run(self._completed(parameters, graph), feeds, Environment())
        found = dict(zip(names, map(np.asarray, results.outputs.values()), strict=True))
        return found[names[0]] if len(names) == 1 else found

    def summary(self) -> str:
        """A table of all nodes with their operations and shapes, and the number of trained parameters."""
        rows = [(n.name, n.operation, str(n.type), ", ".join(i.name for i in n.inputs)) for n in self.network]
        rows.insert(0, ("node", "operation", "shape", "inputs"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]) for row in rows]
        lines.insert(1, "-" * min(max(map(len, lines)), 120))
        trained = self.network.parameters
        lines.append(f"{self.network.parameter_count:,} trained parameters in {len(trained)} tensors")
        return "\n".join(line.rstrip() for line in lines)

    def _program(self, names: tuple[str, ...]) -> tuple[Graph, Function]:
        for name in names:
            if name not in self.network:
                raise _unknown("node", name, self.network.names)
        if names not in self._programs:
            graph = optimise(to_graph(self.network, names, updates=False))
            self._programs[names] = graph, _load_xla().compile(graph, arithmetic=self.arithmetic)
        return self._programs[names]

    def _fed(self, name: str, inputs: Mapping[str, Any]) -> Array:
        node = self.network[name]
        assert node.type is not None
        if name not in inputs:
            message = f"the input {name} {node.type} is missing"
            raise DiagnosticError(Diagnostic("GC0608", message, node.span, hint=f"pass {name}=array"))
        try:
            value = np.asarray(inputs[name], node.type.element.value)
        except (TypeError, ValueError) as error:
            message = f"the input {name} is no array of numbers: {error}"
            raise DiagnosticError(Diagnostic("GC0609", message, node.span)) from error
        shape = array_shape(node.type, len(value) if value.ndim else 0)
        if value.ndim == 0 or value.size != np.prod(shape):
            wanted = ", ".join(("samples", *map(str, shape[1:])))
            message = f"the input {name} has shape {value.shape}, expected ({wanted})"
            raise DiagnosticError(Diagnostic("GC0609", message, node.span))
        return value.reshape(shape)

    def _completed(self, parameters: Mapping[str, npt.ArrayLike], graph: Graph) -> Parameters:
        from graphc.actions.parameters import completed  # loads jax, as running does anyway

        values = {name: np.asarray(value) for name, value in parameters.items()}
        self._require(values)
        return completed(values, graph)

    def _require(self, values: Mapping[str, Array]) -> None:
        for node in self.network:
            is_given = node.is_statistic and node.name in values
            if not (isinstance(node.op, LearnableParameter) or is_given) or node.type is None:
                continue
            wanted = array_shape(node.type)
            found = values[node.name].shape if node.name in values else None
            if found != wanted:
                kind = "statistic" if node.is_statistic else "parameter"
                message = f"the {kind} {node.name} is missing"
                if found is not None:
                    message = f"the {kind} {node.name} has shape {found}, expected {wanted}"
                raise DiagnosticError(Diagnostic("GC0706", message, node.span))


def compile(
    model: str | os.PathLike[str], *overrides: str, section: str | None = None, precision: str = "float"
) -> Model:
    """The network of a configuration or of BrainScript, each a file or a text.

    A string with a line break or a leading bracket is text, everything else a path. BrainScript is ``{…}``, ``[…]`` or
    ``(…)``; ``precision``, which is ``float``, ``double``, ``half`` or ``bfloat16``, applies to it alone. ``overrides``
    are ``key=value`` arguments as on the command line; ``section`` chooses among several commands with a network,
    otherwise the first is taken. Raises `DiagnosticError` with everything that is wrong.
    """
    script = _script(model)
    if script is not None:
        return Model(_from_script(script, precision), arithmetic=ARITHMETIC[precision])
    result = check(_configuration(model, overrides), _print)
    result.found.raise_errors()
    chosen = [c for c in result.networks if section is None or c.section.lower() == section.lower()]
    if not chosen:
        raise DiagnosticError(_no_network(result, section))
    return Model(chosen[0].network, chosen[0].section, ARITHMETIC[chosen[0].precision])


@dataclass(frozen=True)
class CommandResult:
    """What a command of a run came to: averages of its criteria by name, and the files it wrote."""

    section: str
    metrics: Mapping[str, float]
    samples: int = 0
    files: tuple[Path, ...] = ()


def run(
    model: str | os.PathLike[str],
    *overrides: str,
    device: str | int | None = None,
    rng: str | None = None,
    observer: Callable[[Event], None] | None = None,
) -> dict[str, CommandResult]:
    """Execute the commands of a configuration; results by section, for training those of the last epoch.

    ``observer`` is called with every event (`graphc.actions.events`) as it happens. Raises `DiagnosticError` for wrong
    input and its subclass `RunError` when the work fails.
    """
    experiment = read_experiment(_configuration(model, overrides))
    _load_xla()
    from graphc.actions.context import RunOptions  # these load jax
    from graphc.actions.run import run as run_experiment

    results = _Results(observer)
    run_experiment(experiment, results, output=sys.stdout, options=RunOptions(device, rng))
    return results.found


class _Results:
    def __init__(self, observer: Callable[[Event], None] | None) -> None:
        self._observer = observer
        self.found: dict[str, CommandResult] = {}

    def handle(self, event: Event) -> None:
        if self._observer is not None:
            self._observer(event)
        match event:
            case EpochFinished(section=section, phase="train", criteria=criteria):
                self._add(section, criteria)
            case FinalResults(section=section, phase="test", criteria=criteria):
                self._add(section, criteria)
            case ModelSaved(section, path) | NothingToDo(section, path):
                old = self.found.get(section, CommandResult(section, {}))
                self.found[section] = CommandResult(section, old.metrics, old.samples, (path,))
            case Written(section=section, files=files, samples=samples):
                old = self.found.get(section, CommandResult(section, {}))
                self.found[section] = CommandResult(section, old.metrics, samples, tuple(files))
            case _:
                pass

    def _add(self, section: str, criteria: Sequence[Criterion]) -> None:
        samples = criteria[0].samples if criteria else 0
        files = self.found[section].files if section in self.found else ()
        self.found[section] = CommandResult(section, {c.name: c.value for c in criteria}, samples, files)


def _script(model: str | os.PathLike[str]) -> SourceText | None:
    """The text or file, if it is BrainScript."""
    if isinstance(model, str) and (model.lstrip()[:1] in ("{", "[", "(") or "\n" in model):
        text = SourceText.from_string(model)
    else:
        text = SourceText.of(read_source(Path(model)))
    return text if language_of(text.text) == "bs" else None


def _configuration(model: str | os.PathLike[str], overrides: Sequence[str]) -> ConfigurationRecord:
    if isinstance(model, str) and "\n" in model:
        return configuration_from_text(model, overrides, presets={"ConfigDir": ".", "RunDir": "."})
    return load_configuration([Path(model)], overrides, presets=default_presets(Path(model)))


def _from_script(text: SourceText, precision: str) -> Network:
    if precision not in ARITHMETIC:
        raise DiagnosticError(Diagnostic("GC0505", f"precision is {', '.join(ARITHMETIC)}, not {precision!r}"))
    return build_network(text, precision=precision, session=Session(write=_print), diagnostics=Diagnostics())


def _no_network(result: Check, section: str | None) -> Diagnostic:
    sections = [c.section for c in result.networks]
    if section is None:
        return Diagnostic("GC0501", "no command of the configuration builds a network")
    hint = did_you_mean(section, sections, f"there are {', '.join(sections) or 'none'}")
    return Diagnostic("GC0506", f"no command {section} builds a network", hint=hint)


def _unknown(what: str, name: str, names: Sequence[str]) -> DiagnosticError:
    hint = did_you_mean(name, names)
    return DiagnosticError(Diagnostic("GC0413", f"the network has no {what} {name}", hint=hint))


def _load_xla() -> Backend:
    # The backend sets the C library's allocator, which must happen before anything else loads jax.
    return load("xla")


def _print(line: str) -> None:
    print(line, file=sys.stderr)
