"""The root folders are sub-packages of graphc, in the wheel and in the checkout alike."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]


def test_every_package_is_listed() -> None:
    on_disk = {
        ".".join([name, *init.parent.relative_to(ROOT / folder).parts])
        for name, folder in FOLDERS.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert sorted(SETUPTOOLS["packages"]) == sorted(on_disk)


@pytest.mark.parametrize("folder", ["backends", "grammar", "models"])
def test_link_leads_to_the_folder(folder: str) -> None:
    link = ROOT / "graphc" / folder
    if not link.is_symlink():
        pytest.skip("checkout without symbolic links")
    assert link.resolve() == (ROOT / folder).resolve()


@pytest.mark.parametrize("folder", ["backends", "grammar", "models"])
def test_folder_has_one_import_name(folder: str) -> None:
    __import__(f"graphc.{folder}")
    source = (ROOT / folder / "__init__.py").read_text("utf-8")
    with pytest.raises(ImportError, match=f"graphc.{folder}"):
        exec(source, {"__name__": folder})
