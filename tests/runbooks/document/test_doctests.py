"""The samples in the docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import runbooks.document as room

MODULES = [module.name for module in pkgutil.iter_modules(room.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_its_docstring_tells_the_truth(name):
    assert doctest.testmod(importlib.import_module(f"runbooks.document.{name}")).failed == 0
