"""What a stranger has installed: built once for all workers, and copied for tests that change it."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import textwrap
from pathlib import Path

import pytest

import embedonce.plugins.host

# With --import-mode=importlib the directory of a test is on no path.
sys.path.insert(0, str(Path(__file__).parent))

from environments import ACME, ACME_FRAMEWORK, ROOT, Environment, build, one_at_a_time

# The tests of other distributions: they run where those are installed, not here.
collect_ignore = ["acme", "acme_framework"]


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """The environment with the stranger's distribution and the made-up framework, in which nothing is changed.

    The first worker of pytest-xdist makes it, and all use it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "strangers"
    folder.mkdir(exist_ok=True)
    with one_at_a_time(folder / "lock.db"):
        if not (folder / "made").exists():
            # Of a worker that has failed at it.
            shutil.rmtree(folder / "wheels", ignore_errors=True)
            shutil.rmtree(folder / "environment", ignore_errors=True)
            for source in (ROOT, ACME_FRAMEWORK, ACME):
                build(source, folder / "wheels")
            Environment.make(folder / "environment", folder / "wheels")
            (folder / "made").touch()
    return Environment(folder / "environment")


@pytest.fixture
def new_environment(environment, tmp_path):
    """Such an environment for one test, which may change it."""
    return environment.copy(tmp_path / "environment")


_numbers = itertools.count()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that puts a distribution on the path, as pip would."""
    monkeypatch.setattr(embedonce.plugins.host, "LOADED", embedonce.plugins.host.Loaded())

    def install(distribution, entry_points, code="", version="1.0"):
        """`{module}` in entry points stands for the module that holds the code."""
        module = f"plugin_of_a_stranger_{next(_numbers)}"
        site = tmp_path / module
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(textwrap.dedent(entry_points).format(module=module))
        (site / f"{module}.py").write_text(textwrap.dedent(code))
        monkeypatch.syspath_prepend(str(site))
        return module

    return install
