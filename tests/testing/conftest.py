"""Runs suites inside of tests."""

from __future__ import annotations

import itertools
import sys
import types
from pathlib import Path

import pytest

# With --import-mode=importlib the directory of a test is on no path.
sys.path.insert(0, str(Path(__file__).parent))

from replaying import Runs

_NUMBERS = itertools.count()


@pytest.fixture
def run_suite(run_file, tmp_path, monkeypatch):
    """Run a class of tests, or one test of it, in a pytest of its own; return what became of them, and why."""

    def run_suite(suite, test=None):
        name = f"suite_under_test_{next(_NUMBERS)}"
        module = types.ModuleType(name)
        setattr(module, suite.__name__, suite)
        monkeypatch.setitem(sys.modules, name, module)
        folder = tmp_path / name
        folder.mkdir()
        file = folder / f"test_of_{name}.py"
        file.write_text(f"import sys\n{suite.__name__} = sys.modules[{name!r}].{suite.__name__}\n")
        return run_file(file, suite.__name__, *filter(None, [test]))

    return run_suite


@pytest.fixture
def outcomes(run_suite):
    """Run a class of tests, or one test of it; return how many passed, failed, were skipped and could not begin."""
    return lambda suite, test=None: run_suite(suite, test)[0]


@pytest.fixture
def fails(run_suite):
    """Tell whether all cases of a test of a suite fail."""
    return lambda suite, test: set(run_suite(suite, test)[0]) == {"failed"}


@pytest.fixture
def runs(pytester, monkeypatch):
    return Runs(pytester, monkeypatch)
