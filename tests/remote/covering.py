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
    shorter lists start again. What is on Azure has that mark alone.
    """
    fast = [[value for value in values if not _is_azure(value)] for values in axes.values()]
    needed = [[values[at % len(values)] for values in fast] for at in range(max(map(len, fast)))]
    parameters = []
    for values in itertools.product(*axes.values()):
        marks = pytest.mark.azure if any(map(_is_azure, values)) else pytest.mark.soak
        parameters.append(pytest.param(*values, marks=() if list(values) in needed else marks))
    return pytest.mark.parametrize(list(axes), parameters)


def _is_azure(value: Any) -> bool:
    return isinstance(value, str) and value == "azure"
