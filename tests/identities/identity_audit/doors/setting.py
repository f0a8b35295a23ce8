"""What can be set when an embedder is built, or a call is made."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple, get_type_hints


class Setting(NamedTuple):
    """A field or an argument.

    Attributes:
        name: Its name.
        annotation: Its type, as it is declared.
    """

    name: str
    annotation: Any


def settings_of(function: Any) -> list[Setting]:
    """Return the arguments of a function, without `self` and those that it does not name."""
    try:
        hints = get_type_hints(function)
    except Exception:
        hints = {}
    parameters = inspect.signature(function).parameters.values()
    return [
        Setting(each.name, hints.get(each.name, each.annotation))
        for each in parameters
        if each.name != "self" and each.kind in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}
    ]
