"""Tests with several parameters: few combinations in the fast tests, all of them in `make soak`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence


def each_once(**axes: Sequence[Any]) -> pytest.MarkDecorator:
    """Parametrize a test such that it meets each value of each argument; combinations beyond that are left to `soak`.

    The first combination takes the first value of each argument, the second one the second values, and so on;
    shorter lists start again.
    """
    lists = list(axes.values())
    needed = {tuple(at % len(values) for values in lists) for at in range(max(map(len, lists)))}
    parameters = []
    for places in itertools.product(*(range(len(values)) for values in lists)):
        values = [each[at] for each, at in zip(lists, places, strict=True)]
        is_on_azure = any(isinstance(value, str) and value == "azure" for value in values)
        marks = pytest.mark.azure if is_on_azure else () if places in needed else pytest.mark.soak
        parameters.append(pytest.param(*values, marks=marks))
    return pytest.mark.parametrize(list(axes), parameters)
