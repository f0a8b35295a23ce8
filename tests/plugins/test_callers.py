"""The user's own line: frames of embedonce and of installed plugins are skipped, those of the program are not."""

from __future__ import annotations

import os
import sys
import warnings

from embedonce import hookimpl, register_plugin
from embedonce.plugins.callers import warn_user
from embedonce.plugins.host import plugins

WARNING = """
    from embedonce import hookimpl
    from embedonce.plugins.callers import warn_user

    @hookimpl
    def embedonce_identify(embedder):
        return None

    def warn():
        warn_user("careful")

    class Meta(type):
        def __call__(cls):
            return super().__call__()

    class Thing(metaclass=Meta):
        def __init__(self):
            warn()
"""


def lines_of(function):
    """Where the warnings point that a function causes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [each.filename for each in caught]


def test_an_installed_plugin_of_one_module_is_skipped_and_its_neighbours_are_not(install):
    module = __import__(install("acme-plugin", "[embedonce]\nacme = {module}\n", WARNING))
    neighbour = os.path.join(os.path.dirname(module.__file__), "neighbour.py")
    names = {}
    exec(compile("def call(function): function()", neighbour, "exec"), names)
    plugins()
    assert lines_of(module.warn) == [__file__]
    assert lines_of(lambda: names["call"](module.warn)) == [neighbour]


def test_an_installed_plugin_in_a_package_is_skipped_with_the_package(install, tmp_path, monkeypatch):
    package = tmp_path / "packaged"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "inner" / "__init__.py").touch()
    (package / "plugin.py").write_text(
        "from embedonce import hookimpl\n@hookimpl\ndef embedonce_identify(embedder):\n    return None\n"
    )
    (package / "inner" / "calls.py").write_text(
        "from embedonce.plugins.callers import warn_user\n\n\ndef warn():\n    warn_user('careful')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    install("packaged-plugin", "[embedonce]\npackaged = packaged.plugin\n")
    plugins()
    calls = __import__("packaged.inner.calls").inner.calls
    assert lines_of(calls.warn) == [__file__]
    assert f"{package}{os.sep}" in plugins().paths
    for name in [name for name in sys.modules if name.partition(".")[0] == "packaged"]:
        monkeypatch.delitem(sys.modules, name)


def _warn():
    warn_user("careful")


def test_the_metaclass_of_a_framework_is_skipped(install):
    module = __import__(install("acme-plugin", "[embedonce]\nacme = {module}\n", WARNING))
    plugins()
    # As if the class had been made by a framework, which no plugin is.
    framework = {"warn": module.warn}
    body = "class Meta(type):\n    def __call__(cls):\n        return super().__call__()\n"
    exec(compile(body, "/framework/component.py", "exec"), framework)
    thing = framework["Meta"]("Thing", (), {"__init__": lambda _: module.warn()})
    assert lines_of(thing) == [__file__]
    assert lines_of(module.Thing) == [__file__]


class _Plugin:
    @hookimpl
    def embedonce_identify(self, embedder):
        return None


def test_a_plugin_of_the_program_is_the_users_code(install):
    register_plugin(_Plugin(), "mine")
    assert lines_of(_warn) == [__file__]
