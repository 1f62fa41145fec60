"""What outlives one network of a run: the counters that seed parameters, and how parameter files are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from graphc.files import data_path, read_data_bytes
from graphc.ir import ElementType
from graphc.network.network import Network
from graphc.network.saved import read_model_text
from graphc.network.text import format_network


def read_parameter_file(path: str) -> str:
    """Text of a matrix file; raises `OSError` or `UnicodeDecodeError`."""
    return read_data_bytes(data_path(path)).decode()


@dataclass
class Session:
    """One run of a configuration.

    CNTK counts randomly initialised parameters through the whole process, one counter an element type, so the
    second command of a configuration does not start at 1 again.
    """

    # a missing file is only worth a warning where no values are needed (`check`, `compile --no-data`)
    files_required: bool = True
    read: Callable[[str], str] = read_parameter_file
    # where the language's `Print` goes
    write: Callable[[str], None] = lambda line: None
    _seeds: dict[ElementType, int] = field(default_factory=dict)
    _ndl_seeds: dict[ElementType, int] = field(default_factory=dict)
    # networks that commands of this run are going to save, by the file
    _promised: dict[Path, Network] = field(default_factory=dict)
    # how often a model file was asked for
    models_read: int = 0

    def next_seed(self, element: ElementType) -> int:
        """Seed of the next randomly initialised parameter; the first is 1."""
        return _next(self._seeds, element)

    def next_ndl_seed(self, element: ElementType) -> int:
        """The same of parameters in the network description language, which are counted apart."""
        return _next(self._ndl_seeds, element)

    def promise(self, path: str, network: Network) -> None:
        """The file will hold this network, whether it exists already or not."""
        self._promised[Path(path)] = network

    def model_text(self, path: str) -> str:
        """Text of the network in a model file; raises `OSError` or `DiagnosticError`."""
        self.models_read += 1
        file = Path(path)
        # `model.3` is what `model` was after the third epoch
        final = file.with_suffix("") if file.suffix[1:].isdigit() else file
        network = self._promised.get(file) or self._promised.get(final)
        return read_model_text(file) if network is None else format_network(network)


def _next(counters: dict[ElementType, int], element: ElementType) -> int:
    counters[element] = counters.get(element, 0) + 1
    return counters[element]
