"""Whose folders caches are kept in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from graphc.caches import cache_folder

unix = pytest.mark.skipif(os.name != "posix", reason="needs Unix permissions")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@unix
def test_folders_are_their_owner_s_alone(root: Path) -> None:
    assert cache_folder("kind") == root / "kind"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (root, root / "kind")] == [0o700, 0o700]


@unix
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_folder_that_others_may_write_is_not_used(root: Path, mode: int) -> None:
    (root / "kind").mkdir(parents=True)
    (root / "kind").chmod(mode)
    assert cache_folder("kind") is None


@unix
def test_folder_of_somebody_else_is_not_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder("kind")
    monkeypatch.setattr(os, "getuid", lambda: (root / "kind").stat().st_uid + 1)
    assert cache_folder("kind") is None


@pytest.mark.parametrize("place", ["cache", "cache/kind"])
def test_file_in_the_way_is_no_error(root: Path, place: str) -> None:
    (root.parent / place).parent.mkdir(exist_ok=True)
    (root.parent / place).write_text("in the way")
    assert cache_folder("kind") is None


def test_platform_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHC_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = cache_folder("kind")
    assert folder is not None and folder.name == "kind" and "graphc" in str(folder)
