"""What gets installed, what a module may import, and what nobody may have to wait for."""

import ast
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]

# A folder may import those before it in its row.
BELOW = {
    "data": (),
    "backbone": ("data",),
    "eval": ("data",),
    "proposals": ("data", "backbone"),
    "detector": ("data", "backbone", "eval", "proposals"),
}
FILES = [path for folder in BELOW for path in sorted((ROOT / folder).rglob("*.py"))]

# Where a distribution's module has another name.
MODULES = {"opencv-contrib-python-headless": "cv2", "pillow": "PIL", "scikit-learn": "sklearn", "pyyaml": "yaml"}


def test_packages_are_the_folders_with_an_init() -> None:
    folders = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
    assert sorted(SETUPTOOLS["packages"]) == ["inception_rcnn", *(f"inception_rcnn.{name}" for name in folders)]
    assert folders == sorted(BELOW)
    assert not [path for folder in BELOW for path in (ROOT / folder).glob("*/**/*.py")]  # they would stay at home


def test_root_holds_no_modules_but_its_own_and_tests_are_no_package() -> None:
    assert sorted(path.name for path in ROOT.glob("*.py")) == ["__init__.py", "__main__.py"]
    assert not (ROOT / "tests" / "__init__.py").exists()


@pytest.mark.parametrize(
    ("package", "pattern"), [(package, each) for package, all in SETUPTOOLS["package-data"].items() for each in all]
)
def test_data_that_is_named_is_there(package: str, pattern: str) -> None:
    folder = ROOT.joinpath(*package.split(".")[1:])
    assert package in SETUPTOOLS["packages"]
    if pattern.startswith("models/") and not (folder / "models").is_dir():
        pytest.skip("no model ships yet")
    assert list(folder.glob(pattern))


def test_every_model_that_ships_is_whole() -> None:
    for model in (ROOT / "detector").glob("models/*/"):
        assert {"README.md", "config.json", "model.safetensors"} <= {path.name for path in model.iterdir()}, model


def test_every_file_beside_the_code_is_named_as_data() -> None:
    for package in SETUPTOOLS["packages"][1:]:
        folder = ROOT / package.split(".")[1]
        beside = {path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
        named = {path for pattern in SETUPTOOLS["package-data"].get(package, []) for path in folder.glob(pattern)}
        assert beside <= named


def test_version_is_the_installed_one() -> None:
    assert importlib.metadata.version("inception-rcnn") == PROJECT["project"]["version"]


@pytest.mark.parametrize("requirement", PROJECT["project"]["dependencies"])
def test_core_dependencies_are_here_in_the_version_asked_for(requirement: str) -> None:
    name, lowest = requirement.split(">=")
    assert importlib.util.find_spec(MODULES.get(name, name)) is not None
    assert _numbers(importlib.metadata.version(name)) >= _numbers(lowest)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.partition("+")[0])]


def test_reading_and_judging_and_the_command_line_do_not_wait_for_torch() -> None:
    light = [path for path in FILES if path.parent.name in ("data", "eval")]
    names = [f"inception_rcnn.{path.parent.name}.{path.stem}".removesuffix(".__init__") for path in light]
    assert len(names) > 20
    code = "\n".join([*(f"import {name}" for name in [*names, "inception_rcnn.detector.cli"]), "import sys"])
    code += "\nprint(*sorted({'torch', 'torchvision', 'numba', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def _folders_imported(path: Path) -> Iterator[str]:
    """The folders of this package that a file's imports reach, wherever in the file they stand."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            yield from [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 2, f"{path} imports from outside the package"
            yield from _absolute(node.module or "") if node.level == 0 else []
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _absolute(alias.name)


def _absolute(module: str) -> list[str]:
    return [module] if module.split(".")[0] == "inception_rcnn" else []  # inside the package imports are relative


@pytest.mark.parametrize("folder", BELOW)
def test_imports_only_point_down(folder: str) -> None:
    files = [path for path in FILES if path.parent.name == folder]
    upwards = {path.name: reached for path in files if (reached := {*_folders_imported(path)} - {*BELOW[folder]})}
    assert len(files) > 1
    assert upwards == {}


def test_an_import_that_points_up_is_noticed(tmp_path: Path) -> None:
    code = """
from ..data.boxes import box_iou
from .own import thing
import numpy, inception_rcnn.detector.rcnn
def f():
    from ..detector.rcnn import RCNN
    from .. import eval
"""
    (tmp_path / "a.py").write_text(code)
    assert sorted(_folders_imported(tmp_path / "a.py")) == ["data", "detector", "eval", "inception_rcnn.detector.rcnn"]
