"""A field or an argument of a constructor."""

from __future__ import annotations

from typing import Any, NamedTuple


class Setting(NamedTuple):
    """What can be set when an embedder is built.

    Attributes:
        name: Its name.
        annotation: Its type, as its class declares it.
    """

    name: str
    annotation: Any
