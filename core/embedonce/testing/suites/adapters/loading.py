"""The plugin of an adapter: it has an entry point, and imports no framework."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from embedonce.testing.suites.adapters.harness import Harness

_LOAD = """
import json, sys
from importlib.metadata import entry_points
from embedonce.plugins.host import plugins

name = {name!r}
points = [point for point in entry_points(group="embedonce") if point.name == name]
before = set(sys.modules)
for point in points:
    try:
        point.load()
    except Exception:
        pass  # plugins() reports it
# Before other plugins are loaded, which may import more.
modules = sorted(sys.modules.keys() - before)
print("loaded:" + json.dumps({{
    "points": sorted({{(point.value, point.dist.name) for point in points}}),
    "failed": [str(failed) for failed in plugins().failed if failed.name == name],
    "modules": modules,
}}))
"""


class Loading(Harness):
    """Loading plugins in a fresh interpreter."""

    def test_the_plugin_is_found_by_its_entry_point_and_loads_no_framework(self) -> None:
        """The entry point `plugin` of the group `embedonce` loads, and imports neither `kind`'s module nor its package.

        All installed plugins are loaded when the first embedder of any framework is wrapped: each has to import its
        framework only inside its hooks, for an embedder of that framework. If it does not, look at the imports of the
        plugin's module and of the packages around it. If there is no entry point, install the distribution.
        """
        if self.plugin is None:
            pytest.skip(f"{type(self).__name__} names no plugin")
        found = _in_a_fresh_interpreter(_LOAD.format(name=self.plugin))
        assert found["points"], f"no installed distribution has an entry point {self.plugin!r} in the group 'embedonce'"
        assert len(found["points"]) == 1, "one name, one plugin"
        assert found["failed"] == []
        if self.kind is not None:
            module, _ = found["points"][0]
            package = self.kind.__module__.partition(".")[0]
            heavy = {self.kind.__module__}
            if module.partition(".")[0] != package:
                heavy.add(package)
            assert heavy.intersection(found["modules"]) == set()


def _in_a_fresh_interpreter(code: str) -> Any:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(  # noqa: S603 - our own code in our own interpreter
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("loaded:")[2])
