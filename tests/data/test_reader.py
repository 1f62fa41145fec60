"""A reader section held against its data and the network's inputs, and the cache of parsed files."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from graphc.config.reader import ReaderSettings, read_reader
from graphc.data import cache
from graphc.data.reader import open_reader
from graphc.data.streams import WantedInput
from graphc.data.text_format import TextOptions
from graphc.data.text_rows import TextInput
from graphc.diagnostics import Diagnostic, DiagnosticError, SourceFile
from graphc.syntax.configuration import configuration_from_text

DATA = "".join(f"|features {n} 0 |labels {n % 3}:1\n" for n in range(10))
WANTED = [WantedInput("features", 2), WantedInput("labels", 3)]
Opened = Callable[..., ReaderSettings]


@pytest.fixture
def section(tmp_path: Path) -> Opened:
    """Settings of a reader of a file with the given text."""

    def settings(text: str = DATA, more: str = "", labels: str = "labels", name: str = "data.ctf") -> ReaderSettings:
        (tmp_path / "data.ctf").write_text(text)
        inputs = f"features = [dim=2; format=dense]; {labels} = [dim=3; format=sparse]"
        record = configuration_from_text(f'reader = [file="{tmp_path / name}"; input=[{inputs}]; {more}]')
        return read_reader(record.record("reader"))

    return settings


def refusal(settings: ReaderSettings, wanted: list[WantedInput] = WANTED) -> tuple[Diagnostic, ...]:
    with pytest.raises(DiagnosticError) as caught:
        open_reader(settings, wanted)
    return caught.value.diagnostics


def test_frames(section: Opened) -> None:
    reader = open_reader(section(), WANTED)
    assert reader.samples == 10 and reader.is_frames and list(reader.streams) == ["features", "labels"]
    epoch = [m.sequences.tolist() for m in reader.minibatches(0, 4)]
    assert [len(m) for m in epoch] == [4, 4, 2] and sorted(s for m in epoch for s in m) == list(range(10))
    assert [m.sequences.tolist() for m in reader.minibatches(0, 4, first=1)] == epoch[1:]
    assert reader.streams["labels"].column.is_onehot


def test_order_settings(section: Opened) -> None:
    def order(more: str, epoch: int = 0) -> list[int]:
        reader = open_reader(section(more=more), WANTED)
        return [s for m in reader.minibatches(epoch, 100) for s in m.sequences.tolist()]

    assert order("randomize=false", 3) == list(range(10))
    assert order("") == order("sampleBasedRandomizationWindow=true") != list(range(10))
    assert order("randomizationSeed=1") == order("", 1) != order("")
    assert order("chunkSizeInBytes=60; randomizationWindow=1") != order("")


def test_precision(section: Opened) -> None:
    for precision, dtype in (("float", np.float32), ("double", np.float64)):
        reader = open_reader(section(more=f"precision={precision}"), WANTED)
        assert reader.streams["features"].column.dense().dtype == dtype


def test_names_fold_case_and_unused_streams_stay_out(section: Opened) -> None:
    reader = open_reader(section(), [WantedInput("Features", 2)])
    assert list(reader.streams) == ["Features"]


def test_dimensions_disagree(section: Opened) -> None:
    model = SourceFile("model.bs", "labels = Input {10}").span(0, 6)
    (found,) = refusal(section(), [WANTED[0], WantedInput("labels", 10, model)])
    assert found.code == "GC0609" and found.span is not None and found.span.text == "3"
    assert "dim 3" in found.message and "10 elements" in found.message
    assert found.labels[0].span is model


def test_every_disagreement_is_told(section: Opened) -> None:
    found = refusal(section(labels="lables"), [WantedInput("features", 3), WantedInput("labels", 3)])
    assert [d.code for d in found] == ["GC0609", "GC0608"]
    assert found[1].hint == "rename the stream 'lables' to 'labels', or the input"


def test_missing_file(section: Opened) -> None:
    (found,) = refusal(section(name="dato.ctf"))
    assert found.code == "GC0001" and found.span is not None and found.hint is not None and "data.ctf" in found.hint
    (found,) = refusal(section(name="nowhere/data.ctf"))
    assert found.code == "GC0001" and found.hint is not None and "does not exist either" in found.hint


def test_max_errors(section: Opened) -> None:
    text = DATA + "|features 1 2 |labels 0:1 | oops\n"
    (found,) = refusal(section(text))
    assert found.code == "GC0601" and found.span is not None and found.span.line == 11
    assert found.span.file.name.endswith("data.ctf")
    assert len(open_reader(section(text, "maxErrors=1"), WANTED).warnings) == 1


def test_frame_mode_refuses_sequences(section: Opened) -> None:
    text = "5 |features 1 2 |labels 0:1\n5 |features 3 4 |labels 1:1\n"
    (found,) = refusal(section(text, "frameMode=true"))
    assert found.code == "GC0611" and "sequence 5" in found.message
    assert not open_reader(section(text), WANTED).is_frames


# The cache -----------------------------------------------------------------------------------------------------------

INPUTS = [TextInput("features", 2), TextInput("labels", 3, sparse=True)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_WORTHWHILE", 1)
    (tmp_path / "data.ctf").write_text(DATA)
    return tmp_path


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "cache").rglob("*.safetensors"))


def read(folder: Path, inputs: list[TextInput] = INPUTS, **options: object) -> dict[str, list[list[float]]]:
    data = cache.read_cached(folder / "data.ctf", inputs, TextOptions(**options))  # pyright: ignore[reportArgumentType]
    assert data.lengths.tolist() == [1] * 10 and data.keys.tolist() == list(range(10))
    assert data.chunk_starts(60)[1] == 2
    return {name: s.column.dense().tolist() for name, s in data.streams.items()}


def test_a_parsed_file_is_not_parsed_again(folder: Path) -> None:
    first = read(folder)
    assert len(entries(folder)) == 1
    assert (folder / "cache").stat().st_mode & 0o777 == 0o700
    with mock.patch.object(cache, "parse_text_format", side_effect=AssertionError):
        assert read(folder) == first


@pytest.mark.parametrize("change", [b"", b"garbage", None], ids=["empty", "garbage", "cut off"])
def test_a_broken_entry_is_made_again(folder: Path, change: bytes | None) -> None:
    first = read(folder)
    (entry,) = entries(folder)
    good = entry.read_bytes()
    entry.write_bytes(good[:-8] if change is None else change)
    assert read(folder) == first
    assert entry.read_bytes() == good


def test_other_contents_and_settings_are_other_entries(folder: Path) -> None:
    read(folder)
    read(folder, dtype=np.float64)
    read(folder, [INPUTS[0], TextInput("labels", 4, sparse=True)])
    (folder / "data.ctf").write_text(DATA.replace("|features 0 0", "|features 0 1"))
    assert read(folder)["features"][0] == [0, 1]
    assert len(entries(folder)) == 4


def test_an_unusable_folder_is_no_obstacle(folder: Path) -> None:
    (folder / "cache").write_text("a file in the way")
    assert len(read(folder)["features"]) == 10


def test_a_file_with_warnings_keeps_them(folder: Path) -> None:
    (folder / "data.ctf").write_text(DATA.rstrip("\n"))
    for _ in range(2):
        assert len(cache.read_cached(folder / "data.ctf", INPUTS, TextOptions()).warnings) == 1
    assert not entries(folder)
