"""Runs suites inside of tests."""

from __future__ import annotations

import itertools
import sys
import types
from collections import Counter

import pytest

_NUMBERS = itertools.count()


class _Reports:
    """A plugin that counts what became of the tests of a run."""

    def __init__(self):
        self.outcomes = Counter()
        self.texts = []

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.outcomes["error" if report.failed and report.when != "call" else report.outcome] += 1
            self.texts.append(str(report.longrepr))


@pytest.fixture
def run_suite(tmp_path, monkeypatch):
    """Run a class of tests, or one test of it, in a pytest of its own; return what became of them, and why."""
    # The suites need no plugin of pytest.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run_suite(suite, test=None):
        name = f"suite_under_test_{next(_NUMBERS)}"
        module = types.ModuleType(name)
        setattr(module, suite.__name__, suite)
        monkeypatch.setitem(sys.modules, name, module)
        folder = tmp_path / name
        folder.mkdir()
        file = folder / f"test_of_{name}.py"
        file.write_text(f"import sys\n{suite.__name__} = sys.modules[{name!r}].{suite.__name__}\n")
        (folder / "pytest.ini").write_text("[pytest]\n")
        reports = _Reports()
        asked = f"{file}::{suite.__name__}" + (f"::{test}" if test else "")
        arguments = [asked, f"--rootdir={folder}", f"--basetemp={folder / 'temporary'}", "--import-mode=importlib"]
        plugins = ["-p", "no:cacheprovider", "-p", "no:terminal"]
        code = pytest.main([*arguments, *plugins, "-W", "error"], plugins=[reports])
        assert code in (0, 1), f"pytest ended with {code!r}"
        return dict(reports.outcomes), "\n".join(reports.texts)

    return run_suite


@pytest.fixture
def outcomes(run_suite):
    """Run a class of tests, or one test of it; return how many passed, failed, were skipped and could not begin."""
    return lambda suite, test=None: run_suite(suite, test)[0]


@pytest.fixture
def fails(run_suite):
    """Tell whether all cases of a test of a suite fail."""
    return lambda suite, test: set(run_suite(suite, test)[0]) == {"failed"}
