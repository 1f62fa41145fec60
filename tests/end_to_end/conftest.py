"""A project of one small configuration with its data, run through the real command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from graphc.cli.main import main

CONFIGURATION = """\
command = Train:Test:Write
modelPath = "out/model"
stderr = "out/log"
traceLevel = 1

Train = {
    action = "train"
    BrainScriptNetworkBuilder = {
        features = Input {2}
        labels = Input {2}
        W = ParameterTensor {(2:2)}
        b = ParameterTensor {2, init = "fixedValue", value = 0}
        z = W * features + b
        ce = CrossEntropyWithSoftmax (labels, z)
        errs = ClassificationError (labels, z)
        criterionNodes = (ce)
        evaluationNodes = (errs)
        outputNodes = (z)
    }
    SGD = {
        minibatchSize = 4
        maxEpochs = 2
        learningRatesPerSample = 0.1
        momentumAsTimeConstant = 20
        numMBsToShowResult = 2
    }
    reader = {
        readerType = "CNTKTextFormatReader"
        file = "points.ctf"
        input = {
            features = { dim = 2 ; format = "dense" }
            labels = { dim = 2 ; format = "dense" }
        }
    }
}

Test = {
    action = "test"
    minibatchSize = 5
    reader = {
        readerType = "CNTKTextFormatReader"
        file = "points.ctf"
        input = {
            features = { dim = 2 ; format = "dense" }
            labels = { dim = 2 ; format = "dense" }
        }
    }
}

Write = {
    action = "write"
    outputPath = "out/scores"
    reader = {
        readerType = "CNTKTextFormatReader"
        file = "points.ctf"
        input = {
            features = { dim = 2 ; format = "dense" }
        }
    }
}
"""

POINTS = "".join(
    f"|features {x / 10:.1f} {y / 10:.1f} |labels {int(x <= y)} {int(x > y)}\n"
    for x, y in [
        (3, 8),
        (9, 1),
        (-5, -2),
        (4, -7),
        (-1, 6),
        (2, 0),
        (-9, -3),
        (7, 5),
        (0, 1),
        (-2, -8),
        (6, 9),
        (1, -4),
    ]
)

# a diagnostic: its first line, then place, excerpt, labels and hint
_DIAGNOSTIC = re.compile(r"^(?:error|warning)\[.*(?:\n *(?:--> |\d* \||= ).*)*", re.MULTILINE)

# lines of the standard library move
_LIBRARY_PLACE = re.compile(r"(library/\w+\.bs):\d+:\d+")


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def diagnostics(self) -> str:
        """What was told, without CNTK's log around it."""
        found = "\n\n".join(m[0].rstrip() for m in _DIAGNOSTIC.finditer(self.err))
        return _LIBRARY_PLACE.sub(r"\1", found)


@dataclass
class Project:
    """The configuration ``m.cntk`` and its data ``points.ctf`` in a folder of their own, the current one."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    configuration: str = CONFIGURATION
    points: str = POINTS
    names: list[str] = field(default_factory=lambda: ["m.cntk", "points.ctf"])

    def edit(self, *edits: tuple[str, str]) -> Project:
        for old, new in edits:
            assert old in self.configuration, f"{old!r} is not in the configuration"
            self.configuration = self.configuration.replace(old, new)
        return self

    def run(self, *arguments: str) -> Outcome:
        """``graphc`` with these arguments, by default ``run m.cntk``, which leaves neither a trace nor rubbish."""
        for name, text in (("m.cntk", self.configuration), ("points.ctf", self.points)):
            if not Path(name).exists() or Path(name).read_text() != text:
                Path(name).write_text(text)
        self.capture.readouterr()
        status = main(list(arguments or ("run", "m.cntk")))
        found = self.capture.readouterr()
        assert "Traceback" not in found.err
        assert not [path for path in self.folder.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]
        return Outcome(status, found.out, found.err)

    def log(self) -> str:
        return Path("out/log").read_text()

    def made(self) -> list[str]:
        """Files in the folder that the project did not bring."""
        found = (str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file())
        return sorted(name for name in found if name not in self.names)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, capsys)
