"""Modules that are imported when a test first takes something from them: collecting tests imports no framework."""

from __future__ import annotations

from importlib import import_module


class lazily:
    """Stands for modules of a framework at the top of a test module.

    An attribute is that of the first module that has one of that name.

    Args:
        names: The modules, by their full names.
    """

    def __init__(self, *names):
        self._names = names

    def __getattr__(self, attribute):
        # pytest, inspect and mock probe for marks of their own, and must not import anything by that.
        if attribute.startswith(("_", "pytest")):
            raise AttributeError(attribute)
        for name in self._names:
            try:
                return getattr(import_module(name), attribute)
            except AttributeError:
                continue
        msg = f"none of {', '.join(self._names)} has {attribute!r}"
        raise AttributeError(msg)
