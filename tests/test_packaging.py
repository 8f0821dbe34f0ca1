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

# From the ground up: a folder may import those before it, if its top folder may import theirs.
FLOORS = (
    *("data", "data.files", "data.images", "data.datasets", "data.classification", "data.stores"),
    *("data.formats.voc", "data.formats.ilsvrc", "data.formats.coco", "data.formats.yolo", "data.formats.label_studio"),
    *("data.formats", "backbone", "backbone.features", "backbone.training", "backbone.classification"),
    *("eval.metrics", "eval.analysis", "eval.report", "eval"),
    *("proposals.common", "proposals.selective_search", "proposals.multibox", "proposals"),
    *("detector", "detector.inference", "detector.training", "detector.classification", "detector.linear"),
    *("detector.scale", "detector.benchmarks", "detector.reproduction"),
    "detector.cli",
)
BELOW = {
    "data": {"data"},
    "backbone": {"data", "backbone"},
    "eval": {"data", "eval"},
    "proposals": {"data", "backbone", "proposals"},
    "detector": {"data", "backbone", "eval", "proposals", "detector"},
}
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for top in BELOW
    for path in sorted((ROOT / top).rglob("*.py"))
}
MOST_FILES, MOST_FLOORS = 13, 6  # of a folder
EARLIER_PATHS = ("data.specs", "proposals.kept")  # of 0.1.0, for scripts: not a part of the house

# Where a distribution's module has another name.
MODULES = {"opencv-contrib-python-headless": "cv2", "pillow": "PIL", "scikit-learn": "sklearn", "pyyaml": "yaml"}


def test_packages_are_the_folders_with_an_init() -> None:
    inits = [name for name in FILES if name.endswith(".__init__")]
    assert SETUPTOOLS["packages"] == ["inception_rcnn", *(f"inception_rcnn.{_folder(name)}" for name in sorted(inits))]
    assert {_folder(name) for name in FILES} == {_folder(name) for name in inits} == {*FLOORS}
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == {*BELOW}


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
        folder = ROOT.joinpath(*package.split(".")[1:])
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
    names = [name.removesuffix(".__init__") for name in FILES if name.startswith(("data.", "eval."))]
    assert len(names) > 20
    code = "\n".join([*(f"import inception_rcnn.{name}" for name in [*names, "detector.cli.app"]), "import sys"])
    code += "\nprint(*sorted({'torch', 'torchvision', 'numba', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def _folder(name: str) -> str:
    return name.rpartition(".")[0]


def _imported(name: str, source: bytes) -> Iterator[str]:
    """The modules of this package that one imports, wherever in the file they stand; absolute ones as they are."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = _folder(name).split(".")
            assert node.level <= len(parts) + 1, f"{name} imports from outside the package"
            base = [*parts[: len(parts) - node.level + 1], *(node.module.split(".") if node.module else [])]
            for alias in node.names:  # a module, or what is in one
                whole = ".".join([*base, alias.name])
                yield whole if whole in FILES or whole in FLOORS else ".".join(base)
        elif isinstance(node, ast.ImportFrom):
            yield from _absolute(node.module or "")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _absolute(alias.name)


def _absolute(module: str) -> list[str]:
    return [module] if module.split(".")[0] == "inception_rcnn" else []  # inside the package imports are relative


IMPORTS = {name: {*_imported(name, path.read_bytes())} for name, path in FILES.items()}


@pytest.mark.parametrize("folder", FLOORS)
def test_imports_only_point_down(folder: str) -> None:
    below = {each for each in FLOORS[: FLOORS.index(folder) + 1] if each.split(".")[0] in BELOW[folder.split(".")[0]]}
    own = [name for name in FILES if _folder(name) == folder and name not in EARLIER_PATHS]
    upwards = {name: wrong for name in own if (wrong := {each for each in IMPORTS[name] if _folder(each) not in below})}
    assert len(own) > 1
    assert upwards == {}


@pytest.mark.parametrize("folder", FLOORS)
def test_a_folder_has_few_files_and_few_floors(folder: str) -> None:
    own = {name: {*IMPORTS[name]} for name in FILES if _folder(name) == folder and name not in EARLIER_PATHS}
    assert len(own) <= MOST_FILES
    own = {name: imports for name, imports in own.items() if not name.endswith(".__init__")}
    floors = 0
    while own:  # a circle would leave none without an import of the others
        ground = [name for name, imports in own.items() if not imports & own.keys() - {name}]
        assert ground, f"a circle: {', '.join(own)}"
        own = {name: imports for name, imports in own.items() if name not in ground}
        floors += 1
    assert floors <= MOST_FLOORS


def test_import_paths_of_an_earlier_release_work() -> None:
    from inception_rcnn.data.formats import specs
    from inception_rcnn.data.specs import open_dataset
    from inception_rcnn.proposals import cache
    from inception_rcnn.proposals.kept import kept_proposals

    assert (open_dataset, kept_proposals) == (specs.open_dataset, cache.cached_proposals)


def test_every_import_is_noticed() -> None:
    code = b"""
from ..data.boxes import box_iou
from .nms import suppress
import numpy, inception_rcnn.detector.rcnn
def f():
    from . import rcnn
    from .. import eval
"""
    assert sorted(_imported("detector.a", code)) == [
        *("data.boxes", "detector.nms", "detector.rcnn", "eval", "inception_rcnn.detector.rcnn")
    ]
