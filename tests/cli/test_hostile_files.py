"""Files that are none, or not meant for us: without end, too large, in pipes, with characters that a terminal obeys."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from graphc.cli.main import main
from graphc.files import atomic_binary_writer

NETWORK = "{ x = Input {3} ; z = LinearLayer {2} (x) ; outputNodes = (z) }\n"

unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither these devices nor named pipes")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    return capsys.readouterr().err


@unix
@pytest.mark.parametrize("command", ["check", "fmt", "compile"])
def test_a_device_without_end(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "error[GC0001]: file /dev/zero is not readable: it has more than 16 megabytes" in told(
        capsys, command, "/dev/zero"
    )


def test_a_file_that_nobody_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "large.cntk").write_bytes(b"a" * (17 << 20))
    assert "more than 16 megabytes" in told(capsys, "check", str(tmp_path / "large.cntk"))
    (tmp_path / "m.bs").write_text('{ include "large.cntk" }')
    assert "more than 16 megabytes" in told(capsys, "check", str(tmp_path / "m.bs"))


@unix
def test_what_a_pipe_gives_is_read_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(NETWORK,), daemon=True)
    writer.start()
    assert main(["check", str(pipe)]) == 0
    assert capsys.readouterr().out == f"{pipe}: ok\n"
    writer.join()


def test_a_text_does_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.bs").write_text("{ x = Input {\x1b[2J\u202e 3 }")
    shown = told(capsys, "check", str(tmp_path / "m.bs"))
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "{ x = Input {\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER} 3 }" in shown


def test_a_pass_that_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.bs").write_text(NETWORK)
    assert "error[GC0905]" in told(capsys, "compile", str(tmp_path / "m.bs"), "--dump-after", "nonsense")


@unix
def test_no_file_takes_the_place_of_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "model"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="not a file"), atomic_binary_writer(pipe):
        pass
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_line_of_ifs_is_looked_through_quickly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m").write_text("if " * 20_000)
    assert "GC" in told(capsys, "check", str(tmp_path / "m"))
