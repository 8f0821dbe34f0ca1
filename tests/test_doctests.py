"""The examples in docstrings, run; and that every module of the package can be imported."""

import doctest
import importlib
import pkgutil

import pytest

import inception_rcnn

FOLDERS = [found.name for found in pkgutil.iter_modules(inception_rcnn.__path__) if found.ispkg]
MODULES = sorted(
    found.name
    for folder in FOLDERS
    for found in pkgutil.iter_modules(
        [f"{path}/{folder}" for path in inception_rcnn.__path__], f"inception_rcnn.{folder}."
    )
)


def test_every_folder_has_modules() -> None:
    assert FOLDERS == ["backbone", "data", "detector", "eval", "proposals"]
    assert {name.split(".")[1] for name in MODULES} == set(FOLDERS)


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_found_at_all() -> None:
    assert doctest.testmod(importlib.import_module("inception_rcnn.data.boxes")).attempted >= 5
