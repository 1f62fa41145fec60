"""What every action of a run shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO

from graphc.actions.events import Found, Noted, Observer
from graphc.actions.networks import Networks
from graphc.config.commands import NetworkSource
from graphc.config.experiment import Experiment, RootSettings
from graphc.diagnostics import Diagnostic, Diagnostics, Span, placing
from graphc.ir.arithmetic import ARITHMETIC, Arithmetic
from graphc.network.network import Network
from graphc.network.session import Session
from graphc.train.engine import engine
from graphc.train.xorwow import DeviceFills


@dataclass(frozen=True)
class RunOptions:
    """What the command line says beside the configuration; none: as the configuration says."""

    device: str | int | None = None
    generator: str | None = None
    # look at every number of the data before it is used
    check_data: bool = False


@dataclass
class RunContext:
    """One run: what is to be done, who watches it, and the networks it builds."""

    experiment: Experiment
    observer: Observer
    # where `outputPath = -` writes to
    output: TextIO
    options: RunOptions = RunOptions()
    networks: Networks = field(init=False)
    # the numbers that a GPU's generator has drawn for the commands so far
    device_fills: DeviceFills = field(default_factory=DeviceFills, init=False)
    _told: int = 0

    def __post_init__(self) -> None:
        session = Session(write=lambda line: self.observer.handle(Noted("", line)))
        folders = self.experiment.root.context.include_directories
        self.networks = Networks(self.settings, folders, session)

    @property
    def settings(self) -> RootSettings:
        return self.experiment.settings

    @property
    def device(self) -> str | int:
        return self.settings.device_id if self.options.device is None else self.options.device

    @property
    def arithmetic(self) -> Arithmetic:
        return ARITHMETIC[self.settings.precision]

    @property
    def device_place(self) -> Span | None:
        """Where the configuration says which device; none where the command line does."""
        return self.settings.spans.get("deviceId") if self.options.device is None else None

    def passes_for_device(self, *, is_truncated: bool) -> tuple[str, ...]:
        """The passes on demand that suit the device: cuDNN knows no pieces of sequences and, in JAX, no doubles."""
        settings = self.settings
        cannot = is_truncated or settings.precision == "double" or settings.force_deterministic_algorithms
        if settings.recurrence_engine != "cudnn" or cannot:
            return ()
        with placing(self.device_place):
            device = engine().device(self.device)
        return ("cudnn",) if engine().is_cuda(device) else ()

    @property
    def generator(self) -> str:
        return self.options.generator or self.settings.random_generator

    @property
    def seed(self) -> int:
        return self.settings.random_seed

    def build(self, section: str, source: NetworkSource, trace_level: int) -> Network:
        """The network of a builder section; its warnings are told."""
        found = Diagnostics()
        try:
            return self.networks.build(source, found, trace_level)
        finally:
            self.warn(section, found.warnings)

    def take_warnings(self) -> list[Diagnostic]:
        """What reading the configuration has found since the last call."""
        found = self.experiment.root.context.diagnostics.found
        fresh = found[self._told :]
        self._told = len(found)
        return fresh

    def warn(self, section: str, diagnostics: Sequence[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self.observer.handle(Found(section, diagnostic))
