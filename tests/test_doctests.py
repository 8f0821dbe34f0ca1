"""The examples in docstrings, run; and that every module of the package can be imported."""

import doctest
import importlib
import pkgutil

import pytest

import inception_rcnn

MODULES = sorted(
    found.name
    for top in pkgutil.iter_modules(inception_rcnn.__path__)
    if top.ispkg
    for found in pkgutil.walk_packages([f"{inception_rcnn.__path__[0]}/{top.name}"], f"inception_rcnn.{top.name}.")
)


def test_every_folder_has_modules() -> None:
    assert {name.split(".")[1] for name in MODULES} == {"backbone", "data", "detector", "eval", "proposals"}


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_found_at_all() -> None:
    assert doctest.testmod(importlib.import_module("inception_rcnn.data.boxes")).attempted >= 5
